"""A running taskd or jobd, and requests to it: by http.client, or byte for byte."""
import http.client
import http.server
import json
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

from daemon import Daemon
from servers import wait_for

LIB = pathlib.Path(__file__).resolve().parent
ECHO = """[pool echo]
mode = exec
command = sh -c 'cat'
topics = echo*, *.echo
workers_max = 4
[pool tell]
mode = exec
command = sh -c 'cat >/dev/null; echo said; echo told >&2; exit 0'
topics = tell
[pool fail]
mode = exec
command = sh -c 'echo no good >&2; exit 65'
topics = fail
[pool slow]
mode = exec
command = sh -c 'exec sleep 30'
topics = slow
kill_grace = 200ms
cancel_grace = 200ms
"""


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]["code"]

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Taskd(Daemon):
    """`extra`: more of the file; `keys`: more of the role's section.

    `answers`: the method, path and status of each answer to ask(), of all that ran.
    """

    answers = set()
    role, address = "taskd", "listen"

    def __init__(self, folder, keys="", extra=ECHO, name=None, data=None, prefix=(), env=None, listen="127.0.0.1:0",
                 drain="5s"):
        name = name or self.role
        self.data = pathlib.Path(data or folder / f"{name}.data")
        text = (f"[troupe]\ndata_dir = {self.data}\ndrain_timeout = {drain}\n"
                f"[{self.role}]\n{self.address} = {listen}\n{keys}\n{extra}")
        super().__init__(self.role, text, folder, name, prefix=prefix, env=env)
        self._port = None

    def ready(self, seconds=10.0):
        self.wait_log(f"ready role={self.role}", seconds)
        return self

    def again(self, seconds=20.0):
        """The same once more after its end, on another port."""
        before = len(re.findall(f"ready role={self.role}", self.log()))
        self.launch()
        wait_for("ready", lambda: self.process.poll() is not None or
                 len(re.findall(f"ready role={self.role}", self.log())) > before, seconds)
        assert self.process.poll() is None, self.log()[-4000:]
        self._port = int(re.findall(r"listening on 127\.0\.0\.1:(\d+)(?! tls)\n", self.log())[-1])

    @property
    def port(self):
        if self._port is None:
            self._port = int(self.wait_log(r"listening on 127\.0\.0\.1:(\d+)(?! tls)\n")[1])
        return self._port

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, method, path, body=None, headers=None, timeout=15) -> Reply:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            link.request(method, path, body, headers)
            answer = link.getresponse()
            self.answers.add((method, path.partition("?")[0], answer.status))
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            link.close()

    def get(self, path, **more) -> Reply:
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more) -> Reply:
        return self.ask("POST", path, body, **more)

    def push(self, topic, payload=None, **members) -> str:
        answer = self.post("/v1/tasks", {"topic": topic, "payload": payload, **members})
        assert answer.status == 202, answer
        return answer.json["id"]

    def state(self, task) -> str:
        answer = self.get(f"/v1/tasks/{task}")
        return answer.json["state"] if answer.status == 200 else str(answer.status)

    def wait_state(self, task, state, seconds=10.0):
        wait_for(f"{task} {state}", lambda: self.state(task) == state, seconds)

    def raw(self, data, seconds=5.0) -> bytes:
        """All that comes for these bytes until the server closes, or is silent for so long."""
        return self.raw_at(self.port, data, seconds)

    def raw_at(self, port, data, seconds=5.0) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            link.settimeout(seconds)
            link.sendall(data)
            parts = []
            try:
                while more := link.recv(65536):
                    parts.append(more)
            except (TimeoutError, ConnectionResetError):
                pass
            return b"".join(parts)


class Listener:
    """A web hook; `told`: the bodies that it was sent, `paths`: where to. `answers`: its first statuses, then 200; while it
    `refuses`, 503. `says`: the body of its answers."""

    def __init__(self, answers=(), refuses=False, says=b""):
        self.told, self.paths, self.refuses = [], [], refuses
        listener, left = self, list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not listener.refuses:
                    listener.paths.append(self.path)
                    listener.told.append(body)
                self.send_response(503 if listener.refuses else left.pop(0) if left else 200)
                self.end_headers()
                self.wfile.write(says)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"


class Jobd(Taskd):
    role, address = "jobd", "http"


# For how long its loop may be held, in seconds, while something else stands still for seconds: 3 ms by hand, but a
# machine that is busy holds it for longer than that.
GAP = 0.1


def longest_gap(node, seconds, during=lambda: None):
    """For how long its loop was held, at most, in so many seconds; measured by another process (gap.py)."""
    gap = subprocess.Popen([sys.executable, LIB / "gap.py", str(node.port), str(node.pid), str(seconds)], stdout=subprocess.PIPE, text=True)
    gap.stdout.readline()
    during()
    return float(gap.communicate(timeout=seconds + 60)[0]) / 1000


def fill(one, topic, n, size=100) -> set:
    """n tasks by way of batches; their ids."""
    ids, row = set(), json.dumps({"topic": topic, "payload": "x" * size})
    most = min(10_000, (1 << 20) // (len(row) + 1))
    while len(ids) < n:
        lines = "\n".join([row] * min(most, n - len(ids)))
        answer = one.post("/v1/tasks:batch", lines, headers={"Content-Type": "application/x-ndjson"})
        assert answer.status == 202 and not answer.json["errors"], answer
        ids.update(answer.json["ids"])
    return ids


def switches(pid) -> int:
    """How often its threads have waited for something so far."""
    status = [(thread / "status").read_text() for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1]) for text in status)


def events(taskd, path, headers=None, until=None, seconds=10.0):
    """Server-sent events as (id, event, data), until one for which until() is true, or the end."""
    link = http.client.HTTPConnection("127.0.0.1", taskd.port, timeout=seconds)
    link.request("GET", path, headers=headers or {})
    answer = link.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
    found, event, deadline = [], {}, time.monotonic() + seconds
    for line in answer:
        assert time.monotonic() < deadline
        line = line.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if not line and event:
            found.append((event.get("id"), event["event"], json.loads(event["data"])))
            event = {}
            if until and until(found[-1]):
                break
        elif line:
            name, _, value = line.partition(": ")
            event[name] = value
    link.close()
    return found


class Load:
    """Clients that hand in tasks of one topic until they are told to stop or the server is gone, each with a connection."""

    def __init__(self, one, clients, topic):
        self.topic, self.accepted, self.refused, self.stop = topic, set(), 0, False
        body = json.dumps({"topic": topic, "payload": "x" * 100}).encode()
        self.request = b"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self.port = one.port
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as link:
                while not self.stop and self.ask(link):
                    pass
        except OSError:
            pass

    def ask(self, link) -> bool:
        """One task; false when the connection is at its end."""
        link.sendall(self.request)
        got = b""
        while b"}\n" not in got:
            more = link.recv(4096)
            if not more:
                return False
            got += more
        if got.startswith(b"HTTP/1.1 202"):
            self.accepted.add(re.search(rb'"id":"(\w+)"', got)[1].decode())
        else:
            self.refused += 1
            time.sleep(0.01)
        return b"\r\nConnection: close" not in got

    def join(self) -> set:
        """Ends it; the ids of all that was answered with 202."""
        self.stop = True
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        return self.accepted


class Told:
    """Follows the events of a topic until the server is gone; `over`: the ids of tasks that were said to have succeeded."""

    def __init__(self, one, topic):
        self.over = set()
        self.link = socket.create_connection(("127.0.0.1", one.port), timeout=60)
        self.link.sendall(b"GET /v1/events?topic=%s HTTP/1.1\r\nHost: a\r\n\r\n" % topic.encode())
        self.lines = self.link.makefile("rb")
        assert b" 200 " in self.lines.readline()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        event = b""
        try:
            for line in self.lines:
                if line.startswith(b"event: "):
                    event = line[7:-1]
                elif line.startswith(b"data: ") and event == b"succeeded":
                    self.over.add(json.loads(line[6:])["id"])
        except (OSError, ValueError):
            pass

    def join(self) -> set:
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.link.close()
        return self.over


def known(one, topic, states=("pending", "succeeded", "dead")) -> dict:
    """All tasks of a topic in those states, by id."""
    found = {}
    for state in states:
        cursor = ""
        while True:
            page = one.get(f"/v1/tasks?topic={topic}&state={state}&limit=1000&fields=id,state,crashes{cursor}").json
            found.update({t["id"]: t for t in page["items"]})
            if not page["next"]:
                break
            cursor = f"&cursor={page['next']}"
    return found
