"""Pools in mode http: tasks as requests, to real servers and to hostile ones."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from peers import Closer, Peer, Refuser, Silent, hang_up
from pools import SANITIZED, Pools
from servers import die_with_parent, free_port, wait_for
from taskd import Taskd

OK = b"HTTP/1.1 200 OK\r\n"


def section(url, lines="", name="p", topics="t"):
    most = "" if "workers_max" in lines else "workers_max = 2\n"
    return f"[pool {name}]\nmode = http\nurl = {url}\ntopics = {topics}\n{most}{lines}\n"


@pytest.fixture
def pools(tmp_path):
    started = []

    def start(text, **more):
        started.append(Pools(text, tmp_path, name=f"p{len(started)}", **more))
        return started[-1]

    yield start
    for one in started:
        status = one.stop()
        assert status == 0, f"status {status}\n{one.log()[-8000:]}"


class Service:
    """An HTTP server of Python's that keeps what it was asked; `answer(request)` gives (status, fields, body)."""

    def __init__(self, answer=lambda request: (200, {}, b"done"), port=0, tls=None, version="HTTP/1.1"):
        self.asked, self.connections, self.links, self.answer = [], set(), [], answer
        self.names = []  # that TLS clients asked for
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = version

            def setup(self):
                super().setup()
                service.links.append(self.connection)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = {"path": self.path, "headers": self.headers, "body": body, "at": time.monotonic()}
                service.asked.append(request)
                service.connections.add(self.client_address)
                status, fields, data = service.answer(request)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **fields}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        http.server.ThreadingHTTPServer.daemon_threads = True
        http.server.ThreadingHTTPServer.request_queue_size = 64
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            context.sni_callback = lambda link, name, _: self.names.append(name)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/work?x=1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        for link in self.links:
            hang_up(link)


@pytest.fixture
def service():
    started = []

    def start(*args, **more):
        started.append(Service(*args, **more))
        return started[-1]

    yield start
    for one in started:
        one.close()


# ---- what is asked -------------------------------------------------------------------------------


def test_a_task_is_a_request_and_its_body_the_result(pools, service):
    s = service()
    p = pools(section(s.url))
    over = p.run("t", '{"a":1}', type="mail\r\nX-Evil: 1", timeout=9000)
    assert (over["state"], over["result"]) == ("succeeded", "done")
    asked = s.asked[0]
    assert asked["path"] == "/work?x=1" and asked["body"] == b'{"a":1}'
    fields = asked["headers"]
    assert fields["Host"] == f"127.0.0.1:{s.port}" and fields["Content-Type"] == "application/json"
    assert fields["User-Agent"].startswith("troupe/")
    assert (fields["X-Troupe-Id"], fields["X-Troupe-Topic"], fields["X-Troupe-Attempt"]) == (over["id"], "t", "1")
    assert fields["X-Troupe-Type"] == "mail%0D%0AX-Evil: 1" and fields["X-Evil"] is None
    assert fields["X-Troupe-Timeout-Ms"] == "9000" and abs(float(fields["X-Troupe-Eta"]) - time.time()) < 60
    assert fields["X-Troupe-Signature"] is None and fields["X-Troupe-Sync"] is None
    p.run("t", "\x01 no JSON")
    assert s.asked[1]["headers"]["Content-Type"] == "application/octet-stream"
    p.run("t", "")
    assert s.asked[2]["body"] == b"" and s.asked[2]["headers"]["Content-Length"] == "0"


@pytest.mark.parametrize("size", [1, 9000, 300_000, 1_000_000])
def test_bodies_of_any_size(pools, service, size):
    s = service(lambda request: (200, {}, request["body"]))
    p = pools(section(s.url, "result_max = 1MiB"))
    assert p.run("t", "x" * size)["result"] == "x" * size


def test_who_asks_can_be_known_by_his_signature(pools, service):
    s = service()
    p = pools(section(s.url, "secret = a key"))
    over = p.run("t", "the body")
    parts = dict(word.split("=", 1) for word in s.asked[0]["headers"]["X-Troupe-Signature"].split(","))
    assert abs(int(parts["t"]) - time.time()) < 60
    text = f"{parts['t']}.{over['id']}.1.the body".encode()
    assert hmac.compare_digest(parts["v1"], hmac.new(b"a key", text, hashlib.sha256).hexdigest())


def test_connections_are_kept_and_no_more_used_than_may_be(pools, service):
    busy, most, lock = [0], [0], threading.Lock()

    def answer(_):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.02)
        with lock:
            busy[0] -= 1
        return 200, {}, b""

    s = service(answer)
    p = pools(section(s.url, "workers_max = 3"))
    tasks = [p.submit("t", "x") for _ in range(30)]
    assert all(p.ended(task)["state"] == "succeeded" for task in tasks)
    assert most[0] == 3 and len(s.connections) <= 4
    assert p.figures("p")["done"] == 30 and p.figures("p")["busy"] == 0


def test_calls(pools, service):
    s = service(lambda r: (500, {}, b"broken") if r["body"] == b"bad" else
                (404, {}, b"") if r["body"] == b"none" else (200, {}, b"y" * 4096))
    p = pools(section(s.url, "max_body = 4KiB\nresult_max = 1KiB"))
    assert p.answer(p.call("t", "good"))["body"] == "y" * 4096
    assert s.asked[0]["headers"]["X-Troupe-Sync"] == "1" and s.asked[0]["headers"]["X-Troupe-Id"].startswith("c")
    failed = p.answer(p.call("t", "bad"))
    assert (failed["name"], failed["body"], failed["retry"]) == ("FAILED", "status 500: broken", True)
    assert p.answer(p.call("t", "none"))["retry"] is False
    s.answer = lambda r: (200, {}, b"y" * 4097)
    assert p.answer(p.call("t", "good"))["body"] == "the answer is longer than max_body"
    s.answer = lambda r: time.sleep(1) or (200, {}, b"")
    assert p.answer(p.call("t", "slow", timeout=100))["name"] == "ETIMEDOUT"
    p.until(lambda: p.figures("p")["running"] == 0)
    tag = p.call("t", "slow")
    p.until(lambda: len(s.asked) >= 6)
    p.do("cancel", tag=tag)
    assert p.answer(tag)["name"] == "ECANCELED"


# ---- what is answered ---------------------------------------------------------------------------


@pytest.mark.parametrize("status,lines,state,attempts", [
    (200, "", "succeeded", 0), (202, "", "succeeded", 0), (204, "", "succeeded", 0), (299, "", "succeeded", 0),
    (302, "", "dead", 2), (500, "", "dead", 2), (429, "", "dead", 2), (418, "", "dead", 2), (999, "", "dead", 2),
    (400, "", "dead", 1), (404, "", "dead", 1), (410, "", "dead", 1), (422, "", "dead", 1),
    (404, "dead_on = 410", "dead", 2), (418, "dead_on = 4xx, 501", "dead", 1), (501, "dead_on = 4xx, 501", "dead", 1),
])
def test_statuses(pools, service, status, lines, state, attempts):
    s = service(lambda r: (status, {}, b""))
    p = pools(section(s.url, lines))
    over = p.run("t", "x", max_attempts=2, backoff="fixed 1ms")
    assert (over["state"], over["attempts"], over["crashes"]) == (state, attempts, 0)
    assert over["error"] == (None if state == "succeeded" else f"status {status}")
    assert len(s.asked) == max(attempts, 1)
    assert [r["headers"]["X-Troupe-Attempt"] for r in s.asked] == ["1", "2"][:len(s.asked)]


def test_an_error_has_the_beginning_of_the_body(pools, service):
    s = service(lambda r: (500, {}, b"Traceback:\n  oops\n"))
    p = pools(section(s.url))
    assert p.run("t", "x", max_attempts=1)["error"] == "status 500: Traceback:\n  oops"
    s.answer = lambda r: (500, {}, b"e" * 100_000)
    error = p.run("t", "x", max_attempts=1)["error"]
    assert error.startswith("status 500: eee") and len(error) < 1100


@pytest.mark.parametrize("status,value,least,most", [
    (503, "1", 0.9, 3), (429, "1", 0.9, 3), (503, "soon", 0, 0.8), (503, None, 0, 0.8),
    (503, lambda: time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2)), 0.9, 4),
])
def test_retry_after(pools, service, status, value, least, most):
    value = value() if callable(value) else value
    s = service(lambda r: (200, {}, b"") if len(s.asked) > 1 else (status, {"Retry-After": value} if value else {}, b""))
    p = pools(section(s.url))
    assert p.run("t", "x", backoff="fixed 10ms")["state"] == "succeeded"
    assert least <= s.asked[1]["at"] - s.asked[0]["at"] < most * (4 if SANITIZED else 1)


def test_a_result_is_cut_where_results_are(pools, service):
    s = service(lambda r: (200, {}, b"y" * 5000))
    p = pools(section(s.url, "result_max = 10B"))
    assert p.run("t", "x")["result"] == "y" * 10
    assert "longer than result_max" in p.log()
    s.answer = lambda r: (200, {}, b"y" * 2_000_000)
    assert p.run("t", "x")["state"] == "succeeded"
    assert "longer than max_body, and is cut" in p.log()


def test_time_out_and_cancel_close_the_connection(pools):
    class Watcher(Peer):
        ended = []

        def serve(self, link):
            while link.recv(65536):
                pass
            self.ended.append(time.monotonic())

    with Watcher() as peer:
        p = pools(section(f"http://{peer.address}/", "job_timeout = 300ms\nsoft_timeout = 100ms\ncancel_grace = 60s"))
        over = p.run("t", "x", max_attempts=1)
        assert (over["state"], over["error"]) == ("dead", "it took too long")
        p.until(lambda: len(peer.ended) == 1)
        task = p.submit("t", "x", timeout=60000)
        p.running(task)
        p.until(lambda: peer.accepted == 2)
        p.do("cancel", id=task)
        assert p.ended(task)["state"] == "cancelled"
        p.until(lambda: len(peer.ended) == 2)
        task = p.submit("t", "x", timeout=60000)
        p.running(task)
        p.do("cancel", id=task, now=True)
        assert p.ended(task)["state"] == "cancelled"
        assert p.figures("p")["ended"] == {"timeout": 1, "cancel": 2} and p.workers() == []


# ---- nobody there -------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://no-such-host.invalid/"])
def test_who_can_not_be_reached_costs_a_task_nothing(pools, service, url):
    port = free_port()
    p = pools(section(url.format(port=port), "restart_max = 300ms\nworkers_max = 4"))
    tasks = [p.submit("t", "x", max_attempts=1) for _ in range(10)]
    p.wait("loops")
    assert p.figures("p")["loops"]
    assert p.wait("refused", tag=p.call("t", "x"))["name"] == "EAGAIN"
    assert p.count("task", state="dead") == 0
    starts = p.count("task", state="running")
    time.sleep(1)
    assert p.count("task", state="running") - starts < 8  # one at a time, with a pause
    if "{port}" not in url:
        return
    service(port=port)
    assert all(p.ended(task)["state"] == "succeeded" for task in tasks)
    assert p.wait("recovers") and not p.figures("p")["loops"]


def test_a_call_to_nobody_ends_at_once(pools):
    p = pools(section(f"http://127.0.0.1:{free_port()}/"))
    assert p.answer(p.call("t", "x"))["name"] == "EPIPE"


def test_a_connection_that_takes_too_long(pools):
    with socket.socket() as full:  # nobody accepts, and no more fit in
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            held.append(one)
        time.sleep(0.2)
        p = pools(section(f"http://127.0.0.1:{full.getsockname()[1]}/", "connect_timeout = 200ms"))
        task = p.submit("t", "x", max_attempts=1)
        p.until(lambda: "no connection in time" in p.log())
        assert p.count("task", id=task, state="dead") == 0


# ---- hostile ones ---------------------------------------------------------------------------------


class Script(Peer):
    """Reads a request's head, then does as it is told."""

    def __init__(self, act):
        self.act = act
        super().__init__()

    def serve(self, link):
        got = b""
        while b"\r\n\r\n" not in got:
            more = link.recv(65536)
            if not more:
                return
            got += more
        self.act(link)


def endless(head, more):
    def act(link):
        link.sendall(head)
        while True:
            link.sendall(more)
    return act


def closes(data):
    def act(link):
        link.sendall(data)
        link.shutdown(socket.SHUT_RDWR)
        link.close()
    return act


def trickles(link):
    for byte in (OK + b"Content-Length: 100\r\n\r\n" + b"x" * 100):
        link.sendall(bytes([byte]))
        time.sleep(0.05)


HOSTILE = {
    "no answer": (lambda: Closer(), "the connection was closed without an answer"),
    "half a head": (lambda: Script(closes(OK)), "the connection was closed in the middle of an answer"),
    "less than it says": (lambda: Script(closes(OK + b"Content-Length: 100\r\n\r\nx")),
                          "the connection was closed in the middle of an answer"),
    "half a chunk": (lambda: Script(closes(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nx")),
                     "the connection was closed in the middle of an answer"),
    "two lengths": (lambda: Script(closes(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx")), None),
    "another protocol": (lambda: Script(closes(b"SSH-2.0-OpenSSH\r\n")), None),
    "zeros": (lambda: Script(closes(b"\0" * 1000)), None),
    "an endless head": (lambda: Script(endless(OK, b"X-Field: value\r\n" * 100)), "the head is too long"),
    "endless hints": (lambda: Script(endless(b"", b"HTTP/1.1 103 Hint\r\n\r\n" * 100)), "the head is too long"),
    "endless chunk": (lambda: Script(endless(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000)),
                      "too much around the body"),
    "a stall": (lambda: Silent(), "it took too long"),
    "a stall in the body": (lambda: Script(lambda link: link.sendall(OK + b"Content-Length: 9\r\n\r\nx")), "it took too long"),
    "a trickle": (lambda: Script(trickles), "it took too long"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_service_fails_the_task_and_harms_nobody_else(pools, service, what):
    make, error = HOSTILE[what]
    s = service()
    with make() as peer:
        p = pools(section(f"http://{peer.address}/", "job_timeout = 500ms") + section(s.url, name="q", topics="q"))
        task = p.submit("t", "x", max_attempts=2, backoff="fixed 1ms")
        for _ in range(5):
            assert p.run("q", "x", 2)["state"] == "succeeded"
        over = p.ended(task)
        assert (over["state"], over["attempts"], over["crashes"]) == ("dead", 2, 0)
        assert error is None or over["error"] == error
        assert peer.accepted == 2 and not p.figures("p")["loops"]


def test_a_body_without_end_is_cut(pools):
    for act in (endless(OK + b"\r\n", b"x" * 65536), endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 9999),
                endless(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 65536)):
        with Script(act) as peer:
            p = pools(section(f"http://{peer.address}/", "max_body = 100KiB"))
            over = p.run("t", "x", max_attempts=1)
            assert over["state"] == "succeeded" and over["result"] == "x" * 65536
            assert "longer than max_body" in p.log()


def test_who_resets_before_anything_was_said(pools):
    with Refuser() as peer:
        p = pools(section(f"http://{peer.address}/"))
        over = p.run("t", "x", max_attempts=3, backoff="fixed 1ms")
        assert (over["state"], over["attempts"]) == ("dead", 3)


def test_a_service_that_restarts_between_two_tasks(pools, service):
    s = service()
    p = pools(section(s.url))
    p.run("t", "x")
    s.close()
    s2 = service(port=s.port)
    assert p.run("t", "x", max_attempts=1)["state"] == "succeeded" and len(s2.asked) == 1


def test_a_service_that_closes_each_kept_connection_at_once(pools):
    """It says keep-alive, and closes: the next task must not fail by that."""
    def act(link):
        link.sendall(OK + b"Content-Length: 2\r\n\r\nok")
        time.sleep(0.002)
        link.close()

    with Script(act) as peer:
        p = pools(section(f"http://{peer.address}/"))
        for _ in range(50):
            assert p.run("t", "x", max_attempts=1)["result"] == "ok"


# ---- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pem")

    def run(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
        "ca.pem", "-days", "2", "-subj", "/CN=our CA")
    for name in ("IP:127.0.0.1", "DNS:localhost"):
        (folder / "ext").write_text(f"subjectAltName={name}\n")
        file = name.split(":")[1]
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{file}.key", "-out",
            f"{file}.csr", "-subj", "/CN=x")
        run("x509", "-req", "-in", f"{file}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            f"{file}.pem", "-days", "2", "-extfile", "ext")
    return folder


def test_tls(pools, service, pems):
    s = service(lambda r: (200, {}, r["body"]), tls=(pems / "127.0.0.1.pem", pems / "127.0.0.1.key"))
    p = pools(section(s.url, f"tls_ca = {pems}/ca.pem\nresult_max = 1MiB"))
    for size in (1, 300_000):
        assert p.run("t", "x" * size)["result"] == "x" * size
    assert len(s.connections) == 1 and s.names == [None]  # an address is no name
    p.conf.write_text(section(s.url))  # the system does not know that CA
    p.do("reload", file=str(p.conf))
    p.wait("loaded", ok=True)
    task = p.submit("t", "x", max_attempts=1)
    p.until(lambda: "unable to get local issuer certificate" in p.log())
    p.conf.write_text(section(s.url, "tls_verify = no"))
    p.do("reload", file=str(p.conf))
    assert p.ended(task)["state"] == "succeeded"


def test_a_reload_reads_whom_to_trust_again(pools, service, pems, tmp_path):
    s = service(tls=(pems / "127.0.0.1.pem", pems / "127.0.0.1.key"))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((pems / "localhost.pem").read_bytes())
    p = pools(section(s.url, f"tls_ca = {trusted}\nrestart_max = 200ms"))
    task = p.submit("t", "x", max_attempts=1)
    p.wait("loops")
    trusted.write_bytes((pems / "ca.pem").read_bytes())
    p.do("reload", file=str(p.conf))
    assert p.ended(task)["state"] == "succeeded"
    trusted.write_bytes((pems / "localhost.pem").read_bytes())
    p.do("reload", file=str(p.conf))
    again = p.submit("t", "x", max_attempts=1)  # over no connection that was trusted before
    p.wait("loops", after=p.said.index(p.wait("recovers")))
    assert p.count("task", id=again, state="succeeded") == 0 and len(s.asked) == 1


def test_tls_of_another_name_is_none(pools, service, pems):
    s = service(tls=(pems / "localhost.pem", pems / "localhost.key"))
    p = pools(section(s.url, f"tls_ca = {pems}/ca.pem") +
              section(s.url.replace("127.0.0.1", "localhost"), f"tls_ca = {pems}/ca.pem", "q", "q"))
    assert p.run("q", "x")["state"] == "succeeded" and s.names == ["localhost"]
    p.submit("t", "x")
    p.until(lambda: "IP address mismatch" in p.log())
    assert len(s.asked) == 1


def test_tls_to_who_speaks_none(pools):
    with Closer(b"HTTP/1.1 400 Bad\r\n\r\n") as peer:
        p = pools(section(f"https://{peer.address}/", "restart_max = 200ms"))
        task = p.submit("t", "x", max_attempts=1)
        p.wait("loops")
        assert p.count("task", id=task, state="dead") == 0


# ---- under taskd ----------------------------------------------------------------------------------


def test_tasks_of_taskd(service, tmp_path):
    s = service(lambda r: (422, {}, b"no") if r["body"] == b'"bad"' else (422, {}, b"\xff\xfe \x01 raw") if r["body"] == b'"raw"' else
                (200, {}, b"\xff\x00") if r["body"] == b'"odd"' else (200, {}, b'{"got":' + r["body"] + b"}"))
    one = Taskd(tmp_path, extra=section(s.url, "dead_on = 422") + section(f"http://127.0.0.1:{free_port()}/", name="gone", topics="gone")
                + "[store]\nkeep_done = 1h\n").ready()
    try:
        own = {"tenant": "a b", "Content-Type": "text/x-mine", "Host": "evil", "content-length": "7", "Transfer-Encoding": "chunked",
               "X-Troupe-Id": "forged", "Connection": "close", "Expect": "100-continue"}
        done = one.post("/v1/tasks?wait=10s", {"topic": "t", "payload": {"n": 1}, "type": "mail", "headers": own}).json
        assert done["state"] == "succeeded" and done["result"] == {"got": {"n": 1}}
        fields = s.asked[0]["headers"]
        assert s.asked[0]["body"] == b'{"n": 1}' and fields["tenant"] == "a b" and fields.get_all("Content-Type") == ["text/x-mine"]
        assert fields.get_all("X-Troupe-Id") == [done["id"]] and fields["X-Troupe-Type"] == "mail"
        assert fields["Host"] == f"127.0.0.1:{s.port}" and fields.get_all("Content-Length") == ["8"]
        assert fields["Transfer-Encoding"] is None and fields["Connection"] is None and fields["Expect"] is None
        assert fields["X-Troupe-Sync"] == "1"  # somebody waits
        one.wait_state(one.push("t", 1), "succeeded")
        assert s.asked[1]["headers"]["X-Troupe-Sync"] is None
        dead = one.post("/v1/tasks?wait=10s", {"topic": "t", "payload": "bad"}).json
        assert (dead["state"], dead["error"]) == ("dead", "status 422: no")
        dead = one.post("/v1/tasks?wait=10s", {"topic": "t", "payload": "raw"}).json
        assert dead["error"].startswith("status 422: ") and dead["error"].endswith(" raw")
        done = one.post("/v1/tasks?wait=10s", {"topic": "t", "payload": "odd"}).json
        assert base64.b64decode(done["result_b64"]) == b"\xff\x00"
        answer = one.post("/v1/rpc/t", "[1]")
        assert answer.status == 200 and answer.json == {"got": [1]}
        assert one.post("/v1/rpc/t", '"bad"').status == 422 and one.post("/v1/rpc/gone", "1").status == 502
        task = one.push("gone")
        wait_for("loops", lambda: [p for p in one.get("/v1/workers").json["pools"] if p["name"] == "gone"][0]["crash_loop"])
        assert one.get(f"/v1/tasks/{task}").json["attempts"] == 0
        assert 'mode":"http' in one.get("/v1/workers").body.decode()
        assert one.ask("DELETE", f"/v1/tasks/{task}").status in (202, 204)
    finally:
        assert one.stop() == 0


# ---- real servers of other languages --------------------------------------------------------------

PHP = """<?php $in = file_get_contents('php://input'); $n = json_decode($in, true);
if ($_SERVER['HTTP_X_TROUPE_TOPIC'] !== 't') http_response_code(400);
elseif ($n === null) { http_response_code(422); echo 'no JSON'; } else echo json_encode(['sum' => array_sum($n)]);"""

NODE = """require('http').createServer((req, res) => { let body = ''; req.on('data', (d) => body += d).on('end', () => {
  try { res.end(JSON.stringify({ sum: JSON.parse(body).reduce((a, b) => a + b) })); }
  catch (e) { res.writeHead(422).end('no JSON'); } }); }).listen(process.argv[2], '127.0.0.1');"""


@pytest.mark.parametrize("language", ["php", "node"])
def test_servers_of_other_languages(pools, tmp_path, language):
    port = free_port()
    source = tmp_path / ("app.php" if language == "php" else "app.js")
    source.write_text({"php": PHP, "node": NODE}[language])
    command = ["php", "-S", f"127.0.0.1:{port}", str(source)] if language == "php" else ["node", str(source), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        p = pools(section(f"http://127.0.0.1:{port}/app", "restart_max = 100ms"))  # may start before its service
        for k in range(20):
            assert json.loads(p.run("t", json.dumps([1, 2, k]))["result"]) == {"sum": 3 + k}
        dead = p.run("t", "no JSON")
        assert (dead["state"], dead["attempts"], dead["error"]) == ("dead", 1, "status 422: no JSON")
    finally:
        server.kill()
        server.wait()


def test_the_service_of_the_workers_readme(pools, tmp_path):
    readme = (pathlib.Path(__file__).resolve().parents[2] / "etc" / "workers" / "README.md").read_text()
    source, port = tmp_path / "app.php", free_port()
    source.write_text(re.search(r"## A request for each task.*?```php\n(.*?)```", readme, re.S)[1])
    server = subprocess.Popen(["php", "-S", f"127.0.0.1:{port}", str(source)], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent,
                              stderr=subprocess.DEVNULL, env={**os.environ, "TASK_SECRET": "a secret"})
    try:
        p = pools(section(f"http://127.0.0.1:{port}/", "restart_max = 100ms\nsecret = a secret") +
                  section(f"http://127.0.0.1:{port}/", "secret = another", "q", "q"))
        assert json.loads(p.run("t", "[1,2,3]")["result"]) == {"sum": 6}
        assert p.run("q", "[1,2,3]", max_attempts=1)["error"] == "status 401"
    finally:
        server.kill()
        server.wait()


def test_http_1_0(pools, service):
    s = service(version="HTTP/1.0")
    p = pools(section(s.url))
    for _ in range(3):
        assert p.run("t", "x")["result"] == "done"
    assert len(s.connections) == 3


# ---- life -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines,why", [
    ("url =", "url: is missing"), ("url = ftp://x/", "neither http:// nor https://"), ("url = http://u:p@x/", "a user in an"),
    ("dead_on = 4x", "'4x' is no status"), ("dead_on = 200", "'200' is no status"), ("dead_on = 2xx", "'2xx' is no status"),
    ("dead_on = 600", "'600' is no status"), ("url = https://x/\ntls_ca = /nope", "CA file /nope"),
])
def test_mistakes_in_the_file_are_told(pools, service, lines, why):
    p = pools(section(service().url))
    keys = "".join(f"{line}\n" for line in ("" if lines.startswith("url") else "url = http://x/", lines))
    p.conf.write_text(f"[pool p]\nmode = http\ntopics = t\n{keys}")
    p.do("reload", file=str(p.conf))
    assert why in p.wait("loaded", ok=False)["error"]


def test_a_drain_waits_for_what_runs(pools, service):
    gate = threading.Event()
    s = service(lambda r: gate.wait(10) and (200, {}, b"late"))
    p = pools(section(s.url))
    task = p.submit("t", "x")
    p.until(lambda: s.asked)
    p.do("drain")
    time.sleep(0.1)
    assert p.count("drained") == 0
    gate.set()
    assert p.ended(task)["result"] == "late"
    p.wait("drained")


def test_a_stop_charges_nobody(pools, tmp_path):
    queue = tmp_path / "queue"
    queue.mkdir()
    with Silent() as peer:
        p = pools(section(f"http://{peer.address}/"), queue_dir=queue)
        task = p.submit("t", "x", max_attempts=1)
        p.running(task)
        p.until(lambda: peer.accepted)
        assert p.stop() == 0
    again = pools(section("http://127.0.0.1:1/", topics="other"), queue_dir=queue)
    assert all(e["crashes"] == 0 for e in again.said if e["what"] == "task")


def test_a_reload_to_another_address(pools, service):
    gate = threading.Event()
    old, new = service(lambda r: gate.wait(10) and (200, {}, b"old")), service(lambda r: (200, {}, b"new"))
    p = pools(section(old.url))
    task = p.submit("t", "x")
    p.until(lambda: old.asked)
    p.conf.write_text(section(new.url))
    p.do("reload", file=str(p.conf))
    assert p.run("t", "x")["result"] == "new"
    gate.set()
    assert p.ended(task)["result"] == "old"
    p.conf.write_text(section(new.url, "dead_on = 500"))
    p.do("reload", file=str(p.conf))
    new.answer = lambda r: (500, {}, b"")
    p.until(lambda: p.run("t", "x")["attempts"] == 1)
