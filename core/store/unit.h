/* unit - what the store's threads do with units. */
#pragma once

#include "core/base/list.h"
#include "core/store/store.h"

struct db;
struct err;
struct sqlite3_stmt;

/* Frees what it found. */
void unit_forget(struct store_unit *u);

/* Runs its statements, inside the caller's transaction; rows that are found go to u->cells. */
int unit_run(struct store_unit *u, struct db *db, struct err *err);

/*
 * All units of the ring in one transaction. *wrong: the unit that is to blame when the failure is
 * its own and not the file's, else NULL.
 */
int unit_commit(struct list *group, struct db *db, struct store_unit **wrong, struct err *err);

/* A column of the row that the statement stands at; texts and blobs are the statement's. */
struct store_value cell_read(struct sqlite3_stmt *s, int column);
