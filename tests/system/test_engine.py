"""The work engine, killed at any moment under load, and on a disk that is full."""
import os
import random
import re
import subprocess
import time

import pytest

from supervisor import may_mount

ENGINE = os.environ.get("ENGINE", "build/release/engine")
ROUNDS = int(os.environ.get("ENGINE_ROUNDS", "10"))
CLIENTS = "64"


def loaded(directory, moment):
    """What a loaded engine said until it was killed, as sets of ids: accepted, started, acknowledged, over."""
    process = subprocess.Popen([ENGINE, "load", directory, CLIENTS], stdout=subprocess.PIPE)
    first = process.stdout.readline()  # it is at work
    deadline = time.monotonic() + moment
    parts = [first]
    os.set_blocking(process.stdout.fileno(), False)
    while time.monotonic() < deadline:
        parts.append(process.stdout.read() or b"")
        time.sleep(0.001)
    process.kill()
    os.set_blocking(process.stdout.fileno(), True)
    parts.append(process.stdout.read())
    assert process.wait() == -9
    said = {mark: set() for mark in "+sk-"}
    for line in b"".join(parts).decode().splitlines():
        said[line[0]].add(int(line[1:]))
    return said


def pending(directory):
    out = subprocess.run([ENGINE, "check", directory], stdout=subprocess.PIPE, check=True, text=True, timeout=120).stdout
    rows = [line.split() for line in out.splitlines()]
    return {int(number): (int(attempts), int(crashes), state) for number, attempts, crashes, state in rows}


def test_nothing_accepted_is_lost_when_it_is_killed_again_and_again(tmp_path):
    accepted, started, acknowledged, over, in_hands = set(), set(), set(), set(), {}
    for _ in range(ROUNDS):
        said = loaded(str(tmp_path), random.uniform(0.02, 0.5))
        accepted |= said["+"]
        started |= said["s"]
        acknowledged |= said["k"]
        over |= said["-"]
        for number in said["s"] - said["k"]:
            in_hands[number] = in_hands.get(number, 0) + 1
    there = pending(str(tmp_path))
    assert len(accepted) > 1000 and len(over) > 100 and in_hands
    assert accepted - set(there) - acknowledged == set(), "accepted, and neither there nor done"
    assert over & set(there) == set(), "what the store had as done is there again"
    for number, (_, crashes, _) in there.items():
        assert crashes <= in_hands.get(number, 0) + 1, "charged though it did not run"
        assert crashes == 0 or number in started
    charged = {number for number, row in there.items() if row[1]}
    held = {number for number in in_hands if number in there and number not in acknowledged}
    assert held <= charged, "it ran when we were killed, and was not charged"


def test_a_full_disk_is_said_and_outlived(tmp_path):
    if not may_mount():
        pytest.skip("no right to mount")
    script = f"mount -t tmpfs -o size=4m none {tmp_path} && exec {ENGINE} full {tmp_path}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    accepted, over, left = map(int, re.match(r"(\d+) accepted, (\d+) done, (\d+) pending", done.stdout).groups())
    assert accepted > 100 and over == 10 and left == accepted - over
    assert "the store fails" in done.stderr


@pytest.mark.skipif("tsan" in ENGINE, reason="the sanitizer has a thread that wakes up by itself")
def test_topics_without_tasks_cost_nothing(tmp_path):
    out = subprocess.run([ENGINE, "idle", str(tmp_path), "100", "2"], stdout=subprocess.PIPE, check=True, timeout=60)
    assert int(out.stdout) <= 2  # the end of the two seconds is one
