#include "roles/jobd/jd_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/alarm.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/stat/stat.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_rabbit.h"
#include "roles/jobd/jd_redis.h"

static const struct conf_word types[] = {
	{ "redis", JD_REDIS },
	{ "rabbitmq", JD_RABBITMQ },
	{ NULL, 0 },
};

static const struct conf_word queue_types[] = {
	{ "classic", JD_CLASSIC },
	{ "quorum", JD_QUORUM },
	{ NULL, 0 },
};

static const struct conf_word formats[] = {
	{ "raw", JD_RAW },
	{ "swoole-jobs", JD_SWOOLE_JOBS },
	{ "sidekiq", JD_SIDEKIQ },
	{ "laravel", JD_LARAVEL },
	{ NULL, 0 },
};

static const struct jd_source_type *const kinds[] = {
	[JD_REDIS] = &jd_redis, [JD_RABBITMQ] = &jd_rabbit
};

const struct conf_key jd_source_rows[] = {
	CONF_KEY_ENUM(struct jd_source_keys, type, types, .flags = CONF_REQUIRED | CONF_RELOAD,
		      .help = "Whose queues they are."),
	CONF_KEY_STR(struct jd_source_keys, url, .flags = CONF_REQUIRED | CONF_SECRET | CONF_RELOAD,
		     .help = "redis://[[user]:password@]host[:port][/db], rediss:// by TLS, "
			     "redis+unix:///path[?db=n], redis[s]+sentinel://[[user]:password@]"
			     "host[:port][,...]/MASTER[/db]; amqp://[user:password@]host[:port]"
			     "[/vhost], amqps:// by TLS."),
	CONF_KEY_STR(struct jd_source_keys, sentinel_password, .flags = CONF_SECRET | CONF_RELOAD,
		     .help = "Redis: what its Sentinels ask for; that of the url is the servers'."),
	CONF_KEY_LIST(struct jd_source_keys, topics, .flags = CONF_RELOAD,
		      .help = "Whose jobs are taken. In Redis each is a list of that name: RPUSH "
			      "puts, the left end is first; in RabbitMQ a durable queue."),
	CONF_KEY_LIST(struct jd_source_keys, write_only, .flags = CONF_RELOAD,
		      .help = "Topics whose jobs others run: what is submitted to us goes there, "
			      "as soon as the source can be reached."),
	CONF_KEY_STR(struct jd_source_keys, prefix, .dflt = "", .flags = CONF_RELOAD,
		     .help = "Before each topic's name in the source."),
	CONF_KEY_ENUM(
		struct jd_source_keys, payload, formats, .dflt = "raw", .flags = CONF_RELOAD,
		.help = "What its producers write: raw goes to the workers as it is; of "
			"swoole-jobs they get JSON, however PHP wrote it, and its delay, "
			"priority and expiration count; of sidekiq and laravel they get the "
			"JSON, and a topic is a queue of that name as these keep it in Redis."),
	CONF_KEY_STR(struct jd_source_keys, default_class, .flags = CONF_RELOAD,
		     .help = "With swoole-jobs: the class that a foreign message is given to; "
			     "empty: it stays as it is."),
	CONF_KEY_STR(struct jd_source_keys, default_method, .dflt = "run", .flags = CONF_RELOAD,
		     .help = "And its method."),
	CONF_KEY_INT(
		struct jd_source_keys, take, .dflt = "64", .min = "1", .max = "1000",
		.flags = CONF_RELOAD,
		.help = "Jobs of a topic taken at a time, and ahead of those who can run them, "
			"at most; no more than were done in the last 10 ms."),
	CONF_KEY_INT(struct jd_source_keys, max_dead, .dflt = "100000", .min = "0",
		     .max = "100000000", .flags = CONF_RELOAD,
		     .help = "Dead jobs of a topic that are kept there."),
	CONF_KEY_DURATION(struct jd_source_keys, timeout, .dflt = "5s", .min = "100ms", .max = "5m",
			  .flags = CONF_RELOAD, .help = "To connect, and for each answer."),
	CONF_KEY_DURATION(struct jd_source_keys, node_dead, .dflt = "15s", .min = "3s", .max = "1h",
			  .flags = CONF_RELOAD,
			  .help = "A node that was silent for so long is dead: others run its "
				  "jobs."),
	CONF_KEY_INT(
		struct jd_source_keys, prefetch, .dflt = "0", .min = "0", .max = "65535",
		.flags = CONF_RELOAD,
		.help = "RabbitMQ: messages of a topic that are here at a time; 0: half as many "
			"again as its pools can run, and at least 16."),
	CONF_KEY_ENUM(struct jd_source_keys, queue_type, queue_types, .dflt = "classic",
		      .flags = CONF_RELOAD,
		      .help = "RabbitMQ: what queues are made as. One that is there is used as it "
			      "is."),
	CONF_KEY_INT(struct jd_source_keys, max_priority, .dflt = "0", .min = "0", .max = "255",
		     .flags = CONF_RELOAD,
		     .help = "RabbitMQ: classic queues are made with so many priorities; 0: with "
			     "none."),
	CONF_KEY_INT(
		struct jd_source_keys, delivery_limit, .dflt = "20", .min = "1", .max = "1000000",
		.flags = CONF_RELOAD,
		.help = "RabbitMQ: quorum queues are made so that a message that was delivered "
			"more often in vain is dead, whoever had it."),
	CONF_KEY_BOOL(
		struct jd_source_keys, handover, .dflt = "no", .flags = CONF_RELOAD,
		.help = "RabbitMQ: a message is stored here, and then acknowledged: for jobs that "
			"run longer than its consumer_timeout (30 minutes). From there it is a job "
			"of ours, its dead, too."),
	CONF_KEY_DURATION(struct jd_source_keys, heartbeat, .dflt = "10s", .min = "1s",
			  .max = "10m", .flags = CONF_RELOAD,
			  .help = "RabbitMQ: a server that was silent for two of them is gone."),
	CONF_KEY_STR(struct jd_source_keys, tls_ca, .flags = CONF_RELOAD,
		     .help = "Whom we trust, as a PEM file; empty: whom the system does."),
	CONF_KEY_BOOL(struct jd_source_keys, tls_verify, .dflt = "yes", .flags = CONF_RELOAD,
		      .help = "Whether the server's certificate is looked at."),
	CONF_END,
};

/* ---- rules --------------------------------------------------------------------------- */

static void check_topics(const struct conf_item *i, const char *key, char *const *topics,
			 struct conf_errors *errors)
{
	for (; *topics; topics++)
		if (strlen(*topics) > 128)
			conf_error(errors, i, key, "'%.40s...': longer than 128 bytes", *topics);
}

void jd_sources_check(const struct conf *conf, struct conf_errors *errors)
{
	for (const struct conf_item *i = NULL; (i = conf_next(conf, "source", i));) {
		const struct jd_source_keys *k = i->values;
		if (k->type >= 0 && (size_t)k->type < sizeof(kinds) / sizeof(kinds[0]))
			kinds[k->type]->check(i, errors);
		check_topics(i, "topics", k->topics, errors);
		check_topics(i, "write_only", k->write_only, errors);
		if (!*k->topics && !*k->write_only)
			conf_error(errors, i, "topics", "neither these nor write_only");
	}
}

/* ---- their life -------------------------------------------------------------------------- */

static struct jd_source *find(const struct jd *jd, const char *name)
{
	struct list *it, *tmp;

	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* Those that are not there yet. */
int jd_sources_open(struct jd *jd, const struct conf *conf, struct err *err)
{
	for (const struct conf_item *i = NULL; (i = conf_next(conf, "source", i));) {
		const struct jd_source_keys *k = i->values;
		if (find(jd, i->name))
			continue;
		struct jd_source *s = kinds[k->type]->open(jd, i, err);
		if (!s)
			return err_wrap(err, err->code, "source %s", i->name);
		s->conf = conf_hold(conf);
		s->item = i;
	}
	return 0;
}

static bool is_same(const struct conf_item *a, const struct conf_item *b)
{
	const struct jd_source_keys *was = a->values, *is = b->values;

	for (const struct conf_key *k = conf_first_key(a->section); k; k = conf_next_key(k))
		if (!(k->flags & CONF_SECRET) && strcmp(conf_text(a, k), conf_text(b, k)) != 0)
			return false;
	return strcmp(was->url, is->url) == 0;
}

static void leave(struct jd_source *s)
{
	s->leaving = true;
	s->type->leave(s);
}

int jd_sources_apply(struct jd *jd, const struct conf *conf, struct err *err)
{
	struct list *it, *tmp;
	int rc = jd_sources_open(jd, conf, err);

	if (rc != 0) { /* those that were opened just now */
		list_each (it, tmp, &jd->sources) {
			struct jd_source *s = container_of(it, struct jd_source, link);
			if (s->conf == conf)
				leave(s);
		}
		return rc;
	}
	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		const struct conf_item *now = conf_find(conf, "source", s->name);
		if (s->leaving || (now && is_same(s->item, now)))
			continue;
		log_info("source %s leaves%s", s->name, now ? ", to come back changed" : "");
		leave(s);
	}
	return 0;
}

void jd_sources_raise(struct jd *jd, const char *topic)
{
	struct list *it, *tmp;

	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		s->type->raise(s, topic);
	}
}

void jd_sources_drain(struct jd *jd)
{
	struct list *it, *tmp;

	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		s->type->drain(s);
	}
}

void jd_sources_close(struct jd *jd)
{
	struct list *it, *tmp;

	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		s->type->close(s);
	}
}

void jd_source_init(struct jd_source *s, const struct jd_source_type *type, struct jd *jd,
		    const struct conf_item *item)
{
	s->type = type;
	s->jd = jd;
	s->name = mem_str(item->name);
	snprintf(s->why, sizeof(s->why), "not connected yet");
	list_append(&jd->sources, &s->link);
	jd->api->open++;
}

void jd_source_closed(struct jd_source *s)
{
	struct jd *jd = s->jd;
	struct api *api = jd->api;
	struct err err = { .text = "" };

	list_remove(&s->link);
	free(s->name);
	conf_free(s->conf);
	api->open--;
	if (!api->stopping && !api->draining && jd_sources_open(jd, api->conf, &err) != 0)
		log_error("%s", err.text);
	api_settle(api);
}

void jd_source_up(struct jd_source *s)
{
	s->up = true;
	log_info("source %s is up", s->name);
}

/* Told when it changes; the log counts what repeats. */
void jd_source_down(struct jd_source *s, const char *why)
{
	s->losses += s->up;
	s->up = false;
	snprintf(s->why, sizeof(s->why), "%s", why);
	log_warn("source %s is down: %s", s->name, why);
	api_alarm_raise(s->jd->api, API_ON_SOURCE_DOWN, s->name, why);
}

const char *jd_sources_down(const struct jd *jd)
{
	struct list *it, *tmp;

	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		if (!s->up)
			return s->name;
	}
	return NULL;
}

void jd_sources_status(struct jd *jd, const char *name, struct stat_out *out)
{
	struct list *it, *tmp;

	if (list_empty(&jd->sources))
		return;
	stat_table(out, name, "Queues elsewhere.");
	list_each (it, tmp, &jd->sources) {
		struct jd_source *s = container_of(it, struct jd_source, link);
		stat_row(out);
		stat_label(out, "source", s->name);
		stat_gauge(out, "up", "1: connected.", s->up);
		stat_counter(out, "taken", "Jobs taken.", (double)s->taken);
		stat_counter(out, "done", "Jobs that are over.", (double)s->done);
		stat_counter(out, "again", "Jobs given back, at once or for later.",
			     (double)s->again);
		stat_counter(out, "dead", "Jobs that died.", (double)s->dead);
		stat_counter(out, "reconnects", "Times that the connection broke.",
			     (double)s->losses);
		stat_word(out, "state", !s->up ? s->why : *s->note ? s->note : "up");
	}
}
