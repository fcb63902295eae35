/*
 * sv_expand - %(here)s and its like, as supervisord fills them in.
 *
 * Numbers and words of a section are filled in when the file has been read, by sv_dialect; the
 * strings of a program once for each of its processes, by sv_expand_text, since %(process_num)d
 * and the program's own environment stand in them.
 */
#pragma once

#include "core/conf/conf.h"

struct err;

/* What the names stand for. */
struct sv_names {
	const struct conf *conf;
	const struct conf_item *item; /* the section: here, program_name */
	const char *group;            /* NULL: none yet */
	int64_t num, numprocs;
	bool in_process;       /* else num means nothing */
	char *const *env;      /* the process's NAME=value, or NULL */
	char *const *main_env; /* that of [supervisord], or NULL */
};

extern const struct conf_dialect sv_dialect;

/* The text of that key, the caller's to free; NULL and err. */
char *sv_expand_text(const struct sv_names *names, const char *key, const char *text,
		     struct err *err);

/* [supervisord] environment as NAME=value lines; NULL and err. */
char **sv_expand_main_env(const struct conf *conf, struct err *err);

/* ~/x and ~user/x; others as they are. The caller's to free. */
char *sv_expand_home(const char *path);
