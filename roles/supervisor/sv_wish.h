/*
 * sv_wish - what a person wants beyond the file: another number of a program's processes, a command
 * that is run once.
 *
 * A wish for a number is kept over reloads, crashes and new images, until numprocs of the file is
 * another one; a command goes on over them, too.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

struct err;
struct sv;
struct sv_process_conf;
struct sv_team;

struct sv_wish {
	struct sv_wish *next;
	char *program;
	int64_t number, file; /* file: numprocs there, when it was wished */
};

/* numprocs, or what is wished in its place. */
int64_t sv_wish_number(const struct sv_wish *all, const char *program, int64_t file);

/* Only the processes that come or go are touched. Returns 0, UV_ENOENT, or ERR_CONF. */
int sv_wish_scale(struct sv *sv, const char *program, int64_t number, struct err *err);

/* Runs words, each a string, once, as a group of its own, whose name goes to `name`. folder: NULL:
 * ours. */
int sv_wish_run(struct sv *sv, const json_t *words, const char *folder, char name[64],
		struct err *err);

/* What an earlier process of ours was told, from its memory: a setup in place of sv's where there
 * is any. */
void sv_wish_recall(struct sv *sv);

/* The group of a command that such a one has started, which is not started again. NULL: none. */
struct sv_team *sv_wish_again(struct sv *sv, const char *name);

/* Of the end. */
void sv_wish_free(struct sv_wish *all);
