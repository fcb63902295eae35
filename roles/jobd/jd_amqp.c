#include "roles/jobd/jd_amqp.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/jobd/jd_amqp_parts.h"

enum {
	STACK = 64 << 20
}; /* tables in tables, as deep as a frame can hold them; never touched else */

int jd_amqp_url_check(const char *url, struct err *err)
{
	struct amqp_connection_info info;
	char *copy = mem_str(url);
	int rc = 0;

	if (strncmp(url, "amqp://", 7) != 0 && strncmp(url, "amqps://", 8) != 0)
		rc = err_set(err, ERR_CONF, "neither amqp:// nor amqps://");
	else if (amqp_parse_url(copy, &info) != 0)
		rc = err_set(err, ERR_CONF,
			     "not amqp[s]://[user[:password]@]host[:port][/vhost], or "
			     "not well encoded");
	else if (!*info.host)
		rc = err_set(err, ERR_CONF, "names no host");
	free(copy);
	return rc;
}

/* ---- between the two ------------------------------------------------------------------------- */

static void release(struct jd_amqp *a)
{
	struct list *it, *tmp;

	uv_mutex_lock(&a->lock);
	int refs = --a->refs;
	uv_mutex_unlock(&a->lock);
	if (refs > 0)
		return;
	list_move_all(&a->in, &a->giving);
	list_each (it, tmp, &a->in) {
		jd_amqp_order_free(container_of(it, struct jd_amqp_order, link));
	}
	list_each (it, tmp, &a->out) {
		free(container_of(it, struct jd_amqp_event, link));
	}
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	uv_mutex_destroy(&a->lock);
	free(a->url);
	free(a->name);
	free(a->tls_ca);
	free(a);
}

static void *run(void *arg)
{
	struct jd_amqp *a = arg;
	static const uint64_t one = 1;

	jd_amqp_thread(a);
	uv_mutex_lock(&a->lock);
	a->over = true;
	if (!a->deaf && write(a->bell.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN); /* it has been rung often enough */
	uv_mutex_unlock(&a->lock);
	release(a);
	return NULL;
}

static void wake(struct jd_amqp *a)
{
	static const uint64_t one = 1;

	while (write(a->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Whatever the thread waits for there ends. */
static void end_socket(struct jd_amqp *a, bool stuck)
{
	uv_mutex_lock(&a->lock);
	a->stuck = stuck && a->fd >= 0;
	if (a->fd >= 0)
		shutdown(a->fd, SHUT_RDWR);
	uv_mutex_unlock(&a->lock);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void one_less(struct jd_amqp *a)
{
	if (--a->handles > 0)
		return;
	void (*done)(void *) = a->done;
	void *data = a->done_data;
	release(a);
	done(data);
}

static void on_bell_closed(struct poller_item *i)
{
	one_less(container_of(i, struct jd_amqp, bell));
}

static void on_timer_closed(uv_handle_t *h)
{
	one_less(h->data);
}

static void leave(struct jd_amqp *a)
{
	if (uv_is_closing((uv_handle_t *)&a->timer))
		return;
	uv_mutex_lock(&a->lock);
	a->deaf = true;
	uv_mutex_unlock(&a->lock);
	poller_close(&a->bell, on_bell_closed);
	uv_close((uv_handle_t *)&a->timer, on_timer_closed);
}

static void on_late(uv_timer_t *t)
{
	struct jd_amqp *a = t->data;

	end_socket(a, false);
	leave(a);
}

void jd_amqp_close(struct jd_amqp *a, uint64_t most, void (*done)(void *data), void *data)
{
	assert(!a->closed);
	a->done = done;
	a->done_data = data;
	a->closed = true;
	jd_amqp_send(a);
	uv_mutex_lock(&a->lock);
	a->closing = true;
	uv_mutex_unlock(&a->lock);
	if (!a->epoch)
		end_socket(a, false);
	uv_timer_start(&a->timer, on_late, most, 0);
	wake(a);
}

/* ---- what it says -------------------------------------------------------------------------------
 */

static void tell(struct jd_amqp *a, struct jd_amqp_event *e)
{
	if (e->what == JD_AMQP_UP)
		a->epoch = (unsigned)e->tag;
	else if (e->what == JD_AMQP_DOWN)
		a->epoch = 0;
	if (a->closed || !a->conf.on_event(a->conf.data, e))
		free(e);
}

static void on_bell(struct poller_item *i, unsigned events)
{
	struct jd_amqp *a = container_of(i, struct jd_amqp, bell);
	struct list told, *it, *tmp;
	uint64_t rung;

	(void)events;
	if (read(i->fd, &rung, sizeof(rung)) < 0)
		return;
	list_init(&told);
	uv_mutex_lock(&a->lock);
	list_move_all(&told, &a->out);
	bool over = a->over;
	uv_mutex_unlock(&a->lock);
	list_each (it, tmp, &told) {
		list_init(it);
		tell(a, container_of(it, struct jd_amqp_event, link));
	}
	if (over)
		leave(a);
}

void jd_amqp_look(struct jd_amqp *a)
{
	uint64_t since = __atomic_load_n(&a->busy, __ATOMIC_RELAXED);

	if (since && uv_hrtime() - since > a->conf.timeout * 1000000)
		end_socket(a, true);
}

/* ---- its life
 * -------------------------------------------------------------------------------------- */

static void start(struct jd_amqp *a)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	int rc = pthread_create(&thread, &attr, run, a);
	pthread_attr_destroy(&attr);
	assert(rc == 0); /* without threads nothing of this process would work */
	(void)rc;
}

struct jd_amqp *jd_amqp_new(uv_loop_t *loop, const struct jd_amqp_conf *conf, struct err *err)
{
	struct jd_amqp *a = mem_new(sizeof(*a));
	int bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	a->loop = loop;
	a->conf = *conf;
	a->conf.url = a->url = mem_str(conf->url);
	a->conf.name = a->name = mem_str(conf->name);
	a->conf.tls_ca = a->tls_ca = conf->tls_ca && *conf->tls_ca ? mem_str(conf->tls_ca) : NULL;
	a->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	a->fd = -1;
	a->refs = 2;
	a->handles = 2;
	list_init(&a->giving);
	list_init(&a->in);
	list_init(&a->out);
	uv_mutex_init(&a->lock);
	int rc = bell < 0 || a->wake_fd < 0 ? -errno
					    : poller_open(&a->bell, loop, bell, EPOLLIN, on_bell);
	if (rc != 0) {
		err_set(err, rc, "eventfd: %s", uv_strerror(rc));
		if (bell >= 0)
			close(bell);
		a->refs = 1;
		release(a);
		return NULL;
	}
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	start(a);
	return a;
}

/* ---- orders -----------------------------------------------------------------------------------
 */

void jd_amqp_order_free(struct jd_amqp_order *o)
{
	for (int i = 0; o->queue && i < JD_AMQP_ARGS; i++)
		free((char *)o->queue->args[i].text);
	free(o->queue);
	free(o->name);
	free(o->bytes);
	free(o->error);
	free(o);
}

static struct jd_amqp_order *order(struct jd_amqp *a, enum jd_amqp_order_what what,
				   unsigned channel, const char *name)
{
	struct jd_amqp_order *o = mem_new(sizeof(*o));

	assert(channel >= 1 && channel <= a->conf.channels);
	o->what = what;
	o->channel = channel;
	o->epoch = a->epoch;
	o->name = mem_str(name);
	list_append(&a->giving, &o->link);
	return o;
}

void jd_amqp_open(struct jd_amqp *a, unsigned channel, bool confirms)
{
	order(a, JD_AMQP_SAY_OPEN, channel, NULL)->flag = confirms;
}

void jd_amqp_declare(struct jd_amqp *a, unsigned channel, const struct jd_amqp_queue *q)
{
	struct jd_amqp_order *o = order(a, JD_AMQP_SAY_DECLARE, channel, q->name);

	o->queue = mem_new(sizeof(*q));
	*o->queue = *q;
	o->queue->name = o->name;
	for (int i = 0; i < JD_AMQP_ARGS; i++)
		o->queue->args[i].text = mem_str(q->args[i].text);
}

void jd_amqp_consume(struct jd_amqp *a, unsigned channel, const char *queue, int prefetch)
{
	order(a, JD_AMQP_SAY_CONSUME, channel, queue)->number = prefetch;
}

void jd_amqp_cancel(struct jd_amqp *a, unsigned channel)
{
	order(a, JD_AMQP_SAY_CANCEL, channel, NULL);
}

void jd_amqp_ack(struct jd_amqp *a, unsigned channel, uint64_t tag, bool multiple)
{
	struct jd_amqp_order *o = order(a, JD_AMQP_SAY_ACK, channel, NULL);

	o->tag = tag;
	o->flag = multiple;
}

void jd_amqp_give_back(struct jd_amqp *a, unsigned channel, uint64_t tag)
{
	order(a, JD_AMQP_SAY_GIVE_BACK, channel, NULL)->tag = tag;
}

void jd_amqp_get(struct jd_amqp *a, unsigned channel, const char *queue)
{
	order(a, JD_AMQP_SAY_GET, channel, queue);
}

void jd_amqp_publish(struct jd_amqp *a, unsigned channel, const char *queue,
		     const struct jd_amqp_message *m, const struct jd_amqp_state *state)
{
	struct jd_amqp_order *o = order(a, JD_AMQP_SAY_PUBLISH, channel, queue);

	o->message = *m;
	o->bytes = mem_new(m->size + m->n_props + 1);
	if (m->size)
		memcpy(o->bytes, m->body, m->size);
	if (m->n_props)
		memcpy(o->bytes + m->size, m->props, m->n_props);
	o->message.body = o->bytes;
	o->message.props = o->bytes + m->size;
	o->flag = state != NULL;
	if (!state)
		return;
	o->state = *state;
	o->state.error = o->error = mem_str(state->error);
}

void jd_amqp_send(struct jd_amqp *a)
{
	if (list_empty(&a->giving))
		return;
	uv_mutex_lock(&a->lock);
	bool first = list_empty(&a->in);
	list_move_all(&a->in, &a->giving);
	uv_mutex_unlock(&a->lock);
	if (first)
		wake(a);
}
