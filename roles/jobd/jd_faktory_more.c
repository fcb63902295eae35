/* INFO, QUEUE, TRACK, FLUSH. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/api/setup.h"
#include "core/api/spec.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

/* ---- INFO ---------------------------------------------------------------------------------- */

struct sums {
	struct json_out queues;
	uint64_t ready, scheduled, running, dead, submitted, failed, processed, n, dflt;
};

static void add(void *data, const struct work_topic_figures *f)
{
	struct sums *s = data;

	if (*f->name == '.') /* our own */
		return;
	json_puts(&s->queues, s->n++ ? "," : "");
	json_put_text(&s->queues, f->name);
	json_printf(&s->queues, ":%lu", (unsigned long)f->ready);
	s->ready += f->ready;
	s->scheduled += f->scheduled + f->waiting;
	s->running += f->running;
	s->dead += f->dead;
	s->submitted += f->submitted;
	s->failed += f->failed;
	s->processed += f->succeeded + f->failed;
	if (strcmp(f->name, "default") == 0)
		s->dflt = f->ready;
}

static void put_tasks(struct json_out *o, const struct sums *s, int workers)
{
	json_printf(o, "\"tasks\":{\"Busy\":{\"size\":%lu,\"reaped\":0},\"Dead\":{\"size\":%lu},",
		    (unsigned long)s->running, (unsigned long)s->dead);
	json_printf(o, "\"Scheduled\":{\"size\":%lu},\"Retries\":{\"size\":0},",
		    (unsigned long)s->scheduled);
	json_printf(o, "\"Workers\":{\"size\":%d}},", workers);
}

void jd_fk_info(struct jd_fk_client *c)
{
	struct jd_fk *fk = c->fk;
	struct sums s = { .n = 0 };
	struct json_out o = { .n = 0 };
	char clock[40];
	time_t now = time(NULL);
	struct tm tm;

	work_topics(fk->work, add, &s);
	strftime(clock, sizeof(clock), "%H:%M:%S UTC", gmtime_r(&now, &tm));
	json_printf(&o, "{\"now\":%ld,\"server_utc_time\":\"%s\",\"faktory\":{", (long)now, clock);
	json_printf(&o, "\"default_size\":%lu,\"total_failures\":%lu,\"total_processed\":%lu,",
		    (unsigned long)s.dflt, (unsigned long)s.failed, (unsigned long)s.processed);
	json_printf(&o, "\"total_enqueued\":%lu,\"total_queues\":%lu,", (unsigned long)s.ready,
		    (unsigned long)s.n);
	put_tasks(&o, &s, fk->n_workers);
	json_puts(&o, "\"queues\":{");
	json_put(&o, s.queues.p ? s.queues.p : "", s.queues.n);
	json_printf(&o, "}},\"server\":{\"description\":\"troupe jobd\",");
	json_printf(&o, "\"faktory_version\":\"1.9.0\",\"uptime\":%ld,\"connections\":%d,",
		    (long)((work_clock(fk->work) - fk->born) / 1000), fk->conns.n);
	json_printf(&o, "\"command_count\":%lu}}", (unsigned long)fk->commands);
	jd_fk_bulk(c, o.p, o.n);
	json_out_fini(&s.queues);
	json_out_fini(&o);
}

/* ---- QUEUE --------------------------------------------------------------------------------- */

enum queue_verb { PAUSE, RESUME, REMOVE, LATENCY, QUEUE_VERBS };

static const char *const queue_verbs[QUEUE_VERBS] = { "PAUSE", "RESUME", "REMOVE", "LATENCY" };

struct queue_order {
	struct jd_fk *fk;
	enum queue_verb verb;
	struct json_out o;
};

static void do_queue(struct queue_order *q, const char *name)
{
	struct work_topic_figures f = { .oldest = 0 };
	struct work *w = q->fk->work;

	switch (q->verb) {
	case PAUSE:
	case RESUME:
		if (api_setup_takes(q->fk->api, name) == 0)
			work_pause(w, name, q->verb == PAUSE);
		break;
	case REMOVE:
		work_purge(w, &(struct work_range){ .topic = name });
		break;
	default:
		work_topic_figures(w, name, &f);
		json_puts(&q->o, q->o.n ? "," : "{");
		json_put_text(&q->o, name);
		json_printf(&q->o, ":%.3f", (double)f.oldest / 1000);
	}
}

/* Names are gathered first: what is done to one may change the table. */
struct names {
	char **names;
	size_t n;
};

static void gather(struct names *all, const char *name, size_t n)
{
	if ((all->n & (all->n - 1)) == 0)
		all->names = mem_resize(all->names, (all->n ? 2 * all->n : 1) * sizeof(char *));
	char *own = mem_new(n + 1);
	memcpy(own, name, n);
	all->names[all->n++] = own;
}

static void gather_topic(void *data, const struct work_topic_figures *f)
{
	if (*f->name != '.')
		gather(data, f->name, strlen(f->name));
}

static bool read_names(struct jd_fk *fk, struct names *all, const char *at, const char *end)
{
	const char *word;
	size_t n;

	while ((word = jd_fk_word(&at, end, &n))) {
		if (n == 1 && *word == '*') {
			work_topics(fk->work, gather_topic, all);
			continue;
		}
		gather(all, word, n);
		if (all->n > API_TOPICS_MOST || !api_topic_is_good(all->names[all->n - 1]))
			return false;
	}
	return all->n > 0;
}

void jd_fk_queue(struct jd_fk_client *c, const char *words, size_t size)
{
	struct queue_order q = { .fk = c->fk };
	struct names all = { NULL, 0 };
	const char *at = words;
	size_t n;
	const char *verb = jd_fk_word(&at, words + size, &n);

	while (verb && q.verb < QUEUE_VERBS &&
	       (strlen(queue_verbs[q.verb]) != n || memcmp(queue_verbs[q.verb], verb, n) != 0))
		q.verb++;
	bool well = verb && q.verb < QUEUE_VERBS && read_names(c->fk, &all, at, words + size);
	for (size_t i = 0; i < all.n; i++) {
		if (well)
			do_queue(&q, all.names[i]);
		free(all.names[i]);
	}
	free(all.names);
	if (!well)
		jd_fk_err(c, NULL, "QUEUE: PAUSE, RESUME, REMOVE or LATENCY, and names, or *");
	else if (q.verb != LATENCY)
		jd_fk_ok(c);
	else
		json_puts(&q.o, "}");
	if (well && q.verb == LATENCY)
		jd_fk_bulk(c, q.o.p, q.o.n);
	json_out_fini(&q.o);
}

/* ---- TRACK --------------------------------------------------------------------------------- */

static void do_track_set(struct jd_fk_client *c, const char *text, size_t n)
{
	struct err err = { .text = "" };
	struct json doc;
	int64_t percent = -1;

	if (json_read(&doc, text, n, &err) != 0) {
		jd_fk_err(c, "MALFORMED", "TRACK SET: %s", err.text);
		return;
	}
	uint64_t id = jd_fk_id_of(c->fk, &doc);
	struct json v = json_get(&doc, "percent"), words = json_get(&doc, "desc");
	struct work_job *job = id ? work_job_of(c->fk->work, id, c->fk) : NULL;
	char *desc = json_unquoted(&words, NULL);
	json_int(&v, &percent);
	if (job) {
		work_progress(c->fk->work, id, (int)(percent > 100 ? 100 : percent), desc);
		if (json_get(&doc, "reserve_until").kind == JSON_STRING)
			work_touch(job, 0);
	}
	free(desc);
	jd_fk_ok(c);
}

static const char *word_of(enum work_state s)
{
	switch (s) {
	case WORK_READY:
		return "enqueued";
	case WORK_RUNNING:
		return "working";
	case WORK_SCHEDULED:
	case WORK_WAITING:
		return "scheduled";
	case WORK_SUCCEEDED:
		return "success";
	case WORK_DEAD:
		return "dead";
	default:
		return "unknown";
	}
}

struct tracked {
	struct jd_fk_client *c;
	bool seen;
	struct json_out o;
};

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	struct tracked *t = data;
	struct jd_fk_client *c = t->c;
	struct json_out *o = &t->o;

	(void)status;
	(void)next;
	if (s) {
		t->seen = true;
		json_printf(o, ",\"state\":\"%s\",\"percent\":%d", word_of(s->state),
			    s->percent < 0 ? 0 : s->percent);
		json_puts(o, ",\"desc\":");
		json_put_text(o, s->text ? s->text : "");
		return;
	}
	json_puts(o, t->seen ? "}" : ",\"state\":\"unknown\"}");
	if (jd_conn_answered(&c->conn)) {
		jd_fk_bulk(c, o->p, o->n);
		jd_fk_go_on(c);
	}
	json_out_fini(o);
	free(t);
}

/* Of one that is over only what is kept by its name here is known. */
static void do_track_get(struct jd_fk_client *c, const char *jid, size_t n)
{
	char name[201] = "";
	uint64_t id = 0;
	struct tracked *t = mem_new(sizeof(*t));

	memcpy(name, jid, n < 200 ? n : 200);
	t->c = c;
	json_puts(&t->o, "{\"jid\":");
	json_put_text(&t->o, name);
	work_find(c->fk->work, name, &id);
	c->conn.state = JD_FK_ASKING;
	c->id = 0;
	c->conn.pending++;
	if (id)
		work_get(c->fk->work, id, on_seen, t);
	else
		on_seen(t, NULL, 0, 0);
}

void jd_fk_track(struct jd_fk_client *c, const char *words, size_t size)
{
	const char *at = words, *end = words + size;
	size_t n, len;
	const char *what = jd_fk_word(&at, end, &n);

	if (what && n == 3 && memcmp(what, "SET", 3) == 0) {
		do_track_set(c, at, (size_t)(end - at));
		return;
	}
	const char *jid = jd_fk_word(&at, end, &len);
	if (what && n == 3 && memcmp(what, "GET", 3) == 0 && jid)
		do_track_get(c, jid, len);
	else
		jd_fk_err(c, NULL, "TRACK: GET jid, or SET and JSON");
}

/* ---- FLUSH --------------------------------------------------------------------------------- */

static void on_flushed(void *data, int status, uint64_t n)
{
	struct jd_fk_client *c = data;

	(void)n;
	if (!jd_conn_answered(&c->conn))
		return;
	if (status != 0)
		jd_fk_err(c, NULL, "%s", uv_strerror(status));
	else
		jd_fk_ok(c);
	jd_fk_go_on(c);
}

void jd_fk_flush(struct jd_fk_client *c)
{
	struct work_range all = { .topic = NULL };

	if (!c->fk->jd->keys->faktory_flush) {
		jd_fk_err(c, NULL, "FLUSH is off: it deletes all jobs; see faktory_flush");
		return;
	}
	work_purge(c->fk->work, &all);
	c->conn.state = JD_FK_ASKING;
	c->id = 0;
	c->conn.pending++;
	work_forget(c->fk->work, WORK_DEAD, &all, on_flushed, c);
}
