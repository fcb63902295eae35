/*
 * user - whose rights a program gets: numbers looked up before, for a child that may not look up.
 *
 * A look-up reads /etc/passwd, or asks whatever nsswitch.conf names, and may wait: it is for the
 * time when a configuration is loaded, not for that of a start.
 */
#pragma once

#include <sys/types.h>

struct err;

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* all of them, gid included */
	size_t n_groups;
	char *name; /* for USER, LOGNAME; a number that has no name stays a number */
	char *home; /* "/" where nothing is known */
	char *shell;
};

/*
 * text: "www", "1000", "www:ssl", "1000:1000". groups: "ssl,docker", more of them; or NULL.
 * Returns 0, or a code and then u is as after user_fini.
 */
int user_lookup(struct user *u, const char *text, const char *groups, struct err *err);
void user_fini(struct user *u);
