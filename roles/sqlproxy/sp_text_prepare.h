/*
 * sp_text_prepare - PREPARE as a statement: where it names its text as a literal, the text is kept
 * in the session, and prepared again under the schema and variables of its PREPARE on the
 * connection that an EXECUTE gets. PREPARE FROM @a pins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_lex.h"

struct buf;
struct sp_backend;
struct sp_client;
struct sp_lex;
struct sp_text;

struct sp_named {
	char *name;
	struct sp_text *text; /* NULL: known to the connection only */
	bool no_backslash;    /* how its literal was written */
};

/* A session's. */
struct sp_named_list {
	struct sp_named *list;
	uint32_t count;
};

void sp_named_clear(struct sp_named_list *l);

/*
 * An EXECUTE's flags become those of what it executes, as far as they say what that needs. Returns
 * its text; NULL: not known, or one of several.
 */
const struct sp_text *sp_text_prepare_look(const struct sp_named_list *l, struct sp_lex *lex);

/* A PREPARE or DEALLOCATE of the client was answered. */
void sp_text_prepare_note(struct sp_client *c);

/*
 * Before the client's statement: appends the PREPAREs that the connection lacks for it. True: of
 * the one that it executes; its error is the client's.
 */
bool sp_text_prepare_replay(struct sp_client *c, struct sp_backend *b, struct buf *prefix);

/* A replay was refused: the connection has not got that text. */
void sp_text_prepare_failed(struct sp_backend *b, const struct sp_text *text);

/*
 * When all other state is there: where its text calls ROW_COUNT() or FOUND_ROWS(), whose values
 * are not there, prepares it with them. True: schema and variables have moved.
 */
bool sp_text_prepare_tell(struct sp_client *c, struct sp_backend *b, struct buf *prefix);
