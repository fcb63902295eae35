/*
 * sp_proxyhdr - the PROXY protocol's header, versions 1 (text) and 2 (binary), both ways.
 *
 * It stands before everything else on a connection and says who is at the far end of whoever
 * connected. Believe it only from networks that the configuration names.
 *
 * Source: haproxy's doc/proxy-protocol.txt, sections 2.1 and 2.2.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SP_PROXYHDR_MAX = 536 }; /* a v2 header longer than this (its TLVs) is refused */

/*
 * Reads a header. Returns its length, 0 when more bytes are needed, ERR_PROTO when it is none: as
 * soon as that can be told.
 * from: the client's address; family AF_UNSPEC for LOCAL, UNKNOWN and what is not TCP over IP
 * (keep the socket's own). Untouched unless a length is returned.
 */
int sp_proxyhdr_read(const uint8_t *data, size_t len, struct sockaddr_storage *from);

/*
 * Writes one; version: 1 or 2. When one address is of IPv4 and the other of IPv6, both are written
 * as IPv6; when one is not IP, or NULL, the header is UNKNOWN or LOCAL. Returns its length.
 */
size_t sp_proxyhdr_write(int version, const struct sockaddr *from, const struct sockaddr *to,
			 uint8_t out[SP_PROXYHDR_MAX]);
