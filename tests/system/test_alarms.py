"""Who is told when something is wrong: each kind of event, to each kind of teller."""
import base64
import hashlib
import hmac
import json
import urllib.parse

import pytest

from servers import free_port, wait_for
from taskd import Jobd, Listener
from test_taskd_faults import preloaded

DEATH = """[topic fail]
max_attempts = 1
[pool fail]
mode = exec
command = sh -c 'echo no luck >&2; exit 1'
topics = fail
"""


def alarm(name, kind, listener, more=""):
    return f"[alarm {name}]\ntype = {kind}\nurl = {listener.url}\n{more}\n"


@pytest.fixture
def jobd(tmp_path):
    made = []

    def make(extra, **more):
        made.append(Jobd(tmp_path, extra=extra, **more).ready())
        return made[-1]
    yield make
    for one in made:
        assert one.stop() == 0, one.log()[-4000:]


@pytest.mark.parametrize("kind, read", [
    ("dingtalk", lambda m: m["msgtype"] == "text" and m["text"]["content"]),
    ("wecom", lambda m: m["msgtype"] == "text" and m["text"]["content"]),
    ("feishu", lambda m: m["msg_type"] == "text" and m["content"]["text"]),
    ("slack", lambda m: m["text"]),
    ("webhook", lambda m: f"troupe at {m['host']}: {m['event']}, {m['subject']}: {m['text']}"),
])
def test_each_kind_gets_a_message_of_its_form(jobd, kind, read):
    there = Listener(says=b'{"errcode":0,"code":0}')
    one = jobd(DEATH + alarm("here", kind, there))
    one.push("fail")
    wait_for("it is told", lambda: there.told)
    assert "troupe at " in read(there.told[0]) and ": dead, fail: " in read(there.told[0]) and "no luck" in read(there.told[0])
    assert there.paths == ["/hook?x=1"] and "alarm=here" not in one.log()


def test_messages_that_are_signed(jobd):
    ding, feishu, secret = Listener(), Listener(), b"SEC+/="
    one = jobd(DEATH + alarm("ding", "dingtalk", ding, "secret = SEC+/=") + alarm("fei", "feishu", feishu, "secret = SEC+/="))
    one.push("fail")
    wait_for("both are told", lambda: ding.told and feishu.told)
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(ding.paths[0]).query)
    assert asked["x"] == ["1"] and asked["sign"] == [base64.b64encode(
        hmac.digest(secret, asked["timestamp"][0].encode() + b"\n" + secret, hashlib.sha256)).decode()]
    told = feishu.told[0]
    key = told["timestamp"].encode() + b"\n" + secret
    assert told["sign"] == base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
    assert int(asked["timestamp"][0]) // 1000 - int(told["timestamp"]) in (0, 1) and "SEC" not in one.log()


@pytest.mark.parametrize("kind, answer, says", [
    ("dingtalk", b'{"errcode":310000,"errmsg":"keywords not in content"}', "code=310000"),
    ("wecom", b'{"errcode":93000,"errmsg":"invalid webhook url"}', "code=93000"),
    ("feishu", b'{"code":19021,"msg":"sign match fail"}', "code=19021"),
])
def test_a_robot_that_refuses_with_200_is_logged(jobd, kind, answer, says):
    one = jobd(DEATH + alarm("here", kind, Listener(says=answer)))
    one.push("fail")
    one.wait_log(f"an alarm was refused alarm=here {says} answer=")


def test_who_does_not_take_it_is_logged(jobd):
    one = jobd(DEATH + alarm("full", "slack", Listener([500])) +
               f"[alarm away]\nurl = http://127.0.0.1:{free_port()}/\n[alarm broken]\ntype = exec\ncommand = exit 3\n")
    one.push("fail")
    one.wait_log("an alarm was not told alarm=full status=500")
    one.wait_log('an alarm was not told alarm=away error="')
    one.wait_log('an alarm\'s command failed alarm=broken end="')


def test_each_kind_of_event_is_told(jobd, tmp_path):
    there, deaths, out = Listener(), Listener(), tmp_path / "out"
    env, told = preloaded(tmp_path, "disk")
    one = jobd(DEATH + alarm("all", "webhook", there) + alarm("deaths", "webhook", deaths, "on = dead") + f"""
[alarm run]
type = exec
command = cat >> {out}
on = source_down, pool_crash_loop
[source away]
type = redis
url = redis://127.0.0.1:{free_port()}
topics = theirs
[pool crashes]
command = sh -c 'exit 7'
topics = crashes
[topic long]
alarm_length = 3
[topic slow]
alarm_wait = 100ms
""", data=tmp_path / "store", env={**env, "DISK_FAULT": str(told), "DISK_FOLDER": str(tmp_path / "store")})
    for topic in ("long", "long", "long", "slow", "fail"):
        one.push(topic)

    def seen():
        return {(t["event"], t["subject"]) for t in there.told}
    expected = {("dead", "fail"), ("backlog", "topic long"), ("backlog", "topic slow"), ("source_down", "away"),
                ("pool_crash_loop", "pool crashes")}
    wait_for("all are told", lambda: seen() >= expected, 20)
    told.write_text("sync")
    assert one.post("/v1/tasks", {"topic": "long"}).status == 503
    wait_for("the store", lambda: ("store_error", "store") in seen(), 10)
    told.write_text("0")
    wait_for("it works again", lambda: one.get("/readyz").status == 503 and "store_failing 0" in one.get("/metrics").body.decode(), 10)
    ran = [json.loads(line) for line in out.read_text().splitlines()]
    assert {t["event"] for t in ran} == {"source_down", "pool_crash_loop"} and {t["event"] for t in deaths.told} == {"dead"}
    backlog = {t["subject"]: t["text"] for t in there.told if t["event"] == "backlog"}
    assert backlog["topic long"].startswith("3 tasks") and "waits for" in backlog["topic slow"]


def test_what_was_kept_back_is_counted(jobd):
    there = Listener()
    one = jobd(DEATH + alarm("here", "webhook", there, "every = 2s"))
    one.push("fail")
    wait_for("it is told", lambda: len(there.told) == 1)
    ids = [one.push("fail") for _ in range(4)]
    for task in ids:
        one.wait_state(task, "dead")
    assert len(there.told) == 1 and there.told[0]["more"] == 0

    def again():
        one.push("fail")
        return len(there.told) > 1
    wait_for("again", again, 10, step=0.2)
    assert there.told[1]["more"] >= 4
