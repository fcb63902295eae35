/*
 * What an answer changed, and who keeps the connection.
 *
 *	marks (OK, EOF, ERR ...) -> what was told -> pins -> kept, or given back with its leftovers
 *
 * An OK packet may carry trackers that we asked for and the client did not: those are taken out,
 * so that the client sees what it would see without us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_digest.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_rewrite.h"
#include "roles/sqlproxy/sp_text_prepare.h"
#include "roles/sqlproxy/sp_worker.h"

enum { RETRY_US = 500 * 1000 };

/* ---- trackers towards the client ------------------------------------------ */

/* What a server tells by default: MariaDB's and MySQL's session_track_system_variables. */
static bool told_by_default(struct sp_span name)
{
	static const char *const list[] = { "autocommit", "character_set_client",
					    "character_set_connection", "character_set_results",
					    "time_zone" };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (sp_span_is(name, list[i]))
			return true;
	return false;
}

static void keep_vars(struct sp_span data, struct buf *out)
{
	struct sp_reader r = sp_reader(data.at, data.len);
	struct buf kept;

	buf_init(&kept, SP_MARK_MAX);
	while (sp_reader_left(&r) && !r.bad) {
		struct sp_span name = sp_read_lenenc_bytes(&r);
		struct sp_span value = sp_read_lenenc_bytes(&r);
		if (r.bad || !told_by_default(name))
			continue;
		sp_write_lenenc_bytes(&kept, name.at, name.len);
		sp_write_lenenc_bytes(&kept, value.at, value.len);
	}
	if (buf_len(&kept) > 0) {
		sp_write_int(out, SP_TRACK_SYSVAR, 1);
		sp_write_lenenc_bytes(out, buf_data(&kept), buf_len(&kept));
	}
	buf_fini(&kept);
}

/* The entries that a client gets which asked for nothing special. */
static void filter_track(struct sp_span track, struct buf *out)
{
	enum sp_track type;
	struct sp_span data;

	while (sp_track_next(&track, &type, &data)) {
		if (type == SP_TRACK_SYSVAR) {
			keep_vars(data, out);
		} else if (type == SP_TRACK_SCHEMA) {
			sp_write_int(out, type, 1);
			sp_write_lenenc_bytes(out, data.at, data.len);
		}
	}
}

/* Writes the OK again as the client would have got it; it only gets shorter. */
static size_t strip(struct sp_client *c, const struct sp_ok *ok, uint8_t *packet, size_t len)
{
	struct sp_ok mine = *ok;
	struct buf track, out;

	buf_init(&track, SP_MARK_MAX);
	buf_init(&out, SP_MARK_MAX + SP_HEADER);
	if (c->caps & SP_CAP_SESSION_TRACK)
		filter_track(ok->track, &track);
	mine.track = (struct sp_span){ (const char *)buf_data(&track), buf_len(&track) };
	if (mine.track.len == 0)
		mine.status &= (uint16_t)~SP_STATUS_STATE_CHANGED;
	sp_ok_write(&out, &mine, packet[4], packet[3], c->caps);
	size_t n = buf_len(&out);
	if (n <= len)
		memcpy(packet, buf_data(&out), n);
	buf_fini(&out);
	buf_fini(&track);
	return n <= len ? n : len;
}

/* ---- marks ----------------------------------------------------------------- */

static size_t on_ok(struct sp_client *c, uint8_t *packet, size_t len)
{
	struct sp_backend *b = c->backend;
	struct sp_told told = { 0 };
	struct sp_ok ok;

	if (sp_ok_read(&ok, packet + SP_HEADER, len - SP_HEADER, b->caps)) {
		sp_backend_close(b, "an OK packet of the server makes no sense");
		return len;
	}
	c->session.status = ok.status;
	c->cmd.warnings = ok.warnings;
	c->cmd.affected = ok.affected;
	if (ok.insert_id)
		c->cmd.insert_id = ok.insert_id;
	if (c->cmd.lex.verb != SP_VERB_OTHER || !(c->cmd.lex.flags & SP_LEX_READ_WARNINGS))
		c->session.row_count = packet[4] == 0xfe ? -1 : (int64_t)ok.affected;
	if (ok.track.len > 0) {
		sp_session_track(&c->session, b, ok.track, &c->cmd.lex, &told);
		c->cmd.told_state |= told.state;
		c->cmd.told_unsafe |= told.unsafe_var;
		c->cmd.told_track |= told.track_var;
		c->cmd.told_last_id |= told.last_id;
		c->cmd.told_charset |= told.charset;
		c->cmd.told_collation |= told.collation;
	}
	if (!(ok.status & SP_STATUS_STATE_CHANGED) || sp_pinned(&c->session, SP_PIN_TRACK) ||
	    told.track_var)
		return len;
	return strip(c, &ok, packet, len);
}

static size_t on_eof(struct sp_client *c, uint8_t *packet, size_t len)
{
	if (len < SP_HEADER + 5)
		return len;
	uint16_t status = (uint16_t)(packet[7] | packet[8] << 8);
	c->cmd.warnings = (uint16_t)(packet[5] | packet[6] << 8);
	if (c->backend->scan.at != SP_AT_ROWS)
		c->session.status = status;
	if (c->cmd.code != SP_COM_STMT_PREPARE)
		c->session.row_count = -1;
	if (status & SP_STATUS_STATE_CHANGED && !sp_pinned(&c->session, SP_PIN_TRACK)) {
		c->cmd.eof_changed = true;
		packet[8] &= (uint8_t)~(SP_STATUS_STATE_CHANGED >> 8);
		c->session.status &= (uint16_t)~SP_STATUS_STATE_CHANGED;
	}
	return len;
}

static void on_error(struct sp_client *c, const uint8_t *packet, size_t len)
{
	struct sp_error e;

	sp_error_read(&e, packet + SP_HEADER, len - SP_HEADER);
	c->cmd.error = e.code;
	c->session.row_count = -1;
	c->worker->figures.errors++;
}

static void on_prepared(struct sp_client *c, uint8_t *packet)
{
	struct sp_backend *b = c->backend;
	struct sp_stmt *stmt = c->cmd.text ? sp_stmts_add(&c->stmts, c->cmd.text) : NULL;

	if (!stmt) {
		sp_client_fail(c, 1461, "42000", "Can't create more than max_prepared_stmt_count "
						 "statements (current value: %d)", SP_STMTS_MAX);
		return;
	}
	stmt->columns = (uint16_t)(packet[9] | packet[10] << 8);
	stmt->params = (uint16_t)(packet[11] | packet[12] << 8);
	sp_table_add(&b->prepared, stmt->text, sp_u32(packet + 5),
		     (uint32_t)b->pool->group->database->conf->prepared, &b->held);
	sp_put_u32(packet + 5, stmt->id);
}

/* The answer to a login's question for its database stays with us. */
static size_t tell_login(struct sp_client *c, const uint8_t *packet, size_t len)
{
	struct sp_error e;

	if (c->backend->scan.mark != SP_MARK_ERR)
		return 0;
	sp_error_read(&e, packet + SP_HEADER, len - SP_HEADER);
	snprintf((char *)c->worker->scratch, 480, "%.*s", (int)e.text.len, e.text.at);
	c->cmd.error = e.code;
	return 0;
}

size_t sp_answer_mark(struct sp_client *c, uint8_t *packet, size_t len)
{
	if (c->login) {
		if (c->backend->scan.mark == SP_MARK_OK)
			on_ok(c, packet, len);
		return tell_login(c, packet, len);
	}
	switch (c->backend->scan.mark) {
	case SP_MARK_OK:
		return on_ok(c, packet, len);
	case SP_MARK_EOF:
		return on_eof(c, packet, len);
	case SP_MARK_ERR:
		on_error(c, packet, len);
		return len;
	case SP_MARK_PREPARED:
		on_prepared(c, packet);
		return len;
	case SP_MARK_FILE:
		if (!(c->cmd.lex.flags & SP_LEX_LOAD_LOCAL)) {
			sp_backend_close(c->backend, "the server asked for a file that nobody "
						     "offered");
			return len;
		}
		c->cmd.file = true;
		return len;
	default:
		return len;
	}
}

/* ---- bytes ------------------------------------------------------------------ */

/* The first value of the first row: what GET_LOCK said. */
static void capture(struct sp_client *c, const uint8_t *data, size_t len)
{
	size_t room = sizeof(c->cmd.captured) - c->cmd.captured_len;
	bool lock = c->cmd.lex.flags & (SP_LEX_GET_LOCK | SP_LEX_RELEASE_LOCK);

	if (!lock || len == 0 || room == 0 || c->cmd.captured_len)
		return;
	bool deprecate_eof = c->backend->caps & SP_CAP_DEPRECATE_EOF;
	struct sp_reader r = sp_reader(data, len);
	for (int packets = deprecate_eof ? 2 : 3; packets > 0; packets--)
		sp_read_bytes(&r, sp_read_int(&r, 4) & SP_PAYLOAD_MAX);
	sp_read_int(&r, 4);
	uint64_t first = sp_read_int(&r, c->cmd.code == SP_COM_QUERY ? 1 : 2);
	if (r.bad)
		return;
	bool one = c->cmd.code == SP_COM_QUERY ? first == 1 && sp_reader_left(&r) && *r.at == '1'
					       : first == 0 && sp_reader_left(&r) && *r.at == 1;
	c->cmd.captured[0] = one;
	c->cmd.captured_len = 1;
}

void sp_answer_bytes(struct sp_client *c, const uint8_t *data, size_t len)
{
	struct sp_backend *b = c->backend;

	if (c->login)
		return;
	capture(c, data, len);
	if (sp_client_put(c, data, len)) {
		sp_client_close(c, "the client can't be written to");
		return;
	}
	if (stream_backlog(&c->stream) > STREAM_HIGH)
		stream_pause(&b->stream);
	if (c->cmd.file) {
		c->cmd.file = false;
		sp_command_file(c);
	}
}

/* ---- pins -------------------------------------------------------------------- */

static void pin(struct sp_client *c, enum sp_pin which, bool on)
{
	sp_pin_set(&c->session, which, on, c->worker->now);
}

static void each_user_var(void *owner, struct sp_span name, struct sp_span literal)
{
	struct sp_client *c = owner;

	if (memchr(name.at, '`', name.len) || !sp_vars_set(&c->session.user, name, literal))
		pin(c, SP_PIN_USER_VAR, true);
}

static struct sp_span sql_of(const struct sp_client *c)
{
	return c->cmd.sql;
}

static void note_user_vars(struct sp_client *c, uint32_t flags)
{
	struct sp_backend *b = c->backend;
	uint64_t before = c->session.user.hash;

	if (flags & SP_LEX_UVAR_EXPR || (flags & SP_LEX_UVAR_LITERAL && !sql_of(c).at)) {
		pin(c, SP_PIN_USER_VAR, true);
		b->dirty = true;
	} else if (flags & SP_LEX_UVAR_LITERAL && !c->cmd.error) {
		sp_lex_uvars(sql_of(c).at, sql_of(c).len, sp_session_lex_mode(&c->session),
			     each_user_var, c);
		if (b->user_hash == before)
			b->user_hash = c->session.user.hash;
		b->dirty = true;
	}
}

static void note_temp_tables(struct sp_client *c, uint32_t flags)
{
	struct sp_session *s = &c->session;
	struct sp_span sql = sql_of(c), name = c->cmd.lex.object;

	if (flags & SP_LEX_TEMP_CREATE && !c->cmd.error) {
		if (!name.at || !sp_vars_set(&s->temp, name, (struct sp_span){ "", 0 }))
			pin(c, SP_PIN_STATE, true);
		pin(c, SP_PIN_TEMP, true);
		c->backend->dirty = true;
	}
	if (!(flags & SP_LEX_DROP_TABLE) || c->cmd.error || !sql.at || flags & SP_LEX_MULTI)
		return;
	for (uint32_t i = s->temp.count; i-- > 0;) {
		struct sp_span temp = { s->temp.list[i].name, strlen(s->temp.list[i].name) };
		bool named = false;
		for (size_t at = 0; at + temp.len <= sql.len && !named; at++)
			named = strncasecmp(sql.at + at, temp.at, temp.len) == 0;
		if (named)
			sp_vars_remove(&s->temp, temp);
	}
	if (s->temp.count == 0)
		pin(c, SP_PIN_TEMP, false);
}

static void note_locks(struct sp_client *c, uint32_t flags)
{
	struct sp_session *s = &c->session;
	bool got = c->cmd.captured_len && c->cmd.captured[0];

	if (flags & SP_LEX_GET_LOCK) {
		if (!c->cmd.captured_len && !c->cmd.error)
			s->locks += 1000; /* who knows how many: until all are released */
		s->locks += got;
		c->backend->dirty = true;
	}
	if (flags & SP_LEX_RELEASE_LOCK && got && s->locks > 0)
		s->locks--;
	if (flags & SP_LEX_RELEASE_ALL_LOCKS && !c->cmd.error)
		s->locks = 0;
	pin(c, SP_PIN_GET_LOCK, s->locks > 0);
}

static bool word_in(struct sp_span sql, const char *word)
{
	return sql.at && memmem(sql.at, sql.len, word, strlen(word));
}

/* HANDLER t OPEN ... HANDLER t CLOSE */
static void note_handlers(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_span sql = sql_of(c);

	if (c->cmd.error)
		return;
	c->backend->dirty = true;
	for (size_t i = 0; sql.at && i + 4 < sql.len; i++) {
		s->handlers += strncasecmp(sql.at + i, " open", 5) == 0;
		s->handlers -= strncasecmp(sql.at + i, " clos", 5) == 0 && s->handlers > 0;
	}
	pin(c, SP_PIN_HANDLER, s->handlers > 0 || !sql.at);
}

/* Pins whose cause is the statement's text. */
static void note_text(struct sp_client *c)
{
	uint32_t flags = c->cmd.lex.flags;
	struct sp_backend *b = c->backend;
	bool prepare = c->cmd.code == SP_COM_STMT_PREPARE;

	if (prepare || !flags)
		flags = 0;
	note_user_vars(c, flags);
	note_temp_tables(c, flags);
	if (flags & (SP_LEX_GET_LOCK | SP_LEX_RELEASE_LOCK | SP_LEX_RELEASE_ALL_LOCKS))
		note_locks(c, flags);
	if (flags & (SP_LEX_LOCK_TABLES | SP_LEX_UNLOCK_TABLES) && !c->cmd.error)
		pin(c, SP_PIN_LOCK, flags & SP_LEX_LOCK_TABLES);
	if (flags & SP_LEX_HANDLER)
		note_handlers(c);
	if (flags & SP_LEX_XA)
		pin(c, SP_PIN_XA, !word_in(sql_of(c), "COMMIT") && !word_in(sql_of(c), "ROLLBACK") &&
					  !word_in(sql_of(c), "commit") && !word_in(sql_of(c), "rollback"));
	if (flags & SP_LEX_PIN)
		pin(c, SP_PIN_HINT, true);
	if (flags & SP_LEX_SESSION_TRACK && !c->cmd.error)
		pin(c, SP_PIN_TRACK, true);
	if (!prepare)
		sp_text_prepare_note(c);
	if (flags & SP_LEX_NEXT_TRX && !c->cmd.error && !b->has_track)
		pin(c, SP_PIN_NEXT_TRX, true);
	else if (!b->has_track && c->cmd.lex.verb != SP_VERB_SET &&
		 !(c->session.status & SP_STATUS_IN_TRANS))
		pin(c, SP_PIN_NEXT_TRX, false);
}

/* State that the server told of, or could not tell. */
static void note_told(struct sp_client *c)
{
	uint32_t flags = c->cmd.lex.flags;
	struct sp_backend *b = c->backend;
	const uint32_t known = SP_LEX_UVAR_LITERAL | SP_LEX_UVAR_EXPR | SP_LEX_TEMP_CREATE |
			       SP_LEX_DROP_TABLE | SP_LEX_SET_SYSVAR | SP_LEX_SET_STATEMENT |
			       SP_LEX_SET_GLOBAL | SP_LEX_NEXT_TRX | SP_LEX_SESSION_TRACK;
	bool prepare = c->cmd.code == SP_COM_STMT_PREPARE;
	enum sp_verb verb = c->cmd.lex.verb;
	bool text = verb == SP_VERB_PREPARE || verb == SP_VERB_DEALLOCATE || verb == SP_VERB_USE ||
		    verb == SP_VERB_BEGIN;

	if (c->cmd.told_unsafe || (c->cmd.lex.unscoped && !c->cmd.scoped && !prepare)) {
		pin(c, SP_PIN_SYSVAR, true);
		b->dirty = true;
	}
	if (c->cmd.told_track)
		pin(c, SP_PIN_TRACK, true);
	if (c->cmd.told_state && !(flags & known) && !text && c->cmd.code != SP_COM_INIT_DB)
		pin(c, SP_PIN_STATE, true);
	if (c->cmd.told_state || c->cmd.told_unsafe)
		b->dirty |= !(flags & SP_LEX_SET_SYSVAR) || flags & SP_LEX_UVAR || c->cmd.told_unsafe;
	if (c->cmd.eof_changed && !(c->session.status & SP_STATUS_IN_TRANS) &&
	    flags & (SP_LEX_UNKNOWN_FUNC | SP_LEX_MULTI))
		pin(c, SP_PIN_STATE, true);
	if (!b->has_track && !c->cmd.error &&
	    (flags & (SP_LEX_SET_SYSVAR | SP_LEX_MULTI) || verb == SP_VERB_CALL)) {
		pin(c, SP_PIN_SYSVAR, true);
		b->dirty = true;
	}
	pin(c, SP_PIN_TRX, c->session.status & SP_STATUS_IN_TRANS ||
				   (b->has_track && c->session.trx_state));
	if (b->has_track)
		pin(c, SP_PIN_NEXT_TRX, c->session.trx_char && !sp_pinned(&c->session, SP_PIN_TRX));
}

static void note_statement(struct sp_client *c)
{
	struct sp_stmt *stmt = c->cmd.stmt;
	uint16_t status = c->session.status;

	if (!stmt)
		return;
	if (c->cmd.code == SP_COM_STMT_EXECUTE || c->cmd.code == SP_COM_STMT_RESET) {
		if (stmt->long_data)
			pin(c, SP_PIN_LONG_DATA, false);
		stmt->long_data = false;
	}
	bool open = stmt->cursor;
	if (c->cmd.code == SP_COM_STMT_EXECUTE)
		open = status & SP_STATUS_CURSOR_EXISTS && !c->cmd.error;
	else if (c->cmd.code == SP_COM_STMT_FETCH)
		open = !(status & SP_STATUS_LAST_ROW_SENT) && !c->cmd.error;
	else if (c->cmd.code == SP_COM_STMT_RESET)
		open = false;
	stmt->cursor = open;
	bool any = false;
	for (uint32_t i = 0; i < c->stmts.last && !any; i++)
		any = c->stmts.list[i] && c->stmts.list[i]->cursor;
	pin(c, SP_PIN_CURSOR, any);
}

static void note_command(struct sp_client *c)
{
	switch (c->cmd.code) {
	case SP_COM_INIT_DB:
		if (!c->cmd.error && !c->backend->has_track && c->cmd.sql.at) {
			sp_session_set_db(&c->session, c->cmd.sql.at, c->cmd.sql.len);
			sp_backend_set_db(c->backend, c->cmd.sql.at, c->cmd.sql.len);
		}
		break;
	case SP_COM_SET_OPTION:
		if (!c->cmd.error)
			c->session.option = c->backend->option = c->cmd.option;
		break;
	case SP_COM_RESET_CONNECTION:
		if (c->cmd.error) /* MySQL 5.6 does not know it */
			break;
		sp_client_forget(c);
		sp_backend_forget(c->backend);
		c->backend->dirty = true; /* our trackers are off with it: the next owner resets */
		break;
	case SP_COM_REGISTER_SLAVE:
	case SP_COM_BINLOG_DUMP:
	case SP_COM_BINLOG_DUMP_GTID:
		pin(c, SP_PIN_STREAM, true);
		break;
	default:
		break;
	}
	if (c->cmd.lex.verb == SP_VERB_USE && !c->cmd.error && !c->backend->has_track &&
	    c->cmd.lex.object.at) {
		sp_session_set_db(&c->session, c->cmd.lex.object.at, c->cmd.lex.object.len);
		sp_backend_set_db(c->backend, c->cmd.lex.object.at, c->cmd.lex.object.len);
	}
}

/* MariaDB forgets warnings only when a statement uses tables. */
static bool uses_tables(const struct sp_client *c)
{
	struct sp_span sql = sql_of(c);
	enum sp_verb verb = c->cmd.lex.verb;

	if (verb != SP_VERB_SELECT)
		return verb != SP_VERB_SET && verb != SP_VERB_BEGIN && verb != SP_VERB_COMMIT &&
		       verb != SP_VERB_ROLLBACK && verb != SP_VERB_USE && verb != SP_VERB_DO &&
		       verb != SP_VERB_OTHER && verb != SP_VERB_PREPARE && verb != SP_VERB_NONE &&
		       verb != SP_VERB_DEALLOCATE && verb != SP_VERB_KILL;
	for (size_t i = 0; sql.at && i + 4 <= sql.len; i++)
		if (strncasecmp(sql.at + i, "from", 4) == 0)
			return true;
	return !sql.at;
}

static void note_warnings(struct sp_client *c)
{
	struct sp_backend *b = c->backend;
	bool now = c->cmd.warnings || c->cmd.error;

	if (c->cmd.lex.flags & SP_LEX_READ_WARNINGS ||
	    (sp_pinned(&c->session, SP_PIN_WARNINGS) && !now && b->mariadb && !uses_tables(c)))
		return; /* those of the statement before are still there */
	free(c->session.warning_rows);
	c->session.warning_rows = NULL;
	c->session.warnings = b->mariadb ? 0 : c->cmd.warnings; /* MySQL repeats it in a ping's OK */
	b->warnings_of = now ? c->id : 0;
	pin(c, SP_PIN_WARNINGS, now);
}

static void note_id(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	const struct sp_lex *lex = &c->cmd.lex;
	bool failed = c->cmd.error && (lex->verb == SP_VERB_INSERT || lex->verb == SP_VERB_LOAD);
	bool unsure = lex->flags & (SP_LEX_SET_LAST_ID | SP_LEX_MULTI | SP_LEX_PIN | SP_LEX_UNKNOWN_FUNC) ||
		      lex->verb == SP_VERB_CALL || lex->verb == SP_VERB_EXECUTE;

	if (c->cmd.code == SP_COM_STMT_PREPARE)
		return;
	if (!c->cmd.insert_id && !c->cmd.told_last_id && !failed && !unsure)
		return;
	b->leftovers_of = c->id;
	b->last_id_unknown = true;
	s->last_id_away = true;
	s->last_id = c->cmd.insert_id ? c->cmd.insert_id : s->last_id; /* most likely */
	s->last_id_on = b->number;
}

static void note_found(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	enum sp_found found = c->cmd.found;

	if (c->cmd.code == SP_COM_STMT_PREPARE || found == SP_FOUND_SAME)
		return;
	if (found == SP_FOUND_ROWS && c->cmd.error && b->scan.rows == 0) /* it did not begin */
		return;
	s->found_on = b->number;
	s->found_away = found != SP_FOUND_ROWS || c->cmd.error || s->row_count != -1;
	s->found_rows = b->scan.rows;
	if (s->found_away)
		b->leftovers_of = c->id;
}

/* What stays on the connection for SHOW WARNINGS, LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(). */
static void note_leftovers(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	bool prepare = c->cmd.code == SP_COM_STMT_PREPARE;
	bool says = c->cmd.lex.verb == SP_VERB_OTHER && c->cmd.lex.flags & SP_LEX_READ_WARNINGS;

	if (c->cmd.code != SP_COM_STATISTICS && !(prepare && !c->cmd.error) && !says)
		s->rows_on = c->backend->number;
	if (c->cmd.code != SP_COM_QUERY && c->cmd.code != SP_COM_STMT_EXECUTE &&
	    c->cmd.code != SP_COM_STMT_BULK_EXECUTE && !prepare)
		return;
	note_id(c);
	note_found(c);
	if (prepare && c->cmd.lex.flags & SP_LEX_READ_ROW_COUNT)
		s->reads_rows = true;
	pin(c, SP_PIN_ROWS, s->reads_rows);
	note_warnings(c);
}

/* Not all changes of these two are reported: the status bit and the statement tell. */
static void note_untold(struct sp_client *c, bool charset)
{
	static const struct sp_span autocommit = { "autocommit", 10 };
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	bool on = s->status & SP_STATUS_AUTOCOMMIT;
	const struct sp_var *var = s->vars.count ? sp_vars_find(&s->vars, autocommit) : NULL;
	struct sp_span value = { on ? "ON" : "OFF", on ? 2 : 3 };

	if (var && (strcmp(var->value, "ON") == 0) != on) {
		sp_vars_set(&s->vars, autocommit, value);
		sp_vars_set(&b->vars, autocommit, value);
	}
	if (!charset)
		return;
	value = sp_rewrite_collate(sql_of(c));
	sp_session_set_names(&s->vars, value);
	sp_session_set_names(&b->vars, value);
}

/* ---- the end of an answer ------------------------------------------------------ */

static void account(struct sp_client *c)
{
	struct sp_worker *w = c->worker;
	uint64_t us = uv_hrtime() / 1000 - c->cmd.started;

	hist_add(&w->latency, us);
	if (c->cmd.digest)
		sp_digest_add(w, c->cmd.digest, c, us);
}

void sp_answer_detach(struct sp_client *c)
{
	struct sp_backend *b = c->backend;

	c->backend = NULL;
	b->client = NULL;
	if (b->dirty && !b->has_reset)
		b->doomed = true;
	sp_pool_give(b);
}

static bool pinned(const struct sp_client *c)
{
	if (sp_pool_may_loosen(c))
		return false;
	bool nopin = c->cmd.lex.flags & SP_LEX_NOPIN;
	uint32_t hard = 1u << SP_PIN_TRX | 1u << SP_PIN_LOCK | 1u << SP_PIN_MODE | 1u << SP_PIN_XA;

	return nopin ? c->session.pins & hard : c->session.pins;
}

static void next_command(struct sp_client *c)
{
	sp_text_drop(c->cmd.text);
	c->cmd = (struct sp_cmd){ 0 };
	c->deadline = 0;
	c->state = SP_CLIENT_READY;
	if (buf_len(&c->in) > 0)
		sp_command_work(c);
	else if (c->stream.paused)
		stream_resume(&c->stream);
	if (c->worker->draining && c->state == SP_CLIENT_READY)
		sp_worker_leave(c);
}

static void login_answered(struct sp_client *c)
{
	char text[480];
	uint16_t error = c->cmd.error;

	snprintf(text, sizeof(text), "%.479s", (const char *)c->worker->scratch);
	sp_answer_detach(c);
	c->cmd = (struct sp_cmd){ 0 };
	sp_login_tried(c, error ? text : NULL, error);
	if (!c->login && c->state == SP_CLIENT_READY && buf_len(&c->in) > 0)
		sp_command_work(c);
}

void sp_answer_done(struct sp_client *c)
{
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (c->state == SP_CLIENT_SENDING) { /* answered before all was said: an error, then the end */
		sp_client_close(c, "the server answered before the command was complete");
		return;
	}
	if (c->login) {
		login_answered(c);
		return;
	}
	note_untold(c, c->cmd.told_charset && !c->cmd.told_collation);
	note_text(c);
	note_told(c);
	note_statement(c);
	note_command(c);
	note_leftovers(c);
	account(c);
	if (pinned(c)) {
		c->worker->figures.pins++;
	} else {
		c->session.pins &= ~(uint32_t)SP_PINS_SOFT;
		sp_answer_detach(c);
	}
	next_command(c);
}

/* ---- the connection is gone, or comes -------------------------------------------- */

static void lost_idle(struct sp_client *c, const char *why)
{
	char text[400];
	size_t n = (size_t)snprintf(text, sizeof(text), "the connection to the server is gone (%.150s); "
							"lost with it:", why);

	for (enum sp_pin p = 0; p < SP_PIN_COUNT && n < sizeof(text); p++)
		if (sp_pinned(&c->session, p))
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", sp_pin_name(p));
	free(c->lost);
	c->lost = mem_str(text);
}

static void unpin_all(struct sp_client *c)
{
	struct sp_session *s = &c->session;

	s->pins &= 1u << SP_PIN_MODE;
	s->locks = 0;
	s->trx_state = s->trx_char = false;
	s->status &= (uint16_t)~(SP_STATUS_IN_TRANS | SP_STATUS_IN_TRANS_READONLY);
	sp_vars_clear(&s->temp);
	sp_vars_clear(&s->texts);
	for (uint32_t i = 0; i < c->stmts.last; i++)
		if (c->stmts.list[i])
			c->stmts.list[i]->cursor = c->stmts.list[i]->long_data = false;
}

void sp_client_lost(struct sp_client *c, const char *why)
{
	struct sp_backend *b = c->backend;
	bool pins = c->session.pins & ~(1u << SP_PIN_MODE);
	bool retry = c->cmd.lex.flags & SP_LEX_READ && c->cmd.whole && !c->cmd.retried && !pins &&
		     !b->answered && c->state == SP_CLIENT_BUSY && c->cmd.sql.at &&
		     uv_hrtime() / 1000 - c->cmd.started < RETRY_US; /* else it was killed */

	c->backend = NULL;
	c->worker->figures.lost++;
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (c->state == SP_CLIENT_READY) {
		lost_idle(c, why);
		unpin_all(c);
		return;
	}
	unpin_all(c);
	bool room = b->scan.at == SP_AT_FIRST || b->scan.at == SP_AT_ROWS; /* for an error */
	if (sp_pinned(&c->session, SP_PIN_STREAM) ||
	    (b->answered && (!room || b->scan.skip || buf_len(&b->in)))) {
		sp_client_close(c, why);
		return;
	}
	if (retry) {
		sp_command_again(c, b);
		return;
	}
	if (b->answered)
		c->seq = b->scan.seq;
	bool unsent = c->state == SP_CLIENT_SENDING || c->state == SP_CLIENT_FILE;
	sp_client_error(c, 2013, "HY000", "troupe: Lost connection to server during query: %.200s "
					  "(server %s%s)", why, b->pool->server->name,
			pins ? "; the transaction or session state on it is lost" : "");
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (unsent)
		sp_client_close(c, why);
	else
		next_command(c);
}

void sp_client_applied(struct sp_client *c, const uint8_t *error, size_t len)
{
	struct sp_backend *b = c->backend;
	struct sp_error e;

	if (!error) {
		if (c->state == SP_CLIENT_APPLYING) {
			c->state = SP_CLIENT_READY;
			sp_command_work(c);
		}
		return;
	}
	sp_error_read(&e, error, len);
	bool sent = c->state != SP_CLIENT_APPLYING;
	log_debug("state was refused: %.*s id=%u", (int)e.text.len, e.text.at, c->id);
	char text[480];
	snprintf(text, sizeof(text), "%.*s%s", (int)(e.text.len < 400 ? e.text.len : 400), e.text.at,
		 sent ? " (troupe: while the session's state was restored)" : "");
	c->backend = NULL;
	b->client = NULL;
	sp_backend_close(b, "it refused a session's state");
	if (!sent) {
		sp_client_refused(c, e.code, e.state, text);
		return;
	}
	sp_client_error(c, e.code, e.state, "%s", text);
	if (c->state != SP_CLIENT_CLOSING)
		next_command(c);
}
