/*
 * sv_wish - what a person wants beyond the file: another number of a program's processes, a command
 * that is run once.
 *
 * A wish for a number is kept over reloads, until numprocs of the file is another one.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

struct err;
struct sv;
struct sv_process_conf;

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

/* Of the end. */
void sv_wish_free(struct sv_wish *all);
