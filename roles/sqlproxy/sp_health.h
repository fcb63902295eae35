/*
 * sp_health - what the process knows about a server, apart from any configuration: is it up, may
 * it be written, how far is it behind, what did it announce. The monitor writes, workers read and
 * report failed connects; all fields are atomic, a record is never freed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_packet.h"

enum sp_writable { SP_WRITABLE_UNKNOWN = -1, SP_WRITABLE_NO, SP_WRITABLE_YES };

enum { SP_LAG_UNKNOWN = -1, SP_LAG_NONE = 0, SP_LAG_BROKEN = -2 };

struct sp_health {
	char name[64];
	char address[300];
	struct sp_health *next;

	/* __atomic_* only */
	int up;            /* 0: taken out */
	int writable;      /* enum sp_writable */
	int drained;       /* by hand: no new work */
	int paused;        /* by hand: work waits */
	int open;          /* connections to it, over all pools and workers */
	int failures;      /* looks in a row that failed */
	int successes;     /* ... that did not */
	int64_t failed_at; /* ms: a connect failed then and none has succeeded since; 0: all well */
	int64_t lag;       /* ms behind the primary, SP_LAG_* */
	int64_t since;     /* ms of the monotonic clock: the last change of `up` */
	uint64_t epoch;    /* grows when its connections must all be replaced (RECONNECT) */
	const struct sp_greeting *greeting; /* the last one seen; NULL: never. Old ones are kept. */
	const char *reason;                 /* why it is down; interned, never freed */
};

/* The record of that name and address; made when there is none. */
struct sp_health *sp_health_find(const char *name, const char *address);

/* A greeting was read from it. Cheap when it says what the last one said. */
void sp_health_greeted(struct sp_health *h, const struct sp_greeting *g);

/* The outcome of a look or of a connect. reason: NULL for success. */
void sp_health_report(struct sp_health *h, const char *reason, int fall, int rise);

static inline bool sp_health_up(const struct sp_health *h)
{
	return __atomic_load_n(&h->up, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&h->drained, __ATOMIC_RELAXED);
}

/* Up, and did not refuse a connection within the last second. */
bool sp_health_good(const struct sp_health *h);

/* A connect failed, or one succeeded. */
void sp_health_connect(struct sp_health *h, bool failed);

/*
 * sp_permit - how many connections a pool has, over all workers. One per server, database section
 * and user.
 */
struct sp_permit {
	char key[512];
	struct sp_permit *next;
	int open;   /* __atomic_* only */
	int wanted; /* workers that wait for one */
	int paused; /* by hand */
};

struct sp_permit *sp_permit_find(const char *key);
