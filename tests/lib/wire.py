"""The MySQL protocol by hand: what no driver lets a test send or see.

    link = Wire(("127.0.0.1", port), "app", "secret", "demo")
    for result in link.query("select 1; select 2"): print(result)
    link.command(COM_PING).packets           the raw reply: [(sequence, payload)]

A reply keeps its raw packets, so that two servers can be compared byte for
byte, and is parsed into Results. Packet shapes: MariaDB's "Clients & server
protocol" and MySQL's "Client/Server Protocol".
"""
import hashlib
import socket
import ssl
import struct

COM_QUIT, COM_INIT_DB, COM_QUERY, COM_FIELD_LIST = 0x01, 0x02, 0x03, 0x04
COM_CREATE_DB, COM_DROP_DB, COM_REFRESH = 0x05, 0x06, 0x07
COM_STATISTICS, COM_PROCESS_INFO, COM_PROCESS_KILL, COM_DEBUG, COM_PING = 0x09, 0x0A, 0x0C, 0x0D, 0x0E
COM_CHANGE_USER, COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA = 0x11, 0x16, 0x17, 0x18
COM_STMT_CLOSE, COM_STMT_RESET, COM_SET_OPTION, COM_STMT_FETCH = 0x19, 0x1A, 0x1B, 0x1C
COM_RESET_CONNECTION, COM_STMT_BULK_EXECUTE = 0x1F, 0xFA

LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB = 1 << 0, 1 << 1, 1 << 2, 1 << 3
COMPRESS, LOCAL_FILES, PROTOCOL_41, INTERACTIVE, SSL = 1 << 5, 1 << 7, 1 << 9, 1 << 10, 1 << 11
TRANSACTIONS, SECURE_CONNECTION, MULTI_STATEMENTS, MULTI_RESULTS = 1 << 13, 1 << 15, 1 << 16, 1 << 17
PS_MULTI_RESULTS, PLUGIN_AUTH, CONNECT_ATTRS, PLUGIN_AUTH_LENENC = 1 << 18, 1 << 19, 1 << 20, 1 << 21
SESSION_TRACK, DEPRECATE_EOF, QUERY_ATTRIBUTES = 1 << 23, 1 << 24, 1 << 27
MARIA_PROGRESS, MARIA_BULK, MARIA_EXT_METADATA, MARIA_CACHE_METADATA = 1 << 32, 1 << 34, 1 << 35, 1 << 36

BASIC = (LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | MULTI_STATEMENTS
         | MULTI_RESULTS | PS_MULTI_RESULTS | PLUGIN_AUTH | LOCAL_FILES)
MODERN = BASIC | SESSION_TRACK | DEPRECATE_EOF

IN_TRANS, AUTOCOMMIT, MORE_RESULTS = 0x0001, 0x0002, 0x0008
CURSOR_EXISTS, LAST_ROW_SENT, OUT_PARAMS, STATE_CHANGED = 0x0040, 0x0080, 0x1000, 0x4000
MAX_PACKET = 0xFFFFFF


class Closed(Exception):
    """The peer closed the connection."""


class ServerError(Exception):
    """An ERR packet during login."""

    def __init__(self, payload: bytes):
        self.payload = payload
        self.code, self.state, self.text = error_of(payload)
        super().__init__(f"ERROR {self.code} ({self.state}): {self.text}")


def error_of(payload: bytes) -> tuple:
    """(code, sqlstate, text) of an ERR packet."""
    code = struct.unpack_from("<H", payload, 1)[0]
    if payload[3:4] == b"#":
        return code, payload[4:9].decode(), payload[9:].decode("utf8", "replace")
    return code, "", payload[3:].decode("utf8", "replace")


def lenenc(n: int) -> bytes:
    if n < 0xFB:
        return bytes([n])
    if n < 1 << 16:
        return b"\xfc" + struct.pack("<H", n)
    if n < 1 << 24:
        return b"\xfd" + struct.pack("<I", n)[:3]
    return b"\xfe" + struct.pack("<Q", n)


def lenenc_str(data: bytes) -> bytes:
    return lenenc(len(data)) + data


def take_lenenc(data: bytes, at: int) -> tuple:
    """(value, next offset); None for NULL."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    if first == 0xFB:
        return None, at + 1
    if first == 0xFC:
        return struct.unpack_from("<H", data, at + 1)[0], at + 3
    if first == 0xFD:
        return int.from_bytes(data[at + 1:at + 4], "little"), at + 4
    return struct.unpack_from("<Q", data, at + 1)[0], at + 9


def take_str(data: bytes, at: int) -> tuple:
    n, at = take_lenenc(data, at)
    return (None, at) if n is None else (data[at:at + n], at + n)


def native_scramble(password: bytes, salt: bytes) -> bytes:
    if not password:
        return b""
    one = hashlib.sha1(password).digest()
    two = hashlib.sha1(salt + hashlib.sha1(one).digest()).digest()
    return bytes(a ^ b for a, b in zip(one, two))


def sha2_scramble(password: bytes, salt: bytes) -> bytes:
    if not password:
        return b""
    one = hashlib.sha256(password).digest()
    two = hashlib.sha256(hashlib.sha256(one).digest() + salt).digest()
    return bytes(a ^ b for a, b in zip(one, two))


def frame(payload: bytes, seq: int = 0) -> bytes:
    """A payload as packets, with the empty one after an exact multiple of 16 MiB - 1."""
    out = []
    while True:
        part, payload = payload[:MAX_PACKET], payload[MAX_PACKET:]
        out.append(struct.pack("<I", len(part))[:3] + bytes([seq & 255]) + part)
        seq += 1
        if len(part) < MAX_PACKET:
            return b"".join(out)


class Result:
    """One result: columns and rows, or an OK, or an error."""

    __slots__ = ("kind", "columns", "rows", "affected", "insert_id", "status", "warnings", "info", "error", "track")

    def __init__(self, kind):
        self.kind = kind
        self.columns, self.rows, self.error, self.info, self.track = [], [], None, b"", []
        self.affected = self.insert_id = self.status = self.warnings = None

    def values(self, mask: int = ~STATE_CHANGED) -> tuple:
        """All that a client can see, for comparison."""
        status = None if self.status is None else self.status & mask
        return (self.kind, tuple(self.columns), tuple(map(tuple, self.rows)), self.affected, self.insert_id, status,
                self.warnings, self.info, self.error)

    def __repr__(self):
        return f"<{self.values()}>"


class Reply:
    """What came back for one command."""

    def __init__(self):
        self.packets, self.results = [], []
        self.statement = None

    @property
    def error(self):
        return next((r.error for r in self.results if r.error), None)

    @property
    def rows(self):
        return self.results[0].rows

    def values(self) -> tuple:
        return tuple(r.values() for r in self.results)


class Greeting:
    """The server's first packet (protocol 10)."""

    def __init__(self, data: bytes):
        self.raw = data
        end = data.index(b"\0", 1)
        self.version, at = data[1:end], end + 1
        self.thread_id = struct.unpack_from("<I", data, at)[0]
        self.salt, at = data[at + 4:at + 12], at + 13
        low, self.charset, self.status, high, auth_len = struct.unpack_from("<HBHHB", data, at)
        at += 8
        self.caps = low | high << 16
        if not self.caps & LONG_PASSWORD:
            self.caps |= struct.unpack_from("<I", data, at + 6)[0] << 32
        at += 10
        more = max(13, auth_len - 8)
        self.salt += data[at:at + more - 1]
        self.plugin = data[at + more:].split(b"\0")[0]


class Wire:
    """A client connection. `caps` are asked for as far as the server has them."""

    def __init__(self, address, user="app", password="secret", db=None, caps=BASIC, charset=45, attrs=None,
                 timeout=30.0, tls=None, login=True, receive_buffer=None):
        self.user, self.password, self.db, self.caps, self.charset = user, password, db, caps, charset
        self.attrs = attrs
        self.sock = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        self.sock.settimeout(timeout)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.connect(address)
            if isinstance(address, tuple):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.buffer, self.at, self.seq = b"", 0, 0
            first = self.read()
            if first[:1] == b"\xff":
                raise ServerError(first)
            self.greeting = Greeting(first)
            self.caps &= self.greeting.caps
            if login:
                self.login(tls)
        except BaseException:
            self.sock.close()
            raise

    # ---- packets -------------------------------------------------------------

    def fill(self, want: int):
        parts, have = [self.buffer[self.at:]], len(self.buffer) - self.at
        while have < want:
            data = self.sock.recv(max(65536, want - have))
            if not data:
                raise Closed(f"closed after {have} of {want} bytes")
            parts.append(data)
            have += len(data)
        self.buffer, self.at = b"".join(parts), 0

    def take(self, n: int) -> bytes:
        if len(self.buffer) - self.at < n:
            self.fill(n)
        self.at += n
        return self.buffer[self.at - n:self.at]

    def read(self, keep: list = None) -> bytes:
        """One payload, joined; its packets go to `keep`."""
        whole = []
        while True:
            head = self.take(4)
            size, self.seq = int.from_bytes(head[:3], "little"), head[3]
            part = self.take(size)
            if keep is not None:
                keep.append((self.seq, part))
            whole.append(part)
            if size < MAX_PACKET:
                return whole[0] if len(whole) == 1 else b"".join(whole)

    def write(self, payload: bytes, seq: int = 0):
        self.sock.sendall(frame(payload, seq))

    def send_raw(self, data: bytes):
        self.sock.sendall(data)

    # ---- login ---------------------------------------------------------------

    def login(self, tls=None):
        caps = self.caps & ~(SSL | COMPRESS)
        if self.db is not None:
            caps |= CONNECT_WITH_DB
        if self.attrs is not None and self.greeting.caps & CONNECT_ATTRS:
            caps |= CONNECT_ATTRS
        seq = 1
        if tls:
            caps |= SSL
            self.write(self.head(caps), 1)
            self.sock = tls.wrap_socket(self.sock)
            seq = 2
        self.caps = caps
        self.write(self.head(caps) + self.tail(caps), seq)
        self.finish_login(self.greeting.salt)

    def head(self, caps: int) -> bytes:
        high = struct.pack("<I", caps >> 32) if not self.greeting.caps & LONG_PASSWORD else b"\0" * 4
        return struct.pack("<IIB", caps & 0xFFFFFFFF, 1 << 30, self.charset & 0xFF) + b"\0" * 19 + high

    def tail(self, caps: int) -> bytes:
        out = self.user.encode() + b"\0" + lenenc_str(native_scramble(self.password.encode(), self.greeting.salt))
        if caps & CONNECT_WITH_DB:
            out += self.db.encode() + b"\0"
        if caps & PLUGIN_AUTH:
            out += b"mysql_native_password\0"
        if caps & CONNECT_ATTRS:
            out += lenenc_str(b"".join(lenenc_str(k.encode()) + lenenc_str(v.encode()) for k, v in self.attrs.items()))
        return out

    def finish_login(self, salt: bytes):
        while True:
            data = self.read()
            if data[0] == 0:
                return
            if data[0] == 0xFF:
                raise ServerError(data)
            if data[0] == 0xFE:
                name, rest = data[1:].split(b"\0", 1)
                salt = rest.rstrip(b"\0") if len(rest) > 20 else rest
                self.write(self.answer(name, salt), self.seq + 1)
            elif data[:2] == b"\1\4":  # sha2: the whole password, over TLS only
                if not isinstance(self.sock, ssl.SSLSocket):
                    raise ServerError(b"\xff\0\0full sha2 login without TLS")
                self.write(self.password.encode() + b"\0", self.seq + 1)

    def answer(self, plugin: bytes, salt: bytes) -> bytes:
        secret = self.password.encode()
        if plugin == b"mysql_native_password":
            return native_scramble(secret, salt)
        if plugin == b"caching_sha2_password":
            return sha2_scramble(secret, salt)
        raise ServerError(b"\xff\0\0no plugin " + plugin)

    # ---- commands ------------------------------------------------------------

    def ask(self, command: int, body: bytes = b""):
        self.write(bytes([command]) + body)

    def command(self, command: int, body: bytes = b"", reader=None) -> Reply:
        """Sends a command and reads the whole of its reply."""
        self.ask(command, body)
        return self.reply(command, reader)

    def reply(self, command: int = COM_QUERY, reader=None) -> Reply:
        reply = Reply()
        if command in (COM_STMT_CLOSE, COM_STMT_SEND_LONG_DATA, COM_QUIT):
            return reply
        if reader:
            reader(reply)
        elif command == COM_STATISTICS:
            made = Result("text")
            made.info = self.read(reply.packets)
            reply.results.append(made)
        elif command == COM_STMT_PREPARE:
            self.read_prepare(reply)
        elif command == COM_FIELD_LIST:
            self.read_fields(reply)
        elif command == COM_STMT_FETCH:
            self.read_rows(reply, Result("rows"), binary=None)
        elif command == COM_CHANGE_USER:
            self.read_change_user(reply)
        else:
            binary = command in (COM_STMT_EXECUTE, COM_STMT_BULK_EXECUTE)
            while self.read_result(reply, binary):
                pass
        return reply

    def query(self, sql) -> Reply:
        return self.command(COM_QUERY, sql if isinstance(sql, bytes) else sql.encode())

    def rows(self, sql) -> list:
        """Rows of the first result; AssertionError when it is an error."""
        reply = self.query(sql)
        assert not reply.error, (sql, reply.error)
        return reply.results[0].rows

    def value(self, sql):
        """The first column of the first row, as text."""
        got = self.rows(sql)[0][0]
        return None if got is None else got.decode()

    def prepare(self, sql) -> Reply:
        return self.command(COM_STMT_PREPARE, sql if isinstance(sql, bytes) else sql.encode())

    def execute(self, statement: int, params=(), cursor: int = 0, types=True, long_data=()) -> Reply:
        """Executes with text parameters (None for NULL, int as bigint, bytes as blob)."""
        self.ask(COM_STMT_EXECUTE, execute_body(statement, params, cursor, types, long_data))
        return self.reply(COM_STMT_EXECUTE)

    def fetch(self, statement: int, rows: int) -> Reply:
        return self.command(COM_STMT_FETCH, struct.pack("<II", statement, rows))

    def change_user(self, user: str, password: str, db: str = "") -> Reply:
        self.password = password
        scramble = native_scramble(password.encode(), self.greeting.salt)
        body = user.encode() + b"\0" + bytes([len(scramble)]) + scramble + db.encode() + b"\0"
        body += struct.pack("<H", self.charset)
        if self.caps & PLUGIN_AUTH:
            body += b"mysql_native_password\0"
        if self.caps & CONNECT_ATTRS:
            body += lenenc_str(b"")
        return self.command(COM_CHANGE_USER, body)

    def quit(self):
        try:
            self.ask(COM_QUIT)
            self.sock.settimeout(5)
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.quit()

    # ---- replies -------------------------------------------------------------

    def parse_ok(self, data: bytes, result: Result):
        at = 1
        result.affected, at = take_lenenc(data, at)
        result.insert_id, at = take_lenenc(data, at)
        result.status, result.warnings = struct.unpack_from("<HH", data, at)
        at += 4
        if self.caps & SESSION_TRACK:
            if at < len(data):
                result.info, at = take_str(data, at)
            if result.status & STATE_CHANGED and at < len(data):
                block, at = take_str(data, at)
                result.track = parse_track(block)
        else:
            result.info = data[at:]
            if result.info:  # a length here, by the protocol's text; without it, by old servers
                n, start = take_lenenc(result.info, 0)
                if n is not None and start + n == len(result.info):
                    result.info = result.info[start:]

    def is_end(self, data: bytes) -> bool:
        if data[:1] != b"\xfe":
            return False
        return len(data) < MAX_PACKET if self.caps & DEPRECATE_EOF else len(data) < 9

    def parse_end(self, data: bytes, result: Result):
        if self.caps & DEPRECATE_EOF and len(data) > 5:
            self.parse_ok(data, result)
        else:
            result.warnings, result.status = struct.unpack_from("<HH", data, 1)

    def fail(self, reply: Reply, data: bytes, result: Result = None) -> bool:
        result = result or Result("error")
        result.error = error_of(data)
        reply.results.append(result)
        return False

    def progress(self, data: bytes) -> bool:
        return data[:3] == b"\xff\xff\xff" and bool(self.caps & MARIA_PROGRESS)

    def read_result(self, reply: Reply, binary: bool) -> bool:
        """One result; true when more follow."""
        data = self.read(reply.packets)
        while self.progress(data):
            data = self.read(reply.packets)
        if data[:1] == b"\xff":
            return self.fail(reply, data)
        if data[:1] == b"\0" or (self.is_end(data)):
            result = Result("ok")
            self.parse_ok(data, result) if data[0] == 0 else self.parse_end(data, result)
            reply.results.append(result)
            return bool(result.status & MORE_RESULTS)
        if data[:1] == b"\xfb":
            return self.send_file(reply, data[1:])
        return self.read_set(reply, data, binary)

    def read_set(self, reply: Reply, data: bytes, binary: bool) -> bool:
        result = Result("rows")
        count, at = take_lenenc(data, 0)
        follow = data[at] if self.caps & MARIA_CACHE_METADATA and at < len(data) else 1
        more = False
        if follow:
            result.columns = [self.read(reply.packets) for _ in range(count)]
            if not self.caps & DEPRECATE_EOF:
                end = self.read(reply.packets)
                status = struct.unpack_from("<H", end, 3)[0]
                if status & CURSOR_EXISTS:
                    self.parse_end(end, result)
                    reply.results.append(result)
                    return False
                # MySQL 5.6 tells only here that an OK follows OUT parameters.
                more = bool(status & OUT_PARAMS and status & MORE_RESULTS)
        return self.read_rows(reply, result, count if not binary else None) or (more and not result.error)

    def read_rows(self, reply: Reply, result: Result, binary) -> bool:
        """Rows until the end; `binary` None leaves them as they are, else the number of text columns."""
        while True:
            data = self.read(reply.packets)
            if data[:1] == b"\xff" and not self.progress(data):
                return self.fail(reply, data, result)
            if self.is_end(data):
                self.parse_end(data, result)
                reply.results.append(result)
                return bool(result.status & MORE_RESULTS)
            result.rows.append([data] if binary is None else text_row(data))

    #: what LOAD DATA LOCAL gets: chunks by file name
    files = {}

    def send_file(self, reply: Reply, name: bytes) -> bool:
        seq = self.seq
        for chunk in self.files.get(name, []):
            self.write(chunk, seq + 1)
            seq += len(chunk) // MAX_PACKET + 1
        self.write(b"", seq + 1)
        return self.read_result(reply, False)

    def read_prepare(self, reply: Reply):
        data = self.read(reply.packets)
        if data[:1] == b"\xff":
            self.fail(reply, data)
            return
        result = Result("prepared")
        reply.statement, columns, params = struct.unpack_from("<IHH", data, 1)
        result.warnings = struct.unpack_from("<H", data, 10)[0]
        for count in (params, columns):
            result.columns += [self.read(reply.packets) for _ in range(count)]
            if count and not self.caps & DEPRECATE_EOF:
                self.read(reply.packets)
        result.info = (params, columns)
        reply.results.append(result)

    def read_fields(self, reply: Reply):
        result = Result("fields")
        while True:
            data = self.read(reply.packets)
            if data[:1] == b"\xff":
                self.fail(reply, data, result)
                return
            if data[:1] == b"\xfe" and len(data) < 9:
                result.warnings, result.status = struct.unpack_from("<HH", data, 1)
                reply.results.append(result)
                return
            result.columns.append(data)

    def read_change_user(self, reply: Reply):
        data = self.read(reply.packets)
        if data[:1] == b"\xfe":
            name, rest = data[1:].split(b"\0", 1)
            self.write(self.answer(name, rest[:20]), self.seq + 1)
            data = self.read(reply.packets)
        if data[:1] == b"\xff":
            self.fail(reply, data)
            return
        result = Result("ok")
        self.parse_ok(data, result)
        reply.results.append(result)


def text_row(data: bytes) -> list:
    row, at = [], 0
    while at < len(data):
        value, at = take_str(data, at)
        row.append(value)
    return row


def parse_track(block: bytes) -> list:
    """(type, bytes) entries of a session-state block."""
    out, at = [], 0
    while at < len(block):
        kind = block[at]
        body, at = take_str(block, at + 1)
        out.append((kind, body))
    return out


def execute_body(statement: int, params=(), cursor: int = 0, types=True, long_data=()) -> bytes:
    """The body of COM_STMT_EXECUTE; parameters in `long_data` (indexes) were sent before."""
    out = struct.pack("<IBI", statement, cursor, 1)
    if not params:
        return out
    nulls = bytearray((len(params) + 7) // 8)
    kinds, values = b"", b""
    for i, value in enumerate(params):
        if value is None:
            nulls[i // 8] |= 1 << i % 8
            kinds += b"\x06\0"
        elif i in long_data:
            kinds += b"\xfc\0"
        elif isinstance(value, int):
            kinds += b"\x08\0"
            values += struct.pack("<q", value)
        elif isinstance(value, float):
            kinds += b"\x05\0"
            values += struct.pack("<d", value)
        elif isinstance(value, bytes):
            kinds += b"\xfc\0"
            values += lenenc_str(value)
        else:
            kinds += b"\xfd\0"
            values += lenenc_str(value.encode())
    out += bytes(nulls)
    return out + (b"\1" + kinds if types else b"\0") + values
