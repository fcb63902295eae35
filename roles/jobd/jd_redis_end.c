/*
 * jd_redis_end - what the engine says of a job, until Redis knows it.
 *
 * The first end goes out at once, those of the next millisecond together. An end that was sent
 * when the connection broke is sent again, unless Redis has the job in our name no more.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/jobd/jd_redis_parts.h"

enum { AT_ONCE = 512, MAX_ERROR = 1024, PACE = 10 };

/* ---- the table -------------------------------------------------------------------------- */

static struct jr_loan **bucket(struct jr *jr, uint64_t id)
{
	return &jr->buckets[(id ^ id >> 20) % JR_BUCKETS];
}

struct jr_loan *jd_loan_find(struct jr *jr, uint64_t id)
{
	struct jr_loan *l = *bucket(jr, id);

	while (l && l->id != id)
		l = l->next;
	return l;
}

struct jr_loan *jd_loan_new(struct jr_topic *t, uint64_t id)
{
	struct jr_loan *l = mem_new(sizeof(*l)), **b = bucket(t->jr, id);

	l->id = id;
	l->topic = t;
	l->seen = t->jr->look;
	l->next = *b;
	*b = l;
	list_init(&l->link);
	list_append(&t->loans, &l->mine);
	t->jr->n_loans++;
	return l;
}

void jd_loan_free(struct jr_loan *l)
{
	struct jr *jr = l->topic->jr;
	struct jr_loan **at = bucket(jr, l->id);

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	list_remove(&l->mine);
	list_remove(&l->link);
	jr->n_loans--;
	free(l->head);
	free(l);
}

/* ---- telling ------------------------------------------------------------------------------- */

/* Of one command. */
struct ends {
	struct jr *jr;
	struct list loans;
};

static void wait_again(struct jr *jr, struct ends *e)
{
	while (!list_empty(&e->loans)) {
		struct jr_loan *l = container_of(e->loans.next, struct jr_loan, link);
		list_remove(&l->link);
		list_append(l->fate == JR_DONE ? &l->topic->done : &jr->others, &l->link);
	}
}

/* Of what we change ourselves nobody tells us. */
static void is_there_again(const struct jr_loan *l)
{
	struct jr_topic *t = l->topic;

	if (l->delay) {
		jd_redis_tick_by(t->jr, l->delay);
	} else {
		jd_redis_left(t, t->left + 1);
		jd_redis_consider(t);
	}
}

static void on_told(void *data, const redisReply *r)
{
	struct ends *e = data;
	struct jr *jr = e->jr;

	jr->telling--;
	if (!r || r->type == REDIS_REPLY_ERROR)
		wait_again(jr, e);
	while (!list_empty(&e->loans)) {
		struct jr_loan *l = container_of(e->loans.next, struct jr_loan, link);
		if (l->fate == JR_RETURN)
			is_there_again(l);
		jd_loan_free(l);
	}
	free(e);
	if (r && r->type == REDIS_REPLY_ERROR)
		redis_break(jr->cmd, r->str);
	jd_redis_settle(jr);
}

static struct ends *ends_new(struct jr *jr)
{
	struct ends *e = mem_new(sizeof(*e));

	e->jr = jr;
	list_init(&e->loans);
	jr->telling++;
	return e;
}

static void tell_done(struct jr_topic *t)
{
	struct redis *cmd = t->jr->cmd;
	struct ends *e = ends_new(t->jr);
	struct list *it, *tmp;
	int n = 0;

	while (!list_empty(&t->done) && n < AT_ONCE) {
		struct list *l = t->done.next;
		list_remove(l);
		list_append(&e->loans, l);
		n++;
	}
	redis_begin(cmd, 2 + n, on_told, e);
	redis_text(cmd, "HDEL");
	redis_text(cmd, t->run);
	list_each (it, tmp, &e->loans) {
		redis_number(cmd, (int64_t)container_of(it, struct jr_loan, link)->id);
	}
}

static void tell_return(struct jr_loan *l, struct ends *e)
{
	struct jr_topic *t = l->topic;
	struct redis *cmd = t->jr->cmd;

	jd_redis_eval(t->jr, JD_RETURN, 8, on_told, e);
	redis_text(cmd, "4");
	redis_text(cmd, t->run);
	redis_text(cmd, t->list);
	redis_text(cmd, t->at);
	redis_text(cmd, t->job);
	redis_number(cmd, (int64_t)l->id);
	redis_number(cmd, l->delay);
	redis_text(cmd, l->head ? l->head : "");
}

static void tell_dead(struct jr_loan *l, struct ends *e)
{
	struct jr_topic *t = l->topic;
	struct redis *cmd = t->jr->cmd;

	jd_redis_eval(t->jr, JD_BURY, 7, on_told, e);
	redis_text(cmd, "3");
	redis_text(cmd, t->run);
	redis_text(cmd, t->dead);
	redis_text(cmd, t->corpse);
	redis_number(cmd, (int64_t)l->id);
	redis_text(cmd, l->head);
	redis_number(cmd, t->jr->keys->max_dead);
}

void jd_redis_flush(struct jr *jr)
{
	if (!redis_is_up(jr->cmd))
		return;
	jr->told = uv_now(jr->loop);
	for (int i = 0; i < jr->n_topics; i++)
		while (!list_empty(&jr->topics[i].done))
			tell_done(&jr->topics[i]);
	while (!list_empty(&jr->others)) {
		struct jr_loan *l = container_of(jr->others.next, struct jr_loan, link);
		struct ends *e = ends_new(jr);
		list_remove(&l->link);
		list_append(&e->loans, &l->link);
		if (l->fate == JR_DEAD)
			tell_dead(l, e);
		else
			tell_return(l, e);
	}
	redis_send(jr->cmd);
}

static void on_flush(uv_timer_t *t)
{
	jd_redis_flush(t->data);
}

void jd_redis_over(struct jr_loan *l, enum jr_fate fate)
{
	struct jr_topic *t = l->topic;
	struct jr *jr = t->jr;

	l->fate = fate;
	list_append(fate == JR_DONE ? &t->done : &jr->others, &l->link);
	if (!uv_is_active((uv_handle_t *)&jr->flush))
		uv_timer_start(&jr->flush, on_flush, jr->told < uv_now(jr->loop) ? 0 : 1, 0);
}

/* ---- the engine's word --------------------------------------------------------------------- */

static char *head_of(const struct work_event *e)
{
	struct json_out o = { .p = NULL };

	json_printf(&o, "{\"id\":\"%" PRIu64 "\",\"attempts\":%d,\"crashes\":%d", e->id,
		    e->attempts, e->crashes);
	if (e->error) {
		json_puts(&o, ",\"error\":");
		json_put_string(&o, e->error, strnlen(e->error, MAX_ERROR));
	}
	json_puts(&o, "}");
	return o.p;
}

static void count_pace(struct jr_topic *t)
{
	uint64_t age = uv_now(t->jr->loop) - t->lately_at;

	t->lately++;
	if (age < PACE)
		return;
	int64_t pace = (int64_t)t->lately * PACE / (int64_t)age;
	t->pace = pace < t->jr->keys->take ? (int)pace : (int)t->jr->keys->take;
	t->lately = 0;
	t->lately_at = uv_now(t->jr->loop);
}

void jd_redis_back(void *data, const struct work_event *e, int64_t delay)
{
	struct jr *jr = data;
	struct jr_loan *l = jd_loan_find(jr, e->id);

	if (!l || l->fate != JR_HERE)
		return;
	count_pace(l->topic);
	if (l->lost) {
		jd_loan_free(l);
		return;
	}
	l->delay = delay;
	if (e->state == WORK_SCHEDULED) {
		jr->source.again++;
		l->head = e->attempts || e->error ? head_of(e) : NULL;
		jd_redis_over(l, JR_RETURN);
	} else if (e->state == WORK_DEAD) {
		jr->source.dead++;
		l->head = head_of(e);
		jd_redis_over(l, JR_DEAD);
	} else {
		jr->source.done++;
		jd_redis_over(l, JR_DONE);
	}
}

/* The last one first, so that they are there in the order in which they were taken. */
void jd_redis_give_back(struct jr *jr)
{
	for (int i = 0; i < jr->n_topics; i++) {
		struct list *head = &jr->topics[i].loans, *it, *before;
		for (it = head->prev; it != head; it = before) {
			struct jr_loan *l = container_of(it, struct jr_loan, mine);
			before = it->prev;
			if (l->fate == JR_HERE && work_recall(jr->work, l->id))
				jd_redis_over(l, JR_RETURN);
		}
	}
	jd_redis_flush(jr);
}

/* ---- after a connection, or a process, has died ------------------------------------------------
 */

/* Redis has it in our name, and we know nothing of it. */
static void find_orphan(struct jr_topic *t, uint64_t id)
{
	struct jr_loan *l = jd_loan_new(t, id);
	bool ran = t->jr->look == 1 && work_was_running(t->jr->work, id);

	l->head = ran ? mem_str("+") : NULL;
	jd_redis_over(l, JR_RETURN);
}

/* What we believe to have is another's: that node runs it. */
static void drop_lost(struct jr_topic *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->loans) {
		struct jr_loan *l = container_of(it, struct jr_loan, mine);
		if (l->seen == t->jr->look)
			continue;
		if (l->fate != JR_HERE || work_recall(t->jr->work, l->id))
			jd_loan_free(l);
		else
			l->lost = true;
	}
}

void jd_redis_reconcile(struct jr_topic *t, const redisReply *reply)
{
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *r = reply->element[i];
		uint64_t id = r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
		struct jr_loan *l = id ? jd_loan_find(t->jr, id) : NULL;
		if (l)
			l->seen = t->jr->look;
		else if (id)
			find_orphan(t, id);
	}
	drop_lost(t);
	t->known = true;
	jd_redis_flush(t->jr);
	jd_redis_consider(t);
}
