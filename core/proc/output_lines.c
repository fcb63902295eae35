#include "core/proc/output_lines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/proc/output.h"

enum { FLUSH = 256 * 1024, DAEMON = 3 << 3, ERROR = 3, INFO = 6, STAMP = 32 };

bool output_wants_lines(const struct output *o)
{
	return o->syslog || (o->file && o->format != OUTPUT_RAW);
}

static void stamp(char *into)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(into, STAMP, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(into + n, STAMP - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* ---- JSON ------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at s; 0: it is none. Overlong ones and surrogates are none. */
static size_t utf8(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first, last, low, high;
		size_t len;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last || n < forms[i].len)
			continue;
		bool good = s[1] >= forms[i].low && s[1] <= forms[i].high;
		for (size_t k = 2; k < forms[i].len; k++)
			good = good && (s[k] & 0xc0) == 0x80;
		return good ? forms[i].len : 0;
	}
	return 0;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

/* One character that is not plain. Returns its bytes. */
static size_t put_other(struct buf *b, const unsigned char *s, size_t n)
{
	static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
	const char *at = *s ? strchr(from, *s) : NULL;
	size_t len = *s >= 0x80 ? utf8(s, n) : 0;
	char text[8];

	if (at)
		snprintf(text, sizeof(text), "\\%c", to[at - from]);
	else if (*s >= 0x80)
		strcpy(text, "\\ufffd");
	else
		snprintf(text, sizeof(text), "\\u%04x", *s);
	if (len > 0)
		buf_put(b, s, len);
	else
		put_text(b, text);
	return len ? len : 1;
}

static void put_string(struct buf *b, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + n;

	buf_put(b, "\"", 1);
	while (s < end) {
		const unsigned char *from = s;
		while (s < end && is_plain(*s))
			s++;
		buf_put(b, from, (size_t)(s - from));
		if (s < end)
			s += put_other(b, s, (size_t)(end - s));
	}
	buf_put(b, "\"", 1);
}

static void put_json(const struct output *o, const char *when, const char *line, size_t n)
{
	struct buf *b = &o->all->text;

	put_text(b, "{\"time\":\"");
	put_text(b, when);
	put_text(b, "\",\"name\":");
	put_string(b, o->name, strlen(o->name));
	put_text(b, ",\"stream\":");
	put_string(b, o->stream, strlen(o->stream));
	put_text(b, ",\"line\":");
	put_string(b, line, n);
	put_text(b, "}\n");
}

static void put_prefixed(const struct output *o, const char *line, size_t n)
{
	struct buf *b = &o->all->text;

	put_text(b, o->name);
	put_text(b, " | ");
	buf_put(b, line, n);
	buf_put(b, "\n", 1);
}

/* ---- syslog ----------------------------------------------------------------------- */

static void connect_syslog(struct outputs *all)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (all->syslog_fd >= 0)
		close(all->syslog_fd);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", all->syslog);
	all->syslog_fd = fd;
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return;
	close(fd);
	all->syslog_fd = -1;
}

static bool send_message(const struct outputs *all, const struct iovec *parts)
{
	struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = 2 };

	return all->syslog_fd >= 0 &&
	       sendmsg(all->syslog_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* Never waits; a syslog that was restarted is found again. */
static void to_syslog(struct output *o, const char *when, const char *line, size_t n)
{
	char head[512];
	int priority = DAEMON | (strcmp(o->stream, "stderr") == 0 ? ERROR : INFO);
	int len = o->all->rfc5424 ? snprintf(head, sizeof(head), "<%d>1 %s - %s - - - ", priority,
					     when, o->name)
				  : snprintf(head, sizeof(head), "<%d>%s: ", priority, o->name);
	size_t head_len = (size_t)len < sizeof(head) ? (size_t)len : sizeof(head) - 1;
	const struct iovec parts[] = { { head, head_len }, { (char *)line, n } };

	if (n == 0 || send_message(o->all, parts))
		return;
	if (o->all->syslog_fd < 0 || errno != EAGAIN) {
		connect_syslog(o->all);
		if (send_message(o->all, parts))
			return;
	}
	o->all->syslog_lost++;
}

/* ---- lines ------------------------------------------------------------------------ */

static void flush(struct output *o)
{
	struct buf *b = &o->all->text;

	if (buf_len(b) > 0)
		logfile_write(o->file, buf_data(b), buf_len(b));
	buf_take(b, buf_len(b));
}

static void emit_piece(struct output *o, const char *when, const char *line, size_t n)
{
	if (o->syslog)
		to_syslog(o, when, line, n);
	if (!o->file || o->format == OUTPUT_RAW)
		return;
	if (o->format == OUTPUT_JSON)
		put_json(o, when, line, n);
	else
		put_prefixed(o, line, n);
	if (buf_len(&o->all->text) >= FLUSH)
		flush(o);
}

/* A line that is too long is broken. */
static void emit(struct output *o, const char *when, const char *line, size_t n)
{
	for (; n > OUTPUT_LINE_MOST; n -= OUTPUT_LINE_MOST, line += OUTPUT_LINE_MOST)
		emit_piece(o, when, line, OUTPUT_LINE_MOST);
	emit_piece(o, when, line, n);
}

static void emit_partial(struct output *o, const char *when)
{
	emit(o, when, (const char *)buf_data(&o->partial), buf_len(&o->partial));
	buf_fini(&o->partial);
}

/* Bytes that belong to the line that began before. Returns how many. */
static size_t complete(struct output *o, const char *when, const char *data, size_t n)
{
	size_t room = OUTPUT_LINE_MOST - buf_len(&o->partial);
	const char *end = memchr(data, '\n', n);
	size_t rest = end ? (size_t)(end - data) : n;

	if (rest > room) {
		buf_put(&o->partial, data, room);
		emit_partial(o, when);
		return room;
	}
	buf_put(&o->partial, data, rest);
	if (!end)
		return n;
	emit_partial(o, when);
	return rest + 1;
}

void output_lines(struct output *o, const char *data, size_t n)
{
	char when[STAMP];
	const char *end = data + n;

	stamp(when);
	while (data < end) {
		const char *line_end = memchr(data, '\n', (size_t)(end - data));
		if (!line_end || buf_len(&o->partial) > 0) {
			data += complete(o, when, data, (size_t)(end - data));
			continue;
		}
		emit(o, when, data, (size_t)(line_end - data));
		data = line_end + 1;
	}
	flush(o);
}

void output_last_line(struct output *o)
{
	char when[STAMP];

	if (buf_len(&o->partial) == 0)
		return;
	stamp(when);
	emit_partial(o, when);
	flush(o);
}
