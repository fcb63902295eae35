/*
 * sv_front - the names under which we are called, and what [supervisord] asks of the process.
 *
 *	supervisord     its options, its search for a file, its way into the background
 *	supervisorctl   sv_client over HTTP
 *	--one           sv_one.c: one command, as process 1
 */
#pragma once

struct conf;
struct conf_section;
struct err;
struct sv;

/* The role's prepare: where [troupe] says nothing, logfile, loglevel and user of [supervisord]
 * count. */
void sv_front_prepare(struct conf *conf);

int sv_front_supervisord(const struct conf_section *sections, int argc, char **argv);
int sv_front_supervisorctl(const struct conf_section *sections, int argc, char **argv);
int sv_front_one(const struct conf_section *sections, int argc, char **argv);

/* argv[0]: --one. */
int sv_one_main(int argc, char **argv);

/* Where supervisord looks for its file; NULL: it is nowhere. The caller's to free. */
char *sv_front_find(const char *argv0);

/* At the start, before any program runs: limits, umask, pidfile, rights. */
int sv_front_settle(struct sv *sv, struct err *err);

/* Once all programs are there, those that were taken back, too: AUTO logs of an earlier run go. */
void sv_front_clean(const struct sv *sv);

/* At the end: the pidfile goes. */
void sv_front_leave(struct sv *sv);
