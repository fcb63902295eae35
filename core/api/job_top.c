/* top: topics, pools and workers, once a second; rates are what has changed since the last look. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/api/job.h"
#include "core/base/mem.h"

enum { TOPICS = 1000, NAME = 132, COUNTS = 3 };

static const char *const counts[COUNTS] = { "submitted", "succeeded", "failed" };

struct look {
	char name[NAME];
	int64_t counts[COUNTS];
};

/* What the last look saw: by name, as the server sorts them. */
struct top {
	struct look *was, *is;
	int n_was, n_is;
	double since; /* seconds; 0: it is the first look */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct look *)a)->name, ((const struct look *)b)->name);
}

static int64_t number(const struct json *topic, const char *name)
{
	struct json v = json_get(topic, name);
	int64_t n = 0;

	json_int(&v, &n);
	return n;
}

static void show_rates(const struct top *t, const struct look *is)
{
	const struct look *was =
		t->n_was ? bsearch(is, t->was, (size_t)t->n_was, sizeof(*is), by_name) : NULL;

	for (int i = 0; i < COUNTS; i++) {
		int64_t more = is->counts[i] - (was ? was->counts[i] : 0);
		if (t->since <= 0)
			printf(" %9s", "-");
		else
			printf(" %9.1f", more > 0 ? (double)more / t->since : 0.0);
	}
}

static void show_topic(struct top *t, const struct json *topic)
{
	struct json v = json_get(topic, "name"), paused = json_get(topic, "paused");
	struct look *is = &t->is[t->n_is];
	char *name = json_unquoted(&v, NULL);

	if (!name || t->n_is == TOPICS) {
		free(name);
		return;
	}
	snprintf(is->name, sizeof(is->name), "%s", name);
	for (int i = 0; i < COUNTS; i++)
		is->counts[i] = number(topic, counts[i]);
	t->n_is++;
	printf("%-24.24s %8lld %9lld %8lld %8lld %8.1f", name, (long long)number(topic, "ready"),
	       (long long)(number(topic, "scheduled") + number(topic, "waiting")),
	       (long long)number(topic, "running"), (long long)number(topic, "dead"),
	       (double)number(topic, "oldest_ms") / 1000);
	show_rates(t, is);
	puts(paused.kind == JSON_TRUE ? "  paused" : "");
	free(name);
}

static void show_topics(struct top *t, const struct json *answer)
{
	struct json items = json_get(answer, "items"), item;

	printf("%-24s %8s %9s %8s %8s %8s %9s %9s %9s\n", "topic", "ready", "later", "running",
	       "dead", "oldest s", "in/s", "done/s", "failed/s");
	t->n_is = 0;
	for (struct json_at at = json_begin(&items); json_element(&at, &item);)
		show_topic(t, &item);
	struct look *was = t->was;
	qsort(t->is, (size_t)t->n_is, sizeof(*t->is), by_name);
	t->was = t->is;
	t->n_was = t->n_is;
	t->is = was;
}

static int look(const struct api_job *j, struct top *t)
{
	struct json answer;
	struct api_got got;

	if (j->client.json)
		return api_job_ask(j, "GET", "/v1/topics", NULL, NULL);
	api_client_ask(&j->client, "GET", "/v1/topics", NULL, &got);
	int status = api_job_verdict(&got);
	if (isatty(1))
		fputs("\033[H\033[J", stdout);
	if (status == API_OK && json_read(&answer, got.body.p, got.body.n, NULL) == 0)
		show_topics(t, &answer);
	json_out_fini(&got.body);
	puts("");
	return status;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int api_job_top(const struct api_job *j)
{
	const char *times = api_job_option(j, "n");
	int left = times ? atoi(times) : 0, status;
	struct top t = { .was = mem_new(TOPICS * sizeof(*t.was)),
			 .is = mem_new(TOPICS * sizeof(*t.is)) };
	double last = 0;

	do {
		double now = seconds();
		t.since = last > 0 ? now - last : 0;
		last = now;
		status = look(j, &t);
		if (status == API_OK)
			status = api_job_ask(j, "GET", "/v1/workers", NULL, api_job_show_workers);
		fflush(stdout);
		if (status == API_OK && left != 1)
			sleep(1);
	} while (status == API_OK && (!times || --left > 0));
	free(t.was);
	free(t.is);
	return status;
}

int api_top_main(const struct conf_section *sections, int argc, char **argv)
{
	static char top[] = "top";
	char **words = mem_new(((size_t)argc + 2) * sizeof(*words));

	words[0] = argv[0];
	words[1] = top;
	for (int i = 1; i < argc; i++)
		words[i + 1] = argv[i];
	int status = api_job_main(sections, argc + 1, words);
	free(words);
	return status;
}
