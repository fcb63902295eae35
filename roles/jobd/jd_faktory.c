#include "roles/jobd/jd_faktory.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/stat/stat.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

int jd_faktory_open(struct jd_fk **out, struct jd *jd, struct err *err)
{
	struct jd_fk *fk = mem_new(sizeof(*fk));

	fk->jd = jd;
	fk->api = jd->api;
	fk->work = jd->api->work;
	fk->born = work_clock(fk->work);
	jd_conns_init(&fk->conns, jd, &jd_fk_protocol, (size_t)jd->keys->faktory_line);
	jd_watches_init(&fk->watches, &fk->conns, &jd_fk_taker_conf);
	fk->watches.conf.owner = fk;
	fk->watches.idle_most = 16;
	list_init(&fk->workers);
	list_init(&fk->asking);
	*out = fk;
	return jd_conns_listen(&fk->conns, jd->keys->faktory, err);
}

/* Who waits for this job's end has it, or for its being tried again. */
void jd_faktory_event(struct jd_fk *fk, const struct work_event *e)
{
	struct list *it, *tmp;

	if (!fk || fk->conns.closing || list_empty(&fk->asking))
		return;
	if (e->state < WORK_SUCCEEDED && e->state != WORK_SCHEDULED && e->state != WORK_READY)
		return;
	list_each (it, tmp, &fk->asking) {
		struct jd_fk_client *c = container_of(it, struct jd_fk_client, turn);
		if (c->id != e->id)
			continue;
		jd_fk_asks_no_more(c);
		jd_fk_ok(c);
		if (c->conn.closed)
			continue;
		c->conn.state = JD_CONN_READING;
		jd_conn_go_on_later(&c->conn);
	}
}

void jd_faktory_drain(struct jd_fk *fk)
{
	if (!fk)
		return;
	jd_watches_drain(&fk->watches);
	jd_conns_drain(&fk->conns);
}

void jd_faktory_close(struct jd_fk *fk)
{
	if (!fk || fk->conns.closing)
		return;
	jd_conns_close(&fk->conns);
	jd_fk_workers_free(fk);
}

void jd_faktory_free(struct jd_fk *fk)
{
	if (!fk)
		return;
	jd_conns_fini(&fk->conns);
	free(fk);
}

void jd_faktory_status(const struct jd_fk *fk, struct stat_out *out)
{
	if (!fk || !*fk->jd->keys->faktory)
		return;
	stat_table(out, "faktory", "Clients that speak Faktory's protocol.");
	stat_row(out);
	stat_gauge(out, "connections", "Connections there are.", fk->conns.n);
	stat_gauge(out, "workers", "Workers that are known.", fk->n_workers);
	stat_gauge(out, "reserved", "Jobs that they hold.", (double)fk->conns.held);
	stat_counter(out, "accepted", "Connections taken.", (double)fk->conns.accepted);
	stat_counter(out, "refused", "Connections that were too many.", (double)fk->conns.refused);
	stat_counter(out, "pushed", "Jobs pushed.", (double)fk->pushed);
	stat_counter(out, "fetched", "Jobs handed out.", (double)fk->fetched);
	stat_counter(out, "acked", "Jobs done.", (double)fk->acked);
	stat_counter(out, "failed", "Jobs that failed.", (double)fk->failed);
	stat_counter(out, "lost", "Jobs whose worker was gone, or took too long.",
		     (double)fk->lost);
}
