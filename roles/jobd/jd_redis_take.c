/*
 * jd_redis_take - how many jobs are taken, and when.
 *
 * As many as workers want, and ahead of them as many as were done in the last 10 ms (up to `take`):
 * short jobs come in large pieces, long ones are left to whichever node has a worker for them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_redis_parts.h"

enum { STALE = 100 };

/* ---- what comes ------------------------------------------------------------------------ */

struct piece {
	struct jr_topic *topic;
	int wanted;
};

/* A job without its head; own: where it had to be put together. */
struct opened {
	const char *p;
	size_t n;
	char *own;
	bool has_head;
};

static void take_head(const char *p, size_t n, struct opened *o, struct work_loan *loan)
{
	struct json head, v;
	int64_t number;

	if (json_read(&head, p, n, NULL) != 0)
		return;
	o->has_head = true;
	v = json_get(&head, "attempts");
	if (json_int(&v, &number) && number > 0 && number <= WORK_MAX_ATTEMPTS)
		loan->attempts = (int)number;
	v = json_get(&head, "crashes");
	if (json_int(&v, &number) && number > 0 && number <= WORK_MAX_ATTEMPTS)
		loan->crashes = (int)number;
}

/* In a line before it, as jd_script's write does. */
static void open_line(struct opened *o, struct work_loan *loan)
{
	const char *stop =
		o->n > 5 && memcmp(o->p, "tr1 {", 5) == 0 ? memchr(o->p, '\n', o->n) : NULL;

	if (!stop)
		return;
	take_head(o->p + 4, (size_t)(stop - o->p) - 4, o, loan);
	if (!o->has_head)
		return;
	o->n -= (size_t)(stop + 1 - o->p);
	o->p = stop + 1;
}

/* As its last member, as jd_script's wrap does. */
static void open_member(struct opened *o, struct work_loan *loan)
{
	static const char name[] = ",\"tr1\":{";
	const char *at = NULL, *end = o->p + o->n;

	if (o->n < 2 || memcmp(end - 2, "}}", 2) != 0)
		return;
	for (const char *p = o->p; (p = memmem(p, (size_t)(end - p), name, sizeof(name) - 1)); p++)
		at = p;
	if (!at)
		return;
	take_head(at + sizeof(name) - 2, (size_t)(end - at) - (sizeof(name) - 2) - 1, o, loan);
	if (!o->has_head)
		return;
	o->n = (size_t)(at - o->p) + 1;
	o->own = mem_resize(NULL, o->n);
	memcpy(o->own, o->p, o->n - 1);
	o->own[o->n - 1] = '}';
	o->p = o->own;
}

static char *first_head(uint64_t id, const char *error)
{
	char head[200];

	snprintf(head, sizeof(head), "{\"id\":\"%" PRIu64 "\"%s%s%s}", id,
		 error ? ",\"error\":\"" : "", error ? error : "", error ? "\"" : "");
	return mem_str(head);
}

/* UV_ECANCELED: it goes back, for now. */
static int hand_over(struct jr_topic *t, struct jr_loan *l, struct work_loan *loan,
		     const struct jd_payload *p)
{
	struct jr *jr = t->jr;

	loan->spec.payload = p->p;
	loan->spec.size = p->n;
	loan->spec.type = *p->type ? p->type : NULL;
	loan->spec.prio = p->prio;
	loan->spec.expires = p->expires;
	loan->spec.expires_at = p->expires_at;
	loan->spec.timeout = p->timeout;
	loan->spec.max_attempts = p->max_attempts;
	loan->spec.backoff = *p->backoff ? p->backoff : NULL;
	if (jr->draining)
		return UV_ECANCELED;
	if (!p->delay)
		return work_lend(jr->work, &jr->lender, loan);
	l->delay = p->delay;
	l->head = first_head(l->id, NULL);
	return UV_ECANCELED;
}

static void lend(struct jr_topic *t, uint64_t id, const redisReply *job)
{
	struct jr *jr = t->jr;
	const struct jd_payload_rules rules = { (enum jd_format)jr->keys->payload,
						jr->keys->default_class, jr->keys->default_method };
	struct jr_loan *l = jd_loan_new(t, id);
	struct work_loan loan = { .spec = { .topic = t->name }, .id = id };
	struct opened o = { .p = job->str, .n = job->len };
	struct jd_payload p;

	jr->source.taken++;
	open_line(&o, &loan);
	if (jr->layout != JD_PLAIN && !o.has_head)
		open_member(&o, &loan);
	jd_payload_read(&p, o.p, o.n, &rules);
	if (o.has_head) /* it has had its delay */
		p.delay = 0;
	else
		loan.attempts = p.attempts;
	int rc = hand_over(t, l, &loan, &p);
	if (rc == UV_ECANCELED) {
		jd_redis_over(l, JR_RETURN);
	} else if (rc != 0) {
		l->head = first_head(id, uv_strerror(rc));
		jd_redis_over(l, JR_DEAD);
	}
	jd_payload_fini(&p);
	free(o.own);
}

static void lend_all(struct jr_topic *t, const redisReply *reply)
{
	for (size_t i = 2; i + 1 < reply->elements; i += 2) {
		const redisReply *id = reply->element[i], *job = reply->element[i + 1];
		uint64_t n = id->type == REDIS_REPLY_STRING ? strtoull(id->str, NULL, 10) : 0;
		if (!n || job->type != REDIS_REPLY_STRING || jd_loan_find(t->jr, n))
			log_warn("source %s: topic %s has a job of an id that can't be: %.40s",
				 t->jr->source.name, t->name, id->str ? id->str : "");
		else
			lend(t, n, job);
	}
}

/* For those who count what waits: by the pace at which jobs are done, if they are. */
void jd_redis_left(struct jr_topic *t, int64_t left)
{
	uint64_t now = uv_now(t->jr->loop);

	if (!t->left || !left)
		t->since = now;
	t->left = left;
	if (t->jr->closing)
		return;
	int64_t oldest = left ? (int64_t)(now - t->since) : 0;
	if (t->pace && left * 10 / t->pace < oldest)
		oldest = left * 10 / t->pace;
	work_outside(t->jr->work, t->name,
		     &(struct work_outside){ .ready = (uint64_t)left,
					     .scheduled = (uint64_t)t->later,
					     .dead = (uint64_t)t->buried,
					     .oldest = oldest });
}

/* All nodes together have what they may. */
static void hold(struct jr_topic *t, int64_t ms)
{
	t->held = ms > 0 ? uv_now(t->jr->loop) + (uint64_t)ms : 0;
	if (ms > 0)
		jd_redis_tick_by(t->jr, ms);
}

static void on_taken(void *data, const redisReply *r)
{
	struct piece *p = data;
	struct jr_topic *t = p->topic;
	struct jr *jr = t->jr;

	t->asking = false;
	if (r && r->type == REDIS_REPLY_ARRAY && r->elements >= 2 &&
	    r->element[0]->type == REDIS_REPLY_INTEGER &&
	    r->element[1]->type == REDIS_REPLY_INTEGER) {
		lend_all(t, r);
		hold(t, r->element[1]->integer);
		jd_redis_left(t, r->element[0]->integer);
		jd_redis_consider(t);
	} else if (r && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "NOSCRIPT", 8) != 0) {
		log_warn("source %s: topic %s: %s", jr->source.name, t->name, r->str);
		t->broken = true;
	} else if (r) {
		jd_redis_odd(jr, r);
	}
	if (jr->draining)
		jd_redis_flush(jr);
	free(p);
}

static void ask(struct jr_topic *t, int n, const struct work_topic_conf *conf)
{
	struct jr *jr = t->jr;
	struct piece *p = mem_new(sizeof(*p));
	uint64_t id = work_ids(jr->work, n);
	char per_s[32], burst[32];

	p->topic = t;
	t->asking = true;
	jd_redis_eval(jr, JD_TAKE, 9 + n, on_taken, p);
	redis_text(jr->cmd, "4");
	redis_text(jr->cmd, t->list);
	redis_text(jr->cmd, t->run);
	redis_text(jr->cmd, t->meta);
	redis_text(jr->cmd, "tr:nodes");
	redis_text(jr->cmd, t->runs);
	redis_number(jr->cmd, conf->concurrency);
	snprintf(per_s, sizeof(per_s), "%.17g", conf->rate.per_s);
	snprintf(burst, sizeof(burst), "%.17g", conf->rate.burst);
	redis_text(jr->cmd, per_s);
	redis_text(jr->cmd, burst);
	for (int i = 0; i < n; i++)
		redis_number(jr->cmd, (int64_t)(id + (uint64_t)i));
	redis_send(jr->cmd);
}

/* ---- when -------------------------------------------------------------------------------- */

static void on_length(void *data, const redisReply *r)
{
	struct jr_topic *t = data;

	t->asking = false;
	if (!r)
		return;
	t->armed = true;
	if (r->type == REDIS_REPLY_INTEGER && r->integer)
		jd_redis_left(t, r->integer);
	else if (r->type == REDIS_REPLY_ERROR)
		t->broken = true;
	jd_redis_consider(t);
}

/* A look at the list, which the server remembers: who changes it makes it tell us. */
void jd_redis_arm(struct jr_topic *t)
{
	t->asking = true;
	redis_begin(t->jr->cmd, 2, on_length, t);
	redis_text(t->jr->cmd, "LLEN");
	redis_text(t->jr->cmd, t->list);
	redis_send(t->jr->cmd);
}

void jd_redis_consider(struct jr_topic *t)
{
	struct jr *jr = t->jr;

	if (!redis_is_up(jr->cmd) || jr->draining || !t->known || t->asking || t->broken)
		return;
	if (!t->left) {
		if (!t->armed)
			jd_redis_arm(t);
		return;
	}
	struct work_topic_conf conf = { .concurrency = 0 };
	uint64_t now = uv_now(jr->loop);
	work_topic_get(jr->work, t->name, &conf);
	if (now - t->lately_at > STALE || conf.concurrency || conf.rate.per_s > 0)
		t->pace = 0; /* and what counts for all nodes is not taken ahead */
	int room = work_room(jr->work, t->name);
	int ready = (int)work_ready(jr->work, t->name);
	int n = room > 0 ? room + t->pace : ready < t->pace / 2 ? t->pace - ready : 0;
	if (n > 0 && t->paused != 1 && now >= t->held)
		ask(t, n < JR_IDS ? n : JR_IDS, &conf);
}

void jd_redis_hungry(void *data)
{
	struct jr *jr = data;

	for (int i = 0; i < jr->n_topics; i++)
		if (jr->topics[i].left || !jr->topics[i].armed)
			jd_redis_consider(&jr->topics[i]);
}
