/* GET /v1/tasks/{id}, GET /v1/tasks. */
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/handlers.h"
#include "core/api/moment.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/api/tell.h"
#include "core/api/wait.h"
#include "core/base/mem.h"

/* ---- one ------------------------------------------------------------------------------- */

struct look {
	struct api_reply reply; /* first */
	const struct api_token *token;
	struct json_out o;
	char *fields;
	uint64_t id;
	bool found, forbidden;
};

static void on_one(void *data, const struct work_status *s, int status, uint64_t next)
{
	struct look *l = data;

	(void)next;
	if (s) {
		l->found = true;
		l->forbidden = !api_token_has(l->token, s->topic);
		api_tell_task(&l->o, l->reply.api, s, l->fields);
		json_puts(&l->o, "\n");
		return;
	}
	if (status != 0)
		api_error(&l->reply, 503, NULL, "the store can't be read: %s", uv_strerror(status));
	else if (l->forbidden)
		api_error(&l->reply, 403, NULL, "the token is not for its topic");
	else if (l->found)
		api_answer(&l->reply, 200, NULL, &l->o);
	else if (ident_time(l->id) <= api_now())
		api_error(&l->reply, 410, NULL, "it is over, and no longer kept");
	else
		api_error(&l->reply, 404, NULL, "there is no such task");
	json_out_fini(&l->o);
	free(l->fields);
	free(l);
}

static struct look *look_new(const struct api_ask *ask)
{
	struct look *l = mem_new(sizeof(*l));

	l->reply = api_reply_to(ask);
	l->token = ask->token;
	l->fields = mem_str(api_query(ask, "fields"));
	http_call_wait(ask->call, l, api_reply_gone);
	return l;
}

void api_task_get(struct api_ask *ask)
{
	int64_t wait = api_wait_of(ask);
	uint64_t id;

	if (wait < 0)
		return;
	if (!api_find(ask->api, ask->part, &id)) {
		api_refuse(ask, 404, NULL, "there is no such task");
		return;
	}
	if (wait && work_state_of(ask->api->work, id) != WORK_STORING &&
	    api_token_has(ask->token, NULL)) {
		struct api_reply r = api_reply_to(ask);
		api_wait(ask->api, &r, id, wait);
		return;
	}
	struct look *l = look_new(ask);
	l->id = id;
	work_get(ask->api->work, id, on_one, l);
}

/* ---- many ------------------------------------------------------------------------------- */

struct listing {
	struct look look; /* first */
	enum work_state state;
	bool exact; /* of pending ones: only in this state */
	int n;
};

static void on_item(void *data, const struct work_status *s, int status, uint64_t next)
{
	struct listing *l = data;
	struct json_out *o = &l->look.o;
	char id[IDENT_LEN + 1];

	if (s) {
		if ((l->exact && s->state != l->state) || !api_token_has(l->look.token, s->topic))
			return;
		json_puts(o, l->n++ ? ",\n" : "");
		api_tell_task(o, l->look.reply.api, s, l->look.fields);
		return;
	}
	if (status != 0) {
		api_error(&l->look.reply, 503, NULL, "the store can't be read: %s",
			  uv_strerror(status));
	} else {
		ident_write(next, id);
		json_printf(o, next ? "],\"next\":\"%s\"}\n" : "],\"next\":null}\n", id);
		api_answer(&l->look.reply, 200, NULL, o);
	}
	json_out_fini(o);
	free(l->look.fields);
	free(l);
}

/* false: it was answered. */
static bool state_of(const struct api_ask *ask, struct listing *l)
{
	const char *word = api_query(ask, "state");

	l->state = WORK_READY;
	if (!word || strcmp(word, "pending") == 0)
		return true;
	for (int s = WORK_WAITING; s <= WORK_EXPIRED; s++)
		if (strcmp(work_state_name((enum work_state)s), word) == 0 && s != WORK_ENDING) {
			l->state = (enum work_state)s;
			l->exact = s < WORK_ENDING;
			return true;
		}
	api_refuse(ask, 400, "state", "state: there is none of that name");
	return false;
}

static bool moment_of(const struct api_ask *ask, const char *name, int64_t *ms)
{
	const char *text = api_query(ask, name);

	*ms = text ? api_moment_read(text) : 0;
	if (*ms >= 0)
		return true;
	api_refuse(ask, 400, name, "%s: ms since 1970, or as 2030-01-31T12:00:00Z", name);
	return false;
}

static bool page_of(const struct api_ask *ask, struct work_filter *f)
{
	const char *limit = api_query(ask, "limit"), *cursor = api_query(ask, "cursor");
	int64_t since, until;

	f->limit = limit ? atoi(limit) : 100;
	if (f->limit < 1 || f->limit > 1000) {
		api_refuse(ask, 400, "limit", "limit: 1 to 1000");
		return false;
	}
	if (!moment_of(ask, "since", &since) || !moment_of(ask, "until", &until))
		return false;
	if (since)
		f->from = ident_next(0, since) - 1;
	if (until)
		f->until = ident_next(0, until + 1) - 1;
	if (cursor && !ident_read(cursor, &f->from)) {
		api_refuse(ask, 400, "cursor", "cursor: what `next` said");
		return false;
	}
	return true;
}

void api_task_list(struct api_ask *ask)
{
	struct listing *l = mem_new(sizeof(*l));
	struct work_filter f = { .topic = api_query(ask, "topic"),
				 .type = api_query(ask, "type"),
				 .text = api_query(ask, "q") };

	if (!state_of(ask, l) || !page_of(ask, &f)) {
		free(l);
		return;
	}
	l->look.reply = api_reply_to(ask);
	l->look.token = ask->token;
	l->look.fields = mem_str(api_query(ask, "fields"));
	f.state = l->state;
	json_puts(&l->look.o, "{\"items\":[");
	http_call_wait(ask->call, l, api_reply_gone);
	work_list(ask->api->work, &f, on_item, l);
}
