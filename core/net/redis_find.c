#include "core/net/redis_find.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

enum { NEVER = 1 << 30, ANSWER_MOST = 64 << 10 };

static void ask_next(struct redis_find *f);

static void on_closed(void *data)
{
	struct redis_find *f = data;
	int n = f->conf->url.n_sentinels;

	if (!f->found)
		f->at = (f->at + 1) % n;
	if (!f->found && !f->cancelled && ++f->tries < n)
		ask_next(f);
	else
		f->done(f->data, f->found && !f->cancelled ? &f->addr : NULL, f->why);
}

static void say_why(struct redis_find *f, const char *why)
{
	const struct addr *a = &f->conf->url.sentinels[f->at];

	snprintf(f->why, sizeof(f->why), "Sentinel %.60s:%d: %.100s", a->host, a->port, why);
}

static void leave(struct redis_find *f)
{
	if (f->leaving)
		return;
	f->leaving = true;
	redis_close(f->link, on_closed, f);
}

static void on_down(void *data, const char *why)
{
	struct redis_find *f = data;

	say_why(f, why);
	leave(f);
}

static void take_address(struct redis_find *f, const redisReply *r)
{
	struct err err = { .text = "" };
	char text[ADDR_TEXT];

	if (r->type == REDIS_REPLY_NIL) {
		say_why(f, "it knows no master of this name");
		return;
	}
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
	    r->element[0]->type != REDIS_REPLY_STRING ||
	    r->element[1]->type != REDIS_REPLY_STRING) {
		say_why(f, r->type == REDIS_REPLY_ERROR ? r->str : "it answers something else");
		return;
	}
	const char *host = r->element[0]->str, *port = r->element[1]->str;
	int n = snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
	f->found = (size_t)n < sizeof(text) && addr_parse(&f->addr, text, -1, &err) == 0 &&
		   !f->addr.is_unix;
	if (!f->found)
		say_why(f, "it names no address");
}

static void on_master(void *data, const redisReply *r)
{
	struct redis_find *f = data;

	if (!r) /* on_down says why */
		return;
	take_address(f, r);
	leave(f);
}

static void on_up(void *data)
{
	struct redis_find *f = data;

	redis_begin(f->link, 3, on_master, f);
	redis_text(f->link, "SENTINEL");
	redis_text(f->link, "GET-MASTER-ADDR-BY-NAME");
	redis_text(f->link, f->conf->url.master);
	redis_send(f->link);
}

static void ask_next(struct redis_find *f)
{
	struct redis_conf conf = {
		.url = { .addr = f->conf->url.sentinels[f->at], .tls = f->conf->url.tls },
		.tls = f->conf->tls,
		.timeout = f->conf->timeout,
		.retry_most = NEVER,
		.most = ANSWER_MOST,
		.on_up = on_up,
		.on_down = on_down,
		.data = f,
	};

	if (f->conf->sentinel_password)
		snprintf(conf.url.password, sizeof(conf.url.password), "%s",
			 f->conf->sentinel_password);
	f->leaving = false;
	f->link = redis_new(f->loop, &conf);
}

void redis_find_start(struct redis_find *f)
{
	f->tries = 0;
	f->found = f->cancelled = false;
	f->why[0] = '\0';
	ask_next(f);
}

void redis_find_cancel(struct redis_find *f)
{
	f->cancelled = true;
	leave(f);
}
