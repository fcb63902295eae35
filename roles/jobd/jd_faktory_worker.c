/* Workers, by their wid: what they hold is theirs by whichever connection they speak. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

struct jd_fk_worker *jd_fk_worker_get(struct jd_fk *fk, const char *wid, const char *host)
{
	for (struct list *it = fk->workers.next; *wid && it != &fk->workers; it = it->next) {
		struct jd_fk_worker *w = container_of(it, struct jd_fk_worker, link);
		if (strcmp(w->wid, wid) == 0)
			return w;
	}
	if (fk->n_workers >= JD_FK_WIDS)
		return NULL;
	struct jd_fk_worker *w = mem_new(sizeof(*w));
	list_init(&w->jobs);
	snprintf(w->wid, sizeof(w->wid), "%s", wid);
	snprintf(w->host, sizeof(w->host), "%s", host);
	w->heard = work_clock(fk->work);
	list_append(&fk->workers, &w->link);
	fk->n_workers++;
	return w;
}

static void worker_free(struct jd_fk *fk, struct jd_fk_worker *w)
{
	list_remove(&w->link);
	fk->n_workers--;
	free(w);
}

/* Of one without a name nobody can come back. */
static int64_t gone_at(const struct jd_fk *fk, const struct jd_fk_worker *w)
{
	return w->heard + (*w->wid ? fk->jd->keys->faktory_grace : 0);
}

void jd_fk_worker_leave(struct jd_fk_client *c)
{
	struct jd_fk *fk = c->fk;
	struct jd_fk_worker *w = c->worker;

	c->worker = NULL;
	if (!w || --w->conns > 0)
		return;
	w->heard = work_clock(fk->work);
	if (list_empty(&w->jobs) && !*w->wid)
		worker_free(fk, w);
	else if (!fk->conns.closing)
		jd_conns_wake(&fk->conns, gone_at(fk, w));
}

void jd_fk_workers_sweep(struct jd_fk *fk)
{
	int64_t now = work_clock(fk->work), next = INT64_MAX;
	struct list *it, *tmp;

	list_each (it, tmp, &fk->workers) {
		struct jd_fk_worker *w = container_of(it, struct jd_fk_worker, link);
		if (w->conns)
			continue;
		if (gone_at(fk, w) > now) {
			next = gone_at(fk, w) < next ? gone_at(fk, w) : next;
			continue;
		}
		while (!list_empty(&w->jobs))
			jd_fk_lose(fk, container_of(w->jobs.next, struct work_job, place));
		worker_free(fk, w);
	}
	if (next != INT64_MAX)
		jd_conns_wake(&fk->conns, next);
}

void jd_fk_workers_free(struct jd_fk *fk)
{
	while (!list_empty(&fk->workers)) {
		struct jd_fk_worker *w = container_of(fk->workers.next, struct jd_fk_worker, link);
		while (!list_empty(&w->jobs)) {
			struct work_job *job = container_of(w->jobs.next, struct work_job, place);
			struct jd_watch *watch = job->taker;
			jd_watch_unhold(watch, job);
			work_release(job, 0);
			jd_watch_settle(watch);
		}
		worker_free(fk, w);
	}
}

void jd_fk_beat(struct jd_fk_client *c, const struct json *doc)
{
	struct json v = json_get(doc, "wid"), state = json_get(doc, "current_state");
	char *wid = json_unquoted(&v, NULL);
	struct jd_fk_worker *w = wid && *wid ? jd_fk_worker_get(c->fk, wid, "") : c->worker;

	free(wid);
	if (!w) {
		jd_fk_err(c, NULL, "BEAT: wid: of no worker");
		return;
	}
	w->heard = work_clock(c->fk->work);
	w->quiet = json_is(&state, "quiet") || json_is(&state, "terminate");
	if (!w->conns)
		jd_conns_wake(&c->fk->conns, gone_at(c->fk, w));
	if (c->fk->conns.draining)
		jd_fk_bulk(c, "{\"state\":\"quiet\"}", 17);
	else
		jd_fk_ok(c);
}
