/*
 * place - where a running role keeps its control socket and pid file.
 *
 *	/run/troupe/ROLE.sock            for root, or where that folder is ours to write
 *	$XDG_RUNTIME_DIR/troupe/...      else
 *	/tmp/troupe-UID/...              else; the folder is 0700 and must be our own
 *
 * Two files are two instances: for another than the default file the name is
 * ROLE-NUMBER, from the file's real path.
 */
#pragma once

#include <limits.h>

#define PLACE_DEFAULT_CONF "/etc/troupe/troupe.ini"

struct conf;
struct err;

struct place {
	char control[PATH_MAX]; /* "": off */
	char pid_file[PATH_MAX];
};

/* The server's, with the folders made. Returns 0 or a code. */
int place_make(struct place *p, const char *role, const char *conf_path, const struct conf *conf,
	       struct err *err);

/* The role's folder of data, made when it is not there. *dir: the caller's to free. */
int place_data(const struct conf *conf, const char *role, char **dir, struct err *err);

/* A file, or a folder with its files, becomes that of the user whom root is about to become. */
void place_give(const struct conf *conf, const char *path);

/* The client's: where a server, of root or ours, would have put them. */
void place_find(struct place *p, const char *role, const char *conf_path, const struct conf *conf);
