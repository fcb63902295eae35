"""A running taskd, and requests to it: by http.client, or byte for byte."""
import http.client
import json
import pathlib
import socket
import time

from daemon import Daemon
from servers import wait_for

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
    """`extra`: more of the file; `keys`: more of [taskd]."""

    def __init__(self, folder, keys="", extra=ECHO, name="taskd", data=None, prefix=(), env=None, listen="127.0.0.1:0"):
        self.data = pathlib.Path(data or folder / f"{name}.data")
        text = (f"[troupe]\ndata_dir = {self.data}\ndrain_timeout = 5s\n"
                f"[taskd]\nlisten = {listen}\n{keys}\n{extra}")
        super().__init__("taskd", text, folder, name, prefix=prefix, env=env)
        self._port = None

    def ready(self, seconds=10.0):
        self.wait_log(r"ready role=taskd", seconds)
        return self

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
