/*
 * A connection of Faktory's protocol (contribsys/faktory, docs/protocol-specification.md): lines
 * in, "VERB arguments"; RESP out: +text, -CODE text, $length and bytes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/digest.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

enum { ITERATIONS = 1555 };

/* ---- out ----------------------------------------------------------------------------------- */

void jd_fk_ok(struct jd_fk_client *c)
{
	jd_conn_put(&c->conn, "+OK\r\n", 5);
}

void jd_fk_nil(struct jd_fk_client *c)
{
	jd_conn_put(&c->conn, "$-1\r\n", 5);
}

void jd_fk_bulk(struct jd_fk_client *c, const void *p, size_t n)
{
	char line[32], *end = line;

	*end++ = '$';
	end = jd_conn_number(end, n);
	*end++ = '\r';
	*end++ = '\n';
	jd_conn_put(&c->conn, line, (size_t)(end - line));
	jd_conn_put(&c->conn, p, n);
	jd_conn_put(&c->conn, "\r\n", 2);
}

void jd_fk_err(struct jd_fk_client *c, const char *word, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	jd_conn_printf(&c->conn, "-%s %s\r\n", word ? word : "ERR", text);
}

void jd_fk_go_on(struct jd_fk_client *c)
{
	struct jd_fk *fk = c->fk;

	if (c->conn.closed)
		return;
	c->conn.state = JD_CONN_READING;
	jd_conn_go_on(&c->conn);
	if (!fk->conns.depth)
		jd_conns_flush(&fk->conns);
}

/* ---- who it is ----------------------------------------------------------------------------- */

static void text_of(const struct json *doc, const char *name, char *to, size_t size)
{
	struct json v = json_get(doc, name);
	char *text = json_unquoted(&v, NULL);

	snprintf(to, size, "%s", text ? text : "");
	free(text);
}

/* sha256, `ITERATIONS` times over, of password and nonce, in hexadecimal digits. */
static bool knows(const struct jd_fk_client *c, const char *hash)
{
	const char *password = c->fk->jd->keys->faktory_password;
	unsigned char bytes[DIGEST_BYTES];
	char hex[DIGEST_HEX], both[600];
	int n = snprintf(both, sizeof(both), "%s%s", password, c->nonce);
	unsigned char other = 0;

	digest_sha256(both, (size_t)n, bytes);
	for (int i = 1; i < ITERATIONS; i++)
		digest_sha256(bytes, sizeof(bytes), bytes);
	digest_hex(bytes, sizeof(bytes), hex);
	if (strlen(hash) != strlen(hex))
		return false;
	for (size_t i = 0; hex[i]; i++) /* in the same time, wherever they differ */
		other |= (unsigned char)(hex[i] ^ hash[i]);
	return other == 0;
}

static void leave(struct jd_fk_client *c, const char *why)
{
	jd_fk_err(c, NULL, "%s", why);
	jd_conn_leave(&c->conn);
}

static void do_hello(struct jd_fk_client *c, const struct json *doc)
{
	char hash[100], wid[101], host[101];

	text_of(doc, "pwdhash", hash, sizeof(hash));
	if (*c->nonce && !knows(c, hash)) {
		leave(c, "Invalid password");
		return;
	}
	text_of(doc, "wid", wid, sizeof(wid));
	text_of(doc, "hostname", host, sizeof(host));
	if (*wid) {
		c->worker = jd_fk_worker_get(c->fk, wid, host);
		if (!c->worker) {
			leave(c, "too many workers");
			return;
		}
		c->worker->conns++;
	}
	c->greeted = true;
	jd_conn_not_due(&c->conn);
	jd_fk_ok(c);
}

/* ---- in ------------------------------------------------------------------------------------ */

const char *jd_fk_word(const char **at, const char *end, size_t *n)
{
	while (*at < end && **at == ' ')
		++*at;
	const char *word = *at;
	while (*at < end && **at != ' ')
		++*at;
	*n = (size_t)(*at - word);
	return *n ? word : NULL;
}

static const struct verb {
	const char *name;
	void (*json)(struct jd_fk_client *c, const struct json *doc); /* its argument is JSON */
	void (*words)(struct jd_fk_client *c, const char *words, size_t n);
} verbs[] = {
	{ "FETCH", NULL, jd_fk_fetch },   { "ACK", jd_fk_ack, NULL },
	{ "PUSH", jd_fk_push, NULL },     { "FAIL", jd_fk_fail, NULL },
	{ "BEAT", jd_fk_beat, NULL },     { "PUSHB", jd_fk_push_all, NULL },
	{ "MUTATE", jd_fk_mutate, NULL }, { "QUEUE", NULL, jd_fk_queue },
	{ "TRACK", NULL, jd_fk_track },   { "BATCH", NULL, jd_fk_batch },
	{ "HELLO", do_hello, NULL },
};

static void do_plain(struct jd_fk_client *c, const char *verb, size_t n)
{
	if (n == 4 && memcmp(verb, "INFO", 4) == 0)
		jd_fk_info(c);
	else if (n == 5 && memcmp(verb, "FLUSH", 5) == 0)
		jd_fk_flush(c);
	else
		jd_fk_err(c, NULL, "Unknown command %.*s", (int)(n < 50 ? n : 50), verb);
}

static void do_line(struct jd_fk_client *c, const char *p, size_t n)
{
	const char *at = p;
	size_t len;
	const char *word = jd_fk_word(&at, p + n, &len);
	const struct verb *v = verbs;
	const struct verb *end = verbs + sizeof(verbs) / sizeof(*verbs);
	struct err err = { .text = "" };
	struct json doc;

	c->fk->commands++;
	while (word && v < end && (strlen(v->name) != len || memcmp(v->name, word, len) != 0))
		v++;
	bool hello = word && v < end && v->json == do_hello;
	size_t rest = (size_t)(p + n - at);
	if (word && len == 3 && memcmp(word, "END", 3) == 0)
		jd_conn_leave(&c->conn);
	else if (!word || c->greeted == hello)
		leave(c, c->greeted ? "HELLO comes once" : "HELLO comes first");
	else if (v == end)
		do_plain(c, word, len);
	else if (v->words)
		v->words(c, at, rest);
	else if (json_read(&doc, at, rest, &err) != 0)
		jd_fk_err(c, "MALFORMED", "%s: %s", v->name, err.text);
	else
		v->json(c, &doc);
}

/* Bytes that are done with; 0: not all of a line is there. */
static size_t take(struct jd_conn *conn, const char *p, size_t n)
{
	struct jd_fk_client *c = jd_fk_client_of(conn);
	const char *end = memchr(p, '\n', n);

	if (!end && n < (size_t)c->fk->jd->keys->faktory_line)
		return 0;
	if (!end) {
		leave(c, "the command is longer than faktory_line");
		return n;
	}
	size_t line = (size_t)(end - p);
	do_line(c, p, line && end[-1] == '\r' ? line - 1 : line);
	return line + 1;
}

static void on_eof(struct jd_conn *conn)
{
	struct jd_fk_client *c = jd_fk_client_of(conn);

	if (conn->state == JD_FK_FETCHING) {
		jd_fk_stop_waiting(c);
		jd_fk_nil(c);
	}
}

/* ---- the beginning, the end ---------------------------------------------------------------- */

static void on_open(struct jd_conn *conn)
{
	struct jd_fk_client *c = jd_fk_client_of(conn);
	struct jd_fk *fk = container_of(conn->all, struct jd_fk, conns);
	const char *password = fk->jd->keys->faktory_password;
	uint64_t n = 0;

	c->fk = fk;
	list_init(&c->turn);
	jd_conn_set_due(conn, work_clock(fk->work) + JD_FK_LOGIN);
	if (!password || !*password) {
		jd_conn_printf(conn, "+HI {\"v\":2}\r\n");
		return;
	}
	uv_random(NULL, NULL, &n, sizeof(n), 0, NULL);
	snprintf(c->nonce, sizeof(c->nonce), "%016lx", (unsigned long)n);
	jd_conn_printf(conn, "+HI {\"v\":2,\"i\":%d,\"s\":\"%s\"}\r\n", ITERATIONS, c->nonce);
}

static void on_gone(struct jd_conn *conn)
{
	struct jd_fk_client *c = jd_fk_client_of(conn);

	jd_fk_stop_waiting(c);
	if (c->watch)
		jd_watch_leave(c->watch);
	c->watch = NULL;
	jd_fk_worker_leave(c);
	conn->state = JD_FK_GONE;
}

static void on_free(struct jd_conn *conn)
{
	free(jd_fk_client_of(conn)->answer);
}

static void on_tick(struct jd_conns *conns)
{
	struct jd_fk *fk = container_of(conns, struct jd_fk, conns);

	jd_fk_workers_sweep(fk);
	jd_watches_sweep(&fk->watches);
}

const struct jd_protocol jd_fk_protocol = {
	.name = "faktory",
	.size = sizeof(struct jd_fk_client),
	.open = on_open,
	.take = take,
	.eof = on_eof,
	.gone = on_gone,
	.free = on_free,
	.due = jd_fk_due,
	.tick = on_tick,
};
