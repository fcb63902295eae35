"""Nothing that a program wrote is lost, or written twice, when its supervisor is killed at any moment."""
import json
import os
import pathlib
import random
import time

import pytest

from servers import wait_for
from supervisor import Supervisor, alive

KILLS = int(os.environ.get("KILLS", "12"))

# Numbered lines in writes that begin and end anywhere, faster than they can be watched.
WRITER = """#!/usr/bin/python3
import os, random, sys, time
n, text = 0, b""
while not os.path.exists(sys.argv[1]):
    while len(text) < 300000:
        text += b"%d %s\\n" % (n, b"x" * (n % 90))
        n += 1
    size = random.choice((1, 100, 4096, 30000, 70000, 250000))
    while size > 0:
        did = os.write(1, text[:size])
        text = text[did:]
        size -= did
    time.sleep(0.001)
while text:
    text = text[os.write(1, text):]
open(sys.argv[1] + sys.argv[2], "w").write(str(n))
time.sleep(1000)
"""

FORMS = {
    "raw": "stdout_logfile = %(here)s/raw.log\nstdout_logfile_maxbytes = 0\n",
    "turned": "stdout_logfile = %(here)s/turned.log\nstdout_logfile_maxbytes = 1MB\nstdout_logfile_backups = 1000\n",
    "json": "stdout_logfile = %(here)s/json.log\nstdout_logfile_maxbytes = 0\nstdout_format = json\n",
    "prefix": "stdout_logfile = %(here)s/prefix.log\nstdout_logfile_maxbytes = 1MB\nstdout_logfile_backups = 1000\nstdout_format = prefix\n",
}


def read_all(folder: pathlib.Path, name: str) -> list[bytes]:
    """The lines of the log and of what it was before, the eldest first."""
    eldest = sorted(folder.glob(f"{name}.log.*"), key=lambda p: -int(p.suffix[1:]))
    return b"".join(p.read_bytes() for p in [*eldest, folder / f"{name}.log"]).split(b"\n")


def written(name: str, line: bytes) -> bytes:
    if name == "json":
        return json.loads(line)["line"].encode()
    return line.split(b" | ", 1)[1] if name == "prefix" else line


def check(folder, name, count):
    lines = read_all(folder, name)
    assert lines.pop() == b""
    for n, line in enumerate(lines):
        assert written(name, line) == b"%d %s" % (n, b"x" * (n % 90)), f"{name}: line {n} of {count}"
    assert len(lines) == count, name


@pytest.mark.parametrize("forms", [["raw", "turned", "json", "prefix"], ["raw"]], ids=["all", "raw"])
def test_killed_at_any_moment_each_line_is_there_once(tmp_path, forms):
    writer, stop = tmp_path / "writer.py", tmp_path / "stop"
    writer.write_text(WRITER)
    writer.chmod(0o755)
    s = Supervisor("".join(f"[program:{name}]\ncommand = {writer} {stop} {name}\nstartsecs = 0\n{FORMS[name]}" for name in forms), tmp_path, "s")
    pids = {name: s.wait_state(name, "RUNNING")["pid"] for name in forms}
    for _ in range(KILLS):
        time.sleep(random.random() / 20)
        s.process.kill()
        s.process.wait()
        s.launch()
        s.wait_up()
        assert {p["name"]: p["pid"] for p in s.rpc.getAllProcessInfo()} == pids
    stop.write_text("")
    for name in forms:
        wait_for("its last line", lambda path=tmp_path / f"stop{name}": path.exists() and path.read_text(), 60)
    s.rpc.stopAllProcesses()
    assert s.stop() == 0
    for name in forms:
        check(tmp_path, name, int((tmp_path / f"stop{name}").read_text()))


def keeper_of(s):
    children = pathlib.Path(f"/proc/{s.pid}/task/{s.pid}/children").read_text().split()
    return next(int(c) for c in children if pathlib.Path(f"/proc/{c}/comm").read_text() == "troupe-keeper\n")


def test_state_of_another_version_is_refused(supervisor, tmp_path):
    """What ran goes on, and is no longer ours; who kept its output ends after it, since nobody can ask for that any more."""
    s = supervisor("[program:cat]\ncommand = /bin/cat\nstartsecs = 0\n", f"state = {tmp_path}/state")
    pid, keeper = s.wait_state("cat", "RUNNING")["pid"], keeper_of(s)
    s.process.kill()
    s.process.wait()
    state = tmp_path / "state"
    kept = bytearray(state.read_bytes())
    assert kept[:8] == b"troupesv"
    kept[8] += 1
    state.write_bytes(kept)
    s.launch()
    try:
        s.wait_up()
        assert s.wait_state("cat", "RUNNING")["pid"] != pid
        assert "programs that run may be started twice" in s.log() and f"of version {kept[8]}, ours is {kept[8] - 1}" in s.log()
        assert (tmp_path / "state.refused").read_bytes() == kept
        assert alive(keeper) and alive(pid)
    finally:
        os.kill(pid, 9)
    wait_for("the end of the first keeper", lambda: not alive(keeper), 10)
    assert alive(keeper_of(s))
