/*
 * Bodies of procedures, triggers, events: which ';' ends the whole statement?
 *
 * A stack of what is open: every BEGIN, IF, LOOP, WHILE, REPEAT, FOR and CASE is closed by one END.
 * IF, END and FOR are also other things (a function, a column's name, FOR UPDATE), so they count
 * only where a statement begins; a CASE elsewhere is an expression, and any END closes it.
 */
#include "roles/sqlproxy/sp_lexer.h"

enum { OPEN_MAX = 64 };

struct block {
	uint64_t expressions; /* one bit for each open thing: it is a CASE expression */
	int open;
	bool start;   /* a statement may begin here */
	bool running; /* in a body without BEGIN: its only statement has begun */
};

static bool in_expression(const struct block *b)
{
	return b->open > 0 && b->open <= OPEN_MAX && (b->expressions >> (b->open - 1) & 1);
}

static void open_one(struct block *b, bool expression)
{
	if (b->open < OPEN_MAX) {
		uint64_t bit = (uint64_t)1 << b->open;
		b->expressions = expression ? b->expressions | bit : b->expressions & ~bit;
	}
	b->open++;
}

static bool is_closable(const struct sp_lexer *l)
{
	switch (l->word) {
	case SP_WORD_IF:
	case SP_WORD_CASE:
	case SP_WORD_LOOP:
	case SP_WORD_WHILE:
	case SP_WORD_REPEAT:
	case SP_WORD_FOR:
		return true;
	default:
		return false;
	}
}

/* At END; goes past its second word. */
static void close_one(struct sp_lexer *l, struct block *b)
{
	bool here = in_expression(b) || b->start;
	struct sp_lexer ahead = *l;

	sp_lexer_next(&ahead);
	if (!in_expression(b) && is_closable(&ahead)) {
		here = true;
		*l = ahead;
	}
	if (here && b->open > 0)
		b->open--;
}

/* Does a statement begin behind this token? */
static bool starts_statement(const struct sp_lexer *l, const struct block *b)
{
	if (l->now.kind == SP_TOK_SEMI)
		return true;
	if (l->now.kind == SP_TOK_MARK)
		return *l->now.all.at == ':';
	switch (l->word) {
	case SP_WORD_THEN:
	case SP_WORD_ELSE:
		return !in_expression(b);
	case SP_WORD_BEGIN:
	case SP_WORD_LOOP:
	case SP_WORD_REPEAT:
	case SP_WORD_DO:
		return !l->now.call;
	case SP_WORD_ROW: /* FOR EACH ROW */
		return b->open == 0;
	default:
		return sp_lexer_is(l, "ATOMIC");
	}
}

/* BEGIN is not reserved. */
static bool is_column(const struct sp_lexer *l, const struct block *b)
{
	if (b->start)
		return false;
	switch (l->before) {
	case SP_TOK_COMMA:
	case SP_TOK_OPEN:
	case SP_TOK_MARK:
		return true;
	default:
		return l->word_before == SP_WORD_SELECT;
	}
}

/* IF(a, b, c) has two commas; the condition of IF (a) THEN has none of its own. */
static bool is_if_function(const struct sp_lexer *l)
{
	struct sp_lexer ahead = *l;
	int depth = 0, commas = 0;

	if (!l->now.call)
		return false;
	do {
		sp_lexer_next(&ahead);
		depth += ahead.now.kind == SP_TOK_OPEN;
		depth -= ahead.now.kind == SP_TOK_CLOSE;
		commas += depth == 1 && ahead.now.kind == SP_TOK_COMMA;
	} while (depth > 0 && ahead.now.kind != SP_TOK_END);
	return commas == 2;
}

static void take_word(struct sp_lexer *l, struct block *b)
{
	bool body = b->start || (b->open == 0 && l->depth == 0 && !b->running);

	switch (l->word) {
	case SP_WORD_BEGIN:
		if (!is_column(l, b))
			open_one(b, false);
		break;
	case SP_WORD_LOOP:
	case SP_WORD_WHILE:
		open_one(b, false);
		break;
	case SP_WORD_REPEAT:
		if (!l->now.call)
			open_one(b, false);
		break;
	case SP_WORD_CASE:
		open_one(b, !body);
		break;
	case SP_WORD_IF:
		if (body && !is_if_function(l))
			open_one(b, false);
		break;
	case SP_WORD_FOR:
		if (b->start)
			open_one(b, false);
		break;
	case SP_WORD_END:
		close_one(l, b);
		break;
	case SP_WORD_SELECT:
	case SP_WORD_SET:
	case SP_WORD_CALL:
	case SP_WORD_WITH:
		b->running |= b->open == 0;
		break;
	default:
		break;
	}
}

void sp_lexer_block(struct sp_lexer *l, bool opened)
{
	struct block b = { .start = true };

	if (opened)
		open_one(&b, false);
	for (; l->now.kind != SP_TOK_END; sp_lexer_next(l)) {
		if (l->now.kind == SP_TOK_SEMI && b.open == 0)
			return;
		sp_lexer_look(l);
		if (l->now.kind == SP_TOK_WORD)
			take_word(l, &b);
		b.start = starts_statement(l, &b);
	}
}
