/*
 * sv_keeper - a process that holds descriptors for us, so that they outlive us.
 *
 *	we -- link --> keeper: "keep this", "drop that"
 *	we die: the link ends; the keeper listens at its path
 *	the next one connects, gets all of them, and its connection is the new link
 *
 * It is a fork of ourselves that does nothing else, ignores signals that end others, and ends when
 * it is told to, or when we are gone and it holds nothing worth keeping: nobody writes any more,
 * and nobody came within an hour for what was written, or can come. While it holds the read end of
 * a pipe, who writes there is not killed by SIGPIPE, and what was written is not lost.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct err;

enum {
	SV_KEEPER_ID = 96,
	SV_INFLIGHT_KEPT = '~', /* the id of what outputs_kept gives; not worth keeping alone */
};

struct sv_keeper {
	int link; /* -1: there is none */
	pid_t pid;
	char path[108];
};

/* What it holds. */
struct sv_kept {
	char id[SV_KEEPER_ID];
	int fd;
};

/* Forks one that will listen at path. Returns 0 or a code. */
int sv_keeper_start(struct sv_keeper *k, const char *path, struct err *err);

/*
 * Takes over the one that an earlier process of ours left at path. *kept: the caller's, with the
 * descriptors. Returns their number, or a code: UV_ENOENT where there is none.
 */
int sv_keeper_join(struct sv_keeper *k, const char *path, struct sv_kept **kept);

/* A copy of fd is kept until it is dropped. */
void sv_keeper_keep(struct sv_keeper *k, const char *id, int fd);
void sv_keeper_drop(struct sv_keeper *k, const char *id);

/* It ends too. */
void sv_keeper_end(struct sv_keeper *k);
