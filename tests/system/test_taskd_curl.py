"""taskd's API as a person types it: each row of it with curl; and openapi.json beside what the server does."""
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import taskd as taskds
from daemon import TROUPE
from servers import Folder, wait_for

POOLS = taskds.ECHO + """[pool step]
mode = exec
command = sh -c 'echo "PROGRESS $TROUPE_ID 40 4" >&3; echo half >&3; echo at work >&2; exec sleep 30'
topics = step
kill_grace = 100ms
cancel_grace = 100ms
[pool loud]
mode = exec
command = sh -c 'head -c 100000 /dev/zero | tr "\\\\0" r; head -c 100000 /dev/zero | tr "\\\\0" e >&2; exit $(cat)'
topics = loud
result_max = 64KiB
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curl")
    started = taskds.Taskd(folder, extra=POOLS, listen=f"127.0.0.1:0, unix:{folder}/api.sock").ready()
    yield started
    assert started.stop() == 0, started.log()[-4000:]


def curl(one, path, *options, feed=None):
    """Status and what was said, as JSON where it is that."""
    done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *options, f"http://127.0.0.1:{one.port}{path}"],
                          input=feed, capture_output=True, check=True, timeout=30)
    body, _, status = done.stdout.rpartition(b"\n")
    sends = any(word.startswith(("-d", "--data")) for word in options)
    method = options[options.index("-X") + 1] if "-X" in options else "POST" if sends else "GET"
    taskds.Taskd.answers.add((method, path.partition("?")[0], int(status)))
    try:
        return int(status), json.loads(body)
    except ValueError:
        return int(status), body.decode(errors="replace")


def push(one, *options, **members):
    status, said = curl(one, "/v1/tasks", *options, "-d", json.dumps(members))
    assert status == 202, said
    return said["id"]


def test_a_task_and_its_result(one):
    status, said = curl(one, "/v1/tasks", "-d", '{"topic":"echo","payload":{"n":1}}')
    assert status == 202 and set(said) == {"id", "state"}
    status, said = curl(one, f"/v1/tasks/{said['id']}?wait=10s")
    assert status == 200 and said["state"] == "succeeded" and said["result"] == {"n": 1}
    status, said = curl(one, "/v1/tasks?wait=10s", "-d", '{"topic":"echo","payload":2}')
    assert status == 200 and said["result"] == 2
    assert curl(one, "/v1/tasks", "-d", '{"topic":""}')[1]["error"]["field"] == "topic"
    assert curl(one, "/v1/tasks", "-H", "Content-Type: text/plain", "-d", "x")[0] == 415


def test_by_the_unix_socket(one):
    path = one.conf_path.parent / "api.sock"
    done = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/v1/tasks?wait=10s", "-d", '{"topic":"echo","payload":3}'],
                          capture_output=True, check=True, timeout=20)
    assert json.loads(done.stdout)["result"] == 3


def test_the_body_is_the_payload(one):
    status, said = curl(one, "/v1/topics/echo/tasks?wait=10s", "--data-binary", "@-", feed=b"plain text")
    assert status == 200 and said["result"] == "plain text"
    status, said = curl(one, "/v1/topics/nobody/tasks", "-H", "X-Troupe-Delay: 5m", "-H", "X-Troupe-Priority: 1", "-d", "x")
    assert status == 202 and said["state"] == "scheduled"
    large = b"y" * 1_000_000  # curl asks before it sends so much
    status, said = curl(one, "/v1/topics/nobody/tasks", "-H", "Expect: 100-continue", "--data-binary", "@-", feed=large)
    assert status == 202
    assert curl(one, "/v1/topics/nobody/tasks", "-H", "Expect: 100-continue", "--data-binary", "@-", feed=large * 2)[0] == 413
    status, said = curl(one, "/v1/topics/echo/tasks?wait=10s", "-H", "Transfer-Encoding: chunked", "-d", "in pieces")
    assert status == 200 and said["result"] == "in pieces"


def test_many_at_once(one):
    lines = b'{"topic":"echo.many"}\n{"topic":"echo.many"}\n{"topic":""}\n'
    status, said = curl(one, "/v1/tasks:batch", "-H", "Content-Type: application/x-ndjson", "--data-binary", "@-", feed=lines)
    assert status == 202 and said["ids"][2] is None and said["errors"][0]["index"] == 2
    assert curl(one, "/v1/tasks:batch?atomic=1", "-d", '[{"topic":"echo"},{"topic":""}]')[0] == 400


def test_looking_and_listing(one):
    task = push(one, topic="nobody", payload="findme", type="odd", delay_ms=60000)
    status, said = curl(one, "/v1/tasks?topic=nobody&type=odd&q=findme&limit=5")
    assert status == 200 and [t["id"] for t in said["items"]] == [task] and said["next"] is None
    assert curl(one, f"/v1/tasks/{task}?fields=id")[1] == {"id": task}
    assert curl(one, "/v1/tasks/nope")[0] == 404 and curl(one, "/v1/tasks/00000000000AB")[0] == 410
    assert curl(one, f"/v1/tasks/{task}", "-X", "DELETE") == (204, "")


def test_progress_of_a_running_task(one):
    task = push(one, topic="step")
    seen = wait_for("its progress", lambda: [s for s in [curl(one, f"/v1/tasks/{task}")[1]] if s.get("progress")])[0]
    assert seen["state"] == "running" and seen["progress"] == {"percent": 40, "text": "half"} and "at work" in seen["log_tail"]
    assert curl(one, f"/v1/tasks/{task}?running=cancel", "-X", "DELETE")[0] == 202
    wait_for("its end", lambda: curl(one, f"/v1/tasks/{task}")[1]["state"] == "cancelled")
    assert curl(one, f"/v1/tasks/{task}", "-X", "DELETE")[0] == 409


def test_orders(one):
    dead = push(one, topic="fail")
    wait_for("its death", lambda: curl(one, f"/v1/tasks/{dead}")[1]["state"] == "dead")
    assert curl(one, f"/v1/tasks/{dead}:retry", "-d", '{"topic":"echo","payload":4}')[0] == 202
    assert curl(one, f"/v1/tasks/{dead}?wait=10s")[1]["result"] == 4
    late = push(one, topic="nobody", payload=5, delay_ms=600000)
    assert curl(one, f"/v1/tasks/{late}:run", "-X", "POST")[1]["state"] == "ready"
    assert curl(one, f"/v1/tasks/{late}:move", "-d", '{"topic":"echo"}')[0] == 202
    assert curl(one, f"/v1/tasks/{late}?wait=10s")[1]["result"] == 5
    runs = push(one, topic="slow")
    wait_for("its start", lambda: curl(one, f"/v1/tasks/{runs}")[1]["state"] == "running")
    assert curl(one, f"/v1/tasks/{runs}:kill", "-X", "POST")[0] == 202


def test_following(one):
    said = []
    follower = subprocess.Popen(["curl", "-sSN", f"http://127.0.0.1:{one.port}/v1/events?topic=echo"], stdout=subprocess.PIPE, text=True)
    thread = threading.Thread(target=lambda: said.extend(iter(follower.stdout.readline, "")), daemon=True)
    thread.start()
    time.sleep(0.3)
    task = push(one, topic="echo")
    wait_for("its end", lambda: "event: succeeded\n" in said)
    follower.kill()
    follower.wait()
    assert any(task in line for line in said if line.startswith("data: ")) and any(line.startswith("id: ") for line in said)
    done = subprocess.run(["curl", "-sSN", f"http://127.0.0.1:{one.port}/v1/tasks/{task}/events"], capture_output=True, text=True, timeout=10)
    assert done.stdout.count("event: ") == 1 and "event: succeeded" in done.stdout


def test_topics(one):
    push(one, topic="some")
    assert "some" in [t["name"] for t in curl(one, "/v1/topics")[1]["items"]]
    assert curl(one, "/v1/topics/some", "-X", "PATCH", "-d", '{"max_jobs":7}')[1]["limits"]["max_jobs"] == 7
    for order, count in (("pause", None), ("resume", None), ("drain", None), ("retry-dead", 0), ("purge", 1)):
        status, said = curl(one, f"/v1/topics/some:{order}", "-X", "POST")
        assert status == 202 and (count is None or said == {"count": count}), order
    assert curl(one, "/v1/topics/nope")[0] == 404


def test_schedules_and_batches(one):
    assert curl(one, "/v1/schedules/tick", "-X", "PUT", "-d", '{"cron":"0 3 * * *","tz":"Asia/Shanghai","topic":"echo","payload":1}')[0] == 201
    assert curl(one, "/v1/schedules", "-d", '{"name":"tock","every_ms":60000,"topic":"echo"}')[0] == 201
    for order in ("run", "pause", "resume"):
        assert curl(one, f"/v1/schedules/tick:{order}", "-X", "POST")[0] == 202
    assert len(curl(one, "/v1/schedules")[1]["items"]) == 2 and curl(one, "/v1/schedules/tick")[1]["topic"] == "echo"
    for name in ("tick", "tock"):
        assert curl(one, f"/v1/schedules/{name}", "-X", "DELETE")[0] == 204
    status, made = curl(one, "/v1/batches", "-d", '{"on_complete":{"topic":"echo","payload":"all are over"}}')
    assert status == 201
    push(one, topic="echo", batch=made["id"])
    assert curl(one, f"/v1/batches/{made['id']}:close", "-X", "POST")[0] == 202
    wait_for("its end", lambda: curl(one, f"/v1/batches/{made['id']}")[1]["over_at"])
    other = curl(one, "/v1/batches", "-X", "POST")[1]["id"]
    assert curl(one, f"/v1/batches/{other}:cancel", "-X", "POST")[0] == 202


def test_workers_calls_and_how_it_is(one):
    assert {p["name"] for p in curl(one, "/v1/workers")[1]["pools"]} >= {"echo", "step"}
    assert curl(one, "/v1/pools/echo:scale", "-d", '{"min":0,"max":3}')[0] == 202
    for order in ("reload", "recycle"):
        assert curl(one, f"/v1/pools/echo:{order}", "-X", "POST")[0] == 202
    assert curl(one, "/v1/rpc/echo", "-d", "at once") == (200, "at once")
    assert curl(one, "/v1/rpc/slow?timeout=200ms", "-d", "x")[0] == 504
    for path in ("/healthz", "/readyz", "/metrics", "/ui/", "/v1/openapi.json"):
        assert curl(one, path)[0] == 200, path
    assert curl(one, "/v1/store:check", "-X", "POST")[0] == 200 and curl(one, "/v1/store:compact", "-X", "POST")[0] == 200


def test_without_a_file_the_first_task_is_one_curl_away(tmp_path):
    if os.path.exists("/etc/troupe/troupe.ini"):
        pytest.skip("this machine has a file of its own")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 9523)) == 0:
            pytest.skip("somebody listens on the port that it has by itself")
    folder = Folder()  # the system's own places are root's: it runs as somebody else
    user = {"user": pwd.getpwnam("nobody").pw_uid} if os.geteuid() == 0 else {}
    home = folder.path / "home"
    home.mkdir()
    home.chmod(0o777)
    env = {**os.environ, "TROUPE_CONF": "", "XDG_STATE_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}
    program = shutil.copy(TROUPE, folder.path)  # a checkout below /root is nobody's to read
    with open(tmp_path / "log", "w") as log:
        started = subprocess.Popen([program, "taskd"], env=env, stdout=log, stderr=log, cwd="/", **user)
    started.port = 9523
    try:
        wait_for("ready", lambda: "ready role=taskd" in (tmp_path / "log").read_text())
        assert f"data directory {home}/troupe/taskd" in (tmp_path / "log").read_text().splitlines()[0]
        status, said = curl(started, "/v1/tasks?wait=10s", "-d", '{"topic":"any","payload":{"a":1}}')
        assert status == 200 and said["state"] == "succeeded" and "hello" in said["result"], said
    finally:
        started.terminate()
        assert started.wait(10) == 0
        folder.remove()


# ---- limits

def test_what_is_kept_of_a_result_an_error_and_a_log(one):
    for code, state in ((0, "succeeded"), (65, "dead")):
        status, said = curl(one, "/v1/topics/loud/tasks?wait=10s", "-d", str(code))
        assert status == 200 and said["state"] == state
        seen = wait_for("its log", lambda: [s for s in [curl(one, f"/v1/tasks/{said['id']}")[1]] if s.get("log_tail")])[0]
        assert len(seen["log_tail"]) <= 16384 and len(seen["error"] or "") <= 8192
        assert code or len(seen["result"]) == 65536


def test_a_topic_that_is_full(taskd):
    one = taskd(extra="[topic few]\nmax_jobs = 2\n[topic small]\nmax_bytes = 1000\n")
    for topic, body in (("few", b"x"), ("small", b"x" * 450)):
        answers = [one.post(f"/v1/topics/{topic}/tasks", body) for _ in range(3)]
        assert [a.status for a in answers] == [202, 202, 429] and answers[2].headers["Retry-After"], topic


def test_more_topics_than_there_may_be(taskd):
    one = taskd(extra="")
    for at in range(0, 10_000, 5000):
        lines = "\n".join(json.dumps({"topic": f"t{n}"}) for n in range(at, at + 5000))
        assert not one.post("/v1/tasks:batch", lines, headers={"Content-Type": "application/x-ndjson"}).json["errors"]
    answer = one.post("/v1/tasks", {"topic": "more"})
    assert answer.status == 429 and one.post("/v1/tasks", {"topic": "t7"}).status == 202, answer


# ---- openapi.json

BODIES = {  # what a row needs to be there before its body is looked at
    "POST /v1/tasks/{id}:retry": {"topic": "x"}, "POST /v1/tasks/{id}:move": {"topic": "x"}, "PATCH /v1/topics/{topic}": {"max_jobs": 5},
    "POST /v1/tasks": {"topic": "t"}, "POST /v1/pools/{pool}:scale": {"min": 0, "max": 1},
    "POST /v1/schedules": {"name": "n", "topic": "t", "every_ms": 60000}, "PUT /v1/schedules/{name}": {"topic": "t", "every_ms": 60000},
}


def test_members_that_are_documented_are_those_that_are_looked_at(one):
    """A value of the wrong type is refused by the name of its member, one that nobody knows too."""
    api = one.get("/v1/openapi.json").json
    looked_at = 0
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if not content:
                continue
            row = f"{method.upper()} {path}"
            task = push(one, topic="nobody", delay_ms=600000)
            at = path.replace("{id}", task).replace("{topic}", "nobody").replace("{pool}", "echo").replace("{name}", "n")
            for name, schema in content["schema"]["properties"].items():
                wrong = {"string": 5, "integer": "five", "object": "none", "array": 5, "boolean": 5}.get(schema.get("type"))
                if wrong is None:
                    continue
                body = {**BODIES.get(row, {}), name: wrong}
                answer = one.ask(method.upper(), at, body)
                assert answer.status == 400, (row, body, answer)
                assert answer.json["error"].get("field", "").split(".")[0] == name, (row, body, answer)
                looked_at += 1
            answer = one.ask(method.upper(), at, {**BODIES.get(row, {}), "nobodys": 1})
            assert answer.status == 400 and answer.json["error"]["field"] == "nobodys", (row, answer)
    assert looked_at > 40


def test_every_status_that_was_seen_is_documented(one):
    """Of all requests that the tests before this one have made in this run."""
    api, seen = one.get("/v1/openapi.json").json, 0
    rows = [(re.compile(re.sub(r"\{\w+\}", "[^/:]+", path)), methods) for path, methods in api["paths"].items()]
    for method, path, status in taskds.Taskd.answers:
        methods = next((m for row, m in rows if row.fullmatch(path)), {})
        operation = methods.get({"HEAD": "get"}.get(method, method.lower()))
        if operation:
            assert str(status) in operation["responses"], (method, path, status)
            seen += 1
    assert seen > 30
