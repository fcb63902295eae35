#include "core/api/api.h"

#include <stdlib.h>
#include <time.h>

#include "core/api/alarm.h"
#include "core/api/auth.h"
#include "core/api/calls.h"
#include "core/api/counts.h"
#include "core/api/events.h"
#include "core/api/http.h"
#include "core/api/job.h"
#include "core/api/keys.h"
#include "core/api/pools.h"
#include "core/api/setup.h"
#include "core/api/wait.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/net/http_client.h"
#include "core/run/place.h"
#include "core/run/run.h"

enum { IDLE_MOST = 16, IDLE_TIME = 30000 };

int64_t api_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the engine's words ---------------------------------------------------------------------- */

static void on_event(void *data, const struct work_event *e)
{
	struct api *api = data;

	if (api->stopping)
		return;
	api_count_event(api, e);
	api_events_add(api, e);
	api_wait_event(api, e);
	if (api->role->event)
		api->role->event(api->role_data, e);
	if (e->state == WORK_DEAD)
		api_alarm_raise(api, API_ON_DEAD, e->topic, e->error ? e->error : "");
}

static bool follow(void *data, const struct work_event *e, struct work_spec *spec)
{
	return api_calls_follow(data, e, spec);
}

static void on_health(void *data, enum store_health health, const char *why)
{
	struct api *api = data;

	if (health == STORE_FAILING && !api->stopping)
		api_alarm_raise(api, API_ON_STORE_ERROR, "store", why);
}

/* ---- open ---------------------------------------------------------------------------------------
 */

static int open_work(struct api *api, const struct conf *conf, struct err *err)
{
	const struct api_store_keys *k = api_store_of(conf);
	struct work_conf c = {
		.dir = api->dir,
		.resident = k->resident ? k->resident : 1,
		.keep_dead = k->keep_dead,
		.max_dead = (int)k->max_dead,
		.store = { .max_ops = (int)k->commit_max_ops,
			   .commit_delay = (int)k->commit_delay_us,
			   .checkpoint_bytes = k->checkpoint_bytes },
		.on_event = on_event,
		.on_health = on_health,
		.follow = follow,
		.data = api,
	};

	return work_open(&api->work, api->loop, &c, err);
}

static int read_tokens(struct api *api, const struct conf *conf, struct err *err)
{
	const char *path = api_keys_of(conf, api->role->name)->tokens_file;

	return api_tokens_take(&api->tokens, path && *path ? path : NULL, err);
}

static int open_all(struct api *api, const struct conf *conf, struct err *err)
{
	int rc = place_data(conf, api->role->name, &api->dir, err);

	if (rc != 0)
		return rc;
	log_info("data directory %s", api->dir);
	rc = open_work(api, conf, err);
	if (rc == 0)
		place_give(conf, api->dir);
	if (rc == 0)
		rc = api_setup_apply(api, conf, err);
	if (rc == 0)
		rc = read_tokens(api, conf, err);
	if (rc == 0)
		api_calls_open(api);
	if (rc == 0)
		rc = api_pools_open(api, conf, err);
	if (rc == 0 && api->role->open)
		rc = api->role->open(api->role_data, api, err);
	if (rc == 0)
		rc = api_http_open(api, err);
	return rc;
}

/* ---- close
 * ---------------------------------------------------------------------------------------- */

static void api_free(struct api *api)
{
	api_tokens_free(api->tokens);
	api_wait_close(api);
	api_counts_close(api);
	free(api->events);
	free(api->alarms);
	api_calls_free(api);
	free(api->dir);
	if (api->role->free)
		api->role->free(api->role_data);
	free(api);
}

static void on_work_closed(void *data)
{
	struct api *api = data;

	api->work = NULL;
	api->open--;
	api_settle(api);
}

void api_settle(struct api *api)
{
	if (!api->stopping || !api->pools_gone)
		return;
	if (api->work && !api->work_closing) {
		api->work_closing = true;
		api->open++;
		work_close(api->work, on_work_closed, api);
		return;
	}
	if (api->open == 0 && !api->work)
		api_free(api);
}

static void on_client_closed(void *data)
{
	struct api *api = data;

	api->open--;
	api_settle(api);
}

void api_stop(void *self)
{
	struct api *api = self;

	api->stopping = true;
	api_http_close(api);
	if (api->role->close)
		api->role->close(api->role_data);
	api_events_close(api);
	api_alarm_close(api);
	api_calls_close(api);
	http_client_close(api->http, on_client_closed, api);
	api_pools_close(api);
	api_settle(api);
}

void api_drain(void *self)
{
	struct api *api = self;

	api->draining = true;
	api->undrained = 1 + (api->role->drain != NULL);
	if (api->role->drain)
		api->role->drain(api->role_data);
	api_pools_drain(api);
}

void api_drained(struct api *api)
{
	if (--api->undrained == 0 && !api->stopping)
		run_drained(api->run);
}

static void use_conf(struct api *api, const struct conf *conf)
{
	api->conf = conf;
	api->keys = api_keys_of(conf, api->role->name);
	api->names_topics = conf_next(conf, "topic", NULL) != NULL;
}

int api_init(void **self, const struct api_start *how, const struct conf *conf, struct err *err)
{
	struct api *api = mem_new(sizeof(*api));
	struct run *run = how->run;

	api->role = how->role;
	api->role_data = how->data;
	api->run = run;
	api->loop = run_loop(run);
	use_conf(api, conf);
	api->born_wall = api_now();
	list_init(&api->servers);
	api->http =
		http_client_new(api->loop, &(struct http_client_conf){ .idle = IDLE_MOST,
								       .idle_timeout = IDLE_TIME });
	api->open++;
	api_counts_open(api);
	api_wait_open(api);
	api_events_open(api);
	api_alarm_open(api);
	int rc = open_all(api, conf, err);
	if (rc != 0) {
		api_stop(api);
		return rc;
	}
	*self = api;
	return 0;
}

/* The new file is looked at as a whole before anything is taken from it; what can fail comes
 * first. */
int api_reload(void *self, const struct conf *conf, struct err *err)
{
	struct api *api = self;
	const struct conf *was = api->conf;
	int rc = read_tokens(api, conf, err);

	if (rc != 0)
		return rc;
	use_conf(api, conf);
	rc = api_http_reload(api, err);
	if (rc == 0)
		rc = api_pools_apply(api, conf, err);
	if (rc == 0)
		rc = api_setup_apply(api, conf, err);
	if (rc == 0 && api->role->reload)
		rc = api->role->reload(api->role_data, conf, err);
	if (rc == 0) {
		api_alarm_apply(api);
		return 0;
	}
	use_conf(api, was);
	read_tokens(api, was, NULL);
	return rc;
}
