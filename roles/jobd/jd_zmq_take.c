/*
 * jd_zmq_take - a message becomes a task; its commit becomes an answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/api/spec.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/jobd/jd_zmq_private.h"

enum { PENDING = 4096, HOLD = 100 };

/* Who is to be answered. */
struct ask {
	struct jd_zmq_socket *s;
	char *who, *id;
	size_t who_size;
	bool is_req; /* an empty part stands behind who it is */
};

void jd_zmq_message_fini(struct jd_zmq_message *m)
{
	for (int i = 0; i < JD_ZMQ_PARTS; i++)
		free(m->parts[i]);
	*m = (struct jd_zmq_message){ .n = 0 };
}

/* All parts of a message are there at once, or none. */
static bool receive(struct jd_zmq_socket *s, struct jd_zmq_message *m)
{
	bool more = true;

	for (*m = (struct jd_zmq_message){ .n = 0 }; more; m->n++) {
		char *part;
		size_t size;
		if (!jd_zmq_receive(s->socket, &part, &size, &more))
			break;
		if (m->n < JD_ZMQ_PARTS) {
			m->parts[m->n] = part;
			m->sizes[m->n] = size;
		} else {
			free(part);
		}
	}
	return m->n > 0;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static bool send_part(struct ask *a, const void *p, size_t n, bool more)
{
	return zmq_send(a->s->socket, p, n, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

/* The first part finds out whether it can go: the others go then, too. */
static void answer(struct ask *a, const char *word, const char *text)
{
	struct jd_zmq *z = a->s->z;

	if (a->s->is_pull)
		return;
	if (!send_part(a, a->who, a->who_size, true)) {
		z->lost++;
		return;
	}
	if (a->is_req)
		send_part(a, "", 0, true);
	send_part(a, a->id, strlen(a->id), true);
	send_part(a, word, strlen(word), true);
	send_part(a, text, strlen(text), false);
}

static void refuse(struct ask *a, const char *why)
{
	a->s->z->refused++;
	answer(a, "err", why);
	if (a->s->is_pull)
		log_warn("zeromq: a message was dropped: %s", why);
}

static void ask_free(struct ask *a)
{
	free(a->who);
	free(a->id);
	free(a);
}

static void on_submitted(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct ask *a = data;
	struct jd_zmq *z = a->s->z;
	char id[IDENT_LEN + 1];

	(void)n;
	z->pending--;
	if (status != 0) {
		refuse(a, uv_strerror(status));
	} else if (receipts->conflict) {
		refuse(a, "conflict: another task has that key");
	} else {
		z->accepted++;
		if (!*a->id) {
			ident_write(receipts->id, id);
			free(a->id);
			a->id = mem_str(id);
		}
		answer(a, "ok", receipts->duplicate ? "duplicate" : "");
	}
	jd_zmq_wake(z, 0); /* what was sent may have hidden what has come */
	ask_free(a);
	jd_zmq_settle(z);
}

/* ---- questions --------------------------------------------------------------------------------
 */

/* 0; else a sentence in *f: 503 and 429 may be otherwise later. */
static int submit(struct ask *a, const struct jd_zmq_message *m, int first, struct api_fault *f)
{
	struct jd_zmq *z = a->s->z;
	struct api *api = z->jd->api;
	struct api_spec spec;
	struct json options;
	int rc = 0;

	api_spec_init(&spec);
	if (m->sizes[first + 2] &&
	    json_read(&options, m->parts[first + 2], m->sizes[first + 2], NULL) != 0)
		rc = api_fault(f, 400, "options", "options: not JSON");
	else if (m->sizes[first + 2])
		rc = api_spec_read(&spec, &options, f);
	spec.spec.topic = m->parts[first];
	spec.spec.ext_id = *a->id ? a->id : NULL;
	spec.spec.payload = m->parts[first + 3];
	spec.spec.size = m->sizes[first + 3];
	if (rc == 0)
		rc = api_spec_finish(api, &spec, f);
	if (rc == 0 && work_submit(api->work, &spec.spec, 1, on_submitted, a) != 0)
		rc = api_fault(f, 503, NULL, "the store fails, nothing new is taken");
	api_spec_fini(&spec);
	z->pending += rc == 0;
	return rc;
}

static const char *shape(const struct jd_zmq_message *m, int first)
{
	if (m->n - first != 4)
		return "a message has four parts: topic, id, options, payload";
	const char *id = m->parts[first + 1];
	if (strlen(m->parts[first]) != m->sizes[first] || strlen(id) != m->sizes[first + 1])
		return "topic or id: a zero byte is in it";
	if (*id && !api_id_is_good(id))
		return "id: up to 200 letters, digits and . _ : -";
	return NULL;
}

/* false: it is to be held, and tried again. */
static bool take(struct jd_zmq_socket *s, struct jd_zmq_message *m)
{
	struct ask *a = mem_new(sizeof(*a));
	struct api_fault f = { .status = 0 };
	int first = 0;

	a->s = s;
	if (!s->is_pull) {
		a->who = m->parts[0];
		a->who_size = m->sizes[0];
		m->parts[0] = NULL;
		a->is_req = m->n > 1 && m->sizes[1] == 0;
		first = a->is_req ? 2 : 1;
	}
	const char *why = shape(m, first);
	a->id = mem_str(why ? "" : m->parts[first + 1]);
	if (!why && s->z->draining)
		why = "the server is about to end";
	if (!why && submit(a, m, first, &f) == 0)
		return true;
	bool later = s->is_pull && (f.status == 503 || f.status == 429);
	if (!later)
		refuse(a, why ? why : f.text);
	ask_free(a);
	return !later;
}

static bool has_more(void *socket)
{
	int events = 0;
	size_t n = sizeof(events);

	return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &n) == 0 && events & ZMQ_POLLIN;
}

void jd_zmq_take(struct jd_zmq_socket *s)
{
	struct jd_zmq *z = s->z;

	if (s->is_pull && z->draining) /* what is not taken stays with who sent it */
		return;
	for (int i = 0; i < JD_ZMQ_TURN && z->pending < PENDING && !z->closing; i++) {
		if (!s->held.n && (!has_more(s->socket) || !receive(s, &s->held)))
			return;
		if (!take(s, &s->held)) {
			jd_zmq_wake(z, HOLD);
			return;
		}
		z->received++;
		jd_zmq_message_fini(&s->held);
	}
	s->more = z->pending < PENDING;
}
