#include "core/net/tls.h"

#include <openssl/err.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include "core/base/err.h"
#include "tests/lib/check.h"
#include "tests/lib/pem.h"

/* Both ends in memory; what goes over the wire is carried by `carry`. */
struct pair {
	struct tls *client, *server;
};

static struct tls_ctx *context(const char *cert, const char *key, const char *ca, bool server)
{
	struct tls_conf conf = { cert, key, ca, ca != NULL, NULL };
	struct err err = { 0 };
	struct tls_ctx *ctx = tls_ctx_new(&conf, server, &err);

	check_true(ctx);
	return ctx;
}

/* At most `most` bytes from one end to the other. */
static size_t carry(struct tls *from, struct tls *to, size_t most)
{
	size_t n;
	const uint8_t *data = tls_pending(from, &n);
	size_t all = n;
	static uint8_t copy[1 << 20];

	check_true(n <= sizeof(copy));
	if (n == 0)
		return 0;
	memcpy(copy, data, n);
	tls_sent(from);
	for (size_t at = 0; at < all; at += most)
		tls_feed(to, copy + at, all - at < most ? all - at : most);
	return all;
}

/* Until both are done or one fails: 1, or its code. */
static int shake(struct pair *p, size_t most)
{
	for (int i = 0; i < 100; i++) {
		int a = tls_handshake(p->client);
		carry(p->client, p->server, most);
		int b = tls_handshake(p->server);
		carry(p->server, p->client, most);
		if (a < 0 || b < 0)
			return a < 0 ? a : b;
		if (a == 1 && b == 1)
			return 1;
	}
	return 0;
}

static void free_pair(struct pair *p)
{
	tls_free(p->client);
	tls_free(p->server);
}

static void check_talk(struct pair *p, size_t most)
{
	char got[64];

	check_int(tls_write(p->client, "hello", 5), 0);
	carry(p->client, p->server, most);
	check_int(tls_read(p->server, got, sizeof(got)), 5);
	check_true(memcmp(got, "hello", 5) == 0);
	check_int(tls_read(p->server, got, sizeof(got)), 0);
	check_int(tls_write(p->server, "well", 4), 0);
	carry(p->server, p->client, most);
	check_int(tls_read(p->client, got, sizeof(got)), 4);
}

Test(tls, both_ways_in_pieces_of_any_size)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 7, 16, 100, 1000, 1 << 20 };
	struct pem pem;

	pem_make(&pem);
	struct tls_ctx *server = context(pem.cert, pem.key, NULL, true);
	struct tls_ctx *client = context(NULL, NULL, pem.ca, false);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct pair p = { tls_new(client, "localhost"), tls_new(server, NULL) };
		check_int(shake(&p, pieces[i]), 1);
		check_talk(&p, pieces[i]);
		check_str(tls_version(p.client), "TLSv1.3");
		check_true(strlen(tls_cipher(p.client)) > 0);
		free_pair(&p);
	}
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	pem_remove(&pem);
}

/* The client's last flight and its first words, cut at every byte. */
Test(tls, the_end_of_the_handshake_cut_at_every_byte)
{
	struct pem pem;

	pem_make(&pem);
	struct tls_ctx *server = context(pem.cert, pem.key, NULL, true);
	struct tls_ctx *client = context(NULL, NULL, NULL, false);
	size_t len = 1;
	for (size_t cut = 0; cut <= len; cut++) {
		struct pair p = { tls_new(client, NULL), tls_new(server, NULL) };
		char got[64];
		tls_handshake(p.client);
		carry(p.client, p.server, SIZE_MAX);
		tls_handshake(p.server);
		carry(p.server, p.client, SIZE_MAX);
		check_int(tls_handshake(p.client), 1);
		check_int(tls_write(p.client, "login", 5), 0);
		const uint8_t *data = tls_pending(p.client, &len);
		tls_feed(p.server, data, cut);
		int early = tls_handshake(p.server);
		check_true(early >= 0);
		long n = early == 1 ? tls_read(p.server, got, sizeof(got)) : 0;
		check_true(n >= 0);
		tls_feed(p.server, data + cut, len - cut);
		check_int(tls_handshake(p.server), 1);
		check_true(n == 5 || tls_more(p.server));
		check_int(n == 5 ? n : tls_read(p.server, got, sizeof(got)), 5);
		check_true(memcmp(got, "login", 5) == 0);
		free_pair(&p);
	}
	check_true(len > 50);
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	pem_remove(&pem);
}

Test(tls, a_certificate_that_is_checked)
{
	struct pem pem, other;

	pem_make(&pem);
	pem_make(&other);
	struct tls_ctx *server = context(pem.cert, pem.key, NULL, true);
	static const struct {
		bool ours;
		const char *name, *reason;
	} cases[] = {
		{ true, "localhost", NULL },
		{ true, "127.0.0.1", NULL },
		{ true, NULL, NULL },
		{ true, "example.org", "hostname mismatch" },
		{ true, "127.0.0.2", "IP address mismatch" },
		{ false, "localhost", "unable to get local issuer certificate" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_ctx *ctx = context(NULL, NULL, cases[i].ours ? pem.ca : other.ca, false);
		struct pair p = { tls_new(ctx, cases[i].name), tls_new(server, NULL) };
		check_int(shake(&p, SIZE_MAX), cases[i].reason ? ERR_PROTO : 1);
		if (cases[i].reason)
			check_str(tls_reason(p.client), cases[i].reason);
		free_pair(&p);
		tls_ctx_drop(ctx);
	}
	tls_ctx_drop(server);
	pem_remove(&pem);
	pem_remove(&other);
}

Test(tls, a_client_that_must_show_one)
{
	struct pem pem;

	pem_make(&pem);
	struct tls_ctx *server = context(pem.cert, pem.key, pem.ca, true);
	for (int with = 0; with < 2; with++) {
		struct tls_ctx *ctx =
			context(with ? pem.cert : NULL, with ? pem.key : NULL, NULL, false);
		struct pair p = { tls_new(ctx, NULL), tls_new(server, NULL) };
		check_int(shake(&p, SIZE_MAX), with ? 1 : ERR_PROTO);
		free_pair(&p);
		tls_ctx_drop(ctx);
	}
	tls_ctx_drop(server);
	pem_remove(&pem);
}

Test(tls, nonsense_is_refused)
{
	static const char *const junk[] = { "GET / HTTP/1.1\r\n\r\n",
					    "\x16\x03\x01\xff\xff\x01\x00\x00\x00\x00",
					    "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80" };
	struct pem pem;

	pem_make(&pem);
	struct tls_ctx *server = context(pem.cert, pem.key, NULL, true);
	for (size_t i = 0; i < 3; i++) {
		struct tls *t = tls_new(server, NULL);
		tls_feed(t, junk[i], strlen(junk[i]));
		int rc = tls_handshake(t);
		check_true(rc == ERR_PROTO || (i == 1 && rc == 0));
		tls_free(t);
	}
	tls_ctx_drop(server);
	pem_remove(&pem);
}

Test(tls, damage_and_ends)
{
	struct pem pem;
	char got[64];
	size_t n;

	pem_make(&pem);
	struct tls_ctx *server = context(pem.cert, pem.key, NULL, true);
	struct tls_ctx *client = context(NULL, NULL, NULL, false);
	struct pair p = { tls_new(client, NULL), tls_new(server, NULL) };
	check_int(shake(&p, SIZE_MAX), 1);

	/* An error that somebody else of this thread left is not the connection's. */
	ERR_raise(ERR_LIB_RSA, 1);
	check_int(tls_read(p.server, got, sizeof(got)), 0);
	check_int(tls_write(p.client, "", 0), 0);
	tls_pending(p.client, &n);
	check_int(n, 0);

	tls_write(p.client, "hello", 5);
	uint8_t *data = (uint8_t *)tls_pending(p.client, &n);
	data[n - 1] ^= 1;
	carry(p.client, p.server, SIZE_MAX);
	check_int(tls_read(p.server, got, sizeof(got)), ERR_PROTO);
	check_true(strlen(tls_reason(p.server)) > 0);
	free_pair(&p);
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	pem_remove(&pem);
}

Test(tls, a_context_that_is_dropped_lives_as_long_as_it_is_used)
{
	struct pem pem;

	pem_make(&pem);
	struct tls_ctx *server = context(pem.cert, pem.key, NULL, true);
	struct tls_ctx *client = context(NULL, NULL, NULL, false);
	struct pair p = { tls_new(client, NULL), tls_new(server, NULL) };
	tls_ctx_drop(tls_ctx_hold(server));
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	check_int(shake(&p, SIZE_MAX), 1);
	check_talk(&p, SIZE_MAX);
	free_pair(&p);
	tls_ctx_drop(NULL);
	tls_free(NULL);
	pem_remove(&pem);
}

Test(tls, says_what_is_wrong_with_a_file)
{
	struct pem pem;
	struct err err = { 0 };

	pem_make(&pem);
	struct tls_conf missing = { "/no/such.pem", NULL, NULL, false, NULL };
	struct tls_conf no_key = { pem.cert, NULL, NULL, false, NULL };
	struct tls_conf no_ca = { pem.cert, pem.key, "/no/such.pem", true, NULL };
	check_true(!tls_ctx_new(&missing, true, &err));
	check_true(strstr(err.text, "certificate /no/such.pem"));
	check_true(!tls_ctx_new(&no_key, true, &err));
	check_true(strstr(err.text, "private key"));
	check_true(!tls_ctx_new(&no_ca, true, &err));
	check_true(strstr(err.text, "CA file"));
	pem_remove(&pem);
}
