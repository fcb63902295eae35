#include "roles/sqlproxy/sp_scan.h"

#include <string.h>

#include "roles/sqlproxy/sp_packet.h"

/* What a packet turned out to be. */
enum verdict { PASS, MARK, SHORT, NONSENSE };

void sp_scan_start(struct sp_scan *s, enum sp_answer answer, uint64_t caps)
{
	memset(s, 0, sizeof(*s));
	s->answer = answer;
	s->deprecate_eof = caps & SP_CAP_DEPRECATE_EOF;
	s->progress = caps & SP_CAP_PROGRESS;
	s->cache_metadata = caps & SP_CAP_CACHE_METADATA;
	s->at = answer == SP_ANSWER_FETCH    ? SP_AT_ROWS
		: answer == SP_ANSWER_FIELDS ? SP_AT_COLUMNS
					     : SP_AT_FIRST;
	s->left = answer == SP_ANSWER_FIELDS ? UINT64_MAX : 0;
}

static enum verdict mark(struct sp_scan *s, enum sp_mark what, uint32_t len, size_t have)
{
	if (len + SP_HEADER > SP_MARK_MAX)
		return NONSENSE;
	if (have < len + SP_HEADER)
		return SHORT;
	s->mark = what;
	s->mark_len = len + SP_HEADER;
	return MARK;
}

/* An OK or EOF ended a result: is there another? */
static void result_ended(struct sp_scan *s, uint16_t status)
{
	s->status = status;
	s->end = !(status & SP_STATUS_MORE_RESULTS) || s->answer == SP_ANSWER_FETCH;
	s->at = s->end ? SP_AT_END : SP_AT_FIRST;
}

static uint16_t ok_status(const uint8_t *payload, uint32_t len)
{
	struct sp_reader r = sp_reader(payload + 1, len - 1);

	sp_read_lenenc(&r);
	sp_read_lenenc(&r);
	return (uint16_t)sp_read_int(&r, 2);
}

static enum verdict ended_by_ok(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	enum verdict v = mark(s, SP_MARK_OK, len, have);

	if (v == MARK)
		result_ended(s, ok_status(p + SP_HEADER, len));
	return v;
}

static enum verdict ended_by_err(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	if (have < SP_HEADER + 3)
		return SHORT;
	if (s->progress && p[5] == 0xff && p[6] == 0xff) /* a progress report, not an error */
		return PASS;
	enum verdict v = mark(s, SP_MARK_ERR, len, have);
	if (v == MARK) {
		s->end = true;
		s->at = SP_AT_END;
	}
	return v;
}

/* An EOF packet of the old kind. It ends definitions or rows. */
static enum verdict at_eof(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	enum verdict v = mark(s, SP_MARK_EOF, len, have);
	uint16_t status = v == MARK && len >= 5 ? (uint16_t)(p[7] | p[8] << 8) : 0;

	if (v != MARK)
		return v;
	if (s->at == SP_AT_COLUMNS_END && !(status & SP_STATUS_CURSOR_EXISTS)) {
		s->status = status;
		s->at = SP_AT_ROWS;
		/* MySQL 5.6 tells only here that something follows a row of OUT parameters */
		s->out_more =
			status & SP_STATUS_PS_OUT_PARAMS ? status & SP_STATUS_MORE_RESULTS : 0;
	} else {
		result_ended(s, status | s->out_more);
		s->out_more = 0;
	}
	return v;
}

static enum verdict begin_columns(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	if (have < SP_HEADER + len)
		return SHORT;
	if (len > 10)
		return NONSENSE;

	struct sp_reader r = sp_reader(p + SP_HEADER, len);
	s->left = sp_read_lenenc(&r);
	if (r.bad || s->left == 0)
		return NONSENSE;
	s->rows = 0;
	bool skipped = s->cache_metadata && sp_reader_left(&r) && *r.at == 0;
	s->at = SP_AT_COLUMNS;
	if (skipped) {
		s->left = 0;
		s->at = s->deprecate_eof ? SP_AT_ROWS : SP_AT_COLUMNS_END;
	}
	return PASS;
}

/* Where definitions that are counted lead when the last has passed. */
static void definitions_done(struct sp_scan *s)
{
	bool prepare = s->answer == SP_ANSWER_PREPARE;

	if (s->at == SP_AT_PARAMS && !s->deprecate_eof) {
		s->at = SP_AT_PARAMS_END;
	} else if (prepare && s->at != SP_AT_COLUMNS && s->columns > 0) {
		s->left = s->columns;
		s->at = SP_AT_COLUMNS;
	} else if (s->at == SP_AT_COLUMNS && !s->deprecate_eof) {
		s->at = SP_AT_COLUMNS_END;
	} else if (prepare) {
		s->end = true;
		s->at = SP_AT_END;
	} else {
		s->at = SP_AT_ROWS;
	}
}

static enum verdict prepared(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	enum verdict v = mark(s, SP_MARK_PREPARED, len, have);

	if (v != MARK)
		return v;
	if (len < 12)
		return NONSENSE;
	s->columns = (uint64_t)(p[9] | p[10] << 8);
	s->left = (uint64_t)(p[11] | p[12] << 8);
	s->at = SP_AT_PARAMS;
	if (s->left == 0) {
		s->at = SP_AT_PARAMS_END;
		definitions_done(s);
	}
	return v;
}

static enum verdict at_first(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	if (s->answer == SP_ANSWER_PACKET) {
		bool eof = p[4] == 0xfe && !(s->deprecate_eof && len > 5);
		enum sp_mark what = p[4] == 0xff                ? SP_MARK_ERR
				    : eof                       ? SP_MARK_EOF
				    : p[4] == 0 || p[4] == 0xfe ? SP_MARK_OK
								: SP_MARK_TEXT;
		enum verdict v = mark(s, what, len, have);
		s->end = v == MARK;
		return v;
	}
	switch (p[4]) {
	case 0x00:
		return s->answer == SP_ANSWER_PREPARE ? prepared(s, p, len, have)
						      : ended_by_ok(s, p, len, have);
	case 0xff:
		return ended_by_err(s, p, len, have);
	case 0xfb:
		return mark(s, SP_MARK_FILE, len, have);
	case 0xfe:
		return len < 9 ? at_eof(s, p, len, have) : NONSENSE;
	default:
		return begin_columns(s, p, len, have);
	}
}

static enum verdict at_definition(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	if (s->answer == SP_ANSWER_FIELDS && p[4] == 0xfe && len < 9) {
		enum verdict v = mark(s, SP_MARK_EOF, len, have);
		s->end = v == MARK;
		return v;
	}
	if (p[4] == 0xff)
		return ended_by_err(s, p, len, have);
	if (--s->left == 0)
		definitions_done(s);
	return PASS;
}

static enum verdict at_row(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	if (p[4] == 0xff)
		return ended_by_err(s, p, len, have);
	if (p[4] != 0xfe || len == SP_PAYLOAD_MAX || (!s->deprecate_eof && len >= 9)) {
		s->rows++;
		return PASS;
	}
	if (s->deprecate_eof && len >= 7)
		return ended_by_ok(s, p, len, have);
	return at_eof(s, p, len, have);
}

static enum verdict definitions_end(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	if (p[4] == 0xff)
		return ended_by_err(s, p, len, have);
	if (p[4] != 0xfe)
		return NONSENSE;
	if (s->answer != SP_ANSWER_PREPARE)
		return at_eof(s, p, len, have);
	if (have < SP_HEADER + len)
		return SHORT;
	if (s->at == SP_AT_PARAMS_END) {
		definitions_done(s);
		if (!s->end)
			return PASS;
	}
	enum verdict v = mark(s, SP_MARK_EOF, len, have);
	s->end = true;
	s->at = SP_AT_END;
	return v;
}

static enum verdict look(struct sp_scan *s, const uint8_t *p, uint32_t len, size_t have)
{
	switch (s->at) {
	case SP_AT_FIRST:
		return at_first(s, p, len, have);
	case SP_AT_PARAMS:
	case SP_AT_COLUMNS:
		return at_definition(s, p, len, have);
	case SP_AT_PARAMS_END:
	case SP_AT_COLUMNS_END:
		return definitions_end(s, p, len, have);
	case SP_AT_ROWS:
		return at_row(s, p, len, have);
	default:
		return NONSENSE;
	}
}

enum sp_scan_stop sp_scan_feed(struct sp_scan *s, const uint8_t *data, size_t len, size_t *used)
{
	size_t pos = 0;

	if (s->answer == SP_ANSWER_STREAM) {
		*used = len;
		return SP_SCAN_MORE;
	}
	for (;;) {
		uint32_t step = s->skip < len - pos ? s->skip : (uint32_t)(len - pos);
		pos += step;
		s->skip -= step;
		*used = pos;
		if (sp_scan_done(s))
			return SP_SCAN_MORE;
		size_t have = len - pos;
		if (have < SP_HEADER)
			return SP_SCAN_MORE;

		const uint8_t *p = data + pos;
		uint32_t payload = sp_payload_len(p);
		if (!s->continued) {
			if (payload > 0 && have < SP_HEADER + 1)
				return SP_SCAN_MORE;
			enum verdict v = payload ? look(s, p, payload, have) : NONSENSE;
			if (v == SHORT)
				return SP_SCAN_MORE;
			s->seq = p[3];
			if (v != PASS)
				return v == MARK ? SP_SCAN_MARK : SP_SCAN_BAD;
		}
		s->seq = p[3];
		s->continued = payload == SP_PAYLOAD_MAX;
		s->skip = payload + SP_HEADER;
	}
}
