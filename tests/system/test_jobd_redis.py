"""jobd on a real Redis: jobs of plain lists, and what becomes of them when anything of it dies."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import urllib.parse

import pytest

from daemon import TROUPE, Daemon
from noter import Notes
from peers import Relay
from redis_server import Redis
from servers import Certificates, Folder, free_port, wait_for
from taskd import GAP, Jobd, longest_gap

LIB = pathlib.Path(__file__).parents[2] / "etc" / "workers"


class Setup:
    """One Redis, nodes on it, and what their workers noted."""

    def __init__(self, folder, args=()):
        self.folder, self.nodes = folder, []
        self.redis = Redis(folder, args=[str(a) for a in args])
        self.noted = Notes(folder)
        self.notes_path = self.noted.path

    def node(self, name="jobd", keys="", node_dead="3s", topic="backoff = list 100ms\nmax_attempts = 3\n", topics="MyJob", workers=2,
             url=None, takes="*", kill_grace="200ms", drain="5s", credit=4):
        one = Jobd(self.folder, name=name, drain=drain, extra=f"""
[source legacy]
type = redis
url = {url or self.redis.url}
topics = {topics}
timeout = 500ms
node_dead = {node_dead}
{keys}
[pool w]
command = {sys.executable} {self.folder}/worker.py
topics = {takes}
env = NOTES={self.notes_path}
workers_min = {workers}
workers_max = {workers}
kill_grace = {kill_grace}
credit = {credit}
[topic *]
{topic}
""")
        self.nodes.append(one)
        return one.ready()

    def notes(self, what="end"):
        return self.noted.names(what)

    def wait_ends(self, jobs, seconds=15):
        wait_for("all jobs are done", lambda: set(self.notes()) >= set(map(str, jobs)), seconds)

    def left(self, topic="MyJob"):
        """What Redis has of a topic, but its dead."""
        return {key: self.redis("EVAL", "local t = redis.call('TYPE', KEYS[1]).ok return t == 'list' and redis.call('LLEN', KEYS[1])"
                                " or t == 'hash' and redis.call('HLEN', KEYS[1]) or redis.call('ZCARD', KEYS[1])", 1, key)
                for key in self.redis("KEYS", f"*{topic}*").split() if not key.endswith((":dead", ":corpse", ":meta"))}

    def end(self):
        for node in self.nodes:
            if node.process.poll() is None:
                assert node.stop() == 0, node.log()[-4000:]
        self.redis.stop()


@pytest.fixture
def setup(tmp_path):
    one = Setup(tmp_path)
    yield one
    one.end()


def test_what_rpush_puts_runs_and_is_gone(setup):
    node = setup.node()
    setup.redis("RPUSH", "MyJob", *range(300))
    setup.wait_ends(range(300))
    assert sorted(setup.notes(), key=int) == [str(n) for n in range(300)]  # each once
    wait_for("Redis has nothing", lambda: setup.left() == {})
    topic = node.get("/v1/topics/MyJob").json
    assert topic["succeeded"] == 300 and topic["outside"] == 0


def test_an_idle_list_is_waited_for_without_asking(setup):
    setup.node(topics=", ".join(["MyJob"] + [f"idle{n}" for n in range(100)]))
    time.sleep(1.2)
    before = int(re.search(r"total_commands_processed:(\d+)", setup.redis("INFO", "stats"))[1])
    evals = int(re.search(r"cmdstat_evalsha:calls=(\d+)", setup.redis("INFO", "commandstats"))[1])
    time.sleep(3)
    after = int(re.search(r"cmdstat_evalsha:calls=(\d+)", setup.redis("INFO", "commandstats"))[1])
    assert before and after - evals <= 4
    began = time.monotonic()
    setup.redis("RPUSH", "MyJob", "now")
    setup.wait_ends(["now"])
    assert time.monotonic() - began < 0.7  # told at once, not by the next second's look


def test_a_failed_job_waits_in_redis_and_dies_there(setup):
    setup.node(topic="backoff = list 300ms\nmax_attempts = 2\n", node_dead="15s")
    setup.redis("RPUSH", "MyJob", "1 fail")
    wait_for("it waits", lambda: setup.redis("ZCARD", "tr:{MyJob}:at") == "1")
    began = time.monotonic()
    assert setup.left() == {"tr:{MyJob}:at": "1", "tr:{MyJob}:job": "1"}
    wait_for("it is dead", lambda: setup.redis("ZCARD", "tr:{MyJob}:dead") == "1")
    took = time.monotonic() - began
    corpse = setup.redis("HVALS", "tr:{MyJob}:corpse")
    assert '"attempts":2' in corpse and "it was told to" in corpse and corpse.endswith("1 fail")
    assert setup.left() == {}
    assert took < 0.9, took  # at its moment, not at the next look
    begun = [line.split() for line in setup.notes_path.read_text().splitlines()]
    assert [b[3] for b in begun] == ["1", "2"] and begun[0][2] == begun[1][2]  # its id stays


def test_a_job_that_kills_its_worker_is_dead_after_three(setup):
    setup.node(topic="max_attempts = 25\nbackoff = fixed 50ms\n")
    setup.redis("RPUSH", "MyJob", "1 die", 2)
    wait_for("it is dead", lambda: setup.redis("ZCARD", "tr:{MyJob}:dead") == "1")
    assert '"crashes":3' in setup.redis("HVALS", "tr:{MyJob}:corpse")
    setup.wait_ends([2])


def test_the_dead_of_redis_are_counted_and_tried_again(setup):
    node = setup.node(topic="max_attempts = 1\n")
    setup.redis("RPUSH", "MyJob", "1 fail", "2 fail")
    wait_for("both are dead", lambda: node.get("/v1/topics/MyJob").json.get("dead") == 2)
    first = {line.split()[2] for line in setup.notes_path.read_text().splitlines()}
    assert node.post("/v1/topics/MyJob:retry-dead").status == 202
    wait_for("again", lambda: len(setup.notes("begin")) == 4)
    assert {line.split()[2] for line in setup.notes_path.read_text().splitlines()} == first  # they are the same jobs
    wait_for("dead again", lambda: setup.redis("ZCARD", "tr:{MyJob}:dead") == "2")


def test_a_payload_of_any_bytes_is_handed_on_as_it_is(setup, tmp_path):
    node = Jobd(tmp_path, name="raw", extra=f"""
[source legacy]
type = redis
url = {setup.redis.url}/3
prefix = app:
topics = bytes
[pool w]
mode = exec
command = sh -c 'cat > {tmp_path}/$TROUPE_ID.tmp; mv {tmp_path}/$TROUPE_ID.tmp {tmp_path}/got.$TROUPE_ID'
topics = *
max_body = 4MiB
""").ready()
    sent = [b"\0\r\n\xff$5\r\n", b"tr1 {no head", b"x" * 3_000_000, b"y" * 5_000_000]
    for body in sent:
        subprocess.run(["redis-cli", "-p", str(setup.redis.port), "-n", "3", "-x", "RPUSH", "app:bytes"], input=body,
                       check=True, capture_output=True)
    wait_for("all of them", lambda: len(list(tmp_path.glob("got.*"))) == 3)
    assert sorted(p.read_bytes() for p in tmp_path.glob("got.*")) == sorted(sent[:3])
    wait_for("what no pool can have is dead", lambda: setup.redis("-n", "3", "ZCARD", "tr:{app:bytes}:dead") == "1")
    assert "longer than max_body of pool w" in setup.redis("-n", "3", "HVALS", "tr:{app:bytes}:corpse")
    assert node.stop() == 0


# ---- the kill matrix -------------------------------------------------------------------------

def test_a_worker_killed_at_its_job(setup):
    node = setup.node(workers=1)
    setup.redis("RPUSH", "MyJob", "1 sleep 1", 2, 3)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    pid = node.get("/v1/workers").json["items"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    setup.wait_ends([1, 2, 3])
    assert setup.notes().count("1") == 1 and setup.notes("begin").count("1") == 2
    wait_for("Redis has nothing", lambda: setup.left() == {})


def test_jobd_killed_while_jobs_run_charges_those_alone(setup):
    node = setup.node(workers=1, keys="take = 16")
    setup.redis("RPUSH", "MyJob", "1 sleep 30", *range(2, 10))
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    wait_for("some are here", lambda: int(setup.left().get("MyJob", "0")) < 8)
    node.process.kill()
    node.process.wait()
    assert sum(map(int, setup.left().values())) == 9
    setup.redis("EVAL", "local n = redis.call('KEYS', 'tr:{MyJob}:run:*')[1] for _, k in ipairs(redis.call('HKEYS', n)) do"
                " if redis.call('HGET', n, k) == '1 sleep 30' then redis.call('HSET', n, k, '1 sleep 0') end end return 1", 0)
    node.again()
    setup.wait_ends(range(1, 10))
    assert sorted(setup.notes()) == [str(n) for n in range(1, 10)]
    attempts = {line.split()[1]: line.split()[3] for line in setup.notes_path.read_text().splitlines() if line.startswith("end")}
    assert attempts.pop("1") == "2" and set(attempts.values()) == {"1"}  # its worker had been given some of them
    wait_for("Redis has nothing", lambda: setup.left() == {})


def test_jobd_killed_again_and_again_under_load(setup):
    node = setup.node(workers=2)
    pushed = 0
    for _ in range(5):
        setup.redis("RPUSH", "MyJob", *[f"{n} sleep 0.002" for n in range(pushed, pushed + 200)])
        pushed += 200
        time.sleep(0.15)
        node.process.kill()
        node.process.wait()
        node.again()
    setup.wait_ends(range(pushed), 30)
    twice = len(setup.notes("end")) - pushed
    assert 0 <= twice <= 5 * 2 * 8, twice  # what ran, or was done in the last milliseconds
    wait_for("Redis has nothing", lambda: setup.left() == {})


def test_jobs_of_a_dead_node_go_to_another(setup):
    first = setup.node("one", workers=1)
    setup.redis("RPUSH", "MyJob", "1 sleep 30")
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    first.process.kill()
    first.process.wait()
    setup.redis("EVAL", "local n = redis.call('KEYS', 'tr:{MyJob}:run:*')[1] local k = redis.call('HKEYS', n)[1]"
                " return redis.call('HSET', n, k, '1 sleep 0')", 0)
    second = setup.node("two", workers=1)
    setup.wait_ends([1], 15)
    assert "1 jobs of dead nodes" in second.log()
    assert [line.split()[3] for line in setup.notes_path.read_text().splitlines()][-1] == "2"


def test_redis_killed_and_back_under_load(setup):
    node = setup.node()
    setup.redis("RPUSH", "MyJob", *[f"{n} sleep 0.002" for n in range(600)])
    for _ in range(3):
        time.sleep(0.2)
        setup.redis.kill()
        time.sleep(0.2)
        assert node.get("/readyz").status == 503
        setup.redis.start()
    setup.wait_ends(range(600), 30)
    assert len(setup.notes()) == 600  # nothing ran twice: what was done is told when it is back
    wait_for("Redis has nothing", lambda: setup.left() == {})
    assert node.get("/readyz").status == 200 and "is down" in node.log()


HELD = """
import select, socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
link, epoll = listener.accept()[0], select.epoll()
epoll.register(link, select.EPOLLIN)
for n in range(1_000_000):
    epoll.poll()
    if not link.recv(4096):
        break
    if n == 50:
        time.sleep(float(sys.argv[1]))
    link.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
"""


@pytest.mark.parametrize("held", [0, 0.05])
def test_how_a_held_loop_is_measured(held):
    with subprocess.Popen([sys.executable, "-c", HELD, str(held)], stdout=subprocess.PIPE, text=True) as loop:
        node = types.SimpleNamespace(port=int(loop.stdout.readline()), pid=loop.pid)
        assert held * 0.8 <= longest_gap(node, 0.5) < held + GAP


def test_a_frozen_redis_does_not_hold_the_loop(setup):
    """Taking, telling, forwarding, connecting and closing while it stands still."""
    node = setup.node(keys="write_only = Others", takes="MyJob")
    setup.redis("RPUSH", "MyJob", *[f"{n} sleep 0.02" for n in range(40)])
    wait_for("some are done", lambda: len(setup.notes()) > 3)
    os.kill(setup.redis.process.pid, signal.SIGSTOP)
    try:
        def load():
            for n in range(40):
                node.push("Others", "x" * 300_000)
        first = longest_gap(node, 2, lambda: threading.Thread(target=load).start())
        wait_for("it is told", lambda: "no answer in time" in node.log())
        late = setup.node("late", topics="Late")
        connecting = longest_gap(late, 1)
        closing = time.monotonic()
        assert late.stop() == 0
        closing = time.monotonic() - closing
    finally:
        os.kill(setup.redis.process.pid, signal.SIGCONT)
    print(f"longest gaps: frozen {first * 1000:.1f} ms, connecting {connecting * 1000:.1f} ms; closing took {closing:.1f} s")
    assert max(first, connecting) < GAP and closing < 8
    setup.wait_ends(range(40))
    wait_for("all was forwarded", lambda: int(setup.redis("LLEN", "Others")) >= 40)


def test_stopping_gives_back_what_has_not_begun(setup):
    node = setup.node(workers=1)
    setup.redis("RPUSH", "MyJob", "1 sleep 0.5", *range(2, 30))
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    assert node.stop() == 0
    done = set(setup.notes())
    assert "1" in done  # what ran has ended
    left = setup.redis("LRANGE", "MyJob", 0, -1).split()
    assert left == [str(n) for n in range(2, 30) if str(n) not in done]  # the rest, in its order, untouched
    assert set(setup.left()) <= {"MyJob"}


def test_a_worker_that_does_not_end_is_killed_after_we_have_gone(setup):
    node = setup.node(workers=1, kill_grace="4s", drain="300ms")
    setup.redis("RPUSH", "MyJob", "1 deaf", 2)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    assert node.stop() == 0
    assert sum(map(int, setup.left().values())) == 2  # both are there


def test_a_wrong_password_and_a_wrong_type_are_told(setup):
    setup.redis("SET", "MyJob", "no list")
    node = setup.node(topics="MyJob, good")
    wait_for("it is told", lambda: "topic MyJob" in node.log() and "holds no list" in node.log())
    setup.redis("RPUSH", "good", "1")
    setup.wait_ends([1])
    setup.redis("CONFIG", "SET", "requirepass", "secret")
    locked = setup.node("locked")
    wait_for("it is told", lambda: "NOAUTH" in locked.log())
    assert "secret" not in locked.log()
    opened = setup.node("open", topics="more", url=f"redis://:secret@127.0.0.1:{setup.redis.port}/0")
    setup.redis("RPUSH", "more", "2", login=["-a", "secret", "--no-auth-warning"])
    setup.wait_ends([2])
    assert opened.get("/readyz").status == 200 and locked.get("/readyz").status == 503


@pytest.fixture(scope="module")
def certs():
    folder = Folder()
    yield Certificates(folder)
    folder.remove()


def test_tls(tmp_path, certs):
    port = free_port()
    setup = Setup(tmp_path, ["--tls-port", str(port), "--tls-cert-file", certs.cert, "--tls-key-file", certs.key, "--tls-ca-cert-file",
                             certs.ca, "--tls-auth-clients", "no"])
    try:
        url = f"rediss://127.0.0.1:{port}"
        secure = setup.node("secure", url=url, keys=f"tls_ca = {certs.ca}")
        setup.redis("RPUSH", "MyJob", *range(50), "60 " + "x" * 100_000)
        setup.wait_ends([*range(50), 60])
        assert "127.0.0.1" in setup.redis("CLIENT", "LIST") and secure.get("/readyz").status == 200
        distrusts = setup.node("distrusts", url=url, topics="other")
        wait_for("it is told", lambda: re.search(r"source legacy is down: .*certificate", distrusts.log()))
        assert distrusts.get("/readyz").status == 503
        plain = setup.node("plain", url=f"rediss://127.0.0.1:{setup.redis.port}", topics="other")  # who speaks no TLS
        plain.wait_log("source legacy is down: ")
        setup.node("careless", url=url, keys="tls_verify = no", topics="Careless")
        setup.redis("RPUSH", "Careless", "61")
        setup.wait_ends([61])
        setup.redis("CLIENT", "KILL", "TYPE", "normal")
        setup.redis("RPUSH", "MyJob", "62")
        setup.wait_ends([62])
    finally:
        setup.end()


def test_a_unix_socket_a_user_and_a_database(tmp_path):
    setup = Setup(tmp_path, ["--unixsocket", tmp_path / "redis.sock", "--user", "worker", "on", ">p@ss/w", "~*", "&*", "+@all"])
    try:
        setup.node(url=f"redis+unix://worker:p%40ss%2Fw@{tmp_path}/redis.sock?db=3")
        setup.redis("-n", "3", "RPUSH", "MyJob", "1")
        setup.wait_ends([1])
        assert "user=worker" in setup.redis("CLIENT", "LIST")
        setup.redis.kill()
        setup.redis.start()
        setup.redis("-n", "3", "RPUSH", "MyJob", "2")
        setup.wait_ends([2])
    finally:
        setup.end()


def test_a_redis_that_may_drop_jobs_is_told(setup):
    setup.redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    setup.node().wait_log("its maxmemory-policy is allkeys-lru, not noeviction: jobs can be lost")
    setup.redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert "policy" not in setup.node("right", topics="other").log()


def test_delays_and_pause_are_for_all_nodes(setup):
    setup.node("one", workers=1)
    setup.redis("HSET", "tr:{MyJob}:meta", "paused", "1")
    wait_for("it is told", lambda: setup.nodes[0].get("/v1/topics/MyJob").json.get("paused"))
    setup.redis("RPUSH", "MyJob", "1")
    time.sleep(0.5)
    assert setup.notes("begin") == []
    setup.redis("HDEL", "tr:{MyJob}:meta", "paused")
    setup.wait_ends([1])


class Slow(Relay):
    """Each answer comes late."""

    def pass_on(self, data, link):
        time.sleep(0.05)
        return super().pass_on(data, link)


def test_a_server_that_answers_late_and_a_pause_from_before(setup):
    """What is asked first is asked before it is known what its scripts are called."""
    setup.redis("HSET", "tr:{MyJob}:meta", "paused", "1")
    with Slow(("127.0.0.1", setup.redis.port)) as relay:
        node = setup.node(url=f"redis://{relay.address}")
        wait_for("it is told", lambda: node.get("/v1/topics/MyJob").json.get("paused"))
        setup.redis("RPUSH", "MyJob", "1 fail", "2")
        time.sleep(0.5)
        assert setup.notes("begin") == [] and "is down" not in node.log()
        setup.redis("HDEL", "tr:{MyJob}:meta", "paused")
        setup.wait_ends([2])
        setup.nodes.remove(node)
        assert node.stop() == 0


def test_concurrency_is_that_of_all_nodes_together(setup):
    for name in ("one", "two"):
        setup.node(name, topic="concurrency = 1\n")
    setup.redis("RPUSH", "MyJob", *[f"{n} sleep 0.2" for n in range(6)])
    setup.wait_ends(range(6))
    notes = [line.split()[0] for line in setup.notes_path.read_text().splitlines()]
    assert notes == ["begin", "end"] * 6
    setup.redis("RPUSH", "MyJob", "6 sleep 1", "7")
    wait_for("it runs", lambda: "6" in setup.notes("begin"))
    running, = [node for node in setup.nodes if node.get("/v1/topics/MyJob").json["running"]]
    setup.nodes.remove(running)
    running.process.kill()
    setup.wait_ends(range(8))  # a dead node holds its share until it is emptied
    notes = [line.split()[0] for line in setup.notes_path.read_text().splitlines()]
    assert notes == ["begin", "end"] * 6 + ["begin", "begin", "end", "begin", "end"]


def test_a_unique_key_holds_for_all_nodes_that_write(setup, tmp_path):
    nodes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        nodes.append(Jobd(tmp_path / name, extra=f"[source legacy]\ntype = redis\nurl = {setup.redis.url}\nwrite_only = Once\n"
                                                 "[store]\nkeep_done = 1h\n").ready())
    setup.nodes += nodes
    unique = {"key": "k 1", "ttl_ms": 1500, "until": "ttl"}
    tasks = [node.post("/v1/tasks", {"topic": "Once", "payload": n, "unique": unique}).json["id"] for n, node in enumerate(nodes)]
    results = [node.get(f"/v1/tasks/{task}?wait=10s").json for node, task in zip(nodes, tasks)]
    assert [result["state"] for result in results] == ["succeeded"] * 2 and results[1]["result"] == "duplicate", results
    assert setup.redis("LRANGE", "Once", "0", "-1") == "0" and 0 < int(setup.redis("PTTL", "tr:{Once}:uq:k 1")) <= 1500
    time.sleep(1.6)
    again = nodes[1].post("/v1/tasks", {"topic": "Once", "payload": 2, "unique": unique})
    assert again.status == 202, again
    wait_for("it is there", lambda: setup.redis("LRANGE", "Once", "0", "-1") == "0\n2")


def test_rate_is_that_of_all_nodes_together(setup):
    for name in ("one", "two"):
        setup.node(name, topic="rate = 10/s burst 2\n")
    began = time.monotonic()
    setup.redis("RPUSH", "MyJob", *range(12))
    setup.wait_ends(range(12))
    assert 0.95 < time.monotonic() - began < 8


@pytest.mark.parametrize("keys, why", [
    ("type = redis\nurl = http://x\ntopics = a", "url: neither redis:// nor rediss:// nor redis+unix://"),
    ("type = redis\nurl = redis://h:1/x\ntopics = a", "'x' is no number of a database"),
    ("type = redis\nurl = redis://:%zz@h\ntopics = a", "not well encoded"),
    ("url = redis://h\ntopics = a", "type"),
    ("type = redis\nurl = redis://h\ntopics = a\ntls_ca = /no/such", "tls_ca: /no/such: No such file"),
])
def test_what_is_wrong_with_a_source_is_said(tmp_path, keys, why):
    one = Jobd(tmp_path, extra=f"[source s]\n{keys}\n")
    assert one.process.wait(10) == 1
    assert why in one.log() and "jobd.ini:" in one.log()


def test_sources_come_change_and_go_by_reload(setup):
    node = setup.node(topics="MyJob", workers=1)
    setup.redis("RPUSH", "MyJob", "1 sleep 1", 2)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    text = node.conf_path.read_text()
    changed = text.replace("topics = MyJob\n", "topics = MyJob, More\n")
    node.reload(changed + f"[source second]\ntype = redis\nurl = {setup.redis.url}/1\ntopics = Other\n")
    setup.redis("-n", 1, "RPUSH", "Other", 3)
    setup.redis("RPUSH", "More", 4)
    setup.wait_ends([1, 2, 3, 4])
    assert sorted(setup.notes("begin")) == ["1", "2", "3", "4"]  # none twice: it left when its jobs were over
    node.reload(changed.replace("type = redis", "type = rabbit"))
    node.wait_log("reload refused")
    node.reload(re.sub(r"\[source legacy\]\n(.+\n)+", "", text, count=1))
    wait_for("both are gone", lambda: "source" not in node.get("/metrics").body.decode().replace('source="http"', ""))
    setup.redis("RPUSH", "MyJob", 5)
    time.sleep(0.5)
    assert setup.redis("LLEN", "MyJob") == "1" and node.get("/readyz").status == 200


# ---- swoole-jobs' producers ----------------------------------------------------------------------

# The class as its package has it, and what its queue does with it: serialize() or json_encode(), and RPUSH.
PRODUCER = r"""<?php
namespace Kcloze\Jobs;
class JobObject
{
    public $uuid = '', $topic = '', $jobClass = '', $jobMethod = '', $jobParams = [], $jobExtras = [];
    public function __construct(string $topic, string $jobClass, string $jobMethod, array $jobParams = [], array $jobExtras = [])
    {
        $this->uuid = uniqid($topic) . '.' . microtime(true);
        [$this->topic, $this->jobClass, $this->jobMethod, $this->jobParams, $this->jobExtras] =
            [$topic, $jobClass, $jobMethod, $jobParams, $jobExtras];
    }
}
$at = fsockopen('127.0.0.1', (int) $argv[1]);
$push = function (string $bytes) use ($at) {
    fwrite($at, "*3\r\n$5\r\nRPUSH\r\n$5\r\nMyJob\r\n$" . strlen($bytes) . "\r\n$bytes\r\n");
    fgets($at);
};
$push(serialize(new JobObject('MyJob', '\Greeter', 'greet', ['serialized', ['n' => 1.5, 'list' => [1, null]]])));
$push(json_encode(new JobObject('MyJob', 'Greeter', 'greet', ['json', []])));
$push(serialize(new JobObject('MyJob', 'Greeter', 'greet', ['late', []], ['delay' => 700])));
$push(serialize(new JobObject('MyJob', 'Greeter', 'still', ['static', []])));
$push(serialize(['order' => 7]));
$push('a line of a Java program');
"""

CLASSES = """<?php
class Greeter
{
    public function greet(string $name, array $more)
    {
        file_put_contents(getenv('NOTES'), "end $name " . json_encode($more) . ' ' . microtime(true) . "\\n", FILE_APPEND);
    }
    public static function still(string $name) { file_put_contents(getenv('NOTES'), "end $name\\n", FILE_APPEND); }
    public function foreign($message)
    {
        file_put_contents(getenv('NOTES'), 'end foreign ' . json_encode($message) . "\\n", FILE_APPEND);
    }
}
"""


def test_what_swoole_jobs_producers_write_runs(setup, tmp_path):
    (tmp_path / "producer.php").write_text(PRODUCER)
    (tmp_path / "bootstrap.php").write_text(CLASSES)
    node = Jobd(tmp_path, extra=f"""
[source legacy]
type = redis
url = {setup.redis.url}
topics = MyJob
payload = swoole-jobs
default_class = Greeter
default_method = foreign
[pool php]
command = php {LIB}/swoole-jobs.php {tmp_path}/bootstrap.php
topics = *
env = NOTES={setup.notes_path}
""").ready()
    setup.nodes.append(node)
    began = time.time()
    subprocess.run(["php", tmp_path / "producer.php", str(setup.redis.port)], check=True)
    wait_for("all six", lambda: len(setup.notes()) == 6)
    lines = {line.split()[1] + line.split()[2] if "foreign" in line else line.split()[1]: line.split()
             for line in setup.notes_path.read_text().splitlines()}
    assert lines["serialized"][2] == '{"n":1.5,"list":[1,null]}' and lines["json"][2] == "[]"
    assert float(lines["late"][3]) - began >= 0.7 and float(lines["json"][3]) < float(lines["late"][3])
    assert 'foreign{"order":7}' in lines and 'foreign"a' in lines and "static" in lines
    wait_for("Redis has nothing", lambda: setup.left() == {})


CONFIG = r"""<?php
date_default_timezone_set('Asia/Shanghai');

return $config = [
    'system' => 'swoole-jobs',
    'logPath' => __DIR__ . '/log',
    'sleep' => 2, // seconds
    'queueMaxNum' => 10,
    'queueMaxNumForProcess' => 20,
    'maxPopNum' => 50,
    'excuteTime' => 600,
    'messageTickTimer' => 1000 * 180,
    'processName' => ':swooleTopicQueue',
    'job' => [
        'profile' => ['maxTime' => 3, 'minTime' => 0.0001],
        'topics' => [
            ['name' => 'MyJob', 'workerMinNum' => 1, 'workerMaxNum' => 3, 'queueMaxNum' => 10000, 'queueMaxNumForProcess' => 100],
            ['name' => 'Foreign', 'workerMinNum' => 1, 'workerMaxNum' => 1, 'defaultJobClass' => 'Greeter', 'defaultJobMethod' => 'foreign'],
            ['name' => 'ToJava'],
        ],
        'queue' => ['class' => '\\Kcloze\\Jobs\\Queue\\RedisTopicQueue', 'host' => '127.0.0.1', 'port' => %d],
    ],
    'framework' => ['class' => '%s'],
    'message' => ['class' => '\\Kcloze\\Jobs\\Message\\DingMessage', 'token' => 'a;b'],
    'httpServer' => ['host' => '127.0.0.1', 'port' => %d, 'settings' => ['worker_num' => 3]],
];
"""


def imported(path):
    return subprocess.run([TROUPE, "import-config", path], capture_output=True, text=True, timeout=20)


def test_an_application_of_swoole_jobs_moves(setup, tmp_path, monkeypatch):
    app, port = tmp_path / "an app", free_port()
    (app / "vendor").mkdir(parents=True)
    (app / "vendor" / "autoload.php").write_text(CLASSES)
    (app / "config.php").write_text(CONFIG % (setup.redis.port, r"\Kcloze\Jobs\Action\SwooleJobsAction", port))
    done = imported(app)
    assert done.returncode == 0 and not done.stderr, done.stderr
    for line in (f"http = 127.0.0.1:{port}", f"url = redis://127.0.0.1:{setup.redis.port}", "topics = MyJob\n", "write_only = ToJava",
                 "workers_max = 3", "scale_target_length = 100", "max_jobs = 50", "max_time = 600s", "alarm_length = 10000",
                 "default_class = Greeter", 'token = "a;b"', "every = 180000ms", "; sleep (nobody", "; logPath (", "; job.profile.maxTime ("):
        assert line in done.stdout, (line, done.stdout)
    assert "framework.class" not in done.stdout
    assert imported(app / "config.php").stdout.splitlines()[1:] == done.stdout.splitlines()[1:]
    ini = tmp_path / "moved.ini"
    ini.write_text(done.stdout + f"[troupe]\ndata_dir = {tmp_path}/data\n")
    checked = subprocess.run([TROUPE, "check", ini], capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    monkeypatch.setenv("NOTES", str(setup.notes_path))
    node = Daemon("jobd", ini.read_text(), tmp_path, "moved")
    setup.nodes.append(node)
    node.wait_log("ready role=jobd")
    (tmp_path / "producer.php").write_text(PRODUCER)
    subprocess.run(["php", tmp_path / "producer.php", str(setup.redis.port)], check=True)
    setup.redis("RPUSH", "Foreign", '{"order":8}')
    wait_for("what names a class, and what is given one", lambda: len(setup.notes()) == 5)
    assert 'foreign {"order":8}' in setup.notes_path.read_text()


def test_an_action_and_a_queue_of_its_own_are_said(tmp_path):
    path = tmp_path / "config.php"
    path.write_text(CONFIG % (6379, r"\My\Yii2Action", 9502))
    assert r"; framework.class was \My\Yii2Action" in imported(path).stdout
    text = path.read_text()
    path.write_text(text.replace("'port' => 6379", "'password' => 'p@ss:/'"))
    assert "url = redis://:p%40ss%3A%2F@127.0.0.1:6379" in imported(path).stdout
    path.write_text(text.replace("RedisTopicQueue", "RabbitmqTopicQueue"))
    assert "type = rabbitmq\nurl = amqp://guest:guest@127.0.0.1:6379/%2F" in imported(path).stdout
    path.write_text(text.replace("RedisTopicQueue", "KafkaTopicQueue"))
    assert "KafkaTopicQueue, which is no queue of ours" in imported(path).stderr


def test_a_topic_that_is_only_written_is_for_others(setup, tmp_path):
    node = Jobd(tmp_path, keys="legacy = yes", extra=f"""
[source legacy]
type = redis
url = {setup.redis.url}
prefix = app:
write_only = ToJava
timeout = 500ms
[store]
resident = 0
""").ready()
    setup.nodes.append(node)
    job = {"topic": "ToJava", "jobClass": "A", "jobMethod": "b", "jobParams": [1], "uuid": "u1"}
    told = node.get("/pushJobs?jobData=" + urllib.parse.quote(json.dumps(job))).json
    assert told["code"] == 100 and told["content"]["uuid"] == "u1"
    wait_for("it is there", lambda: setup.redis("LLEN", "app:ToJava") == "1")
    assert json.loads(setup.redis("LPOP", "app:ToJava")) == job
    setup.redis.kill()
    ids = [node.push("ToJava", n) for n in range(50)]  # kept until it is back
    node.process.kill()
    node.process.wait()
    setup.redis.start()
    node.again()
    wait_for("all are there", lambda: int(setup.redis("LLEN", "app:ToJava")) >= 50)
    assert setup.redis("LRANGE", "app:ToJava", 0, -1).split() == [str(n) for n in range(50)] and len(set(ids)) == 50
    wait_for("none is kept", lambda: node.get("/v1/topics/ToJava").json["ready"] == 0)


# ---- servers that lie --------------------------------------------------------------------------

@pytest.mark.parametrize("answer, why", ids=["http", "unasked", "length", "array", "silent", "closed", "full"], argvalues=[
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks no Redis protocol"),
    (b"+OK\r\n:1\r\n" + b"+more\r\n" * 100, "an answer of another kind"),
    (b"$-7\r\n", "speaks no Redis protocol"),
    (b"*1000000000\r\n", "speaks no Redis protocol"),
    (b"", "no answer in time"),
    (None, "closed the connection"),
    (b"-ERR max number of clients reached\r\n" * 3, "max number of clients"),
])
def test_a_server_that_lies_is_left(tmp_path, answer, why):
    liar = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                link = liar.accept()[0]
            except OSError:
                return
            links.append(link)
            link.recv(4096)
            if answer is None:
                link.close()
            else:
                link.sendall(answer)

    links = []
    threading.Thread(target=serve, daemon=True).start()
    one = Jobd(tmp_path, extra=f"[source s]\ntype = redis\nurl = redis://127.0.0.1:{liar.getsockname()[1]}\ntopics = a\n"
               "timeout = 300ms\n").ready()
    wait_for(why, lambda: re.search(f"source s is down: .*({why})", one.log()))
    assert one.get("/healthz").status == 200 and one.get("/readyz").status == 503
    tries = len(links)
    time.sleep(1)
    assert len(links) - tries <= 12  # it comes back, but more and more slowly
    assert one.stop() == 0
    liar.close()
