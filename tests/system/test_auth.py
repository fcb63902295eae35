"""Who may log in and how: plugins towards clients, hashes, accounts of the server, TLS, PROXY headers."""
import hashlib
import re
import socket
import ssl
import struct
import subprocess

import pymysql
import pytest

import daemon
import fake_mysql
import servers
import wire
from wire import Wire

OTHERS = [(servers.EDDY, "ed25519"), (servers.EMPTY, "no password"), (servers.APP, "native")]


def native_hash(password: str) -> str:
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def conf(server, **more) -> str:
    return daemon.sqlproxy_conf([("db1", server.address, "primary")], **more)


def who(front, user, **more) -> str:
    with front.client(*user, **more) as link, link.cursor() as cursor:
        cursor.execute("select current_user()")
        return cursor.fetchone()[0].split("@")[0]


def refused(front, name, password, **more):
    """The error of a login that must fail."""
    with pytest.raises(pymysql.MySQLError) as why:
        front.client(name, password, **more).close()
    return why.value.args


@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password"])
def test_every_account_by_either_plugin(pair, proxy, plugin, folder):
    """What clients speak and what the server wants are independent."""
    tls = servers.Certificates(folder)
    front = proxy(conf(pair.writer, users=[u for u, _ in OTHERS],
                       top=f"default_auth = {plugin}\ntls_cert = {tls.cert}\ntls_key = {tls.key}"))
    for user, _ in OTHERS:
        for again in range(2):
            assert who(front, user, ssl={"ca": str(tls.ca)}) == user[0]
            assert who(front, user) == user[0]  # over plain TCP: RSA for sha2, then its fast path
        if user[1]:
            assert refused(front, user[0], user[1] + "x")[0] == 1045
            assert refused(front, user[0], "")[0] == 1045
    assert refused(front, "stranger", "x")[0] == 1045
    assert refused(front, "empty", "not empty")[0] == 1045


def test_sha2_by_rsa_then_fast(pair, proxy):
    """The mariadb client asks for the public key; PyMySQL too."""
    front = proxy(conf(pair.writer, top="default_auth = caching_sha2_password"))
    for _ in range(3):
        assert who(front, servers.APP) == "app"
    done = subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{front.port}", "-uapp", "-psecret", "-Ne", "select 5"],
                          capture_output=True, text=True)
    assert done.stdout == "5\n", done.stderr


def test_users_known_by_hash(pair, proxy):
    """A native hash is enough to check a client, and after that to log in for it."""
    front = proxy(conf(pair.writer, users=[("app", "{native}" + native_hash("secret"))]))
    assert who(front, servers.APP) == "app"
    assert refused(front, "app", "wrong")[0] == 1045
    assert refused(front, "app", "")[0] == 1045


def test_accounts_of_the_server(pair, proxy):
    """auth = query: no [user] at all; a new password counts without a restart."""
    pair.writer.script(f"grant select on mysql.* to {servers.MONITOR[0]}@'%'", "create or replace user queried@'%' identified by 'first'",
                       "grant all on demo.* to queried@'%'")
    front = proxy(conf(pair.writer, users=[], top="auth = query"))
    assert who(front, ("queried", "first")) == "queried"
    assert who(front, servers.APP) == "app"
    assert refused(front, "queried", "second")[0] == 1045
    pair.writer.script("set password for queried@'%' = password('second')")
    servers.wait_for("the new password", lambda: try_login(front, "queried", "second"), 10)
    assert refused(front, "queried", "first")[0] == 1045
    pair.writer.script("drop user queried@'%'")


def try_login(front, name, password) -> bool:
    try:
        front.client(name, password).close()
        return True
    except pymysql.MySQLError:
        return False


def test_passthrough(pair, proxy, folder):
    """auth = passthrough: the server decides; the proxy knows nobody."""
    tls = servers.Certificates(folder)
    front = proxy(conf(pair.writer, users=[], top=f"auth = passthrough\ndefault_auth = caching_sha2_password\n"
                                                  f"tls_cert = {tls.cert}\ntls_key = {tls.key}"))
    for user, _ in OTHERS:
        assert who(front, user, ssl={"ca": str(tls.ca)}) == user[0]
    assert refused(front, "app", "wrong", ssl={"ca": str(tls.ca)})[0] == 1045


def test_another_identity_towards_the_server(pair, proxy):
    extra = "[user visitor]\npassword = front\nbackend_user = eddy\nbackend_password = curve\n"
    front = proxy(conf(pair.writer, extra=extra))
    assert who(front, ("visitor", "front")) == "eddy"
    assert refused(front, "visitor", "curve")[0] == 1045
    assert refused(front, "eddy", "curve")[0] == 1045


def test_two_users_do_not_share_connections(pair, proxy):
    front = proxy(conf(pair.writer, users=[servers.APP, servers.EMPTY]))
    for _ in range(3):
        assert who(front, servers.APP) == "app"
        assert who(front, servers.EMPTY) == "empty"


def test_databases_of_a_user(pair, proxy):
    front = proxy(conf(pair.writer, extra="[user eddy]\npassword = curve\ndatabases = shop, other\n"))
    with front.client("eddy", "curve", "shop") as link, link.cursor() as cursor:
        cursor.execute("use other")
        with pytest.raises(pymysql.MySQLError) as why:
            cursor.execute("use demo")
        assert why.value.args[0] in (1044, 1049)
    assert refused(front, "eddy", "curve", db="demo")[0] in (1044, 1049)


def test_password_changed_on_the_server(own_user, pair, proxy):
    """Pooled connections of the old password go on; a client with a wrong one never gets in."""
    name, password = own_user
    front = proxy(conf(pair.writer, users=[(name, password)]))
    assert who(front, own_user) == name
    pair.writer.script(f"set password for {name}@'%' = password('changed')")
    front.reload(conf(pair.writer, users=[(name, "changed")]))
    servers.wait_for("the reload", lambda: try_login(front, name, "changed"), 5)
    assert refused(front, name, password)[0] == 1045
    assert who(front, (name, "changed")) == name


@pytest.fixture
def own_user(pair):
    pair.writer.script("create or replace user mine@'%' identified by 'old'", "grant all on demo.* to mine@'%'")
    yield "mine", "old"
    pair.writer.script("drop user mine@'%'")


# ---- TLS ---------------------------------------------------------------------------


def test_tls_with_clients(pair, proxy, folder):
    tls = servers.Certificates(folder)
    lines = f"tls_cert = {tls.cert}\ntls_key = {tls.key}"
    front = proxy(conf(pair.writer, top=lines))
    words = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{front.port}", "-uapp", "-psecret", "-N"]
    safe = subprocess.run([*words, f"--ssl-ca={tls.ca}", "--ssl-verify-server-cert", "-e", "select 5; \\s"], capture_output=True, text=True)
    assert safe.returncode == 0 and "Cipher in use" in safe.stdout, safe.stdout + safe.stderr
    big = subprocess.run([*words, f"--ssl-ca={tls.ca}", "--compress", "-e", "select md5(repeat('x', 30000000)), length(repeat('y', 30000000))"], capture_output=True, text=True)
    assert "30000000" in big.stdout, big.stderr
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.check_hostname = False
    with Wire(("127.0.0.1", front.port), *servers.APP, "demo", wire.MODERN | wire.SSL, tls=context) as link:
        for n in range(50):
            assert link.value(f"select {n}") == str(n)
        assert len(link.rows("select repeat('z', 20000000)")[0][0]) == 20000000
    strict = proxy(conf(pair.writer, top=lines + "\ntls = required"))
    assert refused(strict, *servers.APP)[0] in (1045, 3159)
    assert who(strict, servers.APP, ssl={"ca": str(tls.ca)}) == "app"


def test_bytes_after_the_tls_request_are_not_taken(pair, proxy, folder):
    """What a man in the middle sends before the handshake must not count after it."""
    tls = servers.Certificates(folder)
    front = proxy(conf(pair.writer, top=f"tls_cert = {tls.cert}\ntls_key = {tls.key}"))
    sample = Wire(("127.0.0.1", front.port), login=False)
    caps = sample.caps | wire.SSL
    login = wire.frame(sample.head(caps) + sample.tail(caps), 2)
    sample.send_raw(wire.frame(sample.head(caps), 1) + login)
    try:
        answer = sample.sock.recv(4096)
    except OSError:
        answer = b""
    assert answer[4:5] != b"\0", "a login in the clear after the TLS request"
    sample.close()


def test_tls_with_the_server(pair, proxy):
    tls = pair.tls
    secure = f"tls = required\ntls_ca = {tls.ca}\ntls_verify = yes"
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary", secure)]))
    with Wire(("127.0.0.1", front.port), *servers.APP, "demo") as link:
        assert link.rows("show session status like 'Ssl_cipher'")[0][1]
        assert len(link.rows("select repeat('z', 20000000)")[0][0]) == 20000000
        assert link.value("select length('" + "q" * 5000000 + "')") == "5000000"
    wrong = servers.Certificates(servers.Folder())
    secure = f"tls = required\ntls_ca = {wrong.ca}\ntls_verify = yes"
    front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary", secure)], database="queue_timeout = 1s"))
    try:
        with Wire(("127.0.0.1", front.port), *servers.APP, "demo") as link:
            error = link.query("select 1").error
        assert error and re.search("(?i)certificate|tls", error[2]), error
    except wire.ServerError as why:
        assert re.search("(?i)certificate|tls", why.text), why


def test_clear_text_password_only_over_tls(proxy):
    """A server that asks for the password in the clear over plain TCP does not get it (a fake one)."""
    with fake_mysql.FakeMySQL({"app": "secret"}, plugin="mysql_clear_password") as fake:
        front = proxy(daemon.sqlproxy_conf([("db1", fake.address, "primary")], database="queue_timeout = 1s"))
        try:
            with Wire(("127.0.0.1", front.port), "app", "secret") as link:
                assert link.query("select 1").error
        except wire.ServerError:
            pass
        assert not any(well for _, well in fake.logins)


def test_an_ed25519_nonce_that_ends_in_zero(proxy):
    """One of 256 does, and no 0 stands behind it as behind a scramble."""
    with fake_mysql.FakeMySQL({"app": "secret", "monitor": "watch"}, plugin=fake_mysql.ED25519,
                              default_plugin=fake_mysql.NATIVE) as fake:
        front = proxy(daemon.sqlproxy_conf([("db1", fake.address, "primary")], database="queue_timeout = 1s"))
        with Wire(("127.0.0.1", front.port), "app", "secret") as link:
            assert not link.query("select 1").error
        assert ("app", True) in fake.logins


# ---- PROXY headers -----------------------------------------------------------------


def behind_header(front, header: bytes, **more) -> Wire:
    """A client whose connection begins with a PROXY header."""
    class Shy(Wire):
        def read(self, keep=None):
            if header and not getattr(self, "introduced", False):
                self.introduced = True
                self.sock.sendall(header)
            return super().read(keep)

    return Shy(("127.0.0.1", front.port), *servers.APP, "demo", **more)


V2 = b"\r\n\r\n\0\r\nQUIT\n"
HEADERS = {
    "v1": b"PROXY TCP4 192.0.2.7 127.0.0.1 56789 3306\r\n",
    "v1-six": b"PROXY TCP6 2001:db8::7 ::1 56789 3306\r\n",
    "v2": V2 + b"\x21\x11" + struct.pack(">H4s4sHH", 12, socket.inet_aton("192.0.2.7"), socket.inet_aton("127.0.0.1"), 56789, 3306),
    "v2-more": V2 + b"\x21\x11" + struct.pack(">H4s4sHH", 12 + 7, socket.inet_aton("192.0.2.7"), socket.inet_aton("127.0.0.1"), 56789, 3306)
               + b"\x04\x00\x04abcd",
}


@pytest.mark.parametrize("name", HEADERS)
def test_proxy_header_from_a_balancer(pair, proxy, name):
    front = proxy(conf(pair.writer, top="proxy_protocol_from = 127.0.0.0/8"))
    with behind_header(front, HEADERS[name]) as link:
        assert link.value("select 5") == "5"
        address = "2001:db8::7" if "six" in name else "192.0.2.7"
        assert any(address in str(row) for row in front.admin("SHOW CLIENTS")), front.admin("SHOW CLIENTS")


def test_header_that_nobody_asked_for(pair, proxy):
    front = proxy(conf(pair.writer))
    with pytest.raises((wire.Closed, wire.ServerError, OSError)):
        behind_header(front, HEADERS["v1"], timeout=5)
    with Wire(("127.0.0.1", front.port), *servers.APP) as link:
        assert link.value("select 1") == "1"


def test_broken_headers(pair, proxy):
    front = proxy(conf(pair.writer, top="proxy_protocol_from = 127.0.0.1/32\nlogin_timeout = 500ms"))
    for header in (b"PROXY", b"PROXY \r\n", b"PROXY TCP4 x y 1 2\r\n", b"PROXY TCP4 192.0.2.7 127.0.0.1 99999 3306\r\n", b"P" * 200, V2, V2 + b"\x21\x11\xff\xff",
                   V2 + b"\x31\x11\0\x0c" + b"\0" * 12, V2[:5], b"\0" * 40):
        raw = socket.create_connection(("127.0.0.1", front.port), timeout=10)
        answer = b""
        try:
            raw.sendall(header)
            while got := raw.recv(4096):
                answer += got
        except OSError:
            pass
        raw.close()
        assert answer[4:5] != b"\x0a", f"greeted after {header!r}"
    with behind_header(front, HEADERS["v2"]) as link:
        assert link.value("select 1") == "1"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_proxy_header_to_the_server(pair, proxy, version):
    """MariaDB shows the client's address in place of ours."""
    pair.writer.query("set global proxy_protocol_networks = '127.0.0.0/8'")
    try:
        front = proxy(daemon.sqlproxy_conf([("db1", pair.writer.address, "primary", f"proxy_protocol = {version}")]))
        with Wire(("127.0.0.1", front.port), *servers.APP, "demo") as link:
            port = link.sock.getsockname()[1]
            assert link.value("select host from information_schema.processlist where id = connection_id()") == f"127.0.0.1:{port}"
    finally:
        pair.writer.query("set global proxy_protocol_networks = ''")
