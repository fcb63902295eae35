/* Answers for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/api/job.h"

/* A member as text: a string without its quotes, anything else as it stands; "-": null, or none. */
static void text_of(const struct json *o, const char *name, char *to, size_t size)
{
	struct json v = json_get(o, name);
	char *s = json_unquoted(&v, NULL);

	if (v.kind == JSON_NONE || v.kind == JSON_NULL)
		snprintf(to, size, "-");
	else
		snprintf(to, size, "%.*s", s ? (int)strlen(s) : (int)v.n, s ? s : v.p);
	free(s);
	for (; *to; to++) /* one line, and nothing that a terminal obeys */
		if ((unsigned char)*to < 0x20 || *to == 0x7f)
			*to = ' ';
}

static void show_row(const struct json *o, const char *const *names, const int *widths)
{
	char text[256];

	for (int i = 0; names[i]; i++) {
		text_of(o, names[i], text, sizeof(text));
		printf(names[i + 1] ? "%-*s " : "%-*s\n", widths[i], text);
	}
}

static void show_table(const struct json *answer, const char *list, const char *const *names,
		       const int *widths)
{
	struct json items = json_get(answer, list), item;
	bool first = true;

	for (struct json_at at = json_begin(&items); json_element(&at, &item);) {
		for (int i = 0; first && names[i]; i++)
			printf(names[i + 1] ? "%-*s " : "%-*s\n", widths[i], names[i]);
		first = false;
		show_row(&item, names, widths);
	}
}

static void show_moment(const char *name, const struct json *v)
{
	int64_t ms;
	char text[64];
	struct tm tm;

	if (!json_int(v, &ms))
		return;
	time_t s = (time_t)(ms / 1000);
	localtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%-14s %s.%03d\n", name, text, (int)(ms % 1000));
}

void api_job_show_task(const struct json *answer)
{
	struct json key, value;

	for (struct json_at at = json_begin(answer); json_member(&at, &key, &value);) {
		char *name = json_unquoted(&key, NULL), *text = json_unquoted(&value, NULL);
		size_t n = strlen(name);

		if (value.kind == JSON_NULL)
			;
		else if (n > 3 && strcmp(name + n - 3, "_at") == 0)
			show_moment(name, &value);
		else if (text)
			printf("%-14s %s\n", name, text);
		else
			printf("%-14s %.*s\n", name, (int)value.n, value.p);
		free(name);
		free(text);
	}
}

void api_job_show_id(const struct json *answer)
{
	char id[64], state[64];

	if (answer->kind == JSON_NONE) /* 204 */
		return;
	text_of(answer, "id", id, sizeof(id));
	text_of(answer, "state", state, sizeof(state));
	printf(*state == '-' ? "%s\n" : "%s %s\n", id, state);
}

void api_job_show_count(const struct json *answer)
{
	char text[64];

	text_of(answer, "count", text, sizeof(text));
	puts(text);
}

void api_job_show_ok(const struct json *answer)
{
	(void)answer;
}

void api_job_show_tasks(const struct json *answer)
{
	static const char *const names[] = { "id", "topic", "state", "attempts", "error", NULL };
	static const int widths[] = { 13, 20, 10, 8, 0 };
	char next[64];

	show_table(answer, "items", names, widths);
	text_of(answer, "next", next, sizeof(next));
	if (*next != '-')
		printf("more: --cursor %s\n", next);
}

void api_job_show_topics(const struct json *answer)
{
	static const char *const names[] = { "name",      "ready",  "scheduled", "waiting",
					     "running",   "dead",   "succeeded", "failed",
					     "oldest_ms", "paused", NULL };
	static const int widths[] = { 24, 8, 9, 8, 8, 8, 10, 8, 10, 0 };

	show_table(answer, "items", names, widths);
}

void api_job_show_workers(const struct json *answer)
{
	static const char *const pools[] = { "name", "mode", "min",    "max",     "idle",
					     "busy", "done", "failed", "crashed", NULL };
	static const int pool_widths[] = { 16, 8, 5, 5, 5, 5, 9, 8, 0 };
	static const char *const names[] = { "name", "pid",   "state",       "done", "rss_bytes",
					     "task", "topic", "task_age_ms", NULL };
	static const int widths[] = { 20, 8, 9, 8, 11, 13, 16, 0 };

	show_table(answer, "pools", pools, pool_widths);
	show_table(answer, "items", names, widths);
}

void api_job_show_schedules(const struct json *answer)
{
	static const char *const names[] = { "name",   "topic", "cron",    "every_ms",
					     "paused", "runs",  "next_at", NULL };
	static const int widths[] = { 20, 16, 24, 9, 6, 6, 0 };

	show_table(answer, "items", names, widths);
}
