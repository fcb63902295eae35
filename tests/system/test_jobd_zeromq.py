"""jobd as the broker of ZeroMQ: libzmq's own sockets, by pyzmq; and what is no ZeroMQ at all."""
import os
import re
import socket
import subprocess
import threading
import time

import pytest
import zmq

from daemon import TROUPE
from servers import wait_for
from taskd import Jobd

POOL = "[pool cat]\nmode = exec\ncommand = cat\ntopics = run\n"


class Broker(Jobd):
    def __init__(self, folder, keys="zeromq = tcp://127.0.0.1:*", **more):
        super().__init__(folder, keys, **{"extra": POOL, **more})

    @property
    def endpoints(self):
        return re.findall(r"listening on (\S+) zeromq", self.log())

    @property
    def at(self):
        return self.endpoints[-1]


class Peer:
    """A socket that gives up after some seconds."""

    def __init__(self, at, kind=zmq.REQ, **options):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.RCVTIMEO, 10000)
        self.socket.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            self.socket.setsockopt(getattr(zmq, name), value)
        self.socket.connect(at)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def send(self, *parts):
        self.socket.send_multipart([part if isinstance(part, bytes) else part.encode() for part in parts])

    def receive(self):
        return [part.decode() for part in self.socket.recv_multipart()]

    def ask(self, *parts):
        self.send(*parts)
        return self.receive()


@pytest.fixture
def broker(tmp_path):
    one = Broker(tmp_path, keys="zeromq = tcp://127.0.0.1:*\nmax_job = 64KiB").ready()
    yield one
    assert one.stop() == 0, one.log()[-4000:]


def test_a_task_by_req(broker):
    with Peer(broker.at) as peer:
        task, word, why = peer.ask("run", "", "", "a payload")
        assert (word, why) == ("ok", "")
        done = broker.get(f"/v1/tasks/{task}?wait=10s").json
        assert done["state"] == "succeeded" and done["result"] == "a payload"
        assert peer.ask("later", "mine", '{"delay_ms":3600000,"priority":7,"type":"mail"}', b"\0\xff") == ["mine", "ok", ""]
        kept = broker.get("/v1/tasks/mine").json
        assert (kept["state"], kept["priority"], kept["type"]) == ("scheduled", 7, "mail")
        assert peer.ask("later", "mine", "", "again") == ["mine", "ok", "duplicate"]
        assert peer.ask("later", "", '{"unique":{"key":"k"}}', "1")[1] == "ok"


def test_what_is_wrong_is_said(broker):
    with Peer(broker.at) as peer:
        for parts, why in ((("run",), "four parts"), (("run", "", "", "x", "y"), "four parts"), (("run", "", "", "x", "y", "z", "z"), "four parts"),
                           (("a b", "", "", "x"), "topic: "), (("", "", "", "x"), "topic: "), ((b"a\0b", "", "", "x"), "zero byte"),
                           (("run", "a b", "", "x"), "id: "), (("run", "i" * 201, "", "x"), "id: "), (("run", "", "{", "x"), "options: not JSON"),
                           (("run", "", "[]", "x"), "an object"), (("run", "", '{"priority":300}', "x"), "priority"),
                           (("run", "", '{"odd":1}', "x"), "odd"), ((".callback", "", "", "x"), "topic")):
            got = peer.ask(*parts)
            assert got[1] == "err" and why in got[2], (parts, got)
    assert b"troupe_zeromq_refused_total 13\n" in broker.get("/metrics").body


def test_many_by_dealer_are_answered_each(broker):
    with Peer(broker.at, zmq.DEALER) as peer:
        ids = [f"t{n}" for n in range(3000)]
        for task in ids:
            peer.send("held", task, "", "x")
        assert sorted(peer.receive()[0] for _ in ids) == sorted(ids)
    assert broker.get("/v1/topics/held").json["ready"] == 3000


def test_no_answer_comes_before_the_disk_has_it(tmp_path):
    """kill -9 under load: what was answered is there."""
    one, answered = Broker(tmp_path, extra="").ready(), set()
    at, stop = one.at, threading.Event()

    def produce(n):
        with Peer(at, zmq.DEALER) as peer:
            peer.socket.setsockopt(zmq.RCVTIMEO, 300)
            count = 0
            while not stop.is_set():
                for _ in range(20):
                    peer.send("held", f"p{n}-{count}", "", "x")
                    count += 1
                try:
                    while True:
                        got = peer.receive()
                        assert got[1] == "ok", got
                        answered.add(got[0])
                        if len(got[0]) and got[0].endswith("9"):
                            break
                except zmq.Again:
                    pass

    threads = [threading.Thread(target=produce, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_for("some are answered", lambda: len(answered) > 200)
    one.process.kill()
    one.process.wait()
    stop.set()
    for thread in threads:
        thread.join()
    again = Broker(tmp_path, extra="").ready()
    for task in sorted(answered):
        assert again.get(f"/v1/tasks/{task}").status == 200, task
    assert again.stop() == 0


def test_push_is_taken_without_a_word_and_waits_for_a_full_topic(tmp_path):
    one = Broker(tmp_path, keys="zeromq_pull = tcp://127.0.0.1:*", extra="[topic held]\nmax_jobs = 2\n").ready()
    with Peer(one.at, zmq.PUSH) as peer:
        peer.send("held")
        for n in range(5):
            peer.send("held", f"n{n}", "", "x")
        wait_for("two are there", lambda: one.get("/v1/topics/held").json["ready"] == 2)
        time.sleep(0.3)
        assert one.get("/v1/topics/held").json["ready"] == 2 and "a message was dropped: a message has four parts" in one.log()
        for n in range(5):
            wait_for(f"task {n}", lambda: one.get(f"/v1/tasks/n{n}").status == 200)
            assert one.ask("DELETE", f"/v1/tasks/n{n}").status in (202, 204)
    assert one.stop() == 0, one.log()[-3000:]


def test_a_full_topic_and_a_large_part_are_refused(tmp_path):
    one = Broker(tmp_path, keys="zeromq = tcp://127.0.0.1:*\nmax_job = 4KiB", extra="[topic held]\nmax_jobs = 1\n").ready()
    with Peer(one.at) as peer:
        assert peer.ask("held", "", "", "x" * 4096)[1] == "ok"
        assert "full" in peer.ask("held", "", "", "x")[2]
    with Peer(one.at) as peer, pytest.raises(zmq.Again):
        peer.socket.setsockopt(zmq.RCVTIMEO, 500)
        peer.ask("other", "", "", "x" * 5000)
    with Peer(one.at) as peer:
        assert peer.ask("other", "", "", "x")[1] == "ok"
    assert one.stop() == 0


def test_who_is_no_zeromq_or_stalls_harms_nobody(broker):
    host, port = broker.at.removeprefix("tcp://").split(":")
    links = [socket.create_connection((host, int(port))) for _ in range(20)]
    for n, link in enumerate(links):
        link.sendall(os.urandom(4096) if n % 3 == 0 else b"GET / HTTP/1.1\r\n\r\n" if n % 3 == 1 else b"\xff\0\0\0\0\0\0\0\1\x7f\3")
    with Peer(broker.at, zmq.DEALER, RCVHWM=1) as deaf, Peer(broker.at) as peer:
        for n in range(20000):
            try:
                deaf.socket.send_multipart([b"held", b"", b"", b"x" * 100], zmq.DONTWAIT)
            except zmq.Again:
                time.sleep(0.01)
        assert peer.ask("run", "", "", "x")[1] == "ok"
    for link in links:
        link.close()
    with Peer(broker.at) as peer:
        assert peer.ask("run", "", "", "x")[1] == "ok"


def test_one_who_has_gone_is_not_answered(broker):
    for _ in range(20):
        with Peer(broker.at, zmq.DEALER) as peer:
            peer.send("run", "", "", "x")
            time.sleep(0.005)
    with Peer(broker.at) as peer:
        assert peer.ask("run", "", "", "x")[1] == "ok"


# ---- who may come in


def refused(peer):
    peer.socket.setsockopt(zmq.RCVTIMEO, 400)
    with pytest.raises(zmq.Again):
        peer.ask("run", "", "", "x")


def test_passwords(tmp_path):
    one = Broker(tmp_path, keys="zeromq = tcp://127.0.0.1:*\nzeromq_users = ann:one:two, bob:three").ready()
    for name, password in ((b"ann", b"one:two"), (b"bob", b"three")):
        with Peer(one.at, PLAIN_USERNAME=name, PLAIN_PASSWORD=password) as peer:
            assert peer.ask("run", "", "", "x")[1] == "ok"
    for name, password in ((b"ann", b"one"), (b"bob", b"one:two"), (b"eve", b"three"), (b"ann", b"x" * 200)):
        with Peer(one.at, PLAIN_USERNAME=name, PLAIN_PASSWORD=password) as peer:
            refused(peer)
    with Peer(one.at) as peer:
        refused(peer)
    assert "was not let in" in one.log() and "one:two" not in one.log() and "three" not in one.log()
    assert one.stop() == 0


@pytest.mark.parametrize("named", [True, False])
def test_keys(tmp_path, named):
    (public, secret), (known, known_secret), (other, other_secret) = (zmq.curve_keypair() for _ in range(3))
    clients = f"zeromq_clients = {known.decode()}\n" if named else ""
    (tmp_path / "key").write_bytes(secret + b"\n")
    one = Broker(tmp_path, keys=f"zeromq = tcp://127.0.0.1:*\nzeromq_secret = @{tmp_path}/key\n{clients}").ready()
    with Peer(one.at, CURVE_SERVERKEY=public, CURVE_PUBLICKEY=known, CURVE_SECRETKEY=known_secret) as peer:
        assert peer.ask("run", "", "", "x")[1] == "ok"
    with Peer(one.at, CURVE_SERVERKEY=public, CURVE_PUBLICKEY=other, CURVE_SECRETKEY=other_secret) as peer:
        if named:
            refused(peer)
        else:
            assert peer.ask("run", "", "", "x")[1] == "ok"
    with Peer(one.at, CURVE_SERVERKEY=other, CURVE_PUBLICKEY=known, CURVE_SECRETKEY=known_secret) as peer:
        refused(peer)
    with Peer(one.at) as peer:
        refused(peer)
    assert one.stop() == 0


@pytest.mark.parametrize("keys, why", [
    ("zeromq = 127.0.0.1:7555", "zeromq: '127.0.0.1:7555': neither tcp://"), ("zeromq_secret = short", "zeromq_secret: not 40 characters"),
    ("zeromq_clients = " + "a" * 40, "zeromq_clients: they need zeromq_secret"), ("zeromq_users = ann", "zeromq_users: a word is not name:password"),
])
def test_wrong_keys_are_told(tmp_path, keys, why):
    ini = tmp_path / "bad.ini"
    ini.write_text(f"[jobd]\n{keys}\n")
    checked = subprocess.run([TROUPE, "check", ini], capture_output=True, text=True, timeout=20)
    assert checked.returncode == 1 and why in checked.stdout, checked.stdout


def test_an_address_that_is_taken_is_told(broker, tmp_path):
    (tmp_path / "two").mkdir()
    second = Broker(tmp_path / "two", keys=f"zeromq = {broker.at}")
    assert second.process.wait(10) == 1 and "Address already in use" in second.log()


def test_a_unix_socket_and_several_addresses(tmp_path):
    one = Broker(tmp_path, keys=f"zeromq = tcp://127.0.0.1:*, ipc://{tmp_path}/z").ready()
    for at in one.endpoints:
        with Peer(at) as peer:
            assert peer.ask("run", "", "", "x")[1] == "ok"
    assert len(one.endpoints) == 2 and one.stop() == 0


def test_the_end_answers_what_was_taken(tmp_path):
    one = Broker(tmp_path, extra="").ready()
    with Peer(one.at, zmq.DEALER) as peer:
        for n in range(500):
            peer.send("held", f"t{n}", "", "x")
        first = peer.receive()
        assert one.stop() == 0
        answers = [first]
        peer.socket.setsockopt(zmq.RCVTIMEO, 500)
        with pytest.raises(zmq.Again):
            while True:
                answers.append(peer.receive())
    ok = {got[0] for got in answers if got[1] == "ok"}
    again = Broker(tmp_path, extra="").ready()
    assert all(again.get(f"/v1/tasks/{task}").status == 200 for task in ok)
    assert again.stop() == 0
