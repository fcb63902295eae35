/*
 * The digest text: what remains of a statement when its values are taken away.
 *
 *	insert into t(a) values (1),(2) /[*] x [*]/    insert into t (a) values (?)
 *	SELECT a FROM t WHERE b IN(1, 'x',-3)          SELECT a FROM t WHERE b IN (?)
 *
 * White space is put where it belongs, wherever the client put it. A list of values, and a list of
 * such lists, is cut back to its first element when the second is complete.
 */
#include <string.h>

#include "roles/sqlproxy/sp_lex_scan.h"
#include "roles/sqlproxy/sp_lex_words.h"

enum { FOLDABLE = 16 }; /* text past the end that a fold may still take back */

/* What was written last, as far as spaces and folding ask. */
enum last {
	NOTHING,
	WORD,
	KEYWORD,
	VALUE,
	VALUE_COMMA,
	ROW,
	ROW_COMMA,
	COMMA,
	OPEN,
	CLOSE,
	DOT,
	MARK
};

struct digest {
	char *out;
	size_t size;
	size_t len; /* may pass size: then only counted */
	enum last last;
	bool nullable;    /* the last word was IS or NOT: NULL is no value then */
	bool second;      /* the parenthesis opened last begins a row after a row */
	size_t value_end; /* where the last value ended, the last '(' stands, the last row ended */
	size_t open_at;
	size_t row_end;
};

static void put(struct digest *d, const char *text, size_t len)
{
	if (d->len < d->size)
		memcpy(d->out + d->len, text, len < d->size - d->len ? len : d->size - d->len);
	d->len += len;
}

static void space(struct digest *d)
{
	if (d->last != NOTHING && d->last != OPEN && d->last != DOT)
		put(d, " ", 1);
}

static bool is_operand(const struct digest *d)
{
	return d->last == WORD || d->last == VALUE || d->last == ROW || d->last == CLOSE;
}

static void put_value(struct digest *d)
{
	if (d->last == VALUE || d->last == VALUE_COMMA) {
		d->len = d->value_end; /* drops the comma */
	} else {
		space(d);
		put(d, "?", 1);
		d->value_end = d->len;
	}
	d->last = VALUE;
}

static void put_comma(struct digest *d)
{
	put(d, ",", 1);
	if (d->last == VALUE)
		d->last = VALUE_COMMA;
	else
		d->last = d->last == ROW ? ROW_COMMA : COMMA;
}

static void put_open(struct digest *d, bool call)
{
	d->second = d->last == ROW_COMMA;
	if (!call)
		space(d);
	d->open_at = d->len;
	put(d, "(", 1);
	d->last = OPEN;
}

static void put_close(struct digest *d)
{
	bool row = d->last == VALUE && d->value_end == d->open_at + 2;

	put(d, ")", 1);
	d->last = row ? ROW : CLOSE;
	if (row && d->second)
		d->len = d->row_end;
	else if (row)
		d->row_end = d->len;
}

static bool is_value_word(const struct digest *d, struct sp_span word)
{
	if (d->nullable || d->last == DOT)
		return false;
	return sp_word_is(word.at, word.len, "NULL") || sp_word_is(word.at, word.len, "TRUE") ||
	       sp_word_is(word.at, word.len, "FALSE");
}

static void put_word(struct digest *d, const struct sp_lex_token *t)
{
	if (is_value_word(d, t->name)) {
		put_value(d);
		return;
	}
	bool key = d->last != DOT && sp_word_find(t->name.at, t->name.len);
	space(d);
	put(d, t->all.at, t->all.len);
	d->last = key ? KEYWORD : WORD;
	d->nullable = sp_word_is(t->name.at, t->name.len, "IS") ||
		      sp_word_is(t->name.at, t->name.len, "NOT");
}

static void put_mark(struct digest *d, const struct sp_lex_token *t)
{
	if (*t->all.at == '?') {
		put_value(d);
		return;
	}
	if (d->last != MARK || !t->glued)
		space(d);
	put(d, t->all.at, t->all.len);
	d->last = MARK;
}

/* Is it the sign of a number? Then it goes with the number. */
static bool is_sign(const struct digest *d, const struct sp_lex_scan *scan,
		    const struct sp_lex_token *t)
{
	struct sp_lex_scan ahead = *scan;
	struct sp_lex_token next;

	if ((*t->all.at != '-' && *t->all.at != '+') || is_operand(d))
		return false;
	ahead.hints = NULL;
	sp_lex_scan_next(&ahead, &next);
	return next.kind == SP_TOK_NUMBER;
}

/* before: the token before t, to tell a call's parenthesis from a list's. */
static void put_token(struct digest *d, const struct sp_lex_token *before,
		      const struct sp_lex_token *t)
{
	switch (t->kind) {
	case SP_TOK_WORD:
		put_word(d, t);
		return;
	case SP_TOK_NAME:
	case SP_TOK_UVAR:
	case SP_TOK_SYSVAR:
		if (t->kind != SP_TOK_UVAR || !t->glued || !is_operand(d)) /* 'a'@'b' */
			space(d);
		put(d, t->all.at, t->all.len);
		d->last = WORD;
		break;
	case SP_TOK_STRING:
	case SP_TOK_NUMBER:
		put_value(d);
		break;
	case SP_TOK_OPEN:
		put_open(d, d->last == WORD && before->kind == SP_TOK_WORD &&
				    sp_func_find(before->name.at, before->name.len));
		break;
	case SP_TOK_CLOSE:
		put_close(d);
		break;
	case SP_TOK_COMMA:
		put_comma(d);
		break;
	case SP_TOK_DOT:
		put(d, ".", 1);
		d->last = DOT;
		break;
	default:
		put_mark(d, t);
	}
	d->nullable = false;
}

size_t sp_lex_digest(const char *sql, size_t len, unsigned mode, char *out, size_t size)
{
	struct digest d = { .out = out, .size = size, .last = NOTHING };
	struct sp_lex_token before = { .kind = SP_TOK_END }, t;
	struct sp_lex_scan scan;
	bool semi = false;

	sp_lex_scan_init(&scan, sql, len, mode);
	while (d.len < size + FOLDABLE) {
		sp_lex_scan_next(&scan, &t);
		if (t.kind == SP_TOK_END)
			break;
		if (t.kind == SP_TOK_SEMI) {
			semi = d.last != NOTHING;
			continue;
		}
		if (semi) {
			put(&d, ";", 1);
			d.last = MARK;
			semi = false;
		}
		if (t.kind != SP_TOK_MARK || !is_sign(&d, &scan, &t))
			put_token(&d, &before, &t);
		before = t;
	}
	return d.len < size ? d.len : size;
}
