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
#include "core/net/dial.h"
#include "core/net/stream.h"
#include "core/proc/child.h"
#include "core/proc/spawn.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum { LOOK = 2000, LOOKS_MOST = 3, ANSWER_MOST = 512 };

struct scaler {
	struct list link;
	struct sv *sv;
	struct sv_setup *setup; /* held: program is its */
	const struct sv_program *program;
	uv_timer_t timer;
	struct dial dial;
	struct stream stream;
	struct child child;
	bool dialing, has_stream, has_child;
	int parts;    /* of a question that are not closed yet; 0: nothing is asked */
	int looks;    /* since it was asked */
	bool failed;  /* and it was said */
	bool closing; /* and then */
	uint64_t low; /* loop ms: since when; 0: it is high */
	char text[ANSWER_MOST];
	size_t n;
};

/* ---- redis ------------------------------------------------------------------------------- */

static int read_number(const char *text, size_t n, int64_t *number)
{
	char copy[32], *end;

	if (n == 0 || n >= sizeof(copy))
		return SV_SCALE_BAD;
	memcpy(copy, text, n);
	copy[n] = '\0';
	errno = 0;
	int64_t got = strtoll(copy, &end, 10);
	if (end == copy || *end || errno)
		return SV_SCALE_BAD;
	*number = got;
	return SV_SCALE_NUMBER;
}

/* "$2\r\n12\r\n" */
static int read_bulk(const char *text, size_t n, size_t line, int64_t *number, size_t *used)
{
	int64_t length;

	if (read_number(text + 1, line - 1, &length) != SV_SCALE_NUMBER)
		return SV_SCALE_BAD;
	*used = line + 2;
	if (length < 0) {
		*number = 0;
		return SV_SCALE_NUMBER;
	}
	if (length > ANSWER_MOST)
		return SV_SCALE_BAD;
	*used += (size_t)length + 2;
	return *used > n ? SV_SCALE_MORE : read_number(text + line + 2, (size_t)length, number);
}

int sv_scale_reply(const char *text, size_t n, int64_t *number, size_t *used)
{
	const char *end = memchr(text, '\n', n);

	if (!end)
		return SV_SCALE_MORE;
	size_t line = (size_t)(end - text);
	if (line < 2 || text[line - 1] != '\r')
		return SV_SCALE_BAD;
	line--;
	*used = line + 2;
	switch (*text) {
	case ':':
		return read_number(text + 1, line - 1, number);
	case '$':
		return read_bulk(text, n, line, number, used);
	case '+':
		return SV_SCALE_TEXT;
	default:
		return SV_SCALE_BAD;
	}
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
	if (s->dialing)
		dial_cancel(&s->dial);
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

static void take_redis(struct scaler *s)
{
	int replies = s->program->scale->db ? 2 : 1, what = SV_SCALE_MORE;
	int64_t number = 0;
	size_t at = 0, used;
	char why[128];

	for (int i = 0; i < replies; i++) {
		what = sv_scale_reply(s->text + at, s->n - at, &number, &used);
		if (what == SV_SCALE_MORE)
			return;
		if (what == SV_SCALE_BAD || (i + 1 == replies && what == SV_SCALE_TEXT)) {
			int line = (int)strcspn(s->text + at, "\r\n");
			snprintf(why, sizeof(why), "redis answers '%.*s'", line < 90 ? line : 90,
				 s->text + at);
			fail(s, why);
			return;
		}
		at += used;
	}
	succeed(s, number);
}

static void take_command(struct scaler *s)
{
	int64_t number;
	size_t n = s->n;

	while (n > 0 && strchr(" \t\r\n", s->text[n - 1]))
		n--;
	if (read_number(s->text, n, &number) == SV_SCALE_NUMBER)
		succeed(s, number);
	else
		fail(s, "its command prints no number");
}

static void on_answer(struct stream *st, enum stream_event event)
{
	struct scaler *s = st->owner;
	bool redis = s->program->scale->by == SV_SCALE_REDIS;
	ssize_t got = stream_read(st, s->text + s->n, sizeof(s->text) - 1 - s->n);

	(void)event;
	if (got > 0) {
		s->n += (size_t)got;
		s->text[s->n] = '\0';
		if (redis)
			take_redis(s);
		if (s->has_stream && s->n == sizeof(s->text) - 1)
			fail(s, "the answer is too long");
	} else if (got == UV_EOF && !redis) {
		take_command(s);
	} else if (got < 0) {
		fail(s, uv_strerror((int)got));
	}
}

static int listen_to(struct scaler *s, int fd)
{
	s->n = 0;
	*s->text = '\0';
	int rc = stream_open(&s->stream, s->sv->loop, fd, on_answer, s);
	if (rc)
		return rc;
	s->has_stream = true;
	s->parts++;
	return 0;
}

/* ---- questions
 * ----------------------------------------------------------------------------------- */

static void ask_redis(struct scaler *s)
{
	const struct sv_scale *conf = s->program->scale;
	char head[64];
	int n = snprintf(head, sizeof(head), "%d", conf->db);
	int count = 0;

	if (conf->db) {
		char text[128];
		int len = snprintf(text, sizeof(text), "*2\r\n$6\r\nSELECT\r\n$%d\r\n%d\r\n", n,
				   conf->db);
		stream_put(&s->stream, text, (size_t)len);
	}
	while (conf->argv[count])
		count++;
	n = snprintf(head, sizeof(head), "*%d\r\n", count);
	stream_put(&s->stream, head, (size_t)n);
	for (int i = 0; i < count; i++) {
		n = snprintf(head, sizeof(head), "$%zu\r\n", strlen(conf->argv[i]));
		stream_put(&s->stream, head, (size_t)n);
		stream_put(&s->stream, conf->argv[i], strlen(conf->argv[i]));
		stream_put(&s->stream, "\r\n", 2);
	}
}

static void on_dialed(struct dial *d, int status, int fd)
{
	struct scaler *s = d->data;

	s->dialing = false;
	if (status) {
		fail(s, uv_strerror(status));
	} else if (s->closing || listen_to(s, fd) != 0) {
		close(fd);
		fail(s, "its socket can't be watched");
	} else {
		ask_redis(s);
	}
	part_closed(s);
}

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

static void on_look(uv_timer_t *t)
{
	struct scaler *s = t->data;

	if (s->parts > 0) {
		if (++s->looks == LOOKS_MOST)
			fail(s, "no answer");
		return;
	}
	s->looks = 0;
	if (s->program->scale->by == SV_SCALE_EXEC) {
		run_command(s);
		return;
	}
	s->dial.data = s;
	int rc = dial_start(&s->dial, s->sv->loop, &s->program->scale->addr, LOOK, on_dialed);
	if (rc) {
		fail(s, uv_strerror(rc));
		return;
	}
	s->dialing = true;
	s->parts++;
}

/* ---- life
 * ------------------------------------------------------------------------------------------- */

static void scaler_new(struct sv *sv, const struct sv_program *program)
{
	struct scaler *s = mem_new(sizeof(*s));

	s->sv = sv;
	s->setup = sv_setup_hold(sv->setup);
	s->program = program;
	list_append(&sv->scalers, &s->link);
	uv_timer_init(sv->loop, &s->timer);
	s->timer.data = s;
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
