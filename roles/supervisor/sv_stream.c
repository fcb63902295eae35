#include "roles/supervisor/sv_stream.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/net/http_decode.h"
#include "core/net/http_server.h"
#include "core/proc/follow.h"
#include "core/run/control.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_info.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_logs.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_team.h"

enum {
	FIRST = 1024,
	FIRST_MOST = 8 * 1024 * 1024,
	BUFFER = 256 * 1024,
	UNSENT_MOST = 256 * 1024,
	LOOK = 500
};

/* One reader. What does not fit into his buffer is left out, and he is told. */
struct reader {
	struct list link;
	struct http_call *call; /* one of the two */
	struct control_peer *peer;
	struct sv *sv;
	struct sv_proc *proc; /* of a log; NULL: all of them */
	bool err, following, main;
	struct follow follow;
	struct sv_watch watch;
	uv_timer_t timer; /* main: looks at the file */
	int64_t at;
	uint64_t left_out; /* events */
};

/* Who is to read; one of the two. */
struct sink {
	struct http_call *call;
	struct control_peer *peer;
};

/* Returns what is unsent. */
static size_t put(struct reader *r, const void *data, size_t n)
{
	return r->call ? http_stream_put(r->call, data, n) : control_put(r->peer, data, n);
}

static void refuse(struct sink to, int status)
{
	if (to.call) {
		http_reply_status(to.call, status);
		return;
	}
	control_begin(to.peer, status);
	control_end(to.peer);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct reader *r = h->data;
	struct sv *sv = r->sv;

	free(r);
	sv->lives--;
	sv_settle(sv);
}

static void leave(struct reader *r)
{
	if (r->following)
		follow_stop(&r->follow);
	sv_unwatch(&r->watch);
	list_remove(&r->link);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

static void on_gone(void *data)
{
	leave(data);
}

static void end(struct reader *r)
{
	if (r->call)
		http_stream_end(r->call);
	else
		control_end(r->peer);
	leave(r);
}

static struct reader *reader_new(struct sv *sv, struct sink to, const char *type,
				 void (*room)(void *data))
{
	struct reader *r = mem_new(sizeof(*r));

	r->sv = sv;
	r->call = to.call;
	r->peer = to.peer;
	r->watch.owner = r;
	list_init(&r->watch.link);
	list_append(&sv->readers, &r->link);
	uv_timer_init(sv->loop, &r->timer);
	r->timer.data = r;
	sv->lives++;
	if (to.peer) {
		control_wait(to.peer, r, on_gone, room);
		control_begin(to.peer, 0);
		return r;
	}
	http_call_wait(to.call, r, on_gone);
	http_stream(to.call,
		    &(struct http_answer){
			    .status = 200, .type = type, .fields = "Cache-Control: no-store\r\n" },
		    room);
	return r;
}

/* ---- a process's log
 * ------------------------------------------------------------------------------------------ */

static void pass(struct reader *r)
{
	struct buf *b = &r->follow.buf;
	size_t n = buf_len(b);

	if (n == 0)
		return;
	size_t unsent = put(r, buf_data(b), n);
	buf_take(b, n);
	if (r->follow.missed && unsent < UNSENT_MOST) {
		char text[80];
		int len = snprintf(text, sizeof(text), "\n[%llu bytes left out]\n",
				   (unsigned long long)r->follow.missed);
		put(r, text, (size_t)len);
		r->follow.missed = 0;
	}
}

static void on_bytes(struct follow *f)
{
	struct reader *r = f->owner;

	if (put(r, NULL, 0) < UNSENT_MOST)
		pass(r);
}

static void on_room(void *data)
{
	struct reader *r = data;

	if (r->following)
		pass(r);
}

static void follow_life(struct reader *r)
{
	struct sv_life *l = r->proc->life;

	if (r->following)
		follow_stop(&r->follow);
	r->following = l && (r->err ? l->has_err : l->has_out);
	if (!r->following)
		return;
	r->follow.owner = r;
	follow_start(&r->follow, r->err ? &l->err : &l->out, BUFFER, on_bytes);
}

/* Another life has another pipe. */
static void on_move(struct sv_watch *w, struct sv_proc *p, int from)
{
	struct reader *r = w->owner;

	(void)from;
	if (p != r->proc)
		return;
	if (sv_proc_state(p) == SV_GONE)
		end(r);
	else if (sv_proc_state(p) == SV_RUNNING_STATE || r->follow.ended)
		follow_life(r);
}

/* "?bytes=N": so many of those that are there already. */
static size_t first_bytes(const char *what)
{
	const char *asked = strstr(what, "?bytes=");
	long long n = asked ? atoll(asked + 7) : FIRST;

	return n < 1 ? 1 : n > FIRST_MOST ? FIRST_MOST : (size_t)n;
}

static void stream_log(struct sv *sv, struct sink to, const char *what)
{
	char name[2048];
	struct tail tail;
	struct buf first;
	size_t most = first_bytes(what), n = strcspn(what, "?");

	if (n >= sizeof(name) || http_decode(what, n, name, false) < 0) {
		refuse(to, 404);
		return;
	}
	char *slash = strchr(name, '/');
	if (slash)
		*slash++ = '\0';
	bool err = slash && strcmp(slash, "stderr") == 0;
	struct sv_proc *p = sv_team_lookup(sv, name);
	if (!p || !sv_logs_of(p, err, &tail)) {
		refuse(to, p ? 410 : 404);
		return;
	}
	struct reader *r = reader_new(sv, to, "text/plain", on_room);
	r->proc = p;
	r->err = err;
	r->watch.on_move = on_move;
	sv_watch(sv, &r->watch);
	buf_init(&first, most);
	tail_read(&tail, -(int64_t)most, 0, &first);
	put(r, buf_data(&first), buf_len(&first));
	buf_fini(&first);
	follow_life(r);
}

/* ---- our own log
 * --------------------------------------------------------------------------------------------------
 */

static void on_look(uv_timer_t *t)
{
	struct reader *r = t->data;
	struct tail tail;
	struct buf b;
	bool overflow;

	if (!sv_logs_main(r->sv, &tail) || put(r, NULL, 0) >= UNSENT_MOST)
		return;
	int64_t before = r->at;
	buf_init(&b, BUFFER);
	tail_follow(&tail, &r->at, BUFFER, &overflow, &b);
	size_t fresh = r->at >= before ? (size_t)(r->at - before) : buf_len(&b);
	size_t n = buf_len(&b) < fresh ? buf_len(&b) : fresh;
	put(r, buf_data(&b) + buf_len(&b) - n, n);
	buf_fini(&b);
}

static void stream_main(struct sv *sv, struct sink to)
{
	struct tail tail;
	struct buf first;
	bool overflow;

	if (!sv_logs_main(sv, &tail)) {
		refuse(to, 410);
		return;
	}
	struct reader *r = reader_new(sv, to, "text/plain", NULL);
	buf_init(&first, FIRST);
	tail_follow(&tail, &r->at, FIRST, &overflow, &first);
	put(r, buf_data(&first), buf_len(&first));
	buf_fini(&first);
	uv_timer_start(&r->timer, on_look, LOOK, LOOK);
}

/* ---- events
 * ---------------------------------------------------------------------------------------------------------
 */

static void tell_left_out(struct reader *r)
{
	char text[80];

	if (!r->left_out)
		return;
	int n = snprintf(text, sizeof(text), ": %llu events left out\n\n",
			 (unsigned long long)r->left_out);
	put(r, text, (size_t)n);
	r->left_out = 0;
}

static void on_event(struct sv_watch *w, struct sv_proc *p, int from)
{
	struct reader *r = w->owner;
	json_t *o = sv_info_process(p);

	json_object_set_new(o, "from_state",
			    json_string(sv_proc_state_name((enum sv_proc_state)from)));
	json_object_set_new(o, "ready", json_boolean(p->ready));
	json_object_set_new(o, "healthy", json_boolean(p->healthy));
	char *text = json_dumps(o, JSON_COMPACT), *line;
	int n = asprintf(&line, "event: process\ndata: %s\n\n", text);
	if (n > 0 && put(r, NULL, 0) < UNSENT_MOST) {
		tell_left_out(r);
		put(r, line, (size_t)n);
	} else {
		r->left_out++;
	}
	free(line);
	free(text);
	json_decref(o);
}

static void stream_events(struct sv *sv, struct sink to)
{
	struct reader *r = reader_new(sv, to, "text/event-stream", NULL);

	put(r, ": troupe\n\n", 10);
	r->watch.on_move = on_event;
	sv_watch(sv, &r->watch);
}

/* ---- who asks ---------------------------------------------------------------------- */

void sv_stream_log(struct sv *sv, struct http_call *call, const char *what)
{
	stream_log(sv, (struct sink){ .call = call }, what);
}

void sv_stream_main(struct sv *sv, struct http_call *call)
{
	stream_main(sv, (struct sink){ .call = call });
}

void sv_stream_events(struct sv *sv, struct http_call *call)
{
	stream_events(sv, (struct sink){ .call = call });
}

void sv_stream_peer(struct sv *sv, struct control_peer *peer, const char *target)
{
	struct sink to = { .peer = peer };

	if (strncmp(target, "/logtail/", 9) == 0)
		stream_log(sv, to, target + 9);
	else if (strcmp(target, "/mainlogtail") == 0)
		stream_main(sv, to);
	else if (strcmp(target, "/events") == 0)
		stream_events(sv, to);
	else
		refuse(to, 404);
}

void sv_stream_close_all(struct sv *sv)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->readers)
		end(container_of(it, struct reader, link));
}
