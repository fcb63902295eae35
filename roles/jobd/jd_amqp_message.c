/*
 * jd_amqp_message - the properties of a message: what jobs go by, and what they are when it goes
 * round.
 *
 * What is left away when we publish it again: its expiration (it would pass in the queue where it
 * waits for its next try), user-id (which must be our own), the header CC (it went there the first
 * time), and what servers write of where it has been.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/utf8.h"
#include "core/work/work.h"
#include "roles/jobd/jd_amqp_parts.h"

enum { POOL = 4096, OURS = 5, MAX_ERROR = 1024, OURS_MOST = MAX_ERROR + 512 };

static const char prefix[] = "x-troupe-";

/* ---- in
 * -------------------------------------------------------------------------------------------- */

static bool is(const amqp_bytes_t *b, const char *word)
{
	return b->len == strlen(word) && memcmp(b->bytes, word, b->len) == 0;
}

static bool is_ours(const amqp_bytes_t *key)
{
	return key->len > sizeof(prefix) - 1 && memcmp(key->bytes, prefix, sizeof(prefix) - 1) == 0;
}

/* Of any kind of number; -1: it is none, or negative. */
static int64_t number(const amqp_field_value_t *v)
{
	int64_t n = -1;

	switch (v->kind) {
	case AMQP_FIELD_KIND_I8:
		n = v->value.i8;
		break;
	case AMQP_FIELD_KIND_U8:
		n = v->value.u8;
		break;
	case AMQP_FIELD_KIND_I16:
		n = v->value.i16;
		break;
	case AMQP_FIELD_KIND_U16:
		n = v->value.u16;
		break;
	case AMQP_FIELD_KIND_I32:
		n = v->value.i32;
		break;
	case AMQP_FIELD_KIND_U32:
		n = v->value.u32;
		break;
	case AMQP_FIELD_KIND_I64:
		n = v->value.i64;
		break;
	case AMQP_FIELD_KIND_U64:
	case AMQP_FIELD_KIND_TIMESTAMP:
		n = v->value.u64 <= INT64_MAX ? (int64_t)v->value.u64 : -1;
		break;
	default:
		break;
	}
	return n < 0 ? -1 : n;
}

static int small(int64_t n)
{
	return n < 0 ? 0 : n < WORK_MAX_ATTEMPTS ? (int)n : WORK_MAX_ATTEMPTS;
}

static void take_header(struct jd_amqp_state *s, const amqp_table_entry_t *e)
{
	int64_t n = number(&e->value);

	s->is_ours = true;
	if (is(&e->key, "x-troupe-id"))
		s->id = n > 0 ? (uint64_t)n : 0;
	else if (is(&e->key, "x-troupe-attempts"))
		s->attempts = small(n);
	else if (is(&e->key, "x-troupe-crashes"))
		s->crashes = small(n);
	else if (is(&e->key, "x-troupe-due"))
		s->due = n > 0 ? n : 0;
}

static void take_type(struct jd_amqp_message *m, const amqp_bytes_t *type)
{
	size_t n = type->len < JD_AMQP_TYPE - 1 ? type->len : JD_AMQP_TYPE - 1;

	memcpy(m->type, type->bytes, n);
	m->type[n] = '\0';
	utf8_mend(m->type, strlen(m->type));
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *at = p;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; n; n--, at++)
		h = (h ^ *at) * 0x100000001b3u;
	return h ^ h >> 32;
}

void jd_amqp_take(struct jd_amqp_message *m, const amqp_basic_properties_t *p)
{
	m->state = (struct jd_amqp_state){ .is_ours = false };
	m->priority = p->_flags & AMQP_BASIC_PRIORITY_FLAG ? p->priority : -1;
	m->type[0] = '\0';
	if (p->_flags & AMQP_BASIC_TYPE_FLAG && p->type.len)
		take_type(m, &p->type);
	for (int i = 0; p->_flags & AMQP_BASIC_HEADERS_FLAG && i < p->headers.num_entries; i++)
		if (is_ours(&p->headers.entries[i].key))
			take_header(&m->state, &p->headers.entries[i]);
	m->hash = mix(m->state.id, m->type, strlen(m->type));
	if (p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG && p->message_id.len)
		m->hash = mix(m->hash, p->message_id.bytes, p->message_id.len);
}

void jd_amqp_hash(struct jd_amqp_message *m)
{
	m->hash = mix(m->hash ^ m->size, m->body, m->size);
	m->hash += !m->hash;
}

int jd_amqp_read(struct jd_amqp_message *m, const void *props, size_t n)
{
	amqp_pool_t pool;
	void *p;

	init_amqp_pool(&pool, POOL);
	int rc = amqp_decode_properties(AMQP_BASIC_CLASS, &pool,
					(amqp_bytes_t){ .bytes = (void *)props, .len = n }, &p);
	if (rc == 0) {
		jd_amqp_take(m, p);
		jd_amqp_hash(m);
		m->props = props;
		m->n_props = n;
	}
	empty_amqp_pool(&pool);
	return rc == 0 ? 0 : ERR_PROTO;
}

/* ---- out
 * ------------------------------------------------------------------------------------------- */

static bool stays(const amqp_bytes_t *key)
{
	static const char *const gone[] = { "CC",
					    "BCC",
					    "x-death",
					    "x-first-death-exchange",
					    "x-first-death-queue",
					    "x-first-death-reason",
					    "x-last-death-exchange",
					    "x-last-death-queue",
					    "x-last-death-reason",
					    "x-delivery-count" };

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (is(key, gone[i]))
			return false;
	return !is_ours(key);
}

static void put_number(amqp_table_t *t, const char *key, int64_t n)
{
	t->entries[t->num_entries++] = (amqp_table_entry_t){
		.key = amqp_cstring_bytes(key),
		.value = { .kind = AMQP_FIELD_KIND_I64, .value.i64 = n },
	};
}

static void put_state(amqp_table_t *t, const struct jd_amqp_state *s)
{
	put_number(t, "x-troupe-id", (int64_t)s->id);
	put_number(t, "x-troupe-attempts", s->attempts);
	put_number(t, "x-troupe-crashes", s->crashes);
	if (s->due)
		put_number(t, "x-troupe-due", s->due);
	if (s->error)
		t->entries[t->num_entries++] = (amqp_table_entry_t){
			.key = amqp_cstring_bytes("x-troupe-error"),
			.value = { .kind = AMQP_FIELD_KIND_UTF8,
				   .value.bytes = { .bytes = (void *)s->error,
						    .len = strnlen(s->error, MAX_ERROR) } },
		};
}

/* Of one that is new. */
static void say_own(amqp_basic_properties_t *out, const struct jd_amqp_message *m)
{
	if (m->priority >= 0) {
		out->_flags |= AMQP_BASIC_PRIORITY_FLAG;
		out->priority = (uint8_t)m->priority;
	}
	if (*m->type) {
		out->_flags |= AMQP_BASIC_TYPE_FLAG;
		out->type = amqp_cstring_bytes(m->type);
	}
}

int jd_amqp_props(amqp_basic_properties_t *out, const struct jd_amqp_message *m,
		  const struct jd_amqp_state *state, size_t frame, amqp_pool_t *pool)
{
	amqp_basic_properties_t *was = NULL;
	amqp_table_t table = { .num_entries = 0 };
	void *p;

	*out = (amqp_basic_properties_t){ ._flags = 0 };
	/* What came in one frame and leaves with a few words more must fit into one. */
	if (m->n_props && m->n_props + OURS_MOST <= frame) {
		int rc = amqp_decode_properties(
			AMQP_BASIC_CLASS, pool,
			(amqp_bytes_t){ .bytes = (void *)m->props, .len = m->n_props }, &p);
		if (rc != 0)
			return rc;
		was = p;
		*out = *was;
	} else {
		say_own(out, m);
	}
	int had = was && was->_flags & AMQP_BASIC_HEADERS_FLAG ? was->headers.num_entries : 0;
	table.entries = amqp_pool_alloc(pool, (size_t)(had + OURS) * sizeof(*table.entries));
	if (!table.entries)
		return AMQP_STATUS_NO_MEMORY;
	for (int i = 0; i < had; i++)
		if (stays(&was->headers.entries[i].key))
			table.entries[table.num_entries++] = was->headers.entries[i];
	if (state)
		put_state(&table, state);
	out->headers = table;
	out->delivery_mode = AMQP_DELIVERY_PERSISTENT;
	out->_flags |= AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
	out->_flags &= ~(amqp_flags_t)(AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG);
	return 0;
}
