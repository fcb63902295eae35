/*
 * trial - a worker that is tried, and what is heard of it: its process, its connection, what it
 * prints.
 *
 * What it says is looked at as it comes; what breaks the protocol is told at once, and counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/buf.h"

enum { MAX_BODY = 1 << 20, MAX_JOBS = 64, LARGE = 300 * 1000, LINE = 160 };

struct sent {
	char id[16];
	int answers;
};

struct trial {
	const char *const *argv;
	const char *body, *topic;
	int credit_asked, patience; /* ms */
	bool verbose;

	int fd, words; /* its connection, and what it prints; -1: none */
	pid_t pid;
	char line[LINE + 1], printed[LINE + 1]; /* the present line, the last whole one */
	size_t line_len;
	bool misplaced; /* it says on standard output what belongs on descriptor 3 */
	struct buf in;
	int credit;
	bool pings, said_bye, closed;
	int64_t pong;
	struct sent jobs[MAX_JOBS];
	int n_jobs, open, numbers;
	int faults;
	bool lost; /* nothing more can be tried with this process */
};

/* Lines of the report; a bad one is a fault. */
void trial_good(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trial_bad(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What it has printed that may help to understand a bad line. */
void trial_say_printed(const struct trial *t);

int64_t trial_now(void); /* ms, monotonic */

/* Starts it anew; not 0: it was told why it can't. */
int trial_start(struct trial *t);
void trial_hang_up(struct trial *t);
void trial_finish(struct trial *t); /* kills what is left */

/* A failure is told by the next trial_listen. */
void trial_put(struct trial *t, const void *data, size_t n);
void trial_put_text(struct trial *t, const char *text);

/* Until `enough` says so, it has closed, broken the protocol, or ms have passed. */
bool trial_listen(struct trial *t, bool (*enough)(const struct trial *t), int ms);

/* Something waits in its standard output. */
void trial_hear_words(struct trial *t);

/* Behind the end of its connection: how it has ended, in words. */
const char *trial_how_gone(struct trial *t);
