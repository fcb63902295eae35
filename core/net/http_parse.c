#include "core/net/http_parse.h"

#include <ctype.h>
#include <llhttp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

enum {
	TARGET_MAX = 8 * 1024,
	EMPTY_LINES = 2,     /* before a request line, as RFC 9112 2.2 asks to forgive */
	CHUNK_WASTE = 65536, /* of chunk sizes, extensions and trailers */
	NAME_MAX_KEPT = 32,
	KEPT = 512,
};

struct http_parser {
	llhttp_t llhttp;
	struct http_limits limits;
	enum http_state state;
	int status;
	const char *reason;
	struct buf head; /* once it is whole, cut into strings */
	struct buf body;
	struct http_field *fields;
	struct http_message message;
	int empty_lines;
	int hosts, lengths, encodings;
	bool plain;    /* we frame the body, not llhttp */
	size_t length; /* what Content-Length says */
	size_t raw;    /* bytes of the body as they came */
	char trailer[NAME_MAX_KEPT];
	size_t trailer_len;
};

static bool bad(struct http_parser *p, int status, const char *reason)
{
	if (p->state != HTTP_BAD) {
		p->state = HTTP_BAD;
		p->status = status;
		p->reason = reason;
	}
	return false;
}

/* ---- words ------------------------------------------------------------------- */

/* RFC 9110 5.6.2 */
static const bool of_token[256] = {
	['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
	['#' ... '\''] = true, ['*'] = true,         ['+'] = true,         ['-'] = true,
	['.'] = true,          ['^' ... '`'] = true, ['|'] = true,         ['~'] = true,
};

static const bool of_name[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true,
	['.'] = true,         ['_'] = true,         ['~'] = true,         ['%'] = true,
};

/* RFC 9110 5.5, and what is beyond ASCII; 0 ends the text. */
static const bool of_value[256] = {
	['\t'] = true,
	[' ' ... '~'] = true,
	[0x80 ... 0xff] = true,
};

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	while (of_token[(unsigned char)*s])
		s++;
	return !*s;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool is_digits(const char *s)
{
	const char *at = s;

	while (*at >= '0' && *at <= '9')
		at++;
	return at > s && !*at;
}

/* name, IPv4 or [IPv6], then perhaps :port. */
static bool is_host(const char *s)
{
	size_t n = 0;

	if (*s == '[') {
		n = strspn(s + 1, "0123456789abcdefABCDEF:.") + 1;
		if (n < 3 || s[n] != ']')
			return false;
		n++;
	} else {
		while (of_name[(unsigned char)s[n]])
			n++;
		if (n == 0)
			return false;
	}
	return s[n] == '\0' || (s[n] == ':' && (s[n + 1] == '\0' || is_digits(s + n + 1)));
}

static bool is_target(const char *method, const char *s)
{
	for (const char *c = s; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f || *c == '#')
			return false;
	if (*s == '/')
		return true;
	if (strcmp(s, "*") == 0)
		return strcmp(method, "OPTIONS") == 0;
	return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
}

/* ---- the request line ----------------------------------------------------------- */

static bool check_method(struct http_parser *p, const char *method)
{
	static const char *const known[] = { "GET",     "HEAD",  "POST",  "PUT",     "DELETE",
					     "OPTIONS", "PATCH", "TRACE", "CONNECT", NULL };
	static const char *const refused[] = { "TRACE", "CONNECT", NULL };

	if (!is_token(method))
		return bad(p, 400, "not a request");
	if (!is_one_of(method, known))
		return bad(p, 501, "unknown method");
	if (is_one_of(method, refused))
		return bad(p, 405, "this method is not for us");
	return true;
}

static bool check_version(struct http_parser *p, const char *version)
{
	if (strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0) {
		p->message.minor = version[7] - '0';
		return true;
	}
	if (strlen(version) == 8 && strncmp(version, "HTTP/", 5) == 0 && isdigit(version[5]) &&
	    version[6] == '.' && isdigit(version[7]))
		return bad(p, 505, "neither HTTP/1.1 nor HTTP/1.0");
	return bad(p, 400, "not a request line");
}

/* METHOD SP TARGET SP VERSION, with one space each. */
static bool read_request_line(struct http_parser *p, char *line)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version)
		return bad(p, 400, "not a request line");
	*target++ = '\0';
	*version++ = '\0';
	p->message.method = line;
	p->message.target = target;
	if (!check_method(p, line) || !check_version(p, version))
		return false;
	if (strlen(target) > TARGET_MAX)
		return bad(p, 414, "the target is too long");
	return is_target(line, target) || bad(p, 400, "not a target");
}

/* ---- fields ----------------------------------------------------------------------- */

static bool check_length(struct http_parser *p, const char *value)
{
	size_t n = 0;

	if (++p->lengths > 1 || !is_digits(value) || strlen(value) > 18)
		return bad(p, 400, "a wrong Content-Length");
	for (const char *c = value; *c; c++)
		n = n * 10 + (size_t)(*c - '0');
	if (n > p->limits.body)
		return bad(p, 413, "the body is too long");
	p->length = n;
	return true;
}

static bool check_encoding(struct http_parser *p, const char *value)
{
	if (++p->encodings > 1 || p->message.minor == 0 || !*value)
		return bad(p, 400, "a wrong Transfer-Encoding");
	return strcasecmp(value, "chunked") == 0 || bad(p, 501, "an unknown Transfer-Encoding");
}

static bool check_expect(struct http_parser *p, const char *value)
{
	if (strcasecmp(value, "100-continue") != 0)
		return bad(p, 417, "an unknown Expect");
	p->message.expects_continue = p->message.minor == 1;
	return true;
}

static bool check_host(struct http_parser *p, const char *value)
{
	if (++p->hosts == 1 && (is_host(value) || (p->limits.empty_host && !*value)))
		return true;
	return bad(p, 400, "a wrong Host");
}

static bool check_field(struct http_parser *p, const char *name, size_t n, const char *value)
{
	static const struct {
		const char *name;
		size_t n;
		bool (*check)(struct http_parser *p, const char *value);
	} known[] = {
		{ "host", 4, check_host },
		{ "content-length", 14, check_length },
		{ "transfer-encoding", 17, check_encoding },
		{ "expect", 6, check_expect },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n == known[i].n && strcasecmp(name, known[i].name) == 0)
			return known[i].check(p, value);
	return true;
}

static char *trim(char *s, char *end)
{
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static bool read_field(struct http_parser *p, char *line, char *end)
{
	struct http_field *field = &p->fields[p->message.field_count];
	char *colon = memchr(line, ':', (size_t)(end - line));

	if (*line == ' ' || *line == '\t')
		return bad(p, 400, "a folded line");
	if (!colon)
		return bad(p, 400, "a line without a colon");
	if (p->message.field_count == p->limits.fields)
		return bad(p, 431, "too many fields");
	*colon = '\0';
	field->name = line;
	field->value = trim(colon + 1, end);
	if (!is_token(field->name))
		return bad(p, 400, "a wrong name of a field");
	const char *c = field->value;
	while (of_value[(unsigned char)*c])
		c++;
	if (*c)
		return bad(p, 400, "a control character in a field");
	p->message.field_count++;
	return check_field(p, line, (size_t)(colon - line), field->value);
}

static bool check_head(struct http_parser *p)
{
	if (p->message.minor == 1 && p->hosts == 0)
		return bad(p, 400, "no Host");
	if (p->lengths && p->encodings)
		return bad(p, 400, "both Content-Length and Transfer-Encoding");
	return true;
}

/* Cuts the head into strings. Its lines are known to end with CR LF, the last one is empty. */
static bool read_head(struct http_parser *p, char *line)
{
	bool first = true;

	for (char *end; (end = (char *)rawmemchr(line, '\n') - 1) != line; line = end + 2) {
		*end = '\0';
		if (first ? !read_request_line(p, line) : !read_field(p, line, end))
			return false;
		first = false;
	}
	return check_head(p);
}

/* ---- llhttp ------------------------------------------------------------------------ */

static int on_body(llhttp_t *h, const char *at, size_t n)
{
	struct http_parser *p = h->data;

	if (n <= p->limits.body - buf_len(&p->body))
		return buf_put(&p->body, at, n);
	bad(p, 413, "the body is too long");
	return HPE_USER;
}

/* Of a trailer: those of the head are read by us. */
static int on_field_name(llhttp_t *h, const char *at, size_t n)
{
	struct http_parser *p = h->data;

	for (size_t i = 0; i < n && p->trailer_len < NAME_MAX_KEPT - 1; i++)
		p->trailer[p->trailer_len++] = (char)tolower((unsigned char)at[i]);
	return 0;
}

static int on_field_name_end(llhttp_t *h)
{
	static const char *const framing[] = { "content-length", "transfer-encoding", "host", "",
					       NULL };
	struct http_parser *p = h->data;

	p->trailer[p->trailer_len] = '\0';
	p->trailer_len = 0;
	if (!is_one_of(p->trailer, framing) && is_token(p->trailer))
		return 0;
	bad(p, 400, "a wrong trailer");
	return HPE_USER;
}

static int on_message_complete(llhttp_t *h)
{
	struct http_parser *p = h->data;

	p->message.keep_alive = llhttp_should_keep_alive(h);
	p->state = HTTP_WHOLE;
	return HPE_PAUSED;
}

static int on_headers_complete(llhttp_t *h);

static const llhttp_settings_t of_head = {
	.on_headers_complete = on_headers_complete,
	.on_message_complete = on_message_complete,
};

static const llhttp_settings_t of_body = {
	.on_body = on_body,
	.on_header_field = on_field_name,
	.on_header_field_complete = on_field_name_end,
	.on_message_complete = on_message_complete,
};

static int on_headers_complete(llhttp_t *h)
{
	h->settings = (void *)&of_body;
	h->upgrade = 0; /* an offer that we don't take up: the body is framed as ever */
	return 0;
}

/* Returns how many bytes llhttp took. *wrong: what it holds against them. */
static size_t run_llhttp(struct http_parser *p, const char *data, size_t n, const char **wrong)
{
	llhttp_errno_t rc = llhttp_execute(&p->llhttp, data, n);

	*wrong = rc == HPE_OK || rc == HPE_PAUSED ? NULL : llhttp_get_error_reason(&p->llhttp);
	return rc == HPE_OK ? n : (size_t)(llhttp_get_error_pos(&p->llhttp) - data);
}

/* ---- bytes -------------------------------------------------------------------------- */

static void finish_body(struct http_parser *p)
{
	buf_put(&p->body, "", 1);
	p->message.body = (const char *)buf_data(&p->body);
	p->message.body_len = buf_len(&p->body) - 1;
}

/* A field that says more of the message's frame than Content-Length does, or may. */
static bool is_of_frame(const char *line)
{
	static const char *const names[] = { "connection", "proxy-connection", "transfer-encoding",
					     "upgrade", NULL };

	for (const char *const *name = names; *name; name++)
		if ((*line | 0x20) == **name && strncasecmp(line, *name, strlen(*name)) == 0)
			return true;
	return false;
}

/* As most requests are: what we look at ourselves is all there is to it, a second opinion would say
 * the same. (Not of a tab behind a length.) */
static bool is_plain(const char *head, size_t n)
{
	const char *end = head + n, *line = head, *target = memchr(head, ' ', n);

	if (!target || target[1] != '/' || memchr(head, '\t', n))
		return false;
	while ((line = (const char *)rawmemchr(line, '\n') + 1) < end)
		if (is_of_frame(line))
			return false;
	return true;
}

static void plain_head_is_whole(struct http_parser *p, char *head)
{
	if (!read_head(p, head))
		return;
	p->plain = true;
	p->message.keep_alive = p->message.minor == 1;
	p->state = p->length ? HTTP_IN_BODY : HTTP_WHOLE;
	if (!p->length)
		finish_body(p);
}

/* The empty line has come. llhttp looks at the head before we cut it; our reasons are the better
 * ones. */
static void head_is_whole(struct http_parser *p)
{
	char *head = (char *)buf_data(&p->head);
	size_t n = buf_len(&p->head);
	const char *wrong;

	if (is_plain(head, n)) {
		plain_head_is_whole(p, head);
		return;
	}
	llhttp_init(&p->llhttp, HTTP_REQUEST, &of_head);
	p->llhttp.data = p;
	size_t used = run_llhttp(p, head, n, &wrong);
	if (!read_head(p, head))
		return;
	if (wrong)
		bad(p, 400, wrong);
	else if (used != n)
		bad(p, 400, "the head ended early");
	else if (p->state == HTTP_IN_HEAD)
		p->state = HTTP_IN_BODY;
	else
		finish_body(p);
}

/* One more line of the head, or a part of one, is in p->head. */
static void look_at_line(struct http_parser *p, size_t from)
{
	const char *head = (const char *)buf_data(&p->head);
	size_t n = buf_len(&p->head);

	if (memchr(head + from, '\0', n - from)) {
		bad(p, 400, "a zero byte");
	} else if (head[n - 1] != '\n') {
		return;
	} else if (n < 2 || head[n - 2] != '\r') {
		bad(p, 400, "a line that ends without CR");
	} else if (n == 2) {
		buf_take(&p->head, 2);
		if (++p->empty_lines > EMPTY_LINES)
			bad(p, 400, "empty lines before a request");
	} else if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0) {
		head_is_whole(p);
	}
}

static size_t feed_line(struct http_parser *p, const char *data, size_t n)
{
	const char *end = memchr(data, '\n', n);
	size_t used = end ? (size_t)(end - data) + 1 : n;
	size_t from = buf_len(&p->head);

	if (buf_put(&p->head, data, used) != 0) {
		bool in_line = from == 0 || !memchr(buf_data(&p->head), '\n', from);

		bad(p, in_line ? 414 : 431,
		    in_line ? "the target is too long" : "the head is too long");
		return used;
	}
	look_at_line(p, from);
	return used;
}

/* Of a head that came in one piece, and has nothing to be said against its lines: its length, or
 * 0. */
static size_t head_in(const struct http_parser *p, const char *data, size_t n)
{
	const char *at = *data == '\r' ? NULL : memchr(data, '\n', n);

	for (; at && at > data && at[-1] == '\r'; at = memchr(at, '\n', n - (size_t)(at - data))) {
		size_t end = (size_t)(++at - data) + 2;
		if (end <= n && at[0] == '\r' && at[1] == '\n')
			return end > p->limits.head || memchr(data, '\0', end) ? 0 : end;
	}
	return 0;
}

static size_t feed_head(struct http_parser *p, const char *data, size_t n)
{
	size_t whole = buf_len(&p->head) == 0 ? head_in(p, data, n) : 0;

	if (!whole)
		return feed_line(p, data, n);
	buf_put(&p->head, data, whole);
	head_is_whole(p);
	return whole;
}

static size_t feed_plain(struct http_parser *p, const char *data, size_t n)
{
	size_t left = p->length - buf_len(&p->body), take = n < left ? n : left;

	buf_put(&p->body, data, take);
	if (take == left) {
		p->state = HTTP_WHOLE;
		finish_body(p);
	}
	return take;
}

static size_t feed_body(struct http_parser *p, const char *data, size_t n)
{
	const char *wrong;

	if (p->plain)
		return feed_plain(p, data, n);
	size_t used = run_llhttp(p, data, n, &wrong);
	if (wrong) /* on_* have said it better, where it was they */
		bad(p, 400, wrong);
	p->raw += used;
	if (p->state == HTTP_IN_BODY && p->raw > p->limits.body + buf_len(&p->body) + CHUNK_WASTE)
		bad(p, 413, "too little in too many chunks");
	if (p->state == HTTP_WHOLE)
		finish_body(p);
	return used;
}

size_t http_parser_feed(struct http_parser *p, const char *data, size_t n)
{
	size_t used = 0;

	while (used < n && (p->state == HTTP_IN_HEAD || p->state == HTTP_IN_BODY)) {
		if (p->state == HTTP_IN_HEAD)
			used += feed_head(p, data + used, n - used);
		else
			used += feed_body(p, data + used, n - used);
	}
	return used;
}

/* ---- life --------------------------------------------------------------------------- */

struct http_parser *http_parser_new(const struct http_limits *limits)
{
	struct http_parser *p = mem_new(sizeof(*p));

	p->limits = *limits;
	p->fields = mem_new((limits->fields + 1) * sizeof(*p->fields));
	buf_init(&p->head, limits->head);
	buf_init(&p->body, limits->body + 1);
	http_parser_reset(p);
	return p;
}

/* The memory of a usual message stays, for the next one. */
static void forget(struct buf *b)
{
	if (b->cap > KEPT)
		buf_fini(b);
	else
		buf_take(b, buf_len(b));
}

void http_parser_reset(struct http_parser *p)
{
	forget(&p->head);
	forget(&p->body);
	p->message = (struct http_message){ .fields = p->fields, .body = "" };
	p->state = HTTP_IN_HEAD;
	p->status = p->hosts = p->lengths = p->encodings = p->empty_lines = 0;
	p->reason = "";
	p->raw = p->length = p->trailer_len = 0;
	p->plain = false;
}

void http_parser_free(struct http_parser *p)
{
	buf_fini(&p->head);
	buf_fini(&p->body);
	free(p->fields);
	free(p);
}

enum http_state http_parser_state(const struct http_parser *p)
{
	return p->state;
}

bool http_parser_begun(const struct http_parser *p)
{
	return p->state != HTTP_IN_HEAD || buf_len(&p->head) > 0;
}

const struct http_message *http_parser_message(const struct http_parser *p)
{
	return &p->message;
}

int http_parser_status(const struct http_parser *p)
{
	return p->status;
}

const char *http_parser_reason(const struct http_parser *p)
{
	return p->reason;
}

const char *http_field(const struct http_message *m, const char *name)
{
	for (size_t i = 0; i < m->field_count; i++) {
		const char *other = m->fields[i].name;
		if ((*other | 0x20) == (*name | 0x20) && strcasecmp(other, name) == 0)
			return m->fields[i].value;
	}
	return NULL;
}
