/* sp_console_wire - rows as packets of MySQL's text protocol. seq: of the last packet; kept. */
#pragma once

#include "roles/sqlproxy/sp_rows.h"

struct buf;

/* The number of columns, and their definitions. */
void sp_console_wire_head(struct buf *out, uint8_t *seq, uint64_t caps, const struct sp_rows *rows);
void sp_console_wire_row(struct buf *out, uint8_t *seq, const struct sp_rows *rows, size_t row);
/* EOF, or the OK in its place where that was agreed on. */
void sp_console_wire_end(struct buf *out, uint8_t *seq, uint64_t caps);
/* The answer to COM_FIELD_LIST. */
void sp_console_wire_fields(struct buf *out, uint8_t *seq, const struct sp_rows *rows);
