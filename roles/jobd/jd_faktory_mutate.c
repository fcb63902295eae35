/*
 * MUTATE {cmd, target, filter}: many jobs that wait for their time, or are dead, at once.
 *
 *	target: scheduled, retries (have failed before), dead
 *	cmd: kill (dead now), requeue (ready now), discard; clear: all of the target
 *	filter: jobtype, jids[], regexp (of the job, * stands for anything, as Faktory's own)
 *
 * Pages are listed and then changed, one after the other; answered when the last one was.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/jobd/jd_faktory_private.h"

enum { PAGE = 500 };

enum cmd { KILL, REQUEUE, DISCARD, CLEAR, CMDS };
enum target { SCHEDULED, RETRIES, DEAD, TARGETS };

static const char *const cmds[CMDS] = { "kill", "requeue", "discard", "clear" };
static const char *const targets[TARGETS] = { "scheduled", "retries", "dead" };

struct mutation {
	struct jd_fk_client *c;
	struct jd_fk *fk;
	int cmd, target;
	char *type, *pattern;
	char **jids;
	int n_jids;
	uint64_t ids[PAGE];
	int n;
	uint64_t next;
	int under_way; /* answers of the store that are to come */
	bool listing;
};

static void mutation_free(struct mutation *m)
{
	for (int i = 0; i < m->n_jids; i++)
		free(m->jids[i]);
	free(m->jids);
	free(m->type);
	free(m->pattern);
	free(m);
}

/* ---- which ----------------------------------------------------------------------------------- */

static bool is_meant(const struct mutation *m, const struct work_status *s)
{
	bool named = m->n_jids == 0;

	if (m->target != DEAD &&
	    (s->state != WORK_SCHEDULED || (m->target == RETRIES) != (s->attempts > 0)))
		return false;
	if (m->type && (!s->type || strcmp(s->type, m->type) != 0))
		return false;
	for (int i = 0; i < m->n_jids && s->ext_id; i++)
		named |= strcmp(m->jids[i], s->ext_id) == 0;
	if (!named || !m->pattern)
		return named;
	char *text = mem_new(s->size + 1);
	memcpy(text, s->payload, s->size);
	bool fits = fnmatch(m->pattern, text, 0) == 0;
	free(text);
	return fits;
}

/* ---- what becomes of them -------------------------------------------------------------------- */

/* It was taken for this. */
static void on_taken(void *data, struct work_job *job)
{
	(void)data;
	work_bury(job, job->prio, "killed");
}

static void on_nothing(void *data, struct work_job *job)
{
	(void)data;
	(void)job;
}

static void on_no_cancel(void *data, struct work_job *job, bool now)
{
	(void)data;
	(void)job;
	(void)now;
}

static void bury(struct jd_fk *fk, uint64_t id)
{
	static const char *const none[] = { ".faktory.killed" };
	struct work_taker_conf conf = { .topics = none,
					.n_topics = 1,
					.on_job = on_taken,
					.on_overdue = on_nothing,
					.on_cancel = on_no_cancel,
					.data = fk };

	if (!fk->undertaker)
		fk->undertaker = work_taker_new(fk->work, &conf);
	work_take(fk->undertaker, id);
}

static void go_on(struct mutation *m);

static void answered(struct mutation *m)
{
	if (--m->under_way == 0 && !m->listing)
		go_on(m);
}

static void on_raised(void *data, int status)
{
	(void)status;
	answered(data);
}

static void on_dropped(void *data, int status, const char *topic)
{
	(void)status;
	(void)topic;
	answered(data);
}

static void change(struct mutation *m, uint64_t id)
{
	struct work *w = m->fk->work;

	if (m->target == DEAD && m->cmd == REQUEUE)
		m->under_way += work_retry(w, id, NULL, on_raised, m) == 0;
	else if (m->target == DEAD && m->cmd != KILL)
		m->under_way += work_drop(w, id, on_dropped, m) == 0;
	else if (m->cmd == REQUEUE)
		work_run_now(w, id);
	else if (m->cmd == KILL && m->target != DEAD)
		bury(m->fk, id);
	else if (m->cmd != KILL)
		work_cancel(w, id, false);
}

/* ---- page by page ---------------------------------------------------------------------------- */

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	struct mutation *m = data;

	(void)status;
	if (s) {
		if (m->n < PAGE && is_meant(m, s))
			m->ids[m->n++] = s->id;
		return;
	}
	m->next = next;
	m->under_way = 1; /* us */
	m->listing = false;
	for (int i = 0; i < m->n; i++)
		change(m, m->ids[i]);
	answered(m);
}

static void list(struct mutation *m)
{
	struct work_filter f = {
		.state = m->target == DEAD ? WORK_DEAD : WORK_SCHEDULED,
		.type = m->type,
		.from = m->next,
		.limit = PAGE,
	};

	m->n = 0;
	m->listing = true;
	work_list(m->fk->work, &f, on_seen, m);
}

static void go_on(struct mutation *m)
{
	struct jd_fk_client *c = m->c;

	if (m->next && !c->conn.closed) {
		list(m);
		return;
	}
	mutation_free(m);
	if (!jd_conn_answered(&c->conn))
		return;
	jd_fk_ok(c);
	jd_fk_go_on(c);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static int find(const struct json *doc, const char *name, const char *const *words, int n)
{
	struct json v = json_get(doc, name);
	int i = 0;

	while (i < n && !json_is(&v, words[i]))
		i++;
	return i;
}

static void read_filter(struct mutation *m, const struct json *doc)
{
	struct json filter = json_get(doc, "filter"), type = json_get(&filter, "jobtype");
	struct json pattern = json_get(&filter, "regexp"), jids = json_get(&filter, "jids"), v;

	if (m->cmd == CLEAR)
		return;
	m->type = json_unquoted(&type, NULL);
	m->pattern = json_unquoted(&pattern, NULL);
	if (jids.kind != JSON_ARRAY)
		return;
	for (struct json_at at = json_begin(&jids); json_element(&at, &v);) {
		char *jid = json_unquoted(&v, NULL);
		if (!jid)
			continue;
		if ((m->n_jids & (m->n_jids - 1)) == 0)
			m->jids = mem_resize(m->jids, (m->n_jids ? 2 * (size_t)m->n_jids : 1) *
							      sizeof(char *));
		m->jids[m->n_jids++] = jid;
	}
}

void jd_fk_mutate(struct jd_fk_client *c, const struct json *doc)
{
	int cmd = find(doc, "cmd", cmds, CMDS), target = find(doc, "target", targets, TARGETS);

	if (cmd == CMDS || target == TARGETS) {
		jd_fk_err(c, "MALFORMED",
			  "MUTATE: cmd: kill, requeue, discard or clear; target: scheduled, "
			  "retries or dead");
		return;
	}
	struct mutation *m = mem_new(sizeof(*m));
	m->c = c;
	m->fk = c->fk;
	m->cmd = cmd;
	m->target = target;
	read_filter(m, doc);
	c->conn.state = JD_FK_ASKING;
	c->id = 0;
	c->conn.pending++;
	list(m);
}
