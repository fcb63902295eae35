/*
 * sp_lex_words - the words that the lexer knows: key words, and every built-in function.
 *
 * A name before '(' that is in neither table is taken for a stored function, whose effects nobody
 * can tell. So a missing name costs a trip to the writer, and a name too many may send a write to
 * a replica. Hence two kinds of names are left out on purpose: those that only some versions
 * have built in and that people give to functions of their own (DISTANCE, AREA, PASSWORD, ...),
 * and key words that are not reserved everywhere.
 *
 * Sources: MariaDB 10.11's information_schema.SQL_FUNCTIONS and KEYWORDS and its help tables,
 * MySQL 5.6's help tables, the manuals of MySQL 8.0, 8.4 and MariaDB 11.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sp_word {
	SP_WORD_NONE,  /* a name */
	SP_WORD_OTHER, /* a key word that only has to be told from a name */
	SP_WORD_SELECT,
	SP_WORD_TABLE,
	SP_WORD_VALUES,
	SP_WORD_WITH,
	SP_WORD_SHOW,
	SP_WORD_DESC,
	SP_WORD_DESCRIBE,
	SP_WORD_EXPLAIN,
	SP_WORD_HELP,
	SP_WORD_CHECKSUM,
	SP_WORD_INSERT,
	SP_WORD_REPLACE,
	SP_WORD_UPDATE,
	SP_WORD_DELETE,
	SP_WORD_SET,
	SP_WORD_USE,
	SP_WORD_BEGIN,
	SP_WORD_START,
	SP_WORD_COMMIT,
	SP_WORD_ROLLBACK,
	SP_WORD_CALL,
	SP_WORD_DO,
	SP_WORD_LOAD,
	SP_WORD_KILL,
	SP_WORD_PREPARE,
	SP_WORD_EXECUTE,
	SP_WORD_DEALLOCATE,
	SP_WORD_CREATE,
	SP_WORD_ALTER,
	SP_WORD_DROP,
	SP_WORD_RENAME,
	SP_WORD_TRUNCATE,
	SP_WORD_LOCK,
	SP_WORD_UNLOCK,
	SP_WORD_FLUSH,
	SP_WORD_BACKUP,
	SP_WORD_HANDLER,
	SP_WORD_XA,
	SP_WORD_GET,
	SP_WORD_ANALYZE,
	SP_WORD_END,
	SP_WORD_IF,
	SP_WORD_CASE,
	SP_WORD_LOOP,
	SP_WORD_WHILE,
	SP_WORD_REPEAT,
	SP_WORD_FOR,
	SP_WORD_INTO,
	SP_WORD_SQL_CALC_FOUND_ROWS,
	SP_WORD_NEXT,
	SP_WORD_PREVIOUS,
	SP_WORD_AS,
	SP_WORD_INFORMATION_SCHEMA,
	SP_WORD_PERFORMANCE_SCHEMA,
	SP_WORD_THEN,
	SP_WORD_ELSE,
	SP_WORD_ROW,
	SP_WORDS,
	SP_WORD_NEVER = SP_WORDS /* no word is that one */
};

/* What a call of a function means. */
enum sp_func {
	SP_FUNC_UNKNOWN,
	SP_FUNC_PLAIN,
	SP_FUNC_PRIMARY, /* built in, but its answer is the primary's to give */
	SP_FUNC_LAST_INSERT_ID,
	SP_FUNC_FOUND_ROWS,
	SP_FUNC_ROW_COUNT,
	SP_FUNC_CONNECTION_ID,
	SP_FUNC_GET_LOCK,
	SP_FUNC_RELEASE_LOCK,
	SP_FUNC_RELEASE_ALL_LOCKS,
	SP_FUNC_NEXTVAL, /* changes what LASTVAL() of this connection answers */
};

struct sp_word_row {
	char text[20];
	uint8_t len;
	uint8_t word; /* enum sp_word */
	bool paren;   /* '(' after it opens a list, a subquery or a type's size: no call */
};

/* The row of a word in any case, or NULL. */
const struct sp_word_row *sp_word_find(const char *at, size_t len);

enum sp_func sp_func_find(const char *at, size_t len);

/* The i-th plain function's name, NULL behind the last: for the test of the table's order. */
const char *sp_func_name(size_t i);

/* Is this the word? want is in capitals, digits and '_'. */
bool sp_word_is(const char *at, size_t len, const char *want);
