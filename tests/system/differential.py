#!/usr/bin/python3
"""Random sessions through sqlproxy answer as they do directly, whoever else is in the pool.

A session is a list of steps drawn from a seed: statements and commands that
make, use and lose every kind of session state. All sessions of a round run at
once, first directly, then through sqlproxy with a pool of 4, each with tables
and lock names of its own; every result must be equal. On a difference the
shortest prefix that still shows it is printed, with steps that do not matter
left out when the session shows it with one noisy neighbour only.

    TROUPE=build/release/troupe tests/system/differential.py --seconds 60 --seed 7
"""
import argparse
import pathlib
import random
import re
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[0] / "lib"))

import daemon  # noqa: E402
import servers  # noqa: E402
import wire  # noqa: E402
from wire import Wire  # noqa: E402

POOL = 4
# Bits of a status that say how a query went on, not what it did (which index it used follows InnoDB's statistics, made anew in
# the background); and "ANSI quotes", which MariaDB 10.11 leaves on behind a procedure or block that set sql_mode, until somebody
# sets it again.
IGNORED_STATUS = wire.STATE_CHANGED | 0x0010 | 0x0020 | 0x0800 | 0x0400 | 0x8000
CAPS = [wire.BASIC, wire.MODERN, wire.BASIC | wire.FOUND_ROWS, wire.BASIC | wire.SESSION_TRACK,
        wire.BASIC | wire.DEPRECATE_EOF]

PROCEDURES = {
    "p_mode": "() begin set sql_mode = 'PIPES_AS_CONCAT'; select 1; end",
    "p_vars": "() begin set @a = 'proc', @p = 5; set session group_concat_max_len = 333; end",
    "p_temp": "() begin create temporary table if not exists tp (a int); insert into tp values (1); end",
    "p_drop": "() begin drop temporary table if exists tp; end",
    "p_out": "(in x int, inout y int, out z varchar(20)) begin select x; set y = x + ifnull(y, 0); set z = 'out'; select y; end",
    "p_fail": "() begin select 1; select * from nowhere; end",
    "p_warn": "() begin declare i tinyint; set i = 3; drop table if exists diff_a.no_such; end",
    "p_begin": "() begin start transaction; end",
    "p_auto": "() begin set autocommit = 0; end",
    "p_prep": "() begin prepare inproc from 'select 6'; end",
    "p_time": "() begin set time_zone = '+07:00'; select @@time_zone; end",
}
FUNCTIONS = {
    "f_set": "() returns int deterministic begin set @a = 'func'; return 1; end",
    "f_id": "() returns int deterministic begin return last_insert_id(4242); end",
    "f_add": "(x int) returns int deterministic return x + 1",
}


class Maker:
    """Draws the steps of one session. `n` makes its names its own."""

    def __init__(self, seed, n: int, maria: bool):
        self.rng = random.Random(f"{seed}/{n}")
        self.n, self.maria = n, maria
        self.slots = {}
        self.t, self.k, self.q = f"t{n}", f"k{n}", f"q{n}"
        self.lock = f"lock{n}"

    def pick(self, *choices):
        return self.rng.choice(choices)

    def number(self, top=20) -> int:
        return self.rng.randint(1, top)

    def literal(self) -> str:
        return self.pick("1", "-7", "null", "'text'", "'it''s'", "1.5", "x'ff00'", "''", "true", "18446744073709551615",
                         "'a\\\\b'", '"double"', "1e3", "_latin1'l'", "date'2020-01-01'")

    def variable(self) -> str:
        return self.pick("@a", "@b", "@c", "@`q r`")

    def table(self) -> str:
        return self.pick(self.t, self.t, f"diff_a.{self.t}", f"diff_b.{self.t}")

    # Each of these returns a statement, or a list of statements and steps.

    def set_literal(self):
        return "set " + ", ".join(f"{self.variable()} {self.pick('=', ':=')} {self.literal()}"
                                  for _ in range(self.rng.randint(1, 3)))

    def set_expression(self):
        return self.pick(
            f"set {self.variable()} = {self.variable()}", f"set {self.variable()} = 1 + {self.number()}",
            f"set {self.variable()} = (select count(*) from {self.table()})", f"select {self.variable()} := {self.number()}",
            f"select {self.number()} into {self.variable()}", f"select max(id), 'm' from {self.table()} into @a, @b",
            f"select id from {self.table()} order by id limit 1 into @c", f"set @a = concat('x', {self.literal()})",
            f"set @b := @a := {self.number()}", "do @a := 5", "set @c = database()", "set @a = last_insert_id()")

    def read_variables(self):
        return self.pick("select @a, @b, @c, @`q r`", "select @a", "select concat(@a, '-', @b)", "select @A, @p",
                         f"select * from {self.t} where id = @a")

    def system_variable(self):
        name, values = self.pick(
            ("sql_mode", ["'ANSI'", "''", "'STRICT_ALL_TABLES'", "default", "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
                          "concat(@@sql_mode, ',PIPES_AS_CONCAT')"]),
            ("time_zone", ["'+05:30'", "'SYSTEM'", "default"]), ("sql_select_limit", ["2", "default"]),
            ("group_concat_max_len", ["100", "default"]), ("div_precision_increment", ["8", "4"]),
            ("lc_time_names", ["'de_DE'", "default"]), ("max_sort_length", ["8", "1024"]), ("foreign_key_checks", ["0", "1"]),
            ("unique_checks", ["0", "1"]), ("sql_safe_updates", ["1", "0"]), ("sql_auto_is_null", ["1", "0"]),
            ("sql_big_selects", ["1"]), ("wait_timeout", ["1000", "default"]), ("character_set_results", ["null", "latin1", "utf8mb4"]),
            ("collation_connection", ["utf8mb4_bin", "latin1_german1_ci"]), ("auto_increment_increment", ["3", "1"]),
            ("auto_increment_offset", ["2", "1"]), ("sql_quote_show_create", ["0", "1"]), ("low_priority_updates", ["0", "1"]),
            ("default_week_format", ["3", "0"]), ("sql_notes", ["0", "1"]), ("sql_warnings", ["1", "0"]),
            ("max_error_count", ["0", "64"]), ("net_write_timeout", ["61", "60"]), ("tx_isolation", ["'READ-COMMITTED'", "default"]),
            ("tx_read_only", ["1", "0"]), ("no_such_variable", ["1"]), ("sort_buffer_size", ["100000", "default"]))
        value = self.rng.choice(values)
        made = self.pick(f"set {name} = {value}", f"SET SESSION {name} = {value}", f"set @@session.{name} = {value}",
                         f"set @@{name} = {value}", f"set local {name} = {value}")
        if name in ("tx_read_only", "sql_safe_updates") and value == "1":
            return [made, self.plain(), f"set {name} = 0"]
        if self.rng.random() < 0.2:
            made += f", {self.variable()} = {self.literal()}"
        return made

    def read_system(self):
        return self.pick("select @@sql_mode, @@time_zone, @@autocommit", "select @@sql_select_limit, @@group_concat_max_len",
                         "select @@character_set_client, @@character_set_results, @@collation_connection",
                         "select @@tx_isolation, @@tx_read_only", "select @@foreign_key_checks, @@unique_checks, @@sql_safe_updates",
                         "select @@lc_time_names, @@div_precision_increment, 1/3", "show variables like 'sql_mode'",
                         "select @@auto_increment_increment, @@auto_increment_offset, @@wait_timeout, @@net_write_timeout",
                         "select 'a' || 'b', \"x\"", "select @@sql_auto_is_null, @@sql_notes, @@max_error_count, @@sort_buffer_size",
                         "select dayname('2020-01-01'), convert_tz('2020-01-01 00:00:00', @@time_zone, '+00:00')",
                         "select @@session.sql_big_selects, @@default_week_format")

    def names(self):
        return self.pick("set names latin1", "set names utf8mb4", "set names utf8mb4 collate utf8mb4_unicode_ci", "set names utf8",
                         "set character set latin1", "set names default", "set character_set_client = utf8mb4",
                         "select hex('\u00e4\u00f6'), charset('x'), collation('x')", "select '\u00e4' = 'A', 'a' = 'A'",
                         "set collation_connection = utf8mb4_bin", "set names no_such")

    def insert(self):
        t = self.table()
        return self.pick(
            f"insert into {t} (a) values ({self.number()})", f"insert into {t} (a) values (1), (2), (3)",
            f"insert into {t} values ({self.number(3000)}, 5, 'explicit')", f"insert into {t} (a, s) select a, 'copy' from {t} limit 2",
            f"insert into diff_a.{self.k} values ({self.number(50)}, 'no auto id')", f"insert ignore into {t} values (1, 1, 'dup')",
            f"insert into {t} values (1, 1, 'x') on duplicate key update id = last_insert_id(id), a = a + 1",
            f"replace into {t} values (2, 2, 'replaced')", f"insert into {t} (s) values ('far too long for twenty characters')",
            f"insert into {t} (a) values ('not a number')", f"insert into {t} (nope) values (1)", f"insert into {t} () values ()",
            f"insert into {t} values (1, 1, 'duplicate')", f"insert delayed into {t} (a) values (4)")

    def ids(self):
        """In MySQL 5.6 no SET insert_id: what no INSERT used up stays there over a COM_CHANGE_USER."""
        return self.pick("select last_insert_id()", "select last_insert_id(), @@identity", "select @@last_insert_id",
                         "select last_insert_id(77)", f"update {self.t} set a = last_insert_id(a + 1) where id = 1",
                         "set last_insert_id = 99", f"select * from {self.t} where id = last_insert_id()", "select LAST_INSERT_ID ( )",
                         "select f_id()" if self.pick(0, 1) else "select diff_a.f_id()",
                         [f"set insert_id = {5000 + self.number(999)}" if self.maria else "do 1", f"insert into {self.t} (a) values (8)"],
                         f"select id from {self.t} where id is null")

    def write(self):
        t = self.table()
        return self.pick(f"update {t} set a = {self.number()} where id <= {self.number()}", f"update {t} set a = a", f"delete from {t} where id = {self.number()}",
                         f"delete from {t} order by id limit 1", f"update {t} set nope = 1", f"update {t} set s = 'x' where id < 4",
                         f"truncate {t}", f"alter table {t} comment 'c{self.number()}'", f"analyze table {t}",
                         f"update diff_a.{self.k} set v = 'y'", f"delete from {t} where id > 40")

    def plain(self):
        t = self.table()
        return self.pick(f"select * from {t} order by id limit 5", f"select count(*), sum(a) from {t}", "select 1", "select row_count()",
                         "select found_rows()", "select 'a', null, 1.50", f"select id from {t} order by id desc limit 3",
                         f"select group_concat(id order by id) from {t}", "do 1", "select 1 from dual where false",
                         "select diff_a.f_add(1)", f"/* c */ select a from {t} where id = 1", f"(select 1) union (select 2)",
                         f"select /* x */ database(), user() like 'a%'", f"explain select 1", f"show columns from {t}",
                         "select row_count(), found_rows(), last_insert_id()", self.expression(), self.expression(), f"show create table {t}", "select current_user()")

    def expression(self):
        """Columns keep their names. None out of range: an error cites the expression, with what took the calls' place."""
        column = lambda: self.pick("row_count() + 1", "if(found_rows() > 1, 'many', 'f`w')", "found_rows() n", "(row_count())", "row_count() is null", "- found_rows() as `minus`", "'x'", "last_insert_id() + (row_count() > 0)",
                                   "case when row_count() < 0 then 'a' else 'b, c' end", "(select found_rows())", "row_count() 'r c'", "concat(row_count(), ',', found_rows())", "found_rows() div 2", "@a", "ROW_COUNT ( )")
        columns = ", ".join(column() for _ in range(self.number(3)))
        return self.pick(f"select {columns}", f"select distinct {columns} from (select 1) x", f"(select {columns}) union all (select {columns})", f"select {columns} limit 1", f"select {columns} from dual where row_count() < 99",
                         f"select {columns} /* row_count() */;", ("prepared", f"select {columns}", ()))

    def counted(self):
        t = self.table()
        return [self.pick(f"select sql_calc_found_rows * from {t} order by id limit 1", f"select id from {t} order by id limit 2",
                          f"select SQL_CALC_FOUND_ROWS 1 from {t} limit 0"),
                *self.pick([], [], ["select 5"], [self.plain()]), self.pick("select found_rows()", "select FOUND_ROWS() as f", self.expression())]

    def changed(self):
        return [self.pick(self.insert(), self.write()), self.pick(self.expression(), "select row_count()", "select ROW_COUNT(), last_insert_id()")]

    def diagnosed(self):
        """Only right after the statement: a server forgets them at the next one that opens a table, not before. So the first has one, or warns, or fails."""
        first = self.pick("select 1/0 from (select 1) x", "drop table if exists no_such_table", "select cast('x' as signed)", "selec", "select * from nowhere",
                          "select 'abc' + 1", self.insert(), "call diff_a.p_warn()", "select diff_a.no_such()", f"select 1 from {self.t}",
                          f"insert ignore into {self.t} values (1, 'x', 'y')")
        more = ["show warnings", "show errors", "show count(*) warnings", "select @@warning_count, @@error_count", "show warnings limit 1",
                "get diagnostics @n = number", "get diagnostics condition 1 @m = message_text"]
        return [first] + [self.rng.choice(more) for _ in range(self.rng.randint(1, 3))] + self.pick([], ["select @n, @m"])

    def schema(self):
        return self.pick("use diff_a", "use diff_b", "use `diff_a`", "select database()", "use nowhere", ("init", "diff_b"), ("init", "diff_a"),
                         ("init", "nowhere"), "USE diff_b", f"select count(*) from {self.t}", "select schema()", "/* x */ use diff_a")

    def temporary(self):
        name = self.pick("tmp1", "tmp2", self.t)
        body = [f"insert into {name} (a) values ({self.number()})", f"select a from {name}", f"update {name} set a = a + 1",
                f"select * from {name}", self.plain(), self.ids(), "select @@sql_mode", f"insert into {self.k} select 900 + a, 'tmp' from {name}"]
        start = self.pick(f"create temporary table {name} (a int)", f"create temporary table {name} as select 5 as a",
                          f"create temporary table {name} like diff_a.{self.t}", f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} (a int)",
                          f"create /* x */ temporary table {name} select 6 a union select 7",
                          f"create temporary table {name} (a int) engine = memory")
        if self.maria and self.pick(0, 1):
            start = f"create or replace temporary table {name} (a int, b int default 3)"
        end = self.pick(f"drop temporary table {name}", f"drop temporary table if exists {name}", f"drop table {name}" if name != self.t else f"drop temporary table {name}")
        return [start] + [self.rng.choice(body) for _ in range(self.number(4))] + [end, f"select a from {name} order by 1"]

    def renamed(self):
        return ["create temporary table r1 (a int)", "alter table r1 rename to r2", "insert into r2 values (1)", "select * from r2",
                "select * from r1", "drop temporary table r2", "select * from r2"]

    def transaction(self):
        start = self.pick("begin", "start transaction", "BEGIN WORK", "start transaction read only", "start transaction with consistent snapshot",
                          "start transaction read write", "set autocommit = 0", "call diff_a.p_begin()", "/* c */ begin", "select 1; begin; select 2")
        body = [self.insert, self.write, self.plain, self.ids, self.read_variables, self.set_literal, self.diagnosed, self.counted, self.execute_any,
                lambda: "savepoint s1", lambda: "rollback to s1", lambda: "release savepoint s1", lambda: "rollback to savepoint s1",
                lambda: "use diff_b", lambda: "create temporary table if not exists intrx (a int)", self.names, self.system_variable]
        end = self.pick("commit", "rollback", "commit work", "rollback", "commit and chain", "begin", f"truncate {self.t}", "set autocommit = 1", ("reset",))
        out = [start] + [self.rng.choice(body)() for _ in range(self.number(5))] + [end]
        if self.maria:
            out.insert(2, "select @@in_transaction")
        tail = ["drop temporary table if exists intrx"] + (["commit"] if end in ("commit and chain", "begin") else [])
        return out + tail + ["set autocommit = 1", f"select count(*) from {self.t}"]

    def autocommit(self):
        return ["set autocommit = 0", "select @@autocommit", self.pick("do 1", self.plain(), self.set_literal()), self.insert(), self.pick("commit", "rollback"),
                self.plain(), self.pick("set autocommit = 1", "SET @@autocommit = ON", "set session autocommit = 1"), "select @@autocommit"]

    def next_transaction(self):
        return [self.pick("set transaction isolation level serializable", "set transaction read only", "set transaction isolation level read uncommitted, read only"),
                *self.pick([], [self.set_literal()], ["select 1"]), self.pick("begin", "start transaction", "select 2"), self.insert(), "select @@tx_isolation", "commit",
                self.insert(), self.pick("set session transaction isolation level repeatable read", "set session transaction read write", "do 1")]

    def locks(self):
        name = f"'{self.lock}'"
        return [self.pick(f"select get_lock({name}, 0)", f"do get_lock({name}, 0)", f"SELECT GET_LOCK ({name}, 0)",
                          f"set @l = get_lock({name}, 0)"), self.pick(self.plain(), self.ids(), "select 1", ("ping",)),
                f"select is_used_lock({name}) = connection_id()", *self.pick([], [f"select get_lock({name}, 0)", f"select release_lock({name})"]),
                self.pick(f"select release_lock({name})", f"do release_lock({name})", "do 1"), f"select is_free_lock({name})", f"do release_lock({name}), release_lock({name})",
                f"select is_free_lock({name})"]

    def table_locks(self):
        return [self.pick(f"lock tables diff_a.{self.t} write", f"lock table diff_a.{self.t} read", f"LOCK TABLES diff_a.{self.t} WRITE, diff_a.{self.k} READ",
                          f"flush tables diff_a.{self.t} with read lock"), f"select count(*) from diff_a.{self.t}", self.insert(), self.plain(), self.schema(),
                self.pick("unlock tables", "UNLOCK TABLES", "commit; unlock tables", "begin"), "unlock tables", "rollback", f"select count(*) from diff_a.{self.k}"]

    def handler(self):
        return [f"handler diff_a.{self.t} open as h", "handler h read first", self.pick("handler h read next", "select 1", self.set_literal()), "handler h read next", "handler h close",
                "handler h read first"]

    def statement_scoped(self):
        return [self.pick("set statement sql_mode = 'ANSI_QUOTES' for select \"x\", @@sql_mode", "set statement sql_select_limit = 1 for select 1 union select 2",
                          f"set statement max_statement_time = 100 for select count(*) from {self.t}", "set statement time_zone = '+09:00' for select @@time_zone",
                          "set statement group_concat_max_len = 7 for select group_concat(1, 2, 3)"),
                "select @@sql_mode, @@sql_select_limit, @@time_zone, @@group_concat_max_len"]

    def call(self):
        return self.pick(["call diff_a.p_mode()", "select @@sql_mode"], ["call diff_a.p_vars()", "select @a, @p, @@group_concat_max_len"],
                         ["call diff_a.p_temp()", "select * from tp", "call diff_a.p_temp()", "select count(*) from tp", "call diff_a.p_drop()", "select * from tp"],
                         ["use diff_a", "call p_out(1, @b, @c)", "select @b, @c"], ["call diff_a.p_fail()", "show errors", "select 'after'"],
                         ["call diff_a.p_warn()", "show warnings"], ["call diff_a.p_begin()", self.insert(), "rollback", f"select count(*) from diff_a.{self.t}"],
                         ["call diff_a.p_auto()", self.insert(), "rollback", "select @@autocommit", "set autocommit = 1"],
                         ["call diff_a.p_prep()", "execute inproc", "deallocate prepare inproc", "execute inproc"], ["call diff_a.p_time()", "select @@time_zone"],
                         ["select diff_a.f_set()", "select @a"] if self.maria else [], ["select diff_a.f_id()", "select last_insert_id()"], ["call diff_a.no_such()", "select 1"])

    def block(self):
        return [self.pick("begin not atomic set @a = 'block'; set sql_mode = 'ANSI'; end", "begin not atomic declare i int default 3; set @b = i; select i; end",
                          "if @a is null then set @a = 'if'; end if", "begin not atomic create temporary table nb (a int); end",
                          "execute immediate 'set @c = 12'", "execute immediate 'select ? + 1' using 5"),
                "select @a, @b, @c, @@sql_mode", "drop temporary table if exists nb"]

    def text_prepared(self):
        # No bare `?` as a column: a NULL keeps the type of the value that was there before, on one connection.
        return [self.pick("prepare tp1 from 'select ? + 1, @a'", "prepare tp1 from 'set @b = ?'", "set @q = 'select ?'; prepare tp1 from @q",
                          f"prepare tp1 from 'insert into diff_a.{self.t} (a) values (?)'", "prepare tp1 from 'select \\'it''s\\', ?'", "prepare tp1 from 'selec ?'",
                          "PREPARE `tp1` FROM 'select ? is null as x'"),
                *self.pick([], [self.plain()], [self.set_literal()], ["use diff_b"]), self.pick("execute tp1 using @a", "set @a = 3", "execute tp1 using @b"), "execute tp1 using @a",
                self.pick("execute tp1", "select 1"), self.pick("deallocate prepare tp1", "drop prepare tp1", "do 1"), "execute tp1 using @a", "deallocate prepare tp1"]

    def triggered(self):
        """Triggers read the session's state, and leave some."""
        k, n = f"diff_a.{self.k}", self.number(50)
        act = lambda: self.pick(f"update {k} set v = 'u'", f"update {k} set v = 'w' where k = {n}", f"delete from {k} order by k limit 1", f"replace into {k} values ({n}, 'r')",
                                f"insert ignore into {k} values ({n}, 'i')", f"insert into {k} values ({n}, 'd') on duplicate key update v = 'dup'",
                                f"update {k} join diff_a.{self.t} on k = id set v = 'j'", ("prepared", f"update {k} set v = ?", ("p",)))
        return [f"insert ignore into {k} values ({n}, 'x')", self.pick(self.insert(), self.ids(), self.set_literal(), self.plain()), act(), self.pick([], [act()]),
                self.pick(f"select v from {k} order by k limit 3", "select @gone", "select last_insert_id(), row_count()"), f"select v from {k} order by k limit 3"]

    def text_prepared_elsewhere(self):
        """What a PREPARE means is decided where it stands; what it executes has state of its own."""
        t = self.t
        make, text = self.pick(
            (["use diff_b"], f"select count(*), database() from {t}"), (["use diff_a"], f"insert into {t} (a) values (6)"), (["set sql_mode = 'PIPES_AS_CONCAT'"], "select 1 || 2"),
            (["set sql_mode = 'ANSI_QUOTES'"], f'select "id" from {t} order by 1 limit 1'), (["set sql_mode = 'NO_BACKSLASH_ESCAPES'"], "select ''a\b''"),
            ([], "select ''its, \"q\", a\\nb, 100\\%, c\\\\"), ([], "selec"), ([], "select it\\''s'', \"q\", ''a\\nb'', ''100\\%''"), (["set names latin1"], "select ''ä'', hex(''ä''), charset(''x'')"),
            (["set names utf8mb4 collate utf8mb4_bin"], "select ''a'' = ''A'', collation(''x'')"),
            ([], "select row_count(), found_rows(), last_insert_id()"), ([], "select ROW_COUNT() as r, ''row_count()''"), ([], "show warnings" if self.maria else "show table status like ''none''"),
            ([], "select @@warning_count" if self.maria else "select 1"),  # on MySQL 5.6, state that goes ahead of the EXECUTE forgets them
            ([], f"select get_lock(''{self.lock}'', 0)"), ([], "set @@group_concat_max_len = 78"), ([], "create temporary table if not exists tpt (a int)"),
            ([], "set @a = 7"), ([], "select @a := 8"), ([], f"select sql_calc_found_rows id from {t} limit 1"), (["set sql_select_limit = 2"], f"select id from {t} order by id"))
        after = [self.insert, self.write, self.plain, self.counted, self.set_literal, self.read_variables, self.ids, lambda: "use diff_a", lambda: "use diff_b",
                 lambda: "set sql_mode = default", lambda: "set names utf8mb4", lambda: "set sql_mode = 'ANSI'", lambda: "select 1/0 from (select 1) x", lambda: "begin", lambda: ("ping",)]
        out = [*make, f"prepare te from '{text}'"]
        if "warning" in text:  # as in `diagnosed`
            after = [lambda: self.pick("select 1/0 from (select 1) x", "select cast('x' as signed)", "selec", f"select 1 from {t}")]
        for _ in range(self.rng.randint(1, 3)):
            out += [self.rng.choice(after)() for _ in range(self.rng.randint("warning" in text, 3))] + ["execute te", self.pick("select row_count(), last_insert_id()", "select found_rows()",
                    "select @@group_concat_max_len, @a", f"select is_used_lock('{self.lock}') = connection_id()", "select 1")]
        return out + ["rollback", "drop temporary table if exists tpt", f"do release_lock('{self.lock}'), release_lock('{self.lock}'), release_lock('{self.lock}')",
                      self.pick("deallocate prepare te", "set names utf8mb4"), "set sql_mode = default, sql_select_limit = default"]

    def prepare_any(self):
        slot = self.number(5)
        sql, params = self.pick(
            ("select ?, @a, database()", 1), (f"select * from {self.t} where id >= ? order by id limit 3", 1), (f"insert into {self.table()} (a, s) values (?, ?)", 2),
            ("set @b = ?", 1), ("select 1", 0), (f"update {self.t} set a = ? where id = ?", 2), ("select last_insert_id(), row_count()", 0),
            (f"select sql_calc_found_rows id from {self.t} where id > ? order by id limit 1", 1), ("select * from nowhere", 0), ("select @@sql_mode, ?", 1),
            ("call diff_a.p_out(?, ?, ?)", 3), ("select found_rows()", 0), ("select row_count() as r, found_rows() f, ?", 1), (f"delete from {self.t} where id = ?", 1), ("select 'x' \"y\"", 0), ("begin", 0), ("commit", 0),
            ("select @a := ?", 1), ("use diff_b", 0), ("select ? from (select 1) x", 1), ("drop temporary table if exists pst", 0), ("create temporary table if not exists pst (a int)", 0),
            ("set sql_mode = ?", 1), ("insert into pst values (?)", 1), (f"select s, a from diff_b.{self.t} where a = ? or a = ?", 2))
        self.slots[slot] = params
        return ("prepare", slot, sql)

    def parameter(self):
        return self.pick(1, self.number(), None, "text", b"\x00\xff", 2.5, -9, "\u00e4", "", 10**12, "ANSI")

    def execute_any(self):
        if not self.slots:
            return [self.prepare_any(), self.execute_any()]
        slot = self.rng.choice(sorted(self.slots))
        params = tuple(self.parameter() for _ in range(self.slots[slot]))
        if len(params) == 3:  # the CALL: run again without types, MariaDB 10.11 takes a float that was an INOUT for something else
            params = tuple(2 if p == 2.5 else p for p in params)
        return self.pick(("execute", slot, params), ("execute", slot, params), ("execute", slot, params), ("again", slot, params), ("stmt_reset", slot), ("stmt_close", slot),
                         ("cursor", slot, params), [("execute", slot, params), self.pick("select row_count()", "select last_insert_id()", "select found_rows()", "select @a, @b")],
                         ("long", self.number(40000)))

    def binary(self):
        return [self.prepare_any()] + [self.execute_any() for _ in range(self.number(3))]

    def twins(self):
        """Two statements with the same words, each with a cursor or long data of its own."""
        sql, params = self.pick((f"select id, a from {self.t} where id > ? order by id", (0,)), (f"select row_count(), found_rows(), id from {self.t}", ()),
                                ("select last_insert_id() union all select row_count() union all select 3", ()))
        return [self.pick([], [self.insert()], [self.write()], [self.counted()]), self.pick(("twins", sql, params), ("twin_data", self.number(3000)))]

    def multi(self):
        parts = []
        while len(parts) < self.rng.randint(2, 4):
            made = self.pick(self.plain, self.set_literal, self.set_expression, self.insert, self.read_variables, self.system_variable, self.ids, self.write)()
            parts += [p for p in (made if isinstance(made, list) else [made]) if isinstance(p, str)]
        return "; ".join(parts) + self.pick("", ";")

    def other(self):
        # KILL is answered by the proxy, which cannot leave its error for a SHOW WARNINGS: a table's statement follows.
        return self.pick(("ping",), ("ping",), ("fields", self.t), ("option", 1), ["set timestamp = 1600000000", "select now(), unix_timestamp()", "set timestamp = default"],
                         ["set rand_seed1 = 10, rand_seed2 = 20", "select rand()", "select rand()"], "", ";", "-- c", "select 1;", "# x", ("option", 0), ("option", 1), "flush status",
                         [f"kill 4294967290", f"select count(*) from {self.t}"], "set @@global.no_such = 1", ("statistics",), "help 'no such thing'", "set transaction", "select connection_id() = connection_id()")

    def lost(self):
        """State given up at once."""
        return self.pick(("reset",), ("reset",), ("user", "app", "secret", "diff_a"), ("user", "empty", "", "diff_b"))

    def distributed(self):
        """Ended once only: MySQL 5.6 tells what the connection did with the second end, not what the session did."""
        x = f"'x{self.n}'"
        return [f"xa start {x}", self.insert(), *self.pick([], ["begin"], [self.plain()]), f"xa end {x}", *self.pick([f"xa prepare {x}", f"xa commit {x}"], [f"xa commit {x} one phase"],
                [f"xa rollback {x}"]), *([f"xa rollback {x}"] if self.maria else []), f"select count(*) from {self.t}"]

    def sequence(self):
        q = f"diff_a.{self.q}"
        return self.pick(f"select nextval({q})", f"select lastval({q})", f"select next value for {q}", f"select previous value for {q}", f"select setval({q}, {self.number(3)})",
                         f"insert into {self.t} (a) values (nextval({q}))")

    def step(self):
        heavy = [self.plain] * 6 + [self.insert] * 3 + [self.ids] * 3 + [self.set_literal] * 3 + [self.read_variables] * 3
        often = [self.set_expression, self.system_variable, self.read_system, self.names, self.write, self.counted, self.changed, self.diagnosed, self.schema,
                 self.binary, self.twins, self.triggered, self.execute_any, self.execute_any, self.multi, self.call, self.other] * 2
        rare = [self.temporary, self.transaction, self.transaction, self.autocommit, self.next_transaction, self.locks, self.table_locks, self.handler, self.text_prepared, self.text_prepared_elsewhere,
                self.renamed, self.lost, self.lost, self.distributed]
        maria = [self.statement_scoped, self.block, self.sequence, self.sequence] if self.maria else []
        return self.rng.choice(heavy + often + rare + maria)()

    def tables(self) -> list:
        """What makes its own tables anew, on a connection that does not count."""
        t = "(id int auto_increment primary key, a int, s varchar(20)) engine = innodb"
        out = []
        for name, shape in ((f"diff_a.{self.t}", t), (f"diff_b.{self.t}", t), (f"diff_a.{self.k}", "(k int primary key, v varchar(20)) engine = innodb")):
            out += [f"drop table if exists {name}", f"create table {name} {shape}"]
        if self.maria:
            out.append(f"create or replace sequence diff_a.{self.q}")
        out += [f"create trigger diff_a.u{self.n} before update on diff_a.{self.k} for each row set new.v = concat(last_insert_id(), ifnull(@a, '?'), '/', new.v)",
                f"create trigger diff_a.d{self.n} after delete on diff_a.{self.k} for each row " +
                # Without trackers, MySQL 5.6 tells nobody what a trigger set.
                ("set @gone = " if self.maria else f"insert into diff_b.{self.t} (s) select ") + "concat(last_insert_id(), ':', old.k)"]
        return out + [f"insert into diff_a.{self.t} (a, s) values (1, 'one'), (2, 'two'), (3, null)"]

    def session(self, length: int) -> list:
        """`length` steps or some more."""
        out = []
        while len(out) < length:
            flatten(self.step(), out)
        return out


def flatten(step, out: list):
    if isinstance(step, list):
        for one in step:
            flatten(one, out)
    else:
        out.append(step)


def without_rows(value):
    """A warning of a conversion in a procedure names the row that some statement before it came to."""
    if isinstance(value, (tuple, list)):
        return type(value)(without_rows(v) for v in value)
    if isinstance(value, bytes) and b" at row " in value:
        return re.sub(rb" at row \d+", b" at row", value)
    return re.sub(r" at row \d+", " at row", value) if isinstance(value, str) else value


def result_values(reply: wire.Reply) -> tuple:
    """What a client sees of a reply, without the ids of statements, which count over all sessions."""
    out = []
    for result in reply.results:
        values = list(result.values(~IGNORED_STATUS))
        if values[-1] and values[-1][0] in (1243, 1366, 1421):  # texts with a statement's number, or a row's that is left over
            values[-1] = values[-1][:2]
        # Inside procedures, MariaDB counts rows on from whatever the connection did before.
        values[2] = tuple(tuple(re.sub(rb" at row \d+", b" at row N", v) if v else v for v in row) for row in values[2])
        if values[-1]:
            values[-1] = values[-1][:2] + tuple(re.sub(r" at row \d+", " at row N", text) for text in values[-1][2:])
        # The type of a user variable that is NULL is that of a value it had before, be it another session's.
        values[1] = tuple(c[:c.index(b"@") + 1] if c.startswith(b"\x03def\0\0\0") and c[8:9] == b"@" else c for c in values[1])
        if values[0] == "text":
            values = ["text"]
        out.append(without_rows(tuple(values)))
    return tuple(out)


class Player:
    """One session against one port."""

    def __init__(self, port: int, caps: int):
        self.link = Wire(("127.0.0.1", port), *servers.APP, "diff_a", caps, timeout=120)
        self.statements, self.params = {}, {}
        self.settle()

    def settle(self):
        """FOUND_ROWS() of a new session is what the server's thread did last for another: make it known."""
        self.link.query("select 1 from (select 1) x")

    def play(self, step):
        """The values of one step's reply."""
        link = self.link
        if isinstance(step, str):
            return result_values(link.query(step))
        kind = step[0]
        if kind == "init":
            return result_values(link.command(wire.COM_INIT_DB, step[1].encode()))
        if kind == "ping":
            return result_values(link.command(wire.COM_PING))
        if kind == "fields":
            return result_values(link.command(wire.COM_FIELD_LIST, step[1].encode() + b"\0"))
        if kind == "option":
            return result_values(link.command(wire.COM_SET_OPTION, bytes([1 - step[1], 0])))
        if kind == "statistics":
            return result_values(link.command(wire.COM_STATISTICS))
        if kind in ("reset", "user"):
            self.statements.clear()
            reply = link.command(wire.COM_RESET_CONNECTION) if kind == "reset" else link.change_user(*step[1:])
            self.settle()
            self.link.query("do last_insert_id(0)")  # MySQL 5.6 keeps it, and the last warnings
            return tuple((values[0], values[-1]) for values in result_values(reply))
        if kind == "long":
            return self.play_long(step[1])
        if kind == "prepared":
            reply = self.link.prepare(step[1])
            return result_values(reply), reply.statement is not None and result_values(self.link.execute(reply.statement, step[2]))
        if kind == "twins":
            return self.play_twins(*step[1:])
        if kind == "twin_data":
            return self.play_twin_data(step[1])
        return self.play_statement(kind, *step[1:])

    def play_statement(self, kind, slot, *more):
        link = self.link
        if kind == "prepare":
            old = self.statements.pop(slot, None)
            if old:
                link.command(wire.COM_STMT_CLOSE, old.to_bytes(4, "little"))
            reply = link.prepare(more[0])
            if reply.statement is not None:
                self.statements[slot] = reply.statement
                self.params[slot] = reply.results[0].info[0]
            return result_values(reply)
        statement = self.statements.get(slot)
        if statement is None:
            return "no statement"
        number = statement.to_bytes(4, "little")
        if kind == "stmt_reset":
            return result_values(link.command(wire.COM_STMT_RESET, number))
        if kind == "stmt_close":
            del self.statements[slot]
            link.command(wire.COM_STMT_CLOSE, number)
            return "closed"
        params = (more[0] + (1, 2, 3))[:self.params[slot]]
        if kind == "execute":
            return result_values(link.execute(statement, params))
        if kind == "again":
            first = result_values(link.execute(statement, params))
            return first, result_values(link.execute(statement, params, types=False))
        return self.play_cursor(statement, params)

    def play_long(self, size):
        """Long data in a statement of its own: MariaDB 10.11 dies when it meets a parameter that was a number before."""
        reply = self.link.prepare("select ?, @a, length(?)")
        number = reply.statement.to_bytes(4, "little")
        for parameter in (0, 1, 0):
            self.link.command(wire.COM_STMT_SEND_LONG_DATA, number + bytes([parameter, 0]) + b"l" * size)
        out = result_values(self.link.execute(reply.statement, (b"", b""), long_data=(0, 1)))
        self.link.command(wire.COM_STMT_CLOSE, number)
        return out

    def play_twins(self, sql, params):
        """Two cursors that are read in turn; one is opened anew while the other is open."""
        link, (one, other) = self.link, (self.link.prepare(sql), self.link.prepare(sql))
        out = [result_values(one), result_values(other)]
        if one.statement is None:
            return tuple(out)
        one, other = one.statement, other.statement
        open_now = {}
        for number, act in ((one, 1), (one, 0), (other, 1), (one, 0), (other, 0), (other, 1), (other, 0), (one, 0), (one, 2), (other, 0), (one, 1), (one, 0)):
            if act == 1:
                reply = link.execute(number, params, cursor=1)
                open_now[number] = reply.results[-1].error is None and (reply.results[-1].status or 0) & wire.CURSOR_EXISTS
            elif act == 2:
                reply = link.command(wire.COM_STMT_RESET, number.to_bytes(4, "little"))
                open_now[number] = False
            elif open_now.get(number):
                reply = link.fetch(number, 1)
                open_now[number] = not reply.error and not reply.results[0].status & wire.LAST_ROW_SENT
            out.append(result_values(reply))
        for number in (one, other):
            link.command(wire.COM_STMT_CLOSE, number.to_bytes(4, "little"))
        return tuple(out)

    def play_twin_data(self, size):
        link, numbers = self.link, [self.link.prepare("select ?, @a, length(?)").statement for _ in range(2)]
        for n in (0, 1, 1, 0):
            for parameter in (0, 1):
                link.command(wire.COM_STMT_SEND_LONG_DATA, numbers[n].to_bytes(4, "little") + bytes([parameter, 0]) + b"xy"[n:n + 1] * size)
        out = [result_values(link.execute(numbers[n], (b"", b""), long_data=(0, 1))) for n in (1, 0)]
        for number in numbers:
            link.command(wire.COM_STMT_CLOSE, number.to_bytes(4, "little"))
        return tuple(out)

    def play_cursor(self, statement, params):
        reply = self.link.execute(statement, params, cursor=1)
        out = [result_values(reply)]
        if reply.results[-1].error is None and (reply.results[-1].status or 0) & wire.CURSOR_EXISTS:
            out.append(result_values(self.link.query("select 'between', @a")))
            for _ in range(4):
                more = self.link.fetch(statement, 2)
                out.append(result_values(more))
                if more.error or more.results[0].status & wire.LAST_ROW_SENT:
                    break
        return tuple(out)


class Noise:
    """Company for a session that is tried again alone: between its steps another client uses the connection it left."""

    STEPS = [["set names latin1"], ["set @a = 'noise', @b = 9"], ["use diff_b"], ["select * from nowhere", "select 1 from diff_b.noise limit 1"],
             ["set sql_mode = 'ANSI,NO_AUTO_VALUE_ON_ZERO', time_zone = '+11:00'"], ["insert into diff_b.noise (a) values (1), (2)"],
             ["select sql_calc_found_rows a from diff_b.noise limit 1", "select a from diff_b.noise limit 3"], ["use diff_a"],
             ["update diff_b.noise set a = a + 1"], ["set autocommit = 1, character_set_results = null"], ["select last_insert_id(5150)"], ["select @a"]]

    def __init__(self, server, port: int):
        self.kind = server.kind
        server.script("create or replace table diff_b.noise (id int auto_increment primary key, a int)" if server.kind == "mariadb"
                      else "create table if not exists diff_b.noise (id int auto_increment primary key, a int)")
        self.link = Wire(("127.0.0.1", port), *servers.APP, "diff_b", wire.BASIC, timeout=120)
        self.n = 0

    def disturb(self):
        for sql in self.STEPS[self.n % len(self.STEPS)]:  # none ends with something pinned
            self.link.query(sql)
        if self.kind != "mariadb":
            self.link.change_user(*servers.APP, "diff_b")  # there, more is pinned
        self.n += 1


class Session:
    """What one client does, in tables of its own on `server`."""

    def __init__(self, server, maker: Maker, steps: list, caps: int):
        self.server, self.maker, self.n, self.steps, self.caps = server, maker, maker.n, steps, caps

    def only(self, steps: list) -> "Session":
        return Session(self.server, self.maker, steps, self.caps)

    def run(self, port: int, start=None, noise: Noise = None) -> list:
        """The answers to its steps; waits at the barrier `start` when all is ready."""
        self.server.script(*self.maker.tables())
        if start:
            start.wait()
        heard = []
        try:
            player = Player(port, self.caps)
        except (OSError, wire.Closed, wire.ServerError) as why:
            return [("login failed", repr(why))]
        try:
            for step in self.steps:
                if noise:
                    noise.disturb()
                heard.append(player.play(step))
            player.link.quit()
        except (OSError, wire.Closed, IndexError, ValueError, KeyError) as why:
            heard.append(("connection lost", repr(why)))
            player.link.close()
        return heard


def first_difference(direct: list, proxied: list):
    for n, (one, other) in enumerate(zip(direct, proxied)):
        if one != other:
            return n
    return None if len(direct) == len(proxied) else min(len(direct), len(proxied))


def unlike(one, other) -> list:
    """The smallest parts in which two answers differ, as lines."""
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)) and len(one) == len(other):
        return [line for a, b in zip(one, other) if a != b for line in unlike(a, b)]
    return [f"    direct  {one!r}"[:600], f"    proxied {other!r}"[:600]]


class Arena:
    """A server, the proxy in front of it, and the schemas that sessions play in."""

    def __init__(self, server, proxy, start=None):
        """`start(text)` runs another proxy, for reductions."""
        self.server, self.proxy = server, proxy
        self.start, self.small = start, None
        self.maria = server.kind == "mariadb"
        self.steps_run = 0
        self.drop_schemas()
        server.script(*(f"create database {s} character set utf8mb4" for s in ("diff_a", "diff_b")),
                      *(f"create procedure diff_a.{name} {body}" for name, body in PROCEDURES.items()),
                      *(f"create function diff_a.{name} {body}" for name, body in FUNCTIONS.items()),
                      *(f"grant all on {s}.* to {u}@'%'" for s in ("diff_a", "diff_b") for u in ("app", "empty")))

    def drop_schemas(self):
        """A session that was hung up on may still be making a table, which the server then finds in its way."""
        for schema in ("diff_a", "diff_b"):
            for last in (False,) * 20 + (True,):
                try:
                    self.server.script(f"drop database if exists {schema}")
                    break
                except Exception as why:
                    if last or "Directory not empty" not in str(why):
                        raise
                    time.sleep(0.1)

    def run_all(self, sessions: list, port: int) -> list:
        """Every session at once; their answers in order."""
        heard = [[] for _ in sessions]
        start = threading.Barrier(len(sessions))

        def one(n):
            heard[n] = sessions[n].run(port, start)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(len(sessions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.steps_run += sum(len(h) for h in heard)
        return heard

    def round(self, seed, count: int, length: int):
        """None, or the report of the first difference."""
        rng = random.Random(f"{seed}/caps")
        makers = [Maker(seed, n, self.maria) for n in range(count)]
        sessions = [Session(self.server, maker, maker.session(length), rng.choice(CAPS)) for maker in makers]
        direct = self.run_all(sessions, self.server.port)
        for session, heard in zip(sessions, direct):
            if len(heard) != len(session.steps):
                return f"seed {seed}, session {session.n}: direct, the server hung up: {heard[-1]}\n  after {session.steps[:len(heard)]!r}\n{self.server.log()[-3000:]}"
        proxied = self.run_all(sessions, self.proxy.port)
        wrong = [(session, at, one, other) for session, one, other in zip(sessions, direct, proxied)
                 if (at := first_difference(one, other)) is not None]
        if not wrong:
            return None
        # The one that differs earliest is the easiest to understand.
        wrong.sort(key=lambda each: each[1])
        more = [f"  also session {session.n}, step {at}: {session.steps[min(at, len(session.steps) - 1)]!r}"[:200] for session, at, _, _ in wrong[1:]]
        return "\n".join([self.report(seed, *wrong[0])] + more)

    def differs_alone(self, session: Session, steps: list):
        """Where the session differs when only `noise` keeps it company."""
        return first_difference(*self.run_alone(session, steps))

    def run_alone(self, session: Session, steps: list) -> tuple:
        if self.start and (self.small is None or self.small.process.poll() is not None):
            self.small = self.start(proxy_text(self.server, pool=1, patience="50ms"))
        proxy = self.small or self.proxy
        alone, noise = session.only(steps), Noise(self.server, proxy.port)
        direct, proxied = alone.run(self.server.port), alone.run(proxy.port, noise=noise)
        noise.link.quit()
        return direct, proxied

    def shrink(self, session: Session, at: int, seconds: float = 20.0):
        """The steps that show it alone, as few as time allows; None when it needs company."""
        steps, end = session.steps[:at + 1], time.monotonic() + seconds
        found = self.differs_alone(session, steps)
        if found is None:
            return None
        steps = steps[:found + 1]
        size = max(1, len(steps) // 2)
        while size and time.monotonic() < end:
            n = len(steps) - 1 - size
            while n >= 0 and time.monotonic() < end:
                fewer = steps[:n] + steps[n + size:]
                found = self.differs_alone(session, fewer)
                if found is not None:
                    steps = fewer[:found + 1]
                n -= size
            size //= 2
        return steps

    def report(self, seed, session: Session, at: int, direct: list, proxied: list) -> str:
        lines = [f"seed {seed}, session {session.n}, caps {session.caps:#x}: step {at} differs", *unlike(direct[at:at + 1], proxied[at:at + 1])]
        few = self.shrink(session, at)
        if few is None:
            lines.append("  only in the whole company; its steps up to there:")
            few = session.steps[:at + 1]
        else:
            one, other = self.run_alone(session, few)
            lines.append("  with one noisy neighbour, the shortest found:")
            lines += unlike(one[-1:], other[-1:])
        return "\n".join(lines + [f"    {step!r}" for step in few])

    def soak(self, seed: int, seconds: float, count: int, length: int):
        """Rounds until time is up: (rounds, report or None)."""
        end, rounds = time.monotonic() + seconds, 0
        while rounds == 0 or time.monotonic() < end:
            report = self.round(f"{seed}.{rounds}", count, length)
            rounds += 1
            if report:
                return rounds, report
        return rounds, None


def proxy_text(server, pool=POOL, patience="100s") -> str:
    """A configuration with a pool of 4 in which nobody waits in vain."""
    return daemon.sqlproxy_conf([("db1", server.address, "primary")], users=(servers.APP, servers.EMPTY), pool=pool,
                                database=f"queue_timeout = {patience}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)), help="a number, or number.round of a report")
    options.add_argument("--sessions", type=int, default=32)
    options.add_argument("--length", type=int, default=60, help="steps of a session")
    options.add_argument("--server", choices=["mariadb", "mysql56"], default="mariadb")
    options.add_argument("--keep-going", action="store_true", help="report every round's first difference")
    options.add_argument("--direct", action="store_true", help="compare the server with itself, to prove the sessions")
    given = options.parse_args()
    folder = servers.Folder()
    server = servers.MariaDB(folder, "writer") if given.server == "mariadb" else servers.MySQL56(folder)
    proxy, arena, bad, rounds = None, None, 0, 0
    try:
        server.start()
        server.accounts()
        proxy = server if given.direct else daemon.Proxy(proxy_text(server), folder.path).ready()
        start = lambda text: daemon.Proxy(text, folder.path, "small").ready()
        arena = Arena(server, proxy, None if given.direct else start)
        print(f"seed {given.seed}", flush=True)
        end = time.monotonic() + given.seconds
        first = given.seed.split(".")[0]
        while rounds == 0 or time.monotonic() < end:
            seed = given.seed if "." in given.seed else f"{first}.{rounds}"
            report = arena.round(seed, given.sessions, given.length)
            rounds += 1
            if report:
                bad += 1
                print(report, flush=True)
                if not given.keep_going:
                    break
        print(f"{rounds} rounds of {given.sessions} sessions, {arena.steps_run} steps, {bad} different")
    finally:
        if arena and arena.small:
            arena.small.stop()
        if proxy is not None and proxy is not server and proxy.stop() != 0:
            print(f"sqlproxy did not end well:\n{proxy.log()[-4000:]}")
            bad += 1
        server.stop()
        folder.remove()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
