"""Limits by cgroup, and what a supervisor does with time, files and a new image of itself."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request
import xmlrpc.client

import pytest

from daemon import TROUPE
from servers import free_port, wait_for
from supervisor import alive, script

HERE = pathlib.Path(__file__).resolve().parent


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


# ---- a new image -------------------------------------------------------------------------


def ctl(s, *words):
    return subprocess.run([TROUPE, "ctl", "-c", s.conf_path, *words], capture_output=True, text=True, timeout=60)


def test_upgrade_by_a_person(supervisor):
    s = supervisor("[program:p]\ncommand = sleep 1000\nprocess_name = p%(process_num)d\nnumprocs = 3\n")
    s.wait_state("p:p2", "RUNNING")
    pids = [p["pid"] for p in s.rpc.getAllProcessInfo()]
    for _ in range(3):
        got = ctl(s, "upgrade")
        assert (got.returncode, got.stdout) == (0, "Upgraded\n"), got
        assert [p["pid"] for p in s.rpc.getAllProcessInfo()] == pids and s.rpc.getPID() == s.process.pid
    assert s.log().count("took back what runs adopted=3") == 3
    assert "upgrade" in ctl(s, "help").stdout and ctl(s, "upgrade", "now").returncode == 2


@pytest.mark.parametrize("way", ["killed", "upgraded"])
def test_what_a_person_asked_for_goes_on(supervisor, way):
    """Scaled programs stay so, and a command that is run once runs on, over a crash and a new image."""
    s = supervisor("[program:p]\ncommand = sleep 1000\nprocess_name = p%(process_num)d\nnumprocs = 2\nstartsecs = 0\n"
                   "[program:q]\ncommand = sleep 1000\nprocess_name = q%(process_num)d\nnumprocs = 2\nstartsecs = 0\n")
    for words in (("scale", "p", "3"), ("scale", "p", "4"), ("scale", "q", "1")):
        assert ctl(s, *words).returncode == 0
    once = subprocess.Popen([TROUPE, "ctl", "-c", s.conf_path, "run", "--", "sleep", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pids = lambda: {p["name"]: p["pid"] for p in s.rpc.getAllProcessInfo() if p["pid"]}
    before = wait_for("all", lambda: pids() if len(pids()) == 6 else None)
    assert before.keys() == {"p0", "p1", "p2", "p3", "q0", "run-1"}
    for _ in range(2):
        if way == "killed":
            s.process.kill()
            s.process.wait()
            s.launch()
            s.wait_up()
        else:
            assert ctl(s, "upgrade").returncode == 0
        assert pids() == before
        once.kill()
        once.wait()
    os.kill(before["run-1"], signal.SIGTERM)
    s.wait_state("run-1", "EXITED")
    assert s.rpc.removeProcessGroup("run-1")
    assert ctl(s, "scale", "p", "2").returncode == 0  # as in the file: nothing is remembered of it
    wait_for("two", lambda: pids().keys() == {"p0", "p1", "q0"})
    s.process.kill()
    s.process.wait()
    s.launch()
    s.wait_up()
    assert pids().keys() == {"p0", "p1", "q0"}


def test_upgrade_refused_where_nothing_would_be_taken_back(supervisor):
    s = supervisor("[program:p]\ncommand = sleep 1000\n", "adopt = no\n")
    pid = s.wait_state("p", "RUNNING")["pid"]
    got = ctl(s, "upgrade")
    assert got.returncode != 0 and "adopt is off" in got.stdout + got.stderr
    assert s.info("p")["pid"] == pid


RESTS = ("[program:idle]\ncommand = sleep 1000\n[program:job]\ncommand = /bin/sh -c 'echo ran; exit 3'\ntype = oneshot\nautorestart = false\n"
         "exitcodes = 3\nstdout_logfile = %(here)s/job.log\n[program:after]\ncommand = sleep 1000\ndepends_on = other:exited\n"
         "[program:other]\ncommand = /bin/sh -c 'echo once; exit 0'\ntype = oneshot\nautorestart = false\nstdout_logfile = %(here)s/other.log\n"
         "[program:back]\ncommand = sleep 1000\n")


@pytest.mark.parametrize("how", ["killed", "upgraded"])
def test_what_rests_does_not_start_by_itself(supervisor, how):
    s = supervisor(RESTS)
    s.wait_state("job", "EXITED")
    after = s.wait_state("after", "RUNNING")["pid"]
    for name in ("idle", "back"):
        s.wait_state(name, "RUNNING")
        s.rpc.stopProcess(name)
    s.rpc.startProcess("back")
    back = s.info("back")["pid"]
    for _ in range(3):
        if how == "killed":
            s.process.kill()
            s.process.wait()
            s.launch()
            s.wait_up()
        else:
            assert ctl(s, "upgrade").stdout == "Upgraded\n"
        states = {p["name"]: p["statename"] for p in s.rpc.getAllProcessInfo()}
        assert states == {"idle": "STOPPED", "job": "EXITED", "after": "RUNNING", "other": "EXITED", "back": "RUNNING"}
        assert s.info("job")["exitstatus"] == 3 and s.info("job")["stop"] > 0
    assert s.info("after")["pid"] == after and s.info("back")["pid"] == back
    assert s.text("job.log") == "ran\n" and s.text("other.log") == "once\n"
    s.rpc.startProcess("idle")
    s.rpc.stopProcess("after")
    s.rpc.startProcess("after")  # what it depends on has been done
    assert s.stop() == 0
    s.launch()
    s.wait_up()
    s.wait_state("job", "EXITED")
    assert s.wait_state("idle", "RUNNING") and s.text("job.log") == "ran\nran\n", "an orderly end is forgotten"


# ---- clocks ------------------------------------------------------------------------------


def test_a_clock_that_is_set(supervisor, tmp_path, monkeypatch):
    shim, ahead = tmp_path / "clock.so", tmp_path / "ahead"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, HERE / "clients" / "clock.c", "-ldl"], check=True)
    ahead.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(shim))
    monkeypatch.setenv("CLOCK_AHEAD", str(ahead))
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    soon = time.localtime(time.time() + 12 * 3600)
    s = supervisor(f"[program:daily]\ncommand = /bin/true\nschedule = 0 {soon.tm_hour} * * *\nautorestart = false\n"
                   "[program:hours]\ncommand = /bin/true\ninterval = 30h\nautorestart = false\nautostart = false\n")

    def clock(seconds):
        ahead.write_text(str(seconds))
        wait_for("it to be seen", lambda: s.log().count("the clock was set") == clock.times)
        clock.times += 1

    def starts(name):
        return len(re.findall(rf"spawned name={name}:{name} ", s.log()))

    clock.times = 1
    first = s.info("daily")["description"]
    assert starts("daily") == starts("hours") == 0 and "next start" in first
    clock(26 * 3600)  # a day and a bit: the passed start is made up for, once
    s.wait_state("daily", "EXITED")
    assert starts("daily") == 1 and starts("hours") == 0, "an interval is time that passes"
    clock(0)  # put back by more than hours: reckoned anew
    wait_for("the old next start", lambda: first.split("next start")[1] in s.info("daily")["description"])
    clock(-1800)  # by less: nothing is started twice, nothing moves
    assert first.split("next start")[1] in s.info("daily")["description"]
    assert starts("daily") == 1 and starts("hours") == 0


# ---- watched files -----------------------------------------------------------------------


def test_watch_of_all_folders_below(supervisor, tmp_path):
    source = tmp_path / "src"
    (source / "a" / "b").mkdir(parents=True)
    (source / ".git").mkdir()
    s = supervisor(f"[program:p]\ncommand = sleep 1000\nstartsecs = 0\nwatch = {source}/**/*.py\n")
    pids = [s.wait_state("p", "RUNNING")["pid"]]

    def restarted():
        pid = s.info("p")["pid"]
        return pid not in (0, pids[-1]) and s.info("p")["statename"] == "RUNNING" and (pids.append(pid) or True)

    for path in ("top.py", "a/one.py", "a/b/two.py"):
        (source / path).write_text("1")
        wait_for(f"a restart after {path}", restarted)
    (source / "new" / "deep").mkdir(parents=True)  # comes later, and so does what is below it
    (source / "new" / "deep" / "three.py").write_text("1")
    wait_for("a restart after a file in a new folder", restarted)
    (source / "new" / "deep" / "four.py").write_text("1")
    wait_for("a restart after another one there", restarted)
    (source / "a" / "other.txt").write_text("1")
    (source / ".git" / "five.py").write_text("1")
    (source / "empty").mkdir()
    (source / "a" / "b" / "two.py").unlink()
    wait_for("a restart after a removal", restarted)
    assert s.log().count("a watched file changed") == len(pids) - 1


# ---- listeners ---------------------------------------------------------------------------


def healthy(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    except OSError:
        return False


def test_listeners_come_and_go_with_the_file(supervisor):
    one, two = free_port(), free_port()
    inet = "[inet_http_server:{}]\nport = 127.0.0.1:{}\nusername = u\npassword = {}\n"
    s = supervisor(inet.format("one", one, "first"))
    pid = s.rpc.getPID()
    call = lambda port, word: xmlrpc.client.ServerProxy(f"http://u:{word}@127.0.0.1:{port}/RPC2").supervisor.getPID()
    assert call(one, "first") == pid and not healthy(two)
    s.change(inet.format("one", one, "second"))
    assert call(one, "second") == pid, "the password follows"
    with pytest.raises(xmlrpc.client.ProtocolError):
        call(one, "first")
    s.change(inet.format("one", one, "second") + inet.format("two", two, "third"))
    assert call(two, "third") == pid and call(one, "second") == pid
    pathlib.Path(s.conf_path).write_text(pathlib.Path(s.conf_path).read_text().replace(inet.format("two", two, "third"), ""))
    server = xmlrpc.client.ServerProxy(f"http://u:third@127.0.0.1:{two}/RPC2")
    assert server.troupe.update()["changed"] == [], "who asks by the one that goes still gets his answer"
    wait_for("it to go", lambda: not healthy(two))
    assert call(one, "second") == pid and s.rpc.getPID() == pid


def test_a_listener_that_cannot_be_opened_does_no_harm(supervisor):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        s = supervisor("")
        section = f"[inet_http_server]\nport = 127.0.0.1:{taken.getsockname()[1]}\n"
        s.change(section)
        assert "not listening" in s.log() and s.rpc.getPID() == s.process.pid
    s.change(section + "[program:p]\ncommand = sleep 1000\n")
    assert healthy(taken_port(section))


def taken_port(section):
    return int(section.rsplit(":", 1)[1])


# ---- updates of some ---------------------------------------------------------------------


def test_update_of_one_group_touches_only_what_changed_in_it(supervisor):
    group = "[program:{0}]\ncommand = sleep 1000\nenvironment = V=\"%(process_num)d{1}\"\nprocess_name = p%(process_num)d\nnumprocs = {2}\n"
    s = supervisor(group.format("a", "", 2) + group.format("b", "", 1) + "[program:c]\ncommand = sleep 1000\n[program:d]\ncommand = sleep 1000\n"
                   "[group:g]\nprograms = c,d\n")
    s.wait_state("b:p0", "RUNNING")
    s.wait_state("g:d", "RUNNING")
    pids = lambda: {f"{p['group']}:{p['name']}": p["pid"] for p in s.rpc.getAllProcessInfo()}
    before = pids()
    path = pathlib.Path(s.conf_path)
    path.write_text(s.head + group.format("a", "", 3) + group.format("b", "x", 1) + "[program:c]\ncommand = sleep 1000\n"
                    "[program:d]\ncommand = sleep 1001\n[group:g]\nprograms = c,d\n[program:e]\ncommand = sleep 1000\n")
    assert ctl(s, "update", "a").stdout == "a: updated process group\n"
    s.wait_state("a:p2", "RUNNING")
    now = pids()
    assert {k: now[k] for k in before} == before and set(now) - set(before) == {"a:p2"}
    assert ctl(s, "update", "-n", "g").stdout.startswith("g:d: restarted")
    assert ctl(s, "update", "g", "e").stdout == "g: updated process group\ne: added process group\n"
    wait_for("a restart", lambda: pids()["g:d"] not in (0, before["g:d"]))
    now = pids()
    assert now["g:c"] == before["g:c"] and now["b:p0"] == before["b:p0"] and now["e:e"] > 0
    assert ctl(s, "scale", "a", "1").returncode == 0
    assert pids()["b:p0"] == before["b:p0"], "what else the file says waits"
    got = ctl(s, "update", "nope")
    assert got.stdout == "ERROR: no such group: nope\n" and got.returncode == 1
    assert s.rpc.reloadConfig() == [[[], ["b"], []]]
    assert ctl(s, "update").stdout == "b: updated process group\n"
    wait_for("a restart", lambda: pids()["b:p0"] not in (0, before["b:p0"]))
