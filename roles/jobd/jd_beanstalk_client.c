/* A connection of beanstalkd's protocol: what it says, what it is answered. */
#include <string.h>

#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

/* ---- out ------------------------------------------------------------------------------ */

void jd_bs_say(struct jd_bs_client *c, const char *line)
{
	jd_conn_put(&c->conn, line, strlen(line));
	jd_conn_put(&c->conn, "\r\n", 2);
}

void jd_bs_put_id(struct jd_bs_client *c, const char *word, uint64_t id)
{
	char line[64], *p = jd_conn_number(stpcpy(line, word), id);

	*p++ = '\r';
	*p++ = '\n';
	jd_conn_put(&c->conn, line, (size_t)(p - line));
}

void jd_bs_put_job(struct jd_bs_client *c, const char *word, uint64_t id, struct jd_bs_body body)
{
	char line[64], *p = jd_conn_number(stpcpy(line, word), id);

	*p++ = ' ';
	p = jd_conn_number(p, body.n);
	*p++ = '\r';
	*p++ = '\n';
	jd_conn_put(&c->conn, line, (size_t)(p - line));
	jd_conn_put(&c->conn, body.data, body.n);
	jd_conn_put(&c->conn, "\r\n", 2);
}

/* ---- in ------------------------------------------------------------------------------- */

/* Bytes that are done with; 0: it can't go on with these. */
static size_t take(struct jd_conn *conn, const char *p, size_t n)
{
	struct jd_bs_client *c = jd_bs_client_of(conn);
	struct jd_bs_command cmd;

	if (c->skip) {
		size_t k = c->skip < n ? (size_t)c->skip : n;
		c->skip -= k;
		if (!c->skip)
			jd_bs_say(c, "JOB_TOO_BIG");
		return k;
	}
	if (c->skipping_line) {
		bool ended;
		size_t k = jd_bs_skip(p, n, &ended);
		c->skipping_line = !ended;
		return k;
	}
	size_t line = jd_bs_parse(&cmd, p, n);
	if (!line)
		return 0;
	if (cmd.verb == JD_BS_PUT) {
		bool over = cmd.n > (size_t)c->bs->jd->keys->max_job;
		struct jd_bs_body rest = { p + line, n - line };
		if (!jd_bs_do_put(c, &cmd, &rest))
			return 0;
		return over ? line : line + cmd.n + 2;
	}
	if (c->bs->n_specs)
		jd_bs_submit(c);
	if (c->conn.state != JD_CONN_READING)
		return 0;
	c->bs->counts[cmd.verb]++;
	jd_bs_do(c, &cmd);
	return line;
}

/* Puts that stand behind each other are one submission. */
static void taken(struct jd_conn *conn)
{
	struct jd_bs *bs = jd_bs_client_of(conn)->bs;

	if (conn->closed)
		bs->n_specs = 0;
	if (bs->n_specs)
		jd_bs_submit(jd_bs_client_of(conn));
}

static void on_eof(struct jd_conn *conn)
{
	struct jd_bs_client *c = jd_bs_client_of(conn);

	if (conn->state == JD_BS_WAITING) {
		jd_bs_stop_waiting(c);
		jd_bs_say(c, "TIMED_OUT");
	}
}

/* ---- the beginning, the end ---------------------------------------------------------------- */

static void on_open(struct jd_conn *conn)
{
	struct jd_bs_client *c = jd_bs_client_of(conn);
	struct jd_bs *bs = container_of(conn->all, struct jd_bs, conns);
	static char name[] = "default";
	char *names[] = { name };

	c->bs = bs;
	list_init(&c->turn);
	list_init(&c->jobs);
	c->used = jd_bs_tube_get(bs, name);
	c->used->using ++;
	c->watch = jd_watch_of(&bs->watches, names, 1);
}

static void on_gone(struct jd_conn *conn)
{
	struct jd_bs_client *c = jd_bs_client_of(conn);

	jd_bs_stop_waiting(c);
	jd_bs_give_back_all(c);
	jd_watch_leave(c->watch);
	c->used->using --;
	jd_bs_tube_settle(c->bs, c->used);
	conn->state = JD_BS_GONE;
}

static void on_tick(struct jd_conns *conns)
{
	jd_watches_sweep(&container_of(conns, struct jd_bs, conns)->watches);
}

const struct jd_protocol jd_bs_protocol = {
	.name = "beanstalk",
	.size = sizeof(struct jd_bs_client),
	.open = on_open,
	.take = take,
	.taken = taken,
	.eof = on_eof,
	.gone = on_gone,
	.due = jd_bs_due,
	.tick = on_tick,
};
