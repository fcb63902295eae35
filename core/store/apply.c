/* apply - units become SQL. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/store/db.h"
#include "core/store/store.h"
#include "core/store/unit.h"

static void bind_value(sqlite3_stmt *s, int at, const struct store_value *v)
{
	switch (v->type) {
	case STORE_INT:
		sqlite3_bind_int64(s, at, v->n);
		break;
	case STORE_TEXT:
		sqlite3_bind_text(s, at, v->p, (int)v->size, SQLITE_STATIC);
		break;
	case STORE_BLOB:
		sqlite3_bind_blob(s, at, v->size ? v->p : "", (int)v->size, SQLITE_STATIC);
		break;
	default:
		sqlite3_bind_null(s, at);
	}
}

struct store_value cell_read(sqlite3_stmt *s, int column)
{
	struct store_value v = { .type = STORE_NULL };
	int type = sqlite3_column_type(s, column);

	if (type == SQLITE_INTEGER) {
		v.type = STORE_INT;
		v.n = sqlite3_column_int64(s, column);
	} else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
		v.type = type == SQLITE_TEXT ? STORE_TEXT : STORE_BLOB;
		v.p = sqlite3_column_blob(s, column);
		v.size = (uint32_t)sqlite3_column_bytes(s, column);
	}
	return v;
}

static void keep_row(struct store_unit *u, sqlite3_stmt *s)
{
	int n = sqlite3_column_count(s);
	size_t at = (size_t)u->rows * (size_t)n;

	if (u->rows && u->columns != n)
		return; /* only the first statement's rows are told */
	if ((u->rows & (u->rows - 1)) == 0)
		u->cells = mem_resize(u->cells, (at ? at * 2 : (size_t)n) * sizeof(*u->cells));
	u->columns = n;
	u->rows++;
	for (int i = 0; i < n; i++) {
		struct store_value v = cell_read(s, i);
		if (v.type == STORE_TEXT || v.type == STORE_BLOB) {
			char *own = mem_resize(NULL, (size_t)v.size + 1);
			if (v.size)
				memcpy(own, v.p, v.size);
			own[v.size] = '\0';
			v.p = own;
			v.owned = true;
		}
		u->cells[at + (size_t)i] = v;
	}
}

/* *found: whether there was a row. */
static int run(struct store_unit *u, sqlite3_stmt *s, bool *found)
{
	int rc;

	*found = false;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		*found = true;
		keep_row(u, s);
	}
	sqlite3_reset(s); /* or a SELECT would keep its moment of the file */
	return rc;
}

int unit_run(struct store_unit *u, struct db *db, struct err *err)
{
	for (uint32_t i = 0; i < u->n_items;) {
		const struct store_value *head = &u->items[i++];
		sqlite3_stmt *s = db_stmt(db, (int)head->n, err);
		bool found;

		if (!s)
			return err ? err->code : UV_EIO;
		for (int at = 1; i < u->n_items && u->items[i].type < STORE_STMT; at++)
			bind_value(s, at, &u->items[i++]);
		if (run(u, s, &found) != SQLITE_DONE)
			return db_fail(db, err);
		if (head->type == STORE_GUARD && found)
			return 0;
	}
	return 0;
}

static int roll_back(struct db *db, struct list *group, int rc)
{
	struct list *it, *tmp;

	if (!sqlite3_get_autocommit(db->handle)) /* SQLite did it itself for some */
		db_exec(db, "ROLLBACK", NULL);
	list_each (it, tmp, group) {
		unit_forget(container_of(it, struct store_unit, link));
	}
	return rc;
}

int unit_commit(struct list *group, struct db *db, struct store_unit **wrong, struct err *err)
{
	struct list *it, *tmp;
	int rc = db_begin(db, err);

	*wrong = NULL;
	if (rc != 0)
		return roll_back(db, group, rc);
	list_each (it, tmp, group) {
		struct store_unit *u = container_of(it, struct store_unit, link);
		rc = unit_run(u, db, err);
		if (rc != 0) {
			*wrong = db_fault_is_logical(db) ? u : NULL;
			return roll_back(db, group, rc);
		}
	}
	rc = db_commit(db, err);
	return rc == 0 ? 0 : roll_back(db, group, rc);
}
