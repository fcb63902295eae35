/*
 * sp_lex - what one statement means for a pool, read from its first word and a few marks.
 *
 * Not a parser: one pass over the text that knows strings, comments, quoted names and words.
 * It never refuses a statement. What it does not know it calls a write with an unknown
 * effect, which is always safe: it goes to the writer.
 *
 * Costs well under a microsecond for a short statement and allocates nothing: all spans point
 * into the text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first word, as far as anybody asks for it. */
enum sp_verb {
	SP_VERB_NONE, /* empty, or a comment only */
	SP_VERB_OTHER,
	SP_VERB_SELECT, /* also TABLE, VALUES, WITH ... SELECT, and (SELECT */
	SP_VERB_SHOW,   /* also DESC, DESCRIBE, EXPLAIN, HELP, CHECKSUM */
	SP_VERB_INSERT, /* also REPLACE */
	SP_VERB_UPDATE,
	SP_VERB_DELETE,
	SP_VERB_SET,
	SP_VERB_USE,
	SP_VERB_BEGIN, /* BEGIN, START TRANSACTION; not BEGIN NOT ATOMIC */
	SP_VERB_COMMIT,
	SP_VERB_ROLLBACK, /* not TO SAVEPOINT */
	SP_VERB_CALL,
	SP_VERB_DO,
	SP_VERB_LOAD,
	SP_VERB_KILL,
	SP_VERB_PREPARE,
	SP_VERB_EXECUTE,
	SP_VERB_DEALLOCATE, /* also DROP PREPARE */
	SP_VERB_DDL,        /* CREATE, ALTER, DROP, RENAME, TRUNCATE */
};

enum sp_lex_flag {
	SP_LEX_READ = 1u << 0,  /* may go to a replica */
	SP_LEX_MULTI = 1u << 1, /* more than one statement; the other flags are OR-ed over all */
	SP_LEX_UVAR = 1u << 2,  /* names a user variable (@a), reading or setting */
	/* SET of user variables to plain literals and nothing else; see sp_lex_uvars */
	SP_LEX_UVAR_LITERAL = 1u << 3,
	SP_LEX_UVAR_EXPR = 1u << 4, /* sets one in a way that can't be replayed: :=, INTO @a, ... */
	SP_LEX_READ_LAST_ID = 1u << 5, /* LAST_INSERT_ID(), @@identity, @@last_insert_id */
	SP_LEX_SET_LAST_ID = 1u << 6,  /* LAST_INSERT_ID(expr) */
	SP_LEX_READ_FOUND_ROWS = 1u << 7,
	SP_LEX_CALC_FOUND_ROWS = 1u << 8,
	SP_LEX_READ_ROW_COUNT = 1u << 9,
	/* SHOW WARNINGS|ERRORS, SHOW COUNT(*) ..., @@warning_count, @@error_count, GET DIAGNOSTICS
	 */
	SP_LEX_READ_WARNINGS = 1u << 10,
	SP_LEX_GET_LOCK = 1u << 11,          /* GET_LOCK( */
	SP_LEX_RELEASE_LOCK = 1u << 12,      /* RELEASE_LOCK( */
	SP_LEX_RELEASE_ALL_LOCKS = 1u << 13, /* RELEASE_ALL_LOCKS( */
	SP_LEX_TEMP_CREATE = 1u << 14,       /* CREATE [OR REPLACE] TEMPORARY TABLE|SEQUENCE */
	SP_LEX_DROP_TABLE = 1u << 15,        /* DROP [TEMPORARY] TABLE: may end a temporary one */
	SP_LEX_LOCK_TABLES = 1u << 16,       /* LOCK TABLES, FLUSH ... WITH READ LOCK, BACKUP ... */
	SP_LEX_UNLOCK_TABLES = 1u << 17,
	SP_LEX_HANDLER = 1u << 18,       /* HANDLER ... (OPEN, READ, CLOSE) */
	SP_LEX_XA = 1u << 19,            /* XA ... */
	SP_LEX_SET_STATEMENT = 1u << 20, /* SET STATEMENT ... FOR: values reported are temporary */
	SP_LEX_NEXT_TRX = 1u << 21,      /* SET TRANSACTION without SESSION or GLOBAL */
	SP_LEX_SET_SYSVAR = 1u << 22,    /* SET of a session variable, NAMES, CHARACTER SET */
	SP_LEX_SET_GLOBAL = 1u << 23,    /* SET GLOBAL|PERSIST */
	SP_LEX_LOAD_LOCAL = 1u << 24, /* LOAD DATA|XML LOCAL: the client may be asked for a file */
	SP_LEX_UNKNOWN_FUNC = 1u << 25,  /* calls a function that is not a built-in one we know */
	SP_LEX_CONNECTION_ID = 1u << 26, /* CONNECTION_ID() or @@pseudo_thread_id */
	SP_LEX_READ_ONLY_TRX = 1u << 27, /* START TRANSACTION READ ONLY */
	SP_LEX_PIN = 1u << 28,           /* hint: pin | LAST_INSERT_ID-like state nobody can name */
	SP_LEX_NOPIN = 1u << 29,         /* hint: nopin */
	SP_LEX_SESSION_TRACK = 1u << 30, /* SET of a session_track_* variable */
	SP_LEX_FOR_UPDATE = 1u << 31,    /* a locking read */
};

enum sp_lex_hint { SP_HINT_NONE, SP_HINT_PRIMARY, SP_HINT_REPLICA, SP_HINT_SERVER };

/* How the session changes quoting: by sql_mode, and by character_set_client. */
enum sp_lex_mode {
	SP_LEX_ANSI_QUOTES = 1,
	SP_LEX_NO_BACKSLASH = 2,
	/*
	 * big5, cp932, gb18030, gbk, sjis: a letter's second byte may be a backslash or a quote. A
	 * text with any such letter is then no READ and no UVAR_LITERAL.
	 */
	SP_LEX_WIDE = 4
};

struct sp_span {
	const char *at; /* NULL: none */
	size_t len;
};

struct sp_lex {
	enum sp_verb verb;
	uint32_t flags;
	enum sp_lex_hint hint;
	struct sp_span hint_server; /* of SP_HINT_SERVER */
	/*
	 * USE name; PREPARE|EXECUTE|DEALLOCATE name; KILL id (digits only); CREATE TEMPORARY TABLE
	 * name. Quotes are not part of it.
	 */
	struct sp_span object;
	struct sp_span row_count; /* the first ROW_COUNT(), from R to the closing parenthesis */
	bool kill_query;          /* KILL QUERY id; false: the connection */
	bool unscoped; /* SET @@name =, which MariaDB does not report; not of a transaction's */
	bool kill_query_id; /* MariaDB's KILL QUERY ID n: not a thread's id */
};

/*
 * Reads the statement. Hints stand in comments: `/[*] troupe: WORD[=VALUE][, ...] [*]/` (primary,
 * replica, server=NAME, pin, nopin, db_type=read|write) anywhere outside strings, and the seed's
 * smproxy:db_type=read|write in a comment that starts the text, in its four spellings.
 * Executable comments (the bang ones) are read as code.
 */
void sp_lex(const char *sql, size_t len, unsigned mode, struct sp_lex *out);

/*
 * For SP_LEX_UVAR_LITERAL: calls `each` for every variable with its name (without @ and quotes)
 * and its literal as written.
 */
void sp_lex_uvars(const char *sql, size_t len, unsigned mode,
		  void (*each)(void *owner, struct sp_span name, struct sp_span literal),
		  void *owner);

/*
 * Writes the statement's digest text: values (literals, `?`, NULL) as ?, lists of them and lists
 * of such lists folded to one, white space as we would put it, comments gone, words as they are.
 * Returns its length; at most `size`, cut there; no final 0.
 */
size_t sp_lex_digest(const char *sql, size_t len, unsigned mode, char *out, size_t size);
