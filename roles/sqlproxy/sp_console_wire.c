#include "roles/sqlproxy/sp_console_wire.h"

#include <string.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_packet.h"

enum { TYPE_DOUBLE = 5, TYPE_BIGINT = 8, TYPE_VARCHAR = 253, UTF8MB4 = 45, BINARY = 63 };
enum { CELL_MAX = 64 * 1024 }; /* a longer text is cut: nobody reads it in a table */

static void put_text(struct buf *out, const char *text)
{
	sp_write_lenenc_bytes(out, text, strnlen(text, CELL_MAX));
}

static void put_definition(struct buf *out, const struct sp_column *c)
{
	static const uint8_t types[] = { TYPE_VARCHAR, TYPE_BIGINT, TYPE_DOUBLE };

	put_text(out, "def");
	put_text(out, "troupe");
	put_text(out, "console");
	put_text(out, "console");
	put_text(out, c->name);
	put_text(out, c->name);
	sp_write_int(out, 12, 1); /* bytes that follow */
	sp_write_int(out, c->kind == SP_TEXT ? UTF8MB4 : BINARY, 2);
	sp_write_int(out, c->kind == SP_TEXT ? 1024 : 22, 4);
	sp_write_int(out, types[c->kind], 1);
	sp_write_int(out, 0, 2);                           /* flags */
	sp_write_int(out, c->kind == SP_REAL ? 31 : 0, 1); /* decimals: as many as there are */
	sp_write_int(out, 0, 2);
}

void sp_console_wire_head(struct buf *out, uint8_t *seq, uint64_t caps, const struct sp_rows *rows)
{
	size_t begin = sp_packet_begin(out);

	sp_write_lenenc(out, (uint64_t)rows->width);
	sp_packet_end(out, begin, ++*seq);
	for (int i = 0; i < rows->width; i++) {
		begin = sp_packet_begin(out);
		put_definition(out, &rows->columns[i]);
		sp_packet_end(out, begin, ++*seq);
	}
	if (!(caps & SP_CAP_DEPRECATE_EOF))
		sp_console_wire_end(out, seq, 0);
}

void sp_console_wire_row(struct buf *out, uint8_t *seq, const struct sp_rows *rows, size_t row)
{
	size_t begin = sp_packet_begin(out);

	for (int i = 0; i < rows->width; i++) {
		const char *text = sp_rows_at(rows, row, i);
		if (text)
			put_text(out, text);
		else
			sp_write_int(out, 0xfb, 1);
	}
	sp_packet_end(out, begin, ++*seq);
}

void sp_console_wire_end(struct buf *out, uint8_t *seq, uint64_t caps)
{
	const struct sp_ok ok = { .status = SP_STATUS_AUTOCOMMIT };

	if (caps & SP_CAP_DEPRECATE_EOF) {
		sp_ok_write(out, &ok, 0xfe, ++*seq, caps);
		return;
	}
	size_t begin = sp_packet_begin(out);
	sp_write_int(out, 0xfe, 1);
	sp_write_int(out, 0, 2);
	sp_write_int(out, ok.status, 2);
	sp_packet_end(out, begin, ++*seq);
}

void sp_console_wire_fields(struct buf *out, uint8_t *seq, const struct sp_rows *rows)
{
	for (int i = 0; i < rows->width; i++) {
		size_t begin = sp_packet_begin(out);
		put_definition(out, &rows->columns[i]);
		sp_write_int(out, 0xfb, 1); /* no default */
		sp_packet_end(out, begin, ++*seq);
	}
	sp_console_wire_end(out, seq, 0);
}
