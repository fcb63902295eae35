/*
 * sp_forward - a command on its way to a connection that is attached and applied.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_packet.h"

struct sp_client;

/* The command as far as it is in memory. */
struct sp_view {
	uint8_t *packet; /* its header */
	size_t have;     /* bytes from there that belong to it */
	uint32_t payload;
};

static inline const uint8_t *sp_view_body(const struct sp_view *v)
{
	return v->packet + SP_HEADER;
}

static inline size_t sp_view_len(const struct sp_view *v)
{
	return v->have - SP_HEADER;
}

/* Sends it; the client is then BUSY, or SENDING what is not in memory yet. May change it in place.
 */
void sp_forward(struct sp_client *c, struct sp_view *v);

/* The database that a USE or COM_INIT_DB names; .at NULL: it is neither. */
struct sp_span sp_forward_database(const struct sp_client *c, const struct sp_view *v);

/* The same span in a copy. */
struct sp_span sp_forward_moved(struct sp_span s, const char *from, const char *to);
