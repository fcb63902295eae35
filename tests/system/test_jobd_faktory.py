"""jobd's Faktory listener: each command, the npm client and worker as they are, and what faults do to it."""
import datetime
import json
import os
import re
import socket
import subprocess
import time

import pytest

import servers
from daemon import TROUPE
from faktory import Client, Refused, new_job
from servers import wait_for
from taskd import Jobd


class Factory(Jobd):
    def __init__(self, folder, keys="", extra="", **more):
        super().__init__(folder, f"faktory = 127.0.0.1:0\n{keys}", extra=extra, **more)

    @property
    def fwp(self):
        return int(re.findall(r"listening on 127\.0\.0\.1:(\d+) faktory\n", self.log())[-1])

    def client(self, *words, **more):
        return Client(self.fwp, *words, **more)

    def topic(self, name):
        return next((t for t in self.get("/v1/topics").json["items"] if t["name"] == name), None)


@pytest.fixture
def jobd(tmp_path):
    one = Factory(tmp_path, keys="faktory_grace = 300ms\nmax_job = 65536\nfaktory_line = 256KiB").ready()
    yield one
    assert one.stop() == 0, one.log()[-4000:]


def moment(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


# ---- jobs ----------------------------------------------------------------------------------------


def test_a_job_comes_as_it_was_pushed_and_is_done_when_it_is_acknowledged(jobd):
    with jobd.client() as producer, jobd.client(wid="w1") as worker:
        job = new_job("send", 1, "a b", {"c": [None, 1.50]}, custom={"x": 1}, created_at="2026-01-01T00:00:00Z")
        assert producer.ask("PUSH", job) == "OK"
        assert worker.fetch() == job
        assert jobd.topic("default")["running"] == 1
        assert worker.ack(job) == "OK"
        assert jobd.topic("default")["succeeded"] == 1
        assert worker.ack(job) == "OK", "of no job: as Faktory"


def test_an_empty_queue_is_waited_for_two_seconds_and_a_job_that_comes_ends_that(jobd):
    with jobd.client() as producer, jobd.client(wid="w1") as worker:
        worker.send("FETCH", "default")
        assert worker.read() is None
        worker.send("FETCH", "other", "default")
        jid = producer.push()
        assert json.loads(worker.read())["jid"] == jid


def test_queues_are_taken_from_in_their_order_and_jobs_by_priority(jobd):
    with jobd.client() as c:
        low, high = c.push(queue="low"), c.push(queue="high")
        urgent, slow, plain = c.push(priority=9, queue="q"), c.push(priority=1, queue="q"), c.push(queue="q")
        assert [c.fetch("high", "low")["jid"] for _ in range(2)] == [high, low]
        assert [c.fetch("q")["jid"] for _ in range(3)] == [urgent, plain, slow]


def test_many_are_pushed_at_once_and_each_that_is_wrong_is_named(jobd):
    with jobd.client() as c:
        good = [new_job("a"), new_job("b", queue="q2")]
        bad = [{"jid": "no-type-at-all", "args": []}, new_job("c", reserve_for=3)]
        told = c.json("PUSHB", [good[0], bad[0], good[1], bad[1]])
        assert set(told) == {"no-type-at-all", bad[1]["jid"]}
        assert "jobtype" in told["no-type-at-all"] and "reserve_for" in told[bad[1]["jid"]]
        assert c.json("PUSHB", []) == {}
        assert c.fetch("default", "q2")["jid"] == good[0]["jid"]
        with pytest.raises(Refused, match="array of up to 1000"):
            c.ask("PUSHB", [{}] * 1001)


def test_a_failed_job_comes_again_with_its_failure_and_dies_after_its_retries(tmp_path):
    one = Factory(tmp_path, extra="[topic default]\nbackoff = fixed 10ms\n").ready()
    with one.client(wid="w") as c:
        jid = c.push("work", retry=1)
        first = c.fetch()
        assert "failure" not in first
        assert c.fail(first) == "OK"
        task = one.get("/v1/tasks/" + jid)
        assert task.status == 200 and task.json["state"] == "scheduled", "15 s and more, as Faktory's"
        wait_for("its error", lambda: "RuntimeError: in vain" in (one.get("/v1/tasks/" + jid).json["error"] or ""))
        with one.client() as other:
            other.ask("MUTATE", {"cmd": "requeue", "target": "retries", "filter": {"jids": [jid]}})
        again = c.fetch()
        assert again["jid"] == jid and again["failure"]["retry_count"] == 0
        assert c.fail(again) == "OK"
        assert one.topic("default")["dead"] == 1
    assert one.stop() == 0


def test_retry_0_is_forgotten_and_retry_minus_1_dies_at_once(jobd):
    with jobd.client(wid="w") as c:
        c.push("a", retry=0, queue="zero")
        c.fail(c.fetch("zero"))
        c.push("b", retry=-1, queue="minus")
        c.fail(c.fetch("minus"))
        assert jobd.topic("zero")["dead"] == 0 and jobd.topic("zero")["scheduled"] == 0
        assert jobd.topic("minus")["dead"] == 1


def test_a_job_waits_for_its_moment_and_expires_at_another(jobd):
    with jobd.client(wid="w") as c:
        jid = c.push(at=moment(1), queue="later")
        assert jobd.topic("later")["scheduled"] == 1
        c.push(queue="gone", custom={"expires_at": moment(-5)})
        assert c.fetch("gone", "later")["jid"] == jid
        assert jobd.topic("gone")["expired"] == 1


def test_a_unique_job_is_refused_while_its_like_is_there(jobd):
    with jobd.client(wid="w") as c:
        unique = {"custom": {"unique_for": 60}}
        c.push("mail", 1, **unique)
        with pytest.raises(Refused, match="^NOTUNIQUE "):
            c.push("mail", 1, **unique)
        c.push("mail", 2, **unique)
        job = c.fetch()
        with pytest.raises(Refused, match="NOTUNIQUE"):
            c.push("mail", 1, **unique)
        c.ack(job)
        c.push("mail", 1, **unique)
        c.push("once", 1, custom={"unique_for": 60, "unique_until": "start"}, queue="s")
        c.fetch("s")
        c.push("once", 1, custom={"unique_for": 60, "unique_until": "start"}, queue="s")


def test_a_batch_calls_back_when_all_of_it_is_done(jobd):
    with jobd.client(wid="w") as c:
        bid = c.ask("BATCH", "NEW", {"description": "x", "success": new_job("well"), "complete": new_job("over")})
        with pytest.raises(Refused, match="no open batch"):
            c.push("part", custom={"bid": "b-0000000000000"})
        c.push("part", 1, custom={"bid": bid}, queue="parts")
        c.push("part", 2, custom={"bid": bid}, queue="parts")
        assert c.ask("BATCH", "OPEN", bid) == "OK"
        assert c.ask("BATCH", "COMMIT", bid) == "OK"
        status = c.json("BATCH", "STATUS", bid)
        assert (status["total"], status["pending"], status["failed"]) == (2, 2, 0)
        for _ in range(2):
            c.ack(c.fetch("parts"))
        assert {c.fetch()["jobtype"], c.fetch()["jobtype"]} == {"well", "over"}
        with pytest.raises(Refused, match="no open batch"):
            c.push("part", 3, custom={"bid": bid})


def test_progress_is_tracked(jobd):
    with jobd.client(wid="w") as c:
        jid = c.push("slow", custom={"track": 1})
        assert c.json("TRACK", "GET", jid)["state"] == "enqueued"
        c.fetch()
        assert c.ask("TRACK", "SET", {"jid": jid, "percent": 40, "desc": "nearly"}) == "OK"
        assert c.json("TRACK", "GET", jid) == {"jid": jid, "state": "working", "percent": 40, "desc": "nearly"}
        assert c.json("TRACK", "GET", "nobody-knows")["state"] == "unknown"


def test_queues_are_paused_resumed_emptied_and_their_latency_is_told(jobd):
    with jobd.client(wid="w") as c:
        c.push(queue="p")
        assert c.ask("QUEUE", "PAUSE", "p") == "OK"
        assert c.fetch("p") is None
        time.sleep(0.05)
        assert c.json("QUEUE", "LATENCY", "p")["p"] > 0
        assert c.ask("QUEUE", "RESUME", "*") == "OK"
        assert c.fetch("p")
        c.push(queue="p")
        assert c.ask("QUEUE", "REMOVE", "p") == "OK"
        assert jobd.topic("p")["ready"] == 0
        for wrong in (["QUEUE"], ["QUEUE", "PAUSE"], ["QUEUE", "BURN", "p"]):
            with pytest.raises(Refused, match="QUEUE: "):
                c.ask(*wrong)


def test_many_are_mutated(jobd):
    with jobd.client(wid="w") as c:
        jids = [c.push("a" if i % 2 else "b", i, at=moment(3600), queue="m") for i in range(6)]
        c.ask("MUTATE", {"cmd": "discard", "target": "scheduled", "filter": {"jids": jids[:1]}})
        assert jobd.topic("m")["scheduled"] == 5
        c.ask("MUTATE", {"cmd": "kill", "target": "scheduled", "filter": {"jobtype": "a"}})
        wait_for("the dead", lambda: len(jobd.get("/v1/tasks?topic=m&state=dead").json["items"]) == 3)
        c.ask("MUTATE", {"cmd": "requeue", "target": "dead", "filter": {"regexp": f"*{jids[1]}*"}})
        job = c.fetch("m")
        assert job and job["jid"] == jids[1], jobd.topic("m")
        c.ask("MUTATE", {"cmd": "clear", "target": "dead"})
        assert jobd.topic("m")["dead"] == 0 and jobd.topic("m")["scheduled"] == 2
        c.ask("MUTATE", {"cmd": "clear", "target": "retries"})
        assert jobd.topic("m")["scheduled"] == 2
        with pytest.raises(Refused, match="MUTATE: cmd"):
            c.ask("MUTATE", {"cmd": "burn", "target": "dead"})


def test_info_has_faktorys_members(jobd):
    with jobd.client() as c:
        c.push(queue="i")
        info = c.json("INFO")
        assert info["faktory"]["queues"]["i"] == 1 and info["faktory"]["total_enqueued"] == 1
        assert info["faktory"]["tasks"]["Dead"]["size"] == 0 and info["server"]["connections"] == 1
        assert re.fullmatch(r"\d\d:\d\d:\d\d UTC", info["server_utc_time"])


def test_flush_is_off_unless_it_is_wanted(jobd, tmp_path):
    with jobd.client() as c:
        c.push()
        with pytest.raises(Refused, match="faktory_flush"):
            c.ask("FLUSH")
    one = Factory(tmp_path, keys="faktory_flush = yes", name="flush").ready()
    with one.client() as c:
        c.push(at=moment(1000))
        c.push()
        assert c.ask("FLUSH") == "OK"
        assert c.json("INFO")["faktory"]["total_enqueued"] == 0
    assert one.stop() == 0


# ---- the same tasks by other ways ------------------------------------------------------------------


def test_a_task_of_http_is_a_job_here_and_a_job_is_a_task_there(jobd):
    task = jobd.push("web", {"a": 1}, type="resize")
    listed = jobd.push("web", [1, 2])
    with jobd.client(wid="w") as c:
        job = c.fetch("web")
        assert job == {"jid": task, "queue": "web", "jobtype": "resize", "args": [{"a": 1}]}
        assert c.ack(job) == "OK"
        assert c.fetch("web") == {"jid": listed, "queue": "web", "jobtype": "web", "args": [1, 2]}
        jid = c.push("x", 5, queue="web")
        assert jobd.get("/v1/tasks/" + jid).json["state"] == "ready"


def test_a_pool_of_ours_runs_what_was_pushed(tmp_path):
    one = Factory(tmp_path, extra="[pool p]\nmode = exec\ncommand = cat\ntopics = mine\n[store]\nkeep_done = 1h\n").ready()
    with one.client() as c:
        job = new_job("x", 1, queue="mine")
        c.ask("PUSH", job)
        wait_for("its end", lambda: one.topic("mine")["succeeded"] == 1)
    assert one.stop() == 0


# ---- who it is -------------------------------------------------------------------------------------


def test_a_password_is_asked_for(tmp_path):
    one = Factory(tmp_path, keys="faktory_password = se cret").ready()
    with one.client(password="se cret") as c:
        c.push()
    for wrong in ("secret", ""):
        with pytest.raises(Refused, match="Invalid password"):
            one.client(password=wrong)
    with pytest.raises(Refused, match="Invalid password"):
        one.client()
    assert one.stop() == 0


def test_hello_comes_first_and_once(jobd):
    with jobd.client(hello=False) as c:
        c.read()
        with pytest.raises(Refused, match="HELLO comes first"):
            c.ask("INFO")
        with pytest.raises(ConnectionError):
            c.line()
    with jobd.client() as c:
        with pytest.raises(Refused, match="HELLO comes once"):
            c.ask("HELLO", {"v": 2})


# ---- workers that go -------------------------------------------------------------------------------


def test_what_a_worker_had_runs_elsewhere_when_it_is_gone_and_counts_as_a_crash(jobd):
    with jobd.client() as producer:
        jid = producer.push()
    one = jobd.client(wid="first")
    assert one.fetch()["jid"] == jid
    one.close()
    with jobd.client(wid="second") as other:
        job = other.fetch()
        assert job["jid"] == jid and jobd.get("/v1/tasks/" + jid).json["crashes"] == 1
        other.ack(job)


def test_a_worker_that_comes_back_in_time_still_has_its_job(tmp_path):
    one = Factory(tmp_path, keys="faktory_grace = 20s").ready()
    c = one.client(wid="same")
    jid = c.push()
    job = c.fetch()
    c.close()
    with one.client(wid="same") as again:
        assert again.ask("BEAT", {"wid": "same"}) == "OK"
        assert again.ack(job) == "OK"
        assert one.topic("default")["succeeded"] == 1
    assert one.stop() == 0
    assert jid


def test_a_fetch_of_a_dead_connection_takes_no_job(jobd):
    for _ in range(10):
        dead = jobd.client(wid="dead")
        dead.send("FETCH", "default")
        dead.close()
    with jobd.client(wid="alive") as c:
        jid = c.push()
        job = c.fetch()
        assert job["jid"] == jid and jobd.get("/v1/tasks/" + jid).json["crashes"] == 0


def test_a_quiet_worker_is_given_nothing(jobd):
    with jobd.client(wid="q") as c:
        assert c.ask("BEAT", {"wid": "q", "current_state": "quiet"}) == "OK"
        c.push()
        assert c.fetch() is None
        assert c.ask("BEAT", {"wid": "q", "current_state": ""}) == "OK"
        assert c.fetch()


def test_a_drain_waits_for_jobs_that_are_held_and_says_so_to_workers(tmp_path):
    one = Factory(tmp_path, drain="20s").ready()
    with one.client(wid="w") as c:
        c.push()
        job = c.fetch()
        one.process.terminate()
        one.wait_log("draining")
        assert json.loads(c.ask("BEAT", {"wid": "w"})) == {"state": "quiet"}
        with pytest.raises(Refused, match="about to end"):
            c.push()
        assert c.ack(job) == "OK"
    assert one.process.wait(10) == 0


def test_nothing_that_was_answered_is_lost_by_kill_9(tmp_path):
    one = Factory(tmp_path).ready()
    jids = set()
    with one.client(wid="w") as c:
        for _ in range(50):
            jids.add(c.push())
        done = [c.fetch() for _ in range(10)]
        for job in done[:5]:
            c.ack(job)
        one.process.kill()
        one.process.wait()
    one.again()
    left = set()
    with one.client(wid="w") as c:
        while len(left) < 45:
            job = c.fetch()
            assert job, f"{len(left)} of 45"
            left.add(job["jid"])
            c.ack(job)
        assert left == jids - {job["jid"] for job in done[:5]}
    assert one.stop() == 0


# ---- what is wrong -----------------------------------------------------------------------------------

WRONG = [
    ("PUSH {", "MALFORMED PUSH"), ("PUSH []", "object"), ('PUSH {"jid":"short"}', "jid: 8 to 200"),
    ('PUSH {"jid":"long-enough","args":[]}', "jobtype"), ('PUSH {"jid":"long-enough","jobtype":"x"}', "args: an array"),
    ('PUSH {"jid":"long-enough","jobtype":"x","args":[],"queue":"a b"}', "queue"),
    ('PUSH {"jid":"long-enough","jobtype":"x","args":[],"at":"soon"}', "at: a moment"),
    ('PUSH {"jid":"long-enough","jobtype":"x","args":[],"custom":{"expires_at":"x"}}', "expires_at"),
    ('PUSH {"jid":"bad\\u0000jid-here","jobtype":"x","args":[]}', "jid"),
    ("FETCH " + "q " * 101, "up to 100"), ("FETCH \x01", "FETCH"), ("NOSUCH", "Unknown command NOSUCH"),
    ("PUSHB {}", "array"), ("TRACK", "TRACK"), ("TRACK SET {", "MALFORMED"), ("BATCH", "BATCH"), ("BATCH NEW {}", "success"),
    ("BATCH STATUS b-x", "none of that name"), ("BEAT {}", "BEAT"), ("MUTATE []", "MUTATE"), ("ACK x", "MALFORMED ACK"),
    ("INFO2", "Unknown"), ("flush", "Unknown command flush"),
]


@pytest.mark.parametrize("line, said", WRONG)
def test_what_is_wrong_is_said_and_the_connection_goes_on(jobd, line, said):
    with jobd.client() as c:
        c.link.sendall(line.encode() + b"\r\n")
        with pytest.raises(Refused, match=re.escape(said)):
            c.read()
        c.push()


def test_a_command_that_is_too_long_ends_the_connection(jobd):
    with jobd.client() as c:
        c.link.sendall(b"PUSH " + b"x" * 300_000)
        with pytest.raises(Refused, match="longer than faktory_line"):
            c.read()
    with jobd.client() as c, pytest.raises(Refused, match="larger than max_job"):
        c.push("big", "x" * 70_000)


def test_bytes_that_trickle_are_a_command_too(jobd):
    with jobd.client() as c:
        job = new_job("slow")
        for byte in b"PUSH " + json.dumps(job).encode() + b"\n":
            c.link.sendall(bytes([byte]))
        assert c.read() == "OK"


def test_a_client_that_reads_nothing_is_not_read_from_and_others_go_on(jobd):
    with jobd.client() as c:
        c.push("big", "x" * 60_000)
        with jobd.client(wid="deaf") as deaf:
            deaf.link.setblocking(False)
            try:
                for _ in range(100_000):
                    deaf.link.send(b"INFO\r\n" * 100)
            except BlockingIOError:
                pass
            c.push()
            assert c.json("INFO")["server"]["connections"] == 2


def test_who_says_nothing_is_let_go(jobd):
    with socket.create_connection(("127.0.0.1", jobd.fwp), timeout=15) as link:
        data = b""
        while more := link.recv(1000):
            data += more
    assert data.endswith(b"-ERR HELLO did not come\r\n")


def test_wrong_addresses_are_said(tmp_path):
    path = tmp_path / "wrong.ini"
    path.write_text("[jobd]\nfaktory = nowhere:x\n")
    done = subprocess.run([TROUPE, "check", str(path)], capture_output=True, text=True)
    assert done.returncode == 1 and "faktory" in done.stdout + done.stderr


# ---- npm's client and worker, as they are ------------------------------------------------------------

WORKER = """
const faktory = require('faktory-worker');
const seen = [];
faktory.register('add', async (a, b) => { seen.push(['add', a + b]); });
faktory.register('fail', async () => { seen.push(['fail']); throw new Error('as it should'); });
(async () => {
  const options = { host: '127.0.0.1', port: PORT, password: PASSWORD };
  const client = await faktory.connect(options);
  await client.job('add', 1, 2).push();
  const urgent = client.job('add', 3, 4);
  urgent.queue = 'critical';
  await urgent.push();
  const doomed = client.job('fail');
  doomed.retry = 3;
  await doomed.push();
  const refused = await client.pushBulk([client.job('add', 5, 6), client.job('add', 7, 8)]);
  const worker = await faktory.work({ ...options, queues: ['critical', 'default'], concurrency: 4 });
  const until = Date.now() + 10000;
  while (seen.length < 5 && Date.now() < until) await new Promise(r => setTimeout(r, 20));
  const info = await client.info();
  await client.retries.ofType('fail').kill();
  console.log(JSON.stringify({ seen: seen.map(String).sort(), refused: Object.keys(refused), queues: Object.keys(info.faktory.queues).sort() }));
  await client.close();
  await worker.stop();
})().catch(e => { console.error(e); process.exit(1); });
"""


def test_npms_faktory_worker_and_client_work_as_they_are(tmp_path):
    if not (servers.NODE / "node_modules" / "faktory-worker").exists():
        pytest.fail("npm ci --prefix tests/node")
    one = Factory(tmp_path, keys="faktory_password = sesame").ready()
    script = tmp_path / "worker.js"
    script.write_text(WORKER.replace("PORT", str(one.fwp)).replace("PASSWORD", "'sesame'"))
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NODE_PATH": str(servers.NODE / "node_modules")})
    assert done.returncode == 0, done.stderr[-3000:] + one.log()[-2000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told == {"seen": ["add,11", "add,15", "add,3", "add,7", "fail"], "refused": [], "queues": ["critical", "default"]}
    wait_for("the one that is dead", lambda: one.topic("default")["dead"] == 1)
    assert one.topic("default")["succeeded"] == 3 and one.topic("default")["failed"] == 1
    assert one.topic("critical")["succeeded"] == 1
    assert one.stop() == 0
