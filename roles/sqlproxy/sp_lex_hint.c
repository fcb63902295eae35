/* Hints to the proxy, which stand in comments. */
#include <string.h>

#include "roles/sqlproxy/sp_lex_scan.h"
#include "roles/sqlproxy/sp_lex_words.h"

static bool accept(struct sp_span *s, const char *word)
{
	size_t len = strlen(word);

	if (s->len < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	s->len -= len;
	return true;
}

static void skip_spaces(struct sp_span *s)
{
	while (s->len > 0 && (unsigned char)*s->at <= ' ')
		s->at++, s->len--;
}

/* Up to one of the stop bytes, white space or the end. */
static struct sp_span take_until(struct sp_span *s, const char *stops)
{
	struct sp_span word = { s->at, 0 };

	while (s->len > 0 && (unsigned char)*s->at > ' ' && !strchr(stops, *s->at))
		s->at++, s->len--, word.len++;
	return word;
}

static bool is(struct sp_span s, const char *word)
{
	return sp_word_is(s.at, s.len, word);
}

static void take_hint(struct sp_lex *out, struct sp_span word, struct sp_span value)
{
	if (is(word, "PRIMARY")) {
		out->hint = SP_HINT_PRIMARY;
	} else if (is(word, "REPLICA")) {
		out->hint = SP_HINT_REPLICA;
	} else if (is(word, "SERVER") && value.len > 0) {
		out->hint = SP_HINT_SERVER;
		out->hint_server = value;
	} else if (is(word, "DB_TYPE") && is(value, "READ")) {
		out->hint = SP_HINT_REPLICA;
	} else if (is(word, "DB_TYPE") && is(value, "WRITE")) {
		out->hint = SP_HINT_PRIMARY;
	} else if (is(word, "PIN")) {
		out->flags |= SP_LEX_PIN;
	} else if (is(word, "NOPIN")) {
		out->flags |= SP_LEX_NOPIN;
	}
}

static void take_hints(struct sp_lex *out, struct sp_span text)
{
	while (text.len > 0) {
		struct sp_span value = { NULL, 0 };

		skip_spaces(&text);
		struct sp_span word = take_until(&text, "=,");
		if (accept(&text, "="))
			value = take_until(&text, ",");
		take_hint(out, word, value);
		skip_spaces(&text);
		accept(&text, ",");
	}
}

/* The seed's spellings have one mark before the word at most. */
static bool accept_seed(struct sp_span *text)
{
	if (text->len > 0 && strchr("*!#", *text->at) && *text->at)
		text->at++, text->len--;
	skip_spaces(text);
	return accept(text, "smproxy:");
}

void sp_lex_hints(struct sp_lex *out, struct sp_span comment, bool first)
{
	struct sp_span text = comment;

	skip_spaces(&text);
	if (accept(&text, "troupe:") || (first && accept_seed(&text)))
		take_hints(out, text);
}
