#include "roles/sqlproxy/sp_worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_digest.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_kill.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxy.h"

enum { PAUSE_TICKS = 4, SWEEP_TICKS = 20, SILENT_MS = 250 };

struct sp_call {
	struct sp_call *next;
	void (*fn)(struct sp_worker *w, void *arg);
	void *arg;
	uv_sem_t *done; /* NULL: nobody waits; the call is freed here */
};

/* ---- calls ----------------------------------------------------------------- */

static void push(struct sp_worker *w, struct sp_call *call)
{
	uv_mutex_lock(&w->lock);
	if (w->calls_last)
		w->calls_last->next = call;
	else
		w->calls = call;
	w->calls_last = call;
	uv_mutex_unlock(&w->lock);
	uv_async_send(&w->async);
}

void sp_worker_call(struct sp_worker *w, void (*fn)(struct sp_worker *w, void *arg), void *arg)
{
	uv_sem_t done;
	struct sp_call call = { .fn = fn, .arg = arg, .done = &done };

	uv_sem_init(&done, 0);
	push(w, &call);
	uv_sem_wait(&done);
	uv_sem_destroy(&done);
}

void sp_worker_post(struct sp_worker *w, void (*fn)(struct sp_worker *w, void *arg), void *arg)
{
	struct sp_call *call = mem_new(sizeof(*call));

	call->fn = fn;
	call->arg = arg;
	push(w, call);
}

static struct sp_call *take_calls(struct sp_worker *w)
{
	uv_mutex_lock(&w->lock);
	struct sp_call *calls = w->calls;
	w->calls = w->calls_last = NULL;
	uv_mutex_unlock(&w->lock);
	return calls;
}

static void on_async(uv_async_t *h)
{
	struct sp_worker *w = h->data;
	struct sp_call *call = take_calls(w);

	w->now = uv_now(&w->loop);
	while (call) {
		struct sp_call *next = call->next;
		uv_sem_t *done = call->done;
		call->fn(w, call->arg);
		if (done)
			uv_sem_post(done); /* the call is the waiter's, and gone now */
		else
			free(call);
		call = next;
	}
}

/* ---- listening --------------------------------------------------------------- */

/* Out of descriptors: who connects waits in the kernel's queue, and we do not spin. */
static void pause_accepting(struct sp_worker *w, int error)
{
	w->figures.accept_failures++;
	w->accept_pause = PAUSE_TICKS;
	log_error("can't accept: %s; pausing for %d ms clients=%u", strerror(error),
		  PAUSE_TICKS * SP_TICK_MS, w->clients_count);
	for (int i = 0; i < w->listeners_count; i++)
		if (w->listeners[i].open)
			poller_ask(&w->listeners[i].item, 0);
}

/* One for each turn: who is left is told again, without a call that finds nobody. */
static void on_incoming(struct poller_item *item, unsigned events)
{
	struct sp_listener *l = container_of(item, struct sp_listener, item);
	struct sp_worker *w = l->worker;
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);

	(void)events;
	w->now = uv_now(&w->loop);
	int fd = accept4(item->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		sp_client_accept(w, fd, &peer);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		pause_accepting(w, errno);
}

static void listen_again(struct sp_worker *w)
{
	if (w->accept_pause == 0 || --w->accept_pause > 0)
		return;
	for (int i = 0; i < w->listeners_count; i++)
		if (w->listeners[i].open)
			poller_ask(&w->listeners[i].item, EPOLLIN);
}

static void open_listeners(struct sp_worker *w, const int *fds, int count)
{
	int one = 1;

	for (int i = 0; i < count && i < SP_LISTENERS_MAX; i++) {
		struct sp_listener *l = &w->listeners[w->listeners_count++];
		l->worker = w;
		l->open = true;
		w->listeners_open++; /* what is accepted has the option from it */
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		poller_open(&l->item, &w->loop, fds[i], EPOLLIN, on_incoming);
	}
}

static void on_listener_closed(struct poller_item *item)
{
	struct sp_worker *w = container_of(item, struct sp_listener, item)->worker;

	w->listeners_open--;
	sp_worker_settle(w);
}

static void close_listeners(struct sp_worker *w)
{
	for (int i = 0; i < w->listeners_count; i++) {
		if (!w->listeners[i].open)
			continue;
		w->listeners[i].open = false;
		poller_close(&w->listeners[i].item, on_listener_closed);
	}
}

/* ---- time ----------------------------------------------------------------------- */

static void tick_logins(struct sp_worker *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->logins) {
		struct sp_client *c = container_of(it, struct sp_client, link);
		if (c->state == SP_CLIENT_WAITING || c->state == SP_CLIENT_BUSY)
			continue; /* a pool's own deadline watches */
		if (c->deadline && w->now >= c->deadline)
			sp_client_close(c, "the login takes too long");
		else
			sp_login_tick(c);
	}
}

/* Those who read their last words get a second for it. */
static void tick_lingering(struct sp_worker *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->lingering) {
		struct sp_client *c = container_of(it, struct sp_client, link);
		if (w->now >= c->deadline)
			sp_client_close(c, "lingered for long enough");
	}
}

/* A statement that runs for too long is killed; the answer is the server's. */
static void kill_slow(struct sp_client *c)
{
	c->deadline = 0;
	log_warn("statement exceeds query_timeout, killed id=%u user=%s", c->id, c->user);
	sp_kill_here(c->worker, c->id, true);
}

static void check_client(struct sp_worker *w, struct sp_client *c)
{
	if (c->state == SP_CLIENT_CLOSING)
		return;

	const struct sp_main_conf *m = c->setup->main;
	const struct sp_database_conf *d = c->group->database->conf;
	uint64_t idle = w->now - c->last_read;
	bool ready = c->state == SP_CLIENT_READY;

	if (c->state == SP_CLIENT_BUSY && c->deadline && w->now >= c->deadline)
		kill_slow(c);
	else if (c->state == SP_CLIENT_WAITING && !c->pool && w->now >= c->deadline)
		sp_client_refused(c, 1040, "08004",
				  "troupe: LAST_INSERT_ID() could not be fetched");
	else if (ready && sp_pinned(&c->session, SP_PIN_TRX) && d->idle_transaction_timeout &&
		 idle > (uint64_t)d->idle_transaction_timeout)
		sp_client_close(c, "idle in a transaction for too long");
	else if (ready && m->client_idle_timeout && idle > (uint64_t)m->client_idle_timeout)
		sp_client_close(c, "idle for too long");
}

static void tick_clients(struct sp_worker *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->clients) {
		sp_worker_leave(container_of(it, struct sp_client, link));
		check_client(w, container_of(it, struct sp_client, link));
	}
}

static void on_tick(uv_timer_t *t)
{
	struct sp_worker *w = t->data;
	struct list *it, *tmp;

	w->now = uv_now(&w->loop);
	share_tick(&w->share, w->now, w->figures.queries, poller_crowd(&w->loop));
	listen_again(w);
	tick_logins(w);
	tick_lingering(w);
	list_each (it, tmp, &w->pools)
		sp_pool_tick(container_of(it, struct sp_pool, link));
	if (++w->sweep % SWEEP_TICKS == 0 || w->clients_count < 1000)
		tick_clients(w);
	sp_group_sweep(w);
}

/* ---- life ------------------------------------------------------------------------- */

static void run(void *arg)
{
	struct sp_worker *w = arg;

	share_init(&w->share);
	poller_run(&w->loop);
	poller_finish(&w->loop);
}

int sp_worker_start(struct sp_worker *w, struct sp_proxy *p, struct sp_setup *setup, const int *fds,
		    int fds_count)
{
	w->proxy = p;
	w->setup = sp_setup_hold(setup);
	w->random = (uint32_t)uv_hrtime() | 1;
	list_init(&w->clients);
	list_init(&w->logins);
	list_init(&w->pools);
	list_init(&w->groups);
	list_init(&w->closing);
	list_init(&w->lingering);
	w->scratch = mem_new(SP_SCRATCH);
	w->scratch2 = mem_new(SP_SCRATCH);
	uv_mutex_init(&w->lock);
	uv_loop_init(&w->loop);
	uv_async_init(&w->loop, &w->async, on_async);
	uv_timer_init(&w->loop, &w->tick);
	w->async.data = w->tick.data = w;
	w->now = uv_now(&w->loop);
	uv_timer_start(&w->tick, on_tick, SP_TICK_MS, SP_TICK_MS);
	sp_group_prepare(w);
	poller_prepare(&w->loop);
	open_listeners(w, fds, fds_count);
	w->running = true;
	return uv_thread_create(&w->thread, run, w);
}

static void close_all(struct sp_worker *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->logins)
		sp_client_close(container_of(it, struct sp_client, link), "the proxy stops");
	list_each (it, tmp, &w->clients)
		sp_client_close(container_of(it, struct sp_client, link), "the proxy stops");
	list_each (it, tmp, &w->lingering)
		sp_client_close(container_of(it, struct sp_client, link), "the proxy stops");
	list_each (it, tmp, &w->pools) {
		struct sp_pool *p = container_of(it, struct sp_pool, link);
		struct list *one, *next;
		list_each (one, next, &p->idle)
			sp_backend_close(container_of(one, struct sp_backend, link),
					 "the proxy stops");
		list_each (one, next, &p->busy)
			sp_backend_close(container_of(one, struct sp_backend, link),
					 "the proxy stops");
		list_each (one, next, &p->opening)
			sp_backend_close(container_of(one, struct sp_backend, link),
					 "the proxy stops");
	}
}

static void stop_here(struct sp_worker *w, void *arg)
{
	(void)arg;
	w->draining = w->stopping = true;
	close_listeners(w);
	close_all(w);
	sp_worker_settle(w);
}

/* No new clients; those that do nothing leave, the others when they have done it. */
static void drain_here(struct sp_worker *w, void *arg)
{
	struct list *it, *tmp;

	(void)arg;
	w->draining = true;
	close_listeners(w);
	list_each (it, tmp, &w->logins)
		sp_client_fail(container_of(it, struct sp_client, link), 1053, "08S01",
			       "Server shutdown in progress");
	list_each (it, tmp, &w->clients)
		sp_worker_leave(container_of(it, struct sp_client, link));
	sp_worker_settle(w);
}

/* Silent for a while and outside a transaction: no statement of its can be on the way. */
void sp_worker_leave(struct sp_client *c)
{
	bool idle = c->state == SP_CLIENT_READY && buf_len(&c->in) == 0 &&
		    !(c->session.pins & ~(1u << SP_PIN_MODE | SP_PINS_SOFT));

	if (c->worker->draining && idle && c->worker->now >= c->last_read + SILENT_MS)
		sp_client_close(c, "the proxy drains");
}

void sp_worker_drain(struct sp_worker *w)
{
	sp_worker_post(w, drain_here, NULL);
}

void sp_worker_settle(struct sp_worker *w)
{
	if (w->draining && w->clients_count == 0 && w->listeners_open == 0 && !w->drained) {
		w->drained = true;
		sp_proxy_drained(w->proxy);
	}
	if (!w->stopping || w->clients_count || w->connections_count || w->listeners_open ||
	    uv_is_closing((uv_handle_t *)&w->async))
		return;
	uv_close((uv_handle_t *)&w->async, NULL);
	uv_close((uv_handle_t *)&w->tick, NULL);
}

static void forget_calls(struct sp_worker *w)
{
	for (struct sp_call *call = take_calls(w), *next; call; call = next) {
		next = call->next;
		free(call);
	}
}

static void retire_groups(struct sp_worker *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->groups)
		sp_group_retire(container_of(it, struct sp_group, link));
}

void sp_worker_stop(struct sp_worker *w)
{
	sp_worker_post(w, stop_here, NULL);
	uv_thread_join(&w->thread);
	w->running = false;
	forget_calls(w);
	retire_groups(w);
	sp_group_sweep(w);
	uv_loop_close(&w->loop);
	uv_mutex_destroy(&w->lock);
	sp_digests_free(w->digests);
	sp_setup_drop(w->setup);
	free(w->scratch);
	free(w->scratch2);
}

static void change_here(struct sp_worker *w, void *arg)
{
	struct sp_setup *old = w->setup;

	w->setup = arg; /* the poster's hold is ours now */
	retire_groups(w);
	sp_group_prepare(w);
	sp_setup_drop(old);
}

void sp_worker_change(struct sp_worker *w, struct sp_setup *setup)
{
	sp_worker_post(w, change_here, sp_setup_hold(setup));
}
