/*
 * jd_zmq_auth - who may come in: libzmq asks by ZAP (RFC 27 of ZeroMQ), over a socket within the
 * process.
 *
 *	asked:    "1.0", request, domain, address, identity, mechanism, credentials ...
 *	answered: "1.0", request, "200" or "400", text, user, metadata
 *
 * PLAIN where users are configured, CURVE where a secret key is: with all who know the public key
 * that belongs to it, or with those alone whose keys are named.
 */
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "core/net/http_auth.h"
#include "roles/jobd/jd_zmq_private.h"

enum { ASKED = 8, KEY = 32 };

struct question {
	char *parts[ASKED];
	size_t sizes[ASKED];
	int n;
};

static bool is_curve(const struct jd_keys *k)
{
	return k->zeromq_secret && *k->zeromq_secret;
}

static bool is_guarded(const struct jd_keys *k)
{
	return is_curve(k) || *k->zeromq_users;
}

static bool knows_user(const struct jd_keys *k, const struct question *q)
{
	for (char *const *u = k->zeromq_users; q->n == 8 && *u; u++) {
		size_t name = strcspn(*u, ":"), password = strlen(*u + name + 1);
		if (q->sizes[6] == name && q->sizes[7] == password &&
		    memcmp(q->parts[6], *u, name) == 0 &&
		    http_auth_same(q->parts[7], *u + name + 1))
			return true;
	}
	return false;
}

static bool knows_key(const struct jd_keys *k, const struct question *q)
{
	uint8_t key[KEY];

	if (q->n != 7 || q->sizes[6] != KEY)
		return false;
	if (!*k->zeromq_clients)
		return true;
	for (char *const *c = k->zeromq_clients; *c; c++)
		if (zmq_z85_decode(key, *c) && memcmp(key, q->parts[6], KEY) == 0)
			return true;
	return false;
}

static void judge(struct jd_zmq *z, void *socket, const struct question *q)
{
	const struct jd_keys *k = z->jd->keys;
	bool good = q->n >= 6 && ((strcmp(q->parts[5], "PLAIN") == 0 && knows_user(k, q)) ||
				  (strcmp(q->parts[5], "CURVE") == 0 && knows_key(k, q)));

	if (!good) {
		z->strangers++;
		log_warn("zeromq: a client from %s was not let in", q->n > 3 ? q->parts[3] : "?");
	}
	zmq_send(socket, "1.0", 3, ZMQ_DONTWAIT | ZMQ_SNDMORE);
	zmq_send(socket, q->n > 1 ? q->parts[1] : "", q->n > 1 ? q->sizes[1] : 0,
		 ZMQ_DONTWAIT | ZMQ_SNDMORE);
	zmq_send(socket, good ? "200" : "400", 3, ZMQ_DONTWAIT | ZMQ_SNDMORE);
	zmq_send(socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);
	zmq_send(socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);
	zmq_send(socket, "", 0, ZMQ_DONTWAIT);
}

static void on_asked(struct jd_zmq_socket *s)
{
	struct question q = { .n = 0 };
	bool more = true;
	char *part;
	size_t n;

	while (jd_zmq_receive(s->socket, &part, &n, &more)) {
		if (q.n < ASKED) {
			q.parts[q.n] = part;
			q.sizes[q.n++] = n;
		} else {
			free(part);
		}
		if (more)
			continue;
		judge(s->z, s->socket, &q);
		while (q.n)
			free(q.parts[--q.n]);
	}
}

int jd_zmq_auth_open(struct jd_zmq *z, struct err *err)
{
	if (!is_guarded(z->jd->keys))
		return 0;
	struct jd_zmq_socket *s = jd_zmq_socket_new(z, ZMQ_REP, err);
	if (!s)
		return err->code;
	s->on_readable = on_asked;
	if (zmq_bind(s->socket, "inproc://zeromq.zap.01") == 0)
		return 0;
	return err_set(err, -zmq_errno(), "zeromq: %s", zmq_strerror(zmq_errno()));
}

int jd_zmq_auth_set(struct jd_zmq_socket *s, struct err *err)
{
	const struct jd_keys *k = s->z->jd->keys;
	int on = 1, rc = 0;

	if (!is_guarded(k))
		return 0;
	zmq_setsockopt(s->socket, ZMQ_ZAP_DOMAIN, "jobd", 4);
	if (is_curve(k))
		rc = zmq_setsockopt(s->socket, ZMQ_CURVE_SERVER, &on, sizeof(on)) |
		     zmq_setsockopt(s->socket, ZMQ_CURVE_SECRETKEY, k->zeromq_secret, 41);
	else
		rc = zmq_setsockopt(s->socket, ZMQ_PLAIN_SERVER, &on, sizeof(on));
	return rc == 0 ? 0
		       : err_set(err, UV_EINVAL, "zeromq: %s",
				 "this libzmq knows no such protection");
}
