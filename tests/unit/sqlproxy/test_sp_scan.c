#include "roles/sqlproxy/sp_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "roles/sqlproxy/sp_packet.h"
#include "tests/lib/check.h"

/*
 * An answer is written as words, a packet each:
 *
 *	ok ok+ (more results) okT (0xfe in place of EOF) okT+ eof eof+ eofC (a cursor) err file
 *	cols:N  def  row  rowN (NULL first)  rowL (first byte 0xfe)  progress  prep:P,C  text
 *	full (16 MiB - 1, with what goes on with it)
 *
 * and what the scanner must say of it the same way: the marks, "end" behind the last.
 */
static void packet(struct buf *b, const void *data, size_t n)
{
	size_t begin = sp_packet_begin(b);

	buf_put(b, data, n);
	sp_packet_end(b, begin, 1);
}

static void status_packet(struct buf *b, uint8_t first, uint16_t status)
{
	struct sp_ok ok = { .affected = 300, .insert_id = 70000, .status = status };

	sp_ok_write(b, &ok, first, 1, 0);
}

static void eof_packet(struct buf *b, uint16_t status)
{
	uint8_t eof[5] = { 0xfe, 0, 0, (uint8_t)status, (uint8_t)(status >> 8) };

	packet(b, eof, 5);
}

static uint16_t status_of(const char *word)
{
	const char *mark = word + strcspn(word, "+C");

	return *mark == '+'   ? SP_STATUS_MORE_RESULTS
	       : *mark == 'C' ? SP_STATUS_CURSOR_EXISTS
			      : SP_STATUS_AUTOCOMMIT;
}

static void counted(struct buf *b, const char *word)
{
	int a = 0, c = 0;

	if (sscanf(word, "prep:%d,%d", &a, &c) == 2) {
		uint8_t p[12] = { 0, 1, 0, 0, 0, (uint8_t)c, 0, (uint8_t)a, 0, 0, 0, 0 };
		packet(b, p, 12);
	} else if (sscanf(word, "cols:%d", &a) == 1) {
		size_t begin = sp_packet_begin(b);
		sp_write_lenenc(b, (uint64_t)a);
		sp_packet_end(b, begin, 1);
	}
}

static void full_packets(struct buf *b)
{
	static uint8_t *big;

	if (!big)
		big = mem_new(SP_PAYLOAD_MAX);
	memset(big, 0xfe, 9);
	packet(b, big, SP_PAYLOAD_MAX);
	memset(big, 0xff, 9); /* what goes on with a row may begin with anything */
	packet(b, big, SP_PAYLOAD_MAX);
	packet(b, "", 0);
}

static void write_word(struct buf *b, const char *word)
{
	if (strncmp(word, "okT", 3) == 0)
		status_packet(b, 0xfe, status_of(word));
	else if (strncmp(word, "ok", 2) == 0)
		status_packet(b, 0, status_of(word));
	else if (strncmp(word, "eof", 3) == 0)
		eof_packet(b, status_of(word));
	else if (strcmp(word, "err") == 0)
		sp_error_write(b, 1, 1064, "42000", "wrong");
	else if (strcmp(word, "progress") == 0)
		packet(b, "\xff\xff\xff\x01\x01\x02\x03\x00\x00\x04none", 14);
	else if (strcmp(word, "file") == 0)
		packet(b, "\xfb/etc/passwd", 12);
	else if (strcmp(word, "def") == 0)
		packet(b,
		       "\x03"
		       "def..................",
		       22);
	else if (strcmp(word, "row") == 0)
		packet(b,
		       "\x01"
		       "1\x03"
		       "two",
		       6);
	else if (strcmp(word, "rowN") == 0)
		packet(b, "\xfb\x01x", 3);
	else if (strcmp(word, "rowB") == 0)
		packet(b, "\0\0\x01\0\0\0", 6);
	else if (strcmp(word, "rowL") == 0) /* no server's, but longer than any EOF */
		packet(b, "\xfe\1\0\0\0\0\0\0\0x", 10);
	else if (strcmp(word, "text") == 0)
		packet(b, "Uptime: 1", 9);
	else if (strcmp(word, "full") == 0)
		full_packets(b);
	else
		counted(b, word);
}

static void write_answer(struct buf *b, const char *words)
{
	char copy[512], *save = NULL;

	buf_init(b, 256 * 1024 * 1024);
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		write_word(b, w);
}

/* What came of one feeding. */
struct outcome {
	char said[256];
	uint64_t passed, marked, rows;
	size_t left;
};

static void note_mark(struct outcome *o, const struct sp_scan *s)
{
	static const char *const names[] = { "ok", "eof", "err", "prepared", "file", "text" };

	snprintf(o->said + strlen(o->said), sizeof(o->said) - strlen(o->said), "%s%s",
		 *o->said ? " " : "", names[s->mark]);
	o->marked += s->mark_len;
}

static void say(struct outcome *o, const char *word)
{
	snprintf(o->said + strlen(o->said), sizeof(o->said) - strlen(o->said), "%s%s",
		 *o->said ? " " : "", word);
}

/* Pieces end at the multiples of `step`, and the first at `cut`. As sp_backend feeds it: what was
 * not taken comes again, with more behind it. */
static void feed(struct sp_scan *s, const struct buf *b, size_t cut, size_t step, struct outcome *o)
{
	const uint8_t *data = buf_data(b);
	size_t at = 0, have = cut, used;

	memset(o, 0, sizeof(*o));
	for (;;) {
		enum sp_scan_stop stop = SP_SCAN_MORE;
		while (!sp_scan_done(s)) {
			stop = sp_scan_feed(s, data + at, have - at, &used);
			check_true(used <= have - at);
			at += used;
			o->passed += used;
			if (stop != SP_SCAN_MARK)
				break;
			note_mark(o, s);
			at += s->mark_len;
		}
		if (stop == SP_SCAN_BAD)
			say(o, "bad");
		if (stop == SP_SCAN_BAD || sp_scan_done(s) || have == buf_len(b))
			break;
		have = have + step < buf_len(b) ? have + step : buf_len(b);
	}
	if (sp_scan_done(s))
		say(o, "end");
	o->rows = s->rows;
	o->left = buf_len(b) - at;
}

static void check_answer(enum sp_answer answer, uint64_t caps, const char *words, const char *said)
{
	struct outcome whole, o;
	struct sp_scan s;
	struct buf b;

	write_answer(&b, words);
	sp_scan_start(&s, answer, caps);
	feed(&s, &b, buf_len(&b), 1, &whole);
	cr_expect(eq(str, whole.said, (char *)said), "%s", words);
	check_true(!strstr(said, "end") || whole.left == 0);
	check_true(strstr(said, "bad") || whole.passed + whole.marked + whole.left == buf_len(&b));
	for (size_t cut = 0; cut <= buf_len(&b) && buf_len(&b) < 4096; cut++) {
		sp_scan_start(&s, answer, caps);
		feed(&s, &b, cut, cut ? buf_len(&b) : 1, &o); /* cut at 0: byte by byte */
		check_str(o.said, whole.said);
		check_int(o.passed, whole.passed);
		check_int(o.marked, whole.marked);
		check_int(o.rows, whole.rows);
	}
	buf_fini(&b);
}

enum { OLD = 0, NEW = SP_CAP_DEPRECATE_EOF };

Test(sp_scan, queries)
{
	static const struct {
		uint64_t caps;
		const char *words, *said;
	} cases[] = {
		{ OLD, "ok", "ok end" },
		{ NEW, "ok", "ok end" },
		{ OLD, "err", "err end" },
		{ OLD, "cols:1 def eof row rowN eof", "eof eof end" },
		{ OLD, "cols:1 def eof eof", "eof eof end" },
		{ OLD, "cols:3 def def def eof rowL row eof", "eof eof end" },
		{ NEW, "cols:1 def row rowN okT", "ok end" },
		{ NEW, "cols:2 def def okT", "ok end" },
		{ OLD, "cols:1 def eof row err", "eof err end" },
		{ NEW, "cols:1 def row err", "err end" },
		{ OLD, "cols:1 err", "err end" },
		{ OLD, "cols:1 def err", "err end" },
		{ NEW, "cols:1 def err", "err end" },
		/* several results */
		{ OLD, "ok+ ok+ ok", "ok ok ok end" },
		{ OLD, "cols:1 def eof row eof+ cols:1 def eof row eof", "eof eof eof eof end" },
		{ NEW, "cols:1 def row okT+ cols:1 def row okT+ ok", "ok ok ok end" },
		{ OLD, "cols:1 def eof row eof+ err", "eof eof err end" },
		{ NEW, "cols:1 def row okT+ cols:2 def err", "ok err end" },
		{ OLD, "ok+ cols:1 def eof row err", "ok eof err end" },
		/* a file; what the client sends is not the scanner's */
		{ OLD, "file ok", "file ok end" },
		{ NEW, "file err", "file err end" },
		{ OLD, "file ok+ file ok", "file ok file ok end" },
		/* not whole yet */
		{ OLD, "", "" },
		{ OLD, "cols:1 def eof row", "eof" },
		{ OLD, "ok+", "ok" },
		/* a row that only looks like an end */
		{ NEW, "cols:1 def rowN rowN okT", "ok end" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_answer(SP_ANSWER_QUERY, cases[i].caps, cases[i].words, cases[i].said);
}

Test(sp_scan, statements)
{
	static const struct {
		enum sp_answer answer;
		uint64_t caps;
		const char *words, *said;
	} cases[] = {
		{ SP_ANSWER_PREPARE, OLD, "prep:0,0", "prepared end" },
		{ SP_ANSWER_PREPARE, OLD, "prep:2,0 def def eof", "prepared eof end" },
		{ SP_ANSWER_PREPARE, OLD, "prep:0,1 def eof", "prepared eof end" },
		{ SP_ANSWER_PREPARE, OLD, "prep:1,2 def eof def def eof", "prepared eof end" },
		{ SP_ANSWER_PREPARE, NEW, "prep:0,0", "prepared end" },
		{ SP_ANSWER_PREPARE, NEW, "prep:2,0 def def", "prepared end" },
		{ SP_ANSWER_PREPARE, NEW, "prep:0,2 def def", "prepared end" },
		{ SP_ANSWER_PREPARE, NEW, "prep:1,2 def def def", "prepared end" },
		{ SP_ANSWER_PREPARE, OLD, "err", "err end" },
		{ SP_ANSWER_EXECUTE, OLD, "cols:1 def eof rowB rowB eof", "eof eof end" },
		{ SP_ANSWER_EXECUTE, NEW, "cols:1 def rowB okT", "ok end" },
		{ SP_ANSWER_EXECUTE, OLD, "cols:1 def eofC", "eof end" },
		{ SP_ANSWER_EXECUTE, NEW, "cols:1 def okTC", "ok end" },
		{ SP_ANSWER_EXECUTE, OLD, "cols:1 def eof rowB eof+ ok", "eof eof ok end" },
		{ SP_ANSWER_FETCH, OLD, "rowB rowB eof", "eof end" },
		{ SP_ANSWER_FETCH, OLD, "eof", "eof end" },
		{ SP_ANSWER_FETCH, NEW, "rowB okT", "ok end" },
		{ SP_ANSWER_FETCH, OLD, "rowB err", "err end" },
		{ SP_ANSWER_FIELDS, OLD, "def def eof", "eof end" },
		{ SP_ANSWER_FIELDS, NEW, "def eof", "eof end" },
		{ SP_ANSWER_FIELDS, OLD, "err", "err end" },
		{ SP_ANSWER_PACKET, OLD, "ok", "ok end" },
		{ SP_ANSWER_PACKET, OLD, "eof", "eof end" },
		{ SP_ANSWER_PACKET, OLD, "text", "text end" },
		{ SP_ANSWER_PACKET, OLD, "err", "err end" },
		{ SP_ANSWER_STREAM, OLD, "row row err ok", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_answer(cases[i].answer, cases[i].caps, cases[i].words, cases[i].said);
}

Test(sp_scan, progress_reports)
{
	check_answer(SP_ANSWER_QUERY, SP_CAP_PROGRESS, "progress progress ok", "ok end");
	check_answer(SP_ANSWER_QUERY, SP_CAP_PROGRESS | NEW, "progress cols:1 def row progress okT",
		     "ok end");
	check_answer(SP_ANSWER_QUERY, SP_CAP_PROGRESS, "cols:1 def eof progress row eof",
		     "eof eof end");
	check_answer(SP_ANSWER_QUERY, SP_CAP_PROGRESS, "progress err", "err end");
	check_answer(SP_ANSWER_QUERY, OLD, "progress", "err end");
}

Test(sp_scan, packets_of_16_mib)
{
	check_answer(SP_ANSWER_QUERY, OLD, "cols:1 def eof row full row eof", "eof eof end");
	check_answer(SP_ANSWER_QUERY, NEW, "cols:1 def full full okT", "ok end");
}

/* In reads of the size that a worker makes, and of sizes that never meet a packet's border. */
Test(sp_scan, packets_of_16_mib_in_pieces)
{
	static const size_t steps[] = { 256 * 1024, 65537, 1000003 };
	struct outcome o;
	struct sp_scan s;
	struct buf b;

	write_answer(&b, "cols:1 def full row full okT");
	for (size_t i = 0; i < 3; i++) {
		sp_scan_start(&s, SP_ANSWER_QUERY, NEW);
		feed(&s, &b, steps[i], steps[i], &o);
		check_str(o.said, "ok end");
		check_int(o.rows, 3);
		check_int(o.passed + o.marked, buf_len(&b));
	}
	buf_fini(&b);
}

Test(sp_scan, metadata_that_is_left_out)
{
	static const uint8_t skipped[] = { 2, 0 }, sent[] = { 1, 1 };
	const uint64_t cache = SP_CAP_CACHE_METADATA;
	struct outcome o;
	struct sp_scan s;

	for (int deprecate = 0; deprecate < 2; deprecate++) {
		struct buf b;
		buf_init(&b, 4096);
		packet(&b, skipped, 2);
		if (!deprecate)
			write_word(&b, "eof");
		write_word(&b, "rowB");
		write_word(&b, deprecate ? "okT+" : "eof+");
		packet(&b, sent, 2);
		write_word(&b, "def");
		if (!deprecate)
			write_word(&b, "eof");
		write_word(&b, deprecate ? "okT" : "eof");
		for (size_t cut = 0; cut <= buf_len(&b); cut++) {
			sp_scan_start(&s, SP_ANSWER_EXECUTE, cache | (deprecate ? NEW : OLD));
			feed(&s, &b, cut, buf_len(&b), &o);
			check_str(o.said, deprecate ? "ok ok end" : "eof eof eof eof end");
		}
		buf_fini(&b);
	}
}

static enum sp_scan_stop stop_of(const void *data, size_t len, enum sp_answer answer)
{
	struct sp_scan s;
	size_t used;

	sp_scan_start(&s, answer, OLD);
	return sp_scan_feed(&s, data, len, &used);
}

Test(sp_scan, nonsense)
{
	/* an empty packet; a count that is none; no columns; far too long an OK; a broken PREPARE
	 */
	check_int(stop_of("\0\0\0\1", 4, SP_ANSWER_QUERY), SP_SCAN_BAD);
	check_int(stop_of("\2\0\0\1\xfc\1", 6, SP_ANSWER_QUERY), SP_SCAN_BAD);
	check_int(stop_of("\2\0\0\1\xfb\0", 6, SP_ANSWER_QUERY), SP_SCAN_MARK);
	check_int(stop_of("\xff\xff\xff\1\0", 5, SP_ANSWER_QUERY), SP_SCAN_BAD);
	check_int(stop_of("\xff\xff\xff\1\xff..", 7, SP_ANSWER_QUERY), SP_SCAN_BAD);
	check_int(stop_of("\xff\xff\xff\1\xfe", 5, SP_ANSWER_QUERY), SP_SCAN_BAD);
	check_int(stop_of("\4\0\0\1\0\0\0\0", 8, SP_ANSWER_PREPARE), SP_SCAN_BAD);
	check_int(stop_of("\xc\0\0\1\1\0\0\0\0\0\0\0\0\0\0\0", 16, SP_ANSWER_QUERY), SP_SCAN_BAD);
}

/* What comes behind the end is the next answer's. */
Test(sp_scan, stops_at_the_end)
{
	struct sp_scan s;
	struct buf b;
	size_t used;

	write_answer(&b, "ok ok");
	sp_scan_start(&s, SP_ANSWER_QUERY, OLD);
	check_int(sp_scan_feed(&s, buf_data(&b), buf_len(&b), &used), SP_SCAN_MARK);
	check_int(used, 0);
	check_true(sp_scan_done(&s));
	check_int(sp_scan_feed(&s, buf_data(&b) + s.mark_len, buf_len(&b) - s.mark_len, &used),
		  SP_SCAN_MORE);
	check_int(used, 0);
	buf_fini(&b);
}
