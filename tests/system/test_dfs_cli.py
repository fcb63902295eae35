"""troupe dfs: a key, and one folder that becomes as another one is."""
import json
import os
import pathlib
import re
import stat
import subprocess

import pytest

import dfs
from daemon import TROUPE
from dfs import Churn, Node, differences


def run(*words, ok=0, cwd=None):
    done = subprocess.run([TROUPE, "dfs", *map(str, words)], capture_output=True, text=True, errors="surrogateescape", cwd=cwd)
    assert done.returncode == ok, (done.stdout[-2000:], done.stderr[-2000:])
    return done


def sync(*words, **more):
    return json.loads(run("sync", "--json", *words, **more).stdout.splitlines()[-1])


@pytest.fixture
def both(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    return tmp_path / "a", tmp_path / "b"


# ---- keygen ------------------------------------------------------------------------------------------


def test_a_key_is_new_and_nobody_elses(tmp_path):
    first, second = run("keygen").stdout, run("keygen").stdout
    assert re.fullmatch(r"[0-9a-f]{64}\n", first) and first != second
    run("keygen", tmp_path / "key")
    assert re.fullmatch(r"[0-9a-f]{64}\n", (tmp_path / "key").read_text())
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    kept = (tmp_path / "key").read_text()
    assert "File exists" in run("keygen", tmp_path / "key", ok=1).stderr
    assert (tmp_path / "key").read_text() == kept
    run("keygen", "--what", ok=2)
    run("keygen", tmp_path / "nowhere" / "key", ok=1)


def test_two_nodes_with_a_key_of_ours(both, tmp_path):
    run("keygen", tmp_path / "key")
    b = Node(tmp_path, "b", {"s": f"path = {both[1]}\nrole = receive"}, {"a": None}, key=tmp_path / "key")
    a = Node(tmp_path, "a", {"s": f"path = {both[0]}\nrole = send"}, {"b": f"127.0.0.1:{b.port}"}, key=tmp_path / "key")
    (both[0] / "f").write_text("hello")
    dfs.wait_same(*both)
    assert "in sync" in run("status", "-c", a.conf_path).stdout
    assert a.stop() == 0 and b.stop() == 0


# ---- sync ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_it_becomes_the_same(both, seed):
    churn = Churn(both[0], seed)
    for _ in range(3):
        churn.run(200)
        churn.finish()
        assert sync("--delete", *both)["errors"] == 0
        assert differences(*both) == []
    again = sync("--delete", *both)
    assert (again["files"], again["links"], again["folders"], again["removed"]) == (0, 0, 0, 0)
    assert not (both[1] / ".troupe").exists()


def test_what_is_there_besides_stays_without_delete(both):
    (both[0] / "f").write_text("new")
    (both[1] / "mine").write_text("mine")
    (both[1] / "f").write_text("an older one")
    assert sync(*both)["removed"] == 0
    assert (both[1] / "mine").read_text() == "mine" and (both[1] / "f").read_text() == "new"
    assert sync("--delete", *both)["removed"] == 1 and not (both[1] / "mine").exists()


def test_a_folder_in_the_way_stays_without_delete(both):
    (both[0] / "x").write_text("a file")
    (both[0] / "y").write_text("another")
    (both[1] / "x").mkdir()
    (both[1] / "x" / "in").write_text("kept")
    done = run("sync", *both, ok=1)
    assert "x: illegal operation on a directory" in done.stderr and (both[1] / "x" / "in").exists() and (both[1] / "y").exists()
    sync("--delete", *both)
    assert (both[1] / "x").read_text() == "a file"


def test_a_dry_run_changes_nothing(both):
    Churn(both[0], 5).run(100)
    (both[1] / "mine").write_text("mine")
    before = dfs.tree(both[1])
    done = run("sync", "-n", "--delete", *both)
    assert "remove mine" in done.stdout and "copy " in done.stdout
    assert dfs.tree(both[1]) == before and not (both[1] / ".troupe").exists()


def test_what_is_left_out(both):
    (both[0] / ".dfsignore").write_text("*.tmp\n")
    for name in ("a.tmp", "b.o", "c"):
        (both[0] / name).write_text(name)
    (both[1] / "old.o").write_text("stays, too")
    sync("--delete", "-i", "*.o", *both)
    assert sorted(p.name for p in both[1].iterdir()) == [".dfsignore", "c", "old.o"]


def test_what_has_the_same_time_and_another_content_is_found_by_its_sum(both):
    for side, text in zip(both, ("one", "two")):
        (side / "f").write_text(text)
        os.utime(side / "f", (1, 1))
    assert sync(*both)["files"] == 0 and (both[1] / "f").read_text() == "two"
    assert sync("-c", *both)["files"] == 1 and (both[1] / "f").read_text() == "one"


def test_holes_stay_holes(both):
    with open(both[0] / "sparse", "wb") as f:
        f.seek(50 << 20)
        f.write(b"x")
        f.truncate(100 << 20)
    if (both[0] / "sparse").stat().st_blocks * 512 > 1 << 20:
        pytest.skip("no holes on this file system")
    sync(*both)
    assert (both[1] / "sparse").stat().st_blocks * 512 <= 1 << 20 and differences(*both) == []


def test_a_folder_that_is_a_share_of_a_node_is_left_alone(both, tmp_path):
    run("keygen", tmp_path / "key")
    node = Node(tmp_path, "b", {"s": f"path = {both[1]}\nrole = receive"}, {"a": None}, key=tmp_path / "key")
    node.wait_log("is known")
    (both[0] / "f").write_text("x")
    assert "another troupe works in it" in run("sync", *both, ok=1).stderr
    assert not (both[1] / "f").exists()
    assert node.stop() == 0


@pytest.mark.parametrize("words, said", [
    ([], "usage"), (["x"], "usage"), (["--what", "a", "b"], "usage"),
])
def test_wrong_words(words, said):
    assert said in run("sync", *words, ok=2).stderr


def test_what_is_not_there(both):
    assert "no such file" in run("sync", both[0] / "nowhere", both[1], ok=1).stderr
    (both[0] / "f").write_text("x")
    assert run("sync", both[0], both[1] / "new" / "deep", ok=1).stderr
    sync(both[0], both[1] / "new")
    assert (both[1] / "new" / "f").read_text() == "x"
    assert "not a directory" in run("sync", both[0] / "f", both[1], ok=1).stderr


def test_help():
    assert "keygen" in run("help").stdout
    assert "keygen" in run(ok=2).stderr


def test_two_nodes_with_one_state(both, tmp_path):
    run("keygen", tmp_path / "key")
    first = Node(tmp_path, "b", {"s": f"path = {both[1]}\nrole = receive"}, {"a": None}, key=tmp_path / "key")
    text = first.conf_path.read_text().replace(f"path = {both[1]}", f"path = {both[0]}").replace("b.sock", "other.sock")
    (tmp_path / "other.ini").write_text(text.replace(f"listen = 127.0.0.1:{first.port}", "listen = 127.0.0.1:0"))
    first.wait_log("is known")
    done = subprocess.run([TROUPE, "dfsd", tmp_path / "other.ini"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "another troupe works with it" in done.stderr
    assert first.stop() == 0


@pytest.mark.parametrize("line, said", [
    ("node = ../a", "a name has no slash"), ("node = .a", "a name has no slash"), ("node = " + 65 * "a", "up to 64 bytes"),
])
def test_names_that_are_no_names(tmp_path, line, said):
    (tmp_path / "x.ini").write_text(f"[dfsd]\nsecurity = none\n{line}\n")
    done = subprocess.run([TROUPE, "check", tmp_path / "x.ini"], capture_output=True, text=True)
    assert done.returncode == 1 and said in done.stdout + done.stderr
