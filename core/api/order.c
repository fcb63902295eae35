/*
 * api_order - one task is ordered about: DELETE, :retry, :run, :kill, :move.
 *
 * It is looked at first: whose topic it is, and where it stands; then the order is given.
 */
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/body.h"
#include "core/api/handlers.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/api/tell.h"
#include "core/base/mem.h"

static const int64_t ten_years = (int64_t)3660 * 86400 * 1000;

struct order {
	struct api_reply reply; /* first */
	const struct api_token *token;
	void (*give)(struct order *o);
	uint64_t id;
	enum work_state state;
	bool found, forbidden, now;
	struct work_edit edit;
	char *topic;
	void *payload;
};

static void order_free(struct order *o)
{
	free(o->topic);
	free(o->payload);
	free(o);
}

static void taken(struct order *o, const char *state)
{
	struct json_out out = { .p = NULL };
	char id[IDENT_LEN + 1];

	ident_write(o->id, id);
	json_printf(&out, "{\"id\":\"%s\",\"state\":\"%s\"}\n", id, state);
	api_answer(&o->reply, 202, NULL, &out);
	json_out_fini(&out);
	order_free(o);
}

static void refused(struct order *o, int code)
{
	api_error_code(&o->reply, code);
	order_free(o);
}

static void not_so(struct order *o, const char *what)
{
	api_error(&o->reply, 409, NULL, "it is %s: %s", work_state_name(o->state), what);
	order_free(o);
}

static bool is_over(const struct order *o)
{
	return o->state >= WORK_ENDING;
}

/* ---- the orders -------------------------------------------------------------------------- */

static void give_delete(struct order *o)
{
	struct api *api = o->reply.api;

	if (is_over(o)) {
		not_so(o, "it can't be cancelled any more");
		return;
	}
	int rc = work_cancel(api->work, o->id, o->now);
	if (rc == UV_EALREADY) {
		taken(o, "cancelling");
	} else if (rc == 0) {
		api_answer(&o->reply, 204, NULL, NULL);
		order_free(o);
	} else {
		not_so(o, "its state has just changed");
	}
}

static void on_changed(void *data, int status)
{
	struct order *o = data;

	if (status != 0)
		refused(o, status);
	else
		taken(o, work_state_name(work_state_of(o->reply.api->work, o->id)));
}

static void change(struct order *o, bool dead)
{
	struct work *w = o->reply.api->work;
	int rc = dead ? work_retry(w, o->id, &o->edit, on_changed, o)
		      : work_edit(w, o->id, &o->edit, on_changed, o);

	if (rc == 0)
		return;
	if (rc == UV_EINVAL) {
		api_error(&o->reply, 400, NULL, "the task would not be right");
		order_free(o);
	} else {
		refused(o, rc);
	}
}

static void give_retry(struct order *o)
{
	if (o->state == WORK_SCHEDULED && o->edit.delay < 0)
		o->edit.delay = 0;
	if (o->state == WORK_DEAD || o->state == WORK_SCHEDULED)
		change(o, o->state == WORK_DEAD);
	else
		not_so(o, "there is nothing to try again");
}

static void give_move(struct order *o)
{
	if (o->state == WORK_DEAD || !is_over(o))
		change(o, o->state == WORK_DEAD);
	else
		not_so(o, "it can't be moved any more");
}

static void give_run(struct order *o)
{
	int rc = is_over(o) ? UV_EINVAL : work_run_now(o->reply.api->work, o->id);

	if (rc == 0)
		taken(o, "ready");
	else
		not_so(o, "only what is scheduled can be started early");
}

static void give_kill(struct order *o)
{
	if (o->state == WORK_RUNNING && work_cancel(o->reply.api->work, o->id, true) == UV_EALREADY)
		taken(o, "cancelling");
	else
		not_so(o, "it does not run");
}

/* ---- looking first ------------------------------------------------------------------------- */

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	struct order *o = data;

	(void)next;
	if (s) {
		o->found = true;
		o->state = s->state;
		o->forbidden = !api_token_has(o->token, s->topic);
		return;
	}
	if (status != 0)
		refused(o, status);
	else if (!o->found)
		refused(o, UV_ENOENT);
	else if (o->forbidden) {
		api_error(&o->reply, 403, NULL, "the token is not for its topic");
		order_free(o);
	} else
		o->give(o);
}

static struct order *order_new(const struct api_ask *ask, void (*give)(struct order *o))
{
	uint64_t id;

	if (!api_find(ask->api, ask->part, &id)) {
		api_refuse(ask, 404, NULL, "there is no such task");
		return NULL;
	}
	struct order *o = mem_new(sizeof(*o));
	o->id = id;
	o->give = give;
	o->edit.delay = o->edit.prio = -1;
	return o;
}

static void order_go(const struct api_ask *ask, struct order *o)
{
	if (ask->api->draining) {
		api_refuse(ask, 503, NULL, "the server is about to end");
		order_free(o);
		return;
	}
	o->reply = api_reply_to(ask);
	o->token = ask->token;
	http_call_wait(ask->call, o, api_reply_gone);
	work_get(ask->api->work, o->id, on_seen, o);
}

static bool read_edit(const struct api_ask *ask, struct order *o)
{
	struct json body, payload;
	int64_t prio = -1;

	if (!api_body(ask, &body) || !api_body_text(ask, &body, "topic", &o->topic) ||
	    !api_body_number(ask, &body, "delay_ms", &o->edit.delay, ten_years) ||
	    !api_body_number(ask, &body, "priority", &prio, 255))
		return false;
	if (o->topic && !api_topic_is_good(o->topic)) {
		api_refuse(ask, 400, "topic", "topic: 1 to 128 bytes, without spaces");
		return false;
	}
	if (o->topic && !api_auth_topic(ask, o->topic))
		return false;
	payload = json_get(&body, "payload");
	if (payload.kind != JSON_NONE) {
		o->payload = mem_resize(NULL, payload.n);
		memcpy(o->payload, payload.p, payload.n);
		o->edit.size = payload.n;
	}
	o->edit.prio = (int)prio;
	o->edit.payload = o->payload;
	o->edit.topic = o->topic;
	return true;
}

static void order_with_edit(struct api_ask *ask, void (*give)(struct order *o))
{
	struct order *o = order_new(ask, give);

	if (o && read_edit(ask, o))
		order_go(ask, o);
	else if (o)
		order_free(o);
}

void api_task_retry(struct api_ask *ask)
{
	order_with_edit(ask, give_retry);
}

void api_task_move(struct api_ask *ask)
{
	order_with_edit(ask, give_move);
}

void api_task_run(struct api_ask *ask)
{
	struct order *o = order_new(ask, give_run);

	if (o)
		order_go(ask, o);
}

void api_task_kill(struct api_ask *ask)
{
	struct order *o = order_new(ask, give_kill);

	if (o)
		order_go(ask, o);
}

void api_task_delete(struct api_ask *ask)
{
	const char *running = api_query(ask, "running");
	bool kill = running && strcmp(running, "kill") == 0;

	if (running && !kill && strcmp(running, "cancel") != 0) {
		api_refuse(ask, 400, "running", "running: cancel or kill");
		return;
	}
	struct order *o = order_new(ask, give_delete);
	if (!o)
		return;
	o->now = kill;
	order_go(ask, o);
}
