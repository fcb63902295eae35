#include "core/api/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/keys.h"
#include "core/api/patch.h"
#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/work/work.h"

static const char from_file[] = "{\"from\":\"file\"}";

/* ---- topics -------------------------------------------------------------------------- */

static void defaults(const struct conf *conf, struct work_topic_conf *c)
{
	const struct api_store_keys *store = api_store_of(conf);
	const struct conf_item *all = conf_find(conf, "topic", "*");

	work_topic_defaults(c);
	c->durability = (enum work_durability)store->durability;
	c->keep = store->keep_done;
	if (all)
		api_topic_conf(all->values, all, c);
}

struct base {
	struct api *api;
	const struct conf *conf;
	struct work_topic_conf c;
};

/* One that came to be by a task, now or before a restart, or whose section is gone. */
static void apply_base(void *data, const struct work_topic_figures *f)
{
	struct base *b = data;

	if (*f->name != '.' && !conf_find(b->conf, "topic", f->name))
		work_topic_set(b->api->work, f->name, &b->c);
}

static int apply_topics(struct api *api, const struct conf *conf, struct err *err)
{
	struct base b = { .api = api, .conf = conf };

	defaults(conf, &b.c);
	work_topic_set(api->work, NULL, &b.c);
	work_topics(api->work, apply_base, &b);
	for (const struct conf_item *item = NULL; (item = conf_next(conf, "topic", item));) {
		struct work_topic_conf c = b.c;
		if (strcmp(item->name, "*") == 0)
			continue;
		api_topic_conf(item->values, item, &c);
		int rc = work_topic_set(api->work, item->name, &c);
		if (rc != 0)
			return err_set(err, rc, "topic %s: %s", item->name, uv_strerror(rc));
	}
	return 0;
}

/* What PATCH has set is more than what the file says. */
static void apply_note(void *data, const struct work_topic_figures *f)
{
	struct api *api = data;
	const char *note = work_topic_noted(api->work, f->name);
	struct json v;

	if (note && json_read(&v, note, strlen(note), NULL) == 0)
		api_patch_apply(api, f->name, &v, NULL);
}

const struct api_topic_keys *api_setup_topic(struct api *api, const char *topic)
{
	const struct conf_item *item = conf_find(api->conf, "topic", topic);

	if (!item)
		item = conf_find(api->conf, "topic", "*");
	return item ? item->values : NULL;
}

const char *api_setup_key(struct api *api, const char *topic)
{
	static _Thread_local char name[129];
	const struct api_topic_keys *k = api->names_topics ? api_setup_topic(api, topic) : NULL;
	const char *by = !k ? NULL : k->rate_key && *k->rate_key ? k->rate_key : k->concurrency_key;
	int n;

	if (!by || !*by || api_key_parse(by, name, &n, NULL) != 0)
		return NULL;
	return name;
}

int api_setup_takes(struct api *api, const char *topic)
{
	struct work_topic_conf c;

	if (work_topic_get(api->work, topic, &c))
		return 0;
	if (!api->keys->auto_topic)
		return UV_ENOENT;
	return work_topics_count(api->work) >= API_TOPICS_MOST ? ERR_LIMIT : 0;
}

/* ---- schedules ------------------------------------------------------------------------ */

struct gone {
	char **names;
	size_t n;
	const struct conf *conf;
};

static void find_gone(void *data, const struct work_plan_figures *f)
{
	struct gone *g = data;
	const struct work_spec *s = &f->plan->task;

	if (s->meta_size != sizeof(from_file) - 1 || memcmp(s->meta, from_file, s->meta_size) != 0)
		return;
	if (conf_find(g->conf, "schedule", f->plan->name))
		return;
	g->names = mem_resize(g->names, (g->n + 1) * sizeof(char *));
	g->names[g->n++] = mem_str(f->plan->name);
}

static void drop_gone(struct api *api, const struct conf *conf)
{
	struct gone g = { .conf = conf };

	work_plans(api->work, find_gone, &g);
	for (size_t i = 0; i < g.n; i++) {
		work_plan_drop(api->work, g.names[i]);
		free(g.names[i]);
	}
	free(g.names);
}

static int set_schedule(struct api *api, const struct conf_item *item, struct err *err)
{
	const struct api_schedule_keys *k = item->values;
	bool by_cron = k->cron && *k->cron;
	char cron[300];

	snprintf(cron, sizeof(cron), "%s%s%s", by_cron ? k->cron : "", k->tz && *k->tz ? " " : "",
		 k->tz ? k->tz : "");
	struct work_plan plan = {
		.name = item->name,
		.cron = by_cron ? cron : NULL,
		.every = k->every,
		.overlap = (enum work_overlap)k->overlap,
		.missed = (enum work_missed)k->missed,
		.jitter = k->jitter,
		.task = { .topic = k->topic,
			  .type = k->type && *k->type ? k->type : NULL,
			  .prio = (int)k->priority,
			  .payload = k->payload,
			  .size = strlen(k->payload),
			  .meta = from_file,
			  .meta_size = sizeof(from_file) - 1 },
	};
	return work_plan_set(api->work, &plan, err);
}

int api_setup_apply(struct api *api, const struct conf *conf, struct err *err)
{
	int rc = apply_topics(api, conf, err);

	if (rc == 0)
		work_topics(api->work, apply_note, api);
	for (const struct conf_item *item = NULL;
	     rc == 0 && (item = conf_next(conf, "schedule", item));) {
		rc = set_schedule(api, item, err);
		if (rc != 0)
			err_wrap(err, rc, "schedule %s", item->name);
	}
	if (rc == 0)
		drop_gone(api, conf);
	return rc;
}
