/*
 * tls - OpenSSL behind memory BIOs: bytes of the wire in and out, never a socket.
 *
 * A tls_ctx holds certificates and rules; it is counted, so a reload makes a new one and
 * connections that were made with the old keep it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct tls_ctx;
struct tls;

struct tls_conf {
	const char *cert; /* PEM; server: required. It may hold the key too. */
	const char *key;  /* PEM; NULL: in `cert` */
	const char *ca;   /* PEM of those we trust; NULL: the system's, when verify */
	bool verify;      /* client: check the server's certificate; server: ask for one */
	/* A key that both know, TLS_PSK bytes, instead of certificates (RFC 8446 2.2, with a key
	 * exchange, so that what was said stays secret when the key is known one day); NULL: none.
	 */
	const unsigned char *psk;
};

enum { TLS_PSK = 32 };

struct tls_ctx *tls_ctx_new(const struct tls_conf *conf, bool server, struct err *err);
struct tls_ctx *tls_ctx_hold(struct tls_ctx *ctx);
void tls_ctx_drop(struct tls_ctx *ctx); /* NULL is fine */

/* For a library that has OpenSSL's context for itself (an SSL_CTX): whose name or address the
 * server's certificate must have, NULL: anybody's; and whether those are trusted whom the system
 * trusts. */
void tls_expect(void *ssl_ctx, const char *name, bool system);

/* name: the server's, or its address; checked when the context verifies, a name is sent as SNI.
 * NULL for a server. */
struct tls *tls_new(struct tls_ctx *ctx, const char *name);
void tls_free(struct tls *t);

/* Bytes that came from the wire. */
void tls_feed(struct tls *t, const void *data, size_t n);

/* Goes on with the handshake. 1: it is done, 0: needs the peer, negative: ERR_PROTO. */
int tls_handshake(struct tls *t);

/* Plain bytes out: > 0, 0: needs more from the wire, UV_EOF, ERR_PROTO. */
long tls_read(struct tls *t, void *into, size_t size);

/* Bytes of the wire wait inside: tls_read may have more. */
bool tls_more(struct tls *t);

/* Plain bytes in, all of them (the handshake must be done). Returns 0 or ERR_PROTO. */
int tls_write(struct tls *t, const void *data, size_t n);

/* What waits to go onto the wire; take with tls_sent. */
const void *tls_pending(struct tls *t, size_t *n);
void tls_sent(struct tls *t);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; the reason of the last failure. */
const char *tls_version(const struct tls *t);
const char *tls_cipher(const struct tls *t);
const char *tls_reason(const struct tls *t);
