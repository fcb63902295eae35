/*
 * sp_handover - what one client leaves on a connection is fetched for it before another gets it.
 *
 * LAST_INSERT_ID(), FOUND_ROWS() and the rows of SHOW WARNINGS live on the connection that ran the
 * statement. A connection with such leftovers is given to its own client first; when another must
 * have it, `SHOW WARNINGS` and `SELECT LAST_INSERT_ID(),FOUND_ROWS()` go ahead of that one's
 * statement, in the same write, and the answers are kept in the session they belong to. (An OK
 * packet's id is no substitute: it also tells explicit ids, which LAST_INSERT_ID() does not.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_backend.h"

struct buf;

/*
 * Before another client than its owner uses it: appends the questions to `prefix`. last_id: what
 * LAST_INSERT_ID() must be afterwards, or NULL; true if a question says so too.
 */
bool sp_handover_ask(struct sp_backend *b, struct buf *prefix, const uint64_t *last_id);

/* Bytes of an answer; the answer is complete. */
void sp_handover_capture(struct sp_backend *b, const uint8_t *data, size_t len);
void sp_handover_collected(struct sp_backend *b, enum sp_expect_kind kind, uint32_t id);

/* The connection goes, and its leftovers with it. */
void sp_handover_dropped(struct sp_backend *b);

/* It holds what a client may ask for. */
bool sp_handover_holds(const struct sp_backend *b);

/*
 * The client's command asks for what only another connection than `b` (NULL: any) knows: it waits,
 * and goes on by itself when that is fetched.
 */
struct sp_client;
bool sp_handover_wait(struct sp_client *c, const struct sp_backend *b);

/* The first bytes on a new connection, where its server wants to hear whom it is for. */
void sp_handover_proxy_header(struct sp_backend *b);
