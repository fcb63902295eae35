"""taskd in unlucky times: killed, told to end, its workers killed, its disk full or broken, its clock set, under load.

What was answered with 202 is there afterwards, over or pending, and only what was running is run again.
"""
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

import taskd as taskds
from daemon import SANITIZED
from servers import die_with_parent, wait_for
from supervisor import may_mount
from taskd import Listener, Load, Told, known

CLIENTS = 16 if SANITIZED else 64
HERE = pathlib.Path(__file__).resolve().parent
WORKER = f"/usr/bin/python3 -S {HERE.parent / 'lib' / 'noting.py'}"
KEEP = "[store]\nkeep_done = 1d\n[topic run]\nmax_crashes = 0\nmax_attempts = 1000\nbackoff = fixed 1ms\n"


def noting(tmp_path, workers=4, more=""):
    """A pool whose workers note each start of a task in a file, and the path of that."""
    notes = tmp_path / "notes"
    return KEEP + (f"[pool run]\ncommand = {WORKER} {notes}\ntopics = run\nworkers_min = {workers}\nworkers_max = {workers}\n"
                   f"credit = 4\n{more}\n"), notes


def starts(notes):
    """How often each task was started."""
    found = {}
    for line in notes.read_text().splitlines():
        found[line.split()[0]] = found.get(line.split()[0], 0) + 1
    return found


def preloaded(tmp_path, name):
    """The environment of a process that has clients/NAME.c before its C library, and the file that tells it what to do."""
    shim, tell = tmp_path / f"{name}.so", tmp_path / f"{name}.told"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, HERE / "clients" / f"{name}.c", "-ldl"], check=True)
    tell.write_text("0")
    asan = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": str(shim), "ASAN_OPTIONS": asan + ":verify_asan_link_order=0"}, tell


# ---- its end

def kill_again_and_again(one, notes, rounds):
    accepted, over = {"nobody": set(), "run": set()}, {}
    for _ in range(rounds):
        told = Told(one, "run")
        loads = [Load(one, CLIENTS - 8, "nobody"), Load(one, 8, "run")]
        time.sleep(random.uniform(0.02, 0.4))
        one.process.kill()
        one.process.wait()
        for load in loads:
            accepted[load.topic] |= load.join()
        ran = starts(notes)
        over.update({task: ran[task] for task in told.join()})
        one.again()
    for topic, wanted in accepted.items():
        assert len(wanted) > rounds * 5
        assert wanted - set(known(one, topic)) == set(), "answered with 202, and gone"
    wait_for("all to have run", lambda: not known(one, "run", ("pending",)), 60)
    there, ran = known(one, "run"), starts(notes)
    assert {task["state"] for task in there.values()} == {"succeeded"}
    assert accepted["run"] <= set(ran) and len(over) > rounds
    assert {task for task, times in over.items() if ran[task] != times} == set(), "over, and run again"
    assert max(task["crashes"] for task in there.values()) <= rounds
    return {"accepted": sum(map(len, accepted.values())), "over": len(over), "run again": sum(n > 1 for n in ran.values())}


def test_killed_at_any_moment_it_loses_nothing(taskd, tmp_path):
    extra, notes = noting(tmp_path)
    kill_again_and_again(taskd(extra=extra), notes, 3 if SANITIZED else 10)


@pytest.mark.soak
def test_killed_two_hundred_times_it_loses_nothing(taskd, tmp_path):
    extra, notes = noting(tmp_path)
    print(kill_again_and_again(taskd(extra=extra), notes, 200))


def kill_workers(one, notes, times):
    load = Load(one, CLIENTS, "run")
    killed = 0
    while killed < times:
        time.sleep(random.uniform(0.01, 0.1))
        workers = [w["pid"] for w in one.get("/v1/workers").json["items"] if w["state"] == "busy"]
        if workers:
            killed += 1
            try:
                os.kill(random.choice(workers), signal.SIGKILL)
            except ProcessLookupError:
                pass
    accepted = load.join()
    assert load.refused == 0 and len(accepted) > 10 * times
    wait_for("all to have run", lambda: not known(one, "run", ("pending",)), 60)
    there, ran = known(one, "run"), starts(notes)
    assert accepted <= set(there) and {task["state"] for task in there.values()} == {"succeeded"}
    crashes = {task: there[task]["crashes"] for task in there if there[task]["crashes"]}
    assert 0 < sum(crashes.values()) <= times  # one each; it had one in hand, or just none
    assert all(n <= crashes.get(task, 0) + 1 for task, n in ran.items())
    return {"accepted": len(accepted), "run again": len(crashes)}


def test_workers_killed_at_any_moment_lose_nothing(taskd, tmp_path):
    extra, notes = noting(tmp_path)
    kill_workers(taskd(extra=extra), notes, 10)


@pytest.mark.soak
def test_two_hundred_workers_killed_lose_nothing(taskd, tmp_path):
    extra, notes = noting(tmp_path)
    print(kill_workers(taskd(extra=extra), notes, 200))


def test_told_to_end_under_load_it_loses_nothing(taskd, tmp_path):
    extra, notes = noting(tmp_path)
    one, accepted = taskd(extra=extra), set()
    for _ in range(3):
        load = Load(one, CLIENTS, "run")
        wait_for("some", lambda: len(load.accepted) > 200)
        start = time.monotonic()
        assert one.stop() == 0 and time.monotonic() - start < 7
        accepted |= load.join()
        one.again()
    wait_for("all to have run", lambda: not known(one, "run", ("pending",)), 60)
    there, ran = known(one, "run"), starts(notes)
    assert accepted <= set(there) and set(ran.values()) == {1}, "what was told to end runs nothing twice"
    assert {(task["state"], task["crashes"]) for task in there.values()} == {("succeeded", 0)}


def test_while_it_drains_it_takes_nothing_and_answers(taskd):
    one = taskd(extra="[pool slow]\nmode = exec\ncommand = sleep 1\ntopics = slow\n")
    task = one.push("slow")
    one.wait_state(task, "running")
    one.process.send_signal(signal.SIGTERM)
    wait_for("503", lambda: one.get("/readyz").status == 503)
    answer = one.post("/v1/tasks", {"topic": "slow"})
    assert answer.status == 503 and answer.headers["Retry-After"] and one.get("/healthz").status == 200
    assert one.process.wait(10) == 0
    one.again()
    assert one.state(task) == "succeeded"


def test_what_does_not_end_in_time_is_run_again_and_not_charged(taskd):
    one = taskd(extra="[pool slow]\nmode = exec\ncommand = sleep 100\ntopics = slow\nkill_grace = 100ms\n", drain="300ms")
    task = one.push("slow")
    one.wait_state(task, "running")
    start = time.monotonic()
    assert one.stop() == 0 and time.monotonic() - start < 5
    one.again()
    one.wait_state(task, "running")
    assert one.get(f"/v1/tasks/{task}").json["crashes"] == 0
    one.post(f"/v1/tasks/{task}:kill")
    one.wait_state(task, "cancelled")


# ---- its disk

def fill(one, size):
    """Tasks until one is refused; the ids of those that were not."""
    accepted = []
    for _ in range(2000):
        answer = one.post("/v1/tasks", {"topic": "nobody", "payload": "x" * size})
        if answer.status != 202:
            assert answer.status == 503 and answer.headers["Retry-After"], answer
            return accepted
        accepted.append(answer.json["id"])
    raise AssertionError("it was never full")


def fails_and_says_so(one):
    assert one.get("/readyz").status == 503 and one.get("/healthz").status == 200
    assert "the store fails" in one.log() and b"troupe_store_failing 1" in one.get("/metrics").body


def test_a_full_disk_is_said_and_outlived(tmp_path):
    if not may_mount():
        pytest.skip("no right to mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    prefix = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=3m none {place} && exec "$@"', "sh"]
    extra, notes = noting(tmp_path)
    one = taskds.Taskd(tmp_path, extra=extra, data=place, prefix=prefix).ready()
    try:
        accepted = [one.push("nobody", "x" * 20000) for _ in range(20)]
        load = Load(one, CLIENTS, "run")
        accepted += fill(one, 20000)
        fails_and_says_so(one)
        wait_for("refusals", lambda: load.refused)
        load.join()
        assert {one.state(task) for task in accepted} == {"ready"}  # what there is can be looked at
        subprocess.run(["nsenter", "-t", str(one.pid), "-m", "mount", "-o", "remount,size=60m", str(place)], check=True)
        wait_for("it works again", lambda: one.get("/readyz").status == 200, 10)
        accepted.append(one.push("nobody"))
        assert {one.state(task) for task in accepted} == {"ready"}
        wait_for("all to have run", lambda: not known(one, "run", ("pending",)), 20)
        assert load.accepted <= set(known(one, "run")) and set(starts(notes).values()) == {1}
    finally:
        assert one.stop() == 0, one.log()[-3000:]


def test_killed_with_a_full_disk_it_starts_again_and_loses_nothing(tmp_path):
    if not may_mount():
        pytest.skip("no right to mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    keep = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=3m none {place} && echo && exec sleep 1000"]
    holder = subprocess.Popen(keep, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    holder.stdout.readline()
    prefix = ["nsenter", "-t", str(holder.pid), "-m"]
    one = taskds.Taskd(tmp_path, extra="", data=place, prefix=prefix).ready()
    try:
        accepted = set(fill(one, 20000))
        for _ in range(3):
            load = Load(one, CLIENTS, "nobody")
            time.sleep(0.1)
            one.process.kill()
            one.process.wait()
            accepted |= load.join()
            one.again()
        subprocess.run([*prefix, "mount", "-o", "remount,size=30m", str(place)], check=True)
        wait_for("it works again", lambda: one.get("/readyz").status == 200, 10)
        accepted.add(one.push("nobody"))
        assert accepted <= set(known(one, "nobody"))
    finally:
        assert one.stop() == 0, one.log()[-3000:]
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("fault", ["sync", "write", "full"])
def test_a_disk_that_goes_bad(taskd, tmp_path, fault):
    """By a library before it whose writes or syncs fail: no rights are needed."""
    env, told = preloaded(tmp_path, "disk")
    data = tmp_path / "store"
    extra, notes = noting(tmp_path)
    one = taskd(extra=extra, data=data, env={**env, "DISK_FAULT": str(told), "DISK_FOLDER": str(data)})
    load = Load(one, CLIENTS, "run")
    wait_for("some", lambda: len(load.accepted) > 100)
    told.write_text(fault)
    wait_for("refusals", lambda: load.refused > 5)
    fails_and_says_so(one)
    time.sleep(0.1)
    after = len(load.accepted)
    time.sleep(0.3)
    assert len(load.accepted) == after, "answered with 202 though nothing can be written"
    told.write_text("0")
    wait_for("it works again", lambda: one.get("/readyz").status == 200, 10)
    wait_for("more", lambda: len(load.accepted) > after + 100)
    told.write_text(fault)
    time.sleep(random.uniform(0, 0.2))
    one.process.kill()
    one.process.wait()
    accepted = load.join()
    told.write_text("0")
    one.again()
    wait_for("all to have run", lambda: not known(one, "run", ("pending",)), 30)
    assert accepted <= set(known(one, "run"))


# ---- its clock

def test_a_clock_that_jumps_under_load(taskd, tmp_path):
    env, ahead = preloaded(tmp_path, "clock")
    extra, notes = noting(tmp_path)
    one = taskd(extra=extra, env={**env, "CLOCK_AHEAD": str(ahead)})
    day, now = 86400, int(time.time() * 1000)
    delayed = one.push("nobody", delay_ms=3600_000)  # time that passes
    moment = one.push("run", run_at=now + 12 * 3600_000)  # a time of day
    far = one.push("run", run_at=now + 48 * 3600_000)
    load = Load(one, CLIENTS, "run")
    for jump in (day, -day, 400 * day, 0):
        before = len(load.accepted)
        ahead.write_text(str(jump))
        soon = one.push("run", delay_ms=100)
        one.wait_state(soon, "succeeded")
        wait_for("more", lambda: len(load.accepted) > before + 50)
        if jump == day:
            one.wait_state(moment, "succeeded")
            assert one.state(far) == "scheduled"
        assert one.state(delayed) == "scheduled", "an hour has not passed"
    one.wait_state(far, "succeeded")
    ahead.write_text(str(-day))  # and killed while it is a day that was
    one.process.kill()
    one.process.wait()
    accepted = load.join()
    assert load.refused == 0
    one.again()
    later = one.push("run")
    assert later > max(accepted), "an id was given twice, or out of order"
    wait_for("all to have run", lambda: not known(one, "run", ("pending",)), 30)
    there = known(one, "run")
    assert accepted <= set(there) and one.state(delayed) == "scheduled"
    assert {task["state"] for task in there.values()} == {"succeeded"}


def test_clocks_of_another_machine(taskd, tmp_path):
    """A start on a machine whose monotonic clock is far ahead: delays are what they were."""
    if subprocess.run(["unshare", "-T", "--boottime", "1000", "true"], capture_output=True).returncode:
        pytest.skip("no right to have clocks of its own")
    one = taskd()
    delayed = one.push("echo", 1, delay_ms=3600_000)
    assert one.stop() == 0
    one.prefix = ["unshare", "-T", "--boottime", "100000000", "--monotonic", "100000000"]
    one.again()
    short = one.push("echo", 1, delay_ms=300)
    one.wait_state(short, "succeeded")
    assert one.state(delayed) == "scheduled"
    assert 3590_000 < one.get(f"/v1/tasks/{delayed}").json["run_at"] - time.time() * 1000 < 3601_000


# ---- who asked to be told is told, whatever dies -----------------------------------------------

def states(hook):
    return {said["id"]: said["state"] for said in hook.told}


def test_no_callback_is_lost_by_a_kill(tmp_path):
    hook, one = Listener(refuses=True), taskds.Taskd(tmp_path).ready()
    ids = set()
    for _ in range(4):
        for _ in range(40):
            ids.add(one.push("echo", 1, callback={"url": hook.url}))
        one.process.kill()
        one.process.wait()
        one.again()
    wait_for("all have ended", lambda: one.get("/v1/topics/echo").json["ready"] + one.get("/v1/topics/echo").json["running"] == 0)
    hook.refuses = False
    wait_for("all are told", lambda: set(states(hook)) == ids, 60)
    assert set(states(hook).values()) == {"succeeded"}
    assert one.stop() == 0


def test_callbacks_of_tasks_that_only_the_disk_has(tmp_path):
    hook = Listener()
    one = taskds.Taskd(tmp_path, extra=taskds.ECHO + "[store]\nresident = 0\n").ready()
    cancelled = one.push("nobody", "x" * 1000, callback={"url": hook.url})
    expired = one.push("nobody", "x" * 1000, callback={"url": hook.url}, expires_in_ms=700)
    first = one.push("nobody", 1)
    behind = one.push("echo", 1, callback={"url": hook.url}, after=[first])
    one.process.kill()
    one.process.wait()
    one.again()
    assert one.ask("DELETE", f"/v1/tasks/{cancelled}").status in (202, 204)
    assert one.ask("DELETE", f"/v1/tasks/{first}").status in (202, 204)
    wait_for("all are told", lambda: states(hook) == {cancelled: "cancelled", expired: "expired", behind: "cancelled"}, 20)
    assert one.stop() == 0


def test_a_callback_of_each_end_outlives_a_kill(tmp_path):
    """All are over when it is killed, and nobody was told yet; one is over only by that kill, the third with it in hand."""
    hook = Listener(refuses=True)
    extra = taskds.ECHO + "[pool last]\nmode = exec\ncommand = sleep 100\ntopics = last\n[topic fail]\nmax_attempts = 1\n"
    one = taskds.Taskd(tmp_path, extra=extra).ready()
    told = {"callback": {"url": hook.url}}
    succeeded, dead, slow = one.push("echo", 1, **told), one.push("fail", **told), one.push("slow", **told)
    held, late = one.push("nobody", **told), one.push("nobody", expires_in_ms=100, **told)
    behind = [one.push("echo", after=[first], **told) for first in (held, slow)]
    one.push("echo", callback={"url": hook.url, "on": ["dead"]})
    crashes = one.push("last", **told)
    one.wait_state(slow, "running")
    assert one.post(f"/v1/tasks/{slow}:kill").status == 202 and one.ask("DELETE", f"/v1/tasks/{held}").status == 204
    for _ in range(3):
        one.wait_state(crashes, "running")
        wait_for("the messages", lambda: one.get("/v1/topics/.callback").json["submitted"] >= 7 or one.log().count("ready role") > 1)
        one.process.kill()
        one.process.wait()
        one.again()
    hook.refuses = False
    wanted = {succeeded: "succeeded", dead: "dead", slow: "cancelled", held: "cancelled", late: "expired", crashes: "dead",
              **dict.fromkeys(behind, "cancelled")}
    wait_for("all are told", lambda: states(hook) == wanted, 60)
    assert len(hook.told) == len(wanted), "each once"
    assert one.stop() == 0


def test_who_is_behind_a_dead_task_is_never_run(tmp_path):
    """Killed under a load of pairs, the first of which fails: its second one ends as it did, and whoever asked is told."""
    hook, notes = Listener(), tmp_path / "notes"
    extra = (f"[pool fail]\nmode = exec\ncommand = false\ntopics = fail\nworkers_max = 4\n[topic fail]\nmax_attempts = 1\n"
             f"[pool run]\ncommand = {WORKER} {notes}\ntopics = run\n")
    one, seconds = taskds.Taskd(tmp_path, extra=extra).ready(), set()
    notes.touch()
    for _ in range(3 if SANITIZED else 8):
        due = int(time.time() * 1000) + 1000 * (4 if SANITIZED else 1)
        for _ in range(40):
            first = one.push("fail", run_at=due)
            seconds.add(one.push("run", after=[first], callback={"url": hook.url}))
        assert time.time() * 1000 < due
        time.sleep(due / 1000 - time.time() + random.uniform(0, 0.1))
        one.process.kill()
        one.process.wait()
        one.again()
    wait_for("all are told", lambda: set(states(hook)) == seconds, 60)
    assert set(states(hook).values()) == {"dead"} and starts(notes) == {}
    assert one.stop() == 0
