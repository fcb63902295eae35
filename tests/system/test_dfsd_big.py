"""dfsd and big files: only what is new of them is sent, whatever happens on the way; and holes stay holes."""
import os
import random
import secrets
import time

import pytest

from test_dfsd import Pair, pair  # noqa: F401: a fixture

MIB = 1 << 20
SIZE = 24 * MIB


def write(path, data):
    """In place of what is there, as most programs do; the same inode."""
    with open(path, "r+b") as f:
        f.write(data)


def replace(path, data):
    """As editors do; another inode."""
    new = path.with_name(path.name + ".new~")
    new.write_bytes(data)
    os.replace(new, path)


@pytest.fixture
def big(pair):
    """A big file that both have; what the sender has sent since is counted by sent()."""
    pair.data = secrets.token_bytes(SIZE)
    (pair.a / "big").write_bytes(pair.data)
    pair.same(40)
    before = pair.figure("sent_bytes")
    assert before >= SIZE
    pair.sent = lambda: pair.figure("sent_bytes") - before
    return pair


CHANGES = {
    "nothing, but its time": (lambda d: d, 0),
    "a byte": (lambda d: d[:10 * MIB + 5] + bytes([d[10 * MIB + 5] ^ 1]) + d[10 * MIB + 6:], MIB // 4),
    "more at its end": (lambda d: d + b"x" * 1000, MIB // 4),
    "less at its end": (lambda d: d[:-MIB - 77], MIB // 4),
    "more in its middle": (lambda d: d[:5 * MIB + 3] + b"inserted" + d[5 * MIB + 3:], MIB // 2),
    "less in its middle": (lambda d: d[:5 * MIB + 3] + d[6 * MIB + 90:], MIB // 2),
    "parts in another order": (lambda d: d[12 * MIB + 1:] + d[:12 * MIB + 1], MIB),
    "a MiB of it": (lambda d: d[:7 * MIB] + bytes(range(256)) * 4096 + d[8 * MIB:], MIB + MIB // 4),
    "all of it twice": (lambda d: d + d, MIB // 2),
}


@pytest.mark.parametrize("how", [write, replace])
@pytest.mark.parametrize("what", CHANGES)
def test_what_is_new_is_sent(big, what, how):
    change, most = CHANGES[what]
    data = change(big.data)
    if how is write and len(data) < SIZE:
        os.truncate(big.a / "big", len(data))
    how(big.a / "big", data)
    big.same(40)
    assert big.sent() <= most


def test_one_change_after_the_other(big):
    chance = random.Random(5)
    data = bytearray(big.data)
    for i in range(12):
        at = chance.randrange(len(data) - 5000)
        data[at:at + 5000] = secrets.token_bytes(chance.choice([0, 100, 5000, 9000]))
        replace(big.a / "big", bytes(data))
        big.same(40)
    assert big.sent() <= 12 * MIB // 2


def test_one_that_has_moved_is_known(big):
    os.rename(big.a / "big", big.a / "moved")
    big.same()
    with open(big.a / "moved", "ab") as f:
        f.write(b"more")
    big.same(40)
    assert big.sent() <= MIB // 4


def test_what_somebody_changed_at_the_receiver_is_not_taken_for_what_was_sent(big):
    stat = (big.b / "big").stat()
    write(big.b / "big", b"other bytes")
    os.utime(big.b / "big", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nothing tells of it
    with open(big.a / "big", "ab") as f:
        f.write(b"more")
    big.same(40)
    assert big.sent() >= SIZE and big.figure("naks") >= 1


def test_a_receiver_that_has_lost_it_gets_all(big):
    big.receiver.stop()
    (big.b / "big").write_bytes(b"another")
    big.receiver.launch()
    big.same(40)
    assert big.figure("sent_bytes") >= SIZE


# ---- a link that is cut --------------------------------------------------------------------------------


def come(pair, mib):
    """A file of so many MiB, all at once."""
    with open(pair.folder / "new", "wb") as f:
        for _ in range(mib):
            f.write(secrets.token_bytes(MIB))
    os.rename(pair.folder / "new", pair.a / "big")
    return mib * MIB


def left_of(pair):
    return [p.stat().st_size for p in (pair.b / ".troupe" / "tmp").iterdir()]


def kill_in_the_middle(pair, node):
    """As soon as 20 MiB have come."""
    end = time.monotonic() + 30
    while max(left_of(pair), default=0) <= 20 * MIB and time.monotonic() < end:
        pass
    node.process.kill()
    node.process.wait()
    assert left_of(pair) and not (pair.b / "big").exists()


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_a_cut_costs_what_was_not_there(tmp_path, who):
    pair = Pair(tmp_path).together()
    size = come(pair, 300)
    node = getattr(pair, who)
    kill_in_the_middle(pair, node)
    node.launch()
    pair.same(60)
    assert pair.receiver.pair("a")["received_bytes"] <= size - 20 * MIB or who == "sender"
    assert pair.figure("sent_bytes") <= size - 20 * MIB
    assert left_of(pair) == []
    pair.stop()


def test_what_is_damaged_meanwhile_is_sent_anew(tmp_path):
    pair = Pair(tmp_path).together()
    size = come(pair, 200)
    kill_in_the_middle(pair, pair.receiver)
    write(next((pair.b / ".troupe" / "tmp").iterdir()), b"damaged")
    pair.receiver.launch()
    pair.same(60)
    assert pair.figure("sent_bytes") >= size
    pair.stop()


# ---- holes ---------------------------------------------------------------------------------------------


def test_holes_are_not_sent_and_are_holes_there(pair):
    with open(pair.a / "sparse", "wb") as f:
        f.seek(100 * MIB)
        f.write(b"in the middle")
        f.truncate(300 * MIB)
    if (pair.a / "sparse").stat().st_blocks * 512 > 10 * MIB:
        pytest.skip("no holes on this file system")
    (pair.a / "only").touch()
    os.truncate(pair.a / "only", 5 * MIB + 1)
    pair.same(40)
    assert pair.figure("sent_bytes") <= MIB // 2
    assert (pair.b / "sparse").stat().st_blocks * 512 <= 10 * MIB
    with open(pair.a / "sparse", "r+b") as f:
        f.seek(200 * MIB + 1)
        f.write(b"one more")
    pair.same(40)
    assert pair.figure("sent_bytes") <= MIB
    assert (pair.b / "sparse").stat().st_blocks * 512 <= 10 * MIB
