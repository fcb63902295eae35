/*
 * jd_source - queues elsewhere whose jobs run here: [source NAME].
 *
 *	source (Redis, ...) --take--> engine (core/work, as a lender's) --> pools --> workers
 *	        ^--- done, again later, dead: what the engine says of each ---'
 *
 * A job stays in its queue until it is over; the engine has it in memory only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/conf/conf.h"

struct err;
struct jd;
struct jd_source;
struct stat_out;

enum jd_source_kind { JD_REDIS, JD_RABBITMQ };
enum jd_queue_type { JD_CLASSIC, JD_QUORUM };

struct jd_source_keys {
	int type;
	char *url, *sentinel_password;
	char **topics, **write_only;
	char *prefix;
	int payload;
	char *default_class, *default_method;
	int64_t take, max_dead;
	int64_t timeout, node_dead, heartbeat;
	int queue_type;
	int64_t prefetch, max_priority, delivery_limit;
	bool handover;
	char *tls_ca;
	bool tls_verify;
};

extern const struct conf_key jd_source_rows[];

struct jd_source_type {
	/* What is wrong with a section, beyond its table. */
	void (*check)(const struct conf_item *item, struct conf_errors *errors);
	/* A new one, or NULL and err. */
	struct jd_source *(*open)(struct jd *jd, const struct conf_item *item, struct err *err);
	/* Its dead jobs of that topic, if it has the topic, are ready again. */
	void (*raise)(struct jd_source *s, const char *topic);
	/* Takes nothing any more; gives back what does not run. */
	void (*drain)(struct jd_source *s);
	/* As drain, and it goes when all that it had is over and told: jd_source_closed. */
	void (*leave)(struct jd_source *s);
	/* The engine is about to go: ends within seconds. */
	void (*close)(struct jd_source *s);
};

/* What all kinds have: their first member. */
struct jd_source {
	const struct jd_source_type *type;
	struct list link; /* of jd's */
	struct jd *jd;
	char *name;
	const struct conf *conf; /* held: what it was made from */
	const struct conf_item *item;
	bool up, leaving;
	uint64_t taken, done, again, dead, losses; /* losses: of the connection */
	char why[200];                             /* it is not up */
	char note[200];                            /* it is up, but; "": nothing */
};

void jd_sources_check(const struct conf *conf, struct conf_errors *errors);
int jd_sources_open(struct jd *jd, const struct conf *conf, struct err *err);
/* New ones open, those that are gone leave, so do changed ones, to come back by their new keys. On
 * failure nothing has changed. */
int jd_sources_apply(struct jd *jd, const struct conf *conf, struct err *err);
void jd_sources_raise(struct jd *jd, const char *topic);
void jd_sources_drain(struct jd *jd);
void jd_sources_close(struct jd *jd);

/* A table of that name. */
void jd_sources_status(struct jd *jd, const char *name, struct stat_out *out);

/* NULL, or the name of one that is not connected. */
const char *jd_sources_down(const struct jd *jd);

/* ---- for the kinds ------------------------------------------------------------------- */

void jd_source_init(struct jd_source *s, const struct jd_source_type *type, struct jd *jd,
		    const struct conf_item *item);
void jd_source_up(struct jd_source *s);
void jd_source_down(struct jd_source *s, const char *why);
/* The last word; s may be freed then. */
void jd_source_closed(struct jd_source *s);
