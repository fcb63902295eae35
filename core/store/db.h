/*
 * db - one connection to a SQLite file that is ours, and nobody else's.
 *
 * A file is ours when its application_id says so; a new or empty one becomes ours. Its user_version
 * is the number of migrations that were applied to it. What is foreign, damaged, or was made by a
 * newer program is refused with a sentence, and left as it is.
 *
 * WAL mode; nothing is copied from the log unless db_checkpoint says so, or the last connection
 * closes: then the file is whole without its log.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct sqlite3;
struct sqlite3_stmt;
struct store_schema;

struct db {
	struct sqlite3 *handle;
	struct sqlite3_stmt **stmts; /* by number; each prepared when it is first used */
	struct sqlite3_stmt *begin, *commit;
	const struct store_schema *schema;
};

/* make: become ours if it is new, and migrate. On failure nothing is open. */
int db_open(struct db *db, const char *path, const struct store_schema *schema, bool make,
	    struct err *err);
void db_close(struct db *db);

/* For statements without a result. */
int db_exec(struct db *db, const char *sql, struct err *err);

/* A transaction that writes. */
int db_begin(struct db *db, struct err *err);
int db_commit(struct db *db, struct err *err);

/* The statement of that number, reset; NULL and err. The db's. */
struct sqlite3_stmt *db_stmt(struct db *db, int number, struct err *err);

/* Sets err from the connection's last failure; returns the house's code for it. */
int db_fail(struct db *db, struct err *err);

/* Whether what failed last was the fault of one statement, not of the file. */
bool db_fault_is_logical(struct db *db);

/*
 * Copies what it can of the log into the file without waiting for anybody; cut: all of it, and cuts
 * the log. *left: frames that stay to be copied.
 */
int db_checkpoint(struct db *db, bool cut, int *left, struct err *err);
