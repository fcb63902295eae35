#include "roles/sqlproxy/sp_health.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/base/mem.h"
#include "core/log/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sp_health *records;
static struct sp_permit *permits;

/* Reasons repeat, so each is kept once and may be read at any time. */
struct reason {
	struct reason *next;
	char text[];
};
enum { REASONS_MAX = 256 };

static const char *intern(const char *text)
{
	static struct reason *reasons;
	static int count;

	for (struct reason *r = reasons; r; r = r->next)
		if (strcmp(r->text, text) == 0)
			return r->text;
	if (count++ >= REASONS_MAX)
		return "see the log";
	struct reason *r = mem_new(sizeof(*r) + strlen(text) + 1);
	strcpy(r->text, text);
	r->next = reasons;
	reasons = r;
	return r->text;
}

static int64_t now_ms(void)
{
	return (int64_t)(uv_hrtime() / 1000000);
}

struct sp_health *sp_health_find(const char *name, const char *address)
{
	struct sp_health *h;

	pthread_mutex_lock(&lock);
	for (h = records; h; h = h->next)
		if (strcmp(h->name, name) == 0 && strcmp(h->address, address) == 0)
			break;
	if (!h) {
		h = mem_new(sizeof(*h));
		snprintf(h->name, sizeof(h->name), "%s", name);
		snprintf(h->address, sizeof(h->address), "%s", address);
		h->up = 1;
		h->writable = SP_WRITABLE_UNKNOWN;
		h->lag = SP_LAG_UNKNOWN;
		h->since = now_ms();
		h->next = records;
		records = h;
	}
	pthread_mutex_unlock(&lock);
	return h;
}

static bool same_greeting(const struct sp_greeting *a, const struct sp_greeting *b)
{
	return a && a->caps == b->caps && a->charset == b->charset &&
	       strcmp(a->version, b->version) == 0;
}

void sp_health_greeted(struct sp_health *h, const struct sp_greeting *g)
{
	if (same_greeting(__atomic_load_n(&h->greeting, __ATOMIC_ACQUIRE), g))
		return;
	struct sp_greeting *copy = mem_new(sizeof(*copy));
	*copy = *g;
	__atomic_store_n(&h->greeting, copy, __ATOMIC_RELEASE);
}

bool sp_health_good(const struct sp_health *h)
{
	enum { ASIDE_MS = 1000 };
	int64_t failed = __atomic_load_n(&h->failed_at, __ATOMIC_RELAXED);

	return sp_health_up(h) && (!failed || now_ms() > failed + ASIDE_MS);
}

void sp_health_connect(struct sp_health *h, bool failed)
{
	__atomic_store_n(&h->failed_at, failed ? now_ms() : 0, __ATOMIC_RELAXED);
}

static void turn(struct sp_health *h, int up)
{
	__atomic_store_n(&h->up, up, __ATOMIC_RELAXED);
	__atomic_store_n(&h->since, now_ms(), __ATOMIC_RELAXED);
	if (up)
		log_info("server is up server=%s address=%s", h->name, h->address);
	else
		log_warn("server is down: %s server=%s address=%s", h->reason, h->name, h->address);
}

void sp_health_report(struct sp_health *h, const char *reason, int fall, int rise)
{
	pthread_mutex_lock(&lock);
	if (reason) {
		h->successes = 0;
		__atomic_store_n(&h->reason, intern(reason), __ATOMIC_RELEASE);
		if (++h->failures >= fall && h->up)
			turn(h, 0);
	} else {
		h->failures = 0;
		if (++h->successes >= rise && !h->up)
			turn(h, 1);
	}
	pthread_mutex_unlock(&lock);
}

struct sp_permit *sp_permit_find(const char *key)
{
	struct sp_permit *p;

	pthread_mutex_lock(&lock);
	for (p = permits; p && strcmp(p->key, key) != 0; p = p->next)
		;
	if (!p) {
		p = mem_new(sizeof(*p));
		snprintf(p->key, sizeof(p->key), "%s", key);
		p->next = permits;
		permits = p;
	}
	pthread_mutex_unlock(&lock);
	return p;
}
