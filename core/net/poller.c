#include "core/net/poller.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/mem.h"

enum { EVENTS_MOST = 256, SPARES = 32, SPARE_MOST = 16 * 1024 };

struct poller {
	uv_loop_t *loop;
	int ep;
	unsigned items, refs; /* refs: those that keep the loop alive */
	bool running;         /* by poller_run */
	bool many;            /* a round of several events runs */
	bool telling;         /* of an event */
	void (*soon)(void *data);
	void *soon_data;
	uint64_t crowd; /* events of such rounds */
	struct list closing, later, turns;
	struct buf spare[SPARES]; /* the first `spares` have memory */
	unsigned spares;
	uv_poll_t uv;       /* of ep, while the loop runs by itself */
	uv_prepare_t alive; /* while poller_run does: keeps it going, and its timers */
	uv_idle_t reap;     /* active while something is to be closed */
	unsigned handles;
};

static void on_uv_event(uv_poll_t *h, int status, int events);

static struct poller *make(uv_loop_t *loop)
{
	struct poller *p = mem_new(sizeof(*p));

	p->loop = loop;
	p->ep = epoll_create1(EPOLL_CLOEXEC);
	list_init(&p->closing);
	list_init(&p->later);
	list_init(&p->turns);
	loop->data = p;
	return p;
}

/* The loop watches our epoll, and stays alive for its items. */
static void join_loop(struct poller *p)
{
	p->handles = 2;
	p->uv.data = p->reap.data = p;
	uv_poll_init(p->loop, &p->uv, p->ep);
	uv_poll_start(&p->uv, UV_READABLE, on_uv_event);
	uv_idle_init(p->loop, &p->reap);
}

static void unmake(struct poller *p)
{
	p->loop->data = NULL;
	while (p->spares > 0)
		buf_fini(&p->spare[--p->spares]);
	close(p->ep);
	free(p);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct poller *p = h->data;

	if (--p->handles == 0)
		unmake(p);
}

static void leave_loop(struct poller *p)
{
	p->loop->data = NULL; /* a socket that comes now makes another */
	uv_close((uv_handle_t *)&p->uv, on_handle_closed);
	uv_close((uv_handle_t *)&p->reap, on_handle_closed);
}

/* The loop lives while an item wants it to. */
static void settle_ref(struct poller *p)
{
	uv_handle_t *h = p->running ? (uv_handle_t *)&p->alive : (uv_handle_t *)&p->uv;

	if (p->handles == 0)
		return;
	if (p->refs > 0)
		uv_ref(h);
	else
		uv_unref(h);
}

void poller_unref(struct poller_item *i)
{
	i->poller->refs -= !i->unref;
	i->unref = true;
	settle_ref(i->poller);
}

void poller_ref(struct poller_item *i)
{
	i->poller->refs += i->unref;
	i->unref = false;
	settle_ref(i->poller);
}

void poller_shared(struct poller_item *i)
{
	i->shared = true;
}

/* ---- items ------------------------------------------------------------------- */

int poller_open(struct poller_item *i, uv_loop_t *loop, int fd, unsigned events,
		poller_on_event on_event)
{
	struct poller *p = loop->data;

	if (!p) {
		p = make(loop);
		join_loop(p);
	}
	struct epoll_event e = { .events = events, .data.ptr = i };
	*i = (struct poller_item){ .poller = p, .on_event = on_event, .fd = fd, .events = events };
	list_init(&i->place);
	if (epoll_ctl(p->ep, EPOLL_CTL_ADD, fd, &e) == 0) {
		p->items++;
		p->refs++;
		settle_ref(p);
		return 0;
	}
	return uv_translate_sys_error(errno);
}

void poller_ask(struct poller_item *i, unsigned events)
{
	struct epoll_event e = { .events = events, .data.ptr = i };

	if (events == i->events || i->closed)
		return;
	i->events = events;
	epoll_ctl(i->poller->ep, EPOLL_CTL_MOD, i->fd, &e);
}

static void on_reap(uv_idle_t *h);

void poller_close(struct poller_item *i, poller_on_closed on_closed)
{
	struct poller *p = i->poller;

	assert(!i->closed);
	i->closed = true;
	i->on_closed = on_closed;
	poller_not_later(i);
	list_append(&p->closing, &i->place);
	if (!p->running)
		uv_idle_start(&p->reap, on_reap);
}

static void reap(struct poller *p)
{
	while (!list_empty(&p->closing)) {
		struct poller_item *i = container_of(p->closing.next, struct poller_item, place);
		list_remove(&i->place);
		if (i->shared)
			epoll_ctl(p->ep, EPOLL_CTL_DEL, i->fd, NULL);
		close(i->fd); /* epoll forgets it */
		i->fd = -1;
		p->items--;
		p->refs -= !i->unref;
		i->on_closed(i);
	}
	settle_ref(p);
}

/* ---- the end of an event ------------------------------------------------------- */

bool poller_soon(const uv_loop_t *loop, void (*go)(void *data), void *data)
{
	struct poller *p = loop->data;

	if (!p || !p->telling || p->soon)
		return false;
	p->soon = go;
	p->soon_data = data;
	return true;
}

static void tell(struct poller *p, struct poller_item *i, unsigned events)
{
	p->telling = true;
	i->on_event(i, events);
	p->telling = false;
	if (p->soon)
		p->soon(p->soon_data);
	p->soon = NULL;
}

/* ---- the end of a round --------------------------------------------------------- */

bool poller_later(struct poller_item *i)
{
	if (!i->poller->many || i->closed)
		return false;
	if (!i->later)
		list_append(&i->poller->later, &i->place);
	i->later = true;
	return true;
}

void poller_crowded(struct poller_item *i)
{
	i->poller->many = true;
}

void poller_not_later(struct poller_item *i)
{
	if (i->later)
		list_remove(&i->place);
	i->later = false;
}

void poller_lend(struct poller_item *i, struct buf *b)
{
	struct poller *p = i->poller;

	assert(!b->mem);
	if (p->spares == 0)
		return;
	size_t max = b->max;
	*b = p->spare[--p->spares];
	b->max = max;
}

void poller_give_back(struct poller_item *i, struct buf *b)
{
	struct poller *p = i->poller;

	if (p->spares == SPARES || !b->mem || b->cap > SPARE_MOST) {
		buf_fini(b);
		return;
	}
	p->spare[p->spares++] = *b;
	buf_init(b, b->max);
}

static void end_round(struct poller *p)
{
	p->many = false;
	while (!list_empty(&p->later)) {
		struct poller_item *i = container_of(p->later.next, struct poller_item, place);
		poller_not_later(i);
		i->on_event(i, EPOLLOUT);
	}
}

/* ---- events ------------------------------------------------------------------- */

/* Returns whether the uv loop has something to do: it is the one without an item. */
static bool deliver(struct poller *p, struct epoll_event *events, int n)
{
	bool loop = false;

	p->many = n > 1;
	p->crowd += p->many ? (uint64_t)n : 0;
	for (int k = 0; k < n; k++) {
		/* cppcheck-suppress uninitvar ; epoll_wait filled n of them */
		struct poller_item *i = events[k].data.ptr;
		if (!i)
			loop = true;
		else if (!i->closed)
			tell(p, i, events[k].events);
	}
	end_round(p);
	return loop;
}

static void on_uv_event(uv_poll_t *h, int status, int uv_events)
{
	struct poller *p = h->data;
	struct epoll_event events[EVENTS_MOST];

	(void)status;
	(void)uv_events;
	deliver(p, events, epoll_wait(p->ep, events, EVENTS_MOST, 0));
}

static void on_reap(uv_idle_t *h)
{
	struct poller *p = h->data;

	uv_idle_stop(h);
	reap(p);
	if (p->items == 0)
		leave_loop(p);
}

uint64_t poller_crowd(const uv_loop_t *loop)
{
	const struct poller *p = loop->data;

	return p->crowd;
}

/* ---- a thread of our own ------------------------------------------------------- */

void poller_each_turn(const uv_loop_t *loop, struct poller_turn *t, void (*go)(void *), void *data)
{
	struct poller *p = loop->data;

	list_init(&t->place);
	t->go = go;
	t->data = data;
	if (p && p->running) /* as libuv's: who comes last is first */
		list_append(p->turns.next, &t->place);
}

void poller_no_turn(struct poller_turn *t)
{
	list_remove(&t->place);
}

static void end_turn(struct poller *p)
{
	struct list now;

	reap(p);
	list_init(&now);
	list_move_all(&now, &p->turns);
	while (!list_empty(&now)) {
		struct poller_turn *t = container_of(now.next, struct poller_turn, place);
		list_remove(&t->place);
		list_append(&p->turns, &t->place);
		t->go(t->data);
	}
}

static void turn(struct poller *p)
{
	struct epoll_event events[EVENTS_MOST];
	int timeout = list_empty(&p->closing) ? uv_backend_timeout(p->loop) : 0;
	int n = epoll_wait(p->ep, events, EVENTS_MOST, timeout);

	uv_update_time(p->loop);
	bool loop = deliver(p, events, n > 0 ? n : 0);
	if (loop || uv_backend_timeout(p->loop) == 0)
		uv_run(p->loop, UV_RUN_NOWAIT);
	end_turn(p);
}

static void on_prepare(uv_prepare_t *h)
{
	(void)h;
}

void poller_prepare(uv_loop_t *loop)
{
	assert(!loop->data);
	struct poller *p = make(loop);
	p->running = true;
	p->handles = 1;
	p->alive.data = p;
	uv_prepare_init(loop, &p->alive);
	uv_prepare_start(&p->alive, on_prepare);
	settle_ref(p);
}

void poller_run(uv_loop_t *loop)
{
	struct poller *p = loop->data;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

	assert(p);
	assert(p->running);
	epoll_ctl(p->ep, EPOLL_CTL_ADD, uv_backend_fd(loop),
		  &e);               /* not the first time: it is there */
	uv_run(loop, UV_RUN_NOWAIT); /* what was started before is told to the kernel here */
	while (uv_loop_alive(loop) || !list_empty(&p->closing))
		turn(p);
}

void poller_finish(uv_loop_t *loop)
{
	struct poller *p = loop->data;

	assert(p->items == 0 && list_empty(&p->turns));
	uv_close((uv_handle_t *)&p->alive, on_handle_closed);
	uv_run(loop, UV_RUN_NOWAIT);
}
