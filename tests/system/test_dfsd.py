"""dfsd: what changes in one folder is so in the other; and what faults and liars do to it."""
import os
import pathlib
import random
import secrets
import socket
import struct
import subprocess
import threading
import time

import pytest

import dfs
from daemon import TROUPE
from dfs import Churn, Node, wait_same
from servers import wait_for

MAGIC, HELLO, SHARE, ENTRY, PUT, DELETE, TWIN, ERROR, OFFER = b"TDFS", 1, 3, 5, 6, 12, 15, 26, 2


class Pair:
    """A sender a, a receiver b, one share."""

    def __init__(self, folder, key=True, mode="mirror", send="", receive="", key_b=None):
        self.folder = pathlib.Path(folder)
        for name in "ab":
            (self.folder / name).mkdir(exist_ok=True)
        self.a, self.b = self.folder / "a", self.folder / "b"
        self.key = dfs.new_key(folder) if key else None
        self.nodes = []
        self.receiver = self.start(Node(folder, "b", {"s": f"path = {self.b}\nrole = receive\nmode = {mode}\n{receive}"}, {"a": None},
                                        key=key_b or self.key))
        self.sender = self.start(Node(folder, "a", {"s": f"path = {self.a}\nrole = send\nmode = {mode}\n{send}"},
                                      {"b": f"127.0.0.1:{self.receiver.port}"}, key=self.key))

    def start(self, node):
        self.nodes.append(node)
        return node

    def together(self):
        self.receiver.wait_log(r"peer=a is here")
        return self

    def same(self, seconds=20):
        wait_same(self.a, self.b, seconds)
        wait_for("the last acknowledgement", lambda: self.sender.pair("b").get("lag") == 0)

    def figure(self, name):
        return self.sender.pair("b")[name]

    def stop(self):
        for node in self.nodes:
            assert node.stop() == 0, node.log()[-4000:]


@pytest.fixture
def pair(tmp_path):
    one = Pair(tmp_path)
    one.together()
    yield one
    one.stop()


# ---- what changes --------------------------------------------------------------------------------


def test_what_was_there_comes_and_what_comes_too(tmp_path):
    (tmp_path / "a" / "x" / "y").mkdir(parents=True)
    (tmp_path / "a" / "x" / "y" / "old").write_text("there")
    pair = Pair(tmp_path)
    pair.same()
    (pair.a / "new").write_text("new")
    (pair.a / "empty").touch()
    os.makedirs(pair.a / "p/q/r")
    (pair.a / "p/q/r/leaf").write_bytes(b"leaf")
    pair.same()
    (pair.a / "new").write_text("another content")
    (pair.a / "x" / "y" / "old").unlink()
    pair.same()
    subprocess.run(["rm", "-r", pair.a / "p"], check=True)
    pair.same()
    assert not (pair.b / "p").exists()
    pair.stop()


def test_metadata_goes_with_it(pair):
    path = pair.a / "f"
    path.write_text("x")
    pair.same()
    path.chmod(0o4751)
    os.utime(path, ns=(0, 1_000_000_000_123_456_789))
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
        path.chmod(0o4751)
    try:
        os.setxattr(path, "user.colour", b"\x00red")
    except OSError:
        pass
    (pair.a / "d").mkdir(mode=0o700)
    os.symlink("../nowhere", pair.a / "d" / "link")
    os.utime(pair.a / "d", ns=(0, 5))
    pair.same()
    sent = pair.figure("sent_bytes")
    path.chmod(0o600)
    pair.same()
    assert pair.figure("sent_bytes") == sent, "no content went for that"


def test_a_file_and_a_folder_that_move_cost_no_content(pair):
    os.makedirs(pair.a / "d" / "e")
    for i in range(20):
        (pair.a / "d" / "e" / f"f{i}").write_bytes(secrets.token_bytes(1000))
    (pair.a / "big").write_bytes(secrets.token_bytes(300_000))
    pair.same()
    sent = pair.figure("sent_bytes")
    os.rename(pair.a / "big", pair.a / "bigger")
    os.rename(pair.a / "d", pair.a / "moved")
    pair.same()
    os.rename(pair.a / "moved" / "e", pair.a / "e")
    pair.same()
    assert pair.figure("sent_bytes") == sent and pair.receiver.pair("a")["renames"] == 3


@pytest.mark.parametrize("name", [b"\xff\xfe", b"new\nline", b"x" * 255, b"-rf", b" ", b".hidden", b"a@b_c", b"\xc3\xa9", b"*?[", b"{\"a\":1}"])
def test_names_of_any_bytes(pair, name):
    with open(os.path.join(os.fsencode(pair.a), name), "wb") as f:
        f.write(b"[1,2,3]")
    pair.same()


def test_hard_links_are_links_there(pair):
    (pair.a / "one").write_text("x" * 10)
    os.link(pair.a / "one", pair.a / "two")
    pair.same()
    (pair.a / "big").write_bytes(secrets.token_bytes(400_000))
    os.link(pair.a / "big", pair.a / "too")
    pair.same()
    with open(pair.a / "two", "a") as f:
        f.write("more")
    pair.same()
    assert (pair.b / "one").stat().st_ino == (pair.b / "two").stat().st_ino


def test_a_big_file_does_not_hold_back_a_small_one(pair):
    with open(pair.a / "big", "wb") as f:
        for _ in range(80):
            f.write(secrets.token_bytes(1 << 20))
    wait_for("its pieces", lambda: pair.receiver.pair("a").get("received_bytes", 0) > 0)
    (pair.a / "small").write_text("quick")
    wait_for("the small one", lambda: (pair.b / "small").exists())
    pair.same(40)


def test_a_file_that_stays_open_comes_too(pair):
    with open(pair.a / "log", "w", buffering=1) as f:
        f.write("first\n")
        wait_for("it", lambda: (pair.b / "log").exists() and (pair.b / "log").read_text() == "first\n")
        f.write("second\n")
        wait_for("more of it", lambda: (pair.b / "log").read_text() == "first\nsecond\n")
    pair.same()


def test_what_is_ignored_stays(tmp_path):
    (tmp_path / "a" / "sub" / "build").mkdir(parents=True)
    (tmp_path / "a" / ".dfsignore").write_text("*.tmp\n!keep.tmp\n/only\nbuild/\n# nothing\n")
    for name in ("x.tmp", "keep.tmp", "only", "sub/only", "sub/build/x", "file~"):
        (tmp_path / "a" / name).write_text("x")
    pair = Pair(tmp_path)
    wait_for("the last", lambda: (pair.b / "sub" / "only").exists())
    wait_for("in sync", lambda: pair.sender.pair("b").get("lag") == 0)
    found = sorted(str(p.relative_to(pair.b)) for p in pair.b.rglob("*") if ".troupe" not in p.parts)
    assert found == [".dfsignore", "keep.tmp", "sub", "sub/only"]
    pair.stop()


# ---- who was there before, who was away ------------------------------------------------------------


@pytest.mark.parametrize("mode", ["mirror", "collect"])
def test_a_receiver_that_has_other_files_becomes_the_same_or_keeps_them(tmp_path, mode):
    for side, text in (("a", "new"), ("b", "old")):
        (tmp_path / side / "both").mkdir(parents=True)
        (tmp_path / side / "both" / "f").write_text(text)
        (tmp_path / side / f"only-{side}").write_text("x")
    pair = Pair(tmp_path, mode=mode)
    wait_for("the new one", lambda: (pair.b / "both" / "f").read_text() == "new" and (pair.b / "only-a").exists())
    if mode == "mirror":
        pair.same()
    else:
        assert (pair.b / "only-b").exists()
    pair.stop()


def test_what_is_replaced_is_never_missing(tmp_path):
    names = [f"f{i}" for i in range(300)] + ["big"]
    for side in "ab":
        (tmp_path / side / "d").mkdir(parents=True)
        for name in names:
            (tmp_path / side / "d" / name).write_bytes(side.encode() * (20_000_000 if name == "big" else 100))
    missing, over = set(), threading.Event()

    def watch():
        while not over.is_set():
            missing.update(name for name in names if not (tmp_path / "b" / "d" / name).exists())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        pair = Pair(tmp_path)
        pair.same()
    finally:
        over.set()
        watcher.join()
    pair.stop()
    assert not missing


def test_an_emptied_source_empties_nothing_beyond_its_limit(tmp_path):
    (tmp_path / "b").mkdir()
    for i in range(20):
        (tmp_path / "b" / f"f{i}").write_text("precious")
    pair = Pair(tmp_path, receive="max_delete = 10")
    pair.receiver.wait_log("more than max_delete, none was deleted")
    assert len(list(pair.b.glob("f*"))) == 20
    pair.stop()


def test_who_was_away_is_told_what_is_new_only(pair):
    for i in range(50):
        (pair.a / f"f{i}").write_bytes(secrets.token_bytes(2000))
    pair.same()
    pair.receiver.stop()
    (pair.a / "f1").write_text("changed")
    os.rename(pair.a / "f2", pair.a / "g2")
    (pair.a / "f3").unlink()
    pair.receiver.launch()
    pair.same()
    assert pair.figure("sent_bytes") == 7, "since it is back"
    assert pair.receiver.pair("a")["renames"] == 1


def test_a_sender_that_was_away_finds_what_has_changed(pair):
    (pair.a / "f").write_text("one")
    (pair.a / "g").write_text("two")
    pair.same()
    pair.sender.stop()
    (pair.a / "f").write_text("changed")
    (pair.a / "g").unlink()
    (pair.a / "h").write_text("new")
    pair.sender.launch()
    pair.same()


def test_what_a_receiver_could_not_do_is_tried_again(pair):
    """A rename to another file system fails."""
    (pair.a / "d").mkdir()
    pair.same()
    if subprocess.run(["mount", "-t", "tmpfs", "none", pair.b / "d"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        (pair.a / "d" / "f").write_text("late")
        pair.sender.wait_log("a peer can't do it, it is tried again .*d/f")
        assert pair.sender.pair("b")["lag"] > 0, "that is not acknowledged"
    finally:
        subprocess.run(["umount", pair.b / "d"], check=True)
    pair.same()
    assert (pair.b / "d" / "f").read_text() == "late"


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_killed_in_the_middle_it_goes_on(pair, who):
    churn = Churn(pair.a, 77 if who == "sender" else 78)
    node = getattr(pair, who)
    for _ in range(3):
        churn.run(150)
        node.process.kill()
        node.process.wait()
        churn.run(50)
        node.launch()
    churn.run(50)
    churn.finish()
    pair.same(40)


# ---- churn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_few_changes_of_each_kind(pair, seed):
    churn = Churn(pair.a, seed)
    for _ in range(40):
        churn.step()
        pair.same(30)
    churn.finish()
    pair.same(30)


def churn_is_the_same(pair, seed, steps):
    churn = Churn(pair.a, seed)
    churn.run(steps, 0.005)
    churn.finish()
    pair.same(60)


@pytest.mark.parametrize("seed", range(10, 15))
def test_churn(pair, seed):
    churn_is_the_same(pair, seed, 600)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 200))
def test_churn_of_many_kinds(pair, seed):
    churn_is_the_same(pair, seed, 2000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(300, 330))
def test_churn_while_both_are_killed(pair, seed):
    chance = random.Random(seed)
    churn = Churn(pair.a, seed)
    for _ in range(5):
        churn.run(chance.randrange(40, 250), chance.choice([0, 0.002, 0.005]))
        node = chance.choice(pair.nodes)
        node.process.kill()
        node.process.wait()
        churn.run(chance.randrange(80))
        node.launch()
        time.sleep(chance.choice([0, chance.random()]))
    churn.finish()
    pair.same(60)


# ---- who may, who lies -------------------------------------------------------------------------------


def test_another_key_is_refused_and_nothing_is_written(tmp_path):
    other = tmp_path / "other"
    other.write_text(secrets.token_hex(32))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "secret").write_text("x")
    pair = Pair(tmp_path, key_b=str(other))
    pair.sender.wait_log("peer=b is not reached")
    pair.receiver.wait_log("came to nothing")
    assert not (pair.b / "secret").exists()
    pair.stop()


def place(path, at=1):
    """A number, an id, a path."""
    return number(at) + number(at) + text(path)


class Liar:
    """A node by its bytes, without security."""

    def __init__(self, port, name=b"a"):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.name = name

    def frame(self, kind, payload=b"", flags=0, share=0, stream=0, length=None, sum=None):
        sum = xxh32(payload) if sum is None else sum
        self.link.sendall(struct.pack("<IBBHII", len(payload) if length is None else length, kind, flags, share, stream, sum) + payload)

    def greet(self):
        self.frame(HELLO, MAGIC + b"\x01\x01" + os.urandom(16) + text(self.name) + number(int(time.time() * 1000)) + os.urandom(32))
        return self

    def share(self):
        self.frame(SHARE, text(b"s") + number(1) + os.urandom(16) + number(1) + bytes(16) + number(0) + number(0) + number(0))
        return self

    def end(self) -> bytes:
        """All that comes until it is closed."""
        data = b""
        try:
            while more := self.link.recv(65536):
                data += more
        except ConnectionResetError:
            pass
        return data


def number(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def text(b):
    return number(len(b)) + b


def entry(kind=1, size=0, mode=0o644, extra=b"", has=0):
    return number(has) + bytes([kind]) + number(mode) + number(0) + number(0) + number(0) + number(size) + extra


def xxh32(data, seed=0):
    """The checksum of frames, by its definition."""
    p1, p2, p3, p4, p5, m = 2654435761, 2246822519, 3266489917, 668265263, 374761393, 0xffffffff
    rot = lambda x, r: ((x << r) | (x >> (32 - r))) & m
    at, n = 0, len(data)
    if n >= 16:
        v = [(seed + p1 + p2) & m, (seed + p2) & m, seed & m, (seed - p1) & m]
        while at <= n - 16:
            for i in range(4):
                v[i] = rot((v[i] + struct.unpack_from("<I", data, at)[0] * p2) & m, 13) * p1 & m
                at += 4
        h = (rot(v[0], 1) + rot(v[1], 7) + rot(v[2], 12) + rot(v[3], 18)) & m
    else:
        h = (seed + p5) & m
    h = (h + n) & m
    while at <= n - 4:
        h = rot((h + struct.unpack_from("<I", data, at)[0] * p3) & m, 17) * p4 & m
        at += 4
    while at < n:
        h = rot((h + data[at] * p5) & m, 11) * p1 & m
        at += 1
    h = (h ^ h >> 15) * p2 & m
    h = (h ^ h >> 13) * p3 & m
    return h ^ h >> 16


@pytest.fixture
def receiver(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "outside").mkdir()
    node = Node(tmp_path, "b", {"s": f"path = {tmp_path}/b\nrole = receive"}, {"a": None})
    node.wait_log("is known")
    yield node
    assert node.stop() == 0, node.log()[-3000:]


PATHS = [b"../outside/x", b"/etc/x", b"a/../../outside/x", b"", b".", b"..", b"a//b", b"a/", b"/", b"a/./b", b".troupe/x", b".troupe",
         b"a\x00b", b"x" * 256, b"a/" + b"y" * 256, b"/".join([b"d" * 200] * 25)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("flags", [0, OFFER])
@pytest.mark.parametrize("kind", [PUT, ENTRY, DELETE, TWIN])
def test_no_path_leads_outside(receiver, tmp_path, path, kind, flags):
    (tmp_path / "outside" / "x").write_text("mine")
    liar = Liar(receiver.port).greet().share()
    payload = {
        PUT: place(path) + entry(size=4) + b"evil",
        ENTRY: place(path) + entry(kind=2, mode=0o755),
        DELETE: place(path),
        TWIN: place(path) + entry() + number(5),
    }[kind]
    liar.frame(kind, payload, flags=flags)
    assert b"makes no sense" in liar.end()
    assert (tmp_path / "outside" / "x").read_text() == "mine"
    assert sorted(p.name for p in (tmp_path / "outside").iterdir()) == ["x"]
    assert [p.name for p in (tmp_path / "b").iterdir()] == [".troupe"]


def test_a_link_in_the_way_is_not_followed(receiver, tmp_path):
    os.symlink(tmp_path / "outside", tmp_path / "b" / "door")
    liar = Liar(receiver.port).greet().share()
    liar.frame(PUT, place(b"door/x") + entry(size=4) + b"evil")
    liar.frame(PUT, place(b"well", 2) + entry(size=4) + b"good")
    wait_for("the good one", lambda: (tmp_path / "b" / "well").exists())
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("kind", [4, 5, 6, 7], ids=["fifo", "socket", "char", "block"])
def test_no_device_comes_without_leave(receiver, tmp_path, kind):
    liar = Liar(receiver.port).greet().share()
    liar.frame(ENTRY, place(b"dev") + entry(kind=kind))
    liar.frame(PUT, place(b"well", 2) + entry(size=4) + b"good")
    wait_for("the good one", lambda: (tmp_path / "b" / "well").exists())
    assert not os.path.lexists(tmp_path / "b" / "dev")
    receiver.wait_log("it is not wanted here .* path=dev")


LIES = [
    ("garbage", lambda l: l.link.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10), b""),
    ("a length of 4 GiB", lambda l: l.frame(PUT, b"x", length=0xffffffff), b"damaged"),
    ("a wrong checksum", lambda l: l.greet().share().frame(DELETE, place(b"x"), sum=1), b"damaged"),
    ("no greeting", lambda l: l.frame(DELETE, place(b"x")), b"no greeting"),
    ("an unknown node", lambda l: (setattr(l, "name", b"zz"), l.greet()), b"know a node zz"),
    ("a size that lies", lambda l: l.greet().share().frame(PUT, place(b"x") + entry(size=100) + b"short"), b"makes no sense"),
    ("data of no stream", lambda l: l.greet().share().frame(8, number(0) + b"x", stream=5), b"makes no sense"),
    ("an unknown type", lambda l: l.greet().share().frame(99), b"makes no sense"),
    ("an entry cut short", lambda l: l.greet().share().frame(ENTRY, place(b"x") + b"\x00\x02"), b"makes no sense"),
    ("an entry of bits that we don't know", lambda l: l.greet().share().frame(ENTRY, place(b"x") + entry(kind=2, has=999)), b"makes no sense"),
    ("an ack of a receiver", lambda l: l.greet().share().frame(20, number(1)), b"makes no sense"),
    ("a number without end", lambda l: l.greet().share().frame(DELETE, b"\xff" * 20), b"makes no sense"),
]


@pytest.mark.parametrize("what, do, said", LIES, ids=[lie[0] for lie in LIES])
def test_who_lies_is_told_and_let_go(receiver, tmp_path, what, do, said):
    liar = Liar(receiver.port)
    do(liar)
    assert said in liar.end()
    assert [p.name for p in (tmp_path / "b").iterdir()] == [".troupe"]


def test_who_says_nothing_is_let_go(tmp_path):
    (tmp_path / "b").mkdir()
    node = Node(tmp_path, "b", {"s": f"path = {tmp_path}/b\nrole = receive"}, {"a": None}, top="handshake = 1s\n")
    node.wait_log("is known")
    assert b"has not said who it is" in Liar(node.port).end()
    assert node.stop() == 0


# ---- configuration -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text, said", [
    ("[dfsd]\n", "key: it is wanted"),
    ("[dfsd]\nkey = /nowhere/key\n", "No such file"),
    ("[dfsd]\nsecurity = none\nlisten = 0.0.0.0:9508\n", "only loopback"),
    ("[dfsd]\nsecurity = none\n[share s]\npath = /nowhere/at/all\n", "there is no such folder"),
    ("[dfsd]\nsecurity = none\n[share s]\npath = /tmp\npeers = x\n", "there is no [peer x]"),
    ("[dfsd]\nsecurity = none\n[peer x]\naddress = a:b:c\n", "address"),
])
def test_what_is_wrong_is_said(tmp_path, text, said):
    path = tmp_path / "wrong.ini"
    path.write_text(text)
    done = subprocess.run([TROUPE, "check", str(path)], capture_output=True, text=True)
    assert done.returncode == 1 and said in done.stdout + done.stderr
