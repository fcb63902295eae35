/*
 * jd_amqp_thread - the life of a connection: dial, log in, say what is ordered and hear what comes,
 * until it breaks; then anew, more and more slowly.
 */
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/tls.h"
#include "roles/jobd/jd_amqp_parts.h"

enum { AT_ONCE = 768, FRAME = 131072, RETRY_LEAST = 100, GOODBYE = 1000 };

/* ---- to the loop
 * --------------------------------------------------------------------------------- */

struct jd_amqp_event *jd_amqp_event_new(enum jd_amqp_what what, unsigned channel, const char *text,
					size_t n)
{
	struct jd_amqp_event *e = mem_new(sizeof(*e) + n + 1);
	char *room = (char *)(e + 1);

	e->what = what;
	e->channel = channel;
	e->text = room;
	if (n)
		memcpy(room, text, n);
	return e;
}

static void give(struct jd_amqp_link *l)
{
	struct jd_amqp *a = l->a;
	static const uint64_t one = 1;

	if (list_empty(&l->events))
		return;
	uv_mutex_lock(&a->lock);
	bool first = list_empty(&a->out);
	list_move_all(&a->out, &l->events);
	while (first && !a->deaf && write(a->bell.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	uv_mutex_unlock(&a->lock);
}

static void busy(struct jd_amqp *a, bool is)
{
	__atomic_store_n(&a->busy, is ? uv_hrtime() : 0, __ATOMIC_RELAXED);
}

static bool is_closing(struct jd_amqp *a)
{
	uv_mutex_lock(&a->lock);
	bool is = a->closing;
	uv_mutex_unlock(&a->lock);
	return is;
}

/* ---- up
 * -------------------------------------------------------------------------------------------- */

static int fail(struct jd_amqp_link *l, const char *what, int code)
{
	snprintf(l->why, sizeof(l->why), "%s: %s", what, amqp_error_string2(code));
	return code;
}

static int trust(struct jd_amqp_link *l, amqp_socket_t *s, const char *host)
{
	const struct jd_amqp_conf *c = &l->a->conf;

	/* Its own look at the name knows no addresses; OpenSSL's does. */
	amqp_ssl_socket_set_verify_peer(s, c->tls_verify);
	amqp_ssl_socket_set_verify_hostname(s, 0);
	tls_expect(amqp_ssl_socket_get_context(s), c->tls_verify ? host : NULL, !c->tls_ca);
	if (c->tls_ca) {
		int rc = amqp_ssl_socket_set_cacert(s, c->tls_ca);
		return rc == 0 ? 0 : fail(l, c->tls_ca, rc);
	}
	return 0;
}

/* Its copy, for the loop to end it by. */
static void show_socket(struct jd_amqp_link *l, int fd)
{
	struct jd_amqp *a = l->a;

	uv_mutex_lock(&a->lock);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	a->stuck = false;
	uv_mutex_unlock(&a->lock);
}

static amqp_table_entry_t yes(const char *word)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(word),
				     .value = { .kind = AMQP_FIELD_KIND_BOOLEAN,
						.value.boolean = 1 } };
}

/* What it may tell us is asked for: that a queue has gone, that nothing may be published. */
static int log_in(struct jd_amqp_link *l, const struct amqp_connection_info *info)
{
	amqp_table_entry_t can[] = { yes("consumer_cancel_notify"), yes("connection.blocked"),
				     yes("basic.nack"), yes("publisher_confirms") };
	amqp_table_entry_t own[] = {
		{ .key = amqp_cstring_bytes("connection_name"),
		  .value = { .kind = AMQP_FIELD_KIND_UTF8,
			     .value.bytes = amqp_cstring_bytes(l->a->conf.name) } },
		{ .key = amqp_cstring_bytes("capabilities"),
		  .value = { .kind = AMQP_FIELD_KIND_TABLE,
			     .value.table = { .num_entries = 4, .entries = can } } },
	};
	const amqp_table_t more = { .num_entries = 2, .entries = own };
	const char *vhost = *info->vhost ? info->vhost : "/";
	amqp_rpc_reply_t r = amqp_login_with_properties(
		l->state, vhost, (int)l->a->conf.channels, FRAME, l->a->conf.heartbeat, &more,
		AMQP_SASL_METHOD_PLAIN, info->user, info->password);

	if (r.reply_type == AMQP_RESPONSE_NORMAL)
		return 0;
	if (r.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION)
		return fail(l, "logging in", r.library_error);
	if (r.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *c = r.reply.decoded;
		snprintf(l->why, sizeof(l->why), "%.*s", (int)c->reply_text.len,
			 (const char *)c->reply_text.bytes);
	} else {
		snprintf(l->why, sizeof(l->why), "logging in: it was refused");
	}
	return AMQP_STATUS_CONNECTION_CLOSED;
}

static struct timeval time_of(uint64_t ms)
{
	return (struct timeval){ .tv_sec = (time_t)(ms / 1000),
				 .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

static int dial(struct jd_amqp_link *l)
{
	struct jd_amqp *a = l->a;
	struct timeval most = time_of(a->conf.timeout);
	struct amqp_connection_info info;
	char *url = mem_str(a->conf.url);
	int rc = amqp_parse_url(url, &info);

	assert(rc == 0);
	l->state = amqp_new_connection();
	amqp_socket_t *s = info.ssl ? amqp_ssl_socket_new(l->state) : amqp_tcp_socket_new(l->state);
	assert(s);
	amqp_set_handshake_timeout(l->state, &most);
	amqp_set_rpc_timeout(l->state, &most);
	rc = info.ssl ? trust(l, s, info.host) : 0;
	if (rc == 0) {
		rc = amqp_socket_open_noblock(s, info.host, info.port, &most);
		if (rc != 0)
			fail(l, info.host, rc);
	}
	if (rc == 0) {
		show_socket(l, amqp_get_sockfd(l->state));
		rc = is_closing(a) ? AMQP_STATUS_TIMEOUT : log_in(l, &info);
	}
	free(url);
	return rc;
}

/* ---- as long as it is up
 * ------------------------------------------------------------------------------- */

static void nap(struct jd_amqp_link *l, int ms)
{
	struct jd_amqp *a = l->a;
	struct pollfd fds[2] = {
		{ .fd = a->wake_fd, .events = POLLIN },
		{ .fd = l->state ? amqp_get_sockfd(l->state) : -1, .events = POLLIN },
	};
	uint64_t rung;

	busy(a, false);
	if (poll(fds, 2, ms) > 0 && fds[0].revents && read(a->wake_fd, &rung, sizeof(rung)) < 0)
		assert(errno == EAGAIN);
}

static int say(struct jd_amqp_link *l)
{
	struct list orders;

	list_init(&orders);
	uv_mutex_lock(&l->a->lock);
	list_move_all(&orders, &l->a->in);
	uv_mutex_unlock(&l->a->lock);
	if (list_empty(&orders))
		return 0;
	int rc = jd_amqp_say(l, &orders);
	return rc == 0 ? 0 : fail(l, "sending", rc);
}

/* How many frames there were, or that it is over. */
static int hear(struct jd_amqp_link *l)
{
	struct timeval now = { 0 };
	amqp_frame_t frame;
	int n, rc = AMQP_STATUS_OK;

	for (n = 0; n < AT_ONCE && rc == AMQP_STATUS_OK; n++) {
		rc = amqp_simple_wait_frame_noblock(l->state, &frame, &now);
		if (rc == AMQP_STATUS_TIMEOUT)
			break;
		if (rc != AMQP_STATUS_OK)
			return fail(l, "receiving", rc);
		rc = jd_amqp_frame(l, &frame);
		if (frame.frame_type == AMQP_FRAME_BODY)
			amqp_maybe_release_buffers_on_channel(l->state, frame.channel);
	}
	amqp_maybe_release_buffers(l->state); /* all has been copied */
	if (rc != AMQP_STATUS_OK && rc != AMQP_STATUS_TIMEOUT && !*l->why)
		fail(l, "sending", rc);
	return rc == AMQP_STATUS_OK || rc == AMQP_STATUS_TIMEOUT ? n : rc;
}

static bool has_more(struct jd_amqp_link *l)
{
	return amqp_frames_enqueued(l->state) || amqp_data_in_buffer(l->state);
}

static void pump(struct jd_amqp_link *l)
{
	int beat = amqp_get_heartbeat(l->state), n;

	for (;;) {
		busy(l->a, true);
		bool closing = is_closing(l->a);
		if (say(l) != 0 || (n = hear(l)) < 0)
			return;
		give(l);
		if (closing) {
			struct timeval most = time_of(GOODBYE);
			amqp_set_rpc_timeout(l->state, &most);
			amqp_connection_close(l->state, AMQP_REPLY_SUCCESS);
			return;
		}
		if (n < AT_ONCE && !has_more(l))
			nap(l, beat > 0 ? beat * 500 : -1);
	}
}

/* ---- its life
 * -------------------------------------------------------------------------------------- */

static void tell_down(struct jd_amqp_link *l)
{
	uv_mutex_lock(&l->a->lock);
	bool stuck = l->a->stuck;
	uv_mutex_unlock(&l->a->lock);
	if (stuck)
		snprintf(l->why, sizeof(l->why), "it took nothing for too long");
	struct jd_amqp_event *e = jd_amqp_event_new(JD_AMQP_DOWN, 0, l->why, strlen(l->why));
	list_append(&l->events, &e->link);
	give(l);
}

static void drop_pieces(struct jd_amqp_link *l)
{
	for (unsigned c = 0; c <= l->a->conf.channels; c++)
		free(l->pieces[c].event);
	memset(l->pieces, 0, (l->a->conf.channels + 1) * sizeof(*l->pieces));
}

static void live_once(struct jd_amqp_link *l, uint64_t *up)
{
	*up = 0;
	l->why[0] = '\0';
	if (dial(l) == 0) {
		struct jd_amqp_event *e = jd_amqp_event_new(JD_AMQP_UP, 0, NULL, 0);
		*up = uv_hrtime();
		l->epoch++;
		e->tag = l->epoch;
		list_append(&l->events, &e->link);
		give(l);
		pump(l);
		*up = uv_hrtime() - *up;
	}
	busy(l->a, false);
	tell_down(l);
	show_socket(l, -1);
	amqp_destroy_connection(l->state);
	l->state = NULL;
	drop_pieces(l);
}

/* A thread of a library's is not the one to be told of a signal. */
static void no_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void wait_until(struct jd_amqp_link *l, uint64_t until)
{
	for (uint64_t now = uv_hrtime(); now < until && !is_closing(l->a); now = uv_hrtime())
		nap(l, (int)((until - now) / 1000000) + 1);
}

void jd_amqp_thread(void *data)
{
	struct jd_amqp *a = data;
	struct jd_amqp_link l = { .a = a };
	uint64_t wait = RETRY_LEAST, up;
	unsigned seed = (unsigned)uv_hrtime();

	no_signals();
	l.pieces = mem_new((a->conf.channels + 1) * sizeof(*l.pieces));
	list_init(&l.events);
	while (!is_closing(a)) {
		live_once(&l, &up);
		if (up / 1000000 > a->conf.retry_most)
			wait = RETRY_LEAST;
		wait_until(&l, uv_hrtime() + (wait / 2 + (uint64_t)rand_r(&seed) % (wait / 2 + 1)) *
						     1000000);
		wait = wait * 2 < a->conf.retry_most ? wait * 2 : a->conf.retry_most;
	}
	free(l.pieces);
}
