/*
 * sp_own - a server's statement that one client's has for itself, for one execution or as long as
 * its cursor is open.
 *
 * Two reasons: another of the client's statements with the same words has a cursor or long data,
 * which one server's statement would mix up; or the words call ROW_COUNT() or FOUND_ROWS(), the
 * values were made on another connection, and no statement could set them here: then they are
 * prepared with the values in place of the calls.
 */
#pragma once

#include <stdbool.h>

#include "roles/sqlproxy/sp_rewrite.h"

struct sp_backend;
struct sp_client;
struct sp_stmt;

/* What this command's calls become. */
void sp_own_calls(const struct sp_client *c, struct sp_calls *calls);

/* Before it is prepared: the words are shared, or not. */
void sp_own_share(struct sp_client *c, struct sp_backend *b);

/* When all other state is there: does it need words with values? Then they are to be prepared. */
bool sp_own_tell(struct sp_client *c);

/* It has run. */
void sp_own_close(struct sp_stmt *stmt, struct sp_backend *b);
