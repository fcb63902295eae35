"""The admin page of a role, and what its HTTP engine refuses."""
import base64
import os
import re
import socket
import subprocess
import time
import urllib.request

import pytest

HOUSE = os.environ.get("HOUSE", "build/release/house")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    ini, log = folder / "demo.ini", folder / "log"
    ini.write_text("[troupe]\nadmin = 127.0.0.1:0\n[demo]\nwait = 400ms\n")
    with open(log, "w") as err:
        process = subprocess.Popen([HOUSE, "demo", ini], stderr=err)
    end = time.monotonic() + 10
    while "ready" not in log.read_text():
        assert time.monotonic() < end and process.poll() is None, log.read_text()
        time.sleep(0.01)
    process.port = int(re.search(r"admin page at 127.0.0.1:(\d+)", log.read_text())[1])
    yield process
    if process.poll() is None:
        process.terminate()
    assert process.wait(10) == 0, log.read_text()


def get(page, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{page.port}{path}", timeout=5) as answer:
        return answer.read().decode()


def raw(page, data):
    """All that comes back until the end of the connection."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=5) as s:
        s.sendall(data)
        got = b""
        while more := s.recv(65536):
            got += more
        return got


def test_pages(page):
    assert "<td class=n>400" in get(page, "/")
    assert "# TYPE troupe_demo_wait gauge\ntroupe_demo_wait 400\n" in get(page, "/metrics")
    assert '"role": "demo"' in get(page, "/status.json?x=y")
    assert get(page, "/healthz") == "200 OK\n" and get(page, "/readyz") == "200 OK\n"
    assert raw(page, b"GET /no HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 404 ")
    assert raw(page, b"PUT / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 405 ")


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("data, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (REQUEST + b"Host: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (REQUEST + b"X: a\r\n b\r\n\r\n", 400),
    (REQUEST + b"X : a\r\n\r\n", 400),
    (REQUEST + b": a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (REQUEST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (REQUEST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n", 400),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (REQUEST + b"Content-Length: 5000\r\n\r\n", 413),
    (b"GET /" + b"x" * 20000, 414),
    (REQUEST + b"X: " + b"x" * 20000, 431),
    (REQUEST + b"X: x\r\n" * 120 + b"\r\n", 431),
    (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"\x16\x03\x01\x00\xa5\x01\x00\x00\n", 400),
], ids=range(20))
def test_refusals_are_answered_and_close(page, data, status):
    got = raw(page, data + b"and much more that nobody reads" * 3000)
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:200]
    assert b"Connection: close\r\n" in got and got.count(b"HTTP/1.1 %d " % status) == 1


def test_a_password_is_asked_for(tmp_path):
    ini, log = tmp_path / "demo.ini", tmp_path / "log"
    (tmp_path / "word").write_text("open sesame\n")
    ini.write_text(f"[troupe]\nadmin = 127.0.0.1:0\nadmin_password = @{tmp_path}/word\n")
    with open(log, "w") as err:
        process = subprocess.Popen([HOUSE, "demo", ini], stderr=err)
    while "ready" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.01)
    process.port = int(re.search(r"admin page at 127.0.0.1:(\d+)", log.read_text())[1])

    def status(path, given=None):
        line = f"Authorization: {given}\r\n" if given else ""
        return raw(process, f"GET {path} HTTP/1.0\r\n{line}\r\n".encode()).split()[1]

    basic = base64.b64encode(b"admin:open sesame").decode()
    assert status("/metrics") == b"401" and status("/healthz") == b"200"
    assert status("/metrics", "Bearer open sesame") == b"200"
    assert status("/metrics", f"Basic {basic}") == b"200"
    for wrong in ("Bearer open", "Bearer open sesam_", "Bearer xpen sesame", f"Basic {basic[:-4]}", "Basic", "Bearer "):
        assert status("/", wrong) == b"401"
    process.terminate()
    assert process.wait(10) == 0


def test_not_ready_while_draining(page):
    page.terminate()
    end = time.monotonic() + 5
    while raw(page, b"GET /readyz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"):
        assert time.monotonic() < end
    assert raw(page, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
