/* What the store has to say first: jobs that are looked at, and the buried ones. */
#include "roles/jobd/jd_beanstalk_private.h"

static void begin(struct jd_bs_client *c)
{
	c->conn.state = JD_BS_ASKING;
	c->n_found = 0;
	c->conn.pending++;
}

/* The answer is written; on with what else it has sent, if the client is not in the middle of it.
 */
static void end(struct jd_bs_client *c)
{
	struct jd_bs *bs = c->bs;

	if (c->conn.closed)
		return;
	c->conn.state = JD_CONN_READING;
	jd_conn_go_on(&c->conn);
	if (!bs->conns.depth)
		jd_conns_flush(&bs->conns);
}

/* ---- peek, stats-job ------------------------------------------------------------------- */

static bool is_there(enum work_state s)
{
	return s == WORK_READY || s == WORK_SCHEDULED || s == WORK_WAITING || s == WORK_RUNNING ||
	       s == WORK_DEAD;
}

static void on_seen(void *data, const struct work_status *item, int status, uint64_t next)
{
	struct jd_bs_client *c = data;

	(void)status;
	(void)next;
	if (!item) {
		if (!jd_conn_answered(&c->conn))
			return;
		if (!c->n_found)
			jd_bs_say(c, "NOT_FOUND");
		end(c);
		return;
	}
	if (c->conn.closed || !is_there(item->state) || c->n_found++)
		return;
	if (c->asked == JD_BS_STATS_JOB)
		jd_bs_stats_job(c, item);
	else
		jd_bs_put_job(c, "FOUND ", item->id,
			      (struct jd_bs_body){ item->payload, item->size });
}

void jd_bs_peek(struct jd_bs_client *c, const struct jd_bs_command *cmd)
{
	struct work *w = c->bs->work;
	uint64_t id = cmd->id;

	c->asked = cmd->verb;
	if (cmd->verb == JD_BS_PEEK_BURIED) {
		struct work_filter f = { .topic = c->used->name, .state = WORK_DEAD, .limit = 1 };
		begin(c);
		work_list(w, &f, on_seen, c);
		return;
	}
	if (cmd->verb == JD_BS_PEEK_READY)
		id = work_first(w, c->used->name, WORK_READY);
	else if (cmd->verb == JD_BS_PEEK_DELAYED)
		id = work_first(w, c->used->name, WORK_SCHEDULED);
	if (!id || id > INT64_MAX) {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	begin(c);
	work_get(w, id, on_seen, c);
}

/* ---- kick ------------------------------------------------------------------------------- */

static void count_kick(void *data, uint64_t id)
{
	jd_bs_mark_get(data, id)->kicks++;
}

static uint64_t kick_delayed(struct jd_bs_client *c, uint64_t n)
{
	return work_run_some(c->bs->work, c->used->name, n, count_kick, c->bs);
}

static void on_kicked(void *data, int status, uint64_t n)
{
	struct jd_bs_client *c = data;

	if (!jd_conn_answered(&c->conn))
		return;
	if (status == 0 && !n) /* those buried were not ours: of a queue elsewhere */
		n = kick_delayed(c, c->id);
	if (status != 0)
		jd_bs_say(c, "OUT_OF_MEMORY");
	else
		jd_bs_put_id(c, "KICKED ", n);
	end(c);
}

/* Only if there is none buried, what is delayed. */
void jd_bs_kick(struct jd_bs_client *c, uint64_t n)
{
	struct jd_bs *bs = c->bs;
	const char *topic = c->used->name;
	struct work_topic_figures f = { .dead = 0 };

	work_topic_figures(bs->work, topic, &f);
	if (n && f.dead) {
		begin(c);
		c->id = n;
		work_retry_all(bs->work, &(struct work_range){ .topic = topic, .limit = n },
			       on_kicked, c);
		return;
	}
	jd_bs_put_id(c, "KICKED ", kick_delayed(c, n));
}

static void on_job_kicked(void *data, int status)
{
	struct jd_bs_client *c = data;

	if (!jd_conn_answered(&c->conn))
		return;
	jd_bs_say(c, status == 0 ? "KICKED" : "NOT_FOUND");
	end(c);
}

void jd_bs_kick_job(struct jd_bs_client *c, uint64_t id)
{
	struct work *w = c->bs->work;

	if (work_state_of(w, id) == WORK_SCHEDULED && work_run_now(w, id) == 0) {
		count_kick(c->bs, id);
		jd_bs_say(c, "KICKED");
		return;
	}
	if (!work_topic_of(w, id) && id <= INT64_MAX && work_has_dead(w)) {
		begin(c);
		if (work_retry(w, id, NULL, on_job_kicked, c) == 0)
			return;
		c->conn.pending--;
		c->conn.state = JD_CONN_READING;
	}
	jd_bs_say(c, "NOT_FOUND");
}

/* ---- buried ones, by their name ---------------------------------------------------------- */

static void on_dropped(void *data, int status, const char *topic)
{
	struct jd_bs_client *c = data;

	if (status == 0)
		jd_bs_mark_drop(c->bs, c->id);
	if (status == 0)
		jd_bs_count_delete(c->bs, topic);
	if (!jd_conn_answered(&c->conn))
		return;
	jd_bs_say(c, status == 0 ? "DELETED" : "NOT_FOUND");
	end(c);
}

void jd_bs_drop(struct jd_bs_client *c, uint64_t id)
{
	begin(c);
	c->id = id;
	if (id <= INT64_MAX && work_drop(c->bs->work, id, on_dropped, c) == 0)
		return;
	c->conn.pending--;
	c->conn.state = JD_CONN_READING;
	jd_bs_say(c, "NOT_FOUND");
}

static void on_raised(void *data, int status)
{
	struct jd_bs_client *c = data;

	if (!jd_conn_answered(&c->conn))
		return;
	c->conn.state = JD_CONN_READING;
	if (status != 0)
		jd_bs_say(c, "NOT_FOUND");
	else
		jd_bs_take(c, c->id);
	if (c->conn.state == JD_CONN_READING)
		end(c);
}

void jd_bs_reserve_job(struct jd_bs_client *c, uint64_t id)
{
	struct jd_bs *bs = c->bs;
	struct jd_bs_mark *m = jd_bs_mark_find(bs, id);

	if (bs->conns.draining) {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	if (work_topic_of(bs->work, id) || id > INT64_MAX || !work_has_dead(bs->work)) {
		jd_bs_take(c, id);
		return;
	}
	if (m) /* raised, but not kicked */
		m->buried = false;
	begin(c);
	c->id = id;
	if (work_retry(bs->work, id, NULL, on_raised, c) == 0)
		return;
	c->conn.pending--;
	c->conn.state = JD_CONN_READING;
	jd_bs_say(c, "NOT_FOUND");
}
