/*
 * sp_text_prepare - PREPARE as a statement: where it names its text as a literal, the text is kept
 * in the session and prepared again on the connection that an EXECUTE gets. PREPARE FROM @a pins.
 */
#pragma once

struct buf;
struct sp_backend;
struct sp_client;

/* A PREPARE or DEALLOCATE of the client was answered. */
void sp_text_prepare_note(struct sp_client *c);

/* Before the client's statement: appends the PREPAREs that the connection lacks for it. */
void sp_text_prepare_replay(struct sp_client *c, struct sp_backend *b, struct buf *prefix);
