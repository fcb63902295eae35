"""What goes wrong around sqlproxy: servers that die, lag, lie and disappear, clients that misbehave.

Tests that kill a server have one of their own; those that only kill
connections share the session's pair.
"""
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import pymysql
import pytest

import daemon
import fake_mysql
import peers
import servers
import wire
from servers import wait_for
from wire import Wire

BENCH = servers.ROOT / "tests" / "bench"
LOST = (2006, 2013, 1053, 1927)  # what a client may hear when its server is gone


def link(front, user=servers.APP, db="demo", **more) -> Wire:
    return Wire(("127.0.0.1", front.port), *user, db, **more)


def one_server(server, role="primary", **more) -> str:
    return daemon.sqlproxy_conf([("db1", server.address, role)], **more)


def still_serves(front, **more):
    """A new client is served."""
    with link(front, **more) as client:
        assert client.value("select 41 + 1") == "42"


def kill_threads(server, where="user = 'app'") -> int:
    """Kills the pool's connections on the server; their number."""
    ids = [row[0] for row in server.query(f"select id from information_schema.processlist where {where}")]
    with server.connect() as root, root.cursor() as cursor:
        for thread in ids:
            try:
                cursor.execute(f"kill {thread}")
            except pymysql.MySQLError:
                pass
    wait_for("the killed to be gone", lambda: not set(ids) & {
        row[0] for row in server.query("select id from information_schema.processlist")})
    return len(ids)


def busy_thread(server, text: str) -> int:
    """The id of the thread whose statement contains `text`, when there is one."""
    return wait_for(f"a thread that runs {text}", lambda: server.value(
        f"select id from information_schema.processlist where info like '%{text}%' and user = 'app'"))


class Later:
    """A command on its way: its reply, or what it raised, when `wait` returns."""

    def __init__(self, client: Wire, sql: str):
        self.reply = self.failure = None
        client.ask(wire.COM_QUERY, sql.encode())
        self.thread = threading.Thread(target=self.read, args=(client,), daemon=True)
        self.thread.start()

    def read(self, client):
        try:
            self.reply = client.reply()
        except (OSError, wire.Closed) as why:
            self.failure = why

    def wait(self, seconds=15.0):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "no answer, and not closed"
        return self.reply


@pytest.fixture
def own(tmp_path):
    """start(): a MariaDB of the test's own, that may be killed."""
    made = []

    def start(options=(), kind=servers.MariaDB):
        folder = servers.Folder()
        made.append((server := kind(folder, "own", options=options), folder))
        server.start()
        server.accounts()
        return server

    yield start
    for server, folder in made:
        server.kill()
        folder.remove()


# ---- backend connections that die ---------------------------------------------


def test_backend_killed_while_idle(pair, proxy):
    """Nobody notices, and the session's state is there."""
    front = proxy(one_server(pair.writer))
    with link(front) as client:
        client.query("set @a = 5")
        client.query("set sql_mode = 'ANSI'")
        client.query("use shop")
        statement = client.prepare("select ? + @a").statement
        for _ in range(5):
            kill_threads(pair.writer)
            assert client.rows("select @a, @@sql_mode like '%ANSI%', database()") == [[b"5", b"1", b"shop"]]
            kill_threads(pair.writer)
            assert not client.execute(statement, (1,)).error
            kill_threads(pair.writer)
            assert client.command(wire.COM_PING).error is None


def test_backend_killed_in_a_query(pair, proxy):
    """An error, not a closed connection; then the session goes on as it was."""
    front = proxy(one_server(pair.writer))
    with link(front) as client:
        client.query("set @a = 'kept'")
        client.query("set time_zone = '+02:00'")
        asked = Later(client, "do sleep(31)")  # a SELECT may be asked again elsewhere
        pair.writer.query(f"kill {busy_thread(pair.writer, 'do sleep(31)')}")
        reply = asked.wait()
        assert asked.failure is None and reply.error[0] in LOST + (1317,), (asked.failure, reply and reply.results)
        assert client.rows("select @a, @@time_zone") == [[b"kept", b"+02:00"]]


def test_backend_killed_in_a_transaction(pair, proxy):
    """The next statement fails, nothing of the transaction stays, and the one after starts afresh."""
    front = proxy(one_server(pair.writer))
    pair.writer.script("create or replace table demo.killed (a int) engine = innodb")
    with link(front) as client:
        client.query("set @a = 'kept'")
        client.query("begin")
        client.query("insert into killed values (1)")
        kill_threads(pair.writer)
        error = client.query("insert into killed values (2)").error
        assert error and error[0] in LOST, error
        reply = client.query("select count(*), @a from killed")
        assert reply.rows == [[b"0", b"kept"]]
        assert not reply.results[0].status & wire.IN_TRANS
        client.query("begin")
        client.query("insert into killed values (3)")
        client.query("commit")
    assert pair.writer.query("select a from demo.killed") == ((3,),)


def test_backend_lost_in_the_middle_of_a_result(pair, proxy):
    """The client gets an error or a close, never a wrong or endless result."""
    with peers.Relay(("127.0.0.1", pair.writer.port)) as relay:
        front = proxy(one_server(relay))
        sql = "select seq, repeat('r', 100) from seq_1_to_20000"
        for cut in (1, 3, 4, 5, 17, 100, 1000, 65536, 65540, 1000000):
            client = link(front)
            client.query("select 1")
            relay.cut_after(cut)
            try:
                reply = client.query(sql)
                assert reply.error, f"cut after {cut}: a whole result of {len(reply.rows)} rows"
                assert reply.error[0] in (*LOST, 2003), reply.error
                relay.go_on()
                wait_for("the server to be up again", lambda: not client.query("select 'goes on'").error)
            except (wire.Closed, ConnectionError):
                pass
            relay.go_on()
            client.close()
            wait_for("service", lambda: served(front))


def served(front) -> bool:
    try:
        still_serves(front)
        return True
    except (OSError, AssertionError, wire.Closed, wire.ServerError):
        return False


def test_retry_only_what_cannot_have_run(pair, proxy):
    """A write whose connection dies before the answer runs once or not at all."""
    pair.writer.script("create or replace table demo.once (a int) engine = innodb")
    with peers.Relay(("127.0.0.1", pair.writer.port)) as relay:
        front = proxy(one_server(relay))
        for n in range(10):
            with link(front) as client:
                client.query("select 1")
                relay.stall()
                asked = Later(client, f"insert into once values ({n})")
                wait_for("the write", lambda: pair.writer.value(f"select count(*) from demo.once where a = {n}"))
                relay.drop()
                relay.go_on()
                reply = asked.wait()
                assert asked.failure or reply.error, "told that a write went well whose answer was lost"
    assert pair.writer.query("select a, count(*) from demo.once group by a having count(*) > 1") == ()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_server_dies_and_comes_back(own, proxy, how):
    """Clients stay connected; they get errors that name the server, then service."""
    server = own()
    front = proxy(one_server(server, database="queue_timeout = 2s"))
    clients = [link(front) for _ in range(6)]
    clients[0].query("set @a = 'kept'")
    clients[1].query("begin")
    clients[2].query("select 1")
    asked = Later(clients[3], "do sleep(32)")
    busy_thread(server, "sleep(32)")
    getattr(server, how)()
    asked.wait()
    for client in clients[:3]:
        error = client.query("select 1").error
        assert error, "an answer from a dead server"
    error = clients[0].query("select 2").error
    assert error and ("db1" in error[2] or server.address in error[2]), error
    server.start(server.port)
    wait_for("service", lambda: not clients[0].query("select 1").error, 15, step=0.05)
    assert clients[0].value("select @a") == "kept"
    for client in clients[:3] + clients[4:]:
        assert client.value("select 7") == "7"
        client.quit()


@pytest.mark.parametrize("kind", ["mariadb", "mysql56"])
def test_wait_timeout(kind, request, proxy):
    """The server closes connections that idle; clients do not notice."""
    server = request.getfixturevalue("pair").writer if kind == "mariadb" else request.getfixturevalue("mysql56")
    ask = f"select id from information_schema.processlist where user = '{servers.APP[0]}'"
    others = set(server.query(ask))  # of proxies that serve the whole run
    gone = lambda: not set(server.query(ask)) - others
    server.query("set global wait_timeout = 1")
    try:
        front = proxy(one_server(server))
        with link(front) as client:
            client.query("set @a = 3")
            for _ in range(2):
                assert client.value("select @a") == "3"
                wait_for("the server to close its side", gone, 10)
            assert client.value("select @a") == "3"
        pinned = link(front)
        pinned.query("begin")
        wait_for("the server to close the transaction", gone, 10)
        try:
            error = pinned.query("select 1").error
            assert error and error[0] in LOST, error
            assert pinned.value("select 2") == "2"
        except (wire.Closed, ConnectionError):
            pass
        still_serves(front)
    finally:
        server.query("set global wait_timeout = 28800")


def test_error_4031_on_idle_connections(proxy):
    """A fake MySQL 8: its goodbye on an idle connection never reaches a client."""
    with fake_mysql.FakeMySQL({"app": "secret", "monitor": "watch"}, cached=("app", "monitor")) as fake:
        front = proxy(one_server(fake))
        with link(front, db=None) as client:
            for n in range(5):
                assert client.value(f"select {n}") == str(n)
                before = fake.accepted
                fake.expire()
                assert client.value(f"select {n + 10}") == str(n + 10)
                assert fake.accepted > before


# ---- authentication that no server here has --------------------------------------


@pytest.mark.parametrize("way", ["fast", "rsa", "tls"])
def test_caching_sha2_towards_the_server(way, proxy, folder):
    """A fake MySQL 8: known to its cache, by RSA, and over TLS."""
    tls = servers.Certificates(folder) if way == "tls" else None
    users = {"app": "secret", "monitor": "watch"}
    with fake_mysql.FakeMySQL(users, tls=tls, cached=users if way == "fast" else ()) as fake:
        more = ["tls = required"] if tls else []
        front = proxy(daemon.sqlproxy_conf([("db1", fake.address, "primary", *more)]))
        with link(front, db=None) as client:
            assert client.value("select 5") == "5"
        assert all(well for _, well in fake.logins)
        assert {user for user, _ in fake.full_logins} <= set(users)
        if way == "tls":
            assert all(safe for _, safe in fake.full_logins) and fake.full_logins


def test_caching_sha2_server_that_announces_native(proxy):
    """AuthSwitch from native to sha2, as MySQL 8 does for users of its own."""
    users = {"app": "secret", "monitor": "watch"}
    with fake_mysql.FakeMySQL(users, default_plugin=fake_mysql.NATIVE) as fake:
        front = proxy(one_server(fake))
        with link(front, db=None) as client:
            assert client.value("select 5") == "5"


# ---- replicas, promotion, names ---------------------------------------------------


def answered_by(client) -> str:
    return client.value("select @@server_id")


def test_lagging_replica_is_left_out(pair, proxy):
    """Reads go to the writer while the replica is behind, and back when it has caught up."""
    writer, replica = str(pair.writer.server_id), str(pair.replica.server_id)
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary"),
                                        ("db2", pair.replica.address, "replica", "max_lag = 2s")]))
    with link(front) as client:
        wait_for("reads at the replica", lambda: answered_by(client) == replica)
        try:
            pair.replica.script("stop slave", "change master to master_delay = 3600", "start slave")
            pair.writer.script("create or replace table demo.lag (a int)")
            wait_for("reads at the writer", lambda: answered_by(client) == writer, 15)
        finally:
            pair.replica.script("stop slave", "change master to master_delay = 0", "start slave")
        wait_for("reads at the replica again", lambda: answered_by(client) == replica, 15)


def test_stopped_replication_leaves_the_replica_out(pair, proxy):
    writer, replica = str(pair.writer.server_id), str(pair.replica.server_id)
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary"),
                                        ("db2", pair.replica.address, "replica", "max_lag = 2s")]))
    with link(front) as client:
        wait_for("reads at the replica", lambda: answered_by(client) == replica)
        try:
            pair.replica.script("stop slave")
            wait_for("reads at the writer", lambda: answered_by(client) == writer, 15)
        finally:
            pair.replica.script("start slave")
        wait_for("reads at the replica again", lambda: answered_by(client) == replica, 15)


def test_promoted_replica_gets_the_writes(pair, proxy):
    """read_only moves from one server to the other; writes follow without a restart."""
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "auto"), ("db2", pair.replica.address, "auto")]))
    old, new = str(pair.writer.server_id), str(pair.replica.server_id)
    where = "select @@server_id /* troupe:primary */"
    write = lambda client: client.value("/* troupe:primary */ select @@server_id")
    with link(front) as client, link(front) as pinned:
        assert write(client) == old, where
        pinned.query("begin")
        assert answered_by(pinned) == old
        try:
            pair.writer.query("set global read_only = 1")
            pair.replica.query("set global read_only = 0")
            wait_for("writes at the new writer", lambda: write(client) == new, 15)
            assert answered_by(pinned) == old, "a transaction moved"
            pinned.query("commit")
            wait_for("the pinned one's writes there too", lambda: write(pinned) == new, 5)
        finally:
            pair.replica.query("set global read_only = 1")
            pair.writer.query("set global read_only = 0")
        wait_for("writes at the old writer", lambda: write(client) == old, 15)


def test_replica_gone_and_back(own, proxy):
    """Reads go to the writer while the only replica is down; clients see no error once that is known."""
    writer = own()
    replica = own(options=["read-only=1"])
    front = proxy(daemon.sqlproxy_conf([("db1", writer.address, "primary"), ("db2", replica.address, "replica")]))
    with link(front) as client:
        wait_for("reads at the replica", lambda: answered_by(client) == str(replica.server_id))
        replica.kill()
        for _ in range(50):
            assert answered_by(client) == str(writer.server_id)
        replica.start(replica.port)
        wait_for("reads at the replica again", lambda: answered_by(client) == str(replica.server_id), 15)


def test_name_that_cannot_be_looked_up(pair, proxy):
    """One bad name does not stop the others; alone it is named in the error."""
    bad = ("db2", "no-such-host.invalid:3306", "replica")
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary"), bad]))
    still_serves(front)
    front.wait_log(r"no-such-host\.invalid", 10)
    alone = proxy(daemon.sqlproxy_conf([("db9", "no-such-host.invalid:3306", "primary")], database="queue_timeout = 1s"))
    try:
        with link(alone) as client:
            error = client.query("select 1").error
            assert error and ("db9" in error[2] or "no-such-host" in error[2]), error
    except wire.ServerError as why:
        assert "db9" in why.text or "no-such-host" in why.text, why


def test_servers_that_refuse_or_say_nothing(pair, proxy):
    """A dead replica of each kind costs its clients nothing but the first look."""
    for kind in (peers.Refuser, peers.Silent, peers.Closer, lambda: peers.Closer(b"\x0a\0\0\0garbage"),
                 lambda: peers.Closer(b"\xff\xff\xff\0" + b"x" * 100), lambda: peers.Closer(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                 lambda: peers.Closer(wire.frame(fake_mysql.error(1040, "08004", "Too many connections")))):
        with kind() as peer:
            front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary"), ("db2", peer.address, "replica")]))
            with link(front) as client:
                for _ in range(5):
                    assert answered_by(client) == str(pair.writer.server_id)


def test_only_server_silent_or_broken(proxy):
    """Clients hear why, in time."""
    for kind in (peers.Refuser, peers.Silent, lambda: peers.Closer(b"\x05\0\0\0\x0a")):
        with kind() as peer:
            front = proxy(daemon.sqlproxy_conf([("db1", peer.address, "primary")], database="queue_timeout = 1s"))
            start = time.monotonic()
            try:
                with link(front) as client:
                    error = client.query("select 1").error
                assert error and ("db1" in error[2] or peer.address in error[2]), error
            except wire.ServerError as why:
                assert "db1" in why.text or peer.address in why.text, why
            assert time.monotonic() - start < 15


def test_trickling_server(pair, proxy):
    """Every packet arrives in single bytes."""
    with peers.Relay(("127.0.0.1", pair.writer.port)) as relay:
        relay.trickle()
        front = proxy(one_server(relay))
        with link(front) as client:
            client.query("set @a = 1")
            assert client.rows("select @a, 'x' union select 2, null") == [[b"1", b"x"], [b"2", None]]
            statement = client.prepare("select ?, 'prepared'").statement
            assert not client.execute(statement, ("x",)).error
            assert client.query("select * from nowhere").error[0] == 1146


def test_server_that_lies_about_lengths(pair, proxy):
    """A wrong length costs that session only."""
    with peers.Relay(("127.0.0.1", pair.writer.port)) as relay:
        front = proxy(one_server(relay, monitor="interval = 60s"))
        for change in (-1, 1, -3, 200, 0xFFFF):
            client = link(front, timeout=3)
            client.query("select 1")
            relay.lie(change)
            try:
                client.query("select 1, 2, 3")
            except (wire.Closed, OSError, IndexError, struct.error):
                pass
            client.close()
            relay.go_on()
            relay.drop()
            still_serves(front)


# ---- clients that misbehave -------------------------------------------------------


def greeting_of(front) -> tuple:
    """A raw socket that has read the greeting."""
    raw = socket.create_connection(("127.0.0.1", front.port), timeout=10)
    head = raw.recv(4096)
    return raw, wire.Greeting(head[4:])


def login_packet(front) -> bytes:
    """A right login without its salt being right."""
    sample = Wire(("127.0.0.1", front.port), login=False)
    sample.db = "demo"
    packet = wire.frame(sample.head(sample.caps | wire.CONNECT_WITH_DB) + sample.tail(sample.caps | wire.CONNECT_WITH_DB), 1)
    sample.close()
    return packet


def poke(front, data: bytes, more=()) -> bytes:
    """Sends garbage in place of a login, closes our side, and reads what comes until the end."""
    raw, _ = greeting_of(front)
    answer = b""
    try:
        raw.sendall(data)
        for part in more:
            raw.sendall(part)
        raw.shutdown(socket.SHUT_WR)
        while got := raw.recv(65536):
            answer += got
    except OSError:
        pass
    raw.close()
    return answer


def test_garbage_in_place_of_a_login(pair, proxy):
    front = proxy(one_server(pair.writer))
    right = login_packet(front)
    body = right[4:]
    for cut in range(len(right)):
        assert poke(front, right[:cut])[4:5] != b"\0", f"let in after {cut} bytes"
    for cut in range(len(body)):
        assert poke(front, wire.frame(body[:cut], 1))[4:5] != b"\0", f"let in with a login of {cut} bytes"
    for data in (b"", b"\0" * 4, b"\xff" * 4, b"\xff" * 100000, b"GET / HTTP/1.1\r\n\r\n" * 20, b"\0" * 40, wire.frame(b"\x0e"),
                 wire.frame(b"\x03select 1"), wire.frame(b"S"), wire.frame(b"\xff" * 32, 1), wire.frame(b"\0" * 32, 1),
                 wire.frame(struct.pack("<I", 1 << 11) + b"\0" * 28, 1) + b"\x16\x03\x01garbage", wire.frame(body, 7),
                 wire.frame(body, 0), b"\xff\xff\xff\1" + b"a" * 200000, wire.frame(body + b"\xff" * 5000, 1), os.urandom(5000),
                 b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n" + b"\xff" * 50):
        assert poke(front, data)[4:5] != b"\0", data[:60]
    for at in range(4, len(right)):
        poke(front, right[:at] + b"\xff" + right[at + 1:])
    still_serves(front)


def test_garbage_in_the_auth_exchange(pair, proxy):
    """After a wrong plugin the proxy asks to switch; all kinds of answers to that."""
    front = proxy(one_server(pair.writer))
    for answer in (b"", b"x", b"\0", b"\xff" * 20, b"\xfe" * 300, b"a" * 70000):
        raw, greeting = greeting_of(front)
        caps = wire.BASIC & greeting.caps
        head = struct.pack("<IIB", caps & 0xFFFFFFFF, 1 << 24, 45) + b"\0" * 23
        raw.sendall(wire.frame(head + b"app\0" + b"\0" + b"some_other_plugin\0", 1))
        try:
            raw.recv(4096)
            raw.sendall(wire.frame(answer, 3))
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
        except OSError:
            pass
        raw.close()
    still_serves(front)


def test_clients_that_say_nothing_do_not_stay(pair, proxy):
    """A connection that does not log in is closed in time, and costs nobody else."""
    front = proxy(one_server(pair.writer, top="login_timeout = 500ms"))
    quiet = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(50)]
    still_serves(front)
    for raw in quiet:
        raw.settimeout(10)
        while raw.recv(4096):
            pass
        raw.close()


def test_garbage_in_the_command_phase(pair, proxy):
    """Short, long, unknown and wrongly counted commands end at most their own session."""
    front = proxy(one_server(pair.writer))
    u32 = lambda n: struct.pack("<I", n)
    # not COM_QUIT, COM_SHUTDOWN, a binlog dump, a replica's registration, nor COM_REFRESH (its bit 7 is RESET MASTER)
    harmful = (wire.COM_QUIT, wire.COM_REFRESH, 0x08, 0x12, 0x15, 0x1E)
    bodies = [bytes([n]) for n in range(256) if n not in harmful]
    bodies += [bytes([n]) + b"\xff" * size for n in range(256) if n not in harmful for size in (1, 4, 9, 40)]
    bodies += [b"\x17" + u32(1) + b"\0" + u32(1) + b"\xff" * n for n in range(40)]
    bodies += [b"\x18" + u32(1) + b"\0" * n for n in range(4)] + [b"\xfa" + u32(1) + b"\xff" * n for n in range(8)]
    bodies += [b"\x11app\0" + b"\xff" * n for n in (0, 1, 20, 255)] + [b"\x11" + b"a" * 5000, b"\x03" + b"\0" * 100, b"\x03" + b"\xff" * 3000,
                                                                      b"\x03/*" + b"*" * 1000, b"\x03'" + b"\\" * 999, b"\x16" + b"?" * 70000, b"\x02" + b"x" * 1000]
    client = None
    for body in bodies:
        try:
            if client is None:
                client = link(front, timeout=5)
                client.prepare("select ?, ?")
            client.write(body)
            client.write(b"\x0e")  # whatever that did, a ping after it is answered or the end comes
            client.sock.recv(1 << 16)
        except (OSError, wire.Closed):
            pass
        client.close()
        client = None
    for seq in (1, 5, 255):
        odd = link(front)
        odd.write(b"\x03select 1", seq)
        try:
            odd.reply()
        except (OSError, wire.Closed):
            pass
        odd.close()
    still_serves(front)


def test_clients_that_vanish(pair, proxy):
    """Resets and closes at every moment leave no connection behind."""
    front = proxy(one_server(pair.writer, pool=4))
    gone = struct.pack("ii", 1, 0)
    for n in range(40):
        client = link(front)
        client.query("begin")
        client.query("create temporary table gone (a int)")
        client.ask(wire.COM_QUERY, [b"select sleep(0.02)", b"select repeat('x', 5000000)", b"insert into nowhere values (1)",
                                    b"select get_lock('gone', 0)"][n % 4])
        if n % 2:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone)
        client.close()
    with link(front) as client:
        wait_for("the last one's lock to be free", lambda: client.value("select is_free_lock('gone')") == "1")
        assert client.query("select * from gone").error[0] == 1146
    wait_for("no transaction left open", lambda: pair.writer.value("select count(*) from information_schema.innodb_trx") == 0)


def test_client_that_never_reads(pair, proxy):
    """A result of 1 GiB to a client that does not read costs less than 2 MiB, and hinders nobody."""
    front = proxy(one_server(pair.writer, pool=3))
    with link(front) as warm:
        warm.query("select repeat('x', 3000000)")
    before = front.rss()
    slow = link(front, receive_buffer=4096)
    slow.ask(wire.COM_QUERY, b"select seq, repeat('y', 1 << 20) from seq_1_to_1024")
    state = lambda: pair.writer.query("select state from information_schema.processlist where info like '%seq_1_to_1024%' and user = 'app'")
    stable, noise = [], 1 << (19 if daemon.SANITIZED else 16)  # a sanitizer keeps what the monitor frees

    def stalled():
        stable.append(front.rss())
        return len(stable) > 20 and max(stable[-20:]) - min(stable[-20:]) <= noise

    wait_for("the result to stall", stalled, 20, step=0.02)
    grown = max(stable) - before
    assert state(), "the server is through: someone holds the whole result"
    if not daemon.SANITIZED:
        assert grown < 2 << 20, f"grown by {grown} bytes"
    still_serves(front)
    assert slow.read()[:1] == b"\2"
    for _ in range(3):
        slow.read()
    for n in range(20):
        row = slow.read()
        assert len(row) > 1 << 20 and row[-10:] == b"y" * 10
    slow.close()
    wait_for("the server to be told", lambda: not state(), 20)
    still_serves(front)


def test_connection_is_not_left_paused(pair, proxy):
    """A large answer ends while its client does not read: the connection is free, and answers the next one."""
    front = proxy(one_server(pair.writer, pool=1))
    free = lambda: any(row["state"] == "idle" for row in front.admin("SHOW BACKENDS"))
    stalled, size = 0, 500000
    while stalled < 6 and size < 20000000:  # to where the kernel takes no more, and beyond
        size += 60000
        slow = link(front, receive_buffer=4096)
        slow.ask(wire.COM_QUERY, b"select repeat('z', %d)" % size)
        end = time.monotonic() + 0.15
        while not (done := free()) and time.monotonic() < end:
            pass
        if done:
            stalled = 0
            with link(front, timeout=5) as other:
                assert other.value("select 7") == "7", size
        else:
            stalled += 1
        slow.close()


def test_client_that_never_stops_sending(pair, proxy):
    """LOAD DATA LOCAL into a server that does not read: the proxy stops reading too."""
    with peers.Relay(("127.0.0.1", pair.writer.port)) as relay:
        front = proxy(one_server(relay))
        client = link(front)
        before = front.rss()
        relay.stall()  # answers stop, so pipelined commands pile up
        client.sock.settimeout(1.5)
        sent = 0
        try:
            while sent < 64 << 20:
                client.send_raw(wire.frame(b"\x03select '" + b"z" * 100000 + b"'"))
                sent += 100000
        except OSError:
            pass
        assert sent < 64 << 20, "took everything"
        if not daemon.SANITIZED:
            assert front.rss() - before < 2 << 20
        client.close()
        relay.go_on()
        still_serves(front)


@pytest.fixture(scope="session")
def crowd_client(tmp_path_factory):
    """The bench's C client, which can be 10,000 clients."""
    binary = tmp_path_factory.mktemp("client") / "client"
    subprocess.run(["cc", "-O2", "-Wno-deprecated-declarations", "-o", binary, BENCH / "client.c", "-lcrypto", "-lpthread"], check=True)
    return binary


def test_ten_thousand_idle_clients(pair, proxy, crowd_client):
    """They log in, say nothing, and cost less than 2 KiB each of the proxy's own memory, and no CPU."""
    count = 10000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * count:
        count = 500
    front = proxy(one_server(pair.writer, top="max_clients = 20000"))
    still_serves(front)
    before = front.rss()
    crowd = subprocess.Popen([crowd_client, "idle", "127.0.0.1", str(front.port), *servers.APP, str(count)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert crowd.stdout.readline() == f"ready {count}\n"
        each = (front.rss() - before) / count
        cpu = front.cpu_s()
        start = time.monotonic()
        for _ in range(20):
            still_serves(front)
        assert (front.cpu_s() - cpu) < max(0.5, time.monotonic() - start)
        if not daemon.SANITIZED and count == 10000:
            assert each < 2048, f"{each:.0f} bytes each"
    finally:
        crowd.stdin.close()
        crowd.wait()
    wait_for("all to be gone", lambda: len(front.admin("SHOW CLIENTS")) <= 2)


def test_accept_at_the_file_limit(pair, proxy):
    """No descriptor left: new clients wait or are turned away, nobody else suffers, no CPU burns."""
    front = proxy(one_server(pair.writer))
    with link(front) as client:
        used = len(os.listdir(f"/proc/{front.pid}/fd"))
        hard = resource.prlimit(front.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(front.pid, resource.RLIMIT_NOFILE, (used + 8, hard))
        crowd = [socket.create_connection(("127.0.0.1", front.port), timeout=5) for _ in range(40)]
        cpu = front.cpu_s()
        start = time.monotonic()
        while time.monotonic() - start < 1.0:
            assert client.value("select 5") == "5"
            time.sleep(0.02)
        assert front.cpu_s() - cpu < 0.6, "burns CPU at the limit"
        for raw in crowd:
            raw.close()
        wait_for("new clients to be served again", lambda: served(front), 10, step=0.05)


# ---- the queue --------------------------------------------------------------------


def hold(front, count: int) -> list:
    """Clients that hold a server connection each."""
    held = [link(front) for _ in range(count)]
    for client in held:
        assert not client.query("begin").error
        assert not client.query("select 1").error
    return held


def test_queue_timeout_says_what_was_full(pair, proxy):
    front = proxy(one_server(pair.writer, pool=2, database="queue_timeout = 300ms"))
    held = hold(front, 2)
    with link(front) as client:
        code, state, text = client.query("select 1").error
        assert (code, state) == (1040, "08004")
        assert re.fullmatch(rf"troupe: pool app/db1 127\.0\.0\.1:{pair.writer.port} full "
                            r"\(2/2 busy, \d+ waiting, oldest 0\.[34] s\)", text), text
        held[0].query("commit")
        assert client.value("select 2") == "2"
    for one in held:
        one.quit()


def test_queue_is_fair_and_bounded(pair, proxy):
    front = proxy(one_server(pair.writer, pool=1, database="queue_timeout = 20s\nqueue_max = 5"))
    held = hold(front, 1)
    pair.writer.script("create or replace table demo.fair (id int auto_increment primary key, n int)")
    waiting, asked = [], []
    for n in range(5):
        waiting.append(link(front))
        asked.append(Later(waiting[-1], f"insert into fair (n) values ({n})"))
        front.wait_admin("SHOW POOLS", lambda rows: any(str(row.get("waiting")) == str(n + 1) for row in rows))
    with link(front) as more:
        error = more.query("select 1").error
        assert error and error[0] == 1040 and "5 waiting" in error[2], error
    held[0].query("commit")
    for one in asked:
        assert not one.wait().error
    assert pair.writer.query("select n from demo.fair order by id") == tuple((n,) for n in range(5))
    for one in waiting + held:
        one.quit()


def test_waiting_client_that_leaves_is_forgotten(pair, proxy):
    front = proxy(one_server(pair.writer, pool=1, database="queue_timeout = 20s"))
    held = hold(front, 1)
    leaving = link(front)
    leaving.ask(wire.COM_QUERY, b"create table demo.never (a int)")
    front.wait_admin("SHOW POOLS", lambda rows: any(str(row.get("waiting")) == "1" for row in rows))
    leaving.close()
    front.wait_admin("SHOW POOLS", lambda rows: all(str(row.get("waiting", 0)) == "0" for row in rows))
    held[0].query("commit")
    still_serves(front)
    assert pair.writer.value("select count(*) from information_schema.tables where table_name = 'never'") == 0
    held[0].quit()


# ---- reload and drain ---------------------------------------------------------------


class Load:
    """Clients that query, write and connect without pause; what failed is kept."""

    def __init__(self, front, clients=8, reconnect=False):
        self.front, self.reconnect = front, reconnect
        self.over = threading.Event()
        self.failures, self.done, self.refused = [], 0, 0
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(clients)]
        self.port = front.port
        for thread in self.threads:
            thread.start()

    def connect(self):
        try:
            return Wire(("127.0.0.1", self.port), *servers.APP, "demo")
        except (OSError, wire.Closed, wire.ServerError):
            if not self.over.is_set():
                self.refused += 1
            return None

    def run(self, n: int):
        client = None
        while not self.over.is_set():
            if client is None:
                client = self.connect()
                if client is None:
                    return
            try:
                self.talk(client, n)
            except (OSError, wire.Closed, AssertionError) as why:
                self.failures.append((n, repr(why)))
                return
            if self.reconnect:
                client.quit()
                client = None
        if client:
            client.quit()

    def talk(self, client, n):
        for sql in (f"set @n = {n}", "begin", f"insert into loaded values ({n})", "select @n", "commit", f"select {n}, @n"):
            reply = client.query(sql)
            assert not reply.error, (sql, reply.error)
            self.done += 1
        assert reply.rows == [[str(n).encode()] * 2], reply.rows

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive(), "a client hangs"


def test_reload_under_load_loses_no_query(pair, proxy):
    pair.writer.script("create or replace table demo.loaded (n int)")
    text = one_server(pair.writer, pool=4)
    front = proxy(text)
    load = Load(front)
    again = Load(front, clients=2, reconnect=True)
    for n in range(12):
        before = load.done
        changed = text.replace("max = 4", f"max = {2 + n % 4}")
        if n % 3 == 0:
            changed += f"[user more{n}]\npassword = x\n[server db{n + 5}]\naddress = 127.0.0.1:1\nrole = replica\n"
        front.reload(changed)
        wait_for("more queries", lambda: load.done > before + 100 or load.failures)
    front.reload("[sqlproxy]\nthis is = not a key\n")
    front.wait_log(r"(?i)not a key|this is|unknown key|refused", 5)
    for one in (load, again):
        one.stop()
        assert not one.failures and not one.refused, (one.failures[:3], one.refused)
    assert load.done > 1000


def test_reload_in_the_middle_of_a_login(pair, proxy):
    """What was taken from the old configuration holds as long as somebody uses it."""
    text = one_server(pair.writer, pool=4)
    front = proxy(text)
    limits = lambda: sorted({row["max"] for row in front.admin("SHOW POOLS")})
    for n in (2, 3):
        late = [link(front, login=False) for _ in range(4)]
        front.reload(text.replace("max = 4", f"max = {n}"))
        wait_for("what nobody uses to go", lambda: not limits())
        for one in late:
            one.login()
        late.pop().close()
        front.reload(text.replace("max = 4", f"max = {n + 3}"))
        def asked_again():  # each worker hears of a reload in its own time
            return all(one.query("select 1").rows == [[b"1"]] for one in late) and n + 3 in limits()
        wait_for("the new limits", asked_again)
        for one in late:
            one.close()
        wait_for("the old ones to go", lambda: limits() == [n + 3])
    still_serves(front)


def test_drain_under_load_loses_no_query(pair, proxy):
    """SIGTERM: sessions that have started come to their end; new ones are turned away."""
    pair.writer.script("create or replace table demo.loaded (n int)")
    front = proxy(one_server(pair.writer, pool=4))
    load = Load(front, reconnect=True)
    wait_for("some load", lambda: load.done > 500)
    sleeper = link(front)
    asked = Later(sleeper, "select sleep(0.7), 'slept'")
    busy_thread(pair.writer, "slept")
    front.process.send_signal(signal.SIGTERM)
    reply = asked.wait()
    assert asked.failure is None and reply.rows == [[b"0", b"slept"]], (asked.failure, reply)
    sleeper.close()
    load.stop()
    assert not load.failures, load.failures[:3]
    assert front.process.wait(20) == 0
    committed = pair.writer.value("select count(*) from demo.loaded")
    assert committed * 6 >= load.done - 6 * 8


def test_second_sigterm_means_now(pair, proxy):
    front = proxy(one_server(pair.writer))
    held = hold(front, 1)
    front.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    front.process.send_signal(signal.SIGTERM)
    assert front.process.wait(10) == 0
    held[0].close()


def test_a_proxy_killed_hard_leaves_the_server_clean(pair, proxy, tmp_path):
    """kill -9 of the proxy: the server rolls back what was open."""
    front = daemon.Proxy(one_server(pair.writer), tmp_path, "doomed").ready()
    pair.writer.script("create or replace table demo.doomed (a int) engine = innodb")
    held = hold(front, 1)
    held[0].query("insert into doomed values (1)")
    front.process.kill()
    front.process.wait()
    wait_for("the roll-back", lambda: pair.writer.value("select count(*) from information_schema.innodb_trx") == 0)
    assert pair.writer.value("select count(*) from demo.doomed") == 0
    held[0].close()


def test_wrong_passwords_do_not_lock_others_out(pair, proxy):
    front = proxy(one_server(pair.writer))
    for n in range(6):
        with pytest.raises((wire.ServerError, wire.Closed, OSError)) as why:
            Wire(("127.0.0.1", front.port), "app", f"wrong{n}", timeout=20)
        if isinstance(why.value, wire.ServerError):
            assert why.value.code in (1045, 1129), why.value
    with link(front, timeout=20) as client:
        assert client.value("select 1") == "1"


def test_log_has_no_secrets(pair, proxy):
    front = proxy(one_server(pair.writer))
    still_serves(front)
    text = front.log()
    for _, secret in (servers.APP, servers.MONITOR):
        assert not re.search(rf"\b{secret}\b", text)
    assert pathlib.Path(front.conf_path).exists()
