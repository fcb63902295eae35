"""beanstalkd's protocol, spoken byte for byte; beanstalkd itself; and both, asked the same."""
import contextlib
import re
import socket
import subprocess

import servers


class Reply:
    def __init__(self, line: str, body: bytes = None):
        self.line, self.body = line, body
        self.words = line.split(" ")

    @property
    def id(self) -> int:
        return int(self.words[1])

    @property
    def yaml(self):
        """A dictionary of its lines, or the list that it is."""
        lines = self.body.decode().splitlines()[1:]
        if lines and lines[0].startswith("- "):
            return [line[2:] for line in lines]
        return dict(line.split(": ", 1) for line in lines)

    def __eq__(self, other):
        return self.line == other

    def __repr__(self):
        return f"{self.line!r} {self.body[:200]!r}" if self.body is not None else repr(self.line)


class Client:
    """One connection. Answers come when asked for: send() and read(), or ask() for both."""

    def __init__(self, address, timeout=10.0):
        if isinstance(address, str):
            self.link = socket.socket(socket.AF_UNIX)
            self.link.settimeout(timeout)
            self.link.connect(address)
        else:
            self.link = socket.create_connection(("127.0.0.1", address), timeout=timeout)
        self.address, self.seen = address, b""

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, line, body: bytes = None):
        data = line.encode() if isinstance(line, str) else line
        self.link.sendall(data + b"\r\n" + (body + b"\r\n" if body is not None else b""))

    def fill(self):
        try:
            more = self.link.recv(1 << 16)
        except TimeoutError:
            raise TimeoutError(f"{self.address}: no answer, only {self.seen[:200]}") from None
        if not more:
            raise EOFError(self.seen)
        self.seen += more

    def read(self) -> Reply:
        while b"\r\n" not in self.seen:
            self.fill()
        line, _, self.seen = self.seen.partition(b"\r\n")
        found = re.fullmatch(rb"(?:OK|(?:RESERVED|FOUND) \d+) (\d+)", line)
        if not found:
            return Reply(line.decode())
        size = int(found[1])
        while len(self.seen) < size + 2:
            self.fill()
        body, end, self.seen = self.seen[:size], self.seen[size:size + 2], self.seen[size + 2:]
        assert end == b"\r\n", (line, end)
        return Reply(line.decode(), body)

    def ask(self, line, body: bytes = None) -> Reply:
        self.send(line, body)
        return self.read()

    def put(self, body, pri=1024, delay=0, ttr=60) -> int:
        body = body.encode() if isinstance(body, str) else body
        answer = self.ask(f"put {pri} {delay} {ttr} {len(body)}", body)
        assert answer.words[0] == "INSERTED", answer
        return answer.id

    def reserve(self, timeout=None) -> Reply:
        return self.ask("reserve" if timeout is None else f"reserve-with-timeout {timeout}")


class Beanstalkd:
    """The real one."""

    def __init__(self, *options):
        self.port = servers.free_port()
        self.process = subprocess.Popen(
            [servers.need("beanstalkd", "beanstalkd"), "-l", "127.0.0.1", "-p", str(self.port), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=servers.die_with_parent)
        servers.wait_for("beanstalkd", self.answers)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def comparable(reply: Reply, ids: dict):
    """What is to be the same of both: ids by name, and no figures that are a program's own."""
    names = {str(n): f"<{name}>" for name, n in ids.items()}
    words = list(reply.words)
    if words[0] in ("INSERTED", "RESERVED", "FOUND"):
        words[1] = names.get(words[1], words[1])
    if reply.body is None or words[0] != "OK":
        return " ".join(words), reply.body
    rows = reply.yaml
    return "OK", {k: v for k, v in rows.items() if k not in OWN} if isinstance(rows, dict) else sorted(rows)


def same(ours, theirs) -> bool:
    """Seconds may differ by one: the two are not asked at the same moment."""
    if ours == theirs or not (isinstance(ours[1], dict) and isinstance(theirs[1], dict)):
        return ours == theirs
    return ours[1].keys() == theirs[1].keys() and all(
        v == theirs[1][k] or (k in SECONDS and abs(int(v) - int(theirs[1][k])) <= 1) for k, v in ours[1].items())


SECONDS = {"age", "time-left", "pause-time-left"}


def short(what) -> str:
    return repr(what) if len(repr(what)) < 2000 else f"{repr(what)[:1500]}..."


# Figures of the process, of the binlog, and those that grow for ever here and anew with each tube there.
OWN = {"pid", "version", "rusage-utime", "rusage-stime", "uptime", "id", "hostname", "os", "platform", "file",
       "binlog-oldest-index", "binlog-current-index", "binlog-records-migrated", "binlog-records-written",
       "binlog-max-size", "total-connections"}


class Both:
    """The same commands to two servers; their answers are to be the same.

    Connections have names; {a} in a command is the id of the job that a put named a.
    """

    def __init__(self, ours, theirs):
        self.ports, self.clients, self.ids = (ours, theirs), {}, ({}, {})

    def of(self, who):
        if who not in self.clients:
            self.clients[who] = tuple(Client(port) for port in self.ports)
        return self.clients[who]

    def send(self, line, body=None, who="a"):
        for client, ids in zip(self.of(who), self.ids):
            client.send(line.format(**ids), body)

    def read(self, who="a", name=None):
        replies = [client.read() for client in self.of(who)]
        if name:
            for reply, ids in zip(replies, self.ids):
                ids[name] = reply.id
        ours, theirs = (comparable(reply, ids) for reply, ids in zip(replies, self.ids))
        assert same(ours, theirs), f"ours {short(ours)}, theirs {short(theirs)}"
        return replies[0]

    def ask(self, line, body=None, who="a", name=None):
        self.send(line, body, who)
        try:
            return self.read(who, name)
        except AssertionError as why:
            raise AssertionError(f"{line}: {why}") from None

    def put(self, name, pri=1024, delay=0, ttr=60, who="a"):
        body = name.encode()
        return self.ask(f"put {pri} {delay} {ttr} {len(body)}", body, who, name)

    def close(self, who="a"):
        for client in self.clients.pop(who):
            client.close()

    def close_all(self):
        for who in list(self.clients):
            self.close(who)


@contextlib.contextmanager
def both(ours, theirs):
    pair = Both(ours, theirs)
    try:
        yield pair
    finally:
        pair.close_all()
