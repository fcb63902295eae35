#include "roles/supervisor/sv_scale.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/redis.h"
#include "core/net/stream.h"
#include "core/proc/child.h"
#include "core/proc/spawn.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum { LOOK = 2000, LOOKS_MOST = 3, ANSWER_MOST = 512, REPLY_MOST = 64 << 10 };

struct scaler {
	struct list link;
	struct sv *sv;
	struct sv_setup *setup; /* held: program is its */
	const struct sv_program *program;
	uv_timer_t timer;
	struct redis *redis; /* NULL: a command prints it */
	bool asked;          /* redis */
	struct stream stream;
	struct child child;
	bool has_stream, has_child;
	int parts;    /* that are not closed yet; of a command: it runs */
	int looks;    /* since it was asked */
	bool failed;  /* and it was said */
	bool closing; /* and then */
	uint64_t low; /* loop ms: since when; 0: it is high */
	char text[ANSWER_MOST];
	size_t n;
};

static bool read_number(const char *text, size_t n, int64_t *number)
{
	char copy[32], *end;

	if (n == 0 || n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	errno = 0;
	int64_t got = strtoll(copy, &end, 10);
	if (end == copy || *end || errno)
		return false;
	*number = got;
	return true;
}

/* ---- what follows from a number ------------------------------------------------------------ */

static bool is_spare(const struct scaler *s, const struct sv_proc *p)
{
	return p->conf->spare && !p->removed &&
	       strcmp(p->conf->program->name, s->program->name) == 0;
}

static void one_more(struct scaler *s, struct sv_team *t, int64_t number)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		enum sv_proc_state state = sv_proc_state(p);
		if (!is_spare(s, p) || (state != SV_STOPPED && state != SV_EXITED))
			continue;
		log_info("scaling up name=%s number=%lld", p->conf->full, (long long)number);
		sv_proc_start(p);
		return;
	}
}

static void one_less(struct scaler *s, struct sv_team *t, int64_t number)
{
	for (struct list *it = t->procs.prev; it != &t->procs; it = it->prev) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (!is_spare(s, p) || !sv_proc_is_running(p))
			continue;
		log_info("scaling down name=%s number=%lld", p->conf->full, (long long)number);
		sv_proc_stop(p);
		return;
	}
}

static void act(struct scaler *s, int64_t number)
{
	const struct sv_scale *conf = s->program->scale;
	struct sv_team *t = sv_team_find(s->sv, s->program->group->name);
	uint64_t now = uv_now(s->sv->loop);

	if (!t || s->sv->stopping)
		return;
	if (conf->or_equal ? number >= conf->over : number > conf->over) {
		s->low = 0;
		one_more(s, t, number);
	} else if (!s->low) {
		s->low = now;
	} else if (now >= s->low + (uint64_t)s->program->conf->scale_down_after) {
		s->low = now;
		one_less(s, t, number);
	}
}

/* ---- the end of a question ------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *h)
{
	struct scaler *s = h->data;
	struct sv *sv = s->sv;

	sv_setup_drop(s->setup);
	free(s);
	sv->lives--;
	sv_settle(sv);
}

static void part_closed(struct scaler *s)
{
	if (--s->parts == 0 && s->closing)
		uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void on_stream_closed(struct stream *st)
{
	part_closed(st->owner);
}

static void on_child_closed(struct child *c)
{
	part_closed(c->owner);
}

static void clean(struct scaler *s)
{
	if (s->has_stream)
		stream_close(&s->stream, on_stream_closed);
	if (s->has_child) {
		child_signal_group(&s->child, SIGKILL);
		child_close(&s->child, on_child_closed);
	}
	s->has_stream = s->has_child = false;
}

/* Once, until it works again. */
static void fail(struct scaler *s, const char *why)
{
	if (!s->failed && !s->closing)
		log_error("scale_on of program=%s: %s", s->program->name, why);
	s->failed = true;
	clean(s);
}

static void succeed(struct scaler *s, int64_t number)
{
	if (s->failed)
		log_info("scale_on of program=%s works again", s->program->name);
	s->failed = false;
	clean(s);
	act(s, number);
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static void take_command(struct scaler *s)
{
	int64_t number;
	size_t n = s->n;

	while (n > 0 && strchr(" \t\r\n", s->text[n - 1]))
		n--;
	if (read_number(s->text, n, &number))
		succeed(s, number);
	else
		fail(s, "its command prints no number");
}

static void on_output(struct stream *st, enum stream_event event)
{
	struct scaler *s = st->owner;
	ssize_t got = stream_read(st, s->text + s->n, sizeof(s->text) - 1 - s->n);

	(void)event;
	if (got > 0) {
		s->n += (size_t)got;
		s->text[s->n] = '\0';
		if (s->n == sizeof(s->text) - 1)
			fail(s, "the answer is too long");
	} else if (got == UV_EOF) {
		take_command(s);
	} else if (got < 0) {
		fail(s, uv_strerror((int)got));
	}
}

static int listen_to(struct scaler *s, int fd)
{
	s->n = 0;
	*s->text = '\0';
	int rc = stream_open(&s->stream, s->sv->loop, fd, on_output, s);
	if (rc)
		return rc;
	s->has_stream = true;
	s->parts++;
	return 0;
}

/* ---- questions
 * ----------------------------------------------------------------------------------- */

static void on_end(struct child *c, const struct child_end *end)
{
	(void)c;
	(void)end; /* the end of its output tells */
}

static void run_command(struct scaler *s)
{
	const struct sv_program *g = s->program;
	struct err err = { 0 };
	int ends[2], pidfd;
	struct env env;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		fail(s, strerror(errno));
		return;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	env_init(&env);
	env_copy(&env, &s->sv->env);
	env_add(&env, g->processes[0].env);
	struct spawn_fd fds[] = { { 1, ends[1] }, { 2, 2 } };
	struct spawn spawn = { .argv = (const char *const *)g->scale->argv,
			       .envp = env_vars(&env),
			       .path = env_get(&env, "PATH"),
			       .cwd = g->processes[0].directory,
			       .user = g->has_user ? &g->user : NULL,
			       .fds = fds,
			       .n_fds = 2,
			       .group = SPAWN_GROUP };
	int rc = spawn_program(&spawn, &pid, &pidfd, &err);
	env_fini(&env);
	close(ends[1]);
	if (rc == 0 && child_watch(&s->child, s->sv->loop, pid, pidfd, on_end) == 0) {
		s->child.owner = s;
		s->child.group = pid;
		s->has_child = true;
		s->parts++;
		child_known(&s->child, &s->sv->reap);
		rc = listen_to(s, ends[0]);
	} else if (rc == 0) {
		close(pidfd);
		rc = UV_EIO;
	}
	if (rc) {
		close(ends[0]);
		fail(s, err.code ? err.text : uv_strerror(rc));
	}
}

/* :12, "12", and nil, which is 0. */
static bool is_number(const redisReply *r, int64_t *number)
{
	*number = r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
	return r->type == REDIS_REPLY_INTEGER || r->type == REDIS_REPLY_NIL ||
	       (r->type == REDIS_REPLY_STRING && read_number(r->str, r->len, number));
}

static void on_answer(void *data, const redisReply *r)
{
	struct scaler *s = data;
	int64_t number;
	char why[128];

	s->asked = false;
	if (!r || s->closing)
		return;
	if (is_number(r, &number)) {
		succeed(s, number);
		return;
	}
	snprintf(why, sizeof(why), "redis answers '%s%.90s'",
		 r->type == REDIS_REPLY_ERROR ? "-" : "", r->str ? r->str : "a list");
	fail(s, why);
}

static void ask_redis(struct scaler *s)
{
	char *const *argv = s->program->scale->argv;
	int count = 0;

	if (s->asked || !redis_is_up(s->redis))
		return;
	while (argv[count])
		count++;
	s->asked = true;
	redis_begin(s->redis, count, on_answer, s);
	for (int i = 0; i < count; i++)
		redis_text(s->redis, argv[i]);
	redis_send(s->redis);
}

static void on_up(void *data)
{
	ask_redis(data);
}

static void on_down(void *data, const char *why)
{
	fail(data, why);
}

static void on_look(uv_timer_t *t)
{
	struct scaler *s = t->data;

	if (s->redis) {
		ask_redis(s);
	} else if (s->parts == 0) {
		s->looks = 0;
		run_command(s);
	} else if (++s->looks == LOOKS_MOST) {
		fail(s, "no answer");
	}
}

/* ---- life
 * ------------------------------------------------------------------------------------------- */

static struct redis *open_redis(struct scaler *s)
{
	const struct sv_scale *conf = s->program->scale;
	struct redis_conf redis = { .url = { .addr = conf->addr, .db = conf->db },
				    .timeout = (uint64_t)LOOK * LOOKS_MOST,
				    .retry_most = LOOK,
				    .most = REPLY_MOST,
				    .on_up = on_up,
				    .on_down = on_down,
				    .data = s };

	return conf->by == SV_SCALE_REDIS ? redis_new(s->sv->loop, &redis) : NULL;
}

static void on_redis_closed(void *data)
{
	part_closed(data);
}

static void scaler_new(struct sv *sv, const struct sv_program *program)
{
	struct scaler *s = mem_new(sizeof(*s));

	s->sv = sv;
	s->setup = sv_setup_hold(sv->setup);
	s->program = program;
	list_append(&sv->scalers, &s->link);
	uv_timer_init(sv->loop, &s->timer);
	s->timer.data = s;
	s->redis = open_redis(s);
	uv_timer_start(&s->timer, on_look, 1, LOOK);
	sv->lives++;
}

void sv_scale_close(struct sv *sv)
{
	while (!list_empty(&sv->scalers)) {
		struct scaler *s = container_of(sv->scalers.next, struct scaler, link);
		list_remove(&s->link);
		s->closing = true;
		uv_timer_stop(&s->timer);
		s->parts++;
		if (s->redis) {
			s->parts++;
			redis_close(s->redis, on_redis_closed, s);
		}
		clean(s);
		part_closed(s);
	}
}

void sv_scale_look(struct sv *sv)
{
	sv_scale_close(sv);
	for (size_t i = 0; i < sv->setup->group_count; i++) {
		const struct sv_group *g = &sv->setup->groups[i];
		for (size_t k = 0; k < g->program_count; k++)
			if (g->programs[k].scale)
				scaler_new(sv, &g->programs[k]);
	}
}
