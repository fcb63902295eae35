/* What each command does, where the answer is known at once; the rest is in ask, put, reserve. */
#include <string.h>

#include "core/api/setup.h"
#include "core/api/spec.h"
#include "roles/jobd/jd_beanstalk_private.h"

static const int64_t longest_delay = (int64_t)3660 * 86400 * 1000;

static int64_t ms_of(uint32_t seconds)
{
	int64_t ms = (int64_t)seconds * 1000;

	return ms < longest_delay ? ms : longest_delay;
}

/* ---- jobs ------------------------------------------------------------------------------ */

void jd_bs_count_delete(struct jd_bs *bs, const char *topic)
{
	struct jd_bs_tube *t = topic ? jd_bs_tube_find(bs, topic) : NULL;

	if (t)
		t->deletes++;
}

/* Its own, or one that nobody runs; the dead are the store's. */
static void do_delete(struct jd_bs_client *c, uint64_t id)
{
	struct jd_bs *bs = c->bs;
	struct work_job *job = jd_bs_held(c, id);
	enum work_state state = job ? WORK_RUNNING : work_state_of(bs->work, id);
	const char *topic = job ? job->topic : work_topic_of(bs->work, id);

	if (job) {
		struct jd_watch *w = jd_bs_unhold(job);
		work_ack(job, NULL);
		jd_watch_settle(w);
	} else if (state == WORK_READY || state == WORK_SCHEDULED || state == WORK_WAITING) {
		work_cancel(bs->work, id, false);
	} else if (!topic && work_has_dead(bs->work)) {
		jd_bs_drop(c, id);
		return;
	} else {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	jd_bs_count_delete(bs, topic);
	jd_bs_say(c, "DELETED");
}

static void do_release(struct jd_bs_client *c, const struct jd_bs_command *cmd)
{
	struct work_job *job = jd_bs_held(c, cmd->id);

	if (!job) {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	struct jd_bs_mark *m = jd_bs_mark_get(c->bs, cmd->id);
	m->has_pri = true;
	m->pri = cmd->pri;
	m->delay = cmd->delay;
	m->reserves++;
	m->releases++;
	struct jd_watch *w = jd_bs_unhold(job);
	work_release_as(job, ms_of(cmd->delay), jd_bs_prio_of(cmd->pri));
	jd_watch_settle(w);
	jd_bs_say(c, "RELEASED");
}

/* Answered when the store has it among the dead: jd_beanstalk_event. */
static void do_bury(struct jd_bs_client *c, const struct jd_bs_command *cmd)
{
	struct work_job *job = jd_bs_held(c, cmd->id);

	if (!job) {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	struct jd_bs_mark *m = jd_bs_mark_get(c->bs, cmd->id);
	m->has_pri = true;
	m->pri = cmd->pri;
	m->reserves++;
	m->buries++;
	m->buried = true;
	c->conn.state = JD_BS_ASKING;
	c->id = cmd->id;
	list_append(&c->bs->asking, &c->turn);
	struct jd_watch *w = jd_bs_unhold(job);
	work_bury(job, jd_bs_prio_of(cmd->pri), "buried");
	jd_watch_settle(w);
}

static void do_touch(struct jd_bs_client *c, uint64_t id)
{
	struct work_job *job = jd_bs_held(c, id);

	if (job)
		work_touch(job, 0);
	jd_bs_say(c, job ? "TOUCHED" : "NOT_FOUND");
}

/* ---- tubes ----------------------------------------------------------------------------- */

/* Of what was read, with a 0 behind it. NULL: no topic may have that name. */
static const char *name_of(const struct jd_bs_command *cmd, char name[JD_BS_TUBE + 1])
{
	memcpy(name, cmd->name, cmd->name_n);
	name[cmd->name_n] = '\0';
	return api_topic_is_good(name) ? name : NULL;
}

static void do_pause(struct jd_bs_client *c, const char *name, uint32_t seconds)
{
	struct jd_bs *bs = c->bs;

	if (!jd_bs_tube_exists(bs, name) || api_setup_takes(bs->api, name) != 0) {
		jd_bs_say(c, "NOT_FOUND");
		return;
	}
	struct jd_bs_tube *t = jd_bs_tube_get(bs, name);
	t->takes = true;
	t->pause = seconds;
	t->pauses++;
	work_pause_for(bs->work, name, ms_of(seconds));
	jd_bs_say(c, "PAUSED");
}

static void do_with_tube(struct jd_bs_client *c, const struct jd_bs_command *cmd)
{
	char text[JD_BS_TUBE + 1];
	const char *name = name_of(cmd, text);

	if (!name) {
		jd_bs_say(c, "BAD_FORMAT");
	} else if (cmd->verb == JD_BS_USE) {
		jd_bs_use(c, name);
		jd_conn_printf(&c->conn, "USING %s\r\n", name);
	} else if (cmd->verb == JD_BS_WATCH) {
		jd_bs_do_watch(c, name);
	} else if (cmd->verb == JD_BS_IGNORE) {
		jd_bs_do_ignore(c, name);
	} else if (cmd->verb == JD_BS_STATS_TUBE) {
		jd_bs_stats_tube(c, name);
	} else {
		do_pause(c, name, cmd->delay);
	}
}

/* ---- all --------------------------------------------------------------------------------- */

static void do_with_job(struct jd_bs_client *c, const struct jd_bs_command *cmd)
{
	switch (cmd->verb) {
	case JD_BS_DELETE:
		do_delete(c, cmd->id);
		break;
	case JD_BS_RELEASE:
		do_release(c, cmd);
		break;
	case JD_BS_BURY:
		do_bury(c, cmd);
		break;
	case JD_BS_TOUCH:
		do_touch(c, cmd->id);
		break;
	case JD_BS_KICK:
		jd_bs_kick(c, cmd->n);
		break;
	case JD_BS_KICK_JOB:
		jd_bs_kick_job(c, cmd->id);
		break;
	default:
		jd_bs_peek(c, cmd);
	}
}

void jd_bs_do(struct jd_bs_client *c, const struct jd_bs_command *cmd)
{
	switch (cmd->verb) {
	case JD_BS_RESERVE:
	case JD_BS_RESERVE_WITH_TIMEOUT:
		jd_bs_reserve(c, cmd->timeout);
		break;
	case JD_BS_RESERVE_JOB:
		jd_bs_reserve_job(c, cmd->id);
		break;
	case JD_BS_USE:
	case JD_BS_WATCH:
	case JD_BS_IGNORE:
	case JD_BS_STATS_TUBE:
	case JD_BS_PAUSE_TUBE:
		do_with_tube(c, cmd);
		break;
	case JD_BS_STATS:
		jd_bs_stats(c);
		break;
	case JD_BS_LIST_TUBES:
		jd_bs_list_tubes(c);
		break;
	case JD_BS_LIST_TUBE_USED:
		jd_conn_printf(&c->conn, "USING %s\r\n", c->used->name);
		break;
	case JD_BS_LIST_TUBES_WATCHED:
		jd_bs_list_watched(c);
		break;
	case JD_BS_QUIT:
		jd_conn_leave(&c->conn);
		break;
	case JD_BS_TOO_LONG:
		c->skipping_line = true;
		jd_bs_say(c, "BAD_FORMAT");
		break;
	case JD_BS_BAD:
		jd_bs_say(c, "BAD_FORMAT");
		break;
	case JD_BS_UNKNOWN:
		jd_bs_say(c, "UNKNOWN_COMMAND");
		break;
	default:
		do_with_job(c, cmd);
	}
}
