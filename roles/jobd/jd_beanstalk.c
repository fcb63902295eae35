#include "roles/jobd/jd_beanstalk.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/stat/stat.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

enum { ANSWERS = 2 * JD_BS_PIECE };

int jd_beanstalk_open(struct jd_bs **out, struct jd *jd, struct err *err)
{
	struct jd_bs *bs = mem_new(sizeof(*bs));

	bs->jd = jd;
	bs->api = jd->api;
	bs->work = jd->api->work;
	list_init(&bs->clients);
	list_init(&bs->watches);
	list_init(&bs->asking);
	list_init(&bs->marks.ages);
	buf_init(&bs->out, ANSWERS);
	bs->scratch = mem_new(JD_BS_PIECE);
	bs->specs = mem_new(JD_BS_PUTS * sizeof(*bs->specs));
	bs->metas = mem_new(JD_BS_PUTS * sizeof(*bs->metas));
	snprintf(bs->id, sizeof(bs->id), "%016lx", (unsigned long)uv_hrtime());
	jd_door_init(&bs->door, bs->api, "beanstalk");
	bs->door.on_socket = jd_bs_welcome;
	bs->door.data = bs;
	uv_timer_init(bs->api->loop, &bs->timer);
	bs->timer.data = bs;
	bs->api->open++;
	*out = bs;
	return jd_door_open(&bs->door, jd->keys->beanstalk, err);
}

/* Who waits for this job's end has it. */
static void tell(struct jd_bs *bs, const struct work_event *e)
{
	struct list *it, *tmp;

	list_each (it, tmp, &bs->asking) {
		struct jd_bs_client *c = container_of(it, struct jd_bs_client, turn);
		if (c->state != JD_BS_ASKING || c->id != e->id)
			continue;
		list_remove(&c->turn);
		jd_bs_say(c, e->state == WORK_DEAD ? "BURIED" : "NOT_FOUND");
		if (c->closed)
			return;
		c->state = JD_BS_READING;
		jd_bs_go_on_later(c);
		return;
	}
}

void jd_beanstalk_event(struct jd_bs *bs, const struct work_event *e)
{
	if (!bs || bs->closing)
		return;
	if (e->state >= WORK_SUCCEEDED && !list_empty(&bs->asking))
		tell(bs, e);
	if (!bs->marks.n)
		return;
	struct jd_bs_mark *m = jd_bs_mark_find(bs, e->id);
	if (!m)
		return;
	if (e->state == WORK_READY && m->buried) {
		m->buried = false;
		m->kicks++;
	} else if (e->state >= WORK_SUCCEEDED && e->state != WORK_DEAD) {
		jd_bs_mark_drop(bs, e->id);
	}
}

void jd_beanstalk_drain(struct jd_bs *bs)
{
	if (!bs)
		return;
	bs->draining = true;
	for (struct list *it = bs->watches.next; it != &bs->watches; it = it->next) {
		struct jd_bs_watch *w = container_of(it, struct jd_bs_watch, link);
		if (w->taker)
			work_want(w->taker, 0);
	}
	jd_bs_wake(bs, work_clock(bs->work));
}

static void on_timer_closed(uv_handle_t *h)
{
	struct jd_bs *bs = h->data;

	bs->api->open--;
	api_settle(bs->api);
}

void jd_beanstalk_close(struct jd_bs *bs)
{
	struct list *it, *tmp;

	if (!bs || bs->closing)
		return;
	bs->drained = true; /* nothing is to be said of it any more */
	jd_door_close(&bs->door);
	list_each (it, tmp, &bs->clients)
		jd_bs_close(container_of(it, struct jd_bs_client, link));
	jd_bs_watch_sweep(bs);
	bs->closing = true;
	uv_close((uv_handle_t *)&bs->timer, on_timer_closed);
}

void jd_beanstalk_free(struct jd_bs *bs)
{
	if (!bs)
		return;
	jd_bs_marks_free(bs);
	jd_bs_tubes_free(bs);
	heap_fini(&bs->due);
	buf_fini(&bs->out);
	free(bs->scratch);
	free(bs->specs);
	free(bs->metas);
	free(bs);
}

void jd_beanstalk_status(const struct jd_bs *bs, struct stat_out *out)
{
	if (!bs || !*bs->jd->keys->beanstalk)
		return;
	stat_table(out, "beanstalk", "Clients that speak beanstalkd's protocol.");
	stat_row(out);
	stat_gauge(out, "connections", "Connections there are.", bs->n_clients);
	stat_gauge(out, "reserved", "Jobs that they hold.", (double)bs->held);
	stat_counter(out, "accepted", "Connections taken.", (double)bs->connections);
	stat_counter(out, "refused", "Connections that were too many.", (double)bs->refused);
	stat_counter(out, "puts", "Jobs put.", (double)bs->counts[JD_BS_PUT]);
	stat_counter(out, "deletes", "Jobs deleted.", (double)bs->counts[JD_BS_DELETE]);
	stat_counter(out, "timeouts", "Jobs whose time to run was over.", (double)bs->timeouts);
}
