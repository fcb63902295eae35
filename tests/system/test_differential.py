"""Seconds of differential.py: 32 random sessions at once over a pool of 4, and directly.

DIFF_SECONDS and DIFF_SEED choose more, or a round again; the seed is printed.
What random sessions found is played again by itself, with a noisy neighbour on
one connection.
"""
import os
import random

import pytest

import differential
import wire

SECONDS = float(os.environ.get("DIFF_SECONDS", "10"))
KINDS = {"mariadb": "511", "mysql56": "566"}  # the same seeds for everybody; the soak draws its own


def server_of(kind, request):
    return request.getfixturevalue("pair").writer if kind == "mariadb" else request.getfixturevalue("mysql56")


def play(kind, request, proxy, seconds, seed):
    server = server_of(kind, request)
    seed = os.environ.get("DIFF_SEED") or seed
    print(f"seed {seed}")
    arena = differential.Arena(server, proxy(differential.proxy_text(server)), proxy)
    rounds, report = arena.soak(seed, seconds, 32, 60)
    print(f"{rounds} rounds, {arena.steps_run} steps")
    assert report is None, f"DIFF_SEED={seed}\n{report}"


# ---- what was found -----------------------------------------------------------------------


CHANGED = ["insert into t0 (a) values (1), (2)", "update t0 set a = 9 where id < 3", "select sql_calc_found_rows * from t0 limit 1",
           "select id from t0 limit 2", "insert into k0 values (7, 'x') on duplicate key update v = 'y'"]
READERS = ["select row_count(), found_rows(), last_insert_id()", "select row_count() as r, found_rows() f", "select found_rows() from t0 where row_count() < 9"]

FOUND = {
    "prepared statements tell of what ran elsewhere": [
        step for change in CHANGED for slot, sql in enumerate(READERS)
        for step in (change, ("prepare", slot, sql), ("execute", slot, ()), change, ("execute", slot, ()), change, ("cursor", slot, ()), ("execute", slot, ()))],
    "so do those of text": [
        step for change in CHANGED for sql in READERS
        for step in (f"prepare te from '{sql}'", change, "execute te", "set @c = 5", "execute te", change, "execute te", "deallocate prepare te")],
    "a statement that was prepared in another schema": [
        ("prepare", 1, "select id, database() from t0 where id > ? order by id"), "set @a = true", "use diff_b", ("cursor", 1, (0,)), "select @a", ("execute", 1, (0,)), "select @a"],
    "COM_SET_OPTION tells of a transaction": ["begin", ("option", 1), "select id from t0", ("option", 0), "commit", ("option", 1)],
    "a text that is prepared anew for one value tells the other, too": [
        step for reader in READERS[:2] for step in (f"prepare te from '{reader}'", "set names utf8mb4", "update t0 set nope = 1", "execute te")],
    "a literal keeps the collation of its PREPARE": [
        ("prepare", 1, "select 'x' 'y', collation('z')"), "set @b = 1", "begin", "set names utf8mb4 collate utf8mb4_unicode_ci", ("execute", 1, ()), "commit",
        ("execute", 1, ()), "select 'x', collation('x')", "set names latin1", ("execute", 1, ()), "select collation('x')"],
    "character sets on top of others": [
        step for sql in ("set names utf8mb4 collate utf8mb4_bin", "set character_set_results = latin1", "set names utf8mb4 collate utf8mb4_bin", "set collation_connection = latin1_german1_ci",
                         "set character_set_connection = latin1", "set names latin1", "set character_set_results = null", "set wait_timeout = 1000", ("reset",))
        for step in (sql, "select 'x', collation('x'), @@character_set_client, @@character_set_results, @@wait_timeout", "select count(*) from t0")],
    "two statements with the same words": [
        ("twins", "select id, a from t0 where id > ? order by id", (0,)), "select found_rows()", ("twins", "select row_count(), found_rows(), id from t0", ()), ("twin_data", 100),
        "insert into t0 (a) values (1)", ("twins", "select row_count() union all select last_insert_id()", ())],
    "found rows of a cursor": [
        ("prepare", 1, "select id from t0 order by id"), ("cursor", 1, ()), "set @b = 1", "select found_rows()"],
    "a text means what it meant at its PREPARE": [
        "use diff_b", "prepare te from 'select count(*), database() from t0'", "use diff_a", "execute te", "select database(), count(*) from t0",
        "set sql_mode = 'PIPES_AS_CONCAT'", "prepare te from 'select 1 || 2'", "set sql_mode = ''", "execute te", "select 1 || 2",
        "set sql_mode = 'NO_BACKSLASH_ESCAPES'", "prepare te from 'select ''a\\b'''", "set sql_mode = ''", "execute te", "select 'a\\b'",
        "prepare te from 'select \\'it''''s\\', \"q\", ''c\\\\\\\\''", "set @b = 1", "execute te", "set names latin1", "prepare te from 'select collation(''x''), ''\u00e4'''",
        "set names utf8mb4", "execute te", "select collation('x')"],
    "a PREPARE that fails": [
        "prepare te from 'select 1'", "prepare te from 'select 'x''", "execute te", "prepare te from 'selec'", "execute te", "prepare te from 'select 2'", "execute te"],
    "a text has the effects of what it executes": [
        "prepare te from 'select get_lock(''lock0'', 0)'", "execute te", "select is_used_lock('lock0') = connection_id()", "do release_lock('lock0')",
        "prepare te from 'set @@group_concat_max_len = 78'", "execute te", "set @b = 1", "select @@group_concat_max_len", ("reset",),
        "prepare te from 'set @a := 8'", "execute te", "select @a", ("reset",),
        "prepare te from 'create temporary table tpt (a int)'", "execute te", "select * from tpt", "drop temporary table tpt", "select * from tpt"],
    "a temporary table is dropped where it is": [
        "create temporary table tpt (a int)", "use diff_b", "drop temporary table if exists tpt", "set sql_notes = 0", "drop temporary table if exists tpt", "set sql_notes = 1", "use diff_a", "select * from tpt",
        "create temporary table diff_b.`tpt` (a int)", "drop table diff_b.tpt", "select * from tpt", "drop table tpt", "select * from tpt"],
    "prepared before a SET that nobody is told of": [
        ("prepare", 1, "select 'x' \"y\""), "prepare te from 'select 1 || 2'", "set @b = 1", "begin", "set sql_mode = 'ANSI'", "commit", ("execute", 1, ()), "execute te", "select 1 || 2"],
    "a transaction outlives the error of a PREPARE": [
        ("prepare", 1, "update t0 set a = ? where id = ?"), "prepare te from 'update t0 set a = 1'", "start transaction read only", ("execute", 1, (1, 2)), "select @@in_transaction", "show warnings", "execute te",
        "insert into t0 (a) values (5)", "select @@in_transaction", "deallocate prepare te", "execute te", "commit", ("execute", 1, (8, 2)), "select * from t0 order by id", "start transaction read only",
        ("execute", 1, (1, 2)), "select row_count(), found_rows(), last_insert_id()", "rollback", "create table diff_b.gone (a int)", ("prepare", 1, "select * from diff_b.gone where a > ?"),
        "prepare te from 'select * from diff_b.gone'", "drop table diff_b.gone", "begin", "insert into t0 (a) values (7)", ("execute", 1, (1,)), "execute te", "select @@in_transaction", "rollback",
        "select count(*) from t0", ("execute", 1, (1,)), "select row_count(), found_rows(), last_insert_id()", "execute te", "set autocommit = 0", ("execute", 1, (1,)), "insert into t0 (a) values (8)",
        ("execute", 1, (1,)), "execute te", "rollback", "set autocommit = 1", "select count(*) from t0"],
    "warnings outlive what has no table": [  # the noise has two statements ahead of some steps: not ahead of a CALL
        "select * from t0 limit 2", "handler diff_a.t0 open as h", "handler h close", "handler h read first", "call diff_a.p_mode()", "show warnings", "select found_rows()", "select * from t0",
        *(step for n in range(8) for step in ("select * from nowhere", "show warnings")), "select * from nowhere", "do 1", "set @b = 1", "show warnings"],
    "what a function set in a transaction": [
        "begin", "select diff_a.f_set()", "select @a", "begin", "set local lc_time_names = default", "select @@in_transaction", "rollback", "set autocommit = 1", "select @a", "select count(*) from t0", "select @a"],
    "a statement's reset forgets the number of warnings": [
        ("prepare", 2, "drop temporary table if exists pst"), ("execute", 2, ()), ("stmt_reset", 2), ("ping",), "show warnings", ("prepare", 1, "set sql_mode = ?"), ("execute", 1, ("text",)),
        ("stmt_reset", 1), ("option", 1), ("stmt_reset", 2), "show warnings", ("stmt_reset", 2)],
    "types of parameters that another connection heard": [
        ("prepare", 1, "select row_count() as r, ?"), *(step for n in range(4) for step in (("execute", 1, (2.5,)), "begin", ("execute", 1, (2.5,)), "commit", ("execute", 1, (-9,)), ("again", 1, (-9,)), "begin",
                                                                                       ("again", 1, (7,)), "do 1", "rollback", ("again", 1, ("x",)), ("again", 1, (-9,)), "set @b = 1"))],
    "triggers see LAST_INSERT_ID()": [
        "insert into k0 values (1, 'x'), (2, 'y')", "insert into t0 (a) values (1)", "update k0 set v = 'u' where k = 1", "select * from k0 order by k", "select last_insert_id(77)",
        ("prepared", "update k0 set v = ? where k = 2", ("p",)), "select * from k0 order by k", "delete from k0 where k = 1", "select @gone"],
}

NO_TRACKERS = ["prepared statements tell of what ran elsewhere", "so do those of text", "two statements with the same words", "found rows of a cursor",
               "prepared before a SET that nobody is told of", "a text means what it meant at its PREPARE", "a PREPARE that fails",
               "warnings outlive what has no table", "types of parameters that another connection heard",
               "a statement's reset forgets the number of warnings", "a text that is prepared anew for one value tells the other, too"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_found(kind, request, proxy):
    server = server_of(kind, request)
    arena = differential.Arena(server, None, proxy)
    maker = differential.Maker(0, 0, kind == "mariadb")
    wrong = []
    for what in FOUND if kind == "mariadb" else NO_TRACKERS:
        session = differential.Session(server, maker, FOUND[what], wire.BASIC if "function" in what else wire.MODERN)
        direct, proxied = arena.run_alone(session, session.steps)
        at = differential.first_difference(direct, proxied)
        if at is not None:
            step = session.steps[min(at, len(session.steps) - 1)]
            wrong += [f"{what}: step {at}, {step!r}:", *differential.unlike(direct[at:at + 1], proxied[at:at + 1])]
    assert not wrong, "\n".join(wrong)


# ---- random sessions: last, since MariaDB 10.11 may be left with a file that keeps their schemas from being dropped --------


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_sessions_answer_as_directly_for_minutes(kind, request, proxy):
    play(kind, request, proxy, float(os.environ.get("SOAK_SECONDS", "180")), str(random.SystemRandom().randrange(10**6)))


@pytest.mark.parametrize("kind", KINDS)
def test_sessions_answer_as_directly(kind, request, proxy):
    play(kind, request, proxy, SECONDS, KINDS[kind])
