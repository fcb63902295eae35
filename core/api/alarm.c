/*
 * api_alarm - who is told when something is wrong.
 *
 * What raises it is a state (a full topic, a store that fails) or an event (a death); what was said
 * of the same subject is not said again for `every`, and then with how often it came meanwhile. A
 * teller that does not answer is logged, and not asked twice.
 */
#include "core/api/alarm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/api/api.h"
#include "core/api/robot.h"
#include "core/api/setup.h"
#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/http_client.h"
#include "core/proc/child.h"
#include "core/proc/spawn.h"

enum { LOOK = 5000, SAID_MOST = 1000, PATIENCE = 10000, AT_ONCE = 32, ANSWER = 4096, SHOWN = 200 };

/* What was said, and to whom. */
struct said {
	struct list link;
	char *key;
	int64_t at;
	uint64_t more; /* times that it was not said again */
};

struct api_alarms {
	struct api *api;
	uv_timer_t look;
	struct list said, telling;
	int n_said, n_telling;
};

/* One message on its way. */
struct telling {
	struct list link;
	struct api_alarms *all;
	struct child child;
	struct http_exchange *exchange;
	enum api_alarm_type type;
	char *name; /* of the alarm */
};

/* ---- on its way ----------------------------------------------------------------------- */

static struct telling *telling_new(struct api_alarms *all, const char *name)
{
	struct telling *t = mem_new(sizeof(*t));

	t->all = all;
	t->name = mem_str(name);
	list_append(&all->telling, &t->link);
	all->n_telling++;
	all->api->open++;
	return t;
}

static void telling_over(struct telling *t)
{
	struct api *api = t->all->api;

	list_remove(&t->link);
	t->all->n_telling--;
	free(t->name);
	free(t);
	api->open--;
	api_settle(api);
}

static void on_posted(void *data, const struct http_outcome *o)
{
	struct telling *t = data;
	int64_t refusal =
		o->rc || o->response->status > 299
			? 0
			: api_robot_refusal(t->type, o->response->body, o->response->size);

	if (o->rc)
		log_warn("an alarm was not told alarm=%s error=\"%s\"", t->name, o->why);
	else if (o->response->status > 299)
		log_warn("an alarm was not told alarm=%s status=%d", t->name, o->response->status);
	else if (refusal)
		log_warn("an alarm was refused alarm=%s code=%lld answer=%.*s", t->name,
			 (long long)refusal,
			 (int)(o->response->size < SHOWN ? o->response->size : SHOWN),
			 (const char *)o->response->body);
	telling_over(t);
}

static void post(struct api_alarms *all, const struct conf_item *item, int64_t now,
		 const struct json_out *body)
{
	const struct api_alarm_keys *k = item->values;
	struct err err = { .text = "" };
	char url[API_ROBOT_URL];
	struct http_url to;

	api_robot_url(k, now, url);
	if (http_url_read(&to, url, &err) != 0) {
		log_warn("an alarm was not told alarm=%s error=\"%s\"", item->name, err.text);
		return;
	}
	struct telling *t = telling_new(all, item->name);
	t->type = (enum api_alarm_type)k->type;
	t->exchange =
		http_client_ask(all->api->http, &(struct http_ask){ .method = "POST",
								    .url = &to,
								    .type = "application/json",
								    .body = body->p,
								    .size = body->n,
								    .keep = ANSWER,
								    .timeout = PATIENCE,
								    .done = on_posted,
								    .data = t });
}

static void on_child_closed(struct child *c)
{
	telling_over(c->owner);
}

static void on_child_end(struct child *c, const struct child_end *end)
{
	struct telling *t = c->owner;
	char text[64];

	if (end->how != CHILD_EXITED || end->code != 0)
		log_warn("an alarm's command failed alarm=%s end=\"%s\"", t->name,
			 child_end_text(end, text, sizeof(text)));
	child_close(c, on_child_closed);
}

/* What it reads is less than a pipe holds. */
static void run(struct api_alarms *all, const char *name, const char *command,
		const struct json_out *body)
{
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	struct err err = { .text = "" };
	int pipe[2], pidfd;
	pid_t pid;

	if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		log_warn("an alarm was not told alarm=%s error=%s", name, strerror(errno));
		return;
	}
	fcntl(pipe[0], F_SETFL, 0);
	struct spawn_fd fd = { 0, pipe[0] };
	struct spawn s = {
		.argv = argv, .envp = environ, .fds = &fd, .n_fds = 1, .group = SPAWN_SESSION
	};
	int rc = spawn_program(&s, &pid, &pidfd, &err);
	close(pipe[0]);
	if (rc == 0 && write(pipe[1], body->p, body->n) != (ssize_t)body->n)
		log_warn("an alarm was told in part alarm=%s", name);
	close(pipe[1]);
	if (rc != 0) {
		log_warn("an alarm was not told alarm=%s error=\"%s\"", name, err.text);
		return;
	}
	struct telling *t = telling_new(all, name);
	rc = child_watch(&t->child, all->api->loop, pid, pidfd, on_child_end);
	t->child.owner = t;
	t->child.group = pid;
	if (rc == 0)
		return;
	close(pidfd);
	telling_over(t);
}

/* ---- to each ------------------------------------------------------------------------------ */

static void tell(struct api_alarms *all, const struct conf_item *item,
		 const struct api_robot_words *words)
{
	const struct api_alarm_keys *k = item->values;
	struct json_out o = { .p = NULL };

	if (all->n_telling >= AT_ONCE) {
		log_warn("an alarm was not told, too many are on their way alarm=%s", item->name);
		return;
	}
	api_robot_message(&o, k, words);
	if (k->type == API_ALARM_EXEC)
		run(all, item->name, k->command, &o);
	else
		post(all, item, words->now, &o);
	json_out_fini(&o);
}

/* ---- not too often ------------------------------------------------------------------------ */

static struct said *find_said(struct api_alarms *all, const char *key)
{
	struct list *it, *tmp;

	list_each (it, tmp, &all->said) {
		struct said *s = container_of(it, struct said, link);
		if (strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

static void said_free(struct api_alarms *all, struct said *s)
{
	list_remove(&s->link);
	all->n_said--;
	free(s->key);
	free(s);
}

/* Whether it is to be said now; *more: how often it was kept back since. */
static bool is_due(struct api_alarms *all, const char *key, int64_t every, uint64_t *more)
{
	struct said *s = find_said(all, key);
	int64_t now = (int64_t)(uv_hrtime() / 1000000);

	*more = s ? s->more : 0;
	if (s && now - s->at < every) {
		s->more++;
		return false;
	}
	if (!s) {
		if (all->n_said == SAID_MOST)
			said_free(all, container_of(all->said.next, struct said, link));
		s = mem_new(sizeof(*s));
		s->key = mem_str(key);
		list_append(&all->said, &s->link);
		all->n_said++;
	}
	s->at = now;
	s->more = 0;
	return true;
}

static bool is_on(const struct api_alarm_keys *k, enum api_alarm_event what)
{
	for (char *const *on = k->on; *on; on++)
		if (api_alarm_event_of(*on) == (int)what)
			return true;
	return false;
}

void api_alarm_raise(struct api *api, enum api_alarm_event what, const char *subject,
		     const char *text)
{
	struct api_robot_words words = { .event = api_alarm_event_name(what),
					 .subject = subject,
					 .text = text,
					 .now = api_now() };
	char key[600];

	for (const struct conf_item *item = NULL; (item = conf_next(api->conf, "alarm", item));) {
		const struct api_alarm_keys *k = item->values;
		if (!is_on(k, what))
			continue;
		snprintf(key, sizeof(key), "%s %s %s", item->name, words.event, subject);
		if (is_due(api->alarms, key, k->every, &words.more))
			tell(api->alarms, item, &words);
	}
}

/* ---- topics that grow ------------------------------------------------------------------------ */

static void look_at(void *data, const struct work_topic_figures *f)
{
	struct api *api = data;
	const struct api_topic_keys *k = api_setup_topic(api, f->name);
	char subject[160], text[160];

	if (!k || f->paused)
		return;
	snprintf(subject, sizeof(subject), "topic %s", f->name);
	if (k->alarm_length && f->ready + f->outside >= (uint64_t)k->alarm_length)
		snprintf(text, sizeof(text), "%lu tasks are ready",
			 (unsigned long)(f->ready + f->outside));
	else if (k->alarm_wait && f->oldest >= k->alarm_wait)
		snprintf(text, sizeof(text), "the first one waits for %lld s",
			 (long long)(f->oldest / 1000));
	else
		return;
	api_alarm_raise(api, API_ON_BACKLOG, subject, text);
}

static void on_look(uv_timer_t *t)
{
	struct api_alarms *all = t->data;

	if (all->api->work && conf_next(all->api->conf, "alarm", NULL))
		work_topics(all->api->work, look_at, all->api);
}

/* Somebody is to be told, of something that has to be looked for. */
static bool is_wanted(const struct conf *conf)
{
	if (!conf_next(conf, "alarm", NULL))
		return false;
	for (const struct conf_item *item = NULL; (item = conf_next(conf, "topic", item));) {
		const struct api_topic_keys *k = item->values;
		if (k->alarm_length || k->alarm_wait)
			return true;
	}
	return false;
}

void api_alarm_apply(struct api *api)
{
	if (is_wanted(api->conf))
		uv_timer_start(&api->alarms->look, on_look, LOOK, LOOK);
	else
		uv_timer_stop(&api->alarms->look);
}

void api_alarm_open(struct api *api)
{
	struct api_alarms *all = mem_new(sizeof(*all));

	all->api = api;
	api->alarms = all;
	list_init(&all->said);
	list_init(&all->telling);
	uv_timer_init(api->loop, &all->look);
	uv_unref((uv_handle_t *)&all->look);
	all->look.data = all;
	api->open++;
	api_alarm_apply(api);
}

static void on_closed(uv_handle_t *h)
{
	struct api_alarms *all = h->data;
	struct api *api = all->api;

	while (!list_empty(&all->said))
		said_free(all, container_of(all->said.next, struct said, link));
	api->open--;
	api_settle(api);
}

/* What is on its way is cut off; each counts as open until it is gone. */
void api_alarm_close(struct api *api)
{
	struct api_alarms *all = api->alarms;
	struct list *it, *tmp;

	list_each (it, tmp, &all->telling) {
		struct telling *t = container_of(it, struct telling, link);
		if (t->exchange)
			http_exchange_cancel(t->exchange);
		else
			child_signal_group(&t->child, SIGKILL);
	}
	uv_close((uv_handle_t *)&all->look, on_closed);
}
