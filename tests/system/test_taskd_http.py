"""taskd's listeners: what no client may send, requests that hide others, slow and rude clients, TLS, unix sockets.

A request that is refused ends its connection: nothing behind it is read. Behind each of the bad ones here stands a good
one that hands in a task of the topic `hidden`; there must never be one.
"""
import http.client
import json
import re
import socket
import ssl
import subprocess
import time

import pytest

import taskd as taskds
from daemon import SANITIZED
from servers import wait_for

START = b"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n"


def body(topic=b"nobody"):
    return b'{"topic":"' + topic + b'"}'


def length(topic=b"nobody"):
    return b"Content-Length: %d\r\n\r\n" % len(body(topic))


def chunks(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


HIDDEN = START + length(b"hidden") + body(b"hidden")
GOOD = START + length() + body()
LAST = START + b"Connection: close\r\n" + length() + body()


def statuses(data):
    return [int(s) for s in re.findall(rb"HTTP/1\.[01] (\d{3}) ", data)]


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    keys = "max_body = 1KiB\nhead_timeout = 400ms\nbody_timeout = 400ms\nidle_timeout = 500ms\nmax_connections = 300"
    one = taskds.Taskd(tmp_path_factory.mktemp("taskd"), keys, extra="").ready()
    yield one
    assert one.stop() == 0, one.log()[-4000:]


def hidden(one):
    return [t["name"] for t in one.get("/v1/topics").json["items"] if t["name"] == "hidden"]


REFUSED = {
    # whose is it
    "no Host": (b"POST /v1/tasks HTTP/1.1\r\n" + length(), 400),
    "two Hosts": (START + b"Host: b\r\n" + length(), 400),
    "two Hosts that are one": (START + b"Host: a\r\n" + length(), 400),
    "a Host of two words": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "a Host with a user": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "a Host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "two in a Host": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "a Host that does not close": (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    # the first line
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/1.2": (b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    "HTTP/1.10": (b"GET /healthz HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    "HTTP/01.1": (b"GET /healthz HTTP/01.1\r\nHost: a\r\n\r\n", 400),
    "http/1.1": (b"GET /healthz http/1.1\r\nHost: a\r\n\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n", 400),
    "two spaces": (b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces behind": (b"GET /healthz  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a tab for a space": (b"GET\t/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a space before": (b" GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "three empty lines before": (b"\r\n\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a space in the target": (b"GET /healthz x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "bytes in the target": (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a zero in the target": (b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a CR in the target": (b"GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a fragment": (b"GET /healthz#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target that is none": (b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a star": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "an unknown method": (b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "a method in small letters": (b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "a method of other letters": (b"G(T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "nonsense": (b"nonsense\r\n\r\n", 400),
    "a target without end": (b"GET /" + b"y" * 17000, 414),
    # lines of the head
    "a space before a colon": (START + b"X : b\r\n" + length(), 400),
    "a framing field with one": (START + b"Transfer-Encoding : chunked\r\n" + length(), 400),
    "a folded line": (START + b"X: a\r\n b\r\n" + length(), 400),
    "a folded framing": (START + b"Transfer-Encoding:\r\n chunked\r\n\r\n", 400),
    "a line that begins with a tab": (START + b"\tX: a\r\n" + length(), 400),
    "a line feed alone": (START + b"X: a\n" + length(), 400),
    "line feeds all over": (START.replace(b"\r\n", b"\n") + b"\n", 400),
    "a CR alone": (START + b"X: a\rY: b\r\n" + length(), 400),
    "a CR for a line's end": (START + b"X: a\rTransfer-Encoding: chunked\r\n" + length(), 400),
    "a zero in a value": (START + b"X: a\0b\r\n" + length(), 400),
    "a control in a value": (START + b"X: a\x01b\r\n" + length(), 400),
    "no name": (START + b": a\r\n" + length(), 400),
    "no colon": (START + b"nocolon\r\n" + length(), 400),
    "a name of other letters": (START + b"X(y): a\r\n" + length(), 400),
    "a name of bytes": (START + b"X\xe9: a\r\n" + length(), 400),
    "a line without end": (START + b"X-Large: " + b"y" * 20000, 431),
    "many long lines": (START + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 500) for i in range(60)), 431),
    "too many lines": (START + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n", 431),
    "an expectation": (START + b"Expect: more\r\n" + length(), 417),
    # how long is it
    "two lengths": (START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "two lengths that are one": (START + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "a list of lengths": (START + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "a length of one more digit than there are": (START + b"Content-Length: 18446744073709551621\r\n\r\nhello", 400),
    "a sign": (START + b"Content-Length: +5\r\n\r\nhello", 400),
    "less than none": (START + b"Content-Length: -5\r\n\r\nhello", 400),
    "in hex": (START + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "half of one": (START + b"Content-Length: 5.0\r\n\r\nhello", 400),
    "words for a length": (START + b"Content-Length: 5 bytes\r\n\r\nhello", 400),
    "no length": (START + b"Content-Length:\r\n\r\nhello", 400),
    "too long": (START + b"Content-Length: 1025\r\n\r\n", 413),
    "much too long": (START + b"Content-Length: 922337203685477580\r\n\r\n", 413),
    "too long, and it asks before": (START + b"Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n", 413),
    # or in chunks
    "a length and chunks": (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "chunks and a length": (START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks of HTTP/1.0": (b"POST /v1/tasks HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked, then not": (CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    "not last": (START + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501),
    "packed": (START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "as it is": (START + b"Transfer-Encoding: identity\r\n" + length(), 501),
    "nearly chunked": (START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked with a control": (START + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "chunked with a word behind": (START + b"Transfer-Encoding: chunked x\r\n\r\n0\r\n\r\n", 501),
    "chunked in quotes": (START + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 501),
    "an empty encoding": (START + b"Transfer-Encoding:\r\n" + length(), 400),
    "a size that is none": (CHUNKED + b"\r\nzz\r\n", 400),
    "a size with a sign": (CHUNKED + b"\r\n-1\r\n", 400),
    "a size with 0x": (CHUNKED + b"\r\n0x1\r\nx\r\n0\r\n\r\n", 400),
    "a size that overflows": (CHUNKED + b"\r\n10000000000000001\r\nx\r\n0\r\n\r\n", 400),
    "no size": (CHUNKED + b"\r\n\r\nx\r\n0\r\n\r\n", 400),
    "a size that ends in a line feed": (CHUNKED + b"\r\n1\nx\r\n0\r\n\r\n", 400),
    "a size with a space before": (CHUNKED + b"\r\n 1\r\nx\r\n0\r\n\r\n", 400),
    "a chunk that goes on": (CHUNKED + b"\r\n1\r\nxyz\r\n0\r\n\r\n", 400),
    "a chunk that ends in a line feed": (CHUNKED + b"\r\n1\r\nx\n0\r\n\r\n", 400),
    "an extension with a line feed": (CHUNKED + b"\r\n1;a\nb\r\nx\r\n0\r\n\r\n", 400),
    "a length behind the body": (CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n", 400),
    "a Host behind the body": (CHUNKED + b"\r\n0\r\nHost: b\r\n\r\n", 400),
    "an encoding behind the body": (CHUNKED + b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "a bad line behind the body": (CHUNKED + b"\r\n0\r\nX : y\r\n\r\n", 400),
    "too much behind the body": (CHUNKED + b"\r\n0\r\nX: " + b"y" * 200000 + b"\r\n\r\n", 413),
    "chunks that are too much": (CHUNKED + b"\r\n" + chunks(b"x" * 600, b"x" * 600), 413),
    "a chunk that is too much": (CHUNKED + b"\r\n7fffffff\r\n" + b"x" * 1025, 413),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_no_client_may_send(strict, case):
    data, status = REFUSED[case]
    got = strict.raw(data + HIDDEN * 3, 3)
    assert statuses(got) == [status], got[:400]
    assert b"Connection: close\r\n" in got
    head, text = got.split(b"\r\n\r\n", 1)
    said = json.loads(text)["error"]
    assert said["code"] and said["message"] and b"Content-Type: application/json" in head
    assert not hidden(strict)


def test_what_was_not_refused_is_framed_as_it_should_be(strict):
    """Each with how many answers there must be, a good request behind it included."""
    whole = body()
    ten = b"POST /v1/tasks HTTP/1.0\r\nConnection: keep-alive\r\n" + length() + whole
    cases = [
        (CHUNKED + b"\r\n" + chunks(whole), [202, 202]),
        (CHUNKED + b"\r\n" + chunks(*(whole[i:i + 1] for i in range(len(whole)))), [202, 202]),
        (CHUNKED.replace(b"chunked", b"CHUNKED") + b"\r\n" + chunks(whole), [202, 202]),
        (CHUNKED + b"\r\n" + b"%x;name=value\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(whole), whole), [202, 202]),
        (CHUNKED + b"\r\n" + b"000%x\r\n%s\r\n000\r\n\r\n" % (len(whole), whole), [202, 202]),
        (START + b"Content-Length: 00%d\r\n\r\n" % len(whole) + whole, [202, 202]),
        (START + b"Content-Length:  \t%d \r\n\r\n" % len(whole) + whole, [202, 202]),
        (START + b"Connection: close\r\n" + length() + whole, [202]),
        (START + b"Connection: x, Close\r\n" + length() + whole, [202]),
        (START + b"Connection: keep-alive\r\n" + length() + whole, [202, 202]),
        (START + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + length() + whole, [202, 202]),
        (ten, [202, 202]), (ten.replace(b"Connection: keep-alive\r\n", b""), [202]),
        (b"\r\n" + GOOD, [202, 202]),
        (GOOD * 20, [202] * 21),  # sent ahead
        (START + b"\r\n", [400, 202]),  # no length: no body
        (START + length() + b"[" * len(whole), [400, 202]),  # nothing wrong but with what it says
        (b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", [200, 202]),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", [200, 202]),
        (b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", [200, 202]),
        (b"GET http://other/healthz HTTP/1.1\r\nHost: a\r\n\r\n", [200, 202]),
        (b"GET /nowhere HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", [404, 202]),
        (b"PUT /v1/tasks HTTP/1.1\r\nHost: a\r\n" + length() + whole, [405, 202]),
    ]
    for data, wanted in cases:
        got = strict.raw(data + LAST, 3)
        assert statuses(got) == wanted, (data[:150], got[:300])
        assert got.count(b"Connection: close\r\n") == 1
    for cut in range(1, len(GOOD), 7):
        with strict.connect() as link:
            link.sendall(GOOD[:cut])
            time.sleep(0.002)
            link.sendall(GOOD[cut:])
            assert link.recv(1000).startswith(b"HTTP/1.1 202")


def test_continue_is_said_to_who_asks_for_it(strict):
    with strict.connect() as link:
        for _ in range(2):
            link.sendall(START + b"Expect: 100-continue\r\n" + length())
            assert link.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            link.sendall(body())
            assert link.recv(1000).startswith(b"HTTP/1.1 202")
    at_once = strict.raw(START + b"Expect: 100-continue\r\n" + length() + body(), 3)
    assert statuses(at_once) == [202]  # it did not wait to be told


@pytest.mark.parametrize("data", [START[:40], START, CHUNKED + b"\r\n", CHUNKED + b"\r\n5\r\nhe", START + b"Content-Length: 50\r\n\r\n{"],
                         ids=["line", "head", "no chunk", "half a chunk", "half a body"])
def test_who_stops_in_the_middle_is_told_so(strict, data):
    got = strict.raw(data, 5)
    assert statuses(got) == [408] and b"Connection: close\r\n" in got


@pytest.mark.parametrize("head", [b"", START + b"Content-Length: 1000\r\n\r\n", CHUNKED + b"\r\n3e8\r\n", CHUNKED + b"\r\n"],
                         ids=["head", "body", "chunk", "chunks"])
def test_who_trickles_is_cut_off_and_holds_up_nobody(strict, head):
    """The time for a head, and the one for a body, is for all of it: a byte now and then wins nothing."""
    byte = b"1\r\nx\r\n" if head.endswith(b"chunked\r\n\r\n") else b"x" if head else b"P"
    slow = [strict.connect() for _ in range(100)]
    for link in slow:
        link.sendall(head)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        for link in list(slow):
            try:
                link.sendall(byte)
            except OSError:
                slow.remove(link)
                link.close()
        start = time.monotonic()
        strict.push("nobody")
        assert time.monotonic() - start < 2
    for link in slow:
        link.settimeout(5)
        try:
            assert statuses(link.recv(1000)) == [408]
        except ConnectionResetError:
            pass
        link.close()


def test_a_flood_of_lines_costs_no_memory(strict):
    before = strict.rss()
    flood = START + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 90) for i in range(90))
    links = [strict.connect() for _ in range(200)]
    for link in links:
        link.sendall(flood)  # below every limit, and never over
    answer = strict.post("/v1/tasks", {"topic": "nobody"})
    assert answer.status == 202
    if not SANITIZED:
        assert strict.rss() - before < 200 * 64 * 1024
    for link in links:
        link.close()


def test_who_never_reads_is_not_waited_for(strict):
    """Answers that nobody takes stop the reading of requests: neither side's memory grows."""
    before = strict.rss()
    with strict.connect() as link:
        link.setblocking(False)
        sent, deadline = 0, time.monotonic() + 2
        ask = b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 100
        while time.monotonic() < deadline and sent < 64 << 20:
            try:
                sent += link.send(ask)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break  # it was cut off
        assert sent < 16 << 20 and strict.get("/healthz").status == 200
        if not SANITIZED:
            assert strict.rss() - before < 8 << 20


def test_more_connections_than_there_may_be(taskd):
    one = taskd("max_connections = 2", extra="")
    first = [one.connect() for _ in range(2)]
    wait_for("a refusal", lambda: statuses(one.raw(b"", 2)) == [503])
    for link in first:
        link.close()
    wait_for("room again", lambda: one.get("/healthz").status == 200)


def test_a_client_that_goes_before_its_answer(taskd):
    one = taskd(extra=taskds.ECHO.replace("sleep 30", "sleep 0.2"))
    for path in ("/v1/tasks?wait=10s", "/v1/topics/slow/tasks?wait=10s", "/v1/rpc/slow", "/v1/events", "/v1/tasks"):
        for _ in range(5):
            with one.connect() as link:
                method = b"GET" if path == "/v1/events" else b"POST"
                link.sendall(method + b" %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" %
                             (path.encode(), len(body(b"slow"))) + body(b"slow"))
    assert one.get("/healthz").status == 200
    one.post("/v1/topics/slow:purge")


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
        link.request("POST", "/v1/tasks?wait=5", json.dumps({"topic": "echo", "payload": "x" * 60000}))
        answer = link.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["result"] == "x" * 60000
    link.close()
    assert b"HTTP" not in one.raw_at(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert oct(path.stat().st_mode)[-3:] == "660"
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(path))
        unix.sendall(b"GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n")
        assert unix.recv(1000).startswith(b"HTTP/1.1 200")
    one.reload()
    one.wait_log("reloaded")
