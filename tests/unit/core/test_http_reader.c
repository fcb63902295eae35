#include "core/net/http_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

enum { HEAD = 1024, BODY = 100 };

#define OK "HTTP/1.1 200 OK\r\n"

struct good_case {
	const char *text;
	bool ends; /* by the end of the connection */
	int status;
	const char *body, *type, *retry;
	bool keeps;
};

static const struct good_case good_cases[] = {
	{ OK "Content-Length: 3\r\nContent-Type: a/b; c=d\r\n\r\nabc", false, 200, "abc",
	  "a/b; c=d", "", true },
	{ "HTTP/1.1 204\r\n\r\n", false, 204, "", "", "", true },
	{ "HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n", false, 304, "", "", "", true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\nContent-Type: "
	     "no\r\n\r\n",
	  false, 200, "abc", "", "", true },
	{ OK "\r\nall of it", true, 200, "all of it", "", "", false },
	{ OK "Connection: close\r\nContent-Length: 1\r\n\r\nx", false, 200, "x", "", "", false },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false, 200, "x", "", "", false },
	{ "HTTP/1.1 503 S\r\nReTry-After: 120\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n",
	  false, 503, "", "", "120", true },
	{ "HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nHTTP/1.1 103 H\r\nContent-Type: "
	  "hint\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
	  false, 200, "x", "", "", true },
	{ OK "Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", false, 200, "x", "", "", false },
};

static enum http_reader_state feed_by(struct http_reader *r, const char *text, bool ends,
				      size_t piece)
{
	enum http_reader_state s = HTTP_READER_MORE;
	size_t n = strlen(text);

	for (size_t at = 0; at < n && s == HTTP_READER_MORE; at += piece)
		s = http_reader_feed(r, text + at, n - at < piece ? n - at : piece);
	return s == HTTP_READER_MORE && ends ? http_reader_feed(r, NULL, 0) : s;
}

Test(http_reader, reads_responses_cut_anywhere)
{
	struct http_reader *r = http_reader_new(HEAD);

	for (size_t i = 0; i < sizeof(good_cases) / sizeof(good_cases[0]); i++) {
		const struct good_case *c = &good_cases[i];
		size_t all = strlen(c->text);
		for (size_t piece = 1; piece <= all; piece++) {
			http_reader_reset(r, BODY);
			check_true(!http_reader_begun(r));
			enum http_reader_state s = feed_by(r, c->text, c->ends, piece);
			cr_assert(s == HTTP_READER_WHOLE, "case %zu by %zu: %s", i, piece,
				  http_reader_reason(r));
			const struct http_response *a = http_reader_response(r);
			check_int(a->status, c->status);
			check_str(a->type, c->type);
			check_str(a->retry_after, c->retry);
			check_int(a->size, strlen(c->body));
			check_true(memcmp(a->body, c->body, a->size) == 0);
			check_int(a->cut, false);
			/* what lies behind is only seen when it came with the rest */
			if (piece == all)
				check_int(a->keep_alive, c->keeps);
		}
	}
	http_reader_free(r);
}

static const struct {
	const char *text, *why;
} bad_cases[] = {
	{ "", "the connection was closed without an answer" },
	{ "SSH-2.0-x\r\n", NULL },
	{ "HTTP/1.1 OK\r\n\r\n", NULL },
	{ "HTTP/1.1 20 OK\r\n\r\nbody", "its status has not three digits" },
	{ "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", NULL },
	{ OK, "the connection was closed in the middle of an answer" },
	{ OK "Content-Length: 5\r\n\r\nabc",
	  "the connection was closed in the middle of an answer" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
	  "the connection was closed in the middle of an answer" },
	{ OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", NULL },
	{ OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", NULL },
	{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL },
	{ OK "Content-Length: -5\r\n\r\nabcdef", NULL },
	{ OK "Content-Length: 99999999999999999999999\r\n\r\nabc", NULL },
	{ "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	  "it changes the protocol, which nobody asked for" },
};

Test(http_reader, refuses_what_is_no_response)
{
	struct http_reader *r = http_reader_new(HEAD);

	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++)
		for (size_t piece = 1; piece <= 40; piece += 13) {
			http_reader_reset(r, BODY);
			enum http_reader_state s = feed_by(r, bad_cases[i].text, true, piece);
			cr_expect(s == HTTP_READER_BAD, "case %zu", i);
			check_true(*http_reader_reason(r));
			if (bad_cases[i].why)
				check_str(http_reader_reason(r), bad_cases[i].why);
		}
	http_reader_free(r);
}

/* Feeds `more` for ever: how many bytes until it has enough. */
static size_t flood(struct http_reader *r, const char *head, const char *more)
{
	size_t fed = strlen(head);

	http_reader_reset(r, BODY);
	check_int(http_reader_feed(r, head, fed), HTTP_READER_MORE);
	for (; fed < 1 << 20; fed += strlen(more))
		if (http_reader_feed(r, more, strlen(more)) != HTTP_READER_MORE)
			return fed;
	return fed;
}

Test(http_reader, has_enough_of_what_has_no_end)
{
	struct http_reader *r = http_reader_new(HEAD);

	check_true(flood(r, OK, "X-Field: value\r\n") < 2 * HEAD);
	check_str(http_reader_reason(r), "the head is too long");
	check_true(flood(r, OK "X: ", " ") < 2 * HEAD);
	check_true(flood(r, "HTTP/1.1 200 ", "long ") < 2 * HEAD);
	check_true(flood(r, "HTTP/1.1 100 C\r\n\r\n", "HTTP/1.1 100 C\r\n\r\n") < 2 * HEAD);
	check_true(flood(r, OK "Transfer-Encoding: chunked\r\n\r\n1;", "extension") < 2 * HEAD);
	check_str(http_reader_reason(r), "too much around the body");
	check_true(flood(r, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n") < 2 * HEAD);
	check_true(flood(r, OK "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n") <= 7 * BODY);
	check_int(http_reader_response(r)->size, BODY);
	check_true(http_reader_response(r)->cut);
	check_true(!http_reader_response(r)->keep_alive);
	check_true(flood(r, OK "\r\n", "body ") <= 2 * BODY);
	check_int(http_reader_response(r)->size, BODY);
	check_true(flood(r, OK "Content-Length: 1000000\r\n\r\n", "body ") <= 2 * BODY);
	check_true(http_reader_response(r)->cut);
	http_reader_free(r);
}

Test(http_reader, a_body_of_just_the_size_is_not_cut)
{
	struct http_reader *r = http_reader_new(HEAD);
	const char *text = OK "Content-Length: 3\r\n\r\nabc";

	http_reader_reset(r, 3);
	check_int(http_reader_feed(r, text, strlen(text)), HTTP_READER_WHOLE);
	check_int(http_reader_response(r)->cut, false);
	http_reader_reset(r, 2);
	check_int(http_reader_feed(r, text, strlen(text)), HTTP_READER_WHOLE);
	check_int(http_reader_response(r)->cut, true);
	check_int(http_reader_response(r)->size, 2);
	http_reader_reset(r, 0);
	check_int(http_reader_feed(r, text, strlen(text)), HTTP_READER_WHOLE);
	check_int(http_reader_response(r)->size, 0);
	check_str(http_reader_response(r)->body, "");
	http_reader_free(r);
}

Test(http_reader, understands_retry_after)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "", -1 },
		{ "0", 0 },
		{ "120", 120000 },
		{ "99999999999999999999", 86400000 },
		{ "-1", -1 },
		{ "1.5", -1 },
		{ "soon", -1 },
		{ "Thu, 01 Jan 1970 00:17:00 GMT", 20000 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Thu, 01 Jan 1970 00:17:00 GMT x", -1 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 86400000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_int(http_retry_after(cases[i].text, 1000), cases[i].ms);
}
