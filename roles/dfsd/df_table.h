/*
 * df_table - the tables of an index, in LMDB.
 *
 * One transaction is open at a time, begun by the first access. A write that fails is kept until
 * the commit, which says so and has undone all of the transaction. The file is not synced: what a
 * crash of the whole machine leaves of it is removed at the next start (the boot id is another
 * one).
 */
#pragma once

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

enum df_table {
	DF_NODES,
	DF_NAMES,
	DF_TOMBS,
	DF_ORDER,
	DF_INODES,
	DF_PEERS,
	DF_META,
	DF_THEIRS,
	DF_WANTS,
	DF_TABLES,
};

struct df_tables {
	MDB_env *env;
	int lock;     /* the folder: one process at a time */
	MDB_txn *txn; /* NULL: none is open */
	MDB_dbi dbi[DF_TABLES];
	bool dirty;
	int failed; /* a write that did not go */
};

/* state: a folder for the files; made when it is not there. map: bytes that they may grow to.
 * UV_EBUSY: it is open already. */
int df_tables_open(struct df_tables *t, const char *state, size_t map, struct err *err);
void df_tables_close(struct df_tables *t); /* what is not committed is lost */

MDB_txn *df_tables_txn(struct df_tables *t); /* NULL: none could be begun */
int df_tables_commit(struct df_tables *t, struct err *err);

MDB_val df_val(const void *p, size_t n);
bool df_get(struct df_tables *t, enum df_table of, MDB_val key, MDB_val *data);
void df_put(struct df_tables *t, enum df_table of, MDB_val key, MDB_val data);
void df_del(struct df_tables *t, enum df_table of, MDB_val key, MDB_val *data);
