/*
 * import - `troupe import-config PATH`: the PHP file of a program whose work we take over becomes
 * our ini. A role that knows the file writes its sections by these means; what it has not taken is
 * named at the end, with the reason.
 */
#pragma once

#include <limits.h>
#include <stdio.h>

#include "core/conf/php.h"

struct err;

struct import {
	struct php_file file;
	char path[PATH_MAX]; /* of the file */
	char dir[PATH_MAX];  /* where it is */
	FILE *out;
};

/* Why a key was left: NULL ends the list. */
struct import_reason {
	const char *key; /* "pid_file"; "job.profile.": all that begin so */
	const char *why;
};

/* path: a file; in a folder it is `within`. Returns 0, or what is wrong, with a sentence;
 * import_fini in any case. */
int import_read(struct import *im, const char *path, const char *within, struct err *err);
void import_fini(struct import *im);

/* ---- what it says --------------------------------------------------------------------- */

/* Whether there is a key of that beginning. */
bool import_has(const struct import *im, const char *prefix);

/* NULL: it is not there, or nothing that can be carried over. */
const char *import_take(struct import *im, const char *key);

/* otherwise: as above, or below `least`. */
long import_number(struct import *im, const char *key, long least, long otherwise);

/* ---- what we say ------------------------------------------------------------------------ */

/* A line that core/conf reads back as it is. */
void import_put(struct import *im, const char *key, const char *value);

/* A section; its name is made one that a section can have. */
void import_section(struct import *im, const char *kind, const char *name);

/* One more word of a command. */
void import_word(struct import *im, const char *word);

/* listen: "127.0.0.1:9523", what is not said as these. */
void import_listen(struct import *im, const char *key, const char *host, const char *port);

/* Where `make install` has put a worker of ours, or where it stands beside the sources. */
void import_worker(const char *name, char path[PATH_MAX]);

/* In comments, what was not taken; otherwise: the reason for the keys that have none. */
void import_rest(struct import *im, const struct import_reason *reasons, const char *otherwise);
