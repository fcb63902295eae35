#include "roles/supervisor/sv_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_ear.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_talk.h"
#include "roles/supervisor/sv_team.h"

enum { HEAD_MOST = 1024 };

/* What all pools share of an event. */
struct payload {
	int holders;
	enum sv_event event;
	int64_t serial;
	size_t n;
	char text[];
};

struct sv_posted {
	struct list link;
	struct payload *payload;
	int64_t serial; /* of the pool */
};

struct sv_pool {
	struct list link;
	struct sv_team *team;
	struct list queue;
	size_t count;
	int64_t serial; /* of the next event */
};

static const struct sv_program *program(const struct sv_pool *pool)
{
	return &pool->team->conf->programs[0];
}

static bool wants(const struct sv_pool *pool, enum sv_event event)
{
	return program(pool)->events >> event & 1;
}

void sv_posted_drop(struct sv_posted *event)
{
	if (!event)
		return;
	list_remove(&event->link);
	if (--event->payload->holders == 0)
		free(event->payload);
	free(event);
}

/* ---- the queue -------------------------------------------------------------------------- */

static struct sv_posted *take(struct sv_pool *pool)
{
	struct sv_posted *e = container_of(pool->queue.next, struct sv_posted, link);

	list_remove(&e->link);
	pool->count--;
	return e;
}

static void make_room(struct sv_pool *pool)
{
	while (pool->count && pool->count >= (size_t)program(pool)->conf->buffer_size) {
		struct sv_posted *e = take(pool);
		log_error("pool %s event buffer overflowed, discarding event %lld",
			  pool->team->conf->name, (long long)e->payload->serial);
		sv_posted_drop(e);
	}
}

static void put(struct sv_pool *pool, struct sv_posted *e, bool first)
{
	make_room(pool);
	list_append(first ? pool->queue.next : &pool->queue, &e->link);
	pool->count++;
}

void sv_pool_reject(struct sv_pool *pool, struct sv_posted *event)
{
	if (event)
		put(pool, event, true);
}

/* ---- to a listener ------------------------------------------------------------------------ */

/* As Python counts, in which most listeners are written; supervisord's own count since its 4.0. */
static size_t characters(const char *text, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static bool send_event(struct sv_pool *pool, struct sv_life *l, const struct sv_posted *e)
{
	const char *server = pool->team->sv->setup->main.conf->identifier;
	const struct payload *p = e->payload;
	char *text = mem_new(HEAD_MOST + p->n);
	int head = snprintf(text, HEAD_MOST,
			    "ver:3.0 server:%.255s serial:%lld pool:%.255s poolserial:%lld "
			    "eventname:%s len:%zu\n",
			    server ? server : "supervisor", (long long)p->serial,
			    pool->team->conf->name, (long long)e->serial, sv_event_name(p->event),
			    characters(p->text, p->n));

	memcpy(text + head, p->text, p->n);
	int rc = sv_life_write(l, text, (size_t)head + p->n);
	free(text);
	return rc == 0;
}

static bool give(struct sv_pool *pool, struct sv_posted *e)
{
	struct list *it, *tmp;

	list_each (it, tmp, &pool->team->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (sv_proc_state(p) != SV_RUNNING_STATE || !sv_talk_is_ready(p->life) ||
		    !send_event(pool, p->life, e))
			continue;
		log_debug("event %lld sent to listener %s", (long long)e->payload->serial,
			  p->conf->full);
		sv_talk_sent(p->life, e);
		return true;
	}
	return false;
}

void sv_pool_dispatch(struct sv_pool *pool)
{
	while (pool->count > 0) {
		struct sv_posted *e = take(pool);
		if (give(pool, e))
			continue;
		put(pool, e, true);
		return;
	}
}

/* ---- from anybody --------------------------------------------------------------------------- */

uint64_t sv_pool_wants(const struct sv *sv)
{
	struct list *it, *tmp;
	uint64_t bits = 0;

	list_each (it, tmp, &sv->pools.all)
		bits |= program(container_of(it, struct sv_pool, link))->events;
	return bits;
}

static struct payload *payload_new(struct sv *sv, enum sv_event event, const char *text, size_t n)
{
	struct payload *p = mem_new(sizeof(*p) + n);

	p->event = event;
	p->serial = sv->pools.serial++;
	p->n = n;
	memcpy(p->text, text, n);
	return p;
}

void sv_pool_post(struct sv *sv, enum sv_event event, const char *payload, size_t n)
{
	struct payload *shared = NULL;
	struct list *it, *tmp;

	list_each (it, tmp, &sv->pools.all) {
		struct sv_pool *pool = container_of(it, struct sv_pool, link);
		if (!wants(pool, event))
			continue;
		if (!shared)
			shared = payload_new(sv, event, payload, n);
		struct sv_posted *e = mem_new(sizeof(*e));
		shared->holders++;
		e->payload = shared;
		e->serial = pool->serial++;
		put(pool, e, false);
	}
	if (!shared)
		return;
	list_each (it, tmp, &sv->pools.all)
		sv_pool_dispatch(container_of(it, struct sv_pool, link));
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct sv_pool *sv_pool_new(struct sv_team *team)
{
	struct sv_pool *pool = mem_new(sizeof(*pool));

	pool->team = team;
	list_init(&pool->queue);
	list_append(&team->sv->pools.all, &pool->link);
	return pool;
}

void sv_pool_free(struct sv_pool *pool)
{
	if (!pool)
		return;
	while (pool->count)
		sv_posted_drop(take(pool));
	list_remove(&pool->link);
	free(pool);
}
