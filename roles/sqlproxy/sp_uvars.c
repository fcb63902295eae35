#include "roles/sqlproxy/sp_uvars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "roles/sqlproxy/sp_packet.h"

uint64_t sp_uvars_hash(const struct sp_uvars *u)
{
	uint64_t h = u->vars.hash;

	for (uint32_t i = 0; u->states && i < u->vars.count; i++)
		h = h * 31 + u->states->of[i];
	return h;
}

static bool in_use(const struct sp_uvars *u, int state)
{
	for (uint32_t i = 0; i < u->vars.count; i++)
		if (u->states->of[i] == state)
			return true;
	return false;
}

/* Its place in the list; -1: there are too many. */
static int find_state(struct sp_uvars *u, const struct sp_vars *state)
{
	struct sp_uvar_states *s = u->states;
	int free_one = -1;

	for (int i = 0; i < s->count; i++) {
		if (s->list[i].hash == state->hash && s->list[i].count == state->count)
			return i;
		if (free_one < 0 && !in_use(u, i))
			free_one = i;
	}
	if (free_one < 0 && s->count < SP_UVAR_STATES)
		free_one = s->count++;
	if (free_one >= 0)
		sp_vars_copy(&s->list[free_one], state);
	return free_one;
}

/* NULL leaves a variable its type: it is set as before, and then to NULL. */
static struct sp_span typed_null(const struct sp_var *var, struct sp_span name,
				 struct sp_span literal, char *out, size_t size)
{
	const char *old = var ? var->value : "";

	if (!sp_span_is(literal, "null") || !*old || strcasecmp(old, "null") == 0)
		return literal;
	size_t n = strlen(old), null = strlen(",@``=null") + name.len;
	bool is_null = n > null && strncmp(old + n - null, ",@`", 3) == 0 &&
		       strcmp(old + n - 6, "`=null") == 0;
	int len = is_null ? snprintf(out, size, "%s", old)
			  : snprintf(out, size, "%s,@`%.*s`=null", old, (int)name.len, name.at);

	return len > 0 && (size_t)len < size ? (struct sp_span){ out, (size_t)len } : literal;
}

bool sp_uvars_set(struct sp_uvars *u, struct sp_span name, struct sp_span literal,
		  const struct sp_vars *state)
{
	const struct sp_var *var = sp_vars_find(&u->vars, name);
	char text[1024];

	if (memchr(name.at, '`', name.len))
		return false;
	if (!u->states)
		u->states = mem_new(sizeof(*u->states));
	struct sp_span value = typed_null(var, name, literal, text, sizeof(text));
	int at = value.at == text ? u->states->of[var - u->vars.list] : find_state(u, state);
	if (at < 0 || !sp_vars_set(&u->vars, name, value))
		return false;
	var = sp_vars_find(&u->vars, name);
	u->states->of[var - u->vars.list] = (uint8_t)at;
	return true;
}

void sp_uvars_clear(struct sp_uvars *u)
{
	for (int i = 0; u->states && i < u->states->count; i++)
		sp_vars_clear(&u->states->list[i]);
	free(u->states);
	sp_vars_clear(&u->vars);
	*u = (struct sp_uvars){ 0 };
}

bool sp_uvars_write(const struct sp_uvars *u, int state, struct buf *out)
{
	bool any = false;

	for (uint32_t i = 0; i < u->vars.count; i++) {
		const struct sp_var *var = &u->vars.list[i];
		if (u->states->of[i] != state)
			continue;
		buf_put(out, any ? ",@`" : "SET @`", any ? 3 : 6);
		buf_put(out, var->name, strlen(var->name));
		buf_put(out, "`=", 2);
		buf_put(out, var->value, strlen(var->value));
		any = true;
	}
	return any;
}
