"""When connections are opened, shared, reset, kept and given up; the limits; what is pinned and why."""
import re
import threading
import time

import pymysql
import pytest

import daemon
import servers
import wire
from servers import wait_for
from wire import Wire


def conf(server, **more) -> str:
    return daemon.sqlproxy_conf([("db1", server.address, "primary")], **more)


def link(front, user=servers.APP, db="demo", **more) -> Wire:
    return Wire(("127.0.0.1", front.port), *user, db, **more)


def backend(client) -> str:
    """The server connection that answers now."""
    return client.value("select @@pseudo_thread_id")


def threads(server, user="app") -> set:
    return {row[0] for row in server.query(f"select id from information_schema.processlist where user = '{user}'")}


def logins(server) -> int:
    return int(server.query("show global status like 'Connections'")[0][1])


def figure(front, name: str) -> int:
    return next(row["value"] for row in front.admin("SHOW STATS") if row["name"] == name)


# ---- sharing -------------------------------------------------------------------------


def test_many_clients_share_few_connections(pair, proxy):
    front = proxy(conf(pair.writer, pool=4))
    clients = [link(front) for _ in range(100)]
    most = 0
    for n in range(300):
        assert clients[n % 100].value(f"select {n}") == str(n)
        if n % 50 == 0:
            most = max(most, len(threads(pair.writer)))
    assert 1 <= most <= 4
    for client in clients:
        client.quit()


def test_pool_grows_to_max_and_no_further(pair, proxy):
    front = proxy(conf(pair.writer, pool=3, database="queue_timeout = 20s"))
    clients = [link(front) for _ in range(12)]
    for client in clients:
        client.ask(wire.COM_QUERY, b"select sleep(0.1), @@pseudo_thread_id")
    used = {client.reply().rows[0][1] for client in clients}
    assert len(used) == 3
    assert len(threads(pair.writer)) == 3
    for client in clients:
        client.quit()


def test_initial_connections_are_there_before_the_first_client(pair, proxy):
    front = proxy(conf(pair.writer, database="initial = 3\nmin = 2\nidle_timeout = 300ms"))
    wait_for("three connections", lambda: len(threads(pair.writer)) == 3)
    wait_for("all but the minimum to go", lambda: len(threads(pair.writer)) == 2)
    with link(front) as client:
        assert client.value("select 1") == "1"


def test_idle_connections_go(pair, proxy):
    front = proxy(conf(pair.writer, database="idle_timeout = 300ms"))
    with link(front) as client:
        client.query("set @a = 5")
        first = backend(client)
        wait_for("the connection to go", lambda: not threads(pair.writer))
        assert client.value("select @a") == "5"
        assert backend(client) != first


def test_max_uses(pair, proxy):
    front = proxy(conf(pair.writer, pool=1, database="max_uses = 3"))
    with link(front) as client:
        used = [backend(client) for _ in range(9)]
    assert len(set(used)) in (3, 4) and sorted(used, key=int) == used
    assert all(used.count(one) <= 3 for one in used)


def test_max_lifetime(pair, proxy):
    front = proxy(conf(pair.writer, pool=1, database="max_lifetime = 500ms"))
    with link(front) as client:
        first = backend(client)
        assert backend(client) == first
        wait_for("another connection", lambda: backend(client) != first, 5)
        client.query("begin")
        second = backend(client)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            assert backend(client) == second, "a transaction lost its connection to its age"
        client.query("commit")


def test_reserve_helps_those_who_wait(pair, proxy):
    front = proxy(conf(pair.writer, pool=1, database="reserve = 1\nreserve_after = 200ms\nqueue_timeout = 10s"))
    with link(front) as holder, link(front) as other:
        holder.query("begin")
        holder.query("select 1")
        start = time.monotonic()
        assert other.value("select 7") == "7"
        assert 0.15 < time.monotonic() - start < 5


def test_limit_of_a_server_over_all_pools(pair, proxy):
    text = daemon.sqlproxy_conf([("db1", pair.writer.address, "primary", "max_connections = 2")], users=[servers.APP, servers.EMPTY],
                                pool=10, database="queue_timeout = 300ms")
    front = proxy(text)
    held = [link(front), link(front, servers.EMPTY)]
    for client in held:
        client.query("begin")
        assert not client.query("select 1").error
    with link(front) as client:
        assert client.query("select 1").error[0] == 1040
    held[1].query("commit")
    with link(front) as client:  # an idle connection of another user gives way
        assert client.value("select 1") == "1"
    for client in held:
        client.quit()


def test_limit_of_a_user(pair, proxy):
    front = proxy(conf(pair.writer, pool=10, users=[], extra="[user app]\npassword = secret\nmax_connections = 1\nmax_clients = 3\n",
                       database="queue_timeout = 300ms"))
    first, second, third = link(front), link(front), link(front)
    first.query("begin")
    assert not first.query("select 1").error
    assert second.query("select 1").error[0] == 1040
    with pytest.raises(wire.ServerError) as why:
        link(front)
    assert why.value.code in (1040, 1203, 1226), why.value
    third.quit()
    wait_for("room for a third", lambda: can_enter(front))
    first.quit()
    second.quit()


def entered(front):
    """A client, or None where there is no room."""
    try:
        return link(front)
    except (wire.ServerError, wire.Closed, OSError):
        return None


def can_enter(front) -> bool:
    client = entered(front)
    if client:
        client.quit()
    return client is not None


def test_limits_of_clients(pair, proxy):
    front = proxy(conf(pair.writer, top="max_clients = 4"))
    crowd = [link(front) for _ in range(4)]
    with pytest.raises(wire.ServerError) as why:
        link(front)
    assert why.value.code == 1040
    crowd.pop().quit()
    wait_for("room", lambda: can_enter(front))
    front.reload(conf(pair.writer, top="max_clients = 100\nmax_clients_per_ip = 5"))
    front.wait_log("reloaded ")
    crowd += [wait_for("room for one more", lambda: entered(front)) for _ in range(2)]
    with pytest.raises(wire.ServerError):
        link(front)
    for client in crowd:
        client.quit()


# ---- what stays with a client, and what does not ------------------------------------------


def pins(front) -> str:
    return " ".join(str(v) for row in front.admin("SHOW PINS") for v in row.values())


PINNED = [
    ("a transaction", ["begin", "select 1"], ["commit"], "trx|transaction"),
    ("table locks", ["lock tables pinned read"], ["unlock tables"], "lock"),
    ("a named lock", ["select get_lock('pin', 0)"], ["select release_lock('pin')"], "lock"),
    ("a temporary table", ["create temporary table pt (a int)"], ["drop temporary table pt"], "temp"),
    ("a temporary table by select", ["create temporary table pt as select 1"], ["drop table pt"], "temp"),
    ("an open handler", ["handler pinned open"], ["handler pinned close"], "handler"),
    ("the next transaction's isolation", ["set transaction isolation level serializable"], ["begin", "commit"], "trx|transaction|next"),
    ("warnings", ["select 1/0 + cast('x' as signed)"], ["select 1 from pinned"], "warn"),
]


@pytest.mark.parametrize("what,start,end,reason", PINNED, ids=[p[0] for p in PINNED])
def test_pinned_and_let_go(pair, proxy, what, start, end, reason):
    front = proxy(conf(pair.writer, pool=1, database="queue_timeout = 300ms"))
    pair.writer.script("create or replace table demo.pinned (a int)")
    with link(front) as client, link(front) as other:
        for sql in start:
            assert not client.query(sql).error, sql
        assert re.search(reason, pins(front), re.I), pins(front)
        if reason != "warn":  # these yield to others after a while
            assert other.query("select 1").error, f"{what}: the connection was given away"
        for sql in end:
            assert not client.query(sql).error, sql
        assert other.value("select 2") == "2", f"{what}: not given back; {pins(front)}"
        assert not front.admin("SHOW PINS")


NOT_PINNED = ["set @a = 1, @b = 'x'", "set names latin1", "set sql_mode = 'ANSI', time_zone = '+01:00'", "use shop", "set autocommit = 0", "insert into free (a) values (1)",
              "select @a, @b", "select sql_calc_found_rows 1 limit 0", "prepare p from 'select ?'", "set session group_concat_max_len = 99", "select * from free", "truncate free", "set statement sql_mode = '' for select 1",
              "create or replace table freed (a int)", "select last_insert_id()", "flush tables"]


@pytest.mark.parametrize("sql", NOT_PINNED)
def test_not_pinned(pair, proxy, sql):
    front = proxy(conf(pair.writer, pool=1, database="queue_timeout = 300ms"))
    pair.writer.script("create or replace table demo.free (id int auto_increment primary key, a int)")
    with link(front) as client, link(front) as other:
        client.query(sql)
        client.query("select 'anything else'")
        assert other.value("select 2") == "2", pins(front)


def test_state_does_not_leak(pair, proxy):
    """One server connection, two clients in turn: neither sees anything of the other."""
    front = proxy(conf(pair.writer, pool=1))
    with link(front) as a, link(front) as b:
        for round_ in range(3):
            for sql in ("set @leak = 'secret'", "set sql_mode = 'ANSI'", "set names latin1", "set time_zone = '+05:00'", "use shop",
                        "set session group_concat_max_len = 77", "prepare leak from 'select 1'", "set last_insert_id = 4711", "set foreign_key_checks = 0"):
                assert not a.query(sql).error
            assert b.rows("select @leak, @@sql_mode like '%ANSI%', @@character_set_client, @@time_zone, database(), @@group_concat_max_len = 77, "
                          "last_insert_id() = 4711, @@foreign_key_checks") == [[None, b"0", b"utf8mb4", b"SYSTEM", b"demo", b"0", b"0", b"1"]]
            assert b.query("execute leak").error[0] == 1243
            assert a.rows("select @leak, @@sql_mode like '%ANSI%', @@character_set_client, @@time_zone, database(), @@group_concat_max_len, last_insert_id(), "
                          "@@foreign_key_checks") == [[b"secret", b"1", b"latin1", b"+05:00", b"shop", b"77", b"4711", b"0"]]
            assert not a.query("execute leak").error
            a.command(wire.COM_RESET_CONNECTION)  # a variable set under another character set than the first would pin


def test_transactions_that_only_read_leave_no_trace(pair, proxy):
    """No reset when others take the connection over: it would forget all prepared statements."""
    front = proxy(conf(pair.writer, pool=1))
    pair.writer.script("create or replace table demo.traceless (id int primary key)", "insert into demo.traceless values (1)")
    with link(front) as a, link(front) as b:
        statements = {client: client.prepare("select id from traceless where id = ?").statement for client in (a, b)}
        prepared = int(pair.writer.query("show global status like 'Com_stmt_prepare'")[0][1])
        resets = figure(front, "resets")
        for _ in range(20):
            for client in (a, b):
                client.query("begin")
                assert client.execute(statements[client], (1,)).rows
                assert client.value("select id from traceless") == "1"
                client.query("commit")
        assert figure(front, "resets") == resets
        assert int(pair.writer.query("show global status like 'Com_stmt_prepare'")[0][1]) - prepared <= 1


@pytest.mark.parametrize("end", ["commit", "rollback", "create or replace table ended (a int)"])
def test_state_that_a_view_sets_in_a_transaction_does_not_leak(pair, proxy, end):
    """Nothing in the statement's text says that a function runs, and within a transaction only the next OK tells: the session keeps its
    connection from then on, and the next client finds nothing on it."""
    front = proxy(conf(pair.writer, pool=1))
    pair.writer.script("create or replace function demo.sets_state() returns int begin set @hidden = 'secret'; return 1; end",
                       "create or replace view demo.looks_harmless as select demo.sets_state() as a")
    for _ in range(3):
        with link(front) as a:
            a.query("begin")
            assert a.value("select a from looks_harmless") == "1"
            assert not a.query(end).error
            assert a.value("select @hidden") == "secret"
        with link(front) as b:
            assert b.rows("select @hidden") == [[None]]


@pytest.mark.parametrize("start", ["begin", "set autocommit = 0"])
@pytest.mark.parametrize("opener", ["select id from atomic limit 2", "select id from atomic where id = 1 for update", "insert into atomic (a) values (77)"])
def test_nothing_ends_a_transaction_behind_a_clients_back(pair, proxy, start, opener):
    """What is re-applied in the middle of a transaction (user variables, ids) leaves its snapshot, locks and writes as they are."""
    front = proxy(conf(pair.writer, pool=1, database="queue_timeout = 50ms"))
    pair.writer.script("create or replace table demo.atomic (id int auto_increment primary key, a int) engine = innodb",
                       "insert into demo.atomic (a) values (1), (2)")
    with link(front) as a, link(front) as b:
        for sql in ("select found_rows()", "select last_insert_id()", "select @c", "select row_count()", "select @c, last_insert_id(), found_rows()"):
            a.query("set @c = 1.5, @a := true")
            b.query("set names latin1")
            assert not a.query(start).error
            b.query("set @c = 10")
            assert not a.query(opener).error
            reply = a.query(sql)
            assert not reply.error and reply.results[0].status & wire.IN_TRANS, sql
            assert pair.writer.value("select count(*) from demo.atomic where a = 77") == 0, sql
            a.query("rollback")
            a.query("set autocommit = 1")
        assert b.value("select count(*) from atomic") == "2"


def test_prepared_statements_move_with_their_client(pair, proxy):
    """More statements than a connection keeps, over all connections, never more than its share on the server."""
    front = proxy(conf(pair.writer, pool=2, database="prepared = 10"))
    before = int(pair.writer.query("show global status like 'Prepared_stmt_count'")[0][1])
    with link(front) as a, link(front) as b:
        mine = {client: [client.prepare(f"select {n}, ?, '{name}'").statement for n in range(40)] for name, client in (("a", a), ("b", b))}
        for n in list(range(40)) * 2:
            for name, client in (("a", a), ("b", b)):
                row = client.execute(mine[client][n], (n * 10,)).rows[0][0]
                assert row.endswith(name.encode()), row
        count = int(pair.writer.query("show global status like 'Prepared_stmt_count'")[0][1]) - before
        assert count <= 2 * 10 + 2, f"{count} statements on the server"


@pytest.mark.parametrize("cursor", [0, 1])
def test_statements_of_another_schema_do_not_pin(pair, proxy, cursor):
    """MariaDB tells of a change of state when it goes there and back."""
    front = proxy(conf(pair.writer, pool=1, database="queue_timeout = 300ms"))
    pair.writer.script("create or replace table demo.there (a int)")
    with link(front, caps=wire.MODERN) as client, link(front) as other:
        statement = client.prepare("select a from there").statement
        client.query("use shop")
        for _ in range(3):
            assert not client.execute(statement, cursor=cursor).error
            client.command(wire.COM_STMT_RESET, statement.to_bytes(4, "little"))
            assert not front.admin("SHOW PINS")
            assert other.value("select 2") == "2"
        assert figure(front, "resets") == 0


def test_long_data_begins_where_others_were(pair, proxy):
    """What goes ahead of a command that has no answer is answered before its next one, or behind it."""
    front = proxy(conf(pair.writer, pool=1))
    pair.writer.script("create or replace table demo.longs (id int auto_increment primary key, a int)")
    with link(front) as a, link(front) as b:
        statement = a.prepare("select concat(length(?), @@time_zone)").statement
        assert a.execute(statement, (b"first",)).rows[0][0].endswith(b"5SYSTEM")
        for pause in (0, 0.05):
            assert not b.query("set time_zone = '+01:00'").error
            assert not b.query("insert into longs (a) values (1)").error
            for piece in (b"xx", b"y" * 300_000):
                a.command(wire.COM_STMT_SEND_LONG_DATA, statement.to_bytes(4, "little") + b"\0\0" + piece)
                time.sleep(pause)
            assert a.execute(statement, (b"",), long_data=(0,)).rows[0][0].endswith(b"300002SYSTEM")
            a.command(wire.COM_STMT_RESET, statement.to_bytes(4, "little"))
            assert b.value("select last_insert_id() > 0") == "1"


def test_statements_that_are_closed_go_from_the_server(pair, proxy):
    """Prepare, execute once, close: nothing stays behind."""
    front = proxy(conf(pair.writer, pool=1))
    count = lambda: int(pair.writer.query("show global status like 'Prepared_stmt_count'")[0][1])
    before = count()
    with link(front) as client:
        for n in range(300):
            statement = client.prepare(f"select {n}").statement
            client.execute(statement)
            client.command(wire.COM_STMT_CLOSE, statement.to_bytes(4, "little"))
        client.query("select 1")
        assert count() - before < 210
    wait_for("few to stay", lambda: count() - before < 210)


def test_close_and_next_command_do_not_wait_for_each_other(pair, proxy):
    """No 40 ms of Nagle and delayed acknowledgement."""
    front = proxy(conf(pair.writer))
    with link(front) as client:
        start = time.monotonic()
        for n in range(50):
            statement = client.prepare("select ?").statement
            client.execute(statement, (n,))
            client.command(wire.COM_STMT_CLOSE, statement.to_bytes(4, "little"))
        assert time.monotonic() - start < 1.0


@pytest.mark.parametrize("mode", ["session", "statement"])
def test_other_modes(pair, proxy, mode):
    front = proxy(conf(pair.writer, pool=1, database=f"mode = {mode}\nqueue_timeout = 300ms"))
    with link(front) as client, link(front) as other:
        assert client.value("select 1") == "1"
        if mode == "session":
            assert other.query("select 1").error[0] == 1040
            client.query("set @a := (select 5)")
            assert client.value("select @a") == "5"
        else:
            assert other.value("select 1") == "1"
            error = client.query("begin").error
            assert error, "a transaction in statement mode"
            assert other.value("select 1") == "1"
    if mode == "session":
        with link(front) as client:
            assert client.value("select @a") is None


@pytest.mark.parametrize("reset", ["always", "dirty", "never"])
def test_reset_modes(pair, proxy, reset):
    front = proxy(conf(pair.writer, pool=1, database=f"reset = {reset}"))
    with link(front) as a, link(front) as b:
        for _ in range(5):
            assert a.value("select 1") == "1"
            assert b.value("select 2") == "2"
            a.query("set @x := 1 + 1")
            a.command(wire.COM_RESET_CONNECTION)
            assert a.value("select @x") is None


def test_init_statement(pair, proxy):
    front = proxy(conf(pair.writer, pool=2, database="init = SET SESSION innodb_lock_wait_timeout = 23"))
    with link(front) as a, link(front) as b:
        for client in (a, b, a):
            assert client.value("select @@innodb_lock_wait_timeout") == "23"
            client.command(wire.COM_RESET_CONNECTION)


def test_alias_of_a_database(pair, proxy):
    front = proxy(conf(pair.writer, extra="[database front]\nservers = db1\nname = shop\n"))
    pair.writer.script("create table if not exists shop.only_here (a int)")
    with link(front, db="front") as client:
        assert not client.query("select * from only_here").error
        client.query("use demo")
        assert client.value("select database()") == "demo"
        assert not client.query("use front").error
        assert not client.query("select * from only_here").error
        assert not client.command(wire.COM_INIT_DB, b"front").error


# ---- time-outs and rules ------------------------------------------------------------------


def test_query_timeout(pair, proxy):
    front = proxy(conf(pair.writer, database="query_timeout = 300ms"))
    with link(front) as client:
        start = time.monotonic()
        reply = client.query("select sleep(20)")
        assert time.monotonic() - start < 5
        assert reply.error or reply.rows == [[b"1"]], reply.results
        assert client.value("select 'well'") == "well"


def test_idle_transaction_timeout(pair, proxy):
    front = proxy(conf(pair.writer, pool=1, database="idle_transaction_timeout = 300ms\nqueue_timeout = 5s"))
    pair.writer.script("create or replace table demo.forgotten (a int)")
    client = link(front)
    client.query("begin")
    client.query("insert into forgotten values (1)")
    with link(front) as other:
        assert other.value("select count(*) from forgotten") == "0"
    try:
        assert client.query("select 1").error
    except (wire.Closed, OSError):
        pass
    client.close()


def test_client_idle_timeout(pair, proxy):
    front = proxy(conf(pair.writer, top="client_idle_timeout = 400ms"))
    busy, idle = link(front), link(front)
    idle.sock.settimeout(10)
    for _ in range(20):
        assert busy.value("select sleep(0.05)") == "0"
    while idle.sock.recv(4096):
        pass
    assert busy.value("select 1") == "1"
    busy.quit()
    idle.close()


def test_rules(pair, proxy):
    rules = ("[rule nodrop]\nmatch = ^drop (table|database)\nerror = not through the proxy\n"
             "[rule report]\nmatch = from +big_report\nroute = replica\ntimeout = 300ms\n"
             "[rule mine]\nmatch = select @@server_id, 'mine'\nserver = db2\nuser = app\n")
    front = proxy(daemon.pair_conf(pair, extra=rules, split=False))
    pair.writer.script("create table if not exists demo.big_report (a int)")
    pair.settle()
    with link(front) as client:
        error = client.query("DROP  TABLE big_report").error
        assert error and "not through the proxy" in error[2]
        assert client.value("select @@server_id") == str(pair.writer.server_id)
        assert client.value("select @@server_id, 'mine'") == str(pair.replica.server_id)
        assert client.value("select @@server_id from big_report union select @@server_id") == str(pair.replica.server_id)


def test_load_data_local_can_be_refused(pair, proxy):
    front = proxy(conf(pair.writer, users=[], extra="[user app]\npassword = secret\nlocal_infile = no\n"))
    with link(front) as client:
        client.files = {b"x": [b"1\n"]}
        client.query("create table if not exists refused_local (a int)")
        error = client.query("load data local infile 'x' into table refused_local").error
        assert error and error[0] in (1148, 4166, 1290, 3948), error
        assert client.value("select count(*) from refused_local") == "0"


def test_server_cannot_ask_for_files_on_its_own(proxy):
    """A (fake) server that answers a select with a request for a file: the client never sees it."""
    import fake_mysql

    class Greedy(fake_mysql.Talk):
        def query(self, sql, more):
            if "give" in sql:
                self.send(b"\xfb/etc/passwd")
                self.read()
            super().query(sql, more)

    talk, fake_mysql.Talk = fake_mysql.Talk, Greedy
    try:
        with fake_mysql.FakeMySQL({"app": "secret", "monitor": "watch"}, cached=("app", "monitor")) as fake:
            front = proxy(conf(fake))
            client = link(front, db=None)
            asked = []
            client.send_file = lambda reply, name: asked.append(name) or False
            try:
                client.query("select 'give'")
            except (wire.Closed, OSError):
                pass
            assert not asked
            client.close()
    finally:
        fake_mysql.Talk = talk


# ---- KILL -----------------------------------------------------------------------------------


def test_kill_means_the_client_that_it_names(pair, proxy):
    """Ids are the proxy's: KILL reaches the right session whatever connection it is on, and no other."""
    front = proxy(conf(pair.writer, pool=3))
    victim, killer, others = link(front), link(front), [link(front) for _ in range(5)]
    number = victim.greeting.thread_id
    assert victim.value("select connection_id()") == str(number)
    victim.ask(wire.COM_QUERY, b"select sleep(33)")
    wait_for("the sleeper", lambda: pair.writer.value("select count(*) from information_schema.processlist where info = 'select sleep(33)'"))
    assert not killer.query(f"KILL QUERY {number}").error
    reply = victim.reply()
    assert reply.error and reply.error[0] == 1317 or reply.rows == [[b"1"]]
    assert victim.value("select 'alive'") == "alive"
    killer.command(wire.COM_PROCESS_KILL, number.to_bytes(4, "little"))
    with pytest.raises((wire.Closed, OSError, AssertionError)):
        while True:
            assert not victim.query("select 1").error
            time.sleep(0.01)
    for one in others + [killer]:
        assert one.value("select 'well'") == "well"
        one.quit()
    victim.close()


def test_kill_of_another_users_client_is_refused(pair, proxy):
    front = proxy(conf(pair.writer, users=[servers.APP, servers.EMPTY]))
    with link(front) as victim, link(front, servers.EMPTY) as stranger:
        error = stranger.query(f"kill {victim.greeting.thread_id}").error
        assert error and error[0] in (1094, 1095), error
        assert victim.value("select 1") == "1"


# ---- the console ------------------------------------------------------------------------------


SHOWS = ["POOLS", "SERVERS", "CLIENTS", "BACKENDS", "PINS", "DIGESTS", "RULES", "CONFIG", "STATS", "LISTENERS", "USERS", "VERSION"]


@pytest.mark.parametrize("what", SHOWS)
def test_console_shows(pair, proxy, what):
    front = proxy(daemon.pair_conf(pair))
    with link(front) as client:
        client.query("begin")
        client.query("select 1")
        front.admin(f"SHOW {what}")
        front.admin(f"show {what.lower()} like '%a%'")
        front.admin(f"SELECT * FROM {what.lower()}")
        assert not re.search(r"\bsecret\b|\bwatch\b", str(front.admin(f"SHOW {what}"))), "a password is shown"


def test_console_with_the_mariadb_client(pair, proxy):
    import subprocess
    front = proxy(daemon.pair_conf(pair))
    words = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{front.admin_port}", "-uadmin", "-padmin", "-t", "-e"]
    done = subprocess.run([*words, "select @@version_comment limit 1; show servers; show pools; explain route 'select 1'; explain route 'insert into t values (1)'; status"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "db1" in done.stdout and "db2" in done.stdout and re.search("(?i)replica", done.stdout)
    bad = subprocess.run([*words, "SHOW NONSENSE"], capture_output=True, text=True)
    assert bad.returncode == 1 and "ERROR" in bad.stderr
    wrong = subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{front.admin_port}", "-uadmin", "-pwrong", "-e", "show pools"], capture_output=True, text=True)
    assert wrong.returncode == 1


def test_console_user_that_may_only_look(pair, proxy):
    front = proxy(daemon.pair_conf(pair, top="stats_user = looker\nstats_password = looks"))
    with pymysql.connect(host="127.0.0.1", port=front.admin_port, user="looker", password="looks") as console, console.cursor() as cursor:
        cursor.execute("SHOW POOLS")
        for sql in ("PAUSE", "SHUTDOWN", "RELOAD", "KILL 1"):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(sql)


def test_pause_and_resume(pair, proxy):
    front = proxy(conf(pair.writer, database="queue_timeout = 20s"))
    with link(front) as client:
        assert client.value("select 1") == "1"
        front.admin("PAUSE")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.value("select 2")))
        asking.start()
        front.wait_admin("SHOW POOLS", lambda rows: any(str(row.get("waiting")) == "1" for row in rows))
        assert not answers
        front.admin("RESUME")
        asking.join(10)
        assert answers == ["2"]


def test_console_kills_a_client(pair, proxy):
    front = proxy(conf(pair.writer))
    client = link(front)
    front.admin(f"KILL {client.greeting.thread_id}")
    with pytest.raises((wire.Closed, OSError, AssertionError)):
        for _ in range(100):
            assert not client.query("select 1").error
            time.sleep(0.01)
    client.close()


def test_server_drained_by_the_console(pair, proxy):
    front = proxy(daemon.pair_conf(pair))
    with link(front) as client:
        wait_for("reads at the replica", lambda: client.value("select @@server_id") == str(pair.replica.server_id))
        front.admin("DRAIN db2")
        wait_for("reads at the writer", lambda: client.value("select @@server_id") == str(pair.writer.server_id))
        front.admin("RESUME db2")
        wait_for("reads at the replica again", lambda: client.value("select @@server_id") == str(pair.replica.server_id))


def test_new_logins_are_few(pair, proxy):
    """Connect, query, quit a hundred times: the server sees a handful of logins."""
    front = proxy(conf(pair.writer, pool=4, monitor="interval = 30s"))
    link(front).quit()
    before = logins(pair.writer)
    for _ in range(100):
        with link(front) as client:
            assert client.value("select 1") == "1"
    assert logins(pair.writer) - before < 10
