"""taskd against hostile and unlucky times: slow and wrong clients, kills under load, full disks, clocks that jump."""
import http.client
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import taskd as taskds
from daemon import SANITIZED, TROUPE
from servers import die_with_parent, wait_for
from supervisor import may_mount

ROUNDS = int(os.environ.get("TASKD_ROUNDS", "200" if os.environ.get("SOAK") else "10"))
POST = b"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def body(topic=b"nobody"):
    return b'{"topic":"' + topic + b'"}'


def statuses(data):
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


# ---- wrong and slow clients

def test_what_no_client_may_send(taskd):
    one = taskd("max_body = 1KiB\nhead_timeout = 300ms\nbody_timeout = 300ms\nidle_timeout = 400ms", extra="")
    length = b"Content-Length: %d\r\n\r\n" % len(body())
    cases = [
        (POST + length + body() + POST + length + body(), [202, 202]),  # sent ahead
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + body()[:5] + b"\r\n%x\r\n" % (len(body()) - 5) +
         body()[5:] + b"\r\n0\r\n\r\n", [202]),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n400\r\n" + b"x" * 1024, [413]),
        (POST + b"Content-Length: 99999\r\n\r\n", [413]),
        (POST + b"Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n", [413]),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", [400]),
        (POST + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n", [431]),
        (POST + b"X-Large: " + b"y" * 20000 + b"\r\n\r\n", [431]),
        (b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", [414]),
        (b"GET /healthz HTTP/1.1\r\n\r\n", [400]), (b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", [505]),
        (b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", [501]), (b"nonsense\r\n\r\n", [400]),
        (POST + b"Host : b\r\n\r\n", [400]), (POST + b"X: a\r\n folded\r\n\r\n", [400]),
        (POST[:40], [408]), (POST + b"Content-Length: 50\r\n\r\n{", [408]),
    ]
    for data, wanted in cases:
        got = one.raw(data, 3)
        assert statuses(got) == wanted, (data[:120], got[:300])
        if wanted[0] >= 400:
            assert json.loads(got.split(b"\r\n\r\n", 1)[1])["error"]["message"], got
    with one.connect() as link:
        link.sendall(POST + b"Expect: 100-continue\r\n" + length)
        assert link.recv(100).startswith(b"HTTP/1.1 100 Continue")
        link.sendall(body())
        assert link.recv(1000).startswith(b"HTTP/1.1 202")


def test_who_trickles_is_cut_off_and_holds_up_nobody(taskd):
    one = taskd("head_timeout = 1s\nmax_connections = 300", extra="")
    slow = [one.connect() for _ in range(200)]
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        for link in slow:
            link.sendall(b"P")
        start = time.monotonic()
        one.push("nobody")
        assert time.monotonic() - start < 2
    for link in slow:
        link.settimeout(5)
        try:
            assert link.recv(100).startswith(b"HTTP/1.1 40") or SANITIZED
        except ConnectionResetError:
            pass
        link.close()


def test_more_connections_than_there_may_be(taskd):
    one = taskd("max_connections = 2", extra="")
    first = [one.connect() for _ in range(2)]
    wait_for("a refusal", lambda: statuses(one.raw(b"", 2)) == [503])
    for link in first:
        link.close()
    wait_for("room again", lambda: one.get("/healthz").status == 200)


def test_a_client_that_goes_before_its_answer(taskd):
    one = taskd()
    for path in ("/v1/tasks?wait=10s", "/v1/topics/slow/tasks?wait=10s", "/v1/rpc/slow", "/v1/events", "/v1/tasks"):
        for _ in range(5):
            with one.connect() as link:
                method = b"GET" if path == "/v1/events" else b"POST"
                link.sendall(method + b" %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" %
                             (path.encode(), len(body(b"slow"))) + body(b"slow"))
    assert one.get("/healthz").status == 200


# ---- addresses

def test_tls_and_unix_sockets(taskd, tmp_path):
    cert, key, path = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "api.sock"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
    one = taskd(f"listen_tls = 127.0.0.1:0\ntls_cert = {cert}\ntls_key = {key}\nsocket_mode = 0660\n",
                listen=f"127.0.0.1:0, unix:{path}")
    port = int(one.wait_log(r"listening on 127\.0\.0\.1:(\d+) tls")[1])
    link = http.client.HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=cert), timeout=10)
    for _ in range(3):
        link.request("POST", "/v1/tasks?wait=5", json.dumps({"topic": "echo", "payload": "x" * 100000}))
        answer = link.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["result"] == "x" * 100000
    link.close()
    assert b"HTTP" not in one.raw_at(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert oct(path.stat().st_mode)[-3:] == "660"
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(path))
        unix.sendall(b"GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n")
        assert unix.recv(1000).startswith(b"HTTP/1.1 200")
    one.reload()
    one.wait_log("reloaded")


def test_without_a_file_it_says_hello(tmp_path):
    env = {**os.environ, "TROUPE_CONF": "", "XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    if os.path.exists("/etc/troupe/troupe.ini") or os.geteuid() == 0:
        pytest.skip("it would use the system's own places")
    log = open(tmp_path / "log", "w")
    one = subprocess.Popen([TROUPE, "taskd"], env=env, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        wait_for("ready", lambda: "ready role=taskd" in (tmp_path / "log").read_text())
        first = (tmp_path / "log").read_text().splitlines()[0]
        assert f"data directory {tmp_path}/troupe/taskd" in first
        done = subprocess.run([TROUPE, "job", "push", "any", '{"a":1}', "--wait"], env=env, capture_output=True, text=True)
        assert "hello from task" in done.stdout and '{"a":1}' in done.stdout
    finally:
        one.terminate()
        assert one.wait(10) == 0


# ---- ends

class Load:
    """Clients that hand in tasks of one topic over kept connections, and remember each id that was answered with 202."""

    def __init__(self, port, clients, topic):
        self.port, self.accepted, self.refused, self.stop = port, [], 0, False
        self.topic = topic
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        text = json.dumps({"topic": self.topic, "payload": "x" * 100})
        while not self.stop:
            try:
                link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                while not self.stop:
                    link.request("POST", "/v1/tasks", text)
                    answer = link.getresponse()
                    data = answer.read()
                    if answer.status == 202:
                        self.accepted.append(json.loads(data)["id"])
                    else:
                        self.refused += 1
                        time.sleep(0.01)
            except (OSError, http.client.HTTPException, ValueError):
                return

    def join(self):
        self.stop = True
        for thread in self.threads:
            thread.join(10)


def known(one, topic, states=("pending", "succeeded", "dead")):
    found = {}
    for state in states:
        cursor = ""
        while True:
            page = one.get(f"/v1/tasks?topic={topic}&state={state}&limit=1000&fields=id,crashes{cursor}").json
            found.update({t["id"]: t["crashes"] for t in page["items"]})
            if not page["next"]:
                break
            cursor = f"&cursor={page['next']}"
    return found


def again(one):
    """The same once more, on another port."""
    before = len(re.findall("ready role=taskd", one.log()))
    one.launch()
    wait_for("ready", lambda: len(re.findall("ready role=taskd", one.log())) > before, 20)
    one._port = int(re.findall(r"listening on 127\.0\.0\.1:(\d+)", one.log())[-1])


KEEP = "[store]\nkeep_done = 1d\n[topic run]\nmax_crashes = 0\n"


def test_killed_again_and_again_under_load_it_loses_nothing(taskd, tmp_path):
    ran = tmp_path / "ran"
    ran.mkdir()
    one = taskd(extra=KEEP + f"[pool run]\nmode = exec\ncommand = sh -c 'echo >>{ran}/$TROUPE_ID'\ntopics = run\nworkers_max = 4\n")
    accepted = []
    for i in range(ROUNDS):
        loads = [Load(one.port, 60, "nobody"), Load(one.port, 4, "run")]
        time.sleep(random.uniform(0.05, 0.4))
        one.process.kill()
        one.process.wait()
        for load in loads:
            load.join()
        accepted.append([load.accepted for load in loads])
        again(one)
    for at, topic in enumerate(("nobody", "run")):
        wanted = {task for both in accepted for task in both[at]}
        assert len(wanted) > ROUNDS * 5
        there = known(one, topic)
        assert wanted - set(there) == set(), "answered with 202, and gone"
        if topic == "run":  # only what ran when it was killed is run again: its mark is charged
            twice = {f.name for f in ran.iterdir() if len(f.read_text()) > 1}
            assert {task for task in twice if not there.get(task)} == set()


def test_told_to_end_under_load_it_loses_nothing(taskd):
    one = taskd(extra=KEEP + "[pool run]\nmode = exec\ncommand = sh -c 'sleep 0.02'\ntopics = run\nworkers_max = 4\n")
    load = Load(one.port, 16, "run")
    wait_for("some", lambda: len(load.accepted) > 100)
    start = time.monotonic()
    assert one.stop() == 0 and time.monotonic() - start < 7
    load.join()
    again(one)
    assert set(load.accepted) - set(known(one, "run")) == set()


def test_while_it_drains_it_takes_nothing_and_answers(taskd):
    one = taskd(extra="[pool slow]\nmode = exec\ncommand = sleep 1\ntopics = slow\n")
    task = one.push("slow")
    one.wait_state(task, "running")
    one.process.send_signal(signal.SIGTERM)
    wait_for("503", lambda: one.get("/readyz").status == 503)
    answer = one.post("/v1/tasks", {"topic": "slow"})
    assert answer.status == 503 and answer.headers["Retry-After"] and one.get("/healthz").status == 200
    assert one.process.wait(10) == 0
    again(one)
    assert one.state(task) == "succeeded"


def test_a_full_disk_is_said_and_outlived(tmp_path):
    if not may_mount():
        pytest.skip("no right to mount")
    place = tmp_path / "small"
    place.mkdir()
    prefix = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=3m none {place} && exec "$@"', "sh"]
    one = taskds.Taskd(tmp_path, extra="", data=place, prefix=prefix).ready()
    try:
        large = {"topic": "nobody", "payload": "x" * 20000}
        accepted = []
        for _ in range(1000):
            answer = one.post("/v1/tasks", large)
            if answer.status != 202:
                break
            accepted.append(answer.json["id"])
        assert answer.status == 503 and answer.headers["Retry-After"] and len(accepted) > 10
        assert one.get("/readyz").status == 503 and "the store fails" in one.log()
        assert b"troupe_store_failing 1" in one.get("/metrics").body and one.get("/healthz").status == 200
        assert all(one.state(task) == "ready" for task in accepted[:5])
        subprocess.run(["nsenter", "-t", str(one.pid), "-m", "mount", "-o", "remount,size=30m", str(place)], check=True)
        wait_for("it works again", lambda: one.get("/readyz").status == 200, 10)
        accepted.append(one.push("nobody"))
        assert {one.state(task) for task in accepted} == {"ready"}
    finally:
        assert one.stop() == 0, one.log()[-3000:]


def test_a_clock_that_jumps(taskd, tmp_path):
    if not may_mount():
        pytest.skip("no rights")
    clock = subprocess.run(["unshare", "-T", "--boottime", "1000", "true"], capture_output=True)
    if clock.returncode:
        pytest.skip("no time namespaces")
    # Wall time can't be set for one process; delays go by the clock of a namespace that is far from the wall's.
    one = taskd(prefix=["unshare", "-T", "--boottime", "100000000", "--monotonic", "100000000"])
    start = time.monotonic()
    delayed = one.push("echo", 1, delay_ms=500)
    moment = one.push("echo", 2, run_at=int(time.time() * 1000) + 700)
    one.wait_state(delayed, "succeeded")
    assert 0.4 < time.monotonic() - start < 3
    one.wait_state(moment, "succeeded")
    assert time.monotonic() - start >= 0.6
    assert one.stop() == 0
    one.prefix = ()
    again(one)
    assert one.state(moment) == "succeeded"
