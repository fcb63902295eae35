/* Commands that go on for a while: tail, bench, export, import. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/api/job.h"
#include "core/base/mem.h"

/* ---- tail ------------------------------------------------------------------------------------ */

struct tail {
	struct json_out line;
	bool json;
};

static void tail_line(struct tail *t)
{
	struct json data, id, topic, state, error;

	if (strncmp(t->line.p, "data: ", 6) != 0 ||
	    json_read(&data, t->line.p + 6, t->line.n - 6, NULL) != 0)
		return;
	if (t->json) {
		printf("%s\n", t->line.p + 6);
		return;
	}
	id = json_get(&data, "id");
	topic = json_get(&data, "topic");
	state = json_get(&data, "state");
	error = json_get(&data, "error");
	char *words[] = { json_unquoted(&id, NULL), json_unquoted(&topic, NULL),
			  json_unquoted(&state, NULL), json_unquoted(&error, NULL) };
	printf("%s %-20s %-10s %s\n", words[0] ? words[0] : "", words[1] ? words[1] : "",
	       words[2] ? words[2] : "", words[3] ? words[3] : "");
	for (int i = 0; i < 4; i++)
		free(words[i]);
}

static void on_piece(void *data, const char *bytes, size_t n)
{
	struct tail *t = data;

	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n') {
			json_put(&t->line, bytes + i, 1);
			continue;
		}
		if (t->line.n)
			tail_line(t);
		t->line.n = 0;
	}
	fflush(stdout);
}

int api_job_tail(const struct api_job *j)
{
	struct tail t = { .json = j->client.json };
	struct json_out target = { .p = NULL };

	json_puts(&target, "/v1/events");
	if (j->argc) {
		json_puts(&target, "?topic=");
		api_client_escape(&target, j->argv[0]);
	}
	struct api_got got = { .status = api_client_follow(&j->client, target.p, on_piece, &t),
			       .from = &j->client };
	json_out_fini(&target);
	json_out_fini(&t.line);
	return api_job_verdict(&got);
}

/* ---- bench
 * --------------------------------------------------------------------------------------- */

struct bench {
	const struct api_client *client;
	const struct json_out *body;
	pthread_t thread;
	int n, failed, status;
};

/* A connection for each request, as a script would. */
static void *bench_run(void *data)
{
	struct bench *b = data;

	for (int i = 0; i < b->n; i++) {
		struct api_got got;
		api_client_ask(b->client, "POST", "/v1/tasks", b->body, &got);
		if (got.status != 202) {
			b->failed++;
			b->status = got.status;
		}
		json_out_fini(&got.body);
	}
	return NULL;
}

static int number_of(const struct api_job *j, const char *name, int dflt, int most)
{
	const char *text = api_job_option(j, name);
	int n = text ? atoi(text) : dflt;

	return n < 1 ? 1 : n > most ? most : n;
}

int api_job_bench(const struct api_job *j)
{
	int n = number_of(j, "n", 10000, 100000000), c = number_of(j, "c", 8, 256), failed = 0;
	struct bench *all = mem_new((size_t)c * sizeof(*all));
	struct json_out body = { .p = NULL };
	struct timespec from, to;
	int status = 202;

	json_puts(&body, "{\"topic\":");
	json_put_text(&body, j->argc ? j->argv[0] : "bench");
	json_puts(&body, ",\"payload\":\"0123456789012345678901234567890123456789\"}");
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < c; i++) {
		all[i].client = &j->client;
		all[i].body = &body;
		all[i].n = n / c + (i < n % c);
		pthread_create(&all[i].thread, NULL, bench_run, &all[i]);
	}
	for (int i = 0; i < c; i++) {
		pthread_join(all[i].thread, NULL);
		failed += all[i].failed;
		status = all[i].failed ? all[i].status : status;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	printf("%d tasks in %.2f s by %d connections: %.0f/s, %d refused\n", n, s, c, n / s,
	       failed);
	json_out_fini(&body);
	free(all);
	struct api_got got = { .status = status, .from = &j->client };
	return failed ? api_job_verdict(&got) : API_OK;
}

/* ---- export, import
 * ------------------------------------------------------------------------------- */

/* What POST /v1/tasks takes of what GET tells. */
static void put_line(const struct json *task)
{
	static const char *const kept[] = { "topic",    "type",    "payload", "payload_b64",
					    "priority", "headers", "run_at" };
	struct json_out o = { .p = NULL };

	json_puts(&o, "{");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		struct json v = json_get(task, kept[i]);
		if (v.kind != JSON_NONE && !(v.kind == JSON_NULL && strcmp(kept[i], "run_at") == 0))
			json_printf(&o, "%s\"%s\":%.*s", o.n > 1 ? "," : "", kept[i], (int)v.n,
				    v.p);
	}
	struct json name = json_get(task, "name");
	if (name.kind == JSON_STRING)
		json_printf(&o, ",\"id\":%.*s", (int)name.n, name.p);
	printf("%s}\n", o.p);
	json_out_fini(&o);
}

static void page_target(const struct api_job *j, const char *cursor, struct json_out *o)
{
	static const char *const names[] = { "topic", "state" };

	json_puts(o, "/v1/tasks?limit=1000");
	for (int i = 0; i < 2; i++)
		if (api_job_option(j, names[i])) {
			json_printf(o, "&%s=", names[i]);
			api_client_escape(o, api_job_option(j, names[i]));
		}
	if (cursor)
		json_printf(o, "&cursor=%s", cursor);
}

int api_job_export(const struct api_job *j)
{
	char *cursor = NULL;
	int status;

	do {
		struct json_out target = { .p = NULL };
		struct json page, items, item, next;
		struct api_got got;

		page_target(j, cursor, &target);
		api_client_ask(&j->client, "GET", target.p, NULL, &got);
		json_out_fini(&target);
		free(cursor);
		cursor = NULL;
		status = api_job_verdict(&got);
		if (status == API_OK && json_read(&page, got.body.p, got.body.n, NULL) == 0) {
			items = json_get(&page, "items");
			for (struct json_at at = json_begin(&items); json_element(&at, &item);)
				put_line(&item);
			next = json_get(&page, "next");
			cursor = json_unquoted(&next, NULL);
		}
		json_out_fini(&got.body);
	} while (status == API_OK && cursor);
	free(cursor);
	return status;
}

enum { LINES = 500, BYTES = 256 * 1024 };

static int import_some(const struct api_job *j, const struct json_out *lines)
{
	struct api_got got;
	struct json answer, errors, e;
	int refused = 0;

	api_client_ask(&j->client, "POST", "/v1/tasks:batch", lines, &got);
	int status = api_job_verdict(&got);
	if (status == API_OK && json_read(&answer, got.body.p, got.body.n, NULL) == 0) {
		errors = json_get(&answer, "errors");
		for (struct json_at at = json_begin(&errors); json_element(&at, &e); refused++)
			fprintf(stderr, "troupe: %.*s\n", (int)e.n, e.p);
	}
	json_out_fini(&got.body);
	return status ? status : refused ? API_FAILED : API_OK;
}

int api_job_import(const struct api_job *j)
{
	FILE *in = j->argc && strcmp(j->argv[0], "-") != 0 ? fopen(j->argv[0], "re") : stdin;
	struct json_out lines = { .p = NULL };
	char *line = NULL;
	size_t room = 0;
	int n = 0, status = API_OK;
	ssize_t len;

	if (!in) {
		fprintf(stderr, "troupe: %s: %s\n", j->argv[0], strerror(errno));
		return API_FAILED;
	}
	while ((len = getline(&line, &room, in)) >= 0) {
		json_put(&lines, line, (size_t)len);
		if (++n < LINES && lines.n < BYTES)
			continue;
		int rc = import_some(j, &lines);
		status = rc ? rc : status;
		lines.n = 0;
		n = 0;
	}
	if (lines.n) {
		int rc = import_some(j, &lines);
		status = rc ? rc : status;
	}
	json_out_fini(&lines);
	free(line);
	if (in != stdin)
		fclose(in);
	return status;
}
