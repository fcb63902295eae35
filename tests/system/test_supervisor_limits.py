"""Limits by cgroup, and what a supervisor does with time, files and a new image of itself."""
import os
import pathlib
import re
import signal

import pytest

from servers import wait_for
from supervisor import Supervisor


@pytest.fixture
def supervisor(tmp_path):
    """start(programs, main=""): runs a supervisor and waits until it answers."""
    started = []

    def start(programs, main="", name=None):
        started.append(Supervisor(programs, tmp_path, name or f"s{len(started)}", main))
        return started[-1]

    yield start
    for one in started:
        status = one.stop()
        assert status == 0, f"status {status}\n{one.log()[-6000:]}"


def script(path: pathlib.Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- cgroups -----------------------------------------------------------------------------


def cgroup_mount():
    """Where version 2 is mounted and ours to change; None: nowhere."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            path = line.split()[4]
            return path if os.access(path + "/cgroup.subtree_control", os.W_OK) and os.geteuid() == 0 else None
    return None


def cgroup_of(pid: int) -> str:
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    return ""


@pytest.mark.skipif(not cgroup_mount(), reason="no cgroup of version 2 that we may change")
def test_a_cgroup_holds_and_ends_all_of_a_program(supervisor, tmp_path):
    hide = script(tmp_path / "hide", f"#!/bin/sh\nenv -i setsid sh -c 'trap : TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1; done' &\n"
                  "exec sleep 1000\n")
    s = supervisor(f"[program:x]\ncommand = {hide}\nkill_tree = cgroup\nstopwaitsecs = 1\n[program:plain]\ncommand = sleep 1000\n")
    pid = s.wait_state("x", "RUNNING")["pid"]
    hidden = int(s.wait_text("pid", "\n"))
    assert cgroup_of(pid).endswith("/program-x") and cgroup_of(hidden) == cgroup_of(pid)
    assert not cgroup_of(s.wait_state("plain", "RUNNING")["pid"]).endswith("program-plain")
    folder = pathlib.Path(cgroup_mount() + cgroup_of(pid))
    assert folder.is_dir()
    s.rpc.stopProcess("x")
    assert not alive(pid) and not alive(hidden)
    wait_for("its folder to go", lambda: not folder.exists())
    s.rpc.startProcess("x")
    assert cgroup_of(s.info("x")["pid"]).endswith("/program-x")
    s.process.kill()
    s.process.wait()
    s.launch()
    s.wait_up()
    assert "took back what runs adopted=2" in s.log()
    s.rpc.stopProcess("x")
    wait_for("its folder to go", lambda: not folder.exists())


@pytest.mark.skipif(not cgroup_mount(), reason="no cgroup of version 2 that we may change")
def test_a_limit_is_in_force_or_the_log_says_why_not(supervisor):
    s = supervisor("[program:x]\ncommand = sleep 1000\npids_max = 7\n")
    pid = s.wait_state("x", "RUNNING")["pid"]
    there = pathlib.Path(cgroup_mount() + cgroup_of(pid) + "/pids.max")
    if there.exists():
        assert there.read_text() == "7\n"
    else:
        assert re.search(r"pids_max is not in force: .*: the controller is not there name=x", s.log())


def test_limits_are_written_and_follow_a_change(supervisor, tmp_path):
    """The folder is none of the kernel's: what is written there can be read back."""
    root = tmp_path / "cgroup"
    mine = root / "program-x"
    mine.mkdir(parents=True)
    for folder, names in ((root, ("cgroup.procs", "cgroup.subtree_control")),
                          (mine, ("cgroup.procs", "memory.max", "memory.high", "cpu.max", "cpu.weight", "pids.max", "memory.events"))):
        for name in names:
            (folder / name).write_text("")
    (root / "cgroup.controllers").write_text("cpu memory pids\n")
    limits = "[program:x]\ncommand = sleep 1000\nmemory_max = {}\nmemory_high = 64MB\ncpu_max = 150%\ncpu_weight = 20\npids_max = 9\n"
    s = supervisor(limits.format("128MB"), f"cgroup = {root}\n")
    pid = s.wait_state("x", "RUNNING")["pid"]
    read = {p.name: p.read_text() for p in mine.iterdir()}
    assert read["memory.max"] == "134217728" and read["memory.high"] == "67108864" and read["cgroup.procs"] == "0"
    assert read["cpu.max"] == "150000 100000" and read["cpu.weight"] == "20" and read["pids.max"] == "9"
    s.change(limits.format("256MB"))
    assert (mine / "memory.max").read_text() == "268435456" and s.info("x")["pid"] == pid
    s.change("[program:x]\ncommand = sleep 1000\n")
    assert (mine / "memory.max").read_text() == "max" and s.info("x")["pid"] == pid
    s.change(limits.format("1MB"))
    (mine / "memory.events").write_text("oom 1\noom_kill 1\n")
    os.kill(pid, signal.SIGKILL)
    wait_for("the reason", lambda: "killed for its memory: memory_max=1048576 name=x" in s.log())


def test_without_cgroups_a_program_runs_and_the_log_says_so(supervisor):
    s = supervisor("[program:x]\ncommand = sleep 1000\nmemory_max = 1GB\n", "cgroup = off\n")
    s.wait_state("x", "RUNNING")
    assert s.log().count("limits by cgroup are not in force: cgroup = off") == 1
