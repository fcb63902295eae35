"""dfsd, mode multi: several nodes write to one share, and nothing of it is lost; and nodes that send on what they receive."""
import os
import random
import secrets
import time

import pytest

import dfs
from dfs import Churn, Node, mesh, wait_same
from servers import free_port, wait_for


class Mesh:
    def __init__(self, folder, names="abc", who=None):
        self.folder, self.names = folder, names
        self.nodes = mesh(folder, names, key=dfs.new_key(folder), who=who)

    def path(self, node, name=""):
        return self.folder / node / name

    def together(self):
        for name in self.names:
            wait_for("all peers", lambda: all(row["state"] not in ("away", "greeting") for row in self.nodes[name].status()["pair"]))
        return self

    def same(self, seconds=30, names=None):
        names = names or self.names
        for name in names[1:]:
            wait_same(self.path(names[0]), self.path(name), seconds, links=False)

    def apart(self, *names):
        for name in names:
            assert self.nodes[name].stop() == 0, self.nodes[name].log()[-2000:]

    def back(self, *names):
        for name in names:
            self.nodes[name].launch()

    def conflicts(self, node="a"):
        return sorted(p.name for p in self.path(node).rglob("*.conflict-*"))

    def stop(self):
        for node in self.nodes.values():
            assert node.stop() == 0, node.log()[-3000:]


@pytest.fixture
def three(tmp_path):
    one = Mesh(tmp_path).together()
    yield one
    one.stop()


@pytest.fixture
def two(tmp_path):
    one = Mesh(tmp_path, "ab").together()
    yield one
    one.stop()


def write(path, text, at=None):
    path.write_text(text)
    if at:
        os.utime(path, (at, at))


# ---- what one writes, all have ---------------------------------------------------------------------


def test_each_writes_and_all_have_it(three):
    for name in three.names:
        (three.path(name, f"of-{name}") / "deep").mkdir(parents=True)
        write(three.path(name, f"of-{name}/deep/f"), name)
        three.path(name, f"big-{name}").write_bytes(secrets.token_bytes(300_000))
    three.same()
    write(three.path("b", "of-a/deep/f"), "b has changed it")
    three.same()
    assert three.path("c", "of-a/deep/f").read_text() == "b has changed it"
    three.path("c", "of-b/deep/f").unlink()
    os.rename(three.path("a", "big-b"), three.path("a", "big-moved"))
    three.same()
    assert not three.path("a", "of-b/deep/f").exists() and three.path("b", "big-moved").exists() and not three.path("b", "big-b").exists()
    assert not three.conflicts()


def test_what_moves_costs_no_content(two):
    (two.path("a", "d")).mkdir()
    for i in range(20):
        two.path("a", f"d/f{i}").write_bytes(secrets.token_bytes(5000))
    two.same()
    sent = two.nodes["a"].pair("b")["sent_bytes"]
    os.rename(two.path("a", "d"), two.path("a", "e"))
    two.same()
    assert two.nodes["a"].pair("b")["sent_bytes"] == sent and two.nodes["b"].pair("a")["renames"] == 20
    assert not two.path("b", "d").exists()


def test_content_goes_once_to_each(three):
    three.path("a", "f").write_bytes(secrets.token_bytes(100_000))
    three.same()
    sent = sum(row["sent_bytes"] for node in three.nodes.values() for row in node.status()["pair"])
    assert 200_000 <= sent <= 300_000, "by a to both; perhaps by one of them to the other, who asked before it came from a"


def test_two_folders_that_were_there_become_one(tmp_path):
    for name in "ab":
        (tmp_path / name / "d").mkdir(parents=True)
        (tmp_path / name / f"only-{name}").write_text(name)
        (tmp_path / name / "d" / "equal").write_text("equal")
        (tmp_path / name / "d" / "differs").write_text(f"of {name}")
    both = Mesh(tmp_path, "ab")
    both.same()
    assert len(both.conflicts()) == 1
    found = {p.read_text() for p in (tmp_path / "a" / "d").glob("differs*")}
    assert found == {"of a", "of b"}
    both.stop()


# ---- conflicts ----------------------------------------------------------------------------------------


def test_the_later_change_wins_and_the_other_one_stays(three):
    write(three.path("a", "doc.txt"), "first")
    three.same()
    three.apart("a", "b", "c")
    now = int(time.time())
    for name, age in (("a", 20), ("b", 10), ("c", 15)):
        write(three.path(name, "doc.txt"), f"by {name}", now - age)
    three.back("a", "b", "c")
    wait_for("both copies", lambda: len(three.conflicts()) == 2)
    three.same()
    assert three.path("a", "doc.txt").read_text() == "by b"
    stamp = lambda age: time.strftime("%Y%m%d-%H%M%S", time.gmtime(now - age))
    assert three.conflicts() == sorted([f"doc.conflict-{stamp(20)}-a.txt", f"doc.conflict-{stamp(15)}-c.txt"])
    assert {three.path("b", name).read_text() for name in three.conflicts("b")} == {"by a", "by c"}
    assert sum(node.share()["conflicts"] for node in three.nodes.values()) >= 2


def test_a_change_wins_over_a_deletion(two):
    for name in ("f", "g"):
        write(two.path("a", name), "first")
    two.same()
    two.apart("a", "b")
    two.path("a", "f").unlink()
    write(two.path("b", "f"), "changed")
    two.path("b", "g").unlink()
    write(two.path("a", "g"), "changed")
    two.back("a", "b")
    two.same()
    wait_for("both", lambda: two.path("a", "f").exists() and two.path("b", "g").exists())
    assert two.path("a", "f").read_text() == two.path("b", "g").read_text() == "changed" and not two.conflicts()


def test_a_folder_in_which_somebody_writes_is_not_deleted(two):
    (two.path("a", "d/e")).mkdir(parents=True)
    write(two.path("a", "d/e/old"), "old")
    two.same()
    two.apart("a", "b")
    two.path("a", "d/e/old").unlink()
    two.path("a", "d/e").rmdir()
    two.path("a", "d").rmdir()
    write(two.path("b", "d/e/new"), "new")
    two.back("a", "b")
    wait_for("it", lambda: two.path("a", "d/e/new").exists())
    two.same()
    assert not two.path("b", "d/e/old").exists() and two.path("b", "d/e/new").read_text() == "new"


def test_a_file_against_a_folder(two):
    two.apart("a", "b")
    write(two.path("a", "x"), "a file")
    (two.path("b", "x")).mkdir()
    write(two.path("b", "x/in"), "in it")
    two.back("a", "b")
    wait_for("the folder", lambda: two.path("a", "x").is_dir())
    wait_for("the file", lambda: len(two.conflicts("b")) == 1)
    two.same()
    assert two.path("b", two.conflicts("b")[0]).read_text() == "a file" and two.path("a", "x/in").read_text() == "in it"


def test_a_conflict_of_a_long_name(two):
    name = "ü" * 125 + ".txt"
    two.apart("a", "b")
    now = int(time.time())
    write(two.path("a", name), "a", now - 5)
    write(two.path("b", name), "b", now)
    two.back("a", "b")
    wait_for("the copy", lambda: len(two.conflicts()) == 1)
    two.same()
    copy = two.conflicts()[0]
    assert len(copy.encode()) <= 255 and copy.endswith(".txt") and two.path("b", copy).read_text() == "a"


# ---- who was away, who is killed ------------------------------------------------------------------------


def test_who_was_away_brings_nothing_back(three):
    for i in range(30):
        write(three.path("a", f"f{i}"), str(i))
    three.same()
    three.apart("c")
    for i in range(0, 30, 2):
        three.path("a", f"f{i}").unlink()
    three.same(names="ab")
    three.back("c")
    wait_for("them to go", lambda: len(list(three.path("c").glob("f*"))) == 15)
    three.same()
    assert len(list(three.path("a").glob("f*"))) == 15


def test_an_index_that_is_lost_loses_no_file(two):
    write(two.path("a", "f"), "one")
    write(two.path("a", "g"), "same")
    two.same()
    two.apart("a", "b")
    write(two.path("b", "f"), "two")
    for path in (two.folder / "state-b").rglob("*.mdb"):
        path.unlink()
    two.back("a", "b")
    wait_for("it", lambda: two.path("a", "f").read_text() == "two")
    two.same()
    assert two.path("b", "g").read_text() == "same" and len(two.conflicts()) <= 1


def final_contents(folder):
    """Of all files of a node, as they are now."""
    return {what[6] for what in dfs.tree(folder).values() if what[6] and not isinstance(what[6], bytes)}


def churn_on_all(mesh, seed, rounds, kill=False):
    chance = random.Random(seed)
    churns = {name: Churn(mesh.path(name), seed * 10 + i) for i, name in enumerate(mesh.names)}
    for n in range(rounds):
        name = chance.choice(mesh.names)
        churns[name].run(chance.randrange(1, 10), 0.003)
        if kill and n % 15 == 14:
            node = mesh.nodes[name]
            node.process.kill()
            node.process.wait()
            churns[name].run(10)
            node.launch()
    for churn in churns.values():
        churn.finish()
    mesh.same(60)


@pytest.mark.parametrize("names, seed", [("ab", 1), ("ab", 2), ("abc", 3), ("abc", 4)])
def test_churn_on_all_nodes_ends_equal(tmp_path, names, seed):
    many = Mesh(tmp_path, names).together()
    churn_on_all(many, seed, 50)
    many.stop()


@pytest.mark.soak
@pytest.mark.parametrize("names, seed", [("ab", n) for n in range(100, 130)] + [("abc", n) for n in range(130, 150)])
def test_much_churn_on_all_nodes(tmp_path, names, seed):
    many = Mesh(tmp_path, names).together()
    churn_on_all(many, seed, 150)
    many.stop()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200, 220))
def test_churn_on_all_nodes_while_they_are_killed(tmp_path, seed):
    many = Mesh(tmp_path).together()
    churn_on_all(many, seed, 80, kill=True)
    many.stop()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_that_was_written_apart_is_lost(tmp_path, seed):
    """Each node writes new files and changes what all had, on its own; afterwards each content is somewhere."""
    many = Mesh(tmp_path).together()
    chance = random.Random(seed)
    for i in range(20):
        write(many.path("a", f"f{i}.txt"), f"first {i}")
    many.same()
    many.apart(*many.names)
    for name in many.names:
        for i in chance.sample(range(30), 15):
            write(many.path(name, f"f{i}.txt"), f"{name} has written {i} {chance.random()}", int(time.time()) - chance.randrange(1000))
    wanted = set().union(*(final_contents(many.path(name)) for name in many.names))
    first = {name: final_contents(many.path(name)) for name in many.names}
    kept_by_all = set.intersection(*first.values())
    many.back(*many.names)
    wait_for("all of it", lambda: (wanted - final_contents(many.path("a"))) <= overwritten(first, kept_by_all, wanted), 30)
    many.same()
    many.stop()


def overwritten(first, kept, wanted):
    """What one node still had of the first files is no change: it may be gone."""
    import hashlib
    old = {hashlib.sha1(f"first {i}".encode()).hexdigest() for i in range(20)}
    return {content for content in wanted if content in old and content not in kept}


# ---- nodes that send on ------------------------------------------------------------------------------------


def test_a_chain_of_three(tmp_path):
    key = dfs.new_key(tmp_path)
    ports = {name: free_port() for name in "abc"}
    for name in "abc":
        (tmp_path / name).mkdir()
    nodes = {
        "c": Node(tmp_path, "c", {"s": f"path = {tmp_path}/c\nrole = receive"}, {"b": None}, port=ports["c"], key=key),
        "b": Node(tmp_path, "b", {"s": f"path = {tmp_path}/b\nrole = both"}, {"a": None, "c": f"127.0.0.1:{ports['c']}"}, port=ports["b"], key=key),
        "a": Node(tmp_path, "a", {"s": f"path = {tmp_path}/a\nrole = send"}, {"b": f"127.0.0.1:{ports['b']}"}, port=ports["a"], key=key),
    }
    churn = Churn(tmp_path / "a", 5)
    churn.run(300, 0.005)
    churn.finish()
    wait_same(tmp_path / "a", tmp_path / "b", 30)
    wait_same(tmp_path / "a", tmp_path / "c", 30)
    for node in nodes.values():
        assert node.stop() == 0, node.log()[-2000:]


def test_one_that_means_mirror_and_one_that_means_multi(tmp_path):
    key = dfs.new_key(tmp_path)
    port = free_port()
    for name in "ab":
        (tmp_path / name).mkdir()
    b = Node(tmp_path, "b", {"s": f"path = {tmp_path}/b\nrole = receive"}, {"a": None}, port=port, key=key)
    a = Node(tmp_path, "a", {"s": f"path = {tmp_path}/a\nrole = both\nmode = multi"}, {"b": f"127.0.0.1:{port}"}, key=key)
    (tmp_path / "a" / "f").write_text("x")
    for node in (a, b):
        node.wait_log("has another mode")
    assert not (tmp_path / "b" / "f").exists()
    assert a.stop() == 0 and b.stop() == 0
