#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/store/store.h"
#include "core/store/unit.h"

enum {
	STATEMENT_COST = 32,
	FIRST = sizeof(((struct store_unit *)0)->first) / sizeof(struct store_value)
};

struct store_unit *store_unit(void)
{
	struct store_unit *u = malloc(sizeof(*u));

	if (!u)
		abort();
	memset(u, 0, offsetof(struct store_unit, first));
	list_init(&u->link);
	u->items = u->first;
	u->cap = FIRST;
	return u;
}

static void free_values(struct store_value *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].owned)
			free((void *)v[i].p);
}

void store_drop(struct store_unit *u)
{
	free_values(u->items, u->n_items);
	if (u->items != u->first)
		free(u->items);
	unit_forget(u);
	free(u);
}

void unit_forget(struct store_unit *u)
{
	free_values(u->cells, (size_t)u->rows * (size_t)u->columns);
	free(u->cells);
	u->cells = NULL;
	u->rows = u->columns = 0;
}

static struct store_value *add(struct store_unit *u, enum store_type type)
{
	if (u->n_items == u->cap) {
		size_t size = u->cap * sizeof(struct store_value);
		struct store_value *more =
			mem_resize(u->items == u->first ? NULL : u->items, size * 2);
		if (u->items == u->first)
			memcpy(more, u->first, size);
		u->items = more;
		u->cap *= 2;
	}
	struct store_value *v = &u->items[u->n_items++];
	*v = (struct store_value){ .type = (uint8_t)type };
	return v;
}

static void start(struct store_unit *u, enum store_type type, int statement)
{
	add(u, type)->n = statement;
	u->statements++;
	u->bytes += STATEMENT_COST;
}

void store_stmt(struct store_unit *u, int statement)
{
	start(u, STORE_STMT, statement);
}

void store_guard(struct store_unit *u, int statement)
{
	start(u, STORE_GUARD, statement);
}

void store_null(struct store_unit *u)
{
	add(u, STORE_NULL);
}

void store_int(struct store_unit *u, int64_t n)
{
	add(u, STORE_INT)->n = n;
}

static void put(struct store_unit *u, enum store_type type, const void *p, size_t n)
{
	struct store_value *v = add(u, p ? type : STORE_NULL);

	v->p = p;
	v->size = (uint32_t)n;
	u->bytes += n;
}

void store_blob(struct store_unit *u, const void *p, size_t n)
{
	put(u, STORE_BLOB, p, n);
}

static void copy(struct store_unit *u, enum store_type type, const void *p, size_t n)
{
	char *own = NULL;

	if (p) {
		own = mem_resize(NULL, n + 1);
		memcpy(own, p, n);
		own[n] = '\0';
	}
	put(u, type, own, n);
	u->items[u->n_items - 1].owned = own != NULL;
}

void store_copy(struct store_unit *u, const void *p, size_t n)
{
	copy(u, STORE_BLOB, p, n);
}

void store_text(struct store_unit *u, const char *s)
{
	copy(u, STORE_TEXT, s, s ? strlen(s) : 0);
}
