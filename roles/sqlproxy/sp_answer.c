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
#include "roles/sqlproxy/sp_group.h"
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
	b->untold = false;
	c->session.status = ok.status;
	c->cmd.warnings = ok.warnings;
	c->cmd.affected = ok.affected;
	if (ok.insert_id)
		c->cmd.insert_id = ok.insert_id;
	if (c->cmd.lex.verb != SP_VERB_OTHER || !(c->cmd.lex.flags & SP_LEX_READ_WARNINGS))
		c->session.row_count = packet[4] == 0xfe ? -1 : (int64_t)ok.affected;
	if (ok.track.len > 0) {
		sp_session_track(&c->session, b, ok.track, &c->cmd.lex, &told);
		c->cmd.told = true;
		c->cmd.told_state |= told.state;
		c->cmd.told_unsafe |= told.unsafe_var;
		c->cmd.told_track |= told.track_var;
		c->cmd.told_last_id |= told.last_id;
		c->cmd.told_charset |= told.charset;
		c->cmd.told_collation |= told.collation;
		c->cmd.told_results |= told.results;
	}
	bool told_any = ok.status & SP_STATUS_STATE_CHANGED || ok.track.len > 0;
	if (!told_any || sp_pinned(&c->session, SP_PIN_TRACK) || told.track_var)
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
		c->backend->untold = status & SP_STATUS_IN_TRANS;
		packet[8] &= (uint8_t) ~(SP_STATUS_STATE_CHANGED >> 8);
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
		sp_client_fail(c, 1461, "42000",
			       "Can't create more than max_prepared_stmt_count "
			       "statements (current value: %d)",
			       SP_STMTS_MAX);
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
	b->dirty |= b->untold; /* an ERR ended the transaction */
	b->untold = false;
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

static void leave_or_keep(struct sp_client *c)
{
	if (pinned(c)) {
		c->worker->figures.pins++;
	} else {
		c->session.pins &= ~(uint32_t)SP_PINS_SOFT;
		sp_answer_detach(c);
	}
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
	if (c->state ==
	    SP_CLIENT_SENDING) { /* answered before all was said: an error, then the end */
		sp_client_close(c, "the server answered before the command was complete");
		return;
	}
	if (c->login) {
		login_answered(c);
		return;
	}
	sp_note(c);
	account(c);
	leave_or_keep(c);
	next_command(c);
}

/* ---- the connection is gone, or comes -------------------------------------------- */

static void lost_idle(struct sp_client *c, const char *why)
{
	char text[400];
	size_t n = (size_t)snprintf(text, sizeof(text),
				    "the connection to the server is gone (%.150s); "
				    "lost with it:",
				    why);

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
	s->status &= (uint16_t) ~(SP_STATUS_IN_TRANS | SP_STATUS_IN_TRANS_READONLY);
	sp_vars_clear(&s->temp);
	sp_named_clear(&s->texts);
	for (uint32_t i = 0; i < c->stmts.last; i++)
		if (c->stmts.list[i])
			c->stmts.list[i]->cursor = c->stmts.list[i]->long_data = false;
}

/* The error in the place of the answer, or of its rest; then the client goes on if it can. */
static void tell_loss(struct sp_client *c, const struct sp_backend *b, const char *why, bool pins)
{
	bool unsent = c->state == SP_CLIENT_SENDING || c->state == SP_CLIENT_FILE;

	if (b->answered)
		c->seq = b->scan.seq;
	sp_client_error(c, 2013, "HY000",
			"troupe: Lost connection to server during query: %.200s "
			"(server %s%s)",
			why, b->pool->server->name,
			pins ? "; the transaction or session state on it is lost" : "");
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (unsent)
		sp_client_close(c, why);
	else
		next_command(c);
}

static bool may_retry(const struct sp_client *c, const struct sp_backend *b)
{
	const struct sp_cmd *cmd = &c->cmd;

	return cmd->lex.flags & SP_LEX_READ && cmd->whole && !cmd->retried && !b->answered &&
	       c->state == SP_CLIENT_BUSY && cmd->sql.at &&
	       uv_hrtime() / 1000 - cmd->started < RETRY_US; /* else it was killed */
}

void sp_client_lost(struct sp_client *c, const char *why)
{
	struct sp_backend *b = c->backend;
	bool pins = c->session.pins & ~(1u << SP_PIN_MODE);
	bool retry = !pins && may_retry(c, b);

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
	    (b->answered && (!room || b->scan.skip || buf_len(&b->in))))
		sp_client_close(c, why);
	else if (retry)
		sp_command_again(c, b);
	else
		tell_loss(c, b, why, pins);
}

bool sp_client_put_off(struct sp_client *c, const uint8_t *error, size_t len)
{
	struct sp_error e;

	if (c->state != SP_CLIENT_APPLYING || c->login)
		return false;
	if (c->refusal)
		return true;
	sp_error_read(&e, error, len);
	c->refusal = mem_new(sizeof(*c->refusal));
	c->refusal->code = e.code;
	snprintf(c->refusal->state, sizeof(c->refusal->state), "%s", e.state);
	snprintf(c->refusal->text, sizeof(c->refusal->text), "%.*s",
		 (int)(e.text.len < 400 ? e.text.len : 400), e.text.at);
	c->cmd.error = e.code;
	c->session.row_count = -1;
	c->worker->figures.errors++;
	return true;
}

static void all_applied(struct sp_client *c)
{
	if (c->state != SP_CLIENT_APPLYING)
		return;
	c->state = SP_CLIENT_READY;
	if (c->refusal) {
		sp_note_refused(c);
		account(c);
		leave_or_keep(c);
	}
	sp_command_work(c);
}

void sp_client_applied(struct sp_client *c, const uint8_t *error, size_t len)
{
	struct sp_backend *b = c->backend;
	bool pins = c->session.pins & ~(1u << SP_PIN_MODE);
	struct sp_error e;

	if (!error) {
		all_applied(c);
		return;
	}
	sp_error_read(&e, error, len);
	bool sent = c->state != SP_CLIENT_APPLYING;
	log_debug("state was refused: %.*s id=%u", (int)e.text.len, e.text.at, c->id);
	char text[480];
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(e.text.len < 350 ? e.text.len : 350),
		 e.text.at, sent ? " (troupe: while the session's state was restored)" : "",
		 pins ? " (troupe: the transaction or session state is lost)" : "");
	if (c->state == SP_CLIENT_READY) /* behind a command that is not answered */
		lost_idle(c, text);
	unpin_all(c);
	c->backend = NULL;
	b->client = NULL;
	sp_backend_close(b, "it refused a session's state");
	if (!sent) {
		sp_client_refused(c, e.code, e.state, text);
		return;
	}
	if (c->state == SP_CLIENT_READY)
		return;
	bool unsent = c->state == SP_CLIENT_SENDING || c->state == SP_CLIENT_FILE;
	sp_client_error(c, e.code, e.state, "%s", text);
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (unsent)
		sp_client_close(c, "it refused a session's state");
	else
		next_command(c);
}
