/*
 * sp_kill - KILL by the ids that clients see.
 *
 * A client knows itself by the id of its greeting, which is ours. KILL, as a statement or as
 * COM_PROCESS_KILL, of such an id is carried out here: the statement under way is killed on the
 * server by the server's own id, the client is closed. Ids that are not ours go to the server.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp_client;
struct sp_worker;

/* True: the command is a KILL of ours, and is answered, now or later. */
bool sp_kill(struct sp_client *c, const uint8_t *payload, size_t len);

/* By an administrator. False: this worker has no such client. */
bool sp_kill_here(struct sp_worker *w, uint32_t id, bool query);
