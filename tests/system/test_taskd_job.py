"""troupe job: each command against a running taskd, with its exit status."""
import json
import os
import subprocess
import threading
import time

import pytest

from daemon import TROUPE
from servers import wait_for


@pytest.fixture
def job(taskd):
    one = taskd()

    def run(*words, feed=None, url=None):
        env = {**os.environ, "TROUPE_URL": url or f"http://127.0.0.1:{one.port}"}
        return subprocess.run([TROUPE, "job", *words], input=feed, env=env, capture_output=True, text=True, timeout=30)

    run.taskd = one
    return run


def test_a_task_in_and_looked_at(job):
    done = job("push", "echo", '{"a": 1}', "--wait")
    assert done.returncode == 0 and "succeeded" in done.stdout and '{"a": 1}' in done.stdout
    pushed = job("push", "nobody", "plain text", "--delay", "5m", "--prio", "3", "--type", "t", "--unique", "k", "--id", "mine")
    task, state = pushed.stdout.split()
    assert state == "scheduled"
    seen = json.loads(job("get", "mine", "--json").stdout)
    assert seen["id"] == task and seen["payload"] == "plain text" and seen["priority"] == 3 and seen["type"] == "t"
    assert job("push", "nobody", "--unique", "k").returncode == 1
    assert job("push", "nobody", "-", feed="[1, 2]").returncode == 0
    assert job("ls", "--topic", "nobody", "--state", "scheduled").stdout.count("nobody") == 1
    assert len(json.loads(job("ls", "--json").stdout)["items"]) == 2
    assert job("run", task).returncode == 0 and job("move", task, "echo").returncode == 0
    wait_for("its end", lambda: "succeeded" in job("get", task).stdout)
    assert job("cancel", task).returncode == 1
    waits = job("push", "nobody").stdout.split()[0]
    assert job("cancel", waits).returncode == 0


def test_exit_status(job):
    assert job("get", "nope").returncode == 4
    assert job("get").returncode == 2 and job("odd").returncode == 2 and job().returncode == 2
    assert job("push", "t", "--delay", "soon").returncode == 2
    assert job("push", "a b").returncode == 1
    assert job("ls", url="http://127.0.0.1:1").returncode == 3 and job("ls", url="odd").returncode == 2
    assert job("help").returncode == 0
    assert job("topics", "nope").returncode == 4


def test_topics_and_the_dead(job):
    task = job("push", "fail").stdout.split()[0]
    wait_for("its death", lambda: task in job("dead", "ls").stdout)
    assert job("dead", "retry", "fail").stdout.strip() == "1"
    wait_for("its second death", lambda: task in job("dead", "ls").stdout)
    assert job("retry", task).returncode == 0
    wait_for("its third death", lambda: task in job("dead", "ls").stdout)
    assert job("dead", "purge", "fail").stdout.strip() == "1" and task not in job("dead", "ls").stdout
    assert job("dead", "odd").returncode == 2
    assert job("pause", "fail").returncode == 0 and json.loads(job("topics", "fail").stdout)["paused"]
    job("push", "fail")
    assert job("purge", "fail").stdout.strip() == "1"
    assert job("resume", "fail", "nope").returncode == 4 and "fail" in job("topics").stdout
    assert "echo" in job("workers").stdout and job("scale", "echo", "0", "2").returncode == 0
    assert job("scale", "echo", "3", "2").returncode == 1
    assert "fail" in job("top", "--n", "1").stdout
    job("push", "fail", "1")
    rates = [look.split("name")[0] for look in job("top", "--n", "2").stdout.split("failed/s\n")[1:]]
    assert len(rates) == 2 and " - " in rates[0] and " - " not in rates[1] and " 0.0" in rates[1]


def test_what_runs_is_killed(job):
    task = job("push", "slow").stdout.split()[0]
    wait_for("its start", lambda: "running" in job("get", task).stdout)
    assert "slow-1" in job("workers").stdout or job.taskd
    assert job("kill", task).returncode == 0
    wait_for("its end", lambda: "cancelled" in job("get", task).stdout)


def test_schedules_and_the_store(job, tmp_path):
    job.taskd.ask("PUT", "/v1/schedules/tick", {"every_ms": 60000, "topic": "echo"})
    assert "tick" in job("sched", "ls").stdout
    assert [job("sched", order, "tick").returncode for order in ("run", "pause", "resume")] == [0, 0, 0]
    assert job("sched", "run", "nope").returncode == 4 and job("sched", "odd").returncode == 2
    assert job("store", "check").returncode == 0 and job("store", "compact").returncode == 0
    assert job("store", "backup", str(tmp_path / "b.db")).returncode == 0 and (tmp_path / "b.db").exists()
    assert job("store", "odd").returncode == 2


def test_out_and_in_again(job):
    for i in range(5):
        job("push", "nobody", json.dumps({"i": i}), "--type", "x")
    lines = job("export", "--topic", "nobody").stdout
    assert len(lines.splitlines()) == 5
    job("purge", "nobody")
    assert job("import", feed=lines).returncode == 0
    assert job("export", "--topic", "nobody").stdout == lines
    assert job("import", feed='{"topic":"a b"}\n').returncode == 1
    bench = job("bench", "nobody", "--n", "200", "--c", "4")
    assert bench.returncode == 0 and "200 tasks" in bench.stdout


def test_tail_follows(job):
    found = []
    env = {**os.environ, "TROUPE_URL": f"http://127.0.0.1:{job.taskd.port}"}
    with subprocess.Popen([TROUPE, "job", "tail", "echo"], env=env, stdout=subprocess.PIPE, text=True) as tail:
        reader = threading.Thread(target=lambda: found.extend(iter(tail.stdout.readline, "")), daemon=True)
        reader.start()
        time.sleep(0.3)
        job("push", "tell")
        job("push", "echo")
        wait_for("its end", lambda: any("succeeded" in line for line in found))
        tail.kill()
    assert not any("tell" in line for line in found)
