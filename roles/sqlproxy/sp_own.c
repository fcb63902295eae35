#include "roles/sqlproxy/sp_own.h"

#include <stdint.h>
#include <stdio.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"

/* A difference of such numbers has the very type of ROW_COUNT() and FOUND_ROWS(). */
static void write_difference(char *out, size_t size, int64_t value)
{
	snprintf(out, size, "(%lld-%lld)", (long long)(INT64_MAX - (value < 0)),
		 (long long)(INT64_MAX - (value < 0) - value));
}

void sp_own_calls(const struct sp_client *c, struct sp_calls *calls)
{
	const struct sp_cmd *cmd = &c->cmd;
	uint32_t flags = cmd->lex.flags;

	*calls = (struct sp_calls){ "", "", "" };
	if (flags & SP_LEX_CONNECTION_ID)
		snprintf(calls->connection_id, sizeof(calls->connection_id), "cast(%u as unsigned)",
			 c->id);
	if (flags & SP_LEX_READ_ROW_COUNT && cmd->stale_rows)
		write_difference(calls->row_count, sizeof(calls->row_count), c->session.row_count);
	if (flags & SP_LEX_READ_FOUND_ROWS && cmd->stale_found)
		write_difference(calls->found_rows, sizeof(calls->found_rows),
				 (int64_t)c->session.found_rows);
}

static bool runs(const struct sp_client *c)
{
	uint8_t code = c->cmd.code;

	return code == SP_COM_STMT_EXECUTE || code == SP_COM_STMT_BULK_EXECUTE;
}

void sp_own_share(struct sp_client *c, struct sp_backend *b)
{
	struct sp_stmt *stmt = c->cmd.stmt;

	if (!stmt || !(runs(c) || c->cmd.code == SP_COM_STMT_SEND_LONG_DATA))
		return;
	if (stmt->own && runs(c) && !stmt->long_data) /* it ends the cursor of the last */
		sp_own_close(stmt, b);
	if (stmt->own || !(c->session.pins & (1u << SP_PIN_CURSOR | 1u << SP_PIN_LONG_DATA)) ||
	    !sp_stmts_rival(&c->stmts, stmt))
		return;
	stmt->own = sp_text_copy(stmt->text, sp_text_span(stmt->text));
}

bool sp_own_tell(struct sp_client *c)
{
	const uint32_t asked = SP_LEX_READ_ROW_COUNT | SP_LEX_READ_FOUND_ROWS;
	struct sp_stmt *stmt = c->cmd.stmt;
	struct sp_calls calls;
	struct buf sql;

	if (!stmt || !(c->cmd.lex.flags & asked) || !runs(c) || stmt->long_data)
		return false;
	sp_own_calls(c, &calls);
	*calls.connection_id = '\0';
	buf_init(&sql, 32 * 1024 * 1024);
	bool any = sp_rewrite_calls(sp_text_span(stmt->text), &calls, &sql);
	if (any) {
		sp_text_drop(stmt->own); /* of a rival: nothing was sent for it yet */
		stmt->own = sp_text_copy(stmt->text, (struct sp_span){ (const char *)buf_data(&sql),
								       buf_len(&sql) });
	}
	buf_fini(&sql);
	return any;
}

void sp_own_close(struct sp_stmt *stmt, struct sp_backend *b)
{
	sp_table_close(&b->prepared, stmt->own, &b->held);
	sp_text_drop(stmt->own);
	stmt->own = NULL;
}
