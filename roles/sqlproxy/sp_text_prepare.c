#include "roles/sqlproxy/sp_text_prepare.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_own.h"
#include "roles/sqlproxy/sp_rewrite.h"
#include "roles/sqlproxy/sp_stmt.h"
#include "roles/sqlproxy/sp_worker.h"

enum {
	REPLAYS_MOST = 6, /* in one prefix */
	TEXT_MOST = 64 * 1024,
	SP_PARSE_ERROR = 1064,
};

/* ---- the list ------------------------------------------------------------ */

static struct sp_named *find(const struct sp_named_list *l, struct sp_span name)
{
	for (uint32_t i = 0; name.at && i < l->count; i++)
		if (sp_span_is(name, l->list[i].name))
			return &l->list[i];
	return NULL;
}

static void named_remove(struct sp_named_list *l, struct sp_span name)
{
	struct sp_named *n = find(l, name);

	if (!n)
		return;
	free(n->name);
	sp_text_drop(n->text);
	*n = l->list[--l->count];
}

/* Takes the text over. */
static void named_add(struct sp_named_list *l, struct sp_span name, struct sp_text *text,
		      bool no_backslash)
{
	named_remove(l, name);
	l->list = mem_resize(l->list, sizeof(*l->list) * (l->count + 1));
	struct sp_named *n = &l->list[l->count++];
	*n = (struct sp_named){ mem_new(name.len + 1), text, no_backslash };
	memcpy(n->name, name.at, name.len);
}

void sp_named_clear(struct sp_named_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		free(l->list[i].name);
		sp_text_drop(l->list[i].text);
	}
	free(l->list);
	*l = (struct sp_named_list){ 0 };
}

/* ---- what is prepared ---------------------------------------------------- */

/* What stands behind FROM, when it is a literal; NULL: a variable. */
static struct sp_span literal_of(struct sp_span sql, struct sp_span name)
{
	const char *end = sql.at ? sql.at + sql.len : NULL;
	const char *at = name.at ? name.at + name.len : end;

	while (at < end && !isspace((unsigned char)*at)) /* a closing quote */
		at++;
	while (at < end && isspace((unsigned char)*at))
		at++;
	if (end - at < 6 || strncasecmp(at, "from", 4) != 0)
		return (struct sp_span){ NULL, 0 };
	for (at += 4; at < end && isspace((unsigned char)*at);)
		at++;
	while (end > at && (end[-1] == ';' || isspace((unsigned char)end[-1])))
		end--;
	if (end - at < 2 || (*at != '\'' && *at != '"') || end[-1] != *at)
		return (struct sp_span){ NULL, 0 };
	return (struct sp_span){ at, (size_t)(end - at) };
}

static char unescaped(char c)
{
	static const char from[] = "0nrtbZ", to[] = "\0\n\r\t\b\032";
	const char *at = c ? strchr(from, c) : NULL;

	return at ? to[at - from] : c;
}

/* The characters between the quotes; false: there is more than one literal. */
static bool unquote(struct sp_span literal, bool no_backslash, struct buf *out)
{
	const char *end = literal.at + literal.len - 1;

	for (const char *p = literal.at + 1; p < end; p++) {
		char c = *p;
		bool escaped = c == '\\' && !no_backslash;
		bool doubled = c == *literal.at && p + 1 < end && p[1] == c;
		if (c == *literal.at && !doubled)
			return false;
		p += escaped || doubled;
		if (p >= end)
			return false;
		if (escaped && (*p == '%' || *p == '_'))
			buf_put(out, "\\", 1);
		c = escaped ? unescaped(*p) : *p;
		if (buf_put(out, &c, 1))
			return false;
	}
	return true;
}

static struct sp_text *text_of(struct sp_client *c, bool no_backslash)
{
	const struct sp_session *s = &c->session;
	struct sp_span literal = literal_of(c->cmd.sql, c->cmd.lex.object);
	struct sp_text *text = NULL;
	struct buf raw;

	if (!literal.at || memchr(c->cmd.lex.object.at, '`', c->cmd.lex.object.len))
		return NULL;
	buf_init(&raw, TEXT_MOST);
	if (unquote(literal, no_backslash, &raw))
		text = sp_text_new((const char *)buf_data(&raw), buf_len(&raw), s->db, &s->vars,
				   sp_session_lex_mode(s));
	buf_fini(&raw);
	return text;
}

/* A PREPARE of which not even the literal was right did nothing. */
static bool not_understood(const struct sp_client *c)
{
	struct sp_span sql = c->cmd.sql;
	bool right = true;
	struct buf raw;

	if (c->cmd.error != SP_PARSE_ERROR || c->cmd.lex.verb != SP_VERB_PREPARE || !sql.at)
		return false;
	struct sp_span literal = literal_of(sql, c->cmd.lex.object);
	buf_init(&raw, TEXT_MOST);
	if (literal.at)
		right = unquote(literal, sp_session_lex_mode(&c->session) & SP_LEX_NO_BACKSLASH,
				&raw);
	buf_fini(&raw);
	return literal.at ? !right : !memchr(sql.at, '@', sql.len);
}

static struct sp_span key_of(const struct sp_text *text, char out[24])
{
	int n = snprintf(out, 24, "%llx", (unsigned long long)text->key);

	return (struct sp_span){ out, (size_t)n };
}

static void prepared(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_span name = c->cmd.lex.object;
	bool no_backslash = sp_session_lex_mode(s) & SP_LEX_NO_BACKSLASH;
	struct sp_text *text = name.at ? text_of(c, no_backslash) : NULL;
	char key[24];

	c->backend->dirty = true;
	if (text && sp_vars_set(&c->backend->texts, name, key_of(text, key))) {
		named_add(&s->texts, name, text, no_backslash);
		return;
	}
	sp_text_drop(text);
	if (name.at)
		named_add(&s->texts, name, NULL, false);
	sp_pin_set(s, SP_PIN_PREPARE, true, c->worker->now);
}

void sp_text_prepare_note(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_span name = c->cmd.lex.object;

	enum sp_verb verb = c->cmd.lex.verb;

	if (verb == SP_VERB_PREPARE && !c->cmd.error) {
		prepared(c);
	} else if ((verb == SP_VERB_PREPARE || verb == SP_VERB_DEALLOCATE) && name.at &&
		   !not_understood(c)) {
		/* one that fails has removed what had that name */
		named_remove(&s->texts, name);
		sp_vars_remove(&c->backend->texts, name);
		if (s->texts.count == 0)
			sp_pin_set(s, SP_PIN_PREPARE, false, 0);
	}
}

/* ---- before an EXECUTE --------------------------------------------------- */

const struct sp_text *sp_text_prepare_look(const struct sp_named_list *l, struct sp_lex *lex)
{
	const struct sp_text *text = NULL;
	const uint32_t own =
		SP_LEX_READ | SP_LEX_MULTI | SP_LEX_UVAR_LITERAL | SP_LEX_PIN | SP_LEX_NOPIN;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct sp_named *n = &l->list[i];
		if (!n->text || !(lex->flags & SP_LEX_MULTI || sp_span_is(lex->object, n->name)))
			continue;
		uint32_t flags = n->text->lex.flags;
		lex->flags |= flags & ~own;
		lex->flags |= flags & SP_LEX_UVAR_LITERAL ? SP_LEX_UVAR_EXPR : 0;
		lex->unscoped |= n->text->lex.unscoped;
		text = n->text;
	}
	return lex->flags & SP_LEX_MULTI ? NULL : text;
}

static void put_prepare(const struct sp_named *n, struct sp_span text, struct buf *prefix)
{
	size_t begin = sp_packet_begin(prefix);

	sp_write_int(prefix, SP_COM_QUERY, 1);
	sp_write_bytes(prefix, "PREPARE `", 9);
	sp_write_bytes(prefix, n->name, strlen(n->name));
	sp_write_bytes(prefix, "` FROM '", 8);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '\'' || (c == '\\' && !n->no_backslash))
			sp_write_bytes(prefix, &c, 1);
		sp_write_bytes(prefix, &c, 1);
	}
	sp_write_bytes(prefix, "'", 1);
	sp_packet_end(prefix, begin, 0);
}

void sp_text_prepare_failed(struct sp_backend *b, const struct sp_text *text)
{
	char hash[24];
	struct sp_span key = key_of(text, hash);

	for (uint32_t i = b->texts.count; i-- > 0;) {
		const struct sp_var *has = &b->texts.list[i];
		if (sp_span_is(key, has->value))
			sp_vars_remove(&b->texts, (struct sp_span){ has->name, strlen(has->name) });
	}
}

/* For a DEALLOCATE it is there, whatever it says. */
static bool replay_name(struct sp_backend *b, const struct sp_named *n, struct buf *prefix)
{
	const struct sp_expect e = { .kind = SP_EXPECT_IGNORED, .answer = SP_ANSWER_QUERY };
	struct sp_span name = { n->name, strlen(n->name) };

	if (sp_vars_find(&b->texts, name) || !sp_backend_expect(b, e))
		return false;
	put_prepare(n, (struct sp_span){ "DO 0", 4 }, prefix);
	b->dirty = true;
	return true;
}

static bool replay(struct sp_backend *b, const struct sp_named *n, enum sp_expect_kind kind,
		   struct buf *prefix)
{
	struct sp_span name = { n->name, strlen(n->name) };
	const struct sp_var *has = sp_vars_find(&b->texts, name);
	struct sp_expect e = { .kind = kind, .answer = SP_ANSWER_QUERY, .text = n->text };
	char text[24];
	struct sp_span key = key_of(n->text, text);

	if (has && sp_span_is(key, has->value))
		return false;
	sp_attach_move(b, n->text->db, &n->text->vars, prefix);
	if (!sp_backend_expect(b, e))
		return false;
	put_prepare(n, sp_text_span(n->text), prefix);
	sp_vars_set(&b->texts, name, key);
	b->dirty = true;
	return true;
}

bool sp_text_prepare_replay(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const struct sp_session *s = &c->session;
	enum sp_verb verb = c->cmd.lex.verb;
	bool all = c->cmd.lex.flags & SP_LEX_MULTI || sp_attach_unseen(c, b);
	int left = REPLAYS_MOST;

	if (s->texts.count == 0 || sp_pinned(s, SP_PIN_PREPARE) ||
	    (verb != SP_VERB_EXECUTE && verb != SP_VERB_DEALLOCATE && !all))
		return false;
	bool wait = false;
	for (uint32_t i = 0; i < s->texts.count && left > 0; i++) {
		const struct sp_named *n = &s->texts.list[i];
		bool asked = verb == SP_VERB_EXECUTE && sp_span_is(c->cmd.lex.object, n->name);
		enum sp_expect_kind kind = asked ? SP_EXPECT_PREPARE : SP_EXPECT_IGNORED;
		if (!n->text || !(all || sp_span_is(c->cmd.lex.object, n->name)))
			continue;
		bool sent = all || verb == SP_VERB_EXECUTE ? replay(b, n, kind, prefix)
							   : replay_name(b, n, prefix);
		left -= sent;
		wait |= sent && asked;
	}
	return wait;
}

bool sp_text_prepare_tell(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const struct sp_expect e = { .kind = SP_EXPECT_PREPARE, .answer = SP_ANSWER_QUERY };
	const struct sp_cmd *cmd = &c->cmd;
	const struct sp_named *n;
	struct sp_calls calls;
	struct buf sql;

	if (cmd->lex.verb != SP_VERB_EXECUTE || cmd->lex.flags & SP_LEX_MULTI ||
	    !(cmd->lex.flags & (SP_LEX_READ_ROW_COUNT | SP_LEX_READ_FOUND_ROWS)))
		return false;
	n = find(&c->session.texts, cmd->lex.object);
	if (!n || !n->text)
		return false;
	sp_own_calls(c, &calls);
	*calls.connection_id = '\0';
	buf_init(&sql, 2 * TEXT_MOST);
	bool any = sp_rewrite_calls(sp_text_span(n->text), &calls, &sql);
	if (any) {
		sp_attach_move(b, n->text->db, &n->text->vars, prefix);
		any = sp_backend_expect(b, e);
	}
	if (any) {
		put_prepare(n, (struct sp_span){ (const char *)buf_data(&sql), buf_len(&sql) },
			    prefix);
		sp_vars_remove(&b->texts, cmd->lex.object); /* the next one is another */
		b->dirty = true;
	}
	buf_fini(&sql);
	return any;
}
