#include "core/api/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/counts.h"
#include "core/api/handlers.h"
#include "core/api/keys.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/tell.h"
#include "core/base/mem.h"
#include "core/work/work.h"

enum { BACKLOG = 256 * 1024, PIECE = 64 * 1024, BEAT = 15000 };

struct event {
	uint64_t seq, id;
	int64_t at;
	const char *topic; /* the engine's, which keeps names of topics */
	char *text;        /* own: an error, or progress in words; NULL */
	uint8_t state;
	int8_t percent;
	uint16_t attempts, crashes;
};

struct follower {
	struct list link;
	struct api *api;
	struct http_call *call;
	uint64_t id; /* 0: of all tasks */
	char *topic; /* NULL: of all topics */
	const struct api_token *token;
	uint64_t seen; /* the last one that it was given, or was not for it */
};

struct api_events {
	struct api *api;
	struct event *ring;
	uint64_t size, last; /* the number of the last one; 0: none yet */
	struct list followers;
	uv_idle_t turn;  /* runs while something is to be told */
	uv_timer_t beat; /* runs while somebody follows */
	bool turning;
};

/* ---- in ------------------------------------------------------------------------------------ */

static void on_turn(uv_idle_t *h);

static void wake(struct api_events *all)
{
	if (all->turning || list_empty(&all->followers))
		return;
	all->turning = true;
	uv_idle_start(&all->turn, on_turn);
}

void api_events_add(struct api *api, const struct work_event *e)
{
	struct api_events *all = api->events;
	struct event *to = &all->ring[++all->last % all->size];
	const char *text = e->error ? e->error : e->text && *e->text ? e->text : NULL;

	free(to->text);
	*to = (struct event){
		.seq = all->last,
		.id = e->id,
		.at = api_now(),
		.topic = e->topic,
		.text = text ? mem_str(text) : NULL,
		.state = (uint8_t)e->state,
		.percent = (int8_t)(e->text ? e->percent : -2),
		.attempts = (uint16_t)e->attempts,
		.crashes = (uint16_t)e->crashes,
	};
	wake(all);
}

/* ---- out ------------------------------------------------------------------------------------- */

/* A task that runs tells how far it is: -2: it has just begun. */
static void put_event(struct json_out *o, const struct api_events *all, const struct event *e)
{
	bool progress = e->state == WORK_RUNNING && e->percent > -2;
	const char *state = work_state_name((enum work_state)e->state);
	char id[IDENT_LEN + 1];

	ident_write(e->id, id);
	json_printf(o, "id: %" PRId64 "-%" PRIu64 "\nevent: %s\ndata: {\"id\":\"%s\",\"topic\":",
		    all->api->born_wall, e->seq, progress ? "progress" : state, id);
	json_put_text(o, e->topic);
	json_printf(o, ",\"state\":\"%s\",\"at\":%" PRId64 ",\"attempts\":%d,\"crashes\":%d", state,
		    e->at, e->attempts, e->crashes);
	if (progress) {
		json_printf(o, ",\"progress\":{\"percent\":%d,\"text\":", e->percent);
		json_put_text(o, e->text ? e->text : "");
		json_puts(o, "}");
	} else if (e->text) {
		json_puts(o, ",\"error\":");
		json_put_text(o, e->text);
	}
	json_puts(o, "}\n\n");
}

static bool is_for(const struct follower *f, const struct event *e)
{
	if (f->id)
		return e->id == f->id;
	return (!f->topic || strcmp(f->topic, e->topic) == 0) && api_token_has(f->token, e->topic);
}

static void follower_free(struct follower *f)
{
	struct api_events *all = f->api->events;

	list_remove(&f->link);
	free(f->topic);
	free(f);
	if (list_empty(&all->followers))
		uv_timer_stop(&all->beat);
}

static void on_gone(void *data)
{
	follower_free(data);
}

/* What is new to it, up to a piece. false: that is all, or it takes no more now. */
static bool tell(struct follower *f)
{
	struct api_events *all = f->api->events;
	uint64_t oldest = all->last > all->size ? all->last - all->size + 1 : 1;
	struct json_out o = { .p = NULL };
	bool over = false;

	if (f->seen + 1 < oldest) {
		json_printf(&o, "event: gap\ndata: {\"missed\":%" PRIu64 "}\n\n",
			    oldest - f->seen - 1);
		f->seen = oldest - 1;
	}
	while (f->seen < all->last && o.n < PIECE && !over) {
		const struct event *e = &all->ring[++f->seen % all->size];
		if (!is_for(f, e))
			continue;
		put_event(&o, all, e);
		over = f->id && e->state >= WORK_SUCCEEDED;
	}
	size_t unsent = http_stream_put(f->call, o.p, o.n);
	json_out_fini(&o);
	if (over) {
		http_stream_end(f->call);
		follower_free(f);
	}
	return !over && f->seen < all->last && unsent < BACKLOG;
}

static void on_room(void *data)
{
	wake(((struct follower *)data)->api->events);
}

static void on_turn(uv_idle_t *h)
{
	struct api_events *all = h->data;
	struct list *it, *tmp;

	uv_idle_stop(h);
	all->turning = false;
	list_each (it, tmp, &all->followers)
		while (tell(container_of(it, struct follower, link)))
			;
}

/* Proxies close what is silent. */
static void on_beat(uv_timer_t *t)
{
	struct api_events *all = t->data;
	struct list *it, *tmp;

	list_each (it, tmp, &all->followers)
		http_stream_put(container_of(it, struct follower, link)->call, ":\n\n", 3);
}

/* ---- who follows -------------------------------------------------------------------------------
 */

/* Behind which event: of the field or the query; without one behind the last. */
static uint64_t place_of(const struct api_ask *ask)
{
	const struct api_events *all = ask->api->events;
	const char *text = http_field(ask->m, "Last-Event-ID");
	int64_t born;
	uint64_t seq;

	if (!text)
		text = api_query(ask, "last_event_id");
	if (!text)
		return all->last;
	if (sscanf(text, "%" SCNd64 "-%" SCNu64, &born, &seq) != 2 || born != ask->api->born_wall ||
	    seq > all->last)
		return 0; /* of another life of ours: all that there is */
	return seq;
}

/* The call becomes a stream. It goes with `gone`, or with its end. */
static struct follower *follow(const struct api_reply *r, const struct api_token *token,
			       uint64_t seen)
{
	static const struct http_answer head = { .status = 200,
						 .type = "text/event-stream",
						 .fields = "Cache-Control: no-store\r\n"
							   "X-Accel-Buffering: no\r\n" };
	struct api_events *all = r->api->events;
	struct follower *f = mem_new(sizeof(*f));

	f->api = r->api;
	f->call = r->call;
	f->token = token;
	f->seen = seen;
	if (list_empty(&all->followers))
		uv_timer_start(&all->beat, on_beat, BEAT, BEAT);
	list_append(&all->followers, &f->link);
	api_count(r->api, r->route, 200);
	http_call_wait(f->call, f, on_gone);
	http_stream(f->call, &head, on_room);
	return f;
}

void api_all_events(struct api_ask *ask)
{
	const char *topic = api_query(ask, "topic");
	struct api_reply r = api_reply_to(ask);

	if (topic && !api_auth_topic(ask, topic))
		return;
	uint64_t place = place_of(ask);
	char *own = mem_str(topic);
	follow(&r, ask->token, place)->topic = own;
	wake(ask->api->events);
}

/* ---- one task: first where it stands, as an event without a number ------------------------------
 */

struct look {
	struct api_reply reply; /* first */
	const struct api_token *token;
	uint64_t id, place;
	enum work_state state;
	bool found, forbidden;
};

static void begin(struct look *l)
{
	struct follower *f = follow(&l->reply, l->token, l->place);
	struct json_out o = { .p = NULL };

	f->id = l->id;
	json_printf(&o, "event: %s\ndata: ", work_state_name(l->state));
	api_tell_state(&o, l->id, l->state);
	json_puts(&o, "\n");
	http_stream_put(f->call, o.p, o.n);
	json_out_fini(&o);
	if (l->state >= WORK_SUCCEEDED) {
		http_stream_end(f->call);
		follower_free(f);
	} else {
		wake(f->api->events);
	}
}

static void on_look(void *data, const struct work_status *s, int status, uint64_t next)
{
	struct look *l = data;

	(void)next;
	if (s) {
		l->found = true;
		l->state = s->state;
		l->forbidden = !api_token_has(l->token, s->topic);
		return;
	}
	if (status != 0)
		api_error_code(&l->reply, status);
	else if (!l->found)
		api_error(&l->reply, 404, NULL, "there is no such task");
	else if (l->forbidden)
		api_error(&l->reply, 403, NULL, "the token is not for its topic");
	else if (l->reply.call)
		begin(l);
	free(l);
}

void api_task_events(struct api_ask *ask)
{
	uint64_t id;

	if (!api_find(ask->api, ask->part, &id)) {
		api_refuse(ask, 404, NULL, "there is no such task");
		return;
	}
	struct look *l = mem_new(sizeof(*l));
	l->reply = api_reply_to(ask);
	l->token = ask->token;
	l->id = id;
	l->place = place_of(ask);
	http_call_wait(ask->call, l, api_reply_gone);
	work_get(ask->api->work, id, on_look, l);
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

void api_events_open(struct api *api)
{
	struct api_events *all = mem_new(sizeof(*all));

	api->events = all;
	all->api = api;
	all->size = (uint64_t)api->keys->event_history;
	all->ring = mem_new(all->size * sizeof(*all->ring));
	list_init(&all->followers);
	uv_idle_init(api->loop, &all->turn);
	uv_timer_init(api->loop, &all->beat);
	all->turn.data = all->beat.data = all;
	uv_unref((uv_handle_t *)&all->beat);
	api->open += 2;
}

static void on_closed(uv_handle_t *h)
{
	struct api_events *all = h->data;
	struct api *api = all->api;

	if (h == (uv_handle_t *)&all->turn) {
		for (uint64_t i = 0; i < all->size; i++)
			free(all->ring[i].text);
		free(all->ring);
		all->ring = NULL;
	}
	api->open--;
	api_settle(api);
}

/* Who follows goes with the servers, before. */
void api_events_close(struct api *api)
{
	uv_close((uv_handle_t *)&api->events->beat, on_closed);
	uv_close((uv_handle_t *)&api->events->turn, on_closed);
}
