/*
 * Packets that a peer wrote: reading them touches nothing behind their end, what was read lies
 * inside, and written again and read again it is the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_packet.h"

struct input {
	const uint8_t *at;
	size_t len;
};

static void inside(struct input in, struct sp_span s)
{
	const uint8_t *at = (const uint8_t *)s.at;

	assert(!at || (at >= in.at && s.len <= in.len && at + s.len <= in.at + in.len));
	assert(at || s.len == 0);
}

static bool equal(struct sp_span a, struct sp_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static void greeting(struct input in)
{
	struct sp_greeting g, again;
	struct buf b;

	if (sp_greeting_read(&g, in.at, in.len))
		return;
	assert(g.scramble_len <= SP_SCRAMBLE_MAX);
	assert(memchr(g.version, 0, sizeof(g.version)) && memchr(g.plugin, 0, sizeof(g.plugin)));
	buf_init(&b, 4096);
	sp_greeting_write(&b, &g);
	int rc = sp_greeting_read(&again, buf_data(&b) + SP_HEADER, buf_len(&b) - SP_HEADER);
	assert(rc == 0 && again.thread_id == g.thread_id);
	assert(strcmp(again.version, g.version) == 0);
	buf_fini(&b);
}

static void check_login(struct input in, const struct sp_login *l)
{
	inside(in, l->user);
	inside(in, l->reply);
	inside(in, l->db);
	inside(in, l->plugin);
	inside(in, l->attributes);
}

static void login(struct input in)
{
	struct sp_login l, again;
	struct buf b;
	bool ssl;

	if (sp_login_read(&l, in.at, in.len, &ssl) || ssl)
		return;
	check_login(in, &l);
	if (l.reply.len > 250) /* one byte tells its length when we write it */
		return;
	l.caps |= SP_CAP_SECURE_CONNECTION;
	l.caps &= ~(uint64_t)SP_CAP_LENENC_AUTH;
	buf_init(&b, 1 << 20);
	sp_login_write(&b, &l, 1);
	int rc = sp_login_read(&again, buf_data(&b) + SP_HEADER, buf_len(&b) - SP_HEADER, &ssl);
	assert(rc == 0 && equal(l.user, again.user) && equal(l.reply, again.reply));
	assert(equal(l.db, again.db) && equal(l.plugin, again.plugin));
	buf_fini(&b);
}

static void change_user(struct input in, uint64_t caps)
{
	struct sp_login l;

	if (sp_change_user_read(&l, in.at, in.len, caps) == 0)
		check_login(in, &l);
}

static void ok(struct input in, uint64_t caps)
{
	struct sp_ok o, again;
	struct sp_span track, data;
	enum sp_track type;
	struct buf b;

	if (in.len == 0 || sp_ok_read(&o, in.at, in.len, caps))
		return;
	inside(in, o.info);
	inside(in, o.track);
	for (track = o.track; sp_track_next(&track, &type, &data);)
		inside(in, data);
	if (!(caps & SP_CAP_SESSION_TRACK))
		return;
	buf_init(&b, 1 << 20);
	sp_ok_write(&b, &o, 0, 1, caps);
	int rc = sp_ok_read(&again, buf_data(&b) + SP_HEADER, buf_len(&b) - SP_HEADER, caps);
	assert(rc == 0 && again.affected == o.affected && again.insert_id == o.insert_id);
	assert(again.status == o.status && equal(again.info, o.info));
	assert(equal(again.track, o.track));
	buf_fini(&b);
}

static void error(struct input in)
{
	struct sp_error e;

	if (in.len == 0 || sp_error_read(&e, in.at, in.len))
		return;
	inside(in, e.text);
	assert(e.state[5] == 0);
}

static void query(struct input in, uint64_t caps)
{
	if (in.len > 0)
		inside(in, sp_query_text(in.at, in.len, caps));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	uint64_t caps = 0;
	const uint64_t bits[] = { SP_CAP_PLUGIN_AUTH, SP_CAP_CONNECT_ATTRS, SP_CAP_SESSION_TRACK,
				  SP_CAP_QUERY_ATTRIBUTES, SP_CAP_LENENC_AUTH };
	for (int i = 0; i < 5; i++)
		caps |= data[1] >> i & 1 ? bits[i] : 0;
	uint8_t *copy = malloc(size - 2 ? size - 2 : 1);
	memcpy(copy, data + 2, size - 2);
	struct input in = { copy, size - 2 };
	switch (data[0] % 6) {
	case 0:
		greeting(in);
		break;
	case 1:
		login(in);
		break;
	case 2:
		change_user(in, caps);
		break;
	case 3:
		ok(in, caps);
		break;
	case 4:
		error(in);
		break;
	default:
		query(in, caps);
	}
	free(copy);
	return 0;
}
