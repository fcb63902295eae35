#include "roles/sqlproxy/sp_lex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roles/sqlproxy/sp_lex_words.h"
#include "tests/lib/check.h"

enum {
	READ = SP_LEX_READ,
	MULTI = SP_LEX_MULTI,
	UVAR = SP_LEX_UVAR,
	LITERAL = SP_LEX_UVAR | SP_LEX_UVAR_LITERAL,
	EXPR = SP_LEX_UVAR | SP_LEX_UVAR_EXPR,
	UNKNOWN = SP_LEX_UNKNOWN_FUNC,
	PIN = SP_LEX_PIN,
	SYSVAR = SP_LEX_SET_SYSVAR,
	LOCKING = (int)SP_LEX_FOR_UPDATE,
};

struct row {
	const char *sql;
	enum sp_verb verb;
	uint32_t flags;
};

static struct sp_lex lex(const char *sql, unsigned mode)
{
	struct sp_lex got;

	sp_lex(sql, strlen(sql), mode, &got);
	return got;
}

static void check_rows(const struct row *row, unsigned mode)
{
	for (; row->sql; row++) {
		struct sp_lex got = lex(row->sql, mode);
		cr_expect(got.verb == row->verb, "%s: verb %d, not %d", row->sql, (int)got.verb,
			  (int)row->verb);
		cr_expect(got.flags == row->flags, "%s: flags %#x, not %#x (differ: %#x)", row->sql,
			  got.flags, row->flags, got.flags ^ row->flags);
	}
}

static bool same(struct sp_span span, const char *want)
{
	if (!want)
		return span.at == NULL;
	return span.len == strlen(want) && memcmp(span.at, want, span.len) == 0;
}

static const struct row reads[] = {
	{ "SELECT id, name FROM t WHERE id = 1", SP_VERB_SELECT, READ },
	{ "select 1;", SP_VERB_SELECT, READ },
	{ "select 1; -- that's all", SP_VERB_SELECT, READ },
	{ "  # hello\n -- x'y\n/* ; */ Select 1", SP_VERB_SELECT, READ },
	{ "(SELECT 1) UNION (SELECT 2) ORDER BY 1", SP_VERB_SELECT, READ },
	{ "((select 1))", SP_VERB_SELECT, READ },
	{ "SELECT 1--1", SP_VERB_SELECT, READ },
	{ "SELECT 'for update', \"get_lock(\", `into`, 'it''s ;', 'a\\';b' FROM t", SP_VERB_SELECT,
	  READ },
	{ "WITH a (x, y) AS (SELECT 1, 2), b AS (SELECT 3) SELECT * FROM a, b", SP_VERB_SELECT,
	  READ },
	{ "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n",
	  SP_VERB_SELECT, READ },
	{ "WITH a AS (SELECT 1) (SELECT * FROM a)", SP_VERB_SELECT, READ },
	{ "WITH a AS (SELECT REPLACE('a','b','c')) SELECT 1", SP_VERB_SELECT, READ },
	{ "TABLE t ORDER BY a LIMIT 3", SP_VERB_SELECT, READ },
	{ "VALUES (1, now()), (2, 'x')", SP_VERB_SELECT, READ },
	{ "VALUES ROW(1,2), ROW(3,4)", SP_VERB_SELECT, READ },
	{ "SELECT @a, @`b c`", SP_VERB_SELECT, READ | UVAR },
	{ "SELECT@a", SP_VERB_SELECT, READ | UVAR },
	{ "SELECT 1 WHERE 1 LIKE@a", SP_VERB_SELECT, READ | UVAR },
	{ "SELECT count(*), now(6), sleep (1), uuid(), rand() FROM t", SP_VERB_SELECT, READ },
	{ "SELECT a IN (1,2) AND (b OR NOT (c)) AND EXISTS (SELECT 1) FROM t", SP_VERB_SELECT,
	  READ },
	{ "SELECT CAST(a AS DECIMAL(10,2)), CONVERT(b, CHAR(10)), CAST(c AS DATETIME(6))",
	  SP_VERB_SELECT, READ },
	{ "SELECT x.a FROM (SELECT 1) AS x (a) JOIN u USING (a)", SP_VERB_SELECT, READ },
	{ "SELECT x.a FROM (SELECT 1) x (a)", SP_VERB_SELECT, READ },
	{ "SELECT * FROM t USE INDEX (i) FORCE KEY FOR JOIN (k) WHERE a = ANY (SELECT 1)",
	  SP_VERB_SELECT, READ },
	{ "SELECT * FROM t, LATERAL (SELECT 1) y", SP_VERB_SELECT, READ },
	{ "SELECT rank() OVER (PARTITION BY a ORDER BY b) FROM t WINDOW w AS (ORDER BY c)",
	  SP_VERB_SELECT, READ },
	{ "SELECT GROUP_CONCAT(a SEPARATOR '('), MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM t",
	  SP_VERB_SELECT, READ },
	{ "SELECT * FROM t PARTITION (p0) WHERE d > NOW() - INTERVAL (1) DAY", SP_VERB_SELECT,
	  READ },
	{ "SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a INT PATH '$', b VARCHAR(9) PATH "
	  "'$.b')) j",
	  SP_VERB_SELECT, READ },
	{ "SELECT 1 /*!40001 SQL_NO_CACHE */ , 2 /*M!100100 , 3 */", SP_VERB_SELECT, READ },
	{ "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1", SP_VERB_SELECT, READ },
	{ "SELECT start, end, begin FROM t", SP_VERB_SELECT, READ },
	{ "SELECT a FROM information_schema.tables", SP_VERB_SELECT, READ },
	{ "SELECT a FROM `information_schema`.`COLUMNS`", SP_VERB_SELECT, READ },
	{ "SELECT .5, 1.5e-3, t.1a, 0x1F, x'41', _utf8'a', _latin1 x'41', n'a'", SP_VERB_SELECT,
	  READ },
	{ "SHOW TABLES LIKE 'a'", SP_VERB_SHOW, READ },
	{ "show full columns from t", SP_VERB_SHOW, READ },
	{ "SHOW CREATE TABLE t", SP_VERB_SHOW, READ },
	{ "SHOW TABLE STATUS", SP_VERB_SHOW, READ },
	{ "SHOW PROCEDURE STATUS", SP_VERB_SHOW, READ },
	{ "SHOW CHARACTER SET", SP_VERB_SHOW, READ },
	{ "DESC t", SP_VERB_SHOW, READ },
	{ "DESCRIBE `t` `c`", SP_VERB_SHOW, READ },
	{ "EXPLAIN SELECT 1", SP_VERB_SHOW, READ },
	{ "EXPLAIN FORMAT=JSON (SELECT 1)", SP_VERB_SHOW, READ },
	{ "EXPLAIN ANALYZE SELECT 1", SP_VERB_SELECT, READ },
	{ "ANALYZE FORMAT=JSON SELECT 1", SP_VERB_SELECT, READ },
	{ "HELP 'contents'", SP_VERB_SHOW, READ },
	{ "CHECKSUM TABLE a, b", SP_VERB_SHOW, READ },
	{ 0 },
};

static const struct row not_reads[] = {
	{ "", SP_VERB_NONE, 0 },
	{ " ; ; -- x", SP_VERB_NONE, 0 },
	{ "/* only */", SP_VERB_NONE, 0 },
	{ "SELECT 1 FOR UPDATE", SP_VERB_SELECT, LOCKING },
	{ "SELECT 1 FOR /* x */ SHARE OF t SKIP LOCKED;", SP_VERB_SELECT, LOCKING },
	{ "SELECT 1 LOCK IN SHARE MODE", SP_VERB_SELECT, LOCKING },
	{ "SELECT 1 /*!99999 FOR UPDATE */", SP_VERB_SELECT, LOCKING },
	{ "SELECT * FROM (SELECT 1 FOR\nUPDATE) x", SP_VERB_SELECT, LOCKING },
	{ "SELECT 1 INTO OUTFILE '/x'", SP_VERB_SELECT, 0 },
	{ "SELECT 1 INTO DUMPFILE '/x'", SP_VERB_SELECT, 0 },
	{ "SELECT 1, 2 INTO @a, @b", SP_VERB_SELECT, EXPR },
	{ "SELECT @a := 5", SP_VERB_SELECT, EXPR },
	{ "SELECT @a:=@a+1 FROM t", SP_VERB_SELECT, EXPR },
	{ "SELECT GET_LOCK('a', 1)", SP_VERB_SELECT, SP_LEX_GET_LOCK },
	{ "SELECT get_lock /**/ ('a', 1)", SP_VERB_SELECT, SP_LEX_GET_LOCK },
	{ "DO RELEASE_LOCK('a')", SP_VERB_DO, SP_LEX_RELEASE_LOCK },
	{ "SELECT RELEASE_ALL_LOCKS()", SP_VERB_SELECT, SP_LEX_RELEASE_ALL_LOCKS },
	{ "SELECT IS_FREE_LOCK('a')", SP_VERB_SELECT, 0 },
	{ "SELECT NEXTVAL(s)", SP_VERB_SELECT, PIN },
	{ "SELECT NEXT VALUE FOR s", SP_VERB_SELECT, PIN },
	{ "SELECT s.nextval", SP_VERB_SELECT, PIN },
	{ "SELECT LASTVAL(s)", SP_VERB_SELECT, 0 },
	{ "SELECT PREVIOUS VALUE FOR s", SP_VERB_SELECT, 0 },
	{ "SELECT LAST_INSERT_ID()", SP_VERB_SELECT, SP_LEX_READ_LAST_ID },
	{ "SELECT last_insert_id( /* x */ )", SP_VERB_SELECT, SP_LEX_READ_LAST_ID },
	{ "UPDATE s SET id=LAST_INSERT_ID(id+1)", SP_VERB_UPDATE, SP_LEX_SET_LAST_ID },
	{ "SELECT @@identity", SP_VERB_SELECT, SP_LEX_READ_LAST_ID },
	{ "SELECT @@session.last_insert_id", SP_VERB_SELECT, SP_LEX_READ_LAST_ID },
	{ "SELECT @@warning_count", SP_VERB_SELECT, SP_LEX_READ_WARNINGS },
	{ "SELECT @@server_id", SP_VERB_SELECT, SP_LEX_READ },
	{ "SELECT FOUND_ROWS()", SP_VERB_SELECT, SP_LEX_READ_FOUND_ROWS },
	{ "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", SP_VERB_SELECT, SP_LEX_CALC_FOUND_ROWS },
	{ "SELECT ROW_COUNT()", SP_VERB_SELECT, SP_LEX_READ_ROW_COUNT },
	{ "SELECT CONNECTION_ID()", SP_VERB_SELECT, SP_LEX_CONNECTION_ID },
	{ "SELECT @@pseudo_thread_id", SP_VERB_SELECT, SP_LEX_CONNECTION_ID },
	{ "SELECT my_func(1)", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT `my_func`(1)", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT db.now()", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT `db` . `f` (1)", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT 1 FROM t WHERE a AND f(b)", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT 1st(1)", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT f((SELECT 1))", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT password('x')", SP_VERB_SELECT, UNKNOWN },
	{ "WITH a AS (SELECT f(1)) SELECT 1", SP_VERB_SELECT, UNKNOWN },
	{ "VALUES (f(1))", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT * FROM information_schema.processlist", SP_VERB_SELECT, 0 },
	{ "SELECT * FROM performance_schema.threads", SP_VERB_SELECT, 0 },
	{ "SELECT /*!99999 ' */ get_lock(1) -- '", SP_VERB_SELECT, 0 },
	{ "SELECT /*! 1, /*! get_lock('a', 1) */", SP_VERB_SELECT, SP_LEX_GET_LOCK },
	{ "SELECT/*!f*/(1)", SP_VERB_SELECT, UNKNOWN },
	{ "SELECT 1; SELECT 2", SP_VERB_SELECT, MULTI },
	{ "DESC format; SELECT 1", SP_VERB_SHOW, MULTI },
	{ "USE a.; SELECT 1", SP_VERB_USE, MULTI },
	{ "KILL; SELECT 1", SP_VERB_KILL, MULTI },
	{ "SHOW MASTER STATUS", SP_VERB_SHOW, 0 },
	{ "SHOW GRANTS FOR 'a'@'b'", SP_VERB_SHOW, 0 },
	{ "SHOW PROCESSLIST", SP_VERB_SHOW, 0 },
	{ "SHOW STATUS", SP_VERB_SHOW, 0 },
	{ "SHOW VARIABLES LIKE 'server_id'", SP_VERB_SHOW, 0 },
	{ "SHOW WARNINGS", SP_VERB_SHOW, SP_LEX_READ_WARNINGS },
	{ "SHOW COUNT(*) ERRORS", SP_VERB_SHOW, SP_LEX_READ_WARNINGS },
	{ "SHOW CREATE USER a", SP_VERB_SHOW, 0 },
	{ "EXPLAIN UPDATE t SET a=1", SP_VERB_SHOW, 0 },
	{ "EXPLAIN FOR CONNECTION 5", SP_VERB_SHOW, 0 },
	{ "ANALYZE UPDATE t SET a=1", SP_VERB_UPDATE, 0 },
	{ "ANALYZE FORMAT=JSON DELETE FROM t", SP_VERB_DELETE, 0 },
	{ "ANALYZE TABLE t", SP_VERB_OTHER, 0 },
	{ "WITH a AS (SELECT 1) DELETE FROM t", SP_VERB_DELETE, 0 },
	{ "WITH a AS (SELECT 1) UPDATE t SET a = 1", SP_VERB_UPDATE, 0 },
	{ 0 },
};

static const struct row writes[] = {
	{ "INSERT INTO t (a, b) VALUES (1, 'x'), (2, now())", SP_VERB_INSERT, 0 },
	{ "INSERT LOW_PRIORITY IGNORE db.t (a) VALUE (1)", SP_VERB_INSERT, 0 },
	{ "INSERT INTO `t`(`a`) VALUES (1) ON DUPLICATE KEY UPDATE a=VALUES(a)", SP_VERB_INSERT,
	  0 },
	{ "INSERT INTO t PARTITION (p) (a) SELECT f(1)", SP_VERB_INSERT, UNKNOWN },
	{ "INSERT INTO t VALUES (1) AS new(m, n) ON DUPLICATE KEY UPDATE a=m", SP_VERB_INSERT, 0 },
	{ "insert\ninto t select 1", SP_VERB_INSERT, 0 },
	{ "REPLACE INTO t (a) VALUES (f(1))", SP_VERB_INSERT, UNKNOWN },
	{ "UPDATE t SET a = IF(b, 1, 2) WHERE c IN (1)", SP_VERB_UPDATE, 0 },
	{ "DELETE FROM t WHERE a = db.f(1)", SP_VERB_DELETE, UNKNOWN },
	{ "UPDATE t SET a=@x", SP_VERB_UPDATE, UVAR },
	{ "CALL p(1)", SP_VERB_CALL, 0 },
	{ "CALL db.p(@out, f(1))", SP_VERB_CALL, EXPR | UNKNOWN },
	{ "DO SLEEP(1)", SP_VERB_DO, 0 },
	{ "LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, @b) SET c = f(@b)", SP_VERB_LOAD,
	  EXPR | UNKNOWN | SP_LEX_LOAD_LOCAL },
	{ "LOAD DATA CONCURRENT INFILE 'local' INTO TABLE t (a)", SP_VERB_LOAD, 0 },
	{ "LOAD XML LOCAL INFILE 'x' INTO TABLE t", SP_VERB_LOAD, SP_LEX_LOAD_LOCAL },
	{ "USE db", SP_VERB_USE, 0 },
	{ "GRANT SELECT ON *.* TO 'a'@'b'", SP_VERB_OTHER, 0 },
	{ "GRANT ALL ON *.* TO a@b, `c`@`d`", SP_VERB_OTHER, 0 },
	{ "CREATE USER a@b IDENTIFIED BY 'x'", SP_VERB_DDL, 0 },
	{ "CREATE TABLE t (a VARCHAR(10) CHARACTER SET utf8, b SET('x'), KEY i (a))", SP_VERB_DDL,
	  0 },
	{ "CREATE TABLE t (a int) AS SELECT f(1)", SP_VERB_DDL, UNKNOWN },
	{ "CREATE TEMPORARY TABLE IF NOT EXISTS x.t (a int)", SP_VERB_DDL, SP_LEX_TEMP_CREATE },
	{ "CREATE OR REPLACE TEMPORARY TABLE t SELECT @a:=1", SP_VERB_DDL,
	  SP_LEX_TEMP_CREATE | EXPR },
	{ "CREATE TEMPORARY SEQUENCE s", SP_VERB_DDL, SP_LEX_TEMP_CREATE },
	{ "CREATE INDEX i ON t (a)", SP_VERB_DDL, 0 },
	{ "CREATE VIEW v AS SELECT f(1), @@identity", SP_VERB_DDL, 0 },
	{ "DROP TABLE IF EXISTS t", SP_VERB_DDL, SP_LEX_DROP_TABLE },
	{ "DROP TEMPORARY TABLE t", SP_VERB_DDL, SP_LEX_DROP_TABLE },
	{ "DROP PREPARE s", SP_VERB_DEALLOCATE, 0 },
	{ "DROP DATABASE x", SP_VERB_DDL, 0 },
	{ "ALTER TABLE t ADD KEY k (a)", SP_VERB_DDL, 0 },
	{ "RENAME TABLE a TO b", SP_VERB_DDL, 0 },
	{ "TRUNCATE t", SP_VERB_DDL, 0 },
	{ 0 },
};

static const struct row sessions[] = {
	{ "BEGIN", SP_VERB_BEGIN, 0 },
	{ "begin work;", SP_VERB_BEGIN, 0 },
	{ "START TRANSACTION WITH CONSISTENT SNAPSHOT", SP_VERB_BEGIN, 0 },
	{ "START TRANSACTION READ ONLY", SP_VERB_BEGIN, SP_LEX_READ_ONLY_TRX },
	{ "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", SP_VERB_BEGIN,
	  SP_LEX_READ_ONLY_TRX },
	{ "START TRANSACTION READ WRITE", SP_VERB_BEGIN, 0 },
	{ "START SLAVE", SP_VERB_OTHER, 0 },
	{ "COMMIT AND CHAIN", SP_VERB_COMMIT, 0 },
	{ "ROLLBACK", SP_VERB_ROLLBACK, 0 },
	{ "ROLLBACK WORK TO SAVEPOINT x", SP_VERB_OTHER, 0 },
	{ "SAVEPOINT x", SP_VERB_OTHER, 0 },
	{ "LOCK TABLES a READ, b WRITE", SP_VERB_OTHER, SP_LEX_LOCK_TABLES },
	{ "UNLOCK TABLES", SP_VERB_OTHER, SP_LEX_UNLOCK_TABLES },
	{ "FLUSH TABLES WITH READ LOCK", SP_VERB_OTHER, SP_LEX_LOCK_TABLES },
	{ "FLUSH TABLES a, b FOR EXPORT", SP_VERB_OTHER, SP_LEX_LOCK_TABLES },
	{ "FLUSH TABLES", SP_VERB_OTHER, 0 },
	{ "BACKUP STAGE START", SP_VERB_OTHER, SP_LEX_LOCK_TABLES },
	{ "BACKUP STAGE END", SP_VERB_OTHER, SP_LEX_UNLOCK_TABLES },
	{ "BACKUP LOCK t", SP_VERB_OTHER, SP_LEX_LOCK_TABLES },
	{ "HANDLER t OPEN", SP_VERB_OTHER, SP_LEX_HANDLER },
	{ "HANDLER t READ i = (1)", SP_VERB_OTHER, SP_LEX_HANDLER },
	{ "XA START 'x'", SP_VERB_OTHER, SP_LEX_XA },
	{ "GET DIAGNOSTICS @n = NUMBER", SP_VERB_OTHER, EXPR | SP_LEX_READ_WARNINGS },
	{ "PREPARE s FROM 'select 1'", SP_VERB_PREPARE, 0 },
	{ "PREPARE s FROM @a", SP_VERB_PREPARE, UVAR },
	{ "EXECUTE s USING @a, @b", SP_VERB_EXECUTE, UVAR },
	{ "EXECUTE IMMEDIATE 'set @a=1'", SP_VERB_OTHER, PIN },
	{ "DEALLOCATE PREPARE s", SP_VERB_DEALLOCATE, 0 },
	{ "KILL 5", SP_VERB_KILL, 0 },
	{ "SET a=1", SP_VERB_SET, SYSVAR },
	{ "SET autocommit=0", SP_VERB_SET, SYSVAR },
	{ "SET NAMES utf8mb4 COLLATE utf8mb4_bin", SP_VERB_SET, SYSVAR },
	{ "SET CHARACTER SET utf8", SP_VERB_SET, SYSVAR },
	{ "SET @a=1", SP_VERB_SET, LITERAL },
	{ "SET @a := -1.5e-3, @`b`='x' \"y\", @c=NULL, @d=true, @e=0x1F, @f=x'41';", SP_VERB_SET,
	  LITERAL },
	{ "SET @a=1+1", SP_VERB_SET, EXPR },
	{ "SET @a=@b", SP_VERB_SET, EXPR },
	{ "SET @a=(1)", SP_VERB_SET, EXPR },
	{ "SET @a=now()", SP_VERB_SET, EXPR },
	{ "SET @a=f(1)", SP_VERB_SET, EXPR | UNKNOWN },
	{ "SET @a=_utf8'x'", SP_VERB_SET, EXPR },
	{ "SET @a=n'x'", SP_VERB_SET, EXPR },
	{ "SET @a='x' COLLATE utf8_bin", SP_VERB_SET, EXPR },
	{ "SET @a=1 /*!99999 , @b=2 */", SP_VERB_SET, EXPR },
	{ "SET @a=1; SELECT 2", SP_VERB_SET, EXPR | MULTI },
	{ "SET @a=1, SESSION c=2", SP_VERB_SET, EXPR | SYSVAR },
	{ "SET c=2, @a='x', NAMES utf8, GLOBAL d=3, @@session.e=4", SP_VERB_SET,
	  EXPR | SYSVAR | SP_LEX_SET_GLOBAL },
	{ "SET sql_mode=@old", SP_VERB_SET, SYSVAR | UVAR },
	{ "SET GLOBAL a=1", SP_VERB_SET, SP_LEX_SET_GLOBAL },
	{ "SET GLOBAL a=1, b=2", SP_VERB_SET, SP_LEX_SET_GLOBAL | SYSVAR },
	{ "SET @@global.a=1", SP_VERB_SET, SP_LEX_SET_GLOBAL },
	{ "SET PERSIST a=1", SP_VERB_SET, SP_LEX_SET_GLOBAL },
	{ "SET @@a=1", SP_VERB_SET, SYSVAR },
	{ "SET @@last_insert_id=1", SP_VERB_SET, SYSVAR | SP_LEX_SET_LAST_ID },
	{ "SET SESSION sql_mode=CONCAT(@@sql_mode, ',ANSI')", SP_VERB_SET, SYSVAR },
	{ "SET session_track_schema=1", SP_VERB_SET, SYSVAR | SP_LEX_SESSION_TRACK },
	{ "SET @@session.session_track_gtids=1", SP_VERB_SET, SYSVAR | SP_LEX_SESSION_TRACK },
	{ "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", SP_VERB_SET, SP_LEX_NEXT_TRX },
	{ "SET SESSION TRANSACTION READ ONLY", SP_VERB_SET, SYSVAR },
	{ "SET GLOBAL TRANSACTION READ ONLY", SP_VERB_SET, SP_LEX_SET_GLOBAL },
	{ "SET PASSWORD = PASSWORD('x')", SP_VERB_SET, 0 },
	{ "SET PASSWORD FOR 'a'@'b' = 'x'", SP_VERB_SET, 0 },
	{ "SET ROLE r", SP_VERB_SET, PIN },
	{ "SET STATEMENT max_statement_time=1 FOR SELECT 1", SP_VERB_SELECT, SP_LEX_SET_STATEMENT },
	{ "SET STATEMENT a=1, b=(2) FOR INSERT INTO t (a) VALUES (1)", SP_VERB_INSERT,
	  SP_LEX_SET_STATEMENT },
	{ 0 },
};

static const struct row bodies[] = {
	{ "CREATE PROCEDURE p() SELECT 1", SP_VERB_DDL, 0 },
	{ "CREATE PROCEDURE p() SELECT 1; SELECT 2", SP_VERB_DDL, MULTI },
	{ "CREATE PROCEDURE p(a INT, OUT b VARCHAR(9)) BEGIN SET @x = f(1); SELECT "
	  "get_lock('a',1); END",
	  SP_VERB_DDL, 0 },
	{ "CREATE PROCEDURE IF NOT EXISTS p() BEGIN SELECT 1; END; SELECT 2", SP_VERB_DDL, MULTI },
	{ "CREATE PROCEDURE p() BEGIN SELECT 1; END; CREATE PROCEDURE q() BEGIN SELECT 1; END",
	  SP_VERB_DDL, MULTI },
	{ "CREATE DEFINER=`a`@`b` PROCEDURE p() BEGIN IF a THEN SELECT 1; ELSEIF (b) THEN SELECT "
	  "2; END IF; SELECT 3; END;",
	  SP_VERB_DDL, 0 },
	{ "CREATE PROCEDURE p() BEGIN SELECT CASE a WHEN 1 THEN IF(a,b,c) END; SELECT end, begin "
	  "FROM t; SELECT 1; END",
	  SP_VERB_DDL, 0 },
	{ "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE; SELECT "
	  "3; END",
	  SP_VERB_DDL, 0 },
	{ "CREATE PROCEDURE p() BEGIN l: LOOP SELECT 1; LEAVE l; END LOOP l; WHILE a DO SELECT 1; "
	  "END WHILE; "
	  "REPEAT SELECT REPEAT('a',2); UNTIL b END REPEAT; SELECT 2; END; SELECT 3",
	  SP_VERB_DDL, MULTI },
	{ "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; "
	  "SELECT 1 FOR UPDATE; END",
	  SP_VERB_DDL, 0 },
	{ "CREATE FUNCTION f() RETURNS INT DETERMINISTIC IF (a) THEN RETURN 1; ELSE RETURN 2; END "
	  "IF",
	  SP_VERB_DDL, 0 },
	{ "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW BEGIN SET NEW.a = 1; SET NEW.b = 2; "
	  "END",
	  SP_VERB_DDL, 0 },
	{ "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW IF a THEN SET @a=1; SET @b=2; END IF;",
	  SP_VERB_DDL, 0 },
	{ "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW SET @a=1; DROP TABLE t", SP_VERB_DDL,
	  MULTI | SP_LEX_DROP_TABLE },
	{ "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM a; DELETE FROM b; END",
	  SP_VERB_DDL, 0 },
	{ "ALTER EVENT e DO BEGIN DELETE FROM a; DELETE FROM b; END", SP_VERB_DDL, 0 },
	{ "CREATE PROCEDURE p() DELETE FROM t WHERE IF(a, 1, 0); SELECT 1", SP_VERB_DDL, MULTI },
	{ "BEGIN NOT ATOMIC SET @a = 1; SELECT GET_LOCK('x', 1); END", SP_VERB_OTHER,
	  PIN | EXPR | SP_LEX_GET_LOCK },
	{ "BEGIN NOT ATOMIC IF 1 THEN SELECT 1; END IF; SELECT 2; END; SELECT 3", SP_VERB_OTHER,
	  PIN | MULTI },
	{ "IF @a THEN SELECT 1; SELECT 2; END IF", SP_VERB_OTHER, PIN | EXPR },
	{ "FOR i IN 1..3 DO SELECT i; SELECT 2; END FOR", SP_VERB_OTHER, PIN },
	{ "a: LOOP LEAVE a; END LOOP", SP_VERB_OTHER, PIN },
	{ "BEGIN; SELECT 1; COMMIT", SP_VERB_BEGIN, MULTI },
	{ 0 },
};

Test(sp_lex, tells_reads_writes_and_what_they_do_to_the_session)
{
	check_rows(reads, 0);
	check_rows(not_reads, 0);
	check_rows(writes, 0);
	check_rows(sessions, 0);
	check_rows(bodies, 0);
}

Test(sp_lex, quotes_as_sql_mode_says)
{
	static const struct row ansi[] = {
		{ "SELECT \"f\"(1)", SP_VERB_SELECT, UNKNOWN },
		{ "SET @a=\"x\"", SP_VERB_SET, EXPR },
		{ "SET @\"a\"=1", SP_VERB_SET, LITERAL },
		{ "SELECT \"a\\\" -- x", SP_VERB_SELECT, READ },
		{ 0 },
	};
	static const struct row raw[] = {
		{ "SELECT 'a\\'; SELECT 2", SP_VERB_SELECT, MULTI },
		{ "SELECT 'a\\', f(1), 'b'", SP_VERB_SELECT, UNKNOWN },
		{ 0 },
	};
	static const struct row wide[] = {
		{ "SELECT 'a'", SP_VERB_SELECT, READ },
		{ "SELECT '\xb2\x5c', f(1) -- '", SP_VERB_SELECT, 0 },
		{ "SET @a='\xb2\x5c'", SP_VERB_SET, EXPR },
		{ 0 },
	};
	static const struct row plain[] = {
		{ "SELECT 'a\\'; SELECT 2", SP_VERB_SELECT, READ },
		{ "SELECT \"f\"", SP_VERB_SELECT, READ },
		{ "SET @a=\"x\"", SP_VERB_SET, LITERAL },
		{ 0 },
	};

	check_rows(ansi, SP_LEX_ANSI_QUOTES);
	check_rows(raw, SP_LEX_NO_BACKSLASH);
	check_rows(plain, 0);
	check_rows(wide, SP_LEX_WIDE);
}

Test(sp_lex, points_at_names_and_numbers)
{
	static const struct {
		const char *sql, *object;
		int kind; /* 1: KILL QUERY, 3: KILL QUERY ID */
	} rows[] = {
		{ "USE `a b`", "a b", 0 },
		{ "use db;", "db", 0 },
		{ "PREPARE s FROM 'x'", "s", 0 },
		{ "EXECUTE `s`", "s", 0 },
		{ "EXECUTE IMMEDIATE 'x'", NULL, 0 },
		{ "DEALLOCATE PREPARE s", "s", 0 },
		{ "DROP PREPARE s", "s", 0 },
		{ "CREATE TEMPORARY TABLE db.`t`(a int)", "t", 0 },
		{ "CREATE TABLE t (a int)", NULL, 0 },
		{ "KILL 42", "42", 0 },
		{ "KILL CONNECTION 42;", "42", 0 },
		{ "KILL HARD QUERY 42", "42", 1 },
		{ "kill query id 7", "7", 3 },
		{ "KILL 42+1", NULL, 0 },
		{ "KILL USER bob", NULL, 0 },
		{ "KILL @a", NULL, 0 },
		{ "KILL 0x1", NULL, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sp_lex got = lex(rows[i].sql, 0);
		cr_expect(same(got.object, rows[i].object), "%s: %.*s", rows[i].sql,
			  (int)got.object.len, got.object.at ? got.object.at : "");
		cr_expect(got.kill_query + 2 * got.kill_query_id == rows[i].kind, "%s",
			  rows[i].sql);
	}
	cr_expect(same(lex("SELECT 1, row_count ( ), 2", 0).row_count, "row_count ( )"));
}

Test(sp_lex, hears_hints)
{
	static const struct {
		const char *sql;
		enum sp_lex_hint hint;
		const char *server;
		uint32_t flags;
	} rows[] = {
		{ "/* troupe: primary */ SELECT 1", SP_HINT_PRIMARY, NULL, READ },
		{ "SELECT 1 /*troupe:replica*/", SP_HINT_REPLICA, NULL, READ },
		{ "/* troupe: server=db2, pin */ SELECT 1", SP_HINT_SERVER, "db2", READ | PIN },
		{ "/* troupe: nopin db_type=write */ SELECT 1", SP_HINT_PRIMARY, NULL,
		  READ | SP_LEX_NOPIN },
		{ "/*smproxy:db_type=read*/SELECT 1", SP_HINT_REPLICA, NULL, READ },
		{ "/** smproxy:db_type=write */SELECT 1", SP_HINT_PRIMARY, NULL, READ },
		{ "/*!smproxy:db_type=read*/SELECT 1", SP_HINT_REPLICA, NULL, READ },
		{ "/*#smproxy:db_type=read*/SELECT 1", SP_HINT_REPLICA, NULL, READ },
		{ " /*smproxy:db_type=read*/SELECT 1", SP_HINT_NONE, NULL, READ },
		{ "SELECT '/* troupe: primary */'", SP_HINT_NONE, NULL, READ },
		{ "/* troupe: server= , what=ever,,\x01 */ SELECT 1", SP_HINT_NONE, NULL, READ },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sp_lex got = lex(rows[i].sql, 0);
		cr_expect(got.hint == rows[i].hint && got.flags == rows[i].flags, "%s: %d %#x",
			  rows[i].sql, (int)got.hint, got.flags);
		cr_expect(same(got.hint_server, rows[i].server), "%s", rows[i].sql);
	}
}

struct seen {
	char text[200];
};

static void note(void *owner, struct sp_span name, struct sp_span literal)
{
	struct seen *seen = owner;
	size_t used = strlen(seen->text);

	snprintf(seen->text + used, sizeof seen->text - used, "%.*s=%.*s|", (int)name.len, name.at,
		 (int)literal.len, literal.at);
}

Test(sp_lex, hands_out_literals_of_user_variables)
{
	static const struct {
		const char *sql, *want;
	} rows[] = {
		{ "SET @a=1", "a=1|" },
		{ "/* x */ set @a := - 1, @`b c`='x''y' 'z' , @d = null;",
		  "a=- 1|b c='x''y' 'z'|d=null|" },
		{ "SET @a=x'41',@b.c=0x1F", "a=x'41'|b.c=0x1F|" },
		{ "SELECT 1", "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seen seen = { "" };
		sp_lex_uvars(rows[i].sql, strlen(rows[i].sql), 0, note, &seen);
		check_str(seen.text, rows[i].want);
	}
}

static const struct {
	const char *sql, *digest;
} digests[] = {
	{ "SELECT a FROM t WHERE b IN(1, 'x',-3) and c = -5 or d>=-1 and e - 1 > 2",
	  "SELECT a FROM t WHERE b IN (?) and c = ? or d >= ? and e - ? > ?" },
	{ "insert into t(a,b) values (1,2),(3,'x') , (4,NULL) /* x */",
	  "insert into t (a, b) values (?)" },
	{ "insert into t values (1,now()),(2,now())",
	  "insert into t values (?, now()), (?, now())" },
	{ "  -- x\n select t . *,count( * )\tfrom `a`.`b` t",
	  "select t.*, count(*) from `a`.`b` t" },
	{ "a is not null and b is null and c=null and d=? limit 10,20",
	  "a is not null and b is null and c = ? and d = ? limit ?" },
	{ "select 1;;select 2;", "select ?; select ?" },
	{ "SELECT @a:=1, @@session.x, a||b, j->>'$.a', (1), ((1),(2))",
	  "SELECT @a := ?, @@session.x, a || b, j ->> ?, (?), ((?))" },
	{ "x in ((1,2),(3,4)), 'a' \"b\" 0x1f", "x in ((?)), ?" },
	{ "grant all on a.* to 'x'@'y'", "grant all on a.* to ?@'y'" },
	{ "", "" },
};

Test(sp_lex, digests_are_statements_without_values)
{
	for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
		const char *sql = digests[i].sql, *want = digests[i].digest;
		char out[200] = "";
		size_t len = sp_lex_digest(sql, strlen(sql), 0, out, sizeof out - 1);
		out[len] = '\0';
		check_str(out, want);
		check_int(len, strlen(want));
		for (size_t size = 0; size < strlen(want); size++) {
			memset(out, '#', sizeof out);
			len = sp_lex_digest(sql, strlen(sql), 0, out, size);
			cr_expect(len == size && out[size] == '#', "%s: %zu of %zu", sql, len,
				  size);
		}
	}
}

/* Every statement of the tables, cut anywhere: the sanitizers look on. */
Test(sp_lex, survives_any_cut)
{
	const struct row *tables[] = { reads, not_reads, writes, sessions, bodies };

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		for (const struct row *row = tables[i]; row->sql; row++) {
			for (size_t len = 0; len <= strlen(row->sql); len++) {
				struct seen seen = { "" };
				struct sp_lex got;
				char *cut = malloc(len + 1); /* so that ASan sees the end */
				memcpy(cut + 1, row->sql, len);
				sp_lex(cut + 1, len, 0, &got);
				char digest[64];
				sp_lex_digest(cut + 1, len, 0, digest, sizeof digest);
				if (got.flags & SP_LEX_UVAR_LITERAL)
					sp_lex_uvars(cut + 1, len, 0, note, &seen);
				free(cut);
			}
		}
	}
}

Test(sp_lex_words, finds_what_it_has)
{
	static const char *const plain[] = { "ABS",
					     "abs",
					     "YEARWEEK",
					     "ST_GeometryCollectionFromText",
					     "JSON_MERGE_PRESERVE",
					     "x_nope",
					     "A",
					     "",
					     "DISTANCE" };
	static const bool known[] = { true, true, true, true, true, false, false, false, false };

	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		cr_expect(known[i] == (sp_func_find(plain[i], strlen(plain[i])) == SP_FUNC_PLAIN),
			  "%s", plain[i]);
	for (size_t i = 1; sp_func_name(i); i++)
		cr_expect(strcmp(sp_func_name(i - 1), sp_func_name(i)) < 0, "%s is out of order",
			  sp_func_name(i));
	check_int(sp_func_find("Get_Lock", 8), SP_FUNC_GET_LOCK);
	check_int(sp_word_find("select", 6)->word, SP_WORD_SELECT);
	cr_expect(sp_word_find("selecte", 7) == NULL);
	cr_expect(sp_word_find("\xc3\xa9", 2) == NULL);
}
