/*
 * sp_scan - follows a server's answer by its packet headers and says where it ends.
 *
 *	first -> columns -> (EOF) -> rows -> end     OK, ERR and EOF with "more results": first
 *again
 *	      -> params  -> (EOF) -> columns -> (EOF)                            of a PREPARE
 *
 * Rows are never read: a header says how far to go, about 3 ns a packet. The few packets that
 * mean something (OK, EOF, ERR, PREPARE's answer, a wish for a file) are handed out whole; all
 * else is bytes that may be passed on as they are.
 *
 * Source: MySQL's "Client/Server Protocol, Command Phase"; the traps in design/sqlproxy.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sp_answer {
	SP_ANSWER_QUERY,   /* OK, ERR, a file's name, or result sets, until no more results */
	SP_ANSWER_EXECUTE, /* the same, and a cursor may open */
	SP_ANSWER_FETCH,   /* rows alone */
	SP_ANSWER_PREPARE,
	SP_ANSWER_FIELDS, /* column definitions until EOF */
	SP_ANSWER_PACKET, /* one packet of any kind */
	SP_ANSWER_STREAM, /* without an end: a binary log */
};

/* What the packet that was handed out is. */
enum sp_mark { SP_MARK_OK, SP_MARK_EOF, SP_MARK_ERR, SP_MARK_PREPARED, SP_MARK_FILE, SP_MARK_TEXT };

enum sp_scan_stop {
	SP_SCAN_MORE, /* all that could be was taken; keep what is left for the next bytes */
	SP_SCAN_MARK, /* a packet that means something begins here: see mark and mark_len */
	SP_SCAN_BAD,  /* nobody speaks MySQL like this */
};

enum { SP_MARK_MAX = 1 << 20 }; /* a marked packet over 1 MiB is nonsense */

struct sp_scan {
	enum sp_answer answer;
	enum {
		SP_AT_FIRST,
		SP_AT_PARAMS,
		SP_AT_PARAMS_END,
		SP_AT_COLUMNS,
		SP_AT_COLUMNS_END,
		SP_AT_ROWS,
		SP_AT_END
	} at;
	bool deprecate_eof, progress, cache_metadata;
	uint8_t seq;      /* of the last packet that was taken */
	bool continued;   /* the packet before was a full one: this one goes on with it */
	bool end;         /* the answer is complete */
	uint32_t skip;    /* bytes of the packet under way still to come */
	uint64_t left;    /* definitions still to come */
	uint64_t columns; /* of a PREPARE, while its parameters pass */
	uint64_t rows;    /* of the current or last result set */
	enum sp_mark mark;
	uint32_t mark_len; /* with its header */
	uint16_t out_more; /* of a row of OUT parameters: its definitions promised more results */
	uint16_t status;   /* what the last OK or EOF said */
};

void sp_scan_start(struct sp_scan *s, enum sp_answer answer, uint64_t caps);

/*
 * Takes bytes from data; *used: how many may go on to the client. After SP_SCAN_MARK the packet
 * at data + *used (mark_len bytes) is the caller's to look at, and s->end says whether the answer
 * ends with it; go on behind it.
 */
enum sp_scan_stop sp_scan_feed(struct sp_scan *s, const uint8_t *data, size_t len, size_t *used);

/* All of the answer has been taken. */
static inline bool sp_scan_done(const struct sp_scan *s)
{
	return s->end && s->skip == 0;
}
