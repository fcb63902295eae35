#include "roles/jobd/jd_zmq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/stat/stat.h"
#include "roles/jobd/jd_zmq_private.h"

enum { LINGER = 1000, SOON = 1, ADDRESS = 256 };

/* ---- rules ------------------------------------------------------------------------------ */

static void check_addresses(const struct conf_item *item, const char *key, char *const *addresses,
			    struct conf_errors *errors)
{
	for (; item && *addresses; addresses++)
		if (strncmp(*addresses, "tcp://", 6) != 0 && strncmp(*addresses, "ipc://", 6) != 0)
			conf_error(errors, item, key,
				   "'%s': neither tcp://address:port nor ipc:///path", *addresses);
}

static void check_keys(const struct conf_item *item, const char *name, const char *key,
		       struct conf_errors *errors)
{
	uint8_t binary[32];

	if (strlen(key) != 40 || !zmq_z85_decode(binary, key))
		conf_error(errors, item, name,
			   "not 40 characters of Z85, as zmq_curve_keypair writes "
			   "a key");
}

void jd_zmq_check(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_item *item = conf_find(conf, "jobd", "");
	const struct jd_keys *k = jd_keys_of(conf);

	check_addresses(item, "zeromq", k->zeromq, errors);
	check_addresses(item, "zeromq_pull", k->zeromq_pull, errors);
	if (k->zeromq_secret && *k->zeromq_secret)
		check_keys(item, "zeromq_secret", k->zeromq_secret, errors);
	for (char *const *c = k->zeromq_clients; *c; c++)
		check_keys(item, "zeromq_clients", *c, errors);
	for (char *const *u = k->zeromq_users; *u; u++)
		if (!strchr(*u, ':') || **u == ':')
			conf_error(errors, item, "zeromq_users", "a word is not name:password");
	if (*k->zeromq_clients && (!k->zeromq_secret || !*k->zeromq_secret))
		conf_error(errors, item, "zeromq_clients", "they need zeromq_secret");
	if (*k->zeromq_users && k->zeromq_secret && *k->zeromq_secret)
		conf_error(errors, item, "zeromq_users", "either these or zeromq_secret");
}

/* ---- waking up ---------------------------------------------------------------------------- */

static void look(struct jd_zmq_socket *s)
{
	s->more = false;
	s->on_readable(s);
	if (s->more)
		jd_zmq_wake(s->z, SOON);
}

static void on_again(uv_timer_t *t)
{
	struct jd_zmq *z = t->data;
	struct list *it, *tmp;

	list_each (it, tmp, &z->sockets) {
		look(container_of(it, struct jd_zmq_socket, link));
	}
}

/* What is due sooner stays. */
void jd_zmq_wake(struct jd_zmq *z, uint64_t ms)
{
	if (!z->closing &&
	    (!uv_is_active((uv_handle_t *)&z->again) || uv_timer_get_due_in(&z->again) > ms))
		uv_timer_start(&z->again, on_again, ms, 0);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	look(p->data);
}

bool jd_zmq_receive(void *socket, char **part, size_t *n, bool *more)
{
	zmq_msg_t m;

	zmq_msg_init(&m);
	if (zmq_msg_recv(&m, socket, ZMQ_DONTWAIT) < 0) {
		zmq_msg_close(&m);
		return false;
	}
	*n = zmq_msg_size(&m);
	*more = zmq_msg_more(&m);
	*part = mem_resize(NULL, *n + 1);
	memcpy(*part, zmq_msg_data(&m), *n);
	(*part)[*n] = '\0';
	zmq_msg_close(&m);
	return true;
}

/* ---- its life ------------------------------------------------------------------------------- */

static int failed(struct err *err, const char *what)
{
	return err_set(err, -zmq_errno(), "zeromq: %s: %s", what, zmq_strerror(zmq_errno()));
}

struct jd_zmq_socket *jd_zmq_socket_new(struct jd_zmq *z, int type, struct err *err)
{
	struct jd_zmq_socket *s = mem_new(sizeof(*s));
	int fd = -1;
	size_t size = sizeof(fd);

	s->z = z;
	s->is_pull = type == ZMQ_PULL;
	s->socket = zmq_socket(z->context, type);
	if (!s->socket || zmq_getsockopt(s->socket, ZMQ_FD, &fd, &size) != 0 ||
	    uv_poll_init(z->jd->api->loop, &s->poll, fd) != 0) {
		failed(err, "a socket");
		if (s->socket)
			zmq_close(s->socket);
		free(s);
		return NULL;
	}
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_poll);
	z->open++;
	list_append(&z->sockets, &s->link);
	return s;
}

static void limit(struct jd_zmq_socket *s)
{
	const struct jd_keys *k = s->z->jd->keys;
	int queue = (int)k->zeromq_queue, answers = (int)k->zeromq_answers, one = 1;
	int linger = LINGER;
	int64_t most = k->max_job;

	zmq_setsockopt(s->socket, ZMQ_RCVHWM, &queue, sizeof(queue));
	zmq_setsockopt(s->socket, ZMQ_SNDHWM, &answers, sizeof(answers));
	zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &most, sizeof(most));
	zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof(linger));
	if (!s->is_pull)
		zmq_setsockopt(s->socket, ZMQ_ROUTER_MANDATORY, &one, sizeof(one));
}

static int listen_to(struct jd_zmq *z, int type, char *const *addresses, struct err *err)
{
	char bound[ADDRESS];

	if (!*addresses)
		return 0;
	struct jd_zmq_socket *s = jd_zmq_socket_new(z, type, err);
	if (!s)
		return err->code;
	s->on_readable = jd_zmq_take;
	limit(s);
	int rc = jd_zmq_auth_set(s, err);
	for (; rc == 0 && *addresses; addresses++) {
		size_t n = sizeof(bound);
		int is_v6 = strchr(*addresses, '[') != NULL;
		zmq_setsockopt(s->socket, ZMQ_IPV6, &is_v6, sizeof(is_v6));
		if (zmq_bind(s->socket, *addresses) != 0)
			rc = failed(err, *addresses);
		else if (zmq_getsockopt(s->socket, ZMQ_LAST_ENDPOINT, bound, &n) == 0)
			log_info("listening on %s zeromq%s", bound, s->is_pull ? " (pull)" : "");
	}
	return rc;
}

int jd_zmq_open(struct jd_zmq **out, struct jd *jd, struct err *err)
{
	const struct jd_keys *k = jd->keys;

	if (!*k->zeromq && !*k->zeromq_pull)
		return 0;
	struct jd_zmq *z = mem_new(sizeof(*z));
	z->jd = jd;
	z->context = zmq_ctx_new();
	list_init(&z->sockets);
	uv_timer_init(jd->api->loop, &z->again);
	z->again.data = z;
	z->open = 1;
	jd->api->open++;
	*out = z;
	int rc = jd_zmq_auth_open(z, err);
	if (rc == 0)
		rc = listen_to(z, ZMQ_ROUTER, k->zeromq, err);
	if (rc == 0)
		rc = listen_to(z, ZMQ_PULL, k->zeromq_pull, err);
	return rc;
}

void jd_zmq_drain(struct jd_zmq *z)
{
	if (z)
		z->draining = true;
}

/* ---- its end: answers go out by libzmq's threads, which takes up to LINGER --------------------
 */

static void end_context(uv_work_t *w)
{
	struct jd_zmq *z = container_of(w, struct jd_zmq, ending);

	zmq_ctx_term(z->context);
}

static void on_ended(uv_work_t *w, int status)
{
	struct jd_zmq *z = container_of(w, struct jd_zmq, ending);
	struct api *api = z->jd->api;

	(void)status;
	z->jd->zmq = NULL;
	free(z);
	api->open--;
	api_settle(api);
}

static void closed_one(struct jd_zmq *z)
{
	if (--z->open == 0)
		uv_queue_work(z->jd->api->loop, &z->ending, end_context, on_ended);
}

static void on_timer_closed(uv_handle_t *h)
{
	closed_one(h->data);
}

static void on_poll_closed(uv_handle_t *h)
{
	struct jd_zmq_socket *s = h->data;
	struct jd_zmq *z = s->z;

	if (s->held.n)
		log_warn("zeromq: a message that could not be stored is lost");
	jd_zmq_message_fini(&s->held);
	zmq_close(s->socket);
	free(s);
	closed_one(z);
}

void jd_zmq_settle(struct jd_zmq *z)
{
	struct list *it, *tmp;

	if (!z->closing || z->pending || uv_is_closing((uv_handle_t *)&z->again))
		return;
	list_each (it, tmp, &z->sockets) {
		struct jd_zmq_socket *s = container_of(it, struct jd_zmq_socket, link);
		list_remove(&s->link);
		uv_close((uv_handle_t *)&s->poll, on_poll_closed);
	}
	uv_close((uv_handle_t *)&z->again, on_timer_closed);
}

void jd_zmq_close(struct jd_zmq *z)
{
	if (!z || z->closing)
		return;
	z->closing = true;
	for (struct list *it = z->sockets.next; it != &z->sockets; it = it->next)
		uv_poll_stop(&container_of(it, struct jd_zmq_socket, link)->poll);
	uv_timer_stop(&z->again);
	jd_zmq_settle(z);
}

void jd_zmq_status(const struct jd_zmq *z, const char *name, struct stat_out *out)
{
	if (!z)
		return;
	stat_table(out, name, "Tasks by ZeroMQ.");
	stat_row(out);
	stat_counter(out, "received", "Messages.", (double)z->received);
	stat_counter(out, "accepted", "Tasks that the store has.", (double)z->accepted);
	stat_counter(out, "refused", "Messages that were none, or could not be taken.",
		     (double)z->refused);
	stat_counter(out, "lost", "Answers to clients that had gone, or did not read.",
		     (double)z->lost);
	stat_counter(out, "strangers", "Clients that were not let in.", (double)z->strangers);
}
