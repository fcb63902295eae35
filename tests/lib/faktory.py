"""Faktory's protocol (FWP), spoken byte for byte."""
import hashlib
import itertools
import json
import socket

count = itertools.count(1)


class Refused(Exception):
    """-WORD text."""


class Client:
    """One connection; wid: a worker's."""

    def __init__(self, port, wid=None, password=None, timeout=10.0, hello=True):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.seen = b""
        if hello:
            self.greeting = self.hello(wid, password)

    def hello(self, wid=None, password=None):
        hi = self.read()
        assert hi.startswith("HI "), hi
        hi = json.loads(hi[3:])
        hello = {"hostname": "test", "pid": 1, "labels": ["python"], "v": 2}
        if wid:
            hello["wid"] = wid
        if "s" in hi and password is not None:
            digest = (password + hi["s"]).encode()
            for _ in range(hi["i"]):
                digest = hashlib.sha256(digest).digest()
            hello["pwdhash"] = digest.hex()
        assert self.ask("HELLO", hello) == "OK"
        return hi

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, verb, *words):
        words = [json.dumps(w) if isinstance(w, (dict, list)) else str(w) for w in words]
        self.link.sendall(" ".join([verb, *words]).encode() + b"\r\n")

    def fill(self):
        more = self.link.recv(65536)
        if not more:
            raise ConnectionError(f"closed, after {self.seen[-200:]!r}")
        self.seen += more

    def line(self) -> str:
        while b"\r\n" not in self.seen:
            self.fill()
        line, self.seen = self.seen.split(b"\r\n", 1)
        return line.decode()

    def read(self):
        line = self.line()
        if line[0] == "+":
            return line[1:]
        if line[0] == "-":
            raise Refused(line[1:])
        size = int(line[1:])
        if size < 0:
            return None
        while len(self.seen) < size + 2:
            self.fill()
        body, self.seen = self.seen[:size], self.seen[size + 2:]
        return body.decode()

    def ask(self, verb, *words):
        self.send(verb, *words)
        return self.read()

    def json(self, verb, *words):
        return json.loads(self.ask(verb, *words))

    def push(self, jobtype="work", *args, **members) -> str:
        job = new_job(jobtype, *args, **members)
        assert self.ask("PUSH", job) == "OK"
        return job["jid"]

    def fetch(self, *queues):
        body = self.ask("FETCH", *(queues or ["default"]))
        return json.loads(body) if body else None

    def ack(self, job):
        return self.ask("ACK", {"jid": job["jid"]})

    def fail(self, job, message="in vain", errtype="RuntimeError"):
        return self.ask("FAIL", {"jid": job["jid"], "errtype": errtype, "message": message, "backtrace": ["a:1", "b:2"]})


def new_job(jobtype="work", *args, **members) -> dict:
    return {"jid": f"job-{next(count):08}", "jobtype": jobtype, "args": list(args), **members}
