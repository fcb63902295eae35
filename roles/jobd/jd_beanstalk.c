#include "roles/jobd/jd_beanstalk.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/stat/stat.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

int jd_beanstalk_open(struct jd_bs **out, struct jd *jd, struct err *err)
{
	struct jd_bs *bs = mem_new(sizeof(*bs));

	bs->jd = jd;
	bs->api = jd->api;
	bs->work = jd->api->work;
	jd_conns_init(&bs->conns, jd, &jd_bs_protocol, (size_t)jd->keys->max_job);
	jd_watches_init(&bs->watches, &bs->conns, &jd_bs_taker_conf);
	bs->watches.conf.owner = bs;
	list_init(&bs->asking);
	list_init(&bs->marks.ages);
	bs->specs = mem_new(JD_BS_PUTS * sizeof(*bs->specs));
	bs->metas = mem_new(JD_BS_PUTS * sizeof(*bs->metas));
	snprintf(bs->id, sizeof(bs->id), "%016lx", (unsigned long)uv_hrtime());
	*out = bs;
	return jd_conns_listen(&bs->conns, jd->keys->beanstalk, err);
}

/* Who waits for this job's end has it. */
static void tell(struct jd_bs *bs, const struct work_event *e)
{
	struct list *it, *tmp;

	list_each (it, tmp, &bs->asking) {
		struct jd_bs_client *c = container_of(it, struct jd_bs_client, turn);
		if (c->conn.state != JD_BS_ASKING || c->id != e->id)
			continue;
		list_remove(&c->turn);
		jd_bs_say(c, e->state == WORK_DEAD ? "BURIED" : "NOT_FOUND");
		if (c->conn.closed)
			return;
		c->conn.state = JD_CONN_READING;
		jd_conn_go_on_later(&c->conn);
		return;
	}
}

void jd_beanstalk_event(struct jd_bs *bs, const struct work_event *e)
{
	if (!bs || bs->conns.closing)
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
	jd_watches_drain(&bs->watches);
	jd_conns_drain(&bs->conns);
}

void jd_beanstalk_close(struct jd_bs *bs)
{
	if (bs && !bs->conns.closing)
		jd_conns_close(&bs->conns);
}

void jd_beanstalk_free(struct jd_bs *bs)
{
	if (!bs)
		return;
	jd_bs_marks_free(bs);
	jd_bs_tubes_free(bs);
	jd_conns_fini(&bs->conns);
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
	stat_gauge(out, "connections", "Connections there are.", bs->conns.n);
	stat_gauge(out, "reserved", "Jobs that they hold.", (double)bs->conns.held);
	stat_counter(out, "accepted", "Connections taken.", (double)bs->conns.accepted);
	stat_counter(out, "refused", "Connections that were too many.", (double)bs->conns.refused);
	stat_counter(out, "puts", "Jobs put.", (double)bs->counts[JD_BS_PUT]);
	stat_counter(out, "deletes", "Jobs deleted.", (double)bs->counts[JD_BS_DELETE]);
	stat_counter(out, "timeouts", "Jobs whose time to run was over.", (double)bs->timeouts);
}
