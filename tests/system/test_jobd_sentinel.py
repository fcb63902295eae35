"""jobd on a Redis that real Sentinels watch: it follows the master."""
import re
import socketserver
import sys
import threading

import pytest

from noter import Notes
from redis_server import Redis, Sentinel
from servers import free_port, wait_for
from taskd import Jobd

LOGIN, PASSWORD = "pw", "other"


class Setup:
    """A master, a replica, a Sentinel, and what the workers noted."""

    def __init__(self, folder):
        self.folder, self.nodes, self.servers = folder, [], []
        self.noted = Notes(folder)
        self.master = self.server()
        self.replica = self.server("--replicaof", "127.0.0.1", self.master.port)
        wait_for("it is a replica", lambda: "state=online" in self.master("INFO", "replication"), 20)
        self.sentinel = Sentinel(folder, self.master, login=LOGIN, password=PASSWORD)
        wait_for("it knows the replica", lambda: f"slaves=1" in self.sentinel("INFO", "sentinel"), 20)

    def server(self, *args):
        folder = self.folder / f"redis{len(self.servers)}"
        folder.mkdir()
        one = Redis(folder, login=LOGIN, args=["--requirepass", LOGIN, "--masterauth", LOGIN, "--repl-diskless-sync-delay", "0",
                                               *map(str, args)])
        self.servers.append(one)
        return one

    def node(self, name="jobd", hosts=None, master="main", keys=f"sentinel_password = {PASSWORD}"):
        hosts = hosts or f"127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}"  # nobody is at the first
        one = Jobd(self.folder, name=name, extra=f"""
[source watched]
type = redis
url = redis+sentinel://:{LOGIN}@{hosts}/{master}
topics = MyJob
timeout = 500ms
{keys}
[pool w]
command = {sys.executable} {self.folder}/worker.py
topics = *
env = NOTES={self.noted.path}
workers_max = 2
""")
        self.nodes.append(one)
        return one.ready()

    def notes(self, what="end"):
        return self.noted.names(what)

    def is_master(self, server):
        return server("ROLE", check=False).startswith("master")

    def end(self):
        for node in self.nodes:
            assert node.stop() == 0, node.log()[-4000:]
        for server in [self.sentinel, *self.servers]:
            server.stop()


@pytest.fixture
def setup(tmp_path):
    one = Setup(tmp_path)
    yield one
    one.end()


def test_it_follows_when_the_master_dies(setup):
    node = setup.node()
    setup.master("RPUSH", "MyJob", *[f"{n} sleep 0.01" for n in range(300)])
    assert setup.master("WAIT", 1, 5000) == "1"
    wait_for("some are done", lambda: len(setup.notes()) > 30)
    setup.master.kill()
    wait_for("the replica is promoted", lambda: setup.is_master(setup.replica), 20)
    wait_for("all jobs are done", lambda: set(setup.notes()) == set(map(str, range(300))), 20)
    assert len(setup.notes()) <= 300 + 20  # an end that the replica had not heard of
    wait_for("nothing is left", lambda: setup.replica("KEYS", "*MyJob*") == "")
    assert node.get("/readyz").status == 200 and f":{setup.replica.port}" in node.log()


def test_it_follows_when_another_is_made_the_master(setup):
    node = setup.node()
    setup.master("RPUSH", "MyJob", "1")
    wait_for("it ran", lambda: setup.notes() == ["1"])
    assert setup.sentinel("SENTINEL", "FAILOVER", "main") == "OK"
    wait_for("they have changed", lambda: setup.is_master(setup.replica) and not setup.is_master(setup.master), 20)
    wait_for("it has gone over", lambda: "name=troupe-" in setup.replica("CLIENT", "LIST"), 20)
    setup.replica("RPUSH", "MyJob", "2")
    wait_for("it ran", lambda: setup.notes() == ["1", "2"], 20)
    assert "name=troupe-" not in setup.master("CLIENT", "LIST") and node.get("/readyz").status == 200


def test_who_is_asked_in_vain_is_told(setup):
    unknown = setup.node("unknown", master="nobody")
    wait_for("it is told", lambda: re.search(rf"down: Sentinel 127.0.0.1:{setup.sentinel.port}: it knows no master", unknown.log()))
    locked = setup.node("locked", keys="")
    wait_for("it is told", lambda: re.search(rf"Sentinel 127.0.0.1:{setup.sentinel.port}: NOAUTH", locked.log()))
    wrong = setup.node("wrong", hosts=f"127.0.0.1:{setup.replica.port}", keys=f"sentinel_password = {LOGIN}")
    wait_for("it is told", lambda: re.search(r"Sentinel .*: ERR unknown command", wrong.log()))
    assert unknown.get("/readyz").status == 503 and not any(LOGIN in n.log() or PASSWORD in n.log() for n in setup.nodes)


class Liar(socketserver.ThreadingTCPServer):
    """A Sentinel that says what it likes."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, answer):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    if line.startswith(b"AUTH"):
                        self.wfile.write(b"+OK\r\n")
                    if line.startswith(b"ID"):
                        self.wfile.write(b":7\r\n")
                    if line.startswith(b"GET-MASTER"):
                        self.wfile.write(answer)
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def address(host, port):
    return f"*2\r\n${len(host)}\r\n{host}\r\n${len(str(port))}\r\n{port}\r\n".encode()


@pytest.mark.parametrize("answer, why", ids=["number", "one", "nested", "port", "path", "silent", "long", "garbage"], argvalues=[
    (b":1\r\n", "it answers something else"),
    (b"*1\r\n$1\r\nh\r\n", "it answers something else"),
    (b"*2\r\n*0\r\n*0\r\n", "it answers something else"),
    (address("127.0.0.1", "x"), "it names no address"),
    (address("unix", "/tmp/x"), "it names no address"),
    (b"", "no answer in time"),
    (address("h" * 300, 1), "it names no address"),
    (b"hello\r\n", "it speaks no Redis protocol"),
])
def test_a_sentinel_that_lies(tmp_path, answer, why):
    liar = Liar(answer)
    one = Jobd(tmp_path, extra="[source s]\ntype = redis\ntopics = a\ntimeout = 300ms\nurl = redis+sentinel://127.0.0.1:"
               f"{liar.server_address[1]}/main\n").ready()
    wait_for(why, lambda: re.search(f"source s is down: Sentinel .*: {why}", one.log()))
    assert one.get("/healthz").status == 200 and one.get("/readyz").status == 503
    assert one.stop() == 0
    liar.shutdown()


def test_a_sentinel_that_takes_a_replica_for_the_master(setup):
    liar = Liar(address("127.0.0.1", setup.replica.port))
    node = setup.node(hosts=f"127.0.0.1:{liar.server_address[1]}")
    node.wait_log("down: it is not the master")
    assert node.get("/readyz").status == 503
    liar.shutdown()
