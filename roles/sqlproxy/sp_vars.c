#include "roles/sqlproxy/sp_vars.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"

static uint64_t hash_bytes(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3ull;
	return h;
}

static struct sp_var *find(const struct sp_vars *v, struct sp_span name)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (strncasecmp(v->list[i].name, name.at, name.len) == 0 &&
		    !v->list[i].name[name.len])
			return &v->list[i];
	return NULL;
}

const struct sp_var *sp_vars_find(const struct sp_vars *v, struct sp_span name)
{
	return find(v, name);
}

static void fill(struct sp_var *var, struct sp_span name, struct sp_span value)
{
	var->name = mem_new(name.len + value.len + 2);
	var->value = var->name + name.len + 1;
	for (size_t i = 0; i < name.len; i++)
		var->name[i] = (char)tolower((unsigned char)name.at[i]);
	memcpy(var->value, value.at ? value.at : "", value.len);
	uint64_t h = hash_bytes(0xcbf29ce484222325ull, var->name, name.len + 1);
	var->hash = hash_bytes(h, var->value, value.len + 1);
}

bool sp_vars_set(struct sp_vars *v, struct sp_span name, struct sp_span value)
{
	struct sp_var *var = find(v, name);
	char *old = var ? var->name : NULL;

	if (name.len + value.len > SP_VAR_LEN_MAX || (!var && v->count >= SP_VARS_MAX))
		return false;
	if (var && strlen(var->value) == value.len && memcmp(var->value, value.at, value.len) == 0)
		return true;
	if (var) {
		v->hash ^= var->hash;
	} else {
		if ((v->count & (v->count - 1)) == 0) /* 0, 1, 2, 4: the list is full */
			v->list = mem_resize(v->list,
					     sizeof(*v->list) * (v->count ? 2 * v->count : 1));
		var = &v->list[v->count++];
	}
	fill(var, name, value);
	v->hash ^= var->hash;
	free(old);
	return true;
}

void sp_vars_remove(struct sp_vars *v, struct sp_span name)
{
	struct sp_var *var = find(v, name);

	if (!var)
		return;
	v->hash ^= var->hash;
	free(var->name);
	uint32_t at = (uint32_t)(var - v->list);
	memmove(var, var + 1, sizeof(*var) * (v->count - at - 1));
	if (--v->count > 0)
		return;
	free(v->list);
	v->list = NULL;
}

void sp_vars_clear(struct sp_vars *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		free(v->list[i].name);
	free(v->list);
	*v = (struct sp_vars){ 0 };
}

static struct sp_span span(const char *s)
{
	return (struct sp_span){ s, strlen(s) };
}

void sp_vars_copy(struct sp_vars *to, const struct sp_vars *from)
{
	if (to->hash == from->hash && to->count == from->count)
		return;
	sp_vars_clear(to);
	for (uint32_t i = 0; i < from->count; i++)
		sp_vars_set(to, span(from->list[i].name), span(from->list[i].value));
}
