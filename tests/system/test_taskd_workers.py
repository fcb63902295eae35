"""taskd and what its workers do to it: deaths, garbage, silence. Each in a pool of its own beside one that is well."""
import json
import os
import pathlib
import re
import signal
import socket
import time

import pytest

from daemon import SANITIZED
from servers import wait_for

LIB = pathlib.Path(__file__).resolve().parents[1] / "lib"
WORKER = f"/usr/bin/python3 -S {LIB / 'worker.py'}"
LATE = 4 if SANITIZED else 1


def pool(name, start="", lines=""):
    return (f"[pool {name}]\ncommand = {WORKER} {start}\ntopics = {name}\nworkers_min = 1\nworkers_max = 1\n"
            f"{'' if 'kill_grace' in lines else 'kill_grace = 200ms'}\n{lines}\n[topic {name}]\nbackoff = fixed 1ms\n")


WELL = pool("well") + pool("odd", lines="credit = 4\njob_timeout = 2s")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A pool that is well, and one whose workers are told to do harm."""
    import taskd as taskds
    started = taskds.Taskd(tmp_path_factory.mktemp("workers"), extra=WELL).ready()
    started.wait_log("worker ready pool=well")
    started.wait_log("worker ready pool=odd")
    yield started
    assert started.stop() == 0, started.log()[-4000:]


def over(one, task, seconds=15.0):
    """What became of it."""
    def look():
        seen = one.get(f"/v1/tasks/{task}").json
        return seen if seen["state"] in ("succeeded", "dead", "cancelled") else None

    return wait_for(f"the end of {task}", look, seconds * LATE)


def push(one, topic, words, **members):
    """The payload is the words as they are."""
    answer = one.post(f"/v1/topics/{topic}/tasks", words.encode(), headers={f"X-Troupe-{k.replace('_', '-')}": str(v) for k, v in members.items()})
    assert answer.status == 202, answer
    return answer.json["id"]


def run(one, topic, words, **members):
    return over(one, push(one, topic, words, **members))


def still_well(one):
    """The others are served, and soon."""
    start = time.monotonic()
    assert run(one, "well", "echo on")["result"] == "on"
    assert time.monotonic() - start < 1 * LATE


def pid_of(one, topic):
    return next((w["pid"] for w in one.get(f"/v1/workers?pool={topic}").json["items"] if w["state"] == "busy"), None)


def test_a_killed_workers_task_runs_again_within_half_a_second(taskd):
    one = taskd(extra=pool("t", lines="workers_min = 2\nworkers_max = 2").replace("workers_min = 1\nworkers_max = 1\n", ""))
    wait_for("both", lambda: one.log().count("worker ready") == 2)
    for _ in range(5):
        task = push(one, "t", "sleep 0.6")
        one.wait_state(task, "running")
        first = one.get(f"/v1/tasks/{task}").json
        killed = time.time()
        os.kill(wait_for("its worker", lambda: pid_of(one, "t")), signal.SIGKILL)
        seen = over(one, task)
        assert seen["state"] == "succeeded" and (seen["crashes"], seen["attempts"]) == (1, 2), seen
        assert seen["started_at"] / 1000 - killed < 0.5 * LATE and seen["worker"] != first["worker"]
    assert one.log().count("killed by SIGKILL") == 5


def test_without_a_spare_it_takes_the_start_of_another(taskd):
    one = taskd(extra=pool("t"))
    one.wait_log("worker ready")
    task = push(one, "t", "sleep 0.6")
    one.wait_state(task, "running")
    killed = time.time()
    os.kill(wait_for("its worker", lambda: pid_of(one, "t")), signal.SIGKILL)
    seen = over(one, task)
    assert seen["crashes"] == 1 and seen["started_at"] / 1000 - killed < 0.5 * LATE


def test_what_kills_its_worker_three_times_is_dead_with_its_reason(one):
    task = push(one, "odd", "die")
    seen = over(one, task)
    assert (seen["state"], seen["crashes"], seen["error"]) == ("dead", 3, "its worker died: killed by SIGKILL")
    assert [t["id"] for t in one.get("/v1/tasks?topic=odd&state=dead").json["items"]].count(task) == 1
    still_well(one)


def test_what_kills_the_server_each_time_is_dead_too(taskd):
    """Three starts of the server find its mark: who runs it is not asked a fourth time."""
    one = taskd(extra=pool("t"))
    task = push(one, "t", "sleep 100")
    for _ in range(3):
        one.wait_state(task, "running")
        one.process.kill()
        one.process.wait()
        one.again()
    seen = over(one, task)
    assert (seen["state"], seen["crashes"]) == ("dead", 3) and "died" in seen["error"]


def killed_three_times(one, task):
    for _ in range(3):
        one.wait_state(task, "running")
        one.process.kill()
        one.process.wait()
        one.again()
    seen = one.get(f"/v1/tasks/{task}").json
    return seen["state"], seen["attempts"], seen["crashes"]


def test_what_no_worker_had_when_the_server_is_killed_is_not_charged(taskd):
    """It is taken for a worker that is still starting: it is in our hands, and nobody has begun it."""
    lines = "workers_min = 0\nworkers_max = 1\nstart_timeout = 60s"
    one = taskd(extra=pool("t", "slow 30", lines).replace("workers_min = 1\nworkers_max = 1\n", ""))
    task = push(one, "t", "echo hello")
    assert killed_three_times(one, task) == ("running", 0, 0)


def test_what_its_worker_was_not_yet_at_when_the_server_is_killed_is_not_charged(taskd):
    one = taskd(extra=pool("t", lines="credit = 4"))
    tasks = [push(one, "t", "sleep 100") for _ in range(6)]
    wait_for("four of them", lambda: [one.state(task) for task in tasks] == ["running"] * 4 + ["ready"] * 2)
    one.process.kill()
    one.process.wait()
    one.again()
    assert [one.get(f"/v1/tasks/{task}").json["crashes"] for task in tasks] == [1, 0, 0, 0, 0, 0]


def test_what_a_service_was_not_asked_when_the_server_is_killed_is_not_charged(taskd):
    """A connection that TLS does not come to has asked nobody; one without TLS has."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        where = f"127.0.0.1:{deaf.getsockname()[1]}"
        one = taskd(extra="".join(f"[pool {scheme}]\nmode = http\nurl = {scheme}://{where}\ntopics = {scheme}\n"
                                  "connect_timeout = 60s\n[topic {scheme}]\nmax_crashes = 0\n".replace("{scheme}", scheme)
                                  for scheme in ("http", "https")))
        silent, asked = push(one, "https", "echo hello"), push(one, "http", "echo hello")
        deaf.settimeout(10)
        links = [deaf.accept()[0] for _ in range(2)]
        wait_for("the request", lambda: any(link.recv(1, socket.MSG_PEEK) == b"P" for link in links))
        assert killed_three_times(one, silent) == ("running", 0, 0)
        assert one.get(f"/v1/tasks/{asked}").json["crashes"] > 0


@pytest.mark.parametrize("words", [
    "raw Fatal error: oh\\n", "raw \\x00\\x01\\xff\\xfe", "raw ACK\\n", "raw READY 0\\n", "giant", "raw \\n\\n\\n",
    "raw " + "x" * 5000 + "\\n", "raw JOB 1 t 1 0\\n\\n", "raw ACK 1 99\\nshort", "close",
], ids=lambda words: words[:20].strip().replace("\\", "_"))
def test_garbage_harms_no_other_task(one, words):
    before = push(one, "odd", "sleep 0.2")
    bad = push(one, "odd", words, Max_Attempts=1)
    others = [push(one, "odd", f"echo w{n}") for n in range(5)]
    assert over(one, bad)["state"] in ("dead", "succeeded")
    for n, task in enumerate(others):
        seen = over(one, task)
        assert (seen["state"], seen["result"], seen["crashes"]) == ("succeeded", f"w{n}", 0), seen
    assert over(one, before)["state"] == "succeeded"
    still_well(one)


def test_who_prints_to_stdout_only_fills_the_log(one):
    task = push(one, "odd", "say ACK 0 FAIL 0 nothing of the protocol")
    seen = over(one, task)
    assert seen["state"] == "succeeded" and "nothing of the protocol" in seen["log_tail"] and "to stderr" in seen["log_tail"]
    assert re.search(rf"nothing of the protocol pool=odd worker=odd-\d+ pid=\d+ job={task}", one.log())


def test_who_answers_twice_or_for_others_is_only_warned_of(one):
    assert run(one, "odd", "twice")["result"] == "one"
    assert run(one, "odd", "wrong")["state"] == "succeeded"
    assert run(one, "odd", "echo on")["result"] == "on"
    assert one.log().count("of a job that the worker does not have") >= 2


def test_who_answers_late_answers_once(taskd):
    """His time is over, and he was told to end: until he is gone his answer counts, and is the only one."""
    one = taskd(extra=pool("t", lines="job_timeout = 300ms\nkill_grace = 3s"))
    one.wait_log("worker ready")
    task = push(one, "t", "late 0.6", Max_Attempts=2)
    seen = over(one, task)
    assert (seen["state"], seen["result"], seen["attempts"]) == ("succeeded", "at last", 1)
    later = push(one, "t", "late 60", Max_Attempts=1)
    assert run(one, "t", "echo on")["result"] == "on"
    seen = over(one, later)
    assert (seen["state"], seen["error"], seen["attempts"]) == ("dead", "it took too long", 1)
    ended = [line for line in one.log().splitlines() if "worker ended" in line]
    assert len(ended) == 2 and all("reason=timeout" in line for line in ended)


def test_who_never_reads_holds_up_only_his_own(taskd):
    one = taskd(extra=pool("deaf", "reader", "credit = 100\njob_timeout = 500ms") + pool("well"))
    stuck = [one.post("/v1/topics/deaf/tasks", b"x" * 200_000, headers={"X-Troupe-Max-Attempts": "1"}).json["id"] for _ in range(20)]
    for _ in range(10):
        still_well(one)
    assert over(one, stuck[0])["error"] == "it took too long"
    assert SANITIZED or one.rss() < 64 << 20
    one.post("/v1/topics/deaf:purge")


def test_a_call_whose_worker_dies_is_answered(one):
    answer = one.post("/v1/rpc/odd?timeout=5s", b"die")
    assert answer.status == 502 and json.loads(answer.body)["error"]["message"], answer
    wait_for("another worker", lambda: one.post("/v1/rpc/odd?timeout=5s", b"echo on").body == b"on")
