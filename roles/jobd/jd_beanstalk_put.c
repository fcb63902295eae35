/* Jobs in: puts that stand behind each other are one submission, and one write answers them. */
#include <string.h>

#include "core/api/setup.h"
#include "core/api/spec.h"
#include "core/base/err.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

static const int64_t longest_delay = (int64_t)3660 * 86400 * 1000, longest_ttr = 7 * 86400000;

static void on_submitted(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct jd_bs_client *c = data;
	struct jd_bs *bs = c->bs;

	if (!jd_conn_answered(&c->conn))
		return;
	for (int i = 0; i < n; i++)
		if (status != 0)
			jd_bs_say(c, "OUT_OF_MEMORY");
		else
			jd_bs_put_id(c, "INSERTED ", receipts[i].id);
	if (c->conn.closed)
		return;
	c->conn.state = JD_CONN_READING;
	jd_conn_go_on(&c->conn);
	jd_conns_flush(&bs->conns);
}

/* A full topic and a store that fails: the client should try again later, which is what the
 * protocol means by OUT_OF_MEMORY. */
void jd_bs_submit(struct jd_bs_client *c)
{
	struct jd_bs *bs = c->bs;
	int n = bs->n_specs;

	bs->n_specs = 0;
	if (work_submit(bs->work, bs->specs, n, on_submitted, c) == 0) {
		c->conn.state = JD_BS_PUTTING;
		c->conn.pending++;
		return;
	}
	for (int i = 0; i < n; i++)
		jd_bs_say(c, "OUT_OF_MEMORY");
}

/* NULL: it may go in. */
static const char *refusal(struct jd_bs_client *c, const struct jd_bs_command *cmd,
			   const char *body)
{
	if (body[cmd->n] != '\r' || body[cmd->n + 1] != '\n')
		return "EXPECTED_CRLF";
	if (c->bs->api->draining)
		return "DRAINING";
	if (c->used->takes)
		return NULL;
	int rc = api_setup_takes(c->bs->api, c->used->name);
	c->used->takes = rc == 0;
	return rc == 0 ? NULL : rc == ERR_LIMIT ? "OUT_OF_MEMORY" : "BAD_FORMAT";
}

static void add(struct jd_bs_client *c, const struct jd_bs_command *cmd, const char *body)
{
	struct jd_bs *bs = c->bs;
	struct jd_bs_facts facts = { cmd->pri, cmd->delay, cmd->ttr ? cmd->ttr : 1 };
	struct work_spec *s = &bs->specs[bs->n_specs];
	int64_t delay = (int64_t)cmd->delay * 1000, ttr = (int64_t)facts.ttr * 1000;

	*s = (struct work_spec){
		.topic = c->used->name,
		.payload = body,
		.size = cmd->n,
		.meta = bs->metas[bs->n_specs],
		.meta_size = jd_bs_meta_write(bs->metas[bs->n_specs], &facts),
		.prio = jd_bs_prio_of(cmd->pri),
		.delay = delay < longest_delay ? delay : longest_delay,
		.timeout = ttr < longest_ttr ? ttr : longest_ttr,
	};
	bs->counts[JD_BS_PUT]++;
	c->producer = true;
	if (++bs->n_specs == JD_BS_PUTS)
		jd_bs_submit(c);
}

bool jd_bs_do_put(struct jd_bs_client *c, const struct jd_bs_command *cmd,
		  const struct jd_bs_body *rest)
{
	struct jd_bs *bs = c->bs;
	bool over = cmd->n > (size_t)bs->jd->keys->max_job;

	if (!over && rest->n < (size_t)cmd->n + 2)
		return false;
	const char *why = over ? "" : refusal(c, cmd, rest->data);
	if (!why) {
		add(c, cmd, rest->data);
		return true;
	}
	if (bs->n_specs)
		jd_bs_submit(c);
	if (c->conn.state != JD_CONN_READING)
		return false;
	bs->counts[JD_BS_PUT]++;
	if (over)
		c->skip = (uint64_t)cmd->n + 2;
	else
		jd_bs_say(c, why);
	return true;
}
