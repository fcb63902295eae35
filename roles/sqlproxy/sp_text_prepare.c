#include "roles/sqlproxy/sp_text_prepare.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_worker.h"

enum { REPLAYS_MOST = 6 }; /* in one prefix */

/* What stands behind FROM, when it is a literal; NULL: a variable. */
static struct sp_span literal_of(struct sp_span sql, struct sp_span name)
{
	const char *end = sql.at ? sql.at + sql.len : NULL;
	const char *at = name.at ? name.at + name.len : end;

	while (at < end && !isspace((unsigned char)*at)) /* a closing quote */
		at++;
	while (at < end && isspace((unsigned char)*at))
		at++;
	if (end - at < 6 || strncasecmp(at, "from", 4) != 0)
		return (struct sp_span){ NULL, 0 };
	for (at += 4; at < end && isspace((unsigned char)*at);)
		at++;
	while (end > at && (end[-1] == ';' || isspace((unsigned char)end[-1])))
		end--;
	if (at == end || (*at != '\'' && *at != '"') || end[-1] != *at)
		return (struct sp_span){ NULL, 0 };
	return (struct sp_span){ at, (size_t)(end - at) };
}

static void prepared(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_span name = c->cmd.lex.object;
	struct sp_span text = literal_of(c->cmd.sql, name);

	c->backend->dirty = true;
	if (text.at && !memchr(name.at, '`', name.len) && sp_vars_set(&s->texts, name, text) &&
	    sp_vars_set(&c->backend->texts, name, text))
		return;
	if (name.at)
		sp_vars_set(&s->texts, name, (struct sp_span){ "", 0 });
	sp_pin_set(s, SP_PIN_PREPARE, true, c->worker->now);
}

void sp_text_prepare_note(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_span name = c->cmd.lex.object;

	enum sp_verb verb = c->cmd.lex.verb;

	if (verb == SP_VERB_PREPARE && !c->cmd.error) {
		prepared(c);
	} else if ((verb == SP_VERB_PREPARE || verb == SP_VERB_DEALLOCATE) && name.at) {
		/* one that fails has removed what had that name */
		sp_vars_remove(&s->texts, name);
		sp_vars_remove(&c->backend->texts, name);
		if (s->texts.count == 0)
			sp_pin_set(s, SP_PIN_PREPARE, false, 0);
	}
}

static void replay(struct sp_backend *b, const struct sp_var *var, struct buf *prefix)
{
	struct sp_span name = { var->name, strlen(var->name) };
	struct sp_span text = { var->value, strlen(var->value) };
	const struct sp_var *has = sp_vars_find(&b->texts, name);
	struct sp_expect e = { .kind = SP_EXPECT_STATE, .answer = SP_ANSWER_QUERY };

	if ((has && has->hash == var->hash) || !sp_backend_expect(b, e))
		return;
	size_t begin = sp_packet_begin(prefix);
	sp_write_int(prefix, SP_COM_QUERY, 1);
	sp_write_bytes(prefix, "PREPARE `", 9);
	sp_write_bytes(prefix, name.at, name.len);
	sp_write_bytes(prefix, "` FROM ", 7);
	sp_write_bytes(prefix, text.at, text.len);
	sp_packet_end(prefix, begin, 0);
	sp_vars_set(&b->texts, name, text);
	b->dirty = true;
}

void sp_text_prepare_replay(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const struct sp_session *s = &c->session;
	enum sp_verb verb = c->cmd.lex.verb;
	bool multi = c->cmd.lex.flags & SP_LEX_MULTI;
	int left = REPLAYS_MOST;

	if (s->texts.count == 0 || sp_pinned(s, SP_PIN_PREPARE) ||
	    (verb != SP_VERB_EXECUTE && verb != SP_VERB_DEALLOCATE && !multi))
		return;
	for (uint32_t i = 0; i < s->texts.count && left > 0; i++) {
		const struct sp_var *var = &s->texts.list[i];
		if (!multi && !sp_span_is(c->cmd.lex.object, var->name))
			continue;
		replay(b, var, prefix);
		left--;
	}
}
