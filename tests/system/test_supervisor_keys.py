"""Every key that supervisord has for a program, seen on processes that run: its default and another value.

One supervisor runs most programs of this file at once, and the tests look at them. Our own keys and
the other sections are in test_supervisor_sections.py, which also says what is tested elsewhere.
"""
import json
import os
import pathlib
import re
import resource
import signal
import socket
import shutil
import subprocess
import tempfile
import xmlrpc.client

import pytest

from seen import sees
from servers import die_with_parent, wait_for
from supervisor import Supervisor, UnixTransport, answers, gaps, may_mount, own_dev

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# Says what it is, then lives until its standard input ends.
SHOW = """
import json, os, resource, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
limits = {name[7:].lower(): resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
print(json.dumps({
    "argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0), "uid": os.getuid(), "gid": os.getgid(),
    "groups": sorted(os.getgroups()), "nice": os.nice(0), "limits": limits, "status": status, "pgid": os.getpgid(0),
    "pid": os.getpid(), "oom": int(open("/proc/self/oom_score_adj").read()), "fds": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    "cpus": sorted(os.sched_getaffinity(0)), "root": os.listdir("/")}), flush=True)
print("complaint", file=sys.stderr, flush=True)
sys.stdin.read()
"""


def program(name, command, *lines, kind="program"):
    return f"[{kind}:{name}]\ncommand = {command}\n" + "".join(f"{line}\n" for line in lines)


def sh(text):
    return f"/bin/sh -c '{text}'"


DEAF = "trap \"\" TERM; echo up; while :; do sleep 0.05; done"
TAGGED = "a<!--XSUPERVISOR:BEGIN-->b<!--XSUPERVISOR:END-->c"


def many_programs(f):
    """All programs of the shared supervisor; f: its folder, where SHOW and the logs are."""
    show = f"/usr/bin/python3 -S {f}/show.py"
    log = "stdout_logfile = %(here)s/%(program_name)s.log"
    at_once = "startsecs = 0"
    manual = "autostart = false"
    return "".join([
        program("plain", f"{show} one 'two  words'"),
        program("many", f"{show} %(process_num)d", log.replace(".log", "%(process_num)d.log"), at_once,
                "numprocs = 3", "numprocs_start = 7", "process_name = n%(process_num)02d"),
        program("slow", "/bin/cat", "startsecs = 2"),
        program("quick", "/bin/false"),
        program("quick1", "/bin/false", "startretries = 1"),
        program("manual", "/bin/cat", manual),
        program("code0", sh("read x; exit 0"), at_once), program("code1", sh("read x; exit 1"), at_once),
        program("always", sh("read x; exit 0"), at_once, "autorestart = true"),
        program("code7", sh("read x; exit 7"), at_once, "exitcodes = 7"),
        program("deaf", sh(DEAF), at_once, log), program("deaf1", sh(DEAF), at_once, "stopwaitsecs = 1", log),
        program("usr1", sh("trap \"echo got; exit 0\" USR1; echo up; while :; do sleep 0.05; done"), at_once, log, "stopsignal = USR1"),
        program("where", show, log, at_once, "directory = %(here)s/sub", "umask = 077", "serverurl = unix:///nowhere",
                "environment = A=\"1,%(program_name)s\",B=two"),
        program("both", show, log, at_once, "redirect_stderr = true"),
        program("apart", show, log, at_once, "stderr_logfile = %(here)s/apart.err"),
        program("none", sh("echo kept; echo also >&2; cat"), at_once, "stdout_logfile = NONE", "stderr_logfile = NONE"),
        program("rotate", sh("i=0; while [ $i -lt 4000 ]; do echo line $i; echo line $i >&2; i=$((i+1)); done; cat"), at_once, log,
                "stdout_logfile_maxbytes = 1KB", "stderr_logfile = %(here)s/rotate.err", "stderr_logfile_maxbytes = 1KB"),
        program("rotate2", sh("i=0; while [ $i -lt 1000 ]; do echo line $i; echo line $i >&2; i=$((i+1)); done; cat"), at_once, log,
                "stdout_logfile_maxbytes = 1KB", "stdout_logfile_backups = 2", "stderr_logfile = %(here)s/rotate2.err",
                "stderr_logfile_maxbytes = 1KB", "stderr_logfile_backups = 3"),
        program("big", sh("for to in 1 2; do yes 0123456789012345678901234567890 | head -c 53000000 >&$to; done; cat"), at_once, log,
                "stderr_logfile = %(here)s/big.err"),
        program("tags", sh(f"printf \"{TAGGED}\"; printf \"{TAGGED}\" >&2; cat"), at_once, log, "stderr_logfile = %(here)s/tags.err"),
        program("tags8", sh(f"printf \"{TAGGED}\"; printf \"{TAGGED}\" >&2; cat"), at_once, log, "stderr_logfile = %(here)s/tags8.err",
                "stdout_capture_maxbytes = 8", "stderr_capture_maxbytes = 8"),
        program("events", sh("sleep 0.3; echo out; echo err >&2; cat"), at_once, "stdout_events_enabled = true",
                "stderr_events_enabled = true"),
        program("syslog", sh("echo to out; echo to err >&2; cat"), at_once, log, "stdout_syslog = true", "stderr_syslog = true"),
        program("syslog1", sh("echo only; cat"), at_once, "stdout_logfile = syslog"),
        program("user", show, log, at_once, "user = nobody", "groups = sys,1234"),
        program("limits", show, log, at_once, "rlimit_as = 2GB", "rlimit_core = 0", "rlimit_cpu = 100:200", "rlimit_data = 1GB",
                "rlimit_fsize = 100MB", "rlimit_memlock = 64KB", "rlimit_nofile = 50:60", "rlimit_nproc = 1000", "rlimit_rss = 1GB",
                "rlimit_stack = 4MB"),
        program("rights", show, log, at_once, "no_new_privs = yes", "cpu_affinity = 0", "niceness = 5", "oom_score_adj = 500",
                "env_file = %(here)s/env", "environment = C=over"),
        program("lean", sh("cat"), at_once, "env_file = -%(here)s/no-such-file"),
        program("caged", "/bin/cat", at_once, "memory_max = 1GB", "memory_high = 1GB", "cpu_max = 150%%", "cpu_weight = 50", "pids_max = 10"),
        program("ear", f"/usr/bin/python3 -S {f}/ear.py {f}/heard", at_once, "events = PROCESS_LOG,PROCESS_COMMUNICATION,PROCESS_STATE",
                "buffer_size = 10000", kind="eventlistener"),
    ])


EAR = """
import sys
while True:
    print("READY", flush=True)
    head = sys.stdin.readline()
    if not head:
        break
    words = dict(word.split(":", 1) for word in head.split())
    body = sys.stdin.read(int(words["len"]))
    with open(sys.argv[1], "a") as out:
        out.write(repr((words["eventname"], body)) + "\\n")
    print("RESULT 2\\nOK", end="", flush=True)
"""


@pytest.fixture(scope="module")
def world():
    """The shared supervisor. Its /dev/log is ours, where it may have a /dev of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-"))  # not pytest's, where no other user may go
    folder.chmod(0o755)
    (folder / "sub").mkdir()
    (folder / "show.py").write_text(SHOW)
    (folder / "ear.py").write_text(EAR)
    (folder / "env").write_text("# of it\nC=file\nD=\"d e\"\nexport E=e\n")
    syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    syslog.bind(f"{folder}/log")
    syslog.setblocking(False)
    s = Supervisor(many_programs(folder), folder, "keys", prefix=own_dev(folder) if may_mount() else ())
    s.syslog = syslog
    for name in ("deaf", "deaf1"):
        s.wait_text(f"{name}.log", "up")
        s.rpc.stopProcess(name, False)
    yield s
    status = s.stop()
    log = s.log()[-6000:]
    syslog.close()
    shutil.rmtree(folder, ignore_errors=True)
    assert status == 0, f"status {status}\n{log}"


def shown(s, name):
    """What SHOW said; from its log or, without one, by the API."""
    def look():
        text = s.text(f"{name}.log") or s.rpc.readProcessStdoutLog(name, 0, 0)
        return json.loads(text.splitlines()[0]) if "\n" in text else None

    return wait_for(f"what {name} is", look)


def between(s, first, second):
    return gaps(s, first, second)[0]


def heard(s):
    return [eval(line) for line in s.text("heard").splitlines()]


# ---- [program]: supervisord's, what runs ----------------------------------------------------------


@sees("program", "command", "process_name", "directory", "umask", "user", "environment", "serverurl", "env_file", "groups", "niceness",
      "oom_score_adj", "no_new_privs", "cpu_affinity", "capabilities", "chroot", "sockets", *(f"rlimit_{name}" for name in (
          "as core cpu data fsize memlock nofile nproc rss stack").split()))
def test_what_a_program_is_by_default(world):
    s, p = world, shown(world, "plain")
    ours = pathlib.Path(f"/proc/{s.pid}")
    status = dict(line.split(":\t", 1) for line in (ours / "status").read_text().splitlines() if ":\t" in line)
    assert p["argv"] == ["one", "two  words"] and s.info("plain")["group"] == "plain"
    assert p["cwd"] == os.readlink(ours / "cwd") and p["umask"] == 0o022
    assert [p["uid"], p["gid"]] == [os.geteuid(), os.getegid()] and p["groups"] == sorted(os.getgroups())
    env = {k: v for k, v in p["env"].items() if k.startswith("SUPERVISOR_")}
    assert env == {"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "plain", "SUPERVISOR_GROUP_NAME": "plain",
                   "SUPERVISOR_SERVER_URL": f"unix://{s.socket}"}
    assert p["env"]["PATH"] == os.environ["PATH"] and "LISTEN_FDS" not in p["env"]
    assert p["fds"] == [0, 1, 2] and p["pgid"] == p["pid"]
    assert p["nice"] == os.nice(0) and p["oom"] == int((ours / "oom_score_adj").read_text())
    assert p["cpus"] == sorted(os.sched_getaffinity(s.pid)) and p["root"] == os.listdir("/")
    for key in ("NoNewPrivs", "CapEff", "CapBnd"):
        assert p["status"][key] == status[key]
    for name, value in p["limits"].items():
        if name not in ("nofile", "ofile"):  # minfds may raise those
            assert tuple(value) == resource.prlimit(s.pid, getattr(resource, f"RLIMIT_{name.upper()}")), name


@sees("program", "directory", "umask", "environment", "serverurl")
def test_where_and_with_what(world):
    p = shown(world, "where")
    assert p["cwd"] == str(world.folder / "sub") and p["umask"] == 0o077
    assert p["env"]["A"] == "1,where" and p["env"]["B"] == "two" and p["env"]["SUPERVISOR_SERVER_URL"] == "unix:///nowhere"


@sees("program", "numprocs", "numprocs_start", "process_name")
def test_numbers_and_names(world):
    s = world
    assert [p["name"] for p in s.rpc.getAllProcessInfo() if p["group"] == "many"] == ["n07", "n08", "n09"]
    assert [shown(s, f"many{n}")["argv"] for n in (7, 8, 9)] == [["7"], ["8"], ["9"]]
    assert [p["name"] for p in s.rpc.getAllProcessInfo() if p["group"] == "plain"] == ["plain"]


@ROOT
@sees("program", "user", "groups")
def test_user_and_groups(world):
    p = shown(world, "user")
    assert p["uid"] == 65534 and p["gid"] == 65534 and p["groups"] == [3, 1234, 65534]
    assert p["env"].get("USER") == shown(world, "plain")["env"].get("USER")  # as supervisord: only environment= says another


@sees("program", *(f"rlimit_{name}" for name in "as core cpu data fsize memlock nofile nproc rss stack".split()))
def test_limits(world):
    found = {name: tuple(value) for name, value in shown(world, "limits")["limits"].items()}
    size = lambda n: (n << 20, n << 20)
    want = {"as": size(2048), "core": (0, 0), "cpu": (100, 200), "data": size(1024), "fsize": size(100), "memlock": (65536, 65536),
            "nofile": (50, 60), "nproc": (1000, 1000), "rss": size(1024), "stack": size(4)}
    assert want.items() <= found.items()


@sees("program", "no_new_privs", "cpu_affinity", "niceness", "oom_score_adj", "env_file")
def test_rights_and_env_file(world):
    p = shown(world, "rights")
    assert p["status"]["NoNewPrivs"] == "1" and p["cpus"] == [0] and p["nice"] == os.nice(0) + 5 and p["oom"] == 500
    assert [p["env"][k] for k in "CDE"] == ["over", "d e", "e"]
    world.wait_state("lean", "RUNNING")  # its file may be missing


@sees("program", "memory_max", "memory_high", "cpu_max", "cpu_weight", "pids_max")
def test_cgroup_keys_are_no_hindrance(world):
    world.wait_state("caged", "RUNNING")


# ---- [program]: supervisord's, when it runs ---------------------------------------------------------


@sees("program", "autostart", "startsecs")
def test_starts(world):
    s = world
    assert s.info("manual")["statename"] == "STOPPED" and s.info("manual")["description"] == "Not started"
    s.wait_state("plain", "RUNNING")
    s.wait_state("slow", "RUNNING")
    for name, seconds in (("plain", 1), ("slow", 2), ("code0", 0)):
        took = between(s, f"spawned name={name}:{name} ", f"entered RUNNING state name={name}:{name}\n")
        assert seconds - 0.05 <= took < seconds + 8, name


@sees("program", "startretries")
def test_retries(world):
    """4 starts by default, 1, 2 and 3 seconds apart."""
    s = world
    s.wait_state("quick", "FATAL", 15)
    for name, starts, seconds in (("quick", 4, 6), ("quick1", 2, 1)):
        assert len(re.findall(f"spawned name={name}:{name} ", s.log())) == starts
        assert seconds - 0.05 <= between(s, f"spawned name={name}:{name} ", f"entered FATAL state name={name}:{name}:") < seconds + 10


@sees("program", "autorestart", "exitcodes")
def test_restarts(world):
    s = world
    for name, again in (("code0", False), ("code1", True), ("always", True), ("code7", False)):
        pid = s.wait_state(name, "RUNNING")["pid"]
        s.rpc.sendProcessStdin(name, "go\n")
        if again:
            wait_for(f"{name} again", lambda: s.info(name)["pid"] not in (0, pid))
        else:
            s.wait_state(name, "EXITED")


@sees("program", "stopsignal", "stopwaitsecs")
def test_stops(world):
    s = world
    s.wait_text("usr1.log", "up")
    s.rpc.stopProcess("usr1")
    assert s.text("usr1.log") == "up\ngot\n" and "stopping with User defined signal 1 name=usr1:" in s.log()
    for name, seconds in (("deaf1", 1), ("deaf", 10)):
        s.wait_state(name, "STOPPED", 30)
        took = between(s, f"stopping with Terminated name={name}:{name} ", f"killing with SIGKILL name={name}:{name} ")
        assert seconds - 0.05 <= took < seconds + 8


# Notes in the file $1 that it hears TERM; its child in the same group does, too; nobody reads from it when
# the first has ended.
PAIR = ("sh -c \"trap \\\"echo child >>$1\\\" TERM; echo up; exec >/dev/null 2>&1; while :; do sleep 0.02; done\" & "
        "trap \"echo main >>$1; exit\" TERM; echo up; while :; do sleep 0.02; done")


@sees("program", "stopasgroup", "killasgroup", "kill_tree")
@pytest.mark.parametrize("lines, said, left", [
    ("kill_tree = off", ["main"], True), ("kill_tree = off\nstopasgroup = true", ["child", "main"], True),
    ("", ["child", "main"], False), ("kill_tree = group", ["child", "main"], False), ("kill_tree = subreaper", ["child", "main"], False)])
def test_who_hears_a_stop(supervisor, tmp_path, lines, said, left):
    (tmp_path / "pair.sh").write_text(PAIR)
    s = supervisor(program("p", f"/bin/sh {tmp_path}/pair.sh {tmp_path}/said", "startsecs = 0", "stopwaitsecs = 1",
                           "stdout_logfile = %(here)s/p.log", lines))
    s.wait_text("p.log", "up\nup\n")
    pid = s.info("p")["pid"]
    children = [int(n) for n in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    child = next(n for n in children if b"trap" in pathlib.Path(f"/proc/{n}/cmdline").read_bytes())
    s.rpc.stopProcess("p")
    if "child" in said:
        s.wait_text("said", "child\n")
    assert sorted(s.text("said").split()) == said
    assert pathlib.Path(f"/proc/{child}").exists() == left
    if left:
        os.killpg(pid, signal.SIGKILL)


@sees("program", "killasgroup")
@pytest.mark.parametrize("whole", [False, True])
def test_kill_of_the_group(supervisor, tmp_path, whole):
    (tmp_path / "deaf.sh").write_text("trap '' TERM\nsleep 1000 &\necho $!\nwhile :; do sleep 0.02; done\n")
    s = supervisor(program("p", f"/bin/sh {tmp_path}/deaf.sh", "startsecs = 0", "stopwaitsecs = 0", "kill_tree = off",
                           f"killasgroup = {whole}", "stdout_logfile = %(here)s/p.log"))
    child = int(s.wait_text("p.log", "\n"))
    s.rpc.stopProcess("p")
    if whole:
        wait_for("its end", lambda: not pathlib.Path(f"/proc/{child}").exists())
    else:
        assert pathlib.Path(f"/proc/{child}").exists()
        os.kill(child, signal.SIGKILL)


@sees("program", "priority")
@sees("group", "priority", "programs")
def test_order_of_start(supervisor):
    """Groups by their priority, then by name; in a group programs by theirs. The default is 999."""
    s = supervisor(program("a", "/bin/cat") + program("b", "/bin/cat", "priority = 998") + program("c", "/bin/cat", "priority = 1000")
                   + program("d", "/bin/cat", "priority = 5") + program("e", "/bin/cat", "priority = 4")
                   + "[group:g]\nprograms = d, e\npriority = 1\n[group:h]\nprograms = f\n" + program("f", "/bin/cat", "priority = 1"))
    s.wait_log("spawned name=c:c ")
    assert re.findall(r"spawned name=(\S+)", s.log()) == ["g:e", "g:d", "b:b", "a:a", "h:f", "c:c"]


# ---- [program]: supervisord's, what it says ------------------------------------------------------------


@sees("program", "stdout_logfile", "stderr_logfile", "redirect_stderr")
def test_logs(world):
    s = world
    info = s.info("plain")
    for stream in ("stdout", "stderr"):
        assert re.fullmatch(rf"{s.folder}/plain-{stream}---supervisor-\w{{6}}\.log", info[f"{stream}_logfile"])
    wait_for("its complaint", lambda: pathlib.Path(info["stderr_logfile"]).read_text() == "complaint\n")
    assert s.wait_text("both.log", "complaint").splitlines()[1] == "complaint" and s.info("both")["stderr_logfile"] == ""
    assert s.wait_text("apart.err", "complaint") == "complaint\n" and s.text("apart.log").count("\n") == 1
    assert s.info("none")["stdout_logfile"] == s.info("none")["stderr_logfile"] == ""
    assert wait_for("the ring", lambda: s.rpc.readProcessStdoutLog("none", 0, 0)) == "kept\n"
    assert wait_for("the ring", lambda: s.rpc.readProcessStderrLog("none", 0, 0)) == "also\n"


def sizes(s, name):
    """Bytes of a log and of its old ones, newest first."""
    files = sorted(s.folder.glob(f"{name}*"), key=lambda p: int(p.suffix[1:]) if p.suffix[1:].isdigit() else 0)
    return [p.stat().st_size for p in files]


@sees("program", "stdout_logfile_maxbytes", "stderr_logfile_maxbytes", "stdout_logfile_backups", "stderr_logfile_backups")
def test_rotation(world):
    s = world
    for name, last, old in (("rotate.log", 3999, 10), ("rotate.err", 3999, 10), ("rotate2.log", 999, 2), ("rotate2.err", 999, 3)):
        s.wait_text(name, f"line {last}\n")
        found = sizes(s, name)
        assert len(found) == old + 1 and max(found) <= 1024, name
    for name in ("big.log", "big.err"):  # 50MB are 50 * 1024 * 1024
        found = wait_for(f"all of {name}", lambda: (lambda f: f if sum(f) == 53000000 else None)(sizes(s, name)), 20)
        assert len(found) == 2 and 50 * 1024 * 1024 - 64 < found[1] <= 50 * 1024 * 1024


@sees("program", "stdout_capture_maxbytes", "stderr_capture_maxbytes", "stdout_events_enabled", "stderr_events_enabled")
def test_events_of_output(world):
    s = world
    for name in ("tags.log", "tags.err"):
        assert s.wait_text(name, "c") == TAGGED
    for name in ("tags8.log", "tags8.err"):
        assert s.wait_text(name, "c") == "ac"
    wait_for("four events", lambda: sum("LOG" in name or "COMM" in name for name, _ in heard(s)) >= 4)
    found = {(name, re.sub(r"pid:\d+", "pid:N", body)) for name, body in heard(s) if "PROCESS_STATE" not in name}
    assert found == {(f"PROCESS_COMMUNICATION_{stream.upper()}", "processname:tags8 groupname:tags8 pid:N\nb") for stream in
                     ("stdout", "stderr")} | {
        (f"PROCESS_LOG_{stream.upper()}", f"processname:events groupname:events pid:N channel:{stream}\n{stream[3:]}\n") for stream in
        ("stdout", "stderr")}


@pytest.mark.skipif(not may_mount(), reason="needs a mount namespace")
@sees("program", "stdout_syslog", "stderr_syslog", "stdout_logfile")
def test_syslog(world):
    s, found = world, []

    def look():
        try:
            found.append(s.syslog.recv(4096).decode())
        except BlockingIOError:
            pass
        return len(found) >= 3

    wait_for("three messages", look)
    assert sorted(found) == ["<27>syslog: to err", "<30>syslog1: only", "<30>syslog: to out"]
    assert s.wait_text("syslog.log", "to out\n") == "to out\n" and s.info("syslog1")["stdout_logfile"] == ""


# ---- what supervisord itself says of its keys -----------------------------------------------------------


CONFIG = ("[program:plain]\ncommand = /bin/cat\nautostart = false\n"
          "[program:full]\ncommand = /bin/cat -u\nprocess_name = p%(process_num)d\nnumprocs = 2\npriority = 7\nautostart = false\n"
          "autorestart = true\nstartsecs = 3\nstartretries = 4\nexitcodes = 1,5\nstopsignal = USR2\nstopwaitsecs = 6\nstopasgroup = true\n"
          "user = nobody\nredirect_stderr = true\nstdout_logfile = %(here)s/full.log\nstdout_logfile_maxbytes = 2MB\n"
          "stdout_logfile_backups = 3\nstdout_capture_maxbytes = 1KB\nstdout_events_enabled = true\nstdout_syslog = true\n"
          "directory = /tmp\nserverurl = http://localhost:1\n"
          "[program:err]\ncommand = /bin/cat\nautostart = false\nstdout_logfile = NONE\nstderr_logfile = %(here)s/err.log\n"
          "stderr_logfile_maxbytes = 3MB\nstderr_logfile_backups = 4\nstderr_capture_maxbytes = 2KB\nstderr_events_enabled = true\n"
          "stderr_syslog = true\nkillasgroup = true\n[group:g]\nprograms = err\npriority = 3\n")


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/bin/supervisord"), reason="needs root and Debian's supervisor")
def test_supervisord_reads_the_same(supervisor, tmp_path):
    """getAllConfigInfo of Debian's supervisord over the same file: each default and each value."""
    ours = supervisor(CONFIG).rpc.getAllConfigInfo()
    conf = tmp_path / "theirs.conf"
    conf.write_text(f"[unix_http_server]\nfile={tmp_path}/theirs.sock\n[supervisord]\nnodaemon=true\nlogfile={tmp_path}/theirs.log\n"
                    f"pidfile={tmp_path}/theirs.pid\nuser=root\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
                    "supervisor.rpcinterface:make_main_rpcinterface\n" + CONFIG)
    server = subprocess.Popen(["/usr/bin/supervisord", "-c", conf], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        rpc = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(f"{tmp_path}/theirs.sock")).supervisor
        wait_for("it to answer", lambda: answers(rpc), 20)
        theirs = rpc.getAllConfigInfo()
    finally:
        server.terminate()
        server.wait(15)
    by_name = lambda all: {f"{one['group']}:{one['name']}": one for one in all}
    ours, theirs = by_name(ours), by_name(theirs)
    assert ours.keys() == theirs.keys() and all(ours[name].keys() == theirs[name].keys() for name in ours)
    made = lambda path: "auto" if re.fullmatch(r"/tmp/plain-std\w+---supervisor-\w+\.log", str(path)) else path  # theirs at once
    differ = [(name, key, ours[name][key], value) for name in theirs for key, value in theirs[name].items()
              if ours[name][key] != made(value)]
    assert not differ
