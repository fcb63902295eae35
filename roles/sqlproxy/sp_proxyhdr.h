/*
 * sp_proxyhdr - the PROXY protocol's header, versions 1 (text) and 2 (binary), both ways.
 *
 * Source: haproxy's doc/proxy-protocol.txt, sections 2.1 and 2.2.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SP_PROXYHDR_MAX = 536 }; /* a v2 header longer than this (its TLVs) is refused */

/*
 * Reads a header. Returns its length, 0 when more bytes are needed, ERR_PROTO when it is none.
 * from: the client's address; family AF_UNSPEC for LOCAL and UNKNOWN (keep the socket's own).
 */
int sp_proxyhdr_read(const uint8_t *data, size_t len, struct sockaddr_storage *from);

/* Writes one; version: 1 or 2; an address that is not IP gives UNKNOWN or LOCAL. Returns its length. */
size_t sp_proxyhdr_write(int version, const struct sockaddr *from, const struct sockaddr *to,
			 uint8_t out[SP_PROXYHDR_MAX]);
