"""The keys of the supervisor's other sections and our own keys of a program, seen at work; and that none is left out."""
import base64
import http.server
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import urllib.request
import xmlrpc.client

import pytest

import test_supervisor_keys  # noqa: F401: its marks
import test_supervisor_rpc  # noqa: F401
from daemon import TROUPE
from seen import SEEN, elsewhere, keys_of, missing, sees
from servers import die_with_parent, free_port, wait_for
from supervisor import UnixTransport, gaps, moments
from test_supervisor_keys import ROOT, SHOW, program, sh

CAT = "[program:cat]\ncommand = /bin/cat\nstartsecs = 0\n"

FILE = "test_supervisor.py::"
elsewhere("supervisord", "nodaemon logfile childlogdir state", FILE + "test_killed_and_started_again")
elsewhere("supervisord", "on_exit", FILE + "test_on_exit_leave")
elsewhere("supervisord", "adopt", "test_supervisor_one.py::test_essential")
elsewhere("supervisord", "log_block", FILE + "test_full_disk_under_the_logs")
elsewhere("program", "stdout_format", FILE + "test_logs_of_each_kind")
elsewhere("program", "ready depends_on", FILE + "test_ready_by")
elsewhere("program", "sockets", FILE + "test_sockets_are_passed_on")
elsewhere("program", "max_age", FILE + "test_max_rss_and_max_age")
elsewhere("program", "type", FILE + "test_oneshot_before_a_service")
FILE = "test_supervisor_cli.py::"
elsewhere("program", "reload_signal reload_command", FILE + "test_reload_by_signal_and_command")
elsewhere("program", "rolling", FILE + "test_rolling_waits_for_each_to_be_ready")
elsewhere("program", "essential", "test_supervisor_one.py::test_essential")
elsewhere("supervisorctl", "serverurl", FILE + "test_says_what_supervisorctl_says")
elsewhere("supervisord", "directory", FILE + "test_options_beat_the_file")
FILE = "test_supervisor_events.py::"
elsewhere("program", "schedule interval", FILE + "test_interval_and_oneshot")
elsewhere("program", "overlap", FILE + "test_overlap")
elsewhere("program", "numprocs_max scale_on scale_down_after", FILE + "test_scaled_by_a_command")
elsewhere("program", "watch", FILE + "test_files_that_change")
elsewhere("program", "capabilities", FILE + "test_cores_and_capabilities")
elsewhere("eventlistener", "events", FILE + "test_states_in_supervisords_words")
elsewhere("eventlistener", "buffer_size", FILE + "test_oldest_event_goes_when_nobody_listens")
FILE = "test_supervisor_limits.py::"
elsewhere("program", "memory_max memory_high cpu_max cpu_weight pids_max", FILE + "test_limits_are_written_and_follow_a_change")
elsewhere("supervisord", "cgroup", FILE + "test_without_cgroups_a_program_runs_and_the_log_says_so")


def fails(conf: pathlib.Path, *prefix):
    """What a supervisor that does not start says."""
    got = subprocess.run([*prefix, TROUPE, "supervisord", "-n", "-c", conf], capture_output=True, text=True, timeout=20)
    assert got.returncode != 0
    return got.stdout + got.stderr


# ---- [supervisord] -------------------------------------------------------------------------------


@pytest.fixture
def foreground(tmp_path):
    """start(text, *prefix, folder=): supervisord -n over a file, as a process with `rpc`."""
    started = []

    def start(text, *prefix, folder=tmp_path):
        conf = folder / "f.conf"
        conf.write_text(f"[unix_http_server]\nfile = {folder}/f.sock\n{text}")
        one = subprocess.Popen([*map(str, prefix), TROUPE, "supervisord", "-n", "-c", str(conf)], stdout=subprocess.PIPE, cwd=folder,
                               stderr=subprocess.STDOUT, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL)
        started.append(one)
        one.rpc = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(f"{folder}/f.sock")).supervisor

        def up():
            assert one.poll() is None, one.stdout.read().decode()
            try:
                return one.rpc.getState()
            except OSError:
                return None

        wait_for("it to answer", up)
        return one

    yield start
    for one in started:
        one.terminate()
        text = one.communicate(timeout=15)[0]
        assert one.returncode == 0, text


@sees("supervisord", "logfile", "logfile_maxbytes", "logfile_backups", "loglevel", "silent", "pidfile")
def test_own_log_and_pidfile(foreground, tmp_path):
    s = foreground("[supervisord]\nlogfile = a.log\nlogfile_maxbytes = 2KB\nlogfile_backups = 2\nloglevel = debug\nsilent = true\n"
                   f"pidfile = {tmp_path}/a.pid\n" + CAT)
    assert (tmp_path / "a.pid").read_text() == f"{s.pid}\n"
    for _ in range(40):
        s.rpc.stopProcess("cat")
        s.rpc.startProcess("cat")
    text = "".join((tmp_path / name).read_text() for name in ("a.log.2", "a.log.1", "a.log"))
    assert not (tmp_path / "a.log.3").exists() and " debug supervisor" in text
    assert max((tmp_path / name).stat().st_size for name in ("a.log.2", "a.log.1", "a.log")) <= 2048
    assert os.get_blocking(s.stdout.fileno()) and not select_ready(s.stdout)


def select_ready(file) -> bool:
    import select
    return bool(select.select([file], [], [], 0)[0])


@sees("supervisord", "logfile", "loglevel", "silent", "identifier", "umask", "environment", "strip_ansi", "nocleanup")
def test_main_keys_by_default(foreground, tmp_path):
    (tmp_path / "show.py").write_text(SHOW)
    s = foreground(f"[supervisord]\nchildlogdir = {tmp_path}\n" + program("show", f"/usr/bin/python3 {tmp_path}/show.py", "startsecs = 0")
                   + program("ansi", "printf '\\033[1mbold\\033[0m\\n'", "startsecs = 0", "autorestart = false"))
    assert s.rpc.getIdentification() == "supervisor"
    shown = json.loads(wait_for("its output", lambda: s.rpc.readProcessStdoutLog("show", 0, 0)))
    assert shown["umask"] == 0o022
    path = pathlib.Path(s.rpc.getProcessInfo("ansi")["stdout_logfile"])
    assert wait_for("its output", path.read_text) == "\x1b[1mbold\x1b[0m\n"
    wait_for("its log", lambda: "spawned name=show" in (tmp_path / "supervisord.log").read_text())
    assert " debug " not in (tmp_path / "supervisord.log").read_text()


@sees("supervisord", "loglevel", "identifier", "umask", "environment", "strip_ansi", "childlogdir", "nocleanup", "logfile")
def test_main_keys_that_are_set(foreground, tmp_path):
    (tmp_path / "show.py").write_text(SHOW)
    old = tmp_path / "x-stdout---me-abcdef.log"
    old.write_text("of an earlier run")
    s = foreground(f"[supervisord]\nchildlogdir = {tmp_path}\nidentifier = me\numask = 027\nenvironment = A=\"a b\",C=c\nstrip_ansi = true\n"
                   "nocleanup = true\nloglevel = error\nlogfile = b.log\n"
                   + program("show", f"/usr/bin/python3 {tmp_path}/show.py", "startsecs = 0", "environment = C=own")
                   + program("ansi", "printf '\\033[1mbold\\033[0m\\n'", "startsecs = 0", "autorestart = false"))
    assert s.rpc.getIdentification() == "me" and old.exists()
    shown = json.loads(wait_for("its output", lambda: s.rpc.readProcessStdoutLog("show", 0, 0)))
    assert shown["umask"] == 0o027 and shown["env"]["A"] == "a b" and shown["env"]["C"] == "own"
    assert "---me-" in s.rpc.getProcessInfo("show")["stdout_logfile"]
    assert wait_for("its output", lambda: s.rpc.readProcessStdoutLog("ansi", 0, 0)) == "bold\n"
    assert (tmp_path / "b.log").read_text() == ""


@ROOT
@sees("supervisord", "user")
def test_whom_it_becomes(foreground):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-"))
    shutil.chown(folder, "nobody", "nogroup")
    (folder / "show.py").write_text(SHOW)
    folder.chmod(0o755)
    try:
        s = foreground(f"[supervisord]\nuser = nobody\nlogfile = {folder}/l\nchildlogdir = {folder}\n"
                       + program("show", f"/usr/bin/python3 {folder}/show.py", "startsecs = 0"), folder=folder)
        shown = json.loads(wait_for("its output", lambda: s.rpc.readProcessStdoutLog("show", 0, 0)))
        assert shown["uid"] == 65534 and os.stat(f"/proc/{s.pid}").st_uid == 65534
    finally:
        shutil.rmtree(folder)


@sees("supervisord", "minfds", "minprocs")
def test_limits_of_ours(foreground, tmp_path):
    s = foreground(f"[supervisord]\nlogfile = {tmp_path}/l\n" + CAT, "prlimit", "--nofile=256:4096")
    assert resource.prlimit(s.pid, resource.RLIMIT_NOFILE)[0] >= 1024
    conf = tmp_path / "no.conf"
    for key, limit in (("minfds", "--nofile=300:300"), ("minprocs", "--nproc=300:300")):
        conf.write_text(f"[supervisord]\nlogfile = {tmp_path}/no.log\n{key} = 301\n")
        weak = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"] if os.geteuid() == 0 else []
        assert f"{key} = 301, but only 300 are allowed to us" in fails(conf, *weak, "prlimit", limit)


@sees("supervisord", "adopt", "subreaper", "metrics", "max_processes")
def test_our_own_main_keys(supervisor, tmp_path):
    port = free_port()
    fork = program("fork", "/bin/sh -c '(sleep 1000 & echo $!); cat'", "startsecs = 0", "stdout_logfile = %(here)s/fork.log", "kill_tree = off")
    s = supervisor(fork, main=f"adopt = no\nsubreaper = no\nmetrics = 127.0.0.1:{port}\nmax_processes = 1")
    orphan = int(s.wait_text("fork.log", "\n"))
    ppid = lambda: int(pathlib.Path(f"/proc/{orphan}/stat").read_text().rsplit(")", 1)[1].split()[1])
    wait_for("another parent", lambda: ppid() not in (s.info("fork")["pid"], s.pid))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as got:
        assert b'program_up{name="fork:fork"} 1' in got.read()
    s.change(fork + CAT)
    assert "max_processes" in s.log() and [p["name"] for p in s.rpc.getAllProcessInfo()] == ["fork"]
    pid = s.info("fork")["pid"]
    s.process.kill()
    s.process.wait()
    s.conf_path.write_text(s.head + fork)
    s.launch()
    s.wait_up()
    assert s.wait_state("fork", "RUNNING")["pid"] != pid
    for one in (orphan, pid):
        if pathlib.Path(f"/proc/{one}").exists():
            os.kill(one, signal.SIGKILL)
    os.kill(int(s.wait_text("fork.log", "\n").split()[-1]), signal.SIGKILL)


@ROOT
@sees("supervisord", "allow_uid", "allow_gid")
@sees("unix_http_server", "chmod", "chown", "file", "username", "password")
def test_who_may_use_the_socket(foreground):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-"))
    folder.chmod(0o755)

    def status_as(uid, gid, auth=""):
        client = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ntry: s.connect(sys.argv[1])\n"
                  "except PermissionError: sys.exit('EACCES')\n"
                  "s.sendall(b'GET /v1/state HTTP/1.1\\r\\nHost: \\r\\nConnection: close\\r\\n' + sys.argv[2].encode() + b'\\r\\n')\n"
                  "print(s.recv(100).decode().split(' ')[1] if s else '')\n")
        got = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "/usr/bin/python3", "-c", client,
                              f"{folder}/f.sock", auth], capture_output=True, text=True, timeout=20)
        return got.stdout.strip() or got.stderr.strip().splitlines()[-1]

    try:
        s = foreground(f"[supervisord]\nlogfile = {folder}/l\n" + CAT, folder=folder)
        found = os.stat(folder / "f.sock")
        assert stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid == os.geteuid() and status_as(33, 33) == "EACCES"
        s.terminate()
        s.wait(10)
        s = foreground(f"chmod = 0777\nchown = nobody:daemon\n[supervisord]\nlogfile = {folder}/l\nallow_uid = www-data\nallow_gid = games\n"
                       + CAT, folder=folder)
        found = os.stat(folder / "f.sock")
        assert stat.S_IMODE(found.st_mode) == 0o777 and (found.st_uid, found.st_gid) == (65534, 1)
        assert status_as(33, 33) == status_as(34, 60) == status_as(0, 0) == "200"
        assert status_as(34, 34) == "403"
        s.terminate()
        s.wait(10)
        text = f"username = u\npassword = p\nchmod = 0777\n[supervisord]\nlogfile = {folder}/l\n" + CAT
        with pytest.raises(AssertionError):  # its rpc has no password
            foreground_quick(foreground, text, folder)
        right = "Authorization: Basic " + base64.b64encode(b"u:p").decode() + "\r\n"
        assert status_as(33, 33) == "401" and status_as(33, 33, right) == "200"
    finally:
        shutil.rmtree(folder)


def foreground_quick(foreground, text, folder):
    """Starts one that asks for a password, which shows as a fault of the first call."""
    try:
        foreground(text, folder=folder)
    except xmlrpc.client.ProtocolError as why:
        assert why.errcode == 401
        raise AssertionError("401") from None


@sees("inet_http_server", "port", "open", "username", "password")
def test_open_to_everybody(foreground, tmp_path):
    conf, port = tmp_path / "no.conf", free_port()
    conf.write_text(f"[supervisord]\nlogfile = {tmp_path}/l\n[inet_http_server]\nport = *:{port}\n")
    assert "open = yes" in fails(conf)
    foreground(f"[supervisord]\nlogfile = {tmp_path}/l\n[inet_http_server]\nport = 0.0.0.0:{port}\nopen = yes\n" + CAT)
    assert xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}").supervisor.getState()["statecode"] == 1
    sha = "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"  # of "secret"
    other = free_port()
    s = tmp_path / "second"
    s.mkdir()
    foreground(f"[supervisord]\nlogfile = {s}/l\n[inet_http_server]\nport = {other}\nusername = u\npassword = {sha}\n" + CAT, folder=s)
    assert xmlrpc.client.ServerProxy(f"http://u:secret@127.0.0.1:{other}").supervisor.getState()["statecode"] == 1


@sees("supervisorctl", "username", "password", "prompt", "history_file")
@sees("rpcinterface", "supervisor.rpcinterface_factory")
@sees("eventlistener", "result_handler")
@sees("include", "files")
def test_client_and_what_is_only_read(foreground, tmp_path):
    port = free_port()
    (tmp_path / "more").mkdir()
    for name in "ab":
        (tmp_path / "more" / f"{name}.conf").write_text(program(name, "/bin/cat", "startsecs = 0"))
    client = f"[supervisorctl]\nserverurl = http://127.0.0.1:{port}\nusername = u\npassword = p\nprompt = ours\nhistory_file = {tmp_path}/h\n"
    foreground(f"[supervisord]\nlogfile = {tmp_path}/l\n[inet_http_server]\nport = {port}\nusername = u\npassword = p\n{client}"
               "[include]\nfiles = more/*.conf\n[rpcinterface:other]\nsupervisor.rpcinterface_factory = their.module:make\n"
               + program("ear", "/bin/cat", "events = TICK_60", "result_handler = their:handler", kind="eventlistener"))
    got = subprocess.run([TROUPE, "supervisorctl", "-c", tmp_path / "f.conf"], input="status\n", capture_output=True, text=True, timeout=20)
    assert got.stdout.startswith("ours> ") or "\nours> " in got.stdout
    assert re.search(r"^a +RUNNING", got.stdout, re.M) and re.search(r"^b +RUNNING", got.stdout, re.M)
    got = subprocess.run([TROUPE, "supervisord", "-t", "-c", tmp_path / "f.conf"], capture_output=True, text=True, timeout=20)
    text = got.stdout + got.stderr
    assert got.returncode == 0 and "their.module:make" in text and "supervisor.dispatchers:default_handler is there" in text


@ROOT
@sees("fcgi-program", "socket", "socket_owner", "socket_mode", "socket_backlog", "priority")
@sees("eventlistener", "priority")
def test_shared_sockets(supervisor, tmp_path):
    accept = ("import socket, sys, time; s = socket.socket(fileno=0); s.setblocking(True)\nwhile True:\n c, _ = s.accept(); "
              "c.sendall(sys.argv[1].encode()); c.close()\n")
    (tmp_path / "fcgi.py").write_text(accept)
    run, port = f"/usr/bin/python3 {tmp_path}/fcgi.py %(process_num)d", free_port()
    more = ["numprocs = 2", "process_name = p%(process_num)d", "startsecs = 0"]
    s = supervisor(program("last", "/bin/cat", "priority = 1")
                   + program("one", run, f"socket = unix://{tmp_path}/one.sock", *more, kind="fcgi-program")
                   + program("two", run, f"socket = unix://{tmp_path}/two.sock", "socket_owner = nobody:daemon", "socket_mode = 0770",
                             "socket_backlog = 7", "priority = 5", *more, kind="fcgi-program")
                   + program("tcp", run, f"socket = tcp://127.0.0.1:{port}", *more, kind="fcgi-program")
                   + program("ear", "/bin/cat", "events = TICK_60", kind="eventlistener"))
    s.wait_state("tcp:p1", "RUNNING")
    assert re.findall(r"spawned name=(\w+)", s.log()) == ["ear", "last", "two", "two", "one", "one", "tcp", "tcp"]
    one, two = os.stat(tmp_path / "one.sock"), os.stat(tmp_path / "two.sock")
    assert (stat.S_IMODE(one.st_mode), one.st_uid) == (0o700, os.geteuid())
    assert (stat.S_IMODE(two.st_mode), two.st_uid, two.st_gid) == (0o770, 65534, 1)
    listening = subprocess.run(["ss", "-xlnH"], capture_output=True, text=True).stdout if shutil.which("ss") else ""
    if listening:
        assert re.search(rf"\s7\s+{tmp_path}/two.sock", listening)

    def ask(family, where):
        with socket.socket(family) as client:
            client.connect(where)
            return client.recv(10)

    for family, where in ((socket.AF_UNIX, f"{tmp_path}/one.sock"), (socket.AF_UNIX, f"{tmp_path}/two.sock"),
                          (socket.AF_INET, ("127.0.0.1", port))):
        wait_for("both to answer", lambda: ask(family, where) == b"0")
        wait_for("both to answer", lambda: ask(family, where) == b"1")


# ---- our own keys of a program ----------------------------------------------------------------------


@sees("program", "restart_delay", "restart_backoff", "restart_reset")
def test_delays(supervisor):
    """Never too short; too long only when the machine was: then not each time."""
    ends = "/bin/sh -c 'exit 1'"
    s = supervisor(program("plain", ends, "startsecs = 0", "restart_delay = 300ms")
                   + program("grows", ends, "startsecs = 0", "restart_delay = 100ms", "restart_backoff = 2.0, 350ms, jitter 0%")
                   + program("alone", ends, "startsecs = 0", "restart_backoff = 3.0, 10s, jitter 0%")
                   + program("reset", "/bin/sh -c 'sleep 0.3; exit 1'", "startsecs = 0", "restart_delay = 100ms",
                             "restart_backoff = 4.0, 10s, jitter 0%", "restart_reset = 100ms"))
    for name, first, then in (("plain", [], 0.3), ("grows", [0.1, 0.2], 0.35), ("alone", [1], 3), ("reset", [], 0.1)):
        count = len(first) + (1 if name == "alone" else 5)
        wait_for(f"starts of {name}", lambda: len(moments(s, f"spawned name={name}:")) > count, 30)
        found = gaps(s, f"exited name={name}:", f"spawned name={name}:", 1)[:count]
        assert all(f >= w - 0.02 for f, w in zip(found, first + [then] * 5)), (name, found)
        assert min(found[len(first):]) < then + 0.3, (name, found)


@sees("program", "flap")
def test_flapping(supervisor):
    s = supervisor(program("p", "/bin/sh -c 'exit 1'", "startsecs = 0", "flap = 4/60s, retry 400ms")
                   + program("q", "/bin/sh -c 'exit 1'", "startsecs = 0", "flap = 3/60s"))
    s.wait_state("q", "FATAL")
    wait_for("a try more", lambda: len(moments(s, "spawned name=p:")) >= 6)
    assert len(moments(s, "spawned name=q:")) == 3 and s.state("q") == "FATAL"
    gave_up = gaps(s, "gave up: .* name=p:", "spawned name=p:", 4)
    assert len(moments(s, "gave up: .* name=p:")) >= 2 and all(0.35 < gap < 10 for gap in gave_up), gave_up


# Says that it is ready when the file $1 is there, and goes on to say that it lives until $2 is; $3: it has, for a while.
DOG = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
s.send(b"READY=1")
end = time.monotonic() + 1.5 * int(os.environ["WATCHDOG_USEC"]) / 1e6
while not os.path.exists(sys.argv[2]):
    s.send(b"WATCHDOG=1")
    time.sleep(0.05)
    if time.monotonic() > end:
        open(sys.argv[3], "w")
time.sleep(1000)
"""


@sees("program", "ready_timeout", "watchdog")
def test_silence(supervisor, tmp_path):
    (tmp_path / "dog.py").write_text(DOG)
    dog = f"/usr/bin/python3 {tmp_path}/dog.py"
    s = supervisor(program("dog", f"{dog} {tmp_path}/dog.py {tmp_path}/stop {tmp_path}/well", "startsecs = 0", "watchdog = 2s")
                   + program("slow", f"{dog} {tmp_path}/go {tmp_path}/go {tmp_path}/no", "startsecs = 0", "watchdog = 300ms", "ready = notify",
                             "ready_timeout = 0")
                   + program("mute", "/bin/sleep 1000", "startsecs = 0", "ready = notify", "ready_timeout = 300ms")
                   + program("whenever", "/bin/sleep 1000", "startsecs = 0", "ready = notify"))
    wait_for("a dog that is heard", (tmp_path / "well").exists, 30)
    assert "restarting name=dog" not in s.log() and "restarting name=slow" not in s.log(), "one that is not ready has not to bark"
    (tmp_path / "stop").touch()
    (tmp_path / "go").touch()
    for name in ("dog", "slow"):
        s.wait_log(f"restarting name={name}: the watchdog heard nothing", 20)
    wait_for("what comes of it", lambda: len(moments(s, "spawned name=mute:")) > 1)
    assert gaps(s, "spawned name=mute:", "restarting name=mute: it is not ready")[0] > 0.25
    assert s.state("whenever") == "RUNNING" and len(moments(s, "spawned name=whenever:")) == 1


@sees("program", "health", "health_interval", "health_timeout", "health_failures", "health_grace", "health_action")
def test_health(supervisor, tmp_path):
    check = f"exec:/bin/sh -c \"echo x >>{tmp_path}/%(program_name)s; exit 1\""
    often = "health_interval = 100ms"
    s = supervisor(program("three", "/bin/cat", "startsecs = 0", f"health = {check}", often, "health_action = none")
                   + program("grace", "/bin/cat", "startsecs = 0", f"health = {check}", often, "health_grace = 600ms", "health_failures = 1")
                   + program("kill", "/bin/cat", "startsecs = 0", f"health = {check}", often, "health_action = kill", "health_failures = 2")
                   + program("exec", "/bin/cat", "startsecs = 0", f"health = {check}", often,
                             f"health_action = exec:/usr/bin/touch {tmp_path}/done")
                   + program("hangs", "/bin/cat", "startsecs = 0", "health = exec:/bin/sleep 1000", often, "health_timeout = 200ms",
                             "health_failures = 2")
                   + program("never", "/bin/cat", "startsecs = 0", "health = tcp:127.0.0.1:1", "health_failures = 1"))
    s.wait_log("killing name=kill:?\\w*: it is not healthy")
    s.wait_log("exited name=kill:kill pid=\\d+ killed by SIGKILL")
    s.wait_log("restarting name=grace:?\\w*: it is not healthy")
    assert gaps(s, "spawned name=grace:", "restarting name=grace")[0] > 0.55
    s.wait_log("restarting name=hangs:?\\w*: it is not healthy")
    assert gaps(s, "spawned name=hangs:", "restarting name=hangs")[0] > 0.4
    wait_for("the command", lambda: (tmp_path / "done").exists())
    s.wait_log("restarting name=never")  # its first check is at once, the next 10 s later
    wait_for("three failures", lambda: len(s.text("three").split()) >= 4)
    assert len(moments(s, "spawned name=three:")) == 1 and len(moments(s, "restarting name=three")) == 0


class Health(http.server.BaseHTTPRequestHandler):
    """GET /NUMBER is answered with that status, /close and /hang not at all."""
    hosts = set()

    def do_GET(self):
        self.hosts.add(self.headers["Host"])
        if self.path[1:].isdigit():
            self.send_response(int(self.path[1:]))
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"yes")
        elif self.path == "/hang":
            time.sleep(5)

    def log_message(self, *_):
        pass


def test_health_by_http(supervisor):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, asks = f"127.0.0.1:{server.server_address[1]}", "startsecs = 0\nhealth_action = none\nhealth_interval = 200ms"
    s = supervisor("".join(program(f"h{path}", "/bin/cat", asks, f"health = http://{host}/{path}", "health_timeout = 400ms")
                           for path in ("200", "302", "404", "503", "close", "hang"))
                   + program("gone", "/bin/cat", asks, f"health = http://127.0.0.1:{free_port()}/"))
    for name, why in (("h404", "it answers with status 404"), ("h503", "it answers with status 503"),
                      ("hclose", "the connection was closed without an answer"),
                      ("hhang", "no answer within health_timeout"), ("gone", "connection refused")):
        s.wait_log(f"health check failed name={name}:?\\w*: {why}")
    assert not re.search("failed name=h(200|302)", s.log()) and Health.hosts == {host}
    server.shutdown()
    server.server_close()


@ROOT
@sees("program", "chroot", "max_rss", "stdout_compress", "stderr_compress", "stdout_format", "stderr_format")
def test_root_memory_and_packed_logs(supervisor, tmp_path):
    eat = "/usr/bin/python3 -c 'a = bytearray(80 << 20); input()'"
    lots = sh("i=0; while [ $i -lt 500 ]; do echo a line of it; echo a line of it >&2; i=$((i+1)); done; cat")
    s = supervisor(program("root", "/bin/sh -c 'echo /*; cat'", "startsecs = 0", "chroot = /usr", "stdout_logfile = %(here)s/root")
                   + program("fat", eat, "startsecs = 0", "max_rss = 40MB") + program("lean", "/bin/cat", "startsecs = 0", "max_rss = 40MB")
                   + program("zip", lots, "startsecs = 0", "stdout_logfile = %(here)s/zip.log", "stderr_logfile = %(here)s/zip.err",
                             "stdout_logfile_maxbytes = 1KB", "stderr_logfile_maxbytes = 1KB", "stdout_compress = zstd", "stderr_compress = zstd")
                   + program("form", sh("echo out; echo err >&2; cat"), "startsecs = 0", "stdout_logfile = %(here)s/form.log",
                             "stderr_logfile = %(here)s/form.err", "stdout_format = prefix", "stderr_format = json"))
    assert "/bin" in s.wait_text("root", "\n").split() and "/proc" not in s.text("root")
    assert re.search(r"form\S* \S*\s*.*out\n", s.wait_text("form.log", "out")) and s.text("form.log") != "out\n"
    assert json.loads(s.wait_text("form.err", "err"))["line"] == "err"
    for name in ("zip.log", "zip.err"):
        packed = wait_for("a packed log", lambda: list(s.folder.glob(f"{name}.*zst")))
        assert subprocess.run(["zstd", "-dc", packed[0]], capture_output=True).stdout.startswith(b"a line of it\n") \
            if shutil.which("zstd") else packed[0].read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    s.wait_log("restarting name=fat:?\\w*: it uses more memory than max_rss", 15)
    assert "restarting name=lean" not in s.log()


# ---- none is left out -------------------------------------------------------------------------------


VERBS = {
    "test_supervisor_cli.py::test_says_what_supervisorctl_says":
        "status start stop restart signal clear pid tail avail reread update add remove version open fg",
    "test_supervisor_cli.py::test_tail_f_and_maintail_f": "maintail",
    "test_supervisor_cli.py::test_logs_since": "logs",
    "test_supervisor_cli.py::test_logs_of_several_and_events": "events",
    "test_supervisor_cli.py::test_a_wait_does_not_hold_the_end": "shutdown",
    "test_supervisor_cli.py::test_status_top_and_json": "top call",
    "test_supervisor_cli.py::test_scale_touches_nobody_else": "scale",
    "test_supervisor_cli.py::test_reload_by_signal_and_command": "reload",
    "test_supervisor_cli.py::test_rolling_waits_for_each_to_be_ready": "rolling",
    "test_supervisor_cli.py::test_wait": "wait",
    "test_supervisor_cli.py::test_run": "run",
    "test_supervisor_limits.py::test_upgrade_by_a_person": "upgrade",
}
for where, verbs in VERBS.items():
    elsewhere("ctl", verbs, where)


def test_no_key_no_verb_and_no_method_is_left_out(supervisor):
    sections = {"supervisord", "unix_http_server", "inet_http_server", "supervisorctl", "rpcinterface", "program", "fcgi-program",
                "eventlistener", "group", "include"}
    reference = (pathlib.Path(__file__).resolve().parents[2] / "etc" / "troupe.ini").read_text()
    schema = {key for key in keys_of(reference) if key.split()[0] in sections} | {"include files"}
    shown = subprocess.run([TROUPE, "supervisorctl", "help"], capture_output=True, text=True, timeout=20).stdout
    words = re.search(r"=\n(.*)", shown, re.S)[1].split()
    schema |= {f"ctl {word}" for word in words if word not in ("help", "quit", "exit", "?")}
    schema |= {f"method {name}" for name in supervisor("").server.system.listMethods()}
    assert len(schema) > 200
    assert not schema - SEEN.keys(), "no test sees these"
    assert not SEEN.keys() - schema, "there is no such key, verb or method"
    assert not missing()
