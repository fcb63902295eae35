"""A small MySQL 8 server for what no package here has: caching_sha2_password, error 4031, and odd moments.

It answers `select` of literals and @@variables, says OK to everything else,
keeps every command in `commands` and every login in `logins`. Marked as a fake
in the tests that use it: the real server may differ.

    with FakeMySQL({"app": "secret"}, plugin="caching_sha2_password") as fake:
        ...
        fake.expire()         error 4031 to all idle connections, then they are closed
"""
import hashlib
import os
import re
import ssl
import struct
import threading

import peers
import wire

CAPS = (wire.MODERN | wire.CONNECT_WITH_DB | wire.CONNECT_ATTRS | wire.FOUND_ROWS | wire.INTERACTIVE
        | wire.PLUGIN_AUTH_LENENC | 0x40 | 0x100 | 0x400 | 0x1000)
SHA2, NATIVE, ED25519 = "caching_sha2_password", "mysql_native_password", "client_ed25519"


class FakeMySQL(peers.Peer):
    """`users` is name -> password; `cached` are users whose fast sha2 login works at once."""

    def __init__(self, users, plugin=SHA2, default_plugin=None, tls=None, version="8.0.36", cached=(), caps=CAPS):
        self.users, self.plugin, self.default_plugin = users, plugin, default_plugin or plugin
        self.version, self.caps = version, caps & ~wire.SSL
        self.cached = set(cached)
        self.commands, self.logins, self.full_logins = [], [], []
        self.variables = {"version": version, "version_comment": "fake", "wait_timeout": "28800", "read_only": "0",
                          "max_allowed_packet": "67108864", "max_prepared_stmt_count": "16382", "server_id": "8",
                          "autocommit": "1", "sql_mode": "STRICT_TRANS_TABLES", "time_zone": "SYSTEM",
                          "character_set_client": "utf8mb4", "character_set_results": "utf8mb4",
                          "character_set_connection": "utf8mb4", "collation_connection": "utf8mb4_0900_ai_ci"}
        self.talking, self.lock, self.thread_ids = {}, threading.Lock(), 100
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(tls.cert, tls.key)
            self.caps |= wire.SSL
        self.key = None
        super().__init__()

    # ---- one connection --------------------------------------------------------

    def serve(self, link):
        with self.lock:
            self.thread_ids += 1
            talk = Talk(self, link, self.thread_ids)
        if talk.login():
            self.talking[link] = talk
            talk.commands()
        self.talking.pop(link, None)
        peers.hang_up(talk.link)

    def expire(self):
        """What MySQL 8.0.24 does at wait_timeout: an ERR nobody asked for, and an end."""
        for link, talk in list(self.talking.items()):
            try:
                talk.send(error(4031, "HY000", "The client was disconnected by the server because of inactivity."), 0)
            except OSError:
                pass  # it had gone by itself
            peers.hang_up(talk.link)

    def queries(self) -> list:
        return [body.decode("utf8", "replace") for command, body in self.commands if command == wire.COM_QUERY]

    def rsa(self):
        """The key of RSA logins, made when first asked for (python3-cryptography)."""
        if not self.key:
            from cryptography.hazmat.primitives.asymmetric import rsa
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self.key


def error(code: int, state: str, text: str) -> bytes:
    return struct.pack("<BH", 0xFF, code) + b"#" + state.encode() + text.encode()


def ok(status=wire.AUTOCOMMIT, affected=0, head=b"\0") -> bytes:
    return head + wire.lenenc(affected) + b"\0" + struct.pack("<HH", status, 0)


def column(name: str) -> bytes:
    text = name.encode()
    return (b"\3def\0\0\0" + wire.lenenc_str(text) + b"\0\x0c" + struct.pack("<HIBHB", 255, 1024, 0xFD, 0, 0) + b"\0\0")


class Talk:
    """The server's side of one connection."""

    def __init__(self, server: FakeMySQL, link, thread_id: int):
        self.server, self.link, self.thread_id = server, link, thread_id
        self.salt = bytes(b % 94 + 33 for b in os.urandom(20))
        self.buffer, self.seq, self.caps = b"", 0, 0
        self.statements, self.status = {}, wire.AUTOCOMMIT

    def send(self, payload: bytes, seq: int = None):
        self.seq = self.seq if seq is None else seq
        self.link.sendall(wire.frame(payload, self.seq))
        self.seq += 1

    def need(self, n: int) -> bytes:
        while len(self.buffer) < n:
            data = self.link.recv(65536)
            if not data:
                raise OSError("closed")
            self.buffer += data
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def read(self) -> bytes:
        whole = b""
        while True:
            head = self.need(4)
            size = int.from_bytes(head[:3], "little")
            self.seq = head[3] + 1
            whole += self.need(size)
            if size < wire.MAX_PACKET:
                return whole

    # ---- login -----------------------------------------------------------------

    def greet(self):
        s = self.server
        self.send(b"\x0a" + s.version.encode() + b"\0" + struct.pack("<I", self.thread_id) + self.salt[:8] + b"\0"
                  + struct.pack("<HBHHB", s.caps & 0xFFFF, 255, self.status, s.caps >> 16 & 0xFFFF, 21) + b"\0" * 10
                  + self.salt[8:] + b"\0" + s.default_plugin.encode() + b"\0", 0)

    def login(self) -> bool:
        self.greet()
        data = self.read()
        self.caps = struct.unpack_from("<I", data)[0]
        if self.caps & wire.SSL:
            if self.buffer:
                return False
            self.link = self.server.tls.wrap_socket(self.link, server_side=True)
            data = self.read()
        end = data.index(b"\0", 32)
        self.user, at = data[32:end].decode(), end + 1
        answer, at = wire.take_str(data, at)
        if self.caps & wire.CONNECT_WITH_DB:
            at = data.index(b"\0", at) + 1
        plugin = data[at:].split(b"\0")[0].decode() if self.caps & wire.PLUGIN_AUTH else NATIVE
        return self.finish(plugin, answer)

    def finish(self, plugin: str, answer: bytes) -> bool:
        wanted = self.server.plugin
        if plugin != wanted:
            self.salt = bytes(b % 94 + 33 for b in os.urandom(20))
            asked = b"n" * 31 + b"\0" if wanted == ED25519 else self.salt + b"\0"
            self.send(b"\xfe" + wanted.encode() + b"\0" + asked)
            answer = self.read()
        password = self.server.users.get(self.user)
        well = password is not None and self.check(wanted, password.encode(), answer)
        self.server.logins.append((self.user, well))
        self.send(ok() if well else error(1045, "28000", f"Access denied for user '{self.user}'@'127.0.0.1' (using password: YES)"))
        return well

    def check(self, plugin: str, password: bytes, answer: bytes) -> bool:
        if plugin == NATIVE:
            return answer == wire.native_scramble(password, self.salt)
        if plugin == ED25519:  # whether it is right, the real server says
            return len(answer) == 64
        if plugin == "mysql_clear_password":
            return answer.rstrip(b"\0") == password
        if not password:
            return answer in (b"", b"\0")
        if self.user in self.server.cached:
            if answer == wire.sha2_scramble(password, self.salt):
                self.send(b"\1\3")
                return True
            return False
        self.send(b"\1\4")
        given = self.read()
        if not isinstance(self.link, ssl.SSLSocket):
            if given != b"\2":
                return False
            given = self.decrypt()
        well = given.rstrip(b"\0") == password
        self.server.full_logins.append((self.user, isinstance(self.link, ssl.SSLSocket)))
        if well:
            self.server.cached.add(self.user)
        return well

    def decrypt(self) -> bytes:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding
        key = self.server.rsa()
        self.send(b"\1" + key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
        plain = key.decrypt(self.read(), oaep)
        return bytes(c ^ self.salt[i % 20] for i, c in enumerate(plain))

    # ---- commands --------------------------------------------------------------

    def commands(self):
        while True:
            data = self.read()
            command, body = data[0], data[1:]
            self.server.commands.append((command, body))
            if command == wire.COM_QUIT:
                return
            self.answer(command, body)

    def answer(self, command: int, body: bytes):
        if command == wire.COM_QUERY:
            for part in split(body.decode("utf8", "replace")):
                self.query(part.text, part.more)
        elif command == wire.COM_STMT_PREPARE:
            self.prepare(body.decode("utf8", "replace"))
        elif command == wire.COM_STMT_EXECUTE:
            self.select(self.statements[struct.unpack_from("<I", body)[0]], 0, binary=True)
        elif command in (wire.COM_STMT_CLOSE, wire.COM_STMT_SEND_LONG_DATA):
            return
        elif command == wire.COM_STATISTICS:
            self.send(b"Uptime: 1  Threads: 1")
        elif command == wire.COM_CHANGE_USER:
            self.user = body.split(b"\0")[0].decode()
            self.statements.clear()
            self.finish("", b"")
        elif command == wire.COM_RESET_CONNECTION:
            self.statements.clear()
            self.status = wire.AUTOCOMMIT
            self.send(ok())
        else:
            self.send(ok(self.status))

    def query(self, sql: str, more: bool):
        flag = wire.MORE_RESULTS if more else 0
        text = re.sub(r"/\*.*?\*/", "", sql, flags=re.S).strip().lower()
        if text.startswith(("begin", "start transaction")):
            self.status |= wire.IN_TRANS
        elif text.startswith(("commit", "rollback")):
            self.status &= ~wire.IN_TRANS
        if text.startswith("select"):
            self.select(sql, flag)
        elif text.startswith("show"):
            self.rows(["Variable_name", "Value"], [], flag)
        else:
            self.send(ok(self.status | flag))

    def value(self, item: str):
        item = re.sub(r"\s+as\s+\S+$", "", item.strip(), flags=re.I)
        if item.startswith("@@"):
            return self.server.variables.get(re.sub(r"^@@(session|global|local)?\.?", "", item, flags=re.I).lower(), "0")
        if item.lower() == "connection_id()":
            return str(self.thread_id)
        return item.strip("'\"")

    def select(self, sql: str, flag: int, binary=False):
        items = re.sub(r"(?is)^\s*(/\*.*?\*/)?\s*select\s+|\s+limit\s+\d+\s*$|;", "", sql).split(",")
        self.rows([i.strip() for i in items], [[self.value(i) for i in items]], flag, binary)

    def rows(self, names: list, rows: list, flag: int = 0, binary=False):
        self.send(wire.lenenc(len(names)))
        for name in names:
            self.send(column(name))
        if not self.caps & wire.DEPRECATE_EOF:
            self.send(b"\xfe" + struct.pack("<HH", 0, self.status | flag))
        head = b"\0" + b"\0" * ((len(names) + 9) // 8) if binary else b""
        for row in rows:
            self.send(head + b"".join(wire.lenenc_str(v.encode()) for v in row))
        self.send(ok(self.status | flag, head=b"\xfe") if self.caps & wire.DEPRECATE_EOF
                  else b"\xfe" + struct.pack("<HH", 0, self.status | flag))

    def prepare(self, sql: str):
        number = len(self.statements) + 1
        self.statements[number] = sql
        names = [i.strip() for i in re.sub(r"(?i)^\s*select\s+", "", sql).split(",")]
        self.send(b"\0" + struct.pack("<IHHBH", number, len(names), 0, 0, 0))
        for name in names:
            self.send(column(name))
        if not self.caps & wire.DEPRECATE_EOF:
            self.send(b"\xfe" + struct.pack("<HH", 0, self.status))


class Part:
    def __init__(self, text, more):
        self.text, self.more = text, more


def split(sql: str) -> list:
    """Statements of a query; no strings with semicolons here."""
    parts = [p for p in sql.split(";") if p.strip()] or [sql]
    return [Part(p, i < len(parts) - 1) for i, p in enumerate(parts)]


def sha2_hash(password: str) -> str:
    """SHA256(SHA256(password)) in hexadecimal: what the server's cache holds."""
    return hashlib.sha256(hashlib.sha256(password.encode()).digest()).hexdigest()
