"""troupe dfs: what a running node is asked and told."""
import json
import subprocess
import time

import pytest

from daemon import TROUPE
from dfs import mesh
from servers import wait_for
from test_dfsd import pair  # noqa: F401: a fixture


def ask(node, *words, rc=0):
    done = subprocess.run([TROUPE, "dfs", *words, "-c", str(node.conf_path)], capture_output=True, text=True)
    assert done.returncode == rc, (words, done.stdout, done.stderr)
    return done.stdout


def lines(node, *words):
    return [json.loads(line) for line in ask(node, *words, "--json").splitlines()]


def test_status_says_whether_all_is_in_sync(pair):
    (pair.a / "f").write_text("x")
    pair.same()
    for node in pair.nodes:
        assert "in sync" in ask(node, "status") and ask(node, "in-sync", "s") == "in sync\n"
        assert json.loads(ask(node, "status", "--json"))["share"][0]["share"] == "s"
    pair.receiver.stop()
    wait_for("that it is gone", lambda: pair.sender.pair("b")["state"] == "away")
    assert "away" in ask(pair.sender, "status", rc=2)
    assert ask(pair.sender, "in-sync", rc=1) == "not in sync\n"
    watching = subprocess.Popen([TROUPE, "dfs", "status", "-w", "-c", str(pair.sender.conf_path)], stdout=subprocess.PIPE, text=True)
    pair.receiver.launch()
    assert "in sync" in watching.communicate(timeout=30)[0] and watching.returncode == 0
    pair.receiver.stop()
    assert ask(pair.receiver, "status", rc=3) == ""


def test_what_is_pending(pair):
    assert ask(pair.sender, "pending", "s") == ""
    pair.receiver.stop()
    wait_for("that it is gone", lambda: pair.sender.pair("b")["state"] == "away")
    (pair.a / "folder").mkdir()
    (pair.a / "folder" / 'with "quotes"').write_text("x")
    wait_for("both", lambda: len(lines(pair.sender, "pending", "s")) >= 2)
    found = lines(pair.sender, "pending", "s", "b")
    assert {"share": "s", "peer": "b", "path": 'folder/with "quotes"'} in found
    assert len(lines(pair.sender, "pending", "s", "-n", "1")) == 1
    pair.receiver.launch()
    pair.same()
    wait_for("none", lambda: ask(pair.sender, "pending", "s") == "")
    assert "to no peer" in ask(pair.receiver, "pending", "s", rc=1)
    assert "to no peer" in ask(pair.sender, "pending", "s", "z", rc=1)


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_pause_and_resume(pair, who):
    node = getattr(pair, who)
    (pair.a / "before").write_text("x")
    pair.same()
    ask(node, "pause", "s")
    assert node.share()["state"] == "paused" and "not in sync" in ask(node, "in-sync", rc=1)
    if who == "receiver":
        wait_for("that it is told", lambda: pair.sender.pair("b")["state"] == "held")
    (pair.a / "after").write_text("x")
    time.sleep(0.3)
    assert not (pair.b / "after").exists()
    ask(node, "resume", "s")
    pair.same()
    assert (pair.b / "after").exists() and node.share()["state"] == "ready"


def test_a_pause_holds_over_a_cut(pair):
    (pair.a / "before").write_text("x")
    pair.same()
    ask(pair.receiver, "pause", "s")
    pair.sender.stop()
    (pair.a / "after").write_text("x")
    pair.sender.launch()
    wait_for("that it is told", lambda: pair.sender.pair("b").get("state") == "held")
    assert not (pair.b / "after").exists()
    ask(pair.receiver, "resume", "s")
    pair.same()


def test_rescan_asks_again_for_what_is_not_as_it_was(pair):
    (pair.a / "d").mkdir()
    (pair.a / "d" / "f").write_text("right")
    (pair.a / "g").write_text("right")
    pair.same()
    (pair.b / "d" / "f").write_text("wrong")
    (pair.b / "g").unlink()
    ask(pair.receiver, "rescan", "s", "d")
    wait_for("the first", lambda: (pair.b / "d" / "f").read_text() == "right")
    ask(pair.receiver, "rescan", "s")
    wait_for("the other", lambda: (pair.b / "g").exists())
    pair.same()
    assert "not known: d/nothing" in ask(pair.receiver, "rescan", "s", "d/nothing", rc=1)


def test_conflicts_are_listed(tmp_path):
    nodes = mesh(tmp_path, "ab")
    a, b = nodes["a"], nodes["b"]
    b.wait_log("is here")
    a.stop()
    for name in "ab":
        (tmp_path / name / "f.txt").write_text(name)
    assert lines(b, "conflicts") == []
    a.launch()
    wait_for("the conflict", lambda: lines(a, "conflicts", "s") and lines(b, "conflicts"))
    (one,) = lines(b, "conflicts")
    assert one["share"] == "s" and ".conflict-" in one["path"] and (tmp_path / "a" / one["path"]).exists()
    for node in nodes.values():
        assert node.stop() == 0


@pytest.mark.parametrize("words, said", [
    (["pause"], "which share?"), (["pause", "nothing"], "there is no share nothing"), (["pause", "s", "s"], "too many"),
    (["pending"], "which share?"), (["rescan", "s", "--what"], "not known"), (["conflicts", "z"], "there is no share z"),
])
def test_wrong_words(pair, words, said):
    assert said in ask(pair.sender, *words, rc=1)


def test_no_such_command(pair):
    assert "no" in ask(pair.sender, "nonsense", rc=2)
