#include "roles/jobd/jd_redis.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/tls.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_redis_parts.h"

enum {
	TICK = 1000,
	PING = 10000,
	SOONEST = 2,
	CLOSE_TIME = 3000,
	RAISED_MOST = 10000,
	MOST = 256 << 20,
	RETRY_MOST = 5000
};

static void put_script(struct jr *jr, enum jd_script script)
{
	struct json_out text = { .p = NULL };

	json_puts(&text, jd_layouts[jr->layout]);
	json_puts(&text, jd_scripts[script]);
	redis_word(jr->cmd, text.p, text.n);
	json_out_fini(&text);
}

/* Its name is known a moment after the server is up for the first time. */
void jd_redis_eval(struct jr *jr, enum jd_script script, int words, redis_done done, void *data)
{
	bool known = jr->sha[script][0] != '\0';

	redis_begin(jr->cmd, 2 + words, done, data);
	redis_text(jr->cmd, known ? "EVALSHA" : "EVAL");
	if (known)
		redis_text(jr->cmd, jr->sha[script]);
	else
		put_script(jr, script);
}

void jd_redis_odd(struct jr *jr, const redisReply *r)
{
	redis_break(jr->cmd, r->type == REDIS_REPLY_ERROR ? r->str : "an answer of another kind");
}

/* ---- every few seconds, and when something is due -------------------------------------------- */

static void on_tick(uv_timer_t *timer);

static void plan_tick(struct jr *jr, int64_t next)
{
	int64_t slow = jr->keys->node_dead / 5, most = jr->tracking && slow > TICK ? slow : TICK;
	int64_t wait = next < 0 || next > most ? most : next < SOONEST ? SOONEST : next + 1;

	uv_timer_start(&jr->tick, on_tick, (uint64_t)wait, 0);
}

void jd_redis_tick_by(struct jr *jr, int64_t ms)
{
	if (!jr->ticking && !jr->shut && (uint64_t)ms < uv_timer_get_due_in(&jr->tick))
		plan_tick(jr, ms);
}

static void pause_by(struct jr_topic *t, int paused)
{
	if (t->paused == paused || t->jr->closing)
		return;
	t->paused = paused;
	work_pause(t->jr->work, t->name, paused);
}

static void on_ticked(void *data, const redisReply *r)
{
	struct jr *jr = data;
	int64_t next = -1;

	jr->ticking = false;
	if (!r)
		return;
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 1 + 5 * (size_t)jr->n_topics) {
		jd_redis_odd(jr, r);
		return;
	}
	if (r->element[0]->integer)
		log_warn("source %s: %lld jobs of dead nodes are ready again", jr->source.name,
			 r->element[0]->integer);
	for (int i = 0; i < jr->n_topics; i++) {
		struct jr_topic *t = &jr->topics[i];
		redisReply **of = &r->element[1 + 5 * i];
		if (of[1]->integer >= 0 && (next < 0 || of[1]->integer < next))
			next = of[1]->integer;
		t->later = of[3]->integer;
		t->buried = of[4]->integer;
		if (of[0]->integer < 0)
			log_warn("source %s: topic %s: its key holds no list", jr->source.name,
				 t->name);
		t->broken = of[0]->integer < 0;
		jd_redis_left(t, t->broken ? 0 : of[0]->integer); /* the engine knows it then */
		pause_by(t, (int)of[2]->integer);
		jd_redis_consider(t);
	}
	plan_tick(jr, next);
}

static void tick(struct jr *jr)
{
	struct redis *cmd = jr->cmd;

	if (jr->ticking || !redis_is_up(cmd))
		return;
	jr->ticking = true;
	jd_redis_eval(jr, JD_TICK, 2 + 6 * jr->n_topics + 3, on_ticked, jr);
	redis_number(cmd, 1 + 6 * jr->n_topics);
	redis_text(cmd, "tr:nodes");
	for (int i = 0; i < jr->n_topics; i++) {
		struct jr_topic *t = &jr->topics[i];
		redis_text(cmd, t->list);
		redis_text(cmd, t->at);
		redis_text(cmd, t->job);
		redis_text(cmd, t->meta);
		redis_text(cmd, t->dead);
		redis_text(cmd, t->runs);
	}
	redis_text(cmd, jr->node);
	redis_number(cmd, jr->keys->node_dead);
	redis_text(cmd, jr->keys->prefix);
	redis_send(cmd);
}

static void on_tick(uv_timer_t *timer)
{
	struct jr *jr = timer->data;

	if (jr->closing || jr->leaving)
		jd_redis_settle(jr);
	if (jr->shut)
		return;
	if (jr->closing) {
		plan_tick(jr, SOONEST * 10);
		return;
	}
	tick(jr);
	if (redis_is_up(jr->wake) && uv_now(jr->loop) - jr->pinged > PING) {
		jr->pinged = uv_now(jr->loop);
		redis_begin(jr->wake, 1, NULL, NULL);
		redis_text(jr->wake, "PING");
		redis_send(jr->wake);
	}
	if (!jr->ticking)
		plan_tick(jr, -1);
}

/* ---- being told -------------------------------------------------------------------------- */

static void on_tracking(void *data, const redisReply *r)
{
	struct jr *jr = data;

	if (!r)
		return;
	jr->tracking = r->type != REDIS_REPLY_ERROR;
	if (!jr->tracking)
		log_warn("source %s does not tell when a list has something (%s): it is asked once "
			 "a second",
			 jr->source.name, r->str);
	for (int i = 0; i < jr->n_topics; i++) {
		jr->topics[i].armed = false;
		jd_redis_consider(&jr->topics[i]);
	}
}

static void track(struct jr *jr)
{
	if (!redis_is_up(jr->cmd) || !redis_is_up(jr->wake))
		return;
	redis_begin(jr->cmd, 6, on_tracking, jr);
	redis_text(jr->cmd, "CLIENT");
	redis_text(jr->cmd, "TRACKING");
	redis_text(jr->cmd, "ON");
	redis_text(jr->cmd, "REDIRECT");
	redis_number(jr->cmd, redis_client_id(jr->wake));
	redis_text(jr->cmd, "NOLOOP");
	redis_send(jr->cmd);
}

static void changed(struct jr_topic *t)
{
	t->armed = false;
	if (!t->left)
		jd_redis_left(t, 1);
	jd_redis_consider(t);
}

/* message, channel, the keys that have changed (nil: all) */
static void on_message(void *data, const redisReply *r)
{
	struct jr *jr = data;
	const redisReply *keys = r->elements == 3 ? r->element[2] : NULL;
	size_t n = keys && keys->type == REDIS_REPLY_ARRAY ? keys->elements : 0;

	for (int i = 0; i < jr->n_topics; i++) {
		bool told = n == 0;
		for (size_t k = 0; k < n && !told; k++)
			told = keys->element[k]->type == REDIS_REPLY_STRING &&
			       strcmp(keys->element[k]->str, jr->topics[i].list) == 0;
		if (told)
			changed(&jr->topics[i]);
	}
}

static void on_wake_up(void *data)
{
	struct jr *jr = data;

	redis_begin(jr->wake, 2, NULL, NULL);
	redis_text(jr->wake, "SUBSCRIBE");
	redis_text(jr->wake, "__redis__:invalidate");
	redis_send(jr->wake);
	track(jr);
}

/* ---- the connection ------------------------------------------------------------------------ */

static void on_loaded(void *data, const redisReply *r)
{
	char *sha = data;

	if (r && r->type == REDIS_REPLY_STRING && r->len < JR_SHA)
		memcpy(sha, r->str, r->len + 1);
}

static void load_script(struct jr *jr, enum jd_script script)
{
	redis_begin(jr->cmd, 3, on_loaded, jr->sha[script]);
	redis_text(jr->cmd, "SCRIPT");
	redis_text(jr->cmd, "LOAD");
	put_script(jr, script);
}

static void on_policy(void *data, const redisReply *r)
{
	struct jr *jr = data;

	if (r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	    r->element[1]->type == REDIS_REPLY_STRING &&
	    strcmp(r->element[1]->str, "noeviction") != 0)
		log_warn("source %s: its maxmemory-policy is %s, not noeviction: jobs can be lost "
			 "when its memory is full",
			 jr->source.name, r->element[1]->str);
}

static void on_keys(void *data, const redisReply *r)
{
	struct jr_topic *t = data;

	if (!r)
		return;
	if (r->type == REDIS_REPLY_ARRAY)
		jd_redis_reconcile(t, r);
	else
		jd_redis_odd(t->jr, r);
	jd_redis_settle(t->jr);
}

static void on_up(void *data)
{
	struct jr *jr = data;

	for (int i = 0; i < JD_SCRIPTS; i++)
		load_script(jr, (enum jd_script)i);
	redis_begin(jr->cmd, 3, on_policy, jr);
	redis_text(jr->cmd, "CONFIG");
	redis_text(jr->cmd, "GET");
	redis_text(jr->cmd, "maxmemory-policy");
	jr->look++;
	for (int i = 0; i < jr->n_topics; i++) {
		struct jr_topic *t = &jr->topics[i];
		redis_begin(jr->cmd, 2, on_keys, t);
		redis_text(jr->cmd, "HKEYS");
		redis_text(jr->cmd, t->run);
	}
	redis_send(jr->cmd);
	if (jr->watched)
		log_info("source %s: the master is %s:%d", jr->source.name,
			 redis_addr(jr->cmd)->host, redis_addr(jr->cmd)->port);
	jd_source_up(&jr->source);
	track(jr);
	plan_tick(jr, 0);
	jd_redis_forward(jr);
}

static void on_down(void *data, const char *why)
{
	struct jr *jr = data;

	for (int i = 0; i < jr->n_topics; i++) {
		jr->topics[i].known = jr->topics[i].asking = jr->topics[i].armed = false;
		jr->topics[i].broken = false;
	}
	jr->tracking = jr->ticking = false;
	jd_source_down(&jr->source, why);
	jd_redis_forward(jr);
	jd_redis_settle(jr);
}

static void on_wake_down(void *data, const char *why)
{
	struct jr *jr = data;

	(void)why; /* the other one says it */
	jr->tracking = false;
}

/* ---- its life -------------------------------------------------------------------------------- */

static void release(struct jr *jr)
{
	if (--jr->open > 0)
		return;
	for (int i = 0; i < jr->n_topics; i++) {
		struct jr_topic *t = &jr->topics[i];
		char *all[] = { t->name, t->list,   t->run,  t->at,  t->job,
				t->dead, t->corpse, t->meta, t->runs };
		while (!list_empty(&t->loans))
			jd_loan_free(container_of(t->loans.next, struct jr_loan, mine));
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			free(all[k]);
	}
	free(jr->topics);
	jd_source_closed(&jr->source);
	free(jr);
}

static void on_redis_closed(void *data)
{
	release(data);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

/* All that could be told is told. */
static void shut(struct jr *jr)
{
	jr->shut = true;
	if (jr->n_loans && jr->source.jd->api->work) /* a worker that does not end */
		work_lender_forget(jr->work, &jr->lender);
	if (!jr->closing)
		jd_forward_close(&jr->forward, false);
	redis_close(jr->cmd, on_redis_closed, jr);
	redis_close(jr->wake, on_redis_closed, jr);
	uv_close((uv_handle_t *)&jr->tick, on_timer_closed);
	uv_close((uv_handle_t *)&jr->flush, on_timer_closed);
}

void jd_redis_settle(struct jr *jr)
{
	bool over = !jr->n_loans && !jr->forward.under_way;

	if (jr->shut)
		return;
	if ((jr->leaving && over) || (jr->closing && (!jr->n_loans || !redis_is_up(jr->cmd) ||
						      uv_now(jr->loop) > jr->deadline)))
		shut(jr);
}

static void on_raised(void *data, const redisReply *r)
{
	struct jr_topic *t = data;

	if (!r || r->type != REDIS_REPLY_INTEGER)
		return;
	log_info("source %s: topic %s: %lld dead jobs are ready again", t->jr->source.name, t->name,
		 r->integer);
	t->buried -= r->integer < t->buried ? r->integer : t->buried;
	if (r->integer)
		jd_redis_left(t, t->left + r->integer);
	jd_redis_consider(t);
}

static void raise_dead(struct jd_source *s, const char *topic)
{
	struct jr *jr = (struct jr *)(void *)s;

	for (int i = 0; i < jr->n_topics; i++) {
		struct jr_topic *t = &jr->topics[i];
		if (!redis_is_up(jr->cmd) || strcmp(t->name, topic) != 0)
			continue;
		jd_redis_eval(jr, JD_RAISE, 5, on_raised, t);
		redis_text(jr->cmd, "3");
		redis_text(jr->cmd, t->dead);
		redis_text(jr->cmd, t->corpse);
		redis_text(jr->cmd, t->list);
		redis_number(jr->cmd, RAISED_MOST);
		redis_send(jr->cmd);
	}
}

static void drain(struct jd_source *s)
{
	struct jr *jr = (struct jr *)(void *)s;

	if (jr->shut)
		return;
	jr->draining = true;
	jd_redis_forward(jr);
	jd_redis_give_back(jr);
}

static void leave(struct jd_source *s)
{
	struct jr *jr = (struct jr *)(void *)s;

	drain(s);
	jr->leaving = true;
	work_lender_remove(&jr->lender);
	plan_tick(jr, 0);
}

static void close_it(struct jd_source *s)
{
	struct jr *jr = (struct jr *)(void *)s;

	if (jr->shut)
		return;
	drain(s);
	jd_forward_close(&jr->forward, true);
	jr->closing = true;
	jr->deadline = uv_now(jr->loop) + CLOSE_TIME;
	work_lender_remove(&jr->lender);
	plan_tick(jr, 0);
}

static char *__attribute__((format(printf, 1, 2))) key(const char *fmt, ...)
{
	char text[JR_PREFIX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return mem_str(text);
}

const char *jd_redis_folder(const struct jr *jr)
{
	static const char *const folders[] = {
		[JD_PLAIN] = "", [JD_OF_SIDEKIQ] = "queue:", [JD_OF_LARAVEL] = "queues:"
	};

	return folders[jr->layout];
}

static void open_topic(struct jr *jr, struct jr_topic *t, const char *name)
{
	const char *prefix = jr->keys->prefix;

	t->jr = jr;
	t->name = mem_str(name);
	t->list = key("%s%s%s", prefix, jd_redis_folder(jr), name);
	t->run = key("tr:{%s%s}:run:%s", prefix, name, jr->node);
	t->runs = key("tr:{%s%s}:run:", prefix, name);
	t->at = key("tr:{%s%s}:at", prefix, name);
	t->job = key("tr:{%s%s}:job", prefix, name);
	t->dead = key("tr:{%s%s}:dead", prefix, name);
	t->corpse = key("tr:{%s%s}:corpse", prefix, name);
	t->meta = key("tr:{%s%s}:meta", prefix, name);
	t->paused = -1;
	list_init(&t->loans);
	list_init(&t->done);
}

static void open_topics(struct jr *jr)
{
	while (jr->keys->topics[jr->n_topics])
		jr->n_topics++;
	jr->topics = mem_new(((size_t)jr->n_topics + 1) * sizeof(*jr->topics));
	for (int i = 0; i < jr->n_topics; i++)
		open_topic(jr, &jr->topics[i], jr->keys->topics[i]);
}

static int secure(const struct jr *jr, struct redis_conf *conf, struct err *err)
{
	const char *ca = jr->keys->tls_ca;
	struct tls_conf tls = { .ca = ca && *ca ? ca : NULL, .verify = jr->keys->tls_verify };

	if (!conf->url.tls)
		return 0;
	conf->tls = tls_ctx_new(&tls, false, err);
	return conf->tls ? 0 : err->code;
}

static int open_connections(struct jr *jr, struct err *err)
{
	char name[320];
	struct redis_conf conf = { .name = name,
				   .sentinel_password = jr->keys->sentinel_password,
				   .timeout = (uint64_t)jr->keys->timeout,
				   .retry_most = RETRY_MOST,
				   .most = MOST,
				   .on_up = on_up,
				   .on_down = on_down,
				   .data = jr };
	int rc = redis_url_read(&conf.url, jr->keys->url, err);

	if (rc == 0)
		rc = secure(jr, &conf, err);
	if (rc != 0)
		return rc;
	jr->watched = conf.url.n_sentinels > 0;
	snprintf(name, sizeof(name), "troupe-%s", jr->node);
	jr->cmd = redis_new(jr->loop, &conf);
	conf.on_up = on_wake_up;
	conf.on_down = on_wake_down;
	conf.on_message = on_message;
	jr->wake = redis_new(jr->loop, &conf);
	tls_ctx_drop(conf.tls);
	return 0;
}

static void open_timer(struct jr *jr, uv_timer_t *t)
{
	uv_timer_init(jr->loop, t);
	t->data = jr;
}

static struct jd_source *open_it(struct jd *jd, const struct conf_item *item, struct err *err)
{
	struct jr *jr = mem_new(sizeof(*jr));

	jr->keys = item->values;
	jr->loop = jd->api->loop;
	jr->work = jd->api->work;
	jr->layout = jr->keys->payload == JD_SIDEKIQ   ? JD_OF_SIDEKIQ
		     : jr->keys->payload == JD_LARAVEL ? JD_OF_LARAVEL
						       : JD_PLAIN;
	snprintf(jr->node, sizeof(jr->node), "%s", jd->node);
	list_init(&jr->others);
	if (open_connections(jr, err) != 0) {
		free(jr);
		return NULL;
	}
	jr->open = 4;
	open_topics(jr);
	open_timer(jr, &jr->tick);
	open_timer(jr, &jr->flush);
	jd_source_init(&jr->source, &jd_redis, jd, item);
	jr->lender = (struct work_lender){ .back = jd_redis_back,
					   .hungry = jd_redis_hungry,
					   .data = jr };
	work_lender_add(jr->work, &jr->lender);
	jd_redis_forward_open(jr);
	return &jr->source;
}

static void check(const struct conf_item *item, struct conf_errors *errors)
{
	const struct jd_source_keys *k = item->values;
	struct redis_url url;
	struct err err = { .text = "" };

	if (*k->url && redis_url_read(&url, k->url, &err) != 0)
		conf_error(errors, item, "url", "%s", err.text);
	if (k->tls_ca && *k->tls_ca && access(k->tls_ca, R_OK) != 0)
		conf_error(errors, item, "tls_ca", "%s: %s", k->tls_ca, strerror(errno));
	if (strlen(k->prefix) > 64)
		conf_error(errors, item, "prefix", "longer than 64 bytes");
}

const struct jd_source_type jd_redis = {
	.check = check,
	.open = open_it,
	.raise = raise_dead,
	.drain = drain,
	.leave = leave,
	.close = close_it,
};
