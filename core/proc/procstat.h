/*
 * procstat - what /proc tells of a process: one open, one read, one close a file.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct procstat {
	pid_t pid, ppid;
	pid_t group, session;
	char state;            /* 'R', 'S', 'D', 'T', 'Z', ... */
	uint64_t born;         /* clock ticks after boot */
	uint64_t user, system; /* CPU time so far, microseconds */
	uint64_t waited;       /* CPU time of children it waited for, microseconds */
	uint64_t rss;          /* bytes */
	uint64_t size;         /* virtual, bytes */
	unsigned threads;
};

/* Returns 0, UV_ESRCH, or another code; *s is unchanged then. */
int procstat_read(struct procstat *s, pid_t pid);

/* From the text of /proc/PID/stat. Returns 0 or ERR_PROTO. */
int procstat_parse(struct procstat *s, const char *text);

/* Start time, or 0 when there is no such process. */
uint64_t procstat_born(pid_t pid);

/* Open descriptors, or a code (UV_EACCES: it is another user's). */
int procstat_fds(pid_t pid);

/* When it started, in milliseconds since 1970; born as above. */
uint64_t procstat_started(uint64_t born);

enum { PROCSTAT_NO_ENV = -2 };

/* A variable of the environment that it was executed with. Returns its length; -1; PROCSTAT_NO_ENV:
 * there is none at all, as yet, if it is in the middle of an exec. */
int procstat_env(pid_t pid, const char *key, char *into, size_t size);
