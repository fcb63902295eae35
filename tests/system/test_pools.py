"""Pools of workers: tasks and calls in processes that stay, what their deaths cost, and hostile ones."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import time

import pytest

from pools import SANITIZED, Pools

WORKER = pathlib.Path(__file__).resolve().parents[1] / "lib" / "worker.py"


def section(lines="", start="", name="p", topics="t"):
    keys = {"command": f"/usr/bin/python3 -S {WORKER} {start}", "topics": topics, "workers_min": "1", "workers_max": "1",
            "kill_grace": "300ms"}
    keys.update(line.split(" = ", 1) for line in lines.splitlines())
    return f"[pool {name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


@pytest.fixture
def pools(tmp_path):
    """start(lines of the one pool, start of its workers) or start(text=ini)."""
    started = []

    def start(lines="", start="", text=None, **more):
        started.append(Pools(text or section(lines, start), tmp_path, name=f"p{len(started)}", **more))
        return started[-1]

    yield start
    for one in started:
        status = one.stop()
        assert status == 0, f"status {status}\n{one.log()[-8000:]}"


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


# ---- what a worker is told, and what it says ---------------------------------------------------


def test_a_job_goes_to_a_worker_and_its_result_comes_back(pools):
    p = pools("env = A=1\nnice = 3\ncredit = 2")
    assert p.run("t", "echo hello")["result"] == "hello"
    assert p.run("t", "hello")["result"] == "HELLO twp/1 role=engine pool=p worker=1 credit=2 max=1048576 hb=30"
    assert p.run("t", "env A")["result"] == "1"
    for name, value in (("TROUPE_PROTO", "twp/1"), ("TROUPE_FD", "3"), ("TROUPE_ROLE", "engine"), ("TROUPE_POOL", "p"),
                        ("TROUPE_WORKER", "1"), ("TROUPE_CREDIT", "2"), ("TROUPE_TITLE", "p-1")):
        assert p.run("t", f"env {name}")["result"] == value
    args = p.run("t", "args", type="a b", prio=3, timeout=9000)["result"].split()
    task = [e["id"] for e in p.said if e["what"] == "stored"][-1]
    assert args[:2] == ["JOB", task] and args[2:4] == ["t", "1"]
    options = dict(word.split("=", 1) for word in args[5:])
    assert options["deadline"] == "9000" and options["type"] == "a%20b" and options["prio"] == "3"
    assert options["trace"] == "t1" and abs(int(options["enq"]) / 1000 - time.time()) < 60


@pytest.mark.parametrize("size", [0, 1, 8191, 8193, 300_000, 1_000_000])
def test_bodies_of_any_size(pools, size):
    p = pools("result_max = 1MiB")
    payload = "echo " + "z" * size
    assert p.run("t", payload)["result"] == payload[5:]


def test_a_result_is_cut_where_results_are(pools):
    p = pools("result_max = 10B")
    assert p.run("t", "big 1000")["result"] == "y" * 10
    assert "longer than result_max" in p.log()


def test_failures(pools):
    p = pools()
    failed = p.run("t", "fail it broke", max_attempts=2, backoff="fixed 1ms")
    assert (failed["state"], failed["attempts"], failed["crashes"], failed["error"]) == ("dead", 2, 0, "it broke")
    assert p.run("t", "failno never")["attempts"] == 1
    task = p.submit("t", "later 300", max_attempts=2)
    first = p.running(task)
    second = p.wait("task", id=task, state="running", after=p.said.index(first) + 1)
    assert 0.25 < second["at"] - first["at"] < 1.5
    task = p.submit("t", "release 100")
    first = p.running(task)
    second = p.wait("task", id=task, state="running", after=p.said.index(first) + 1)
    assert second["attempts"] == 0 and second["at"] - first["at"] > 0.09
    p.do("cancel", id=task)


def test_jobs_up_to_the_credit_and_no_more(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools("credit = 3")
    tasks = [p.submit("t", f"wait {gate}") for _ in range(5)]
    for task in tasks[:3]:
        p.running(task)
    assert p.figures("p")["running"] == 3
    assert p.workers()[0]["jobs"] == 3 and p.workers()[0]["topic"] == "t"
    gate.write_text("")
    assert all(p.ended(task)["state"] == "succeeded" for task in tasks)


def test_words_of_a_worker_come_into_the_log_with_their_job(pools):
    p = pools()
    task = p.submit("t", "say out of line")
    assert p.wait("said", text="out of line", level=2)["job"] == task
    p.wait("said", text="to stderr", level=1)
    worker = p.workers()[0]
    assert f"out of line pool=p worker=p-1 pid={worker['pid']} job={task}" in p.log()


def test_progress_and_the_log_of_a_running_task(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools()
    task = p.submit("t", f"progress {gate}")
    p.wait("progress", job=task, percent=40, text="half")
    p.wait("said", job=task, text="a line")
    running = p.ask("running", id=task)
    assert (running["worker"], running["percent"], running["text"]) == ("p-1", 40, "half")
    assert "hm hm\n" in running["log"] and "a line\n" in running["log"]
    gate.write_text("")
    p.ended(task)
    assert p.ask("running", id=task)["there"] is False


def test_touch_keeps_a_long_job_alive(pools):
    p = pools("job_timeout = 300ms")
    assert p.run("t", "touch 8")["result"] == "touched"
    assert p.count("ended") == 0


def test_output_line_by_line(pools):
    p = pools()
    p.run("t", "write " + "x" * 10_000 + "\\nafter it\\n")  # longer ones in pieces
    p.wait("said", text="after it")
    said = [e["text"] for e in p.said if e["what"] == "said"]
    assert "".join(said[:-1]) == "x" * 10_000 and [len(text) for text in said[:-1]] == [3072, 3072, 3072, 784]
    p.run("t", "write in two ")
    p.run("t", "write halves\\r\\n\\n\\nlast\\n")
    p.wait("said", text="in two halves")
    p.wait("said", text="last")
    assert p.count("said", text="") == 0
    p.run("t", "write \\xff\\x00 odd\\n")
    p.wait("said", text="?  odd")
    p.run("t", "write without an end")
    p.submit("t", "exit 1", max_attempts=1)
    p.wait("said", text="without an end")  # what a worker leaves behind is a line


def test_many_lines_of_output_harm_no_task(pools):
    p = pools(text=section() + section(name="q", topics="q"))
    task = p.submit("t", "write " + "line of output\\n" * 20_000, max_attempts=1)
    for _ in range(5):
        assert p.run("q", "echo x", 3)["state"] == "succeeded"
    assert p.ended(task)["state"] == "succeeded"
    p.until(lambda: p.count("said", text="line of output") == 20_000)


# ---- new tasks from a worker --------------------------------------------------------------------


def test_tasks_pushed_by_a_worker(pools):
    p = pools()
    assert p.run("t", "push t|ref=7|echo pushed")["result"].startswith("OK 7 0")
    p.wait("task", state="succeeded", result="pushed")
    assert p.run("t", "push forbidden|ref=1|x")["result"] == "ERR 1 no such topic"
    assert p.run("t", "push t|ref=1 on=NOSUCH|x")["result"].startswith("ERR 1 on: no such job")
    assert p.run("t", "push t|ref=1 after=zz|x")["result"].startswith("ERR 1 after is no list")
    assert p.run("t", "push t|ref=2 delay=60000 uniq=a%20key|x")["result"].startswith("OK 2 ")
    assert p.run("t", "push t|ref=3 delay=60000 uniq=a%20key|y")["result"] == "ERR 3 another task holds that key"
    p.run("t", "push forbidden||x")
    assert "a task that a worker pushed was refused: no such topic" in p.log()


def test_a_task_handed_on_comes_with_the_end_or_not_at_all(pools):
    p = pools()
    assert p.run("t", "push t|ref=5 on=ME|echo handed on")["result"] == "OK 5 -"
    p.wait("task", state="succeeded", result="handed on")
    before = p.count("task", state="ready")
    dead = p.run("t", "pushdie t", max_attempts=2, backoff="fixed 1ms")
    assert dead["crashes"] == 2
    time.sleep(0.3)
    assert p.count("task", state="ready") - before <= 2  # it and its second attempt: nothing was handed on
    assert p.count("task", result="x") == 0


# ---- calls ----------------------------------------------------------------------------------------


def test_calls_wait_for_their_answer(pools):
    p = pools("max_body = 4KiB\nresult_max = 1KiB")
    assert p.answer(p.call("t", "echo called"))["body"] == "called"
    assert p.answer(p.call("t", "big 4000"))["body"] == "y" * 4000  # nothing of it is stored
    failed = p.answer(p.call("t", "failno sorry"))
    assert (failed["status"], failed["body"], failed["retry"]) == (-6020, "sorry", False)
    assert "sync=1" in p.answer(p.call("t", "args", extra="trace=77"))["body"]
    assert p.answer(p.call("t", "data a bb ccc"))["body"] == "abbcccend"
    tag = p.call("t", "data a bb", parts=True)
    assert p.answer(tag)["body"] == "end"
    assert [e["body"] for e in p.said if e["what"] == "part" and e["tag"] == tag] == ["a", "bb"]
    for what, why in ((("nowhere", "x"), "ENOENT"), (("t", "x" * 5000), "E2BIG")):
        assert p.wait("refused", tag=p.call(*what))["name"] == why


def test_as_many_calls_wait_as_may(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools("max_calls = 2")
    p.wait("ready")
    tags = [p.call("t", f"wait {gate}") for _ in range(3)]
    assert p.wait("refused", tag=p.call("t", "echo x"))["name"] == "limit reached"
    gate.write_text("")
    assert all(p.answer(tag)["name"] == "" for tag in tags)


def test_calls_go_before_tasks(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools()
    first = p.submit("t", f"wait {gate}")
    p.running(first)
    tasks = [p.submit("t", "echo task") for _ in range(3)]
    tag = p.call("t", "echo call")
    gate.write_text("")
    answer = p.answer(tag)
    assert all(answer["at"] <= p.ended(task)["at"] for task in tasks)


def test_calls_that_get_no_answer(pools):
    p = pools("cancel_grace = 100ms\nworkers_max = 2")
    p.wait("ready")
    late = p.answer(p.call("t", "sleep 1000", timeout=200))
    assert late["name"] == "ETIMEDOUT"
    p.wait("ended", text="killed by SIGTERM")  # it had its grace
    assert p.answer(p.call("t", "die"))["name"] == "EPIPE"
    assert p.answer(p.call("t", "release 70"))["name"] == "EAGAIN"
    gone = p.call("t", "sleep 1000")
    p.do("cancel", tag=gone)
    assert p.answer(gone)["name"] == "ECANCELED"
    assert p.answer(p.call("t", "echo fine"))["body"] == "fine"


# ---- deaths ---------------------------------------------------------------------------------------


def test_a_killed_workers_task_runs_again_at_once_and_is_charged_one_crash(pools):
    p = pools("workers_min = 2\nworkers_max = 2")
    p.wait("ready", worker="p-1")
    p.wait("ready", worker="p-2")
    task = p.submit("t", "sleep 1", backoff="fixed 1ms")
    first = p.running(task)
    victim = p.until(lambda: next((w for w in p.workers() if w["jobs"]), None))
    os.kill(victim["pid"], signal.SIGKILL)
    second = p.wait("task", id=task, state="running", after=p.said.index(first) + 1)
    died = p.wait("ended", worker=victim["name"], text="killed by SIGKILL")
    assert second["at"] - died["at"] < 0.5
    over = p.ended(task)
    assert (over["state"], over["crashes"]) == ("succeeded", 1)


def test_a_task_that_kills_its_worker_three_times_is_dead_with_its_reason(pools):
    p = pools()
    dead = p.run("t", "die", backoff="fixed 1ms")
    assert (dead["state"], dead["crashes"], dead["error"]) == ("dead", 3, "its worker died: killed by SIGKILL")
    assert p.run("t", "echo on")["result"] == "on"


def test_only_the_job_that_a_worker_was_at_pays_for_its_death(pools):
    p = pools("credit = 4")
    p.wait("ready")
    tasks = [p.submit("t", words, backoff="fixed 1ms", max_attempts=1) for words in
             ("sleep 0.4", "die", "echo a", "echo b")]
    ends = [p.ended(task) for task in tasks]
    assert [e["state"] for e in ends] == ["succeeded", "dead", "succeeded", "succeeded"]
    assert [e["crashes"] for e in ends] == [0, 1, 0, 0]


def test_what_was_answered_before_death_counts(pools):
    p = pools()
    over = p.run("t", "bye")
    assert over["state"] == "succeeded"
    p.wait("ended", worker="p-1", text="exit status 0")
    assert p.figures("p")["ended"] == {"itself": 1}
    assert p.run("t", "echo next")["result"] == "next"


def test_nothing_survives_a_stopped_worker(pools, tmp_path):
    p = pools("job_timeout = 300ms")
    mark = tmp_path / "child"
    task = p.submit("t", f"hang {mark}", max_attempts=1)
    p.until(mark.exists)
    over = p.ended(task)
    assert (over["state"], over["crashes"], over["error"]) == ("dead", 0, "it took too long")
    child = int(mark.read_text())
    p.until(lambda: not is_alive(child))


def test_a_time_out_is_hard_for_who_does_not_hear(pools):
    p = pools("job_timeout = 200ms\nkill_grace = 200ms\nsoft_timeout = 100ms")
    over = p.run("t", "deaf", max_attempts=1)
    assert over["error"] == "it took too long"
    p.wait("ended", text="killed by SIGKILL")
    assert p.figures("p")["ended"] == {"timeout": 1}
    assert p.run("t", "cancel", max_attempts=1)["error"] == "stopped"  # the soft one was heard


def test_cancel_asks_then_stops(pools):
    p = pools("cancel_grace = 200ms")
    for words, error in (("cancel", "stopped"), ("sleep 1000", "cancelled")):
        task = p.submit("t", words)
        p.running(task)
        p.do("cancel", id=task)
        over = p.ended(task)
        assert (over["state"], over["error"]) == ("cancelled", error)
    task = p.submit("t", "deaf")
    p.running(task)
    p.do("cancel", id=task, now=True)
    assert p.ended(task, 3)["state"] == "cancelled"


# ---- hostile workers -------------------------------------------------------------------------------


@pytest.mark.parametrize("words,why", [
    ("raw Fatal error: oh\\n", "an unknown verb"),
    ("raw \\x00\\x01\\x02", "a control character in a line"),
    ("giant", "a body longer than the agreed maximum"),
    ("raw ACK\\n", "a word too few"),
    ("raw READY 0\\n", "READY for no job"),
])
def test_garbage_costs_the_worker_its_life_and_its_task_one_crash(pools, words, why):
    p = pools("credit = 2")
    p.wait("ready")
    bad = p.submit("t", words, max_attempts=1)
    good = p.submit("t", "echo unharmed", max_attempts=1)
    over = p.ended(bad)
    assert (over["state"], over["crashes"]) == ("dead", 1)
    assert p.ended(good)["result"] == "unharmed"
    assert f"worker broke the protocol: {why}" in p.log()
    figures = p.figures("p")
    assert figures["protocol_errors"] == 1 and figures["ended"] == {"protocol": 1}


def test_answers_twice_and_for_others_are_only_warned_of(pools):
    p = pools()
    assert p.run("t", "twice")["result"] == "one"
    assert p.run("t", "wrong")["state"] == "succeeded"
    assert p.run("t", "echo on")["result"] == "on"
    assert p.log().count("of a job that the worker does not have") == 2
    assert p.count("ended") == 0


def test_answers_for_jobs_that_were_never_given(pools):
    p = pools(start="forger")
    assert p.run("t", "echo on")["result"] == "on"
    assert "ACK of a job that the worker does not have pool=p worker=p-1 id=0000000000000" in p.log()


def test_a_worker_that_never_reads_harms_nobody_else(pools):
    text = section("credit = 100\njob_timeout = 700ms", "reader", "deaf", "d") + section()
    p = pools(text=text)
    stuck = [p.submit("d", "x" * 100_000, max_attempts=1) for _ in range(20)]
    for _ in range(20):
        assert p.run("t", "echo quick", 2)["result"] == "quick"
    assert p.ended(stuck[0])["error"] == "it took too long"


def test_a_worker_that_closes_its_connection_and_lives(pools):
    p = pools()
    over = p.run("t", "close", max_attempts=1)
    assert over["crashes"] == 1
    assert "worker closed its connection, and lives" in p.log()
    assert p.run("t", "echo on")["result"] == "on"


def test_a_worker_that_is_never_ready(pools):
    p = pools("start_timeout = 200ms", "never")
    p.wait("loops")
    assert p.figures("p")["loops"]
    starts = [e["at"] for e in p.said if e["what"] == "started"]
    assert starts[-1] - starts[0] > 0.6
    assert p.wait("refused", tag=p.call("t", "x"))["name"] == "EAGAIN"


def test_ready_may_be_taken_for_granted(pools):
    p = pools("start_timeout = 200ms\nready = implicit", "implicit")
    assert p.run("t", "echo here")["result"] == "here"


def test_garbage_at_the_start_three_times_in_a_row_is_a_loop(pools):
    p = pools(start="garbage")
    p.wait("loops")
    assert p.figures("p")["protocol_errors"] == 3


def test_a_crash_loop_slows_down_and_ends_when_workers_come_up(pools, tmp_path):
    good = tmp_path / "good"
    p = pools(start=f"fixed {good}")
    p.wait("loops")
    task = p.submit("t", "echo at last")
    good.write_text("")
    assert p.ended(task)["result"] == "at last"
    p.wait("recovers")
    assert not p.figures("p")["loops"]
    assert p.count("started") < 12


def test_pauses_between_starts_grow_up_to_their_most(pools):
    p = pools("restart_max = 400ms", "exits 1")
    p.wait("loops")
    p.until(lambda: p.count("started") >= 9)
    at = [e["at"] for e in p.said if e["what"] == "started"]
    pauses = [b - a for a, b in zip(at, at[1:])]
    assert pauses[0] < 0.1 * (5 if SANITIZED else 1)  # the first is replaced at once
    for k, least in ((2, 0.09), (3, 0.19), (4, 0.39), (5, 0.39), (6, 0.39)):
        assert least < pauses[k] < least + (3 if SANITIZED else 0.35), pauses


def test_a_command_that_is_not_there(pools):
    p = pools(text="[pool p]\ncommand = /nope\ntopics = t\n")
    p.wait("loops")
    assert "a worker can't be started" in p.log() and "/nope" in p.log()


def test_who_does_not_answer_a_ping(pools):
    p = pools("heartbeat = 200ms\njob_timeout = 0", "ping")
    over = p.run("t", "sleep 1000", max_attempts=1)
    assert over["error"] == "it took too long"
    assert "does not answer PING" in p.log()


# ---- how many, and how long -------------------------------------------------------------------------


def test_more_workers_when_tasks_wait_and_fewer_when_they_do(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools("workers_max = 3\nscale_target_wait = 300ms\nscale_up_step = 1\nscale_down_after = 300ms")
    p.wait("ready")
    begun = time.monotonic()
    tasks = [p.submit("t", f"wait {gate}") for _ in range(6)]
    p.wait("ready", worker="p-2")
    assert time.monotonic() - begun > 0.3
    p.wait("ready", worker="p-3")
    gate.write_text("")
    for task in tasks:
        p.ended(task)
    p.until(lambda: len(p.workers()) == 1)
    assert p.figures("p")["ended"] == {"scale": 2}


def test_scaling_by_length_and_by_order(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools("workers_max = 4\nscale_by = length\nscale_target_length = 2")
    tasks = [p.submit("t", f"wait {gate}") for _ in range(8)]
    p.until(lambda: len(p.workers()) == 4)
    gate.write_text("")
    assert all(p.ended(task)["state"] == "succeeded" for task in tasks)
    assert p.ask("scale", pool="p", min=2, max=2)["status"] == 0
    p.until(lambda: len(p.workers()) == 2)
    assert p.ask("scale", pool="p", min=3, max=2)["status"] < 0
    assert p.ask("scale", pool="nope", min=1, max=2)["status"] < 0


def test_a_pool_without_workers_starts_one_for_the_first_task(pools):
    p = pools("workers_min = 0\nscale_down_after = 200ms")
    assert p.workers() == []
    assert p.run("t", "echo woken")["result"] == "woken"
    p.until(lambda: p.workers() == [])
    assert p.answer(p.call("t", "echo again"))["body"] == "again"


@pytest.mark.parametrize("lines,task,reason", [
    ("max_jobs = 3\nrecycle_jitter = 0", "pid", "max_jobs"),
    ("max_rss = 60MiB", "grow 90000000", "max_rss"),
    ("max_time = 400ms\nrecycle_jitter = 0", "pid", "max_time"),
    ("idle_ttl = 400ms", "pid", "idle"),
])
def test_recycled_workers_have_a_successor_first(pools, lines, task, reason):
    p = pools(lines)
    for _ in range(3):
        p.run("t", task)
    ended = p.wait("ended", worker="p-1")
    ready = p.wait("ready", worker="p-2")
    assert ready["at"] <= ended["at"] and p.said.index(ready) < p.said.index(ended)
    assert p.figures("p")["ended"] == {reason: 1}
    assert p.run("t", "echo on")["result"] == "on"


def test_jitter_spreads_the_ends_of_workers(pools):
    p = pools("workers_min = 10\nworkers_max = 10\nmax_time = 3s\nrecycle_jitter = 90")
    p.wait("ready", worker="p-10")
    born = {e["worker"]: e["at"] for e in p.said if e["what"] == "started"}
    first = p.wait("ended")
    assert 0.25 < first["at"] - born[first["worker"]] < 2  # 3 s less up to 90 %: one of ten is early
    p.until(lambda: p.count("ended") >= 10)


def test_a_worker_stays_as_long_as_its_successor_does_not_come_up(pools, tmp_path):
    good = tmp_path / "good"
    good.write_text("")
    p = pools(start=f"fixed {good}", lines="restart_max = 200ms")
    pid = p.run("t", "pid")["result"]
    good.unlink()
    p.ask("recycle", pool="p")
    p.wait("loops")
    assert p.run("t", "pid")["result"] == pid  # broken code was deployed; the old one works on
    good.write_text("")
    p.wait("ended", worker="p-1")
    assert p.run("t", "pid")["result"] != pid and p.figures("p")["ended"]["reload"] == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_what_a_worker_is_given(pools, tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and parent != pathlib.Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    worker = shutil.copy(WORKER, tmp_path)  # a checkout below /root is nobody's to read
    p = pools(f"command = /usr/bin/python3 -S {worker}\ndirectory = {tmp_path}\nnice = 7\nrlimit = nofile=100:200\nuser = nobody")
    facts = json.loads(p.run("t", "facts")["result"])
    nobody = pwd.getpwnam("nobody")
    assert facts["cwd"] == str(tmp_path) and facts["nice"] == os.nice(0) + 7 and facts["nofile"] == [100, 200]
    assert facts["user"][:2] == [nobody.pw_uid, nobody.pw_gid] and 0 not in facts["user"][2]
    assert facts["home"] == nobody.pw_dir and facts["session"]
    assert [fd for fd in facts["fds"] if fd > 3] in ([], [4])  # none of ours; 4: of the listing itself


def test_the_order_of_topics(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools(text=section("topic_order = strict\ntopics = hold, first, second"))
    p.running(p.submit("hold", f"wait {gate}"))
    for topic in ("second", "first", "second", "first"):
        p.submit(topic, f"echo {topic}")
    gate.write_text("")
    p.until(lambda: p.count("task", state="succeeded") == 5)
    assert [e["result"] for e in p.said if e["what"] == "task" and e["state"] == "succeeded"][1:] == \
        ["first", "first", "second", "second"]


def test_watched_files_replace_all_workers_one_by_one(pools, tmp_path):
    source = tmp_path / "src" / "deep" / "app.php"
    source.parent.mkdir(parents=True)
    p = pools(f"workers_min = 2\nworkers_max = 2\nwatch = {tmp_path}/src/**/*.php")
    p.wait("ready", worker="p-2")
    source.write_text("new")
    p.wait("ended", worker="p-1")
    p.wait("ended", worker="p-2")
    p.until(lambda: len(p.workers()) == 2)
    assert p.figures("p")["ended"] == {"reload": 2}
    assert p.run("t", "echo on")["result"] == "on"


def test_jobs_go_on_while_workers_are_replaced(pools):
    p = pools("workers_min = 2\nworkers_max = 2\ncredit = 4")
    p.wait("ready", worker="p-2")
    tasks = [p.submit("t", "sleep 0.02", max_attempts=1) for _ in range(60)]
    p.ask("recycle", pool="p")
    assert all(p.ended(task)["state"] == "succeeded" for task in tasks)
    p.wait("ended", worker="p-2")
    assert p.figures("p")["ended"] == {"reload": 2}


def test_a_reload_changes_what_changed(pools):
    p = pools(text=section() + section(name="q", topics="q"))
    pid = p.run("t", "pid")["result"]
    assert p.run("q", "echo q")["result"] == "q"
    p.conf.write_text(section("job_timeout = 50s"))  # nothing that a process knows; q goes
    p.do("reload", file=str(p.conf))
    p.wait("ended", pool="q")
    assert p.run("t", "pid")["result"] == pid
    p.conf.write_text(section("env = B=2"))
    p.do("reload", file=str(p.conf))
    p.wait("ended", pool="p")
    assert p.run("t", "env B")["result"] == "2"
    p.conf.write_text(section(topics="u"))  # another pool of the same name
    p.do("reload", file=str(p.conf))
    assert p.run("u", "echo u")["result"] == "u"
    p.conf.write_text(section("user = nobody-of-that-name"))
    p.do("reload", file=str(p.conf))
    p.wait("loaded", ok=False)
    assert p.run("u", "echo still u")["result"] == "still u"


@pytest.mark.parametrize("line,why", [
    ("workers_min = 9", "workers_min: is above workers_max (1)"),
    ("rlimit = nofile", "rlimit: 'nofile' is not NAME=value"),
    ("env = A", "env: 'A' is not NAME=value"),
    ("soft_timeout = 60s", "soft_timeout: is not below job_timeout"),
    ("mode = exec\ncommand = 'a", "command: a ' without its end"),
])
def test_mistakes_in_the_file_are_told(pools, line, why):
    p = pools()
    p.conf.write_text(section(line))
    p.do("reload", file=str(p.conf))
    assert why in p.wait("loaded", ok=False)["error"]


# ---- the end ------------------------------------------------------------------------------------------


def test_a_drain_waits_for_what_runs_and_takes_nothing_new(pools, tmp_path):
    gate = tmp_path / "gate"
    p = pools()
    first, second = p.submit("t", f"wait {gate}"), p.submit("t", "echo later")
    p.running(first)
    waiting = p.call("t", "echo x")
    p.do("drain")
    assert p.answer(waiting)["name"] == "ECANCELED"
    assert p.wait("refused", tag=p.call("t", "x"))["name"] == "ECANCELED"
    assert p.count("drained") == 0
    gate.write_text("")
    assert p.ended(first)["state"] == "succeeded"
    p.wait("drained")
    assert p.count("task", id=second, state="running") == 0


def test_a_stop_charges_nobody(pools, tmp_path):
    queue = tmp_path / "queue"
    queue.mkdir()
    p = pools("kill_grace = 300ms", queue_dir=queue)
    tasks = [p.submit("t", words) for words in ("deaf", "echo x")]
    p.running(tasks[0])
    assert p.stop() == 0
    again = pools(text=section(topics="other"), queue_dir=queue)
    rows = [e for e in again.said if e["what"] == "task"]
    assert all(e["crashes"] == 0 for e in rows)


# ---- a process for each task --------------------------------------------------------------------------


def script(text, lines=""):
    return section(f"mode = exec\nworkers_max = 2\ncommand = /bin/sh -c '{text}' sh\n{lines}")


def test_exec_body_in_result_out(pools):
    p = pools(text=script("tr a-z A-Z; echo \"$TROUPE_TOPIC $TROUPE_ATTEMPT $TROUPE_DEADLINE_MS\"", "result_max = 64KiB"))
    assert p.run("t", "hello ", timeout=5000)["result"] == "HELLO t 1 5000\n"
    assert p.run("t", "x" * 500_000)["result"] == "X" * 65536
    assert p.answer(p.call("t", "called "))["body"].startswith("CALLED t 1 ")


def test_exec_words_of_the_command(pools):
    p = pools(text=section('mode = exec\ncommand = /bin/echo -n {id} {topic} "<{body}>" {json:a.b} {json:list.1} {json:none} '
                           '{json:list} {other} {'))
    body = '{"a":{"b":"x; rm -rf /"},"list":[1,2]}'
    task = p.submit("t", body)
    assert p.ended(task)["result"] == f"{task} t <{body}> x; rm -rf / 2  [1,2] {{other}} {{"


@pytest.mark.parametrize("end,state,attempts,error", [
    ("exit 0", "succeeded", 0, None),
    ("exit 75", "dead", 2, "exit status 75"),
    ("exit 1", "dead", 2, "exit status 1"),
    ("exit 65", "dead", 1, "exit status 65"),
    ("exit 64", "dead", 1, "exit status 64"),
    ("kill -9 $$", "dead", 2, "killed by SIGKILL"),
    ("echo why >&2; printf last >&2; exit 3", "dead", 2, "exit status 3: why\nlast"),
])
def test_exec_ends(pools, end, state, attempts, error):
    p = pools(text=script(end))
    over = p.run("t", "", max_attempts=2, backoff="fixed 1ms")
    assert (over["state"], over["attempts"], over["error"]) == (state, attempts, error)
    assert p.workers() == []


def test_exec_as_many_at_once_as_there_may_be(pools, tmp_path):
    p = pools(text=script(f"while [ ! -e {tmp_path}/gate ]; do sleep 0.02; done"))
    tasks = [p.submit("t") for _ in range(5)]
    p.running(tasks[1])
    time.sleep(0.1)
    assert p.figures("p")["running"] == 2
    (tmp_path / "gate").write_text("")
    assert all(p.ended(task)["state"] == "succeeded" for task in tasks)


def test_exec_progress_and_pushes_on_fd_3(pools):
    p = pools(text=script("printf \"PROGRESS $TROUPE_ID 30 2\\nok\\nPUSH u 1 on=$TROUPE_ID\\nx\\n\" >&3; echo done; "
                          "exit 0") + section(name="u", topics="u"))
    over = p.submit("t")
    p.wait("progress", job=over, percent=30, text="ok")
    assert p.ended(over)["result"] == "done\n"
    p.wait("task", state="running", after=0, id=lambda i: i != over)
    bad = pools(text=script("echo \"ACK $TROUPE_ID\" >&3; sleep 5; exit 0"))
    assert bad.run("t", max_attempts=1)["state"] == "dead"
    assert "a verb that is not for mode exec" in bad.log()


def test_exec_time_out_and_cancel_reach_all_of_it(pools, tmp_path):
    p = pools(text=script(f"setsid sleep 1000 & echo $! > {tmp_path}/pid; wait", "job_timeout = 300ms\ncancel_grace = 100ms"))
    assert p.run("t", max_attempts=1)["error"] == "it took too long"
    p.until(lambda: not is_alive(int((tmp_path / "pid").read_text())))
    task = p.submit("t")
    p.running(task)
    p.do("cancel", id=task)
    assert p.ended(task)["state"] == "cancelled"


def test_exec_of_a_body_that_is_too_long_for_a_word(pools):
    p = pools(text=section("mode = exec\ncommand = /bin/echo {body}"))
    over = p.run("t", "x" * 200_000)
    assert (over["state"], over["attempts"]) == ("dead", 1) and "rgument list too long" in over["error"]
    assert p.run("t", "short")["result"] == "short\n"


def test_exec_of_what_is_not_there(pools):
    p = pools(text=section("mode = exec\ncommand = /nope"))
    over = p.run("t", max_attempts=1)
    assert over["state"] == "dead" and "/nope" in over["error"]


def test_exec_goes_on_over_a_change_and_a_drain(pools, tmp_path):
    p = pools(text=script(f"while [ ! -e {tmp_path}/gate ]; do sleep 0.02; done; echo old"))
    task = p.submit("t")
    p.running(task)
    p.conf.write_text(script("echo new"))
    p.do("reload", file=str(p.conf))
    assert p.run("t")["result"] == "new\n"
    p.do("drain")
    (tmp_path / "gate").write_text("")
    assert p.ended(task)["result"] == "old\n"
    p.wait("drained")
