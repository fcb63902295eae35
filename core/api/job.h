/* api_job - `troupe job`: the API for people and scripts. */
#pragma once

#include <stdbool.h>

#include "core/api/client.h"

enum { API_OK, API_FAILED, API_USAGE, API_NOT_RUNNING, API_NOT_FOUND };

/* A command under way: its words, and its --options with their values ("" without one). */
struct api_job {
	struct api_client client;
	int argc;
	char **argv;
	struct {
		const char *name, *value;
	} options[16];
	int n_options;
};

int api_job_main(const struct conf_section *sections, int argc, char **argv);

/* `troupe top`: the same as `troupe job top`. */
int api_top_main(const struct conf_section *sections, int argc, char **argv);

/* NULL: not given. */
const char *api_job_option(const struct api_job *j, const char *name);

/* Says on stderr what the server said; the exit status. */
int api_job_verdict(const struct api_got *got);

/* One request; prints the answer as it is, when --json or `show` is NULL. */
int api_job_ask(const struct api_job *j, const char *method, const char *target,
		const struct json_out *body, void (*show)(const struct json *answer));

/* job_show.c */
void api_job_show_task(const struct json *answer);
void api_job_show_id(const struct json *answer);
void api_job_show_count(const struct json *answer);
void api_job_show_ok(const struct json *answer);
void api_job_show_tasks(const struct json *answer);
void api_job_show_topics(const struct json *answer);
void api_job_show_workers(const struct json *answer);
void api_job_show_schedules(const struct json *answer);

/* job_more.c */
int api_job_tail(const struct api_job *j);
int api_job_bench(const struct api_job *j);
int api_job_export(const struct api_job *j);
int api_job_import(const struct api_job *j);

/* job_top.c */
int api_job_top(const struct api_job *j);
