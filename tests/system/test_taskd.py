"""taskd's API, row by row, on the real process; and that openapi.json says what the server does."""
import json
import re
import threading
import time

import pytest

from servers import wait_for
from taskd import Listener, events

PAUSED = "[topic held]\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One for the tests that leave nothing behind that others would see."""
    import taskd as taskds
    one = taskds.Taskd(tmp_path_factory.mktemp("taskd"), "max_body = 64KiB").ready()
    yield one
    assert one.stop() == 0, one.log()[-4000:]


# ---- tasks in

def test_a_task_is_taken_in_and_runs(shared):
    answer = shared.post("/v1/tasks", {"topic": "echo", "payload": {"n": 1}, "type": "t", "headers": {"a": "b"}})
    assert answer.status == 202 and answer.json["state"] == "ready"
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json['id']}"
    shared.wait_state(answer.json["id"], "succeeded")
    task = shared.get(answer.headers["Location"]).json
    assert task["result"] == {"n": 1} and task["topic"] == "echo" and task["type"] == "t" and task["attempts"] == 1
    assert task["worker"].startswith("echo") and task["finished_at"] >= task["started_at"] >= task["submitted_at"]


def test_a_payload_is_handed_on_byte_for_byte(shared):
    body = b'{"topic":"echo","payload":{"big":12345678901234567890123,"f":1.10,"u":"\\u00e9"}}'
    answer = shared.post("/v1/tasks?wait=10s", body)
    assert answer.status == 200 and answer.headers["Preference-Applied"] == "wait"
    assert b'{"big":12345678901234567890123,"f":1.10,"u":"\\u00e9"}' in answer.body
    answer = shared.post("/v1/tasks?wait=10s", {"topic": "echo", "payload_b64": "AP8B"})
    assert answer.json["result_b64"] == "AP8B"
    assert shared.post("/v1/tasks?wait=10", {"topic": "echo"}).json["result"] is None  # a payload of null


def test_waiting_ends_with_its_time(shared):
    start = time.monotonic()
    answer = shared.post("/v1/tasks", {"topic": "nobody"}, headers={"Prefer": "wait=1"})
    assert answer.status == 202 and answer.json["state"] == "ready" and 0.9 < time.monotonic() - start < 5
    answer = shared.get(f"/v1/tasks/{answer.json['id']}?wait=200ms")
    assert answer.status == 202 and answer.json["state"] == "ready"
    assert shared.post("/v1/tasks?wait=soon", {"topic": "echo"}).status == 400
    failed = shared.post("/v1/tasks?wait=10s", {"topic": "fail"})
    assert failed.status == 200 and failed.json["state"] == "dead" and "65" in failed.json["error"]


def test_the_same_request_finds_its_first_task(shared):
    body, key = {"topic": "echo", "payload": 1}, {"Idempotency-Key": "once-1"}
    first = shared.post("/v1/tasks", body, headers=key)
    again = shared.post("/v1/tasks", body, headers=key)
    other = shared.post("/v1/tasks", {"topic": "echo", "payload": 2}, headers=key)
    assert (first.status, again.status, other.status) == (202, 200, 409)
    assert again.json == {"id": first.json["id"], "duplicate": True} and other.error == "conflict"
    assert shared.post("/v1/tasks", body, headers={"Idempotency-Key": "x" * 300}).status == 400
    waited = shared.post("/v1/tasks?wait=5s", body, headers=key)
    assert waited.status == 200


def test_a_key_and_a_name_are_one_tasks(shared):
    body = {"topic": "nobody", "unique": {"key": "k1"}}
    first, second = shared.post("/v1/tasks", body), shared.post("/v1/tasks", body)
    assert first.status == 202 and second.status == 409 and second.json["id"] == first.json["id"]
    named = [shared.post("/v1/tasks", {"topic": "nobody", "id": "order:17"}) for _ in range(2)]
    assert [a.status for a in named] == [202, 200] and named[1].json["duplicate"]
    assert shared.get("/v1/tasks/order:17").json["name"] == "order:17"
    assert shared.ask("DELETE", "/v1/tasks/order:17").status == 204


@pytest.mark.parametrize("members, field, status", [
    ({}, "topic", 400), ({"topic": ""}, "topic", 400), ({"topic": "a b"}, "topic", 400),
    ({"topic": "t" * 129}, "topic", 400), ({"topic": 1}, "topic", 400),
    ({"topic": "t", "type": "t" * 129}, "type", 400), ({"topic": "t", "id": "a b"}, "id", 400),
    ({"topic": "t", "id": "i" * 201}, "id", 400), ({"topic": "t", "priority": 256}, "priority", 400),
    ({"topic": "t", "priority": -1}, "priority", 400), ({"topic": "t", "delay_ms": 1e30}, "delay_ms", 400),
    ({"topic": "t", "delay_ms": 3661 * 86400000}, "delay_ms", 400), ({"topic": "t", "run_at": "soon"}, "run_at", 422),
    ({"topic": "t", "run_at": "2050-02-31T00:00:00Z"}, "run_at", 422), ({"topic": "t", "run_at": -5}, "run_at", 422),
    ({"topic": "t", "max_attempts": 1001}, "max_attempts", 400), ({"topic": "t", "backoff": "now"}, "backoff", 400),
    ({"topic": "t", "timeout_ms": 8 * 86400000}, "timeout_ms", 400),
    ({"topic": "t", "unique": {"key": "k" * 257}}, "unique.key", 400), ({"topic": "t", "unique": "k"}, "unique", 400),
    ({"topic": "t", "unique": {"key": "k", "until": "ttl"}}, "unique.ttl_ms", 400),
    ({"topic": "t", "after": ["x"]}, "after", 400), ({"topic": "t", "after": ["06AM2D3860000"] * 65}, "after", 400),
    ({"topic": "t", "headers": {"a": "b" * 9000}}, "headers", 400), ({"topic": "t", "headers": {"a": 1}}, "headers", 400),
    ({"topic": "t", "headers": {"a": "b\r\nc"}}, "headers", 400), ({"topic": "t", "callback": {"url": "ftp://x"}}, "callback.url", 400),
    ({"topic": "t", "callback": {"url": "http://x/", "on": ["never"]}}, "callback.on", 400),
    ({"topic": "t", "payload_b64": "a"}, "payload_b64", 400), ({"topic": "t", "batch": "06AM2D3860000"}, None, 400),
    ({"topic": "t", "payloda": 1}, "payloda", 400), ({"topic": "t", "delay_ms": 5, "run_at": 5}, "run_at", 400),
])
def test_what_is_wrong_is_said(shared, members, field, status):
    answer = shared.post("/v1/tasks", members)
    assert answer.status == status, answer
    assert answer.json["error"].get("field") == field and answer.json["error"]["message"]


def test_bodies_that_are_none(shared):
    for body in (b"", b"{", b"[]", b"null", b'{"topic":"t"}x', b'{"topic":"\xff"}', b"[" * 100):
        assert shared.post("/v1/tasks", body).status == 400, body
    assert shared.post("/v1/tasks", b"topic=t", headers={"Content-Type": "text/plain"}).status == 415
    assert shared.post("/v1/tasks", b'{"topic":"nobody"}', headers={"Content-Type": "application/x+json"}).status == 202
    large = shared.post("/v1/tasks", b'{"topic":"t","payload":"' + b"x" * 70000 + b'"}')
    assert large.status == 413 and large.error == "too_large"


def test_the_body_is_the_payload(shared):
    answer = shared.post("/v1/topics/echo/tasks?wait=10s", b"\x00raw\xff")
    assert answer.status == 200 and answer.json["result_b64"] == "AHJhd/8="
    answer = shared.post("/v1/topics/nobody/tasks?delay=5m&priority=3", b"x", headers={"X-Troupe-Type": "y", "X-Troupe-Unique": "z"})
    task = shared.get(f"/v1/tasks/{answer.json['id']}").json
    assert answer.json["state"] == "scheduled" and task["priority"] == 3 and task["type"] == "y"
    assert shared.post("/v1/topics/nobody/tasks", b"x", headers={"X-Troupe-Unique": "z"}).status == 409
    assert shared.post("/v1/topics/nobody/tasks?priority=high").json["error"]["field"] == "priority"
    assert shared.post("/v1/topics/nobody/tasks?run_at=soon").status == 422
    assert shared.post("/v1/topics/a%20b/tasks").status == 400
    assert shared.post("/v1/topics/a%2/tasks").status == 400


def test_moments_and_order(shared):
    at = shared.push("nobody", run_at="2030-01-31T12:00:00.250+01:00")
    assert shared.get(f"/v1/tasks/{at}").json["run_at"] == 1896087600250
    soon = int(time.time() * 1000) + 400
    task = shared.push("echo", run_at=soon)
    shared.wait_state(task, "succeeded")
    assert shared.get(f"/v1/tasks/{task}").json["started_at"] >= soon - 2  # two clocks of whole milliseconds


def test_many_in_one_commit(shared):
    many = [{"topic": "echo.many", "payload": i} for i in range(100)]
    answer = shared.post("/v1/tasks:batch", many)
    assert answer.status == 202 and len(set(answer.json["ids"])) == 100 and answer.json["errors"] == []
    lines = b'{"topic":"echo"}\n\n{"topic":"a b"}\n{oops\n{"topic":"echo","unique":{"key":"b"}}\n'
    answer = shared.post("/v1/tasks:batch", lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status == 202 and [i is not None for i in answer.json["ids"]] == [True, False, False, True]
    assert [(e["index"], e["code"]) for e in answer.json["errors"]] == [(1, "bad_request"), (2, "bad_request")]
    atomic = shared.post("/v1/tasks:batch?atomic=1", [{"topic": "nobody", "type": "atomic"}, {"topic": ""}])
    assert atomic.status == 400 and atomic.json["errors"][0]["index"] == 1
    assert shared.get("/v1/tasks?type=atomic").json["items"] == []
    assert shared.post("/v1/tasks:batch", []).status == 400 and shared.post("/v1/tasks:batch", b"").status == 400
    assert shared.post("/v1/tasks:batch", [{"topic": ""}]).status == 400
    assert shared.post("/v1/tasks:batch", b'{"a":1}\n' * 9000).status == 413  # over max_body here
    assert shared.post("/v1/tasks:batch", b"{}\n" * 10001).status == 413
    assert shared.post("/v1/tasks:batch", many, headers={"Idempotency-Key": "x"}).status == 400


def test_one_waits_for_others(shared):
    first = shared.push("echo", 1, delay_ms=300)
    then = shared.post("/v1/tasks?wait=10s", {"topic": "echo", "payload": 2, "after": [first]})
    assert then.status == 200 and shared.state(first) == "succeeded"


# ---- looking

def test_fields_and_what_is_not_there(shared):
    task = shared.push("nobody", {"x": 1})
    assert shared.get(f"/v1/tasks/{task}?fields=id,state").json == {"id": task, "state": "ready"}
    assert shared.get("/v1/tasks/zzz").status == 404 and shared.get("/v1/tasks/0").error == "not_found"
    assert shared.get("/v1/tasks/00000000000AB").status == 410  # of long ago
    assert shared.get("/v1/tasks/7ZZZZZZZZZZZZ").status == 404  # of a time to come


def test_who_looks_all_the_time_sees_it_move_on_and_never_gone(shared):
    order = ["ready", "running", "ending", "succeeded", "dead"]
    for n in range(150):
        task, seen = shared.push("echo" if n % 3 else "fail", n), ["ready"]
        while seen[-1] not in ("succeeded", "dead"):
            answer = shared.get(f"/v1/tasks/{task}")
            assert answer.status == 200, (answer, seen)
            assert order.index(answer.json["state"]) >= order.index(seen[-1]), seen
            seen.append(answer.json["state"])


def test_output_is_kept_with_it(shared):
    task = shared.push("tell")
    shared.wait_state(task, "succeeded")
    seen = shared.get(f"/v1/tasks/{task}").json
    assert seen["result"] == "said\n" and "told" in seen["log_tail"]


def test_lists(taskd):
    one = taskd(extra="")
    ids = [one.push("a" if i % 2 else "b", f"text {i}", type=f"t{i % 3}") for i in range(25)]
    page = one.get("/v1/tasks?limit=10").json
    assert [t["id"] for t in page["items"]] == ids[:10] and page["next"] == ids[9]
    assert len(one.get(f"/v1/tasks?cursor={page['next']}").json["items"]) == 15
    assert len(one.get("/v1/tasks?topic=a").json["items"]) == 12
    assert len(one.get("/v1/tasks?type=t0").json["items"]) == 9
    assert [t["id"] for t in one.get("/v1/tasks?q=text+17").json["items"]] == [ids[17]]
    now = int(time.time() * 1000)
    assert len(one.get(f"/v1/tasks?until={now}").json["items"]) == 25
    assert one.get(f"/v1/tasks?since={now + 1000}").json["items"] == []
    later = one.push("a", delay_ms=60000)
    assert [t["id"] for t in one.get("/v1/tasks?state=scheduled").json["items"]] == [later]
    assert len(one.get("/v1/tasks?state=ready").json["items"]) == 25
    for bad in ("state=odd", "limit=0", "limit=1001", "cursor=x", "since=x"):
        assert one.get(f"/v1/tasks?{bad}").status == 400, bad
    assert one.get("/v1/tasks?fields=id&limit=1").json["items"] == [{"id": ids[0]}]


# ---- orders

def test_cancelling(shared):
    waits, runs = shared.push("nobody"), shared.push("slow")
    assert shared.ask("DELETE", f"/v1/tasks/{waits}").status == 204
    shared.wait_state(runs, "running")
    assert shared.post(f"/v1/tasks/{runs}:move", {"topic": "x"}).status == 409
    answer = shared.ask("DELETE", f"/v1/tasks/{runs}")
    assert answer.status == 202 and answer.json["state"] == "cancelling"
    shared.wait_state(runs, "cancelled")
    assert shared.ask("DELETE", f"/v1/tasks/{runs}").status == 409
    assert shared.ask("DELETE", "/v1/tasks/nope").status == 404
    assert shared.ask("DELETE", f"/v1/tasks/{runs}?running=gently").status == 400
    other = shared.push("slow")
    assert shared.post(f"/v1/tasks/{other}:kill").status in (202, 409)
    shared.wait_state(other, "running") if shared.state(other) == "ready" else None
    shared.post(f"/v1/tasks/{other}:kill")
    shared.wait_state(other, "cancelled")
    assert shared.post(f"/v1/tasks/{other}:kill").status == 409


def test_the_dead_are_tried_again(shared):
    task = shared.push("fail", {"x": 1})
    shared.wait_state(task, "dead")
    assert "no good" in shared.get(f"/v1/tasks/{task}").json["log_tail"]
    answer = shared.post(f"/v1/tasks/{task}:retry", {"topic": "echo", "payload": {"x": 2}})
    assert answer.status == 202
    shared.wait_state(task, "succeeded")
    assert shared.get(f"/v1/tasks/{task}").json["result"] == {"x": 2}
    assert shared.post(f"/v1/tasks/{task}:retry").status == 409
    assert shared.post("/v1/tasks/nope:retry").status == 404
    assert shared.post(f"/v1/tasks/{task}:retry", {"topic": "a b"}).status == 400


def test_early_and_elsewhere(shared):
    task = shared.push("echo", 1, delay_ms=60000)
    assert shared.post(f"/v1/tasks/{task}:run").json["state"] == "ready"
    shared.wait_state(task, "succeeded")
    assert shared.post(f"/v1/tasks/{task}:run").status == 409
    task = shared.push("nobody", 1)
    assert shared.post(f"/v1/tasks/{task}:move", {"topic": "echo", "payload": [2]}).status == 202
    shared.wait_state(task, "succeeded")
    assert shared.get(f"/v1/tasks/{task}").json["result"] == [2]
    assert shared.post(f"/v1/tasks/{task}:move", {"topic": "echo"}).status == 409


# ---- events

def test_a_task_is_followed_to_its_end(shared):
    task = shared.push("echo", 1, delay_ms=300)
    seen = [name for _, name, _ in events(shared, f"/v1/tasks/{task}/events")]
    assert seen == ["scheduled", "ready", "running", "succeeded"] or seen == ["scheduled", "running", "succeeded"]
    assert [name for _, name, _ in events(shared, f"/v1/tasks/{task}/events")] == ["succeeded"]
    assert shared.get("/v1/tasks/nope/events").status == 404


def test_who_comes_back_goes_on(taskd):
    one = taskd("event_history = 16")
    found = []
    thread = threading.Thread(target=lambda: found.extend(
        events(one, "/v1/events?topic=echo", until=lambda e: e[1] == "succeeded")))
    thread.start()
    time.sleep(0.3)
    one.push("tell")
    one.push("echo")
    thread.join()
    assert {data["topic"] for _, _, data in found} == {"echo"}
    last = found[-1][0]
    second = one.push("echo.more")
    one.wait_state(second, "succeeded")
    again = events(one, "/v1/events", {"Last-Event-ID": last}, until=lambda e: e[1] == "succeeded" and e[2]["id"] == second)
    assert all(int(e[0].split("-")[1]) > int(last.split("-")[1]) for e in again)
    for _ in range(20):
        one.push("nobody")
    gap = events(one, "/v1/events", {"Last-Event-ID": last}, until=lambda e: e[1] == "ready")
    assert gap[0][1] == "gap" and gap[0][2]["missed"] > 0


# ---- topics

def test_topics_are_paused_purged_and_raised(taskd):
    one = taskd()
    done = one.push("echo")
    one.wait_state(done, "succeeded")
    assert one.post("/v1/topics/echo:pause").status == 202
    held = one.push("echo")
    time.sleep(0.3)
    assert one.state(held) == "ready" and one.get("/v1/topics/echo").json["paused"]
    assert one.post("/v1/topics/echo:purge", {"older_ms": 60000}).json == {"count": 0}
    assert one.post("/v1/topics/echo:purge").json == {"count": 1}
    assert one.post("/v1/topics/echo:resume").status == 202
    dead = [one.push("fail") for _ in range(3)]
    for task in dead:
        one.wait_state(task, "dead")
    assert one.get("/v1/topics/fail").json["dead"] == 3
    assert one.post("/v1/topics/fail:retry-dead").json == {"count": 3}
    for task in dead:
        one.wait_state(task, "dead")
    assert one.post("/v1/topics/fail:purge", {"state": "dead"}).json == {"count": 3}
    assert one.state(dead[0]) == "410"
    assert one.post("/v1/topics/fail:purge?state=odd").status == 400
    for order in ("pause", "resume", "purge", "retry-dead", "drain"):
        assert one.post(f"/v1/topics/nope:{order}").status == 404
    names = [t["name"] for t in one.get("/v1/topics").json["items"]]
    assert names == ["echo", "fail"]
    assert one.get("/v1/topics/nope").status == 404
    running = one.push("slow")
    one.wait_state(running, "running")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(one.post("/v1/topics/slow:drain")))
    thread.start()
    time.sleep(0.3)
    assert not answers
    one.post(f"/v1/tasks/{running}:kill")
    thread.join()
    assert answers[0].status == 202


def test_limits_change_and_outlive_a_restart(taskd):
    one = taskd(extra="[topic small]\nmax_jobs = 2\n")
    one.push("small"), one.push("small")
    full = one.post("/v1/tasks", {"topic": "small"})
    assert full.status == 429 and full.headers["Retry-After"] and full.error == "too_many"
    answer = one.ask("PATCH", "/v1/topics/small", {"max_jobs": 3, "rate": "2/s burst 2"})
    assert answer.status == 200 and answer.json["limits"]["max_jobs"] == 3
    one.push("small")
    assert one.post("/v1/tasks", {"topic": "small"}).status == 429
    for bad in ({"max_jobs": -1}, {"odd": 1}, {"rate": "fast"}):
        assert one.ask("PATCH", "/v1/topics/small", bad).status == 400, bad
    assert one.ask("PATCH", "/v1/topics/small").status == 400
    assert one.ask("PATCH", "/v1/topics/nope", {"max_jobs": 3}).status == 404
    assert one.stop() == 0
    one.again()
    limits = one.get("/v1/topics/small").json["limits"]
    assert limits["max_jobs"] == 3 and limits["rate"]["per_s"] == 2


def test_what_all_topics_have_holds_over_a_restart_and_a_reload(taskd):
    one = taskd(extra="[topic *]\nmax_attempts = 7\nkeep = 1h\n[topic own]\nmax_attempts = 3\n")
    one.push("came", delay_ms=60000), one.push("own", delay_ms=60000)

    def limits():
        return [one.get(f"/v1/topics/{name}").json["limits"]["max_attempts"] for name in ("came", "own")]

    assert limits() == [7, 3]
    assert one.stop() == 0
    one.again()
    assert limits() == [7, 3]
    text = one.conf_path.read_text().replace("= 7", "= 8").replace("[topic own]\nmax_attempts = 3\n", "")
    one.reload(text)
    wait_for("the new limits", lambda: limits() == [8, 8])


def test_topics_that_nobody_named(taskd):
    one = taskd("auto_topic = no", extra="[topic known]\n")
    assert one.post("/v1/tasks", {"topic": "known"}).status == 202
    assert one.post("/v1/tasks", {"topic": "unknown"}).status == 404
    assert one.post("/v1/topics/unknown/tasks").status == 404


# ---- schedules, batches

def test_schedules(shared):
    body = {"every_ms": 1000, "topic": "echo", "payload": [1], "overlap": "queue"}
    assert shared.ask("PUT", "/v1/schedules/tick", body).status == 201
    assert shared.ask("PUT", "/v1/schedules/tick", body).status == 200
    wait_for("a run", lambda: shared.get("/v1/schedules/tick").json["runs"] > 0, 5)
    assert shared.post("/v1/schedules/tick:pause").json["paused"]
    runs = shared.get("/v1/schedules/tick").json["runs"]
    assert shared.post("/v1/schedules/tick:run").status == 202
    wait_for("one more", lambda: shared.get("/v1/schedules/tick").json["runs"] == runs + 1, 5)
    assert shared.post("/v1/schedules/tick:resume").status == 202
    made = shared.post("/v1/schedules", {"name": "nightly", "cron": "5 3 * * *", "tz": "Asia/Shanghai", "topic": "t"})
    assert made.status == 201 and made.json["cron"] == "5 3 * * * Asia/Shanghai" and made.json["next_at"]
    assert {s["name"] for s in shared.get("/v1/schedules").json["items"]} == {"tick", "nightly"}
    for bad in ({"topic": "t"}, {"cron": "x", "topic": "t"}, {"cron": "* * * * *"}, {"every_ms": 1, "topic": "t"},
                {"cron": "* * * * *", "topic": "t", "overlap": "odd"}):
        assert shared.post("/v1/schedules", {"name": "bad", **bad}).status == 400, bad
    assert shared.post("/v1/schedules", {"name": "a/b", "every_ms": 1000, "topic": "t"}).status == 400
    for name in ("tick", "nightly"):
        assert shared.ask("DELETE", f"/v1/schedules/{name}").status == 204
    assert shared.ask("DELETE", "/v1/schedules/tick").status == 404
    assert shared.get("/v1/schedules/tick").status == 404 and shared.post("/v1/schedules/tick:run").status == 404


def test_batches(shared):
    made = shared.post("/v1/batches", {"on_success": {"topic": "echo", "payload": "all"},
                                       "on_complete": {"topic": "echo", "payload": "over"}})
    assert made.status == 201 and made.json["open"]
    batch = made.json["id"]
    for i in range(3):
        shared.push("echo", i, batch=batch)
    assert shared.post(f"/v1/batches/{batch}:close").status == 202
    wait_for("its end", lambda: shared.get(f"/v1/batches/{batch}").json["over_at"], 10)
    assert shared.get(f"/v1/batches/{batch}").json["total"] == 3
    wait_for("what follows", lambda: len(shared.get("/v1/tasks?state=succeeded&q=over").json["items"]) > 0, 10)
    assert shared.post("/v1/tasks", {"topic": "echo", "batch": batch}).status == 400
    other = shared.post("/v1/batches").json["id"]
    task = shared.push("nobody", batch=other)
    assert shared.post(f"/v1/batches/{other}:cancel").status == 202
    wait_for("cancelled", lambda: shared.state(task) in ("cancelled", "410"), 5)
    assert shared.get("/v1/batches/nope").status == 404
    assert shared.post("/v1/batches", {"on_success": {"topic": ""}}).status == 400


# ---- workers, the store, how it is

def test_workers_and_pools(shared):
    pools = {p["name"]: p for p in shared.get("/v1/workers").json["pools"]}
    assert set(pools) == {"echo", "tell", "fail", "slow"} and pools["echo"]["max"] == 4
    assert shared.post("/v1/pools/echo:scale", {"min": 0, "max": 3}).status == 202
    assert shared.post("/v1/pools/echo:scale", {"min": 4, "max": 3}).status == 400
    assert shared.post("/v1/pools/echo:scale").status == 400
    assert shared.post("/v1/pools/echo:recycle").status == 202 and shared.post("/v1/pools/echo:reload").status == 202
    assert shared.post("/v1/pools/nope:recycle").status == 404


def test_a_call_is_answered_by_a_worker(shared):
    answer = shared.post("/v1/rpc/echo", b'{"n":1}')
    assert answer.status == 200 and answer.json == {"n": 1}
    assert shared.post("/v1/rpc/nobody", b"x").status == 503
    assert shared.post("/v1/rpc/slow?timeout=300ms", b"x").status == 504
    assert shared.post("/v1/rpc/echo?timeout=never", b"x").status == 400
    assert shared.post("/v1/rpc/fail", b"x").status in (422, 502)


def test_the_file_is_looked_after(taskd, tmp_path):
    one = taskd()
    one.push("nobody")
    assert one.post("/v1/store:check").status == 200 and one.post("/v1/store:compact").status == 200
    copy = tmp_path / "copy.db"
    assert one.post("/v1/store:backup", {"path": str(copy)}).status == 200 and copy.stat().st_size > 0
    assert one.post("/v1/store:backup", {"path": str(copy)}).status == 409
    assert one.post("/v1/store:backup", {"path": "relative"}).status == 400


def test_how_it_is(shared):
    assert shared.get("/healthz").status == 200 and shared.get("/readyz").status == 200
    text = shared.get("/metrics").body.decode()
    for name in ("jobs_enqueued_total", "jobs_finished_total", "job_attempts_total", "job_wait_seconds_bucket",
                 "job_run_seconds_bucket", "topic_jobs", "topic_oldest_seconds", "topic_paused", "workers",
                 "worker_restarts_total", "store_commit_seconds_bucket", "store_errors_total",
                 "http_requests_total", "rejected_total", "schedule_runs_total", "schedule_missed_total"):
        assert re.search(rf"^troupe_{name}[ {{]", text, re.M), name
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .+|troupe_\w+(\{.*\})? -?[0-9.e+-]+|", line), line
    assert shared.get("/ui/").headers["Content-Type"].startswith("text/html")
    assert shared.ask("HEAD", "/healthz").body == b""


def test_no_such_address_and_not_by_this_method(shared):
    assert shared.get("/nope").status == 404 and shared.get("/v1/tasks/a/b/c").status == 404
    answer = shared.ask("DELETE", "/v1/tasks")
    assert answer.status == 405 and answer.headers["Allow"] == "POST, GET"
    assert shared.post("/v1/topics").status == 405
    assert shared.get("/v1/tasks?" + "&".join(f"a{i}=1" for i in range(40))).status == 400
    assert shared.get("/v1/tasks?topic=%zz").status == 400


# ---- openapi.json

def test_what_is_documented_is_what_is_served(shared):
    api = shared.get("/v1/openapi.json").json
    assert api["openapi"].startswith("3.")
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith(".") and operation["responses"]
            concrete = path.replace("{", "").replace("}", "")
            if path.endswith("events"):
                continue
            answer = shared.ask(method.upper(), concrete, b"" if method in ("post", "put", "patch") else None)
            assert str(answer.status) in operation["responses"], (method, path, answer)
            names = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert names == set(re.findall(r"\{(\w+)\}", path))


def test_bearer_tokens_have_scopes_and_topics(taskd, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("# who\npusher push echo*,nobody\nreader read\nboss push,read,admin\n")
    one = taskd(f"tokens_file = {tokens}")

    def status(token, method, path, body=None):
        return one.ask(method, path, body, {"Authorization": f"Bearer {token}"} if token else {}).status

    nobody = one.post("/v1/tasks", {"topic": "echo"})
    assert nobody.status == 401 and nobody.headers["WWW-Authenticate"].startswith("Bearer")
    assert status("wrong", "POST", "/v1/tasks", {"topic": "echo"}) == 401
    assert status("pusher", "POST", "/v1/tasks", {"topic": "echo.x"}) == 202
    assert status("pusher", "POST", "/v1/tasks", {"topic": "other"}) == 403
    assert status("pusher", "POST", "/v1/topics/other/tasks") == 403
    assert status("pusher", "GET", "/v1/tasks") == 403 and status("reader", "GET", "/v1/tasks") == 200
    assert status("reader", "POST", "/v1/tasks", {"topic": "echo"}) == 403
    assert status("reader", "POST", "/v1/topics/echo:pause") == 403 and status("boss", "POST", "/v1/topics/echo.x:pause") == 202
    assert one.get("/healthz").status == 200 and one.get("/metrics").status == 401
    tokens.write_text("other push,read,admin\n")
    one.reload()
    wait_for("the new tokens", lambda: status("other", "GET", "/v1/tasks") == 200)
    assert status("boss", "GET", "/v1/tasks") == 401
    tokens.write_text("other flying\n")
    one.reload()
    one.wait_log("reload refused")
    assert status("other", "GET", "/v1/tasks") == 200


def test_a_browser_of_another_site_is_refused(shared):
    body = {"topic": "nobody"}
    assert shared.post("/v1/tasks", body, headers={"Origin": "https://evil.example"}).status == 403
    assert shared.post("/v1/tasks", body, headers={"Origin": f"http://127.0.0.1:{shared.port}"}).status == 202
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    assert shared.post("/v1/tasks", body, headers=rebound).status == 403


def test_who_asked_is_told(shared):
    hook = Listener([503])
    task = shared.push("echo", {"n": 1}, callback={"url": hook.url})
    wait_for("the second try", lambda: len(hook.told) == 2, 10)
    assert hook.told[0] == hook.told[1] and hook.told[0]["id"] == task and hook.told[0]["result"] == {"n": 1}
    dead = shared.push("fail", callback={"url": hook.url, "on": ["dead"]})
    shared.push("echo", callback={"url": hook.url, "on": ["dead"]})
    wait_for("its death", lambda: len(hook.told) == 3, 10)
    assert hook.told[2]["id"] == dead and hook.told[2]["state"] == "dead"
    gone = Listener([404])
    shared.push("echo", callback={"url": gone.url})
    wait_for("one try", lambda: gone.told, 10)
    wait_for("no other", lambda: shared.get("/v1/topics/.callback").json["dead"] == 1, 10)
    assert shared.post("/v1/tasks", {"topic": ".callback"}).status == 400


def test_alarms(taskd, tmp_path):
    hook, out = Listener(), tmp_path / "alarm.json"
    one = taskd(extra="[topic held]\nalarm_length = 3\n[topic fail]\nmax_attempts = 1\n[pool fail]\nmode = exec\n"
                f"command = sh -c 'exit 65'\ntopics = fail\n[alarm hook]\ntype = webhook\nurl = {hook.url}\nevery = 1h\n"
                f"[alarm run]\ntype = exec\ncommand = cat >{out}\non = dead\n")
    for _ in range(3):
        one.push("fail")
        one.push("held")
    wait_for("both", lambda: {t["event"] for t in hook.told} == {"dead", "backlog"}, 15)
    backlog = [t for t in hook.told if t["event"] == "backlog"]
    assert backlog[0]["subject"] == "topic held" and "3 tasks" in backlog[0]["text"]
    wait_for("the command", lambda: out.exists() and json.loads(out.read_text() or "{}").get("subject") == "fail", 10)
    assert len([t for t in hook.told if t["event"] == "dead"]) == 1, "not the same again within an hour"
