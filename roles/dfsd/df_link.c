#include "roles/dfsd/df_link.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/digest.h"
#include "core/net/tls.h"
#include "roles/dfsd/df_entry.h"

enum {
	VERSION = 1,
	READ = 256 * 1024,
	EARLY = 64 * 1024, /* bytes that may come before we know who it is */
	FLUSH = 256 * 1024,
	HIGH = 1 << 20, /* bytes unsent: enough */
	LOW = 256 * 1024,
	NONCE = 32,
	PING = 10000,
};

static const uint8_t magic[4] = { 'T', 'D', 'F', 'S' };

static int64_t wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_checked(const struct df_link *l)
{
	return l->self->security != DF_TLS_PSK;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void on_stream_closed(struct stream *s)
{
	struct df_link *l = s->owner;

	poller_no_turn(&l->each_turn);
	l->on->down(l, l->why);
	free(l->in);
	free(l->out);
	free(l->greeting);
	free(l);
}

static void flush(struct df_link *l);

void df_link_fail(struct df_link *l, bool told, const char *fmt, ...)
{
	va_list args;

	if (l->state == DF_DOWN)
		return;
	va_start(args, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, args);
	va_end(args);
	if (told && l->state != DF_SECURING) {
		uint8_t *p = df_link_room(l, sizeof(l->why) + DF_NUMBER);
		struct df_bytes text = { l->why, strlen(l->why) };
		df_link_put(l, (struct df_frame){ .type = DF_ERROR }, df_put_bytes(p, text));
		flush(l);
	}
	l->state = DF_DOWN;
	stream_close(&l->stream, on_stream_closed);
}

/* ---- out ---------------------------------------------------------------------------------------
 */

static void flush(struct df_link *l)
{
	size_t n = l->out_n;

	l->out_n = 0;
	if (!n || l->state == DF_DOWN)
		return;
	l->bytes_out += n;
	if (stream_put(&l->stream, l->out, n) != 0)
		df_link_fail(l, false, "the connection is lost");
}

static void on_turn(void *data)
{
	flush(data);
}

uint8_t *df_link_room(struct df_link *l, size_t n)
{
	size_t need = l->out_n + DF_FRAME_HEAD + n;

	if (need > l->out_room) {
		l->out_room = need < FLUSH ? FLUSH : need + FLUSH;
		l->out = mem_resize(l->out, l->out_room);
	}
	return l->out + l->out_n + DF_FRAME_HEAD;
}

void df_link_put(struct df_link *l, struct df_frame f, const uint8_t *end)
{
	uint8_t *head = l->out + l->out_n;

	f.p = head + DF_FRAME_HEAD;
	f.n = (size_t)(end - f.p);
	assert(f.n <= DF_FRAME_MOST);
	df_frame_head(head, &f, is_checked(l));
	l->out_n += DF_FRAME_HEAD + f.n;
	if (l->out_n >= FLUSH)
		flush(l);
}

bool df_link_full(struct df_link *l)
{
	if (stream_backlog(&l->stream) + l->out_n > HIGH)
		l->full = true;
	return l->full || l->state != DF_UP;
}

/* ---- who is there ------------------------------------------------------------------------------
 */

static void say_hello(struct df_link *l)
{
	struct df_bytes name = { l->self->name, strlen(l->self->name) };
	uint8_t *p = df_link_room(l, 256), *start = p;

	memcpy(p, magic, sizeof(magic));
	p += sizeof(magic);
	*p++ = VERSION;
	*p++ = VERSION;
	memcpy(p, l->self->id, DF_ID);
	p = df_put_bytes(p + DF_ID, name);
	p = df_put_number(p, (uint64_t)wall());
	uv_random(NULL, NULL, p, NONCE, 0, NULL);
	p += NONCE;
	l->greeting_n = (size_t)(p - start);
	l->greeting = mem_resize(NULL, l->greeting_n);
	memcpy(l->greeting, start, l->greeting_n);
	df_link_put(l, (struct df_frame){ .type = DF_HELLO }, p);
	l->state = DF_GREETING;
}

/* HMAC-SHA256 under the key of who speaks and both HELLOs, the caller's first. */
static void prove(const struct df_link *l, bool caller, const struct df_frame *theirs,
		  uint8_t proof[DF_KEY])
{
	char hex[DIGEST_HEX], key[2 * DF_KEY + 1], who[] = "called";
	uv_buf_t ours = uv_buf_init((char *)l->greeting, (unsigned)l->greeting_n);
	uv_buf_t other = uv_buf_init((char *)(uintptr_t)theirs->p, (unsigned)theirs->n);
	uv_buf_t pieces[3] = {
		uv_buf_init(who, sizeof(who)),
		l->dialled ? ours : other,
		l->dialled ? other : ours,
	};

	if (caller)
		strcpy(who, "caller");
	for (int i = 0; i < DF_KEY; i++)
		snprintf(key + 2 * i, 3, "%02x", l->self->key[i]);
	digest_hmac(key, pieces, 3, hex);
	for (int i = 0; i < DF_KEY; i++)
		sscanf(hex + 2 * i, "%2hhx", &proof[i]);
}

static void is_up(struct df_link *l)
{
	l->state = DF_UP;
	l->on->up(l);
}

static bool read_hello(struct df_link *l, const struct df_frame *f, int *low)
{
	struct df_reader r = { f->p, f->p + f->n, false };

	if (f->n < sizeof(magic) + 2 + DF_ID || memcmp(f->p, magic, sizeof(magic)) != 0)
		return false;
	*low = f->p[4];
	memcpy(l->peer_id, f->p + 6, DF_ID);
	r.p += 6 + DF_ID;
	struct df_bytes name = df_get_bytes(&r, DF_NODE_NAME);
	uint64_t clock = df_get_number(&r);
	if (r.bad || !name.n || memchr(name.p, 0, name.n) || r.end - r.p < NONCE)
		return false;
	memcpy(l->peer, name.p, name.n);
	l->peer[name.n] = '\0';
	l->skew = (int64_t)clock - wall();
	return true;
}

static void on_hello(struct df_link *l, const struct df_frame *f)
{
	uint8_t proof[DF_KEY];
	int low = 0;

	if (f->type != DF_HELLO || !read_hello(l, f, &low)) {
		df_link_fail(l, true, "that is no greeting of a node");
		return;
	}
	if (low > VERSION) {
		df_link_fail(l, true, "it speaks version %d and above, we speak %d", low, VERSION);
		return;
	}
	if (memcmp(l->peer_id, l->self->id, DF_ID) == 0) {
		df_link_fail(l, false, "that is ourselves");
		return;
	}
	if (l->self->security != DF_HMAC) {
		is_up(l);
		return;
	}
	prove(l, !l->dialled, f, l->proof);
	prove(l, l->dialled, f, proof);
	uint8_t *p = df_link_room(l, DF_KEY);
	memcpy(p, proof, DF_KEY);
	df_link_put(l, (struct df_frame){ .type = DF_AUTH }, p + DF_KEY);
	l->state = DF_PROVING;
}

/* In the same time whatever they are. */
static bool are_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t other = 0;

	for (size_t i = 0; i < n; i++)
		other |= a[i] ^ b[i];
	return other == 0;
}

static void on_auth(struct df_link *l, const struct df_frame *f)
{
	if (f->type != DF_AUTH || f->n != DF_KEY || !are_equal(f->p, l->proof, DF_KEY))
		df_link_fail(l, true, "it does not know the key");
	else
		is_up(l);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static void on_frame(struct df_link *l, const struct df_frame *f)
{
	if (f->type == DF_ERROR) {
		struct df_reader r = { f->p, f->p + f->n, false };
		struct df_bytes text = df_get_bytes(&r, sizeof(l->why));
		df_link_fail(l, false, "it says: %.*s", (int)text.n, (const char *)text.p);
	} else if (l->state == DF_GREETING) {
		on_hello(l, f);
	} else if (l->state == DF_PROVING) {
		on_auth(l, f);
	} else if (f->type == DF_PING) {
		uint8_t *p = df_link_room(l, 0);
		df_link_put(l, (struct df_frame){ .type = DF_PONG }, p);
	} else if (f->type != DF_PONG) {
		l->on->frame(l, f);
	}
}

/* Whole frames; returns how many bytes they had. */
static size_t take_frames(struct df_link *l, const uint8_t *p, size_t n)
{
	struct df_frame f;
	size_t taken = 0;
	long size = 0;

	while (l->state != DF_DOWN &&
	       (size = df_frame_get(p + taken, n - taken, &f, is_checked(l))) > 0) {
		taken += (size_t)size;
		on_frame(l, &f);
	}
	if (size < 0)
		df_link_fail(l, true, "a frame is damaged");
	return taken;
}

static void keep(struct df_link *l, size_t taken)
{
	l->in_n -= taken;
	if (l->in_n)
		memmove(l->in, l->in + taken, l->in_n);
	if (l->in_n + READ > l->in_room) {
		l->in_room = l->in_n + READ > DF_FRAME_HEAD + DF_FRAME_MOST
				     ? DF_FRAME_HEAD + DF_FRAME_MOST + READ
				     : 2 * l->in_room;
		l->in = mem_resize(l->in, l->in_room);
	}
}

static const char *why_of(const struct df_link *l, int rc)
{
	if (rc == ERR_PROTO && l->stream.tls)
		return tls_reason(l->stream.tls);
	return rc == UV_EOF ? "it has closed the connection" : uv_strerror(rc);
}

static void on_readable(struct df_link *l)
{
	ssize_t n = 0;

	for (int i = 0; l->state != DF_DOWN && (i < 4 || stream_more(&l->stream)); i++) {
		n = stream_read(&l->stream, l->in + l->in_n, READ);
		if (n <= 0)
			break;
		l->heard = (int64_t)uv_now(l->self->loop);
		l->bytes_in += (uint64_t)n;
		l->in_n += (size_t)n;
		keep(l, take_frames(l, l->in, l->in_n));
		if (l->state < DF_UP && l->bytes_in > EARLY)
			df_link_fail(l, false, "it says too much before we know it");
	}
	if (l->state == DF_UP)
		l->on->turn(l);
	if (n < 0 && l->state != DF_DOWN)
		df_link_fail(l, false, "%s", why_of(l, (int)n));
}

static void on_stream(struct stream *s, enum stream_event event)
{
	struct df_link *l = s->owner;

	if (event == STREAM_SECURE) {
		say_hello(l);
	} else if (event == STREAM_READABLE) {
		on_readable(l);
	} else if (l->full && l->state == DF_UP && stream_backlog(s) < LOW) {
		l->full = false;
		l->on->room(l);
	}
}

/* ---- open --------------------------------------------------------------------------------------
 */

struct df_link *df_link_open(const struct df_self *self, int fd, bool dialled,
			     const struct df_link_on *on, void *owner)
{
	struct df_link *l = mem_new(sizeof(*l));

	l->self = self;
	l->on = on;
	l->owner = owner;
	l->dialled = dialled;
	l->since = l->heard = (int64_t)uv_now(self->loop);
	l->in_room = READ;
	l->in = mem_new(l->in_room);
	if (stream_open(&l->stream, self->loop, fd, on_stream, l) != 0) {
		free(l->in);
		free(l);
		return NULL;
	}
	poller_each_turn(self->loop, &l->each_turn, on_turn, l);
	if (self->security != DF_TLS_PSK)
		say_hello(l);
	else if (stream_secure(&l->stream, dialled ? self->client : self->server, NULL) != 0)
		df_link_fail(l, false, "TLS can't be started");
	return l;
}

void df_link_tick(struct df_link *l, int64_t now)
{
	if (l->state == DF_DOWN)
		return;
	if (l->state != DF_UP && now - l->since > l->self->handshake) {
		df_link_fail(l, true, "it has not said who it is");
	} else if (now - l->heard > l->self->silence) {
		df_link_fail(l, true, "it was silent for %d s", (int)((now - l->heard) / 1000));
	} else if (l->state == DF_UP && now - l->heard > PING && now - l->asked > PING) {
		l->asked = now;
		uint8_t *p = df_link_room(l, 0);
		df_link_put(l, (struct df_frame){ .type = DF_PING }, p);
	}
}
