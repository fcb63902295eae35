/*
 * sv_program - a section made into a program with its processes.
 *
 * sv_program.c holds what is made once for all of them, sv_process.c what each has of its own.
 */
#pragma once

#include "roles/supervisor/sv_expand.h"
#include "roles/supervisor/sv_process.h"

struct conf_errors;
struct err;
struct sv_main;
struct sv_wish;

/* What a program is made of and with. */
struct sv_maker {
	const struct conf *conf;
	const struct sv_main *main;
	struct conf_errors *errors;
	const struct sv_wish *wishes;
	struct sv_program *program;
	struct sv_names names;
};

/* Fills *p from its section, which belongs to a group. What is wrong is in errors. */
void sv_program_make(struct sv_program *p, const struct sv_maker *with,
		     const struct sv_group *group, const struct conf_item *item);
void sv_program_fini(struct sv_program *p);

/* Its processes. */
void sv_process_make_all(struct sv_maker *k);
void sv_process_fini(struct sv_process_conf *process);

/* ---- for those who make ------------------------------------------------------ */

/* The text of a key with its names filled in, "" when there is none; NULL after a complaint. */
char *sv_maker_text(const struct sv_maker *k, const char *key, const char *raw);

/* Writes the error of a key down, if rc says that there is one. Returns rc. */
int sv_maker_complain(const struct sv_maker *k, const char *key, int rc, const struct err *err);

/* The words of a command. NULL after a complaint, or when there is none and none is needed. */
char **sv_maker_command(const struct sv_maker *k, const char *key, const char *raw);
