/*
 * Any text under any sql_mode: spans lie inside it, a read is nothing else besides, literals can be
 * handed out, and a digest keeps to its size and is its own digest's shape.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "roles/sqlproxy/sp_lex.h"

struct text {
	const char *at;
	size_t len;
};

static void check_span(const struct text *text, struct sp_span span)
{
	if (!span.at)
		return;
	assert(span.at >= text->at && span.at <= text->at + text->len);
	assert(span.len <= (size_t)(text->at + text->len - span.at));
}

static void check_uvar(void *owner, struct sp_span name, struct sp_span literal)
{
	check_span(owner, name);
	check_span(owner, literal);
	assert(literal.len > 0);
}

static void check_digest(const struct text *text, unsigned mode)
{
	char whole[512], part[32];
	size_t len = sp_lex_digest(text->at, text->len, mode, whole, sizeof whole);

	assert(len <= sizeof whole);
	assert(sp_lex_digest(text->at, text->len, mode, part, sizeof part) <= sizeof part);
}

static void check(const struct text *text, unsigned mode)
{
	struct sp_lex got;

	sp_lex(text->at, text->len, mode, &got);
	check_span(text, got.object);
	check_span(text, got.row_count);
	check_span(text, got.hint_server);
	if (got.flags & SP_LEX_READ) {
		assert(got.verb == SP_VERB_SELECT || got.verb == SP_VERB_SHOW);
		assert(!(got.flags & (SP_LEX_MULTI | SP_LEX_UVAR_EXPR | SP_LEX_UNKNOWN_FUNC)));
	}
	assert((got.flags & SP_LEX_READ) == 0 || !(got.flags & (uint32_t)SP_LEX_FOR_UPDATE));
	if (got.flags & SP_LEX_UVAR_LITERAL) {
		assert(got.verb == SP_VERB_SET && !(got.flags & SP_LEX_UVAR_EXPR));
		sp_lex_uvars(text->at, text->len, mode, check_uvar, (void *)(uintptr_t)text);
	}
	check_digest(text, mode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text = { .at = (const char *)data, .len = size };

	for (unsigned mode = 0; mode < 8; mode++)
		check(&text, mode);
	return 0;
}
