/* sp_words - a command of the console, cut into words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "roles/sqlproxy/sp_lex.h"

enum { SP_WORDS_MAX = 64 };

struct sp_word_text {
	char *text;  /* without quotes and escapes, 0-terminated; the words' own */
	bool quoted; /* '...' or "...": a value, never a key word */
	char mark;   /* = ( ) , * < > ! : a mark stands alone */
};

struct sp_words {
	struct sp_word_text list[SP_WORDS_MAX];
	int count;
	int at; /* next to be read */
	char *memory;
};

/* Comments and the final ; are left out. False, with a sentence in *error: too many words, an open
 * quote, more than one command. */
bool sp_words_cut(struct sp_words *w, const char *text, size_t len, const char **error);
void sp_words_fini(struct sp_words *w);

/* ---- reading: NULL or false at the end */
const struct sp_word_text *sp_words_peek(const struct sp_words *w);
/* The next one is this key word: goes past it. */
bool sp_words_accept(struct sp_words *w, const char *word);
bool sp_words_mark(struct sp_words *w, char mark);
/* The next word or quoted text, whatever it is; NULL: a mark, or the end. */
const char *sp_words_take(struct sp_words *w);
bool sp_words_ended(const struct sp_words *w);
