#include "roles/sqlproxy/sp_stmt.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "roles/sqlproxy/sp_packet.h"

static uint64_t hash_text(const char *sql, size_t len, uint64_t state)
{
	uint64_t h = 0xcbf29ce484222325ull ^ state;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)sql[i]) * 0x100000001b3ull;
	return h;
}

struct sp_text *sp_text_new(const char *sql, size_t len, const char *db, const struct sp_vars *vars,
			    unsigned lex_mode)
{
	struct sp_text *t = mem_new(sizeof(*t) + len + 1);
	uint64_t state = hash_text(db ? db : "", db ? strlen(db) : 0, vars->hash);

	t->held = 1;
	t->len = (uint32_t)len;
	t->key = hash_text(sql, len, state);
	t->db = db ? mem_str(db) : NULL;
	sp_vars_copy(&t->vars, vars);
	memcpy(t->sql, sql, len);
	sp_lex(t->sql, len, lex_mode, &t->lex);
	t->found = sp_found_after(&t->lex, (struct sp_span){ t->sql, len });
	return t;
}

struct sp_text *sp_text_copy(const struct sp_text *t, struct sp_span sql)
{
	struct sp_text *copy = mem_new(sizeof(*copy) + sql.len + 1);

	copy->held = 1;
	copy->len = (uint32_t)sql.len;
	copy->key = t->key;
	copy->own = true;
	copy->db = t->db ? mem_str(t->db) : NULL;
	sp_vars_copy(&copy->vars, &t->vars);
	memcpy(copy->sql, sql.at, sql.len);
	return copy;
}

void sp_text_drop(struct sp_text *t)
{
	if (!t || --t->held > 0)
		return;
	sp_vars_clear(&t->vars);
	free(t->db);
	free(t);
}

static bool same_text(const struct sp_text *a, const struct sp_text *b)
{
	return a == b || (!a->own && !b->own && a->key == b->key && a->len == b->len &&
			  memcmp(a->sql, b->sql, a->len) == 0);
}

static atomic_uint_fast64_t serials = 1;

/* ---- a client's ---------------------------------------------------------- */

struct sp_stmt *sp_stmts_add(struct sp_stmts *s, struct sp_text *text)
{
	if (s->count >= SP_STMTS_MAX)
		return NULL;
	if (s->last == s->size) {
		uint32_t size = s->size ? 2 * s->size : 4;
		s->list = mem_resize(s->list, sizeof(*s->list) * size);
		memset(s->list + s->size, 0, sizeof(*s->list) * (size - s->size));
		s->size = size;
	}
	struct sp_stmt *stmt = mem_new(sizeof(*stmt));
	stmt->text = text;
	text->held++;
	s->list[s->last] = stmt;
	stmt->id = ++s->last;
	stmt->serial = atomic_fetch_add(&serials, 1);
	s->count++;
	return stmt;
}

struct sp_stmt *sp_stmts_find(const struct sp_stmts *s, uint32_t id)
{
	if (id == UINT32_MAX) /* MariaDB: the one prepared last */
		id = s->last;
	return id > 0 && id <= s->last ? s->list[id - 1] : NULL;
}

const struct sp_stmt *sp_stmts_rival(const struct sp_stmts *s, const struct sp_stmt *stmt)
{
	for (uint32_t i = 0; i < s->last; i++) {
		const struct sp_stmt *other = s->list[i];
		if (other && other != stmt && (other->cursor || other->long_data) &&
		    same_text(sp_stmt_text(other), stmt->text))
			return other;
	}
	return NULL;
}

void sp_stmt_set_types(struct sp_stmt *stmt, const uint8_t *types, size_t len)
{
	if (stmt->types && memcmp(stmt->types, types, len) == 0)
		return;
	if (stmt->types)
		stmt->serial = atomic_fetch_add(&serials, 1);
	else
		stmt->types = mem_new(len);
	memcpy(stmt->types, types, len);
}

static void stmt_free(struct sp_stmt *stmt)
{
	sp_text_drop(stmt->text);
	sp_text_drop(stmt->own);
	free(stmt->types);
	free(stmt);
}

void sp_stmts_remove(struct sp_stmts *s, struct sp_stmt *stmt)
{
	s->list[stmt->id - 1] = NULL;
	s->count--;
	if (s->count == 0) /* ids begin again, so that the list stays short */
		s->last = 0;
	stmt_free(stmt);
}

void sp_stmts_clear(struct sp_stmts *s)
{
	for (uint32_t i = 0; i < s->last; i++)
		if (s->list[i])
			stmt_free(s->list[i]);
	free(s->list);
	*s = (struct sp_stmts){ 0 };
}

/* ---- a connection's ------------------------------------------------------ */

struct sp_prepared *sp_table_find(struct sp_table *t, const struct sp_text *text)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (same_text(t->list[i].text, text)) {
			t->list[i].used = ++t->clock;
			return &t->list[i];
		}
	return NULL;
}

static void put_close(struct buf *closes, uint32_t id)
{
	uint8_t arg[4];

	sp_put_u32(arg, id);
	sp_write_command(closes, SP_COM_STMT_CLOSE, arg, sizeof(arg));
}

static struct sp_prepared *oldest(struct sp_table *t)
{
	struct sp_prepared *old = &t->list[0];

	for (uint32_t i = 1; i < t->count; i++)
		if (t->list[i].used < old->used)
			old = &t->list[i];
	return old;
}

void sp_table_add(struct sp_table *t, struct sp_text *text, uint32_t id, uint32_t most,
		  struct buf *closes)
{
	struct sp_prepared *at = sp_table_find(t, text);

	if (!at && t->count >= most)
		at = oldest(t);
	if (at) {
		put_close(closes, at->id);
		sp_text_drop(at->text);
	} else {
		if (t->count == t->size) {
			t->size = t->size ? 2 * t->size : 8;
			t->list = mem_resize(t->list, sizeof(*t->list) * t->size);
		}
		at = &t->list[t->count++];
	}
	text->held++;
	*at = (struct sp_prepared){ text, id, ++t->clock, 0 };
}

void sp_table_clear(struct sp_table *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		sp_text_drop(t->list[i].text);
	free(t->list);
	*t = (struct sp_table){ 0 };
}

void sp_table_close(struct sp_table *t, const struct sp_text *text, struct buf *closes)
{
	struct sp_prepared *at = sp_table_find(t, text);

	if (!at)
		return;
	put_close(closes, at->id);
	sp_text_drop(at->text);
	*at = t->list[--t->count];
}
