/*
 * sv_import - `troupe supervisor import multiprocess|procfile|pm2 FILE`: what another tool runs, as
 * an ini for us on standard output.
 *
 * The file is read, never run. What has no equal here stands in the result as a comment with the
 * reason; nothing is dropped in silence. What is written loads as it is.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct err;

/* argv: import KIND FILE. Exit status. */
int sv_import_main(int argc, char **argv);

/* Each from a text. Returns 0, or an error and one sentence; then out is of no use. */
int sv_import_multiprocess(const char *text, const char *file, FILE *out, struct err *err);
int sv_import_procfile(const char *text, const char *file, FILE *out, struct err *err);
int sv_import_pm2(const char *text, const char *file, FILE *out, struct err *err);

/* ---- for those who import (sv_import_put.c) ----------------------------------- */

/* A name as a section can have it: what can't be in one becomes _. The caller's to free. */
char *sv_import_name(const char *name);
void sv_import_section(FILE *out, const char *kind, const char *name);

/* key = value, such that it is read back as it is; else a comment. */
void sv_import_text(FILE *out, const char *key, const char *value);
void sv_import_number(FILE *out, const char *key, long long n, const char *unit);

/* command = words. */
void sv_import_command(FILE *out, const char *key, char *const *words);

/* environment = NAME="value",...; lines are NAME=value. */
void sv_import_env(FILE *out, char *const *lines);

/* "; not carried over: what (why)" */
void sv_import_left(FILE *out, const char *what, const json_t *value, const char *why);

/* A string, or a number in digits; NULL: neither. The caller's to free. */
char *sv_import_string(const json_t *v);

/* Takes a member out of an object; the caller drops it. NULL: there is none. */
json_t *sv_import_take(json_t *object, const char *key);
