#include "roles/jobd/jd_watch.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/jobd/jd_conn.h"

void jd_watches_init(struct jd_watches *all, struct jd_conns *conns,
		     const struct work_taker_conf *conf)
{
	all->conns = conns;
	all->conf = *conf;
	list_init(&all->list);
}

uint32_t jd_watch_hash(const char *name, uint32_t h)
{
	for (h = h ? h : 2166136261u; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static bool is_same(const struct jd_watch *w, char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(w->names[i], names[i]) != 0)
			return false;
	return true;
}

static void set_idle(struct jd_watch *w, bool idle)
{
	w->all->idle += idle - w->idle;
	w->idle = idle;
}

struct jd_watch *jd_watch_of(struct jd_watches *all, char *const *names, int n)
{
	uint32_t hash = 0;

	for (int i = 0; i < n; i++)
		hash = jd_watch_hash(names[i], hash) * 31 + 1;
	for (struct list *it = all->list.next; it != &all->list; it = it->next) {
		struct jd_watch *w = container_of(it, struct jd_watch, link);
		if (w->hash == hash && w->n == n && is_same(w, names, n)) {
			set_idle(w, false);
			w->users++;
			return w;
		}
	}
	struct jd_watch *w = mem_new(sizeof(*w) + (size_t)n * sizeof(char *));
	w->all = all;
	w->hash = hash;
	w->users = 1;
	for (w->n = 0; w->n < n; w->n++)
		w->names[w->n] = mem_str(names[w->n]);
	list_init(&w->waiting);
	list_append(&all->list, &w->link);
	return w;
}

static void watch_free(struct jd_watch *w)
{
	set_idle(w, false);
	if (w->taker)
		work_taker_free(w->taker);
	list_remove(&w->link);
	for (int i = 0; i < w->n; i++)
		free(w->names[i]);
	free(w);
}

/* The oldest ones first: who asks for the same again finds it. */
void jd_watches_sweep(struct jd_watches *all)
{
	struct list *it, *tmp;
	int most = all->conns->drained ? 0 : all->idle_most;

	list_each (it, tmp, &all->list) {
		struct jd_watch *w = container_of(it, struct jd_watch, link);
		if (w->idle && all->idle > most)
			watch_free(w);
	}
}

/* While the engine serves its takers none of them goes. */
void jd_watch_settle(struct jd_watch *w)
{
	struct jd_watches *all = w->all;
	struct work *work = all->conns->api->work;

	if (!w->users && !w->held) {
		set_idle(w, true);
		if (work_is_turning(work))
			jd_conns_wake(all->conns, work_clock(work));
		else
			jd_watches_sweep(all);
	}
	jd_conns_settle(all->conns);
}

void jd_watch_leave(struct jd_watch *w)
{
	w->users--;
	jd_watch_settle(w);
}

bool jd_watch_is_of(const struct jd_watches *all, const char *topic)
{
	for (struct list *it = all->list.next; it != &all->list; it = it->next) {
		struct jd_watch *w = container_of(it, struct jd_watch, link);
		for (int i = 0; w->users && i < w->n; i++)
			if (strcmp(w->names[i], topic) == 0)
				return true;
	}
	return false;
}

void jd_watch_waits(struct jd_watch *w, int more)
{
	w->n_waiting += more;
	if (w->taker)
		work_want(w->taker, w->all->conns->draining ? 0 : w->n_waiting);
}

void jd_watch_hold(struct jd_watch *w, struct work_job *job, struct list *jobs)
{
	list_append(jobs, &job->place);
	w->held++;
	w->all->conns->held++;
}

void jd_watch_unhold(struct jd_watch *w, struct work_job *job)
{
	list_remove(&job->place);
	w->held--;
	w->all->conns->held--;
}

struct work_taker *jd_watch_taker(struct jd_watch *w)
{
	if (!w->taker) {
		struct work_taker_conf conf = w->all->conf;
		conf.topics = (const char *const *)w->names;
		conf.n_topics = w->n;
		conf.data = w;
		w->taker = work_taker_new(w->all->conns->api->work, &conf);
		jd_watch_waits(w, 0);
	}
	return w->taker;
}

void jd_watches_drain(struct jd_watches *all)
{
	for (struct list *it = all->list.next; it != &all->list; it = it->next) {
		struct jd_watch *w = container_of(it, struct jd_watch, link);
		if (w->taker)
			work_want(w->taker, 0);
	}
}
