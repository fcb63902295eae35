/* td_job - `troupe job`: the API for people and scripts. */
#pragma once

#include <stdbool.h>

#include "roles/taskd/td_client.h"

enum { TD_OK, TD_FAILED, TD_USAGE, TD_NOT_RUNNING, TD_NOT_FOUND };

/* A command under way: its words, and its --options with their values ("" without one). */
struct td_job {
	struct td_client client;
	int argc;
	char **argv;
	struct {
		const char *name, *value;
	} options[16];
	int n_options;
};

int td_job_main(const struct conf_section *sections, int argc, char **argv);

/* NULL: not given. */
const char *td_job_option(const struct td_job *j, const char *name);

/* Says on stderr what the server said; the exit status. */
int td_job_verdict(const struct td_got *got);

/* One request; prints the answer as it is, when --json or `show` is NULL. */
int td_job_ask(const struct td_job *j, const char *method, const char *target,
	       const struct json_out *body, void (*show)(const struct json *answer));

/* td_job_show.c */
void td_job_show_task(const struct json *answer);
void td_job_show_id(const struct json *answer);
void td_job_show_count(const struct json *answer);
void td_job_show_ok(const struct json *answer);
void td_job_show_tasks(const struct json *answer);
void td_job_show_topics(const struct json *answer);
void td_job_show_workers(const struct json *answer);
void td_job_show_schedules(const struct json *answer);

/* td_job_more.c */
int td_job_tail(const struct td_job *j);
int td_job_top(const struct td_job *j);
int td_job_bench(const struct td_job *j);
int td_job_export(const struct td_job *j);
int td_job_import(const struct td_job *j);
