"""The console: who may enter, how it speaks MySQL's protocol, and what every command does."""
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.request

import pymysql
import pytest

import daemon
import servers
import wire
from servers import wait_for
from wire import Wire

STATS = "stats_user = looker\nstats_password = looks"
SHOWS = ["POOLS", "SERVERS", "CLIENTS", "BACKENDS", "PINS", "DIGESTS", "RULES", "CONFIG", "STATS", "LISTENERS", "USERS", "VERSION"]
COM_STMT_PREPARE = 0x16


@pytest.fixture
def front(pair, proxy):
    return proxy(daemon.pair_conf(pair, top=STATS, database="queue_timeout = 20s"))


def console(front, user="admin", password="admin", **more) -> Wire:
    return Wire(("127.0.0.1", front.admin_port), user, password, **more)


def link(front, db="demo") -> Wire:
    return Wire(("127.0.0.1", front.port), *servers.APP, db)


def error(front, sql, user="admin", password="admin") -> tuple:
    with console(front, user, password) as c:
        return c.query(sql).error


def mariadb(front, sql, *more, user="admin", password="admin"):
    words = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{front.admin_port}", f"-u{user}", f"-p{password}", *more, "-e", sql]
    return subprocess.run(words, capture_output=True, text=True, timeout=30)


def ctl(front, *words):
    return subprocess.run([daemon.TROUPE, "ctl", "-c", str(front.conf_path), *words], capture_output=True, text=True, timeout=30)


def server_id(client) -> str:
    return client.value("select @@server_id")


# ---- who may enter --------------------------------------------------------------------


@pytest.mark.parametrize("user,password", [("admin", "wrong"), ("admin", ""), ("nobody", "admin"), ("", ""), ("app", "secret"), ("looker", "admin")])
def test_wrong_passwords(front, user, password):
    with pytest.raises(wire.ServerError) as told:
        console(front, user, password)
    assert told.value.code == 1045
    assert error(front, "show version") is None


def test_no_password_in_the_file_lets_nobody_in(pair, proxy):
    text = daemon.pair_conf(pair).replace("admin_password = admin\n", "")
    front = proxy(text)
    for password in ("", "admin"):
        with pytest.raises(wire.ServerError):
            console(front, "admin", password)
    front.wait_log("nobody can log in to the console")


def test_a_hashed_password(pair, proxy):
    text = daemon.pair_conf(pair).replace("admin_password = admin\n", "admin_password = {native}*4ACFE3202A5FF5CF467898FC58AAB1D615029441\n")
    assert error(proxy(text), "show version") is None


@pytest.mark.parametrize("plugin", [b"mysql_native_password", b"caching_sha2_password", b"client_ed25519", b"mysql_old_password"])
@pytest.mark.parametrize("password", ["admin", "wrong"])
def test_every_plugin_that_a_client_offers(front, plugin, password):
    """Straight for native; another plugin is switched, or taken when its reply fits."""
    c = Wire(("127.0.0.1", front.admin_port), "admin", password, login=False)
    reply = wire.sha2_scramble(password.encode(), c.greeting.salt) if b"sha2" in plugin else b"x" * 7
    if b"native" in plugin:
        reply = wire.native_scramble(password.encode(), c.greeting.salt)
    c.write(c.head(c.caps) + b"admin\0" + wire.lenenc_str(reply) + plugin + b"\0", 1)
    finish(c, password)
    c.close()


def finish(c, password):
    """As Wire's, and a fast caching_sha2 success."""
    try:
        while True:
            data = c.read()
            if data[:2] == b"\1\3":
                continue
            if data[0] == 0:
                assert password == "admin"
                assert c.query("show version").rows
                return
            if data[0] == 0xFF:
                assert password == "wrong" and wire.error_of(data)[0] == 1045
                return
            assert data[0] == 0xFE, data
            name, salt = data[1:].split(b"\0", 1)
            c.write(c.answer(name, salt.rstrip(b"\0")), c.seq + 1)
    except wire.Closed:
        raise AssertionError("closed without a word") from None


def test_tls(pair, proxy):
    front = proxy(daemon.pair_conf(pair, top=f"tls_cert = {pair.tls.cert}\ntls_key = {pair.tls.key}"))
    done = mariadb(front, "status", "--ssl")
    assert done.returncode == 0, done.stderr
    c = pymysql.connect(host="127.0.0.1", port=front.admin_port, user="admin", password="admin", ssl={"ca": str(pair.tls.ca)})
    with c, c.cursor() as cursor:
        assert c._secure
        cursor.execute("show servers")
        assert len(cursor.fetchall()) == 2


@pytest.mark.parametrize("who", ["console", "proxy"])
@pytest.mark.parametrize("cut", [0, 1, 100, None])
def test_tls_hello_with_the_wish_for_it(pair, proxy, who, cut):
    """A client need not wait between the two: they may come in one segment, or with the hello cut."""
    front = proxy(daemon.pair_conf(pair, top=f"tls_cert = {pair.tls.cert}\ntls_key = {pair.tls.key}"))
    port, user = (front.admin_port, ("admin", "admin")) if who == "console" else (front.port, servers.APP)
    c = Wire(("127.0.0.1", port), *user, login=False)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=pair.tls.ca)
    tls = context.wrap_bio(into, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello, caps = out.read(), c.caps | wire.SSL
    c.send_raw(wire.frame(c.head(caps), 1) + (hello if cut is None else hello[:cut]))
    if cut is not None:
        time.sleep(0.05)
        c.send_raw(hello[cut:])
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            into.write(c.sock.recv(65536))
    tls.write(wire.frame(c.head(caps) + c.tail(caps), 2))
    c.send_raw(out.read())
    answer = b""
    while not answer:
        into.write(c.sock.recv(65536))
        try:
            answer = tls.read(1000)
        except ssl.SSLWantReadError:
            pass
    assert answer[4] == 0, answer
    c.close()


def test_plain_bytes_behind_the_wish_for_tls_are_never_commands(pair, proxy):
    front = proxy(daemon.pair_conf(pair, top=f"tls_cert = {pair.tls.cert}\ntls_key = {pair.tls.key}"))
    c = Wire(("127.0.0.1", front.admin_port), "admin", "admin", login=False)
    c.send_raw(wire.frame(c.head(c.caps | wire.SSL), 1) + wire.frame(c.head(c.caps) + c.tail(c.caps), 2) + wire.frame(b"\x03drain db2"))
    with pytest.raises((wire.Closed, ConnectionError)):
        while c.take(1):
            pass
    assert front.admin("select state from servers where server = 'db2'") == [{"state": "up"}]


def test_unix_socket(pair, proxy, tmp_path):
    path = tmp_path / "console.sock"
    text = daemon.pair_conf(pair).replace("admin = 127.0.0.1:0", f"admin = unix:{path}")
    front = daemon.Proxy(text, tmp_path)
    front.wait_log(f"admin on unix:{re.escape(str(path))}")
    with Wire(str(path), "admin", "admin") as c:
        assert c.query("show version").rows
    assert front.stop() == 0
    assert not path.exists()


def test_the_user_that_may_only_look(front):
    with console(front, "looker", "looks") as c:
        for what in SHOWS:
            assert not c.query(f"show {what}").error
        assert not c.query("select * from pools").error
        assert not c.query("explain route 'select 1'").error
        assert not c.query("set names utf8").error
        for sql in ("pause", "resume", "drain db1", "reconnect", "kill 1", "kill query 1", "reload", "check", "set log_level = debug", "shutdown",
                    "shutdown graceful 1"):
            assert c.query(sql).error[0] == 1227, sql
        assert c.command(wire.COM_PROCESS_KILL, struct.pack("<I", 1)).error[0] == 1227


# ---- the protocol ------------------------------------------------------------------------


FIRST_WORDS = ["SELECT @@version_comment LIMIT 1", "SET NAMES utf8", "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET autocommit=1", "SET AUTOCOMMIT = 0",
               "SELECT DATABASE()", "SELECT @@max_allowed_packet", "select @@session.auto_increment_increment as a, @@tx_isolation b, 'x', 1, null",
               "SHOW VARIABLES LIKE 'version%'", "SHOW VARIABLES WHERE Variable_name = 'version'", "SHOW DATABASES", "SHOW TABLES", "SHOW WARNINGS",
               "SHOW FULL PROCESSLIST", "BEGIN", "COMMIT", "ROLLBACK", "USE troupe", "/* tool */ SELECT VERSION(), USER(), CONNECTION_ID() -- bye",
               "set session transaction read only", "DESC pools", "show pools;", "  SHOW\n\tPOOLS ;  ", "select 1 from dual where 1"]


@pytest.mark.parametrize("caps", [wire.BASIC, wire.MODERN], ids=["eof", "no eof"])
def test_what_tools_say_first(front, caps):
    with console(front, caps=caps) as c:
        for sql in FIRST_WORDS[:-1]:
            assert not c.query(sql).error, (sql, c.query(sql).error)
        assert c.query(FIRST_WORDS[-1]).error[0] == 1146
        assert c.value("select @@max_allowed_packet") == "65536"
        assert c.query("select 1 limit 0").rows == []


@pytest.mark.parametrize("caps", [wire.BASIC, wire.MODERN], ids=["eof", "no eof"])
def test_commands_of_the_protocol(front, caps):
    with console(front, caps=caps) as c:
        assert not c.command(wire.COM_PING).error
        assert not c.command(wire.COM_INIT_DB, b"any").error
        assert not c.command(wire.COM_RESET_CONNECTION).error
        assert b"SHOW STATS" in c.command(wire.COM_STATISTICS).results[0].info
        assert c.command(wire.COM_FIELD_LIST, b"no_such\0").error[0] == 1146
        c.ask(COM_STMT_PREPARE, b"select 1")
        assert wire.error_of(c.read())[0] == 1295
        c.ask(0x77)
        assert wire.error_of(c.read())[0] == 1047
        c.ask(wire.COM_SET_OPTION, b"\0\0")
        assert c.read()[0] == 0xFE
        c.ask(wire.COM_FIELD_LIST, b"pools\0%")
        fields = []
        while True:
            data = c.read()
            if data[0] == 0xFE and len(data) < 9:
                break
            fields.append(data)
        assert len(fields) == len(c.query("desc pools").rows)
        c.ask(wire.COM_QUIT)
        with pytest.raises(wire.Closed):
            c.read()


def test_pipelined_commands_are_answered_in_order(front):
    with console(front) as c:
        c.send_raw(b"".join(wire.frame(b"\x03select %d" % n) for n in range(500)))
        assert [c.reply().rows[0][0] for n in range(500)] == [b"%d" % n for n in range(500)]


def test_a_command_byte_by_byte(front):
    with console(front) as c:
        for byte in wire.frame(b"\x03show version"):
            c.send_raw(bytes([byte]))
        assert c.reply().rows


def test_oversize_and_garbage(front):
    with console(front) as c:
        c.send_raw(struct.pack("<I", 70000))
        assert wire.error_of(c.read())[0] == 1153
        with pytest.raises(wire.Closed):
            c.read()
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"\xff" * 200, b"\x05\0\0\1abcde", b"\x20\0\0\1" + b"\xff" * 32):
        c = Wire(("127.0.0.1", front.admin_port), login=False)
        c.send_raw(junk)
        with pytest.raises((wire.Closed, ConnectionError, AssertionError)):
            while True:
                assert c.read()[0] == 0xFF
        c.close()
    with console(front) as c:
        for sql in ("", ";", "''", "'open", "select", "select *", "select * from", "select nonsense from pools", "select * from pools where",
                    "select * from pools where waiting ~ 1", "select * from pools order", "select * from pools limit x", "show", "show pools like",
                    "show pools nonsense", "explain", "explain route", "explain route 'x' user", "pause a b", "drain", "kill", "kill x", "kill 1 2", "set",
                    "set max_clients = 1", "shutdown 5", "shutdown graceful x", "reload now", "(", "select count(", "show pools; show pools",
                    "select " + "1," * 60 + "1", "a " * 100):
            assert c.query(sql).error, sql
        assert not c.query("select '" + "x" * 60000 + "'").error
        assert c.query("show version").rows


def test_the_nearest_command_is_named(front):
    for sql, hint in (("shwo pools", "show"), ("PAUS", "pause"), ("show poolz", "pools"), ("drain db22", "db2"), ("explian route 'x'", "explain")):
        assert f"did you mean {hint}?" in error(front, sql)[2], sql


def test_too_many_consoles(front):
    crowd = [console(front) for _ in range(64)]
    with pytest.raises(wire.ServerError) as told:
        console(front)
    assert told.value.code == 1040
    for one in crowd:
        one.quit()
    wait_for("room", lambda: room(front))


def room(front) -> bool:
    try:
        console(front).quit()
        return True
    except (wire.ServerError, wire.Closed, OSError):
        return False


def test_a_login_that_never_comes_is_given_up(front):
    c = Wire(("127.0.0.1", front.admin_port), login=False)
    start = time.monotonic()
    with pytest.raises(wire.Closed):
        c.read()
    assert 8 < time.monotonic() - start < 15
    c.close()


def test_a_big_answer_to_a_slow_reader(pair, proxy):
    """More than fits into any socket: the proxy waits, and does not keep it all in memory twice."""
    front = proxy(daemon.pair_conf(pair, top="digests = 20000"))
    with link(front) as client:
        for n in range(1500):
            client.query("select " + ",".join(f"1 as c{n}_{k}" for k in range(70)))
    c = console(front, receive_buffer=4096)
    c.send_raw(wire.frame(b"\x03show digests") + wire.frame(b"\x03select 1"))
    time.sleep(0.3)
    assert len(c.reply().rows) >= 1500
    assert c.reply().rows == [[b"1"]]
    c.quit()


# ---- drivers ----------------------------------------------------------------------------------


def test_the_mariadb_client(front):
    for options in (["-t"], ["--binary-mode"], ["-B", "--raw"], ["-D", "troupe"]):
        done = mariadb(front, "show servers; show pools; select count(*) from clients", *options)
        assert done.returncode == 0, done.stderr
        assert "db1" in done.stdout and "db2" in done.stdout
    done = mariadb(front, "use troupe; show tables", "--auto-rehash", "-D", "troupe")
    assert done.returncode == 0 and "pools" in done.stdout, done.stderr


def test_pymysql(front):
    with pymysql.connect(host="127.0.0.1", port=front.admin_port, user="admin", password="admin", database="troupe", charset="utf8mb4") as c:
        c.ping()
        c.select_db("other")
        with c.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("select name, value from stats where name = %s", ("queries",))
            assert isinstance(cursor.fetchall()[0]["value"], int)
            cursor.execute("show pools")
        c.commit()
        c.rollback()
        with pytest.raises(pymysql.err.ProgrammingError):
            c.query("show nonsense")


NODE = """
const mysql = require(process.argv[2]);
mysql.createConnection({ host: '127.0.0.1', port: +process.argv[1], user: 'admin', password: 'admin', database: 'x' }).then(async (c) => {
	const [rows, fields] = await c.query('select server, state, open from servers where role = ?', ['primary']);
	const [shown] = await c.query('SHOW STATS');
	await c.ping();
	let refused = '';
	try { await c.execute('show pools'); } catch (e) { refused = e.errno; }
	await c.changeUser({ user: 'admin' }).catch(() => 0);
	console.log(JSON.stringify({ rows, types: fields.map((f) => f.columnType), figures: shown.length, refused }));
	c.destroy();
}).catch((e) => { console.error(e); process.exit(1); });
"""


def test_node_mysql2(front):
    home = servers.NODE / "node_modules" / "mysql2" / "promise.js"
    if not home.exists():
        pytest.fail("mysql2 is missing: make node")
    done = subprocess.run(["node", "-e", NODE, str(front.admin_port), str(home)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["rows"][0]["server"] == "db1" and isinstance(seen["rows"][0]["open"], int)
    assert seen["types"] == [253, 253, 8] and seen["refused"] == 1295 and seen["figures"] > 20


# ---- tables ---------------------------------------------------------------------------------------


def test_select_is_a_tiny_sql(front):
    with link(front) as client:
        client.query("select 1")
        assert len(front.admin("select * from servers")) == 2
        assert front.admin("select server from servers order by server desc") == [{"server": "db2"}, {"server": "db1"}]
        assert front.admin("select Server, ROLE from troupe.servers where role = 'replica' and weight >= 1 and server != 'db1'") == [{"server": "db2", "role": "replica"}]
        assert front.admin("select server from servers where server like '%2'") == [{"server": "db2"}]
        assert front.admin("select count(*) from servers where weight < 1") == [{"count(*)": 0}]
        assert len(front.admin("select * from stats order by value desc limit 3")) == 3
        values = [row["value"] for row in front.admin("select value from stats order by value desc")]
        assert values == sorted(values, reverse=True)
        assert len(front.admin("show servers like 'DB_'")) == 2
        assert front.admin("show servers like 'x%'") == []


def test_tables_tell_what_happens(front):
    with link(front) as client:
        client.query("begin")
        client.query("select 'a' as unlike_others")
        me = client.greeting.thread_id
        row = front.admin(f"select * from clients where id = {me}")[0]
        assert row["user"] == "app" and row["state"] == "pinned" and row["server"] == "db1" and "transaction" in row["pins"]
        pin = front.admin("show pins")[0]
        assert pin["client"] == me and pin["thread_id"] == row["thread_id"]
        backend = front.admin(f"select * from backends where client = {me}")[0]
        assert backend["state"] == "busy" and backend["thread_id"] == row["thread_id"]
        digest = front.admin("show digests like '%unlike_others'")[0]
        assert digest["count"] == 1 and digest["user"] == "app" and digest["rows"] == 1
        assert front.admin("select clients from users where user = 'app'") == [{"clients": 1}]
        pool = front.admin("show pools like '*/db1/app'")[0]
        assert pool["busy"] == 1 and pool["max"] == 4
        assert front.admin("select value from config where key = 'sqlproxy.admin_password'") == [{"value": "(set)"}]
        assert front.admin("show config like 'server db1.role'")[0]["value"] == "primary"
        client.query("rollback")
        assert front.admin("show pins") == []


ROUTES = [("select 1", "db2", "it reads"), ("insert into t values (1)", "db1", "it may write"), ("select * from t for update", "db1", "it may write"),
          ("/* troupe:primary */ select 1", "db1", "a hint"), ("/* troupe:server=db2 */ insert into t values (1)", "db2", "a hint"), ("select 'ruled'", "db1", "a rule")]


def test_explain_route(pair, proxy):
    front = proxy(daemon.pair_conf(pair, extra="[rule one]\nmatch = ruled\nroute = primary\n[rule no]\nmatch = ^drop\nerror = not here"))
    with console(front) as c:
        def explain(sql):
            quoted = sql.replace("'", "''")
            return {k.decode(): v and v.decode() for k, v in c.query(f"explain route '{quoted}' user 'app' database 'demo'").rows}

        for sql, server, why in ROUTES:
            told = explain(sql)
            assert told["server"] == server and why in told["why"], told
        assert explain("begin")["pins"] == "transaction"
        assert "temporary table" in explain("create temporary table t (a int)")["pins"]
        assert explain("drop table t")["refused"] == "not here"
        assert explain("select 'ruled'")["rule"] == "one"
        c.query("drain db2")
        told = explain("select 1")
        assert told["server"] == "db1" and "no replica" in told["why"]
        assert c.query("explain route 'select 1' user 'stranger'").rows


# ---- commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "db1", "app", "*/db1/app", "*"])
def test_pause_holds_and_resume_lets_go(pair, proxy, name):
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary")], database="queue_timeout = 20s"))
    with link(front) as client:
        assert client.value("select 1") == "1"
        front.admin(f"PAUSE '{name}'" if name else "PAUSE")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.value("select 2")))
        asking.start()
        front.wait_admin("SHOW POOLS", lambda rows: rows[0]["waiting"] == 1)
        assert not answers
        front.admin(f"RESUME '{name}'" if name else "RESUME")
        asking.join(10)
        assert answers == ["2"]


def test_drain_moves_reads_and_closes_connections(front, pair):
    with link(front) as client:
        assert server_id(client) == str(pair.replica.server_id)
        front.admin("DRAIN db2")
        assert front.admin("select state from servers where server = 'db2'") == [{"state": "drained"}]
        assert server_id(client) == str(pair.writer.server_id)
        front.wait_admin("SHOW BACKENDS", lambda rows: all(row["server"] == "db1" for row in rows))
        front.admin("RESUME db2")
        wait_for("reads at the replica", lambda: server_id(client) == str(pair.replica.server_id))


def test_reconnect_changes_every_thread(front):
    with link(front) as client, link(front) as busy:
        busy.query("begin")
        client.query("select 1")
        old = {row["thread_id"] for row in front.admin("show backends")}
        front.admin("RECONNECT")
        front.wait_admin("show backends", lambda rows: len({row["thread_id"] for row in rows} & old) == 1)
        assert busy.value("select 1") == "1"
        busy.query("commit")
        front.wait_admin("show backends", lambda rows: not {row["thread_id"] for row in rows} & old)
        assert client.value("select 2") == "2" and busy.value("select 2") == "2"


def test_kill(front):
    victim, other = link(front), link(front)
    victim.ask(wire.COM_QUERY, b"select sleep(30)")
    me = victim.greeting.thread_id
    front.wait_admin(f"select * from clients where id = {me} and state = 'busy'", len)
    front.admin(f"KILL QUERY {me}")
    reply = victim.reply()
    assert reply.error or reply.rows == [[b"1"]]
    assert victim.value("select 5") == "5"
    front.admin(f"KILL {me}")
    with pytest.raises((wire.Closed, OSError)):
        victim.query("select 1")
        victim.query("select 1")
    assert error(front, f"KILL {me}")[0] == 1094
    assert other.value("select 6") == "6"
    other.quit()


def test_reload(front, pair):
    text = front.conf_path.read_text()
    front.conf_path.write_text(text.replace("max = 4", "max = 7"))
    told = str(front.admin("RELOAD"))
    assert "max: 4 -> 7" in told and "reloaded" in told
    with link(front) as client:
        client.query("select 1")
        front.wait_admin("show pools", lambda rows: rows and all(row["max"] == 7 for row in rows if row["state"] == "up"))
    front.conf_path.write_text(text.replace("max = 4", "max = many"))
    told = error(front, "RELOAD")
    assert told[0] == 1105 and "max" in told[2] and "refused" in told[2]
    front.conf_path.write_text(text.replace("admin_password = admin", "admin_password = other"))
    front.admin("RELOAD")
    with pytest.raises(wire.ServerError):
        console(front)
    console(front, password="other").quit()


def test_check(pair, proxy):
    gone = servers.free_port()
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary"), ("db2", f"127.0.0.1:{gone}", "replica")]))
    rows = {row["server"]: row for row in front.admin("CHECK")}
    assert rows["db1"]["good"] == "yes" and rows["db2"]["good"] == "no"
    c = console(front)
    c.ask(wire.COM_QUERY, b"check")
    c.close()  # nobody waits for it


def test_log_level(front):
    front.admin("SET log_level = warn")
    front.admin("SET GLOBAL log_level='debug'")
    assert error(front, "set log_level = loud")[0] == 1231


def test_shutdown_waits_for_a_transaction(pair, tmp_path):
    front = daemon.Proxy(daemon.pair_conf(pair), tmp_path).ready()
    client = link(front)
    client.query("begin")
    front.admin("SHUTDOWN GRACEFUL 20")
    front.wait_log("by the console: shutdown")
    assert client.value("select 1") == "1"
    client.query("commit")
    assert front.process.wait(10) == 0
    client.close()


def test_shutdown_waits_no_longer_than_it_is_told(pair, tmp_path):
    front = daemon.Proxy(daemon.pair_conf(pair), tmp_path).ready()
    client = link(front)
    client.query("begin")
    front.admin("SHUTDOWN GRACEFUL 1")
    assert front.process.wait(10) == 0
    client.close()


def test_a_stop_with_consoles_open(pair, tmp_path):
    front = daemon.Proxy(daemon.pair_conf(pair), tmp_path).ready()
    held = [console(front), Wire(("127.0.0.1", front.admin_port), login=False)]
    held[0].ask(wire.COM_QUERY, b"check")
    assert front.stop() == 0
    for one in held:
        one.close()


def test_ctl_while_it_ends(pair, tmp_path):
    """A CHECK holds the loop after the role has stopped: commands are refused then, and nothing is touched."""
    silent = socket.create_server(("127.0.0.1", 0))  # accepts in the kernel, never greets
    address = f"127.0.0.1:{silent.getsockname()[1]}"
    front = daemon.Proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary"), ("db2", address, "replica")], monitor="timeout = 3s"), tmp_path).ready()
    c = console(front)
    c.ask(wire.COM_QUERY, b"check")
    time.sleep(0.2)
    front.process.terminate()
    while front.process.poll() is None:
        done = ctl(front, "show", "pools")
        assert done.returncode in (0, 1, 3), done
    assert front.process.wait(15) == 0
    c.close()
    silent.close()


# ---- elsewhere ------------------------------------------------------------------------------------------


def test_ctl(front):
    with link(front) as client:
        client.query("select 1")
        assert "db2" in ctl(front, "show", "servers").stdout
        rows = json.loads(ctl(front, "show", "pools", "--json").stdout)
        assert {row["server"] for row in rows} == {"db1", "db2"}
        assert "db2" in ctl(front, "explain", "route", "select 'a', b from t").stdout
        assert json.loads(ctl(front, "select count(*) from servers", "--json").stdout) == [{"count(*)": 2}]
        assert ctl(front, "show", "servers", "where", "server=db1").stdout.count("127.0.0.1") == 1
        assert ctl(front, "drain", "db2").returncode == 0
        assert "drained" in ctl(front, "show", "servers").stdout
        assert ctl(front, "resume", "db2").returncode == 0
        assert ctl(front, "check").returncode == 0
        wrong = ctl(front, "pause", "db7")
        assert wrong.returncode == 1 and "did you mean db" in wrong.stdout
        assert ctl(front, "nonsense").returncode == 2
        assert "EXPLAIN ROUTE" in ctl(front, "commands").stdout
        text = ctl(front, "status").stdout
        assert re.search(r"^pool$", text, re.M) and re.search(r"^connection$", text, re.M) and "server_version" in text
        json.loads(ctl(front, "status", "--json").stdout)
    done = subprocess.run([daemon.TROUPE, "sqlproxy", "status", "-c", str(front.conf_path)], capture_output=True, text=True)
    assert done.returncode == 0 and "queries" in done.stdout


def test_metrics(pair, proxy):
    port = servers.free_port()
    front = proxy(daemon.pair_conf(pair, extra=f"[troupe]\nadmin = 127.0.0.1:{port}"))
    with link(front) as client:
        for _ in range(5):
            client.query("select 1")
        client.query("begin")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            text = page.read().decode()
        assert re.search(r"^troupe_sqlproxy_clients 1$", text, re.M)
        assert re.search(r"^troupe_sqlproxy_queries_total [67]$", text, re.M), text
        assert re.search(r'^troupe_sqlproxy_server_up\{server="db2"\} 1$', text, re.M)
        assert re.search(r'^troupe_sqlproxy_pool_busy\{database="\*",server="db1",user="app"\} 1$', text, re.M)
        assert re.search(r"^troupe_sqlproxy_latency_seconds_count \d+$", text, re.M)
        assert "connection" not in re.sub(r"troupe_sqlproxy_connections?\b", "", re.sub(r"^#.*$", "", text, flags=re.M))
        names = re.findall(r"^# TYPE (\S+)", text, re.M)
        assert len(names) == len(set(names))
