#include "core/net/http_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

static const struct http_limits limits = { .head = 1024, .fields = 10, .body = 100 };

#define HOST "Host: a\r\n"
#define LINE "GET / HTTP/1.1\r\n" HOST

struct bad_case {
	const char *text;
	int status;
};

static const struct bad_case bad_cases[] = {
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400 },
	{ LINE "X: a\r\n b\r\n\r\n", 400 },
	{ LINE "Transfer-Encoding:\r\n chunked\r\n\r\n", 400 },
	{ LINE "X : a\r\n\r\n", 400 },
	{ LINE ": a\r\n\r\n", 400 },
	{ LINE "nocolon\r\n\r\n", 400 },
	{ LINE "X(: a\r\n\r\n", 400 },
	{ LINE "X: a\001\r\n\r\n", 400 },
	{ LINE "X: a\rb\r\n\r\n", 400 },
	{ LINE "\rX: a\r\n\r\n", 400 },
	{ LINE "\rContent-Length: 1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
	{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ LINE "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ LINE "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
	{ LINE "Content-Length: +1\r\n\r\n", 400 },
	{ LINE "Content-Length: 1,1\r\n\r\n", 400 },
	{ LINE "Content-Length: \r\n\r\n", 400 },
	{ LINE "Content-Length: 99999999999999999999\r\n\r\n", 400 },
	{ LINE "Content-Length: 101\r\n\r\n", 413 },
	{ LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
	{ LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ LINE "Transfer-Encoding: xchunked\r\n\r\n", 501 },
	{ LINE "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
	{ LINE "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400 },
	{ LINE "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400 },
	{ LINE "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 3\r\n\r\n", 400 },
	{ LINE "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", 400 },
	{ LINE "Expect: more\r\n\r\n", 417 },
	{ "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /  HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\tb HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /#f HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET x HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET * HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501 },
	{ "GET / HTTP/1.2\r\n" HOST "\r\n", 505 },
	{ "GET / HTTP/1.1x\r\n" HOST "\r\n", 400 },
	{ "GET / http/1.1\r\n" HOST "\r\n", 400 },
	{ " GET / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "BREW / HTTP/1.1\r\n" HOST "\r\n", 501 },
	{ "get / HTTP/1.1\r\n" HOST "\r\n", 501 },
	{ "G(T / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "TRACE / HTTP/1.1\r\n" HOST "\r\n", 405 },
	{ "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 405 },
	{ "\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "\x16\x03\x01\x02\n", 400 },
	{ LINE "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\n\r\n", 431 },
};

static size_t feed(struct http_parser *p, const char *text, size_t size, size_t step)
{
	size_t used = 0;

	while (used < size) {
		size_t n = step < size - used ? step : size - used;
		size_t took = http_parser_feed(p, text + used, n);
		used += took;
		if (took < n || http_parser_state(p) == HTTP_WHOLE ||
		    http_parser_state(p) == HTTP_BAD)
			break;
	}
	return used;
}

Test(http, refuses_what_may_be_read_otherwise_at_every_split)
{
	struct http_parser *p = http_parser_new(&limits);

	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		const char *text = bad_cases[i].text;

		for (size_t step = 1; step <= strlen(text); step++) {
			http_parser_reset(p);
			feed(p, text, strlen(text), step);
			cr_expect(http_parser_state(p) == HTTP_BAD &&
					  http_parser_status(p) == bad_cases[i].status,
				  "step %zu: %d %s for\n%s", step, http_parser_status(p),
				  http_parser_reason(p), text);
		}
	}
	http_parser_free(p);
}

Test(http, reads_a_message_at_every_split_and_stops_at_its_end)
{
	static const struct {
		const char *text, *method, *target, *body;
		bool keep_alive;
	} cases[] = {
		{ LINE "\r\n", "GET", "/", "", true },
		{ "\r\n" LINE "Connection: close\r\n\r\n", "GET", "/", "", false },
		{ "GET /a?b=c%20 HTTP/1.0\r\n\r\n", "GET", "/a?b=c%20", "", false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET", "/", "", true },
		{ "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "OPTIONS", "*", "", true },
		{ "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "http://a/b", "", true },
		{ "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "POST", "/x",
		  "hello", true },
		{ "POST /x HTTP/1.1\r\n" HOST
		  "Transfer-Encoding: Chunked\r\n\r\n3;e=1\r\nhel\r\n2\r\n"
		  "lo\r\n0\r\nX-Sum: 1\r\n\r\n",
		  "POST", "/x", "hello", true },
		{ "POST /x HTTP/1.1\r\n" HOST
		  "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
		  "POST", "/x", "hi", true },
	};

	struct http_parser *p = http_parser_new(&limits);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1000];
		size_t size = strlen(cases[i].text);

		snprintf(text, sizeof(text), "%sGET /next", cases[i].text);
		for (size_t step = 1; step <= strlen(text); step++) {
			http_parser_reset(p);
			check_int(feed(p, text, strlen(text), step), size);
			const struct http_message *m = http_parser_message(p);
			cr_assert(http_parser_state(p) == HTTP_WHOLE, "step %zu: %s for\n%s", step,
				  http_parser_reason(p), text);
			check_str(m->method, cases[i].method);
			check_str(m->target, cases[i].target);
			check_str(m->body, cases[i].body);
			check_int(m->body_len, strlen(cases[i].body));
			check_int(m->keep_alive, cases[i].keep_alive);
		}
	}
	http_parser_free(p);
}

Test(http, limits_hold)
{
	struct http_parser *p = http_parser_new(&limits);
	char text[4000];

	snprintf(text, sizeof(text), "GET /%01500d HTTP/1.1\r\n" HOST "\r\n", 0);
	feed(p, text, strlen(text), 7);
	check_int(http_parser_status(p), 414);

	http_parser_reset(p);
	snprintf(text, sizeof(text), LINE "X: %01500d\r\n\r\n", 0);
	feed(p, text, strlen(text), 7);
	check_int(http_parser_status(p), 431);

	http_parser_reset(p);
	snprintf(text, sizeof(text),
		 LINE "Transfer-Encoding: chunked\r\n\r\n60\r\n%096d\r\n60\r\n%096d\r\n", 0, 0);
	feed(p, text, strlen(text), 7);
	check_int(http_parser_status(p), 413);
	http_parser_free(p);
}

Test(http, a_value_has_no_control_characters)
{
	struct http_parser *p = http_parser_new(&limits);
	char text[64];

	for (int c = 1; c < 256; c++) {
		bool good = (c >= 0x20 && c != 0x7f) || c == '\t';
		size_t n = (size_t)snprintf(text, sizeof(text), LINE "X: a%cb\r\n\r\n", c);
		feed(p, text, n, n);
		bool taken = http_parser_state(p) == HTTP_WHOLE;
		cr_expect(taken == good, "byte %d", c);
		if (taken)
			cr_expect_eq(http_field(http_parser_message(p), "x")[1], (char)c);
		http_parser_reset(p);
	}
	http_parser_free(p);
}

Test(http, finds_fields_in_any_case)
{
	struct http_parser *p = http_parser_new(&limits);
	const char *text =
		LINE "X-Y: \t v w \t\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";

	feed(p, text, strlen(text), 100);
	check_int(http_parser_state(p), HTTP_IN_BODY);
	check_str(http_field(http_parser_message(p), "x-y"), "v w");
	cr_expect(http_field(http_parser_message(p), "z") == NULL);
	cr_expect(http_parser_message(p)->expects_continue);
	http_parser_free(p);
}
