/* What there is, as beanstalkd's YAML says it. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/api/keys.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

static void answer(struct jd_bs_client *c, struct json_out *o)
{
	jd_conn_printf(&c->conn, "OK %zu\r\n", o->n);
	jd_conn_put(&c->conn, o->p, o->n);
	jd_conn_put(&c->conn, "\r\n", 2);
	json_out_fini(o);
}

/* What is left of a time has begun to pass. */
static long whole_seconds(int64_t ms)
{
	return ms > 0 ? (long)((ms - 1) / 1000) : 0;
}

/* ---- a job ------------------------------------------------------------------------------ */

static const char *state_of(enum work_state s)
{
	return s == WORK_RUNNING ? "reserved"
	       : s == WORK_DEAD  ? "buried"
	       : s == WORK_READY ? "ready"
				 : "delayed";
}

static struct jd_bs_facts facts_of(const struct work_status *s, const struct jd_bs_mark *m)
{
	struct jd_bs_facts f;

	if (!jd_bs_meta_read(s->meta, s->meta_size, &f))
		f = (struct jd_bs_facts){ .ttr = (uint32_t)(s->timeout / 1000),
					  .pri = jd_bs_pri_of(s->prio) };
	if (m && m->has_pri) {
		f.pri = m->pri;
		f.delay = m->delay;
	}
	if (jd_bs_prio_of(f.pri) != s->prio)
		f.pri = jd_bs_pri_of(s->prio);
	return f;
}

void jd_bs_stats_job(struct jd_bs_client *c, const struct work_status *s)
{
	struct json_out o = { .p = NULL };
	const struct jd_bs_mark *m = jd_bs_mark_find(c->bs, s->id);
	static const struct jd_bs_mark none;
	struct jd_bs_facts f = facts_of(s, m);
	int64_t age = (api_now() - s->submitted) / 1000;

	if (!m)
		m = &none;
	json_printf(&o, "---\nid: %lu\ntube: %s\nstate: %s\npri: %u\nage: %ld\n",
		    (unsigned long)s->id, s->topic, state_of(s->state), f.pri,
		    (long)(age > 0 ? age : 0));
	json_printf(&o, "delay: %u\nttr: %u\ntime-left: %ld\nfile: 0\n", f.delay, f.ttr,
		    whole_seconds(s->left));
	json_printf(&o, "reserves: %u\ntimeouts: %u\nreleases: %u\nburies: %u\nkicks: %u\n",
		    m->reserves + (s->state == WORK_RUNNING), m->timeouts, m->releases, m->buries,
		    m->kicks);
	answer(c, &o);
}

/* ---- a tube ----------------------------------------------------------------------------- */

struct crowd {
	int watching, waiting;
};

static struct crowd crowd_of(struct jd_bs *bs, const char *name)
{
	struct crowd sum = { 0, 0 };

	for (struct list *it = bs->watches.list.next; it != &bs->watches.list; it = it->next) {
		struct jd_watch *w = container_of(it, struct jd_watch, link);
		for (int i = 0; i < w->n; i++)
			if (strcmp(w->names[i], name) == 0) {
				sum.watching += w->users;
				sum.waiting += w->n_waiting;
			}
	}
	return sum;
}

void jd_bs_stats_tube(struct jd_bs_client *c, const char *name)
{
	struct jd_bs *bs = c->bs;
	static const struct jd_bs_tube nobody;
	const struct jd_bs_tube *t = jd_bs_tube_find(bs, name);
	struct work_topic_figures f = { .ready = 0 };
	struct crowd crowd = crowd_of(bs, name);
	struct json_out o = { .p = NULL };

	if (!jd_bs_tube_exists(bs, name)) {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	if (!t)
		t = &nobody;
	work_topic_figures(bs->work, name, &f);
	json_printf(&o, "---\nname: %s\ncurrent-jobs-urgent: %lu\ncurrent-jobs-ready: %lu\n", name,
		    (unsigned long)work_ready_before(bs->work, name, WORK_PRIO),
		    (unsigned long)f.ready);
	json_printf(&o,
		    "current-jobs-reserved: %lu\ncurrent-jobs-delayed: %lu\n"
		    "current-jobs-buried: %lu\ntotal-jobs: %lu\n",
		    (unsigned long)f.running, (unsigned long)(f.scheduled + f.waiting),
		    (unsigned long)f.dead, (unsigned long)f.submitted);
	json_printf(&o, "current-using: %d\ncurrent-watching: %d\ncurrent-waiting: %d\n", t->using,
		    crowd.watching, crowd.waiting);
	json_printf(&o, "cmd-delete: %lu\ncmd-pause-tube: %lu\npause: %ld\npause-time-left: %ld\n",
		    (unsigned long)t->deletes, (unsigned long)t->pauses,
		    f.pause_left ? (long)t->pause : 0, whole_seconds(f.pause_left));
	answer(c, &o);
}

/* ---- all of it --------------------------------------------------------------------------- */

struct sums {
	struct jd_bs *bs;
	uint64_t urgent, ready, reserved, delayed, buried, total;
	char **names; /* of tubes that have jobs; the engine's */
	size_t n;
	struct json_out *o;
};

static void add_name(struct sums *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->names[i], name) == 0)
			return;
	s->names = mem_resize(s->names, (s->n + 1) * sizeof(char *));
	s->names[s->n++] = (char *)name;
}

static void on_topic(void *data, const struct work_topic_figures *f)
{
	struct sums *s = data;

	if (*f->name == '.') /* our own */
		return;
	s->urgent += work_ready_before(s->bs->work, f->name, WORK_PRIO);
	s->ready += f->ready;
	s->reserved += f->running;
	s->delayed += f->scheduled + f->waiting;
	s->buried += f->dead;
	s->total += f->submitted;
	if (f->ready + f->running + f->scheduled + f->waiting + f->dead) {
		s->names = mem_resize(s->names, (s->n + 1) * sizeof(char *));
		s->names[s->n++] = (char *)f->name; /* each topic once */
	}
}

static struct sums sum_up(struct jd_bs *bs)
{
	struct sums s = { .bs = bs };

	work_topics(bs->work, on_topic, &s);
	add_name(&s, "default");
	for (uint32_t i = 0; bs->tubes && i <= bs->tube_mask; i++)
		for (struct jd_bs_tube *t = bs->tubes[i]; t; t = t->next)
			if (t->using)
				add_name(&s, t->name);
	for (struct list *it = bs->watches.list.next; it != &bs->watches.list; it = it->next) {
		struct jd_watch *w = container_of(it, struct jd_watch, link);
		for (int i = 0; w->users && i < w->n; i++)
			add_name(&s, w->names[i]);
	}
	return s;
}

void jd_bs_list_tubes(struct jd_bs_client *c)
{
	struct json_out o = { .p = NULL };
	struct sums s = sum_up(c->bs);

	json_puts(&o, "---\n");
	for (size_t i = 0; i < s.n; i++)
		json_printf(&o, "- %s\n", s.names[i]);
	free(s.names);
	answer(c, &o);
}

void jd_bs_list_watched(struct jd_bs_client *c)
{
	struct json_out o = { .p = NULL };

	json_puts(&o, "---\n");
	for (int i = 0; i < c->watch->n; i++)
		json_printf(&o, "- %s\n", c->watch->names[i]);
	answer(c, &o);
}

static void put_counts(struct json_out *o, const struct jd_bs *bs)
{
	for (int v = 0; v <= JD_BS_PAUSE_TUBE; v++) {
		const char *name = jd_bs_verb_name((enum jd_bs_verb)v);
		json_printf(o, "cmd-%.*s: %lu\n", (int)strcspn(name, " "), name,
			    (unsigned long)bs->counts[v]);
	}
}

static void put_crowd(struct json_out *o, struct jd_bs *bs)
{
	int producers = 0, workers = 0, waiting = 0;

	for (struct list *it = bs->conns.list.next; it != &bs->conns.list; it = it->next) {
		const struct jd_bs_client *c =
			jd_bs_client_of(container_of(it, struct jd_conn, link));
		producers += c->producer;
		workers += c->worker;
		waiting += c->conn.state == JD_BS_WAITING;
	}
	json_printf(o,
		    "current-connections: %d\ncurrent-producers: %d\ncurrent-workers: %d\n"
		    "current-waiting: %d\ntotal-connections: %lu\n",
		    bs->conns.n, producers, workers, waiting, (unsigned long)bs->conns.accepted);
}

static void put_process(struct json_out *o, const struct jd_bs *bs)
{
	struct rusage use = { .ru_maxrss = 0 };
	struct utsname host;

	getrusage(RUSAGE_SELF, &use);
	uname(&host);
	json_printf(
		o, "pid: %d\nversion: \"%s\"\nrusage-utime: %ld.%06ld\nrusage-stime: %ld.%06ld\n",
		(int)getpid(), "troupe " TROUPE_VERSION, (long)use.ru_utime.tv_sec,
		(long)use.ru_utime.tv_usec, (long)use.ru_stime.tv_sec, (long)use.ru_stime.tv_usec);
	json_printf(o,
		    "uptime: %ld\nbinlog-oldest-index: 0\nbinlog-current-index: 0\n"
		    "binlog-records-migrated: 0\nbinlog-records-written: 0\n"
		    "binlog-max-size: 0\ndraining: %s\nid: %s\nhostname: %s\nos: %s\n"
		    "platform: %s\n",
		    (long)((api_now() - bs->api->born_wall) / 1000),
		    bs->api->draining ? "true" : "false", bs->id, host.nodename, host.version,
		    host.machine);
}

void jd_bs_stats(struct jd_bs_client *c)
{
	struct jd_bs *bs = c->bs;
	struct json_out o = { .p = NULL };
	struct sums s = sum_up(bs);

	json_printf(&o,
		    "---\ncurrent-jobs-urgent: %lu\ncurrent-jobs-ready: %lu\n"
		    "current-jobs-reserved: %lu\ncurrent-jobs-delayed: %lu\n"
		    "current-jobs-buried: %lu\n",
		    (unsigned long)s.urgent, (unsigned long)s.ready, (unsigned long)s.reserved,
		    (unsigned long)s.delayed, (unsigned long)s.buried);
	put_counts(&o, bs);
	json_printf(&o,
		    "job-timeouts: %lu\ntotal-jobs: %lu\nmax-job-size: %ld\ncurrent-tubes: %zu\n",
		    (unsigned long)bs->timeouts, (unsigned long)s.total,
		    (long)bs->jd->keys->max_job, s.n);
	put_crowd(&o, bs);
	put_process(&o, bs);
	free(s.names);
	answer(c, &o);
}
