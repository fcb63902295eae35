#include "core/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"

struct tls_ctx {
	SSL_CTX *ssl;
	atomic_int held;
	bool server;
	unsigned char psk[TLS_PSK];
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* the SSL's own */
	struct tls_ctx *ctx;
	char reason[160];
};

/* Of sessions, and the name of a key that both know. */
static const unsigned char context[] = "troupe";

static int fail(struct err *err, const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return err_set(err, ERR_CONF, "%s %s: %s", what, file, text);
}

static int load_pair(SSL_CTX *ssl, const struct tls_conf *c, struct err *err)
{
	const char *key = c->key && *c->key ? c->key : c->cert;

	if (SSL_CTX_use_certificate_chain_file(ssl, c->cert) != 1)
		return fail(err, "certificate", c->cert);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return fail(err, "private key", key);
	return 0;
}

static int load_trust(SSL_CTX *ssl, const struct tls_conf *c, bool server, struct err *err)
{
	if (c->ca && *c->ca) {
		if (SSL_CTX_load_verify_locations(ssl, c->ca, NULL) != 1)
			return fail(err, "CA file", c->ca);
	} else {
		SSL_CTX_set_default_verify_paths(ssl);
	}
	int mode = server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
	SSL_CTX_set_verify(ssl, mode, NULL);
	return 0;
}

void tls_expect(void *ssl_ctx, const char *name, bool system)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl_ctx);

	if (name && X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1)
		X509_VERIFY_PARAM_set1_host(param, name, 0);
	if (system)
		SSL_CTX_set_default_verify_paths(ssl_ctx);
}

/* ---- a key that both know (RFC 8446 4.2.11) --------------------------------------------- */

static SSL_SESSION *psk_session(SSL *ssl)
{
	static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
	const struct tls_ctx *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
	SSL_SESSION *s = cipher ? SSL_SESSION_new() : NULL;

	if (s && SSL_SESSION_set1_master_key(s, ctx->psk, sizeof(ctx->psk)) == 1 &&
	    SSL_SESSION_set_cipher(s, cipher) == 1 &&
	    SSL_SESSION_set1_id_context(s, context, sizeof(context) - 1) == 1 &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1)
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

static int use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *n,
		   SSL_SESSION **session)
{
	(void)md; /* of the one cipher that is offered */
	*id = context;
	*n = sizeof(context) - 1;
	*session = psk_session(ssl);
	return *session != NULL;
}

static int find_psk(SSL *ssl, const unsigned char *id, size_t n, SSL_SESSION **session)
{
	bool ours = n == sizeof(context) - 1 && memcmp(id, context, n) == 0;

	*session = ours ? psk_session(ssl) : NULL;
	return 1; /* without a session the handshake fails by itself: there is no certificate */
}

static void share_key(struct tls_ctx *ctx, const unsigned char *psk)
{
	memcpy(ctx->psk, psk, sizeof(ctx->psk));
	SSL_CTX_set_app_data(ctx->ssl, ctx);
	SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(ctx->ssl, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_num_tickets(ctx->ssl, 0);
	if (ctx->server)
		SSL_CTX_set_psk_find_session_callback(ctx->ssl, find_psk);
	else
		SSL_CTX_set_psk_use_session_callback(ctx->ssl, use_psk);
	SSL_CTX_set_verify(ctx->ssl, ctx->server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
}

struct tls_ctx *tls_ctx_new(const struct tls_conf *conf, bool server, struct err *err)
{
	SSL_CTX *ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	int rc = 0;

	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_id_context(ssl, context, sizeof(context) - 1);
	if (conf->cert && *conf->cert)
		rc = load_pair(ssl, conf, err);
	if (!rc && conf->verify)
		rc = load_trust(ssl, conf, server, err);
	if (rc) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	struct tls_ctx *ctx = mem_new(sizeof(*ctx));
	ctx->ssl = ssl;
	ctx->server = server;
	atomic_init(&ctx->held, 1);
	if (conf->psk)
		share_key(ctx, conf->psk);
	return ctx;
}

struct tls_ctx *tls_ctx_hold(struct tls_ctx *ctx)
{
	if (ctx)
		atomic_fetch_add(&ctx->held, 1);
	return ctx;
}

void tls_ctx_drop(struct tls_ctx *ctx)
{
	if (!ctx || atomic_fetch_sub(&ctx->held, 1) > 1)
		return;
	SSL_CTX_free(ctx->ssl);
	OPENSSL_cleanse(ctx->psk, sizeof(ctx->psk));
	free(ctx);
}

/* RFC 6066 3: SNI has no addresses. */
static bool is_address(const char *name)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

struct tls *tls_new(struct tls_ctx *ctx, const char *name)
{
	struct tls *t = mem_new(sizeof(*t));

	t->ctx = tls_ctx_hold(ctx);
	t->ssl = SSL_new(ctx->ssl);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(t->in, -1);
	SSL_set_bio(t->ssl, t->in, t->out);
	if (ctx->server) {
		SSL_set_accept_state(t->ssl);
		return t;
	}
	SSL_set_connect_state(t->ssl);
	if (name && *name && !is_address(name))
		SSL_set_tlsext_host_name(t->ssl, name);
	if (name && *name)
		SSL_set1_host(t->ssl, name);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	tls_ctx_drop(t->ctx);
	free(t);
}

void tls_feed(struct tls *t, const void *data, size_t n)
{
	BIO_write(t->in, data, (int)n);
}

static int broken(struct tls *t)
{
	long verify = SSL_get_verify_result(t->ssl);

	if (verify != X509_V_OK)
		snprintf(t->reason, sizeof(t->reason), "%s", X509_verify_cert_error_string(verify));
	else
		ERR_error_string_n(ERR_peek_last_error(), t->reason, sizeof(t->reason));
	ERR_clear_error();
	return ERR_PROTO;
}

int tls_handshake(struct tls *t)
{
	ERR_clear_error(); /* SSL_get_error would take somebody else's for ours */
	int rc = SSL_do_handshake(t->ssl);

	if (rc == 1)
		return 1;
	return SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ ? 0 : broken(t);
}

long tls_read(struct tls *t, void *into, size_t size)
{
	ERR_clear_error();
	int n = SSL_read(t->ssl, into, size > INT32_MAX ? INT32_MAX : (int)size);

	if (n > 0)
		return n;
	switch (SSL_get_error(t->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return UV_EOF;
	default:
		return broken(t);
	}
}

bool tls_more(struct tls *t)
{
	return SSL_pending(t->ssl) > 0 || BIO_ctrl_pending(t->in) > 0;
}

int tls_write(struct tls *t, const void *data, size_t n)
{
	size_t written;

	return n == 0 || SSL_write_ex(t->ssl, data, n, &written) == 1 ? 0 : broken(t);
}

const void *tls_pending(struct tls *t, size_t *n)
{
	char *data = NULL;
	long len = BIO_get_mem_data(t->out, &data);

	*n = len > 0 ? (size_t)len : 0;
	return data;
}

void tls_sent(struct tls *t)
{
	(void)BIO_reset(t->out);
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

const char *tls_reason(const struct tls *t)
{
	return t->reason;
}
