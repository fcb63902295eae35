/*
 * sv_state - what runs, in a file that is mapped: written by storing, so that it is right at any
 * moment, however we end. A slot for each life, and for each process that rests.
 *
 *	FREE -> BORN (its mark is known, its number not yet) -> LIVES -> FREE
 *	FREE -> RESTS (it is not to run: a person's will, or its work is done) -> FREE
 *	FREE -> WISH (another number of a program's processes; see sv_wish.h) -> FREE
 *
 * The file begins with the version of all this, including what the keeper holds: what another
 * version wrote is not guessed at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum sv_slot_use { SV_SLOT_FREE, SV_SLOT_BORN, SV_SLOT_LIVES, SV_SLOT_RESTS, SV_SLOT_WISH };

struct sv_slot {
	uint32_t use;
	int32_t pid;
	uint64_t born;      /* clock ticks after boot */
	int64_t started_at; /* wall clock, ms */
	uint8_t wanted, ready;
	char mark[48];
	char group[250], name[250];        /* "" for what is too long: it is not adopted */
	char auto_out[206], auto_err[206]; /* names of logs that are AUTO */
	uint8_t heard;                     /* enum sv_ear_state */
	uint8_t once;                      /* of no file: a command that is run once */
	/* RESTS */
	uint8_t has_exit, how; /* enum child_how */
	int32_t code;
	int64_t stopped_at; /* wall clock, ms */
	/* WISH; group: the program's name */
	int64_t number, file;
};

enum { SV_STATE_VERSION = 3 };

struct sv_state_head {
	char magic[8]; /* "troupesv" */
	uint32_t version, slot_size;
};

struct sv_state {
	struct sv_state_head *head;
	struct sv_slot *slots; /* NULL: nothing is remembered */
	size_t count;
	size_t free; /* none below it */
	int fd;
	char path[4096];
};

/* One that was not written by this version is moved to PATH.refused. Returns 0, or a code and one
 * sentence when that happened. */
int sv_state_refuse(const char *path, struct err *err);

/* With what is in it. Returns 0 or a code. */
int sv_state_open(struct sv_state *s, const char *path, struct err *err);

/* The number of a free one; SIZE_MAX: there is none. Slots may move then. */
size_t sv_state_take(struct sv_state *s);
struct sv_slot *sv_state_slot(const struct sv_state *s, size_t i);
void sv_state_give(struct sv_state *s, size_t i);

/* remove: nothing runs any more. */
void sv_state_close(struct sv_state *s, bool remove);
