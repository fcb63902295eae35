/*
 * cgroup - control groups, version 2: a folder for each program, with its limits.
 *
 *	FOLDER                   ours; while it limits what is below, no process may be in it
 *	   +-- supervisor        who was in FOLDER before
 *	   +-- program-web:web_01    a program and all that descends from it
 *
 * https://docs.kernel.org/admin-guide/cgroup-v2.html ("No Internal Process Constraint",
 * "Delegation"). What the kernel does not offer here - a controller that version 1 holds, or that
 * nobody delegated to us - is told by name, and the program runs without.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum { CGROUP_PATH = 1024 };

/* 0: no limit. */
struct cgroup_limits {
	int64_t memory_max, memory_high; /* bytes */
	int64_t pids_max;                /* processes and threads */
	int64_t cpu_max;                 /* per cent of one core */
	int64_t cpu_weight;              /* 1 to 10000; others have 100 */
};

/* Where we are, as the texts of /proc/self/mountinfo and /proc/self/cgroup tell. Returns 0;
 * UV_ENOENT: version 2 is not mounted; UV_ENAMETOOLONG. */
int cgroup_place(const char *mounts, const char *own, char mount[CGROUP_PATH],
		 char place[CGROUP_PATH]);

/* FOLDER: where is "auto", our own; or a path, from / on or below the mount, which is made when it
 * is not there. Returns 0, or a code and one sentence. */
int cgroup_open(char folder[CGROUP_PATH], const char *where, struct err *err);

/* What is below it is to be limited: memory, cpu and pids, as far as they are there. If we are in
 * it, all who are move to `supervisor`. Returns 0, or a code and one sentence. */
int cgroup_switch_on(const char *folder, struct err *err);

/* The folder of a program, made when it is not there. */
int cgroup_make(const char *folder, const char *name, char into[CGROUP_PATH], struct err *err);

/* Returns 0, or a code and one sentence on the first limit that is not in force; the others are. */
int cgroup_limit(const char *folder, const struct cgroup_limits *l, struct err *err);

/* The process, not its children. Returns 0 or a code. */
int cgroup_move(const char *folder, pid_t pid);

/* How many of its processes were killed for want of memory. */
uint64_t cgroup_oom_kills(const char *folder);

/* With what is below it; stays when somebody is still in it. */
void cgroup_remove(const char *folder);
