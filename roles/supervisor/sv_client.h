/*
 * sv_client - supervisorctl's verbs, and our own: what a person types, as calls of methods.
 *
 *	words -- sv_client_do --> a row of a table --> sv_remote --> lines, and an exit status
 *
 * What it prints and how it exits is supervisorctl's of supervisord 4 (LSB: 3 where `status` finds
 * something that does not run, 4 where there is no such thing). Names may be globs: "web:*",
 * "web_0?".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "roles/supervisor/sv_remote.h"

enum {
	SV_EXIT_OK,
	SV_EXIT_GENERIC,
	SV_EXIT_INVALID_ARGS,
	SV_EXIT_STATUS_NOT_RUNNING = 3,
	SV_EXIT_STATUS_UNKNOWN = 4,
	SV_EXIT_NO_RIGHTS = 4,
	SV_EXIT_NOT_RUNNING = 7,
};

enum { SV_VERBS_MOST = 64 };

struct sv_client {
	struct sv_remote remote;
	bool json, interactive;
	int status; /* of our exit */
};

struct sv_verb {
	const char *name;
	void (*run)(struct sv_client *c, int argc, char **argv); /* argv[0]: its name */
	const char *help;                                        /* lines */
	bool up; /* asks first whether there is anybody */
};

/* Each ends with name NULL. */
extern const struct sv_verb sv_verbs_run[], sv_verbs_info[], sv_verbs_log[], sv_verbs_admin[],
	sv_verbs_more[];

/* false: no such verb. */
bool sv_client_do(struct sv_client *c, int argc, char **argv);

/* A line for each, or one with its help. */
void sv_client_help(struct sv_client *c, const char *verb);

/* Their names, sorted. Returns how many. */
size_t sv_client_verbs(const char *names[SV_VERBS_MOST]);

/* The role's client: `troupe ctl`. */
int sv_client_ctl(const char *control, int argc, char **argv, bool json);

/* ---- for verbs -------------------------------------------------------------------- */

/* NULL: it is told, and the status set. */
json_t *sv_client_call(struct sv_client *c, const char *method, json_t *params);

/* The same, but what is wrong is the caller's to tell. */
json_t *sv_client_try(struct sv_client *c, const char *method, json_t *params,
		      struct sv_refusal *why);
void sv_client_complain(struct sv_client *c, const struct sv_refusal *why);

/* "Error: ..." with the verb's help. */
void sv_client_misused(struct sv_client *c, const char *verb, const char *what, int status);

/* The name as people write it: "web" for web:web. */
const char *sv_client_name(const char *group, const char *name, char into[600]);

/* "web:x" into both; process "": the whole group. */
void sv_client_split(const char *text, char group[300], char process[300]);

/* The words, each glob replaced by the names that it matches. To be decref'ed; NULL: told. */
json_t *sv_client_names(struct sv_client *c, int argc, char **argv);
bool sv_client_matches(const char *word, const json_t *info);

const char *sv_client_text(const json_t *o, const char *key);
