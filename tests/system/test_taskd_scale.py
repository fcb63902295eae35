"""taskd with much to keep, or nothing to do: memory of a task, a start with many, idle topics. Times are in tests/bench."""
import os
import time

import pytest

from daemon import SANITIZED
from servers import wait_for
from taskd import fill, switches

MANY = 10_000 if SANITIZED else 100_000


def test_many_pending_tasks_cost_little_and_are_there_again(taskd):
    one = taskd(extra="[store]\nresident = 0\n[topic held]\ndurability = os\n")
    one.push("held")
    empty = one.rss()
    ids = fill(one, "held", MANY)
    one.process.kill()
    one.process.wait()
    one.again(60)
    held = one.get("/v1/topics/held").json
    assert held["ready"] == MANY + 1 and held["bytes"] >= MANY * 100
    page = one.get("/v1/tasks?topic=held&limit=1000&fields=id").json
    assert len(page["items"]) == 1000 and {t["id"] for t in page["items"][1:]} <= ids
    if not SANITIZED:
        assert (one.rss() - empty) / MANY < 200  # what the reading has left behind weighs more here than at a million
    assert one.post("/v1/topics/held:purge").json["count"] == MANY + 1


@pytest.mark.skipif("tsan" in os.environ.get("TROUPE", ""), reason="the sanitizer has a thread that wakes up by itself")
def test_topics_without_tasks_cost_no_wake_ups(taskd):
    one = taskd(extra="".join(f"[topic idle{n}]\nrate = 10/s burst 5\n" for n in range(50)) +
                "[pool all]\nmode = exec\ncommand = true\ntopics = idle*\n")
    for n in range(100):
        one.push(f"idle{n}")
    topics = wait_for("all to have run", lambda: [t for t in [one.get("/v1/topics").json["items"]]
                                                 if not any(topic["ready"] + topic["running"] for topic in t)])[0]
    assert len(topics) == 100

    def woke_up():
        before = switches(one.pid)
        time.sleep(3)
        return switches(one.pid) - before

    wait_for("no wake-up in three seconds", lambda: woke_up() == 0, 30)
