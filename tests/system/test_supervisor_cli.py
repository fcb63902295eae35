"""The names, verbs and exit codes of the supervisor: supervisord, supervisorctl, troupe ctl, troupe run, --one."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time

import pytest

from daemon import TROUPE
from servers import die_with_parent, free_port, wait_for

DEBIAN = "/usr/bin/supervisorctl"
SAMPLE = pathlib.Path("/etc/supervisor/supervisord.conf")
WEB = ("[program:web]\ncommand = /bin/sh -c 'echo up %(process_num)d; exec sleep 1000'\n"
       "process_name = %(program_name)s_%(process_num)02d\nnumprocs = 2\nstartsecs = 0\n")
CAT = "[program:cat]\ncommand = /bin/cat\nstartsecs = 0\n"
OFF = "[program:off]\ncommand = /bin/cat\nautostart = false\nstartsecs = 0\n"


def run(*words, stdin=None, seconds=20, **more):
    return subprocess.run([str(w) for w in words], input=stdin, capture_output=True, text=True, timeout=seconds, **more)


def ctl(s, *words, **more):
    return run(TROUPE, "ctl", "-c", s.conf_path, *words, **more)


def ours(s, *words, **more):
    return run(TROUPE, "supervisorctl", "-c", s.conf_path, *words, **more)


def theirs(s, *words, **more):
    return run(DEBIAN, "-c", s.conf_path, *words, **more)


def ini(s):
    """The file, changed and not yet taken over."""
    return s.conf_path


def pids(s):
    return {f"{i['group']}:{i['name']}": i["pid"] for i in s.rpc.getAllProcessInfo()}


def masked(text):
    """Without what two calls one after the other may tell differently."""
    text = re.sub(r"pid \d+, uptime [\d:]+", "pid N", text)
    return re.sub(r"[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "WHEN", text)


# ---- supervisorctl: theirs and ours say the same --------------------------------------------------------


@pytest.mark.skipif(not os.path.exists(DEBIAN), reason="needs Debian's supervisor")
@pytest.mark.parametrize("words, status", [
    (["status"], 3), (["status", "cat"], 0), (["status", "web:*"], 0), (["status", "off"], 3), (["status", "no"], 4),
    (["status", "no:*"], 4), (["status", "web:web_00", "cat"], 0), (["start", "cat"], 0), (["start", "no"], 1),
    (["start", "no:*"], 2), (["start"], 2), (["start", "off"], 0), (["stop", "off"], 0), (["stop", "no:*"], 1),
    (["stop"], 1), (["stop", "web:*"], 0), (["stop", "all"], 0), (["start", "all"], 0), (["restart", "cat"], 0),
    (["restart", "web:*"], 0), (["restart"], 1), (["signal", "HUP"], 1), (["signal", "NOPE", "cat"], 1),
    (["signal", "CONT", "web:*"], 0), (["signal", "CONT", "all"], 0), (["signal", "CONT", "off"], 7), (["clear", "cat"], 0),
    (["clear", "all"], 0), (["clear", "no"], 1), (["pid", "off"], 7), (["pid", "no"], 1), (["tail", "no"], 1),
    (["tail", "web:web_00"], 0), (["tail", "-3", "web:web_00"], 0), (["tail", "web:web_00", "stderr"], 0),
    (["tail", "cat", "x"], 1), (["tail"], 1), (["tail", "-x", "cat"], 1), (["avail"], 0), (["avail", "x"], 1),
    (["reread"], 0), (["update"], 0), (["add", "cat"], 0), (["add", "no"], 1), (["remove", "cat"], 1), (["remove", "no"], 1),
    (["version"], 0), (["bogus"], 1), (["open", "x"], 1), (["fg"], 1), (["fg", "off"], 1)])
def test_says_what_supervisorctl_says(supervisor, words, status):
    s = supervisor(WEB + CAT + OFF)
    wait_for("all to run", lambda: all(i["statename"] == "RUNNING" for i in s.rpc.getAllProcessInfo() if i["name"] != "off"))
    one = theirs(s, *words)
    if words[0] in ("start", "stop", "clear", "remove") and "all" in words or words[0] in ("stop", "start", "restart"):
        theirs(s, "start", "web:*", "cat")
        theirs(s, "stop", "off")
    if words == ["start", "all"]:
        theirs(s, "stop", "all")
        one = theirs(s, *words)
        theirs(s, "stop", "all")
    if words == ["stop", "off"]:
        one = theirs(s, *words)
    two = ours(s, *words)
    assert two.returncode == one.returncode == status, one.stdout + two.stdout + two.stderr
    if words[:2] == ["tail", "cat"] or words in (["bogus"], ["start"], ["stop"], ["restart"], ["tail"]):
        return  # quotes, and our own lines of help
    first, second = (sorted(masked(x.stdout).splitlines()) for x in (one, two))
    assert first[:1] == second[:1] and (first == second or words[0] in ("signal", "fg", "avail"))


def test_shell(supervisor):
    s = supervisor(CAT)
    s.wait_state("cat", "RUNNING")
    got = ours(s, stdin="help\nhelp stop\nstop cat\n\nbogus\nstatus cat\nquit\n")
    assert got.returncode == 0
    assert "cat: stopped" in got.stdout and "stop all\t\tStop all processes" in got.stdout
    assert "*** Unknown syntax: bogus" in got.stdout and got.stdout.count("supervisor> ") == 7
    assert re.search(r"cat +STOPPED", got.stdout)
    assert ours(s, stdin="shutdown\nn\n").stdout.count("Really shut") == 1 and s.state("cat") == "STOPPED"


class Terminal:
    """A program at a terminal, and one who types."""

    def __init__(self, *words, **env):
        self.side, theirs = pty.openpty()
        self.process = subprocess.Popen([str(w) for w in words], stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=die_with_parent,
                                        start_new_session=True, env={**os.environ, "TERM": "vt100", **env})
        os.close(theirs)
        self.seen = ""

    def until(self, pattern, seconds=10):
        """What came up to the first match; the next look begins behind it."""
        def look():
            if select.select([self.side], [], [], 0.01)[0]:
                try:
                    self.seen += os.read(self.side, 65536).decode()
                except OSError:  # it has ended
                    assert re.search(pattern, self.seen), self.seen
            return re.search(pattern, self.seen)

        try:
            found = wait_for(f"{pattern!r} at the terminal", look, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}; there is {self.seen!r}") from None
        before, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return before

    def type(self, text):
        os.write(self.side, text.encode())

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.side)


@pytest.fixture
def terminal():
    started = []

    def start(*words, **env):
        started.append(Terminal(*words, **env))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_shell_completes(supervisor, terminal):
    s = supervisor(WEB + CAT + "[program:dog-x]\ncommand = /bin/cat\nautostart = false\n")
    s.wait_state("web:web_01", "RUNNING")
    shell = terminal(TROUPE, "supervisorctl", "-c", s.conf_path)
    shell.until("web_01.*RUNNING[^>]*supervisor> ")
    for typed, done in (("hel\tmaint\t\n", "maintail -f"), ("status cat do\t\n", "dog-x +STOPPED"), ("add w\t\n", "group already active"),
                        ("status web:w\t0\n", "web:web_00 +RUNNING"), ("st\t\t", "start +status +stop"), ("\x15status web:\t\t", r"web:\* +web:web_00"),
                        ("web_01\n", "web_01 +RUNNING"), ("no ca\t\n", "Unknown syntax: no ca\\s"), ("signal USR1 ca\t\n", "cat: signalled")):
        shell.type(typed)
        shell.until(done)
    shell.type("stop web:\t*\n")
    assert sorted(set(re.findall("web_0. stopped|web:web_0.: stopped", shell.until("(?s)(web:web_0.: stopped.*){2}")))) \
        == ["web:web_00: stopped", "web:web_01: stopped"]
    shell.type("exit\n")
    assert shell.process.wait(10) == 0


def test_shell_remembers(supervisor, terminal):
    s = supervisor(CAT)
    s.wait_state("cat", "RUNNING")
    kept = s.folder / "history"
    kept.write_text("".join(f"bogus {n}\n" for n in range(1500)))
    words = [TROUPE, "supervisorctl", "-c", s.conf_path, "-r", kept]
    for command in ("stop cat", "start cat"):
        shell = terminal(*words)
        shell.until("supervisor> ")
        shell.type("\x1b[A\n")  # the one before
        shell.until("Unknown syntax: bogus 1499" if command == "stop cat" else "cat: ERROR .not running.")
        shell.type(f"\n{command}\n")
        shell.until(f"cat: {command[:4]}[a-z]*\\s")
        shell.process.terminate()
        shell.process.wait(10)
    lines = kept.read_text().splitlines()
    assert lines[0] == "bogus 502" and lines[997:] == ["bogus 1499", "bogus 1499", "stop cat", "stop cat", "start cat"]
    path = s.folder / "x.conf"  # its own -r is read and not used
    path.write_text(s.conf_path.read_text().replace("[supervisorctl]\n", f"[supervisorctl]\nhistory_file = {kept}\n"))
    theirs = terminal(DEBIAN, "-c", path)
    theirs.until("supervisor> ", 20)
    theirs.type("\x1b[A\x1b[A\n")
    theirs.until("cat: stopped", 20)


def test_shell_remembers_where_the_file_says(supervisor, terminal):
    s = supervisor(CAT)
    path = s.folder / "x.conf"
    path.write_text(s.conf_path.read_text().replace("[supervisorctl]\n", "[supervisorctl]\nprompt = me\nhistory_file = ~/h\n"))
    shell = terminal(TROUPE, "supervisorctl", "-c", path, HOME=str(s.folder))
    shell.until("me> ")
    shell.type("version\n")
    shell.until("me> ")
    shell.type("\x04")
    assert shell.process.wait(10) == 0
    assert (s.folder / "h").read_text() == "version\n" and (s.folder / "h").stat().st_mode & 0o777 == 0o600


def test_over_tcp_with_a_password(supervisor):
    port = free_port()
    s = supervisor(CAT, "\n[inet_http_server]\nport = 127.0.0.1:%d\nusername = me\npassword = %s\n" % (port, "a:b %%x"))
    url = ["-s", f"http://127.0.0.1:{port}"]
    s.wait_state("cat", "RUNNING")
    got = run(TROUPE, "supervisorctl", *url, "status", cwd=s.folder)
    assert "Server requires authentication" in got.stdout and got.returncode == 4
    got = run(TROUPE, "supervisorctl", *url, "-u", "me", "-p", "a:b %x", "status", cwd=s.folder)
    assert re.search(r"cat +RUNNING", got.stdout) and got.returncode == 0
    assert run(DEBIAN, *url, "-u", "me", "-p", "a:b %x", "pid", "cat").stdout == f"{s.info('cat')['pid']}\n"


@pytest.mark.parametrize("words, status, text", [
    (["status"], 4, "no such file"), (["start", "x"], 7, "no such file"), (["shutdown"], 1, "already shut down?")])
def test_nobody_is_there(tmp_path, words, status, text):
    got = run(TROUPE, "supervisorctl", "-s", f"unix://{tmp_path}/no.sock", *words, cwd=tmp_path)
    assert got.returncode == status and text in got.stdout


def test_supervisorctl_options(tmp_path):
    assert "-s/--serverurl" in run(TROUPE, "supervisorctl", "-h").stdout
    assert run(TROUPE, "supervisorctl", "-x").returncode == 2
    assert run(TROUPE, "supervisorctl", "-c", tmp_path / "no").returncode == 2
    (tmp_path / "empty").write_text("[supervisord]\n")
    assert "does not include" in run(TROUPE, "supervisorctl", "-c", tmp_path / "empty", "status").stderr
    assert run(TROUPE, "supervisorctl", "-s", "ftp://x", "status", cwd=tmp_path).returncode == 2


def test_talks_to_their_server(tmp_path):
    """Ours as a client of Debian's supervisord."""
    conf = tmp_path / "s.conf"
    conf.write_text(f"[unix_http_server]\nfile={tmp_path}/s.sock\n[supervisord]\nnodaemon=true\nlogfile={tmp_path}/l\n"
                    f"pidfile={tmp_path}/p\nchildlogdir={tmp_path}\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
                    "supervisor.rpcinterface:make_main_rpcinterface\n[supervisorctl]\n"
                    f"serverurl=unix://{tmp_path}/s.sock\n" + CAT)
    server = subprocess.Popen(["/usr/bin/supervisord", "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=die_with_parent)
    try:
        client = [TROUPE, "supervisorctl", "-c", conf]
        wait_for("it to answer", lambda: re.search(r"cat +RUNNING", run(*client, "status").stdout), 15)
        assert run(*client, "restart", "cat").stdout == "cat: stopped\ncat: started\n"
        conf.write_text(conf.read_text() + OFF)
        assert run(*client, "update").stdout == "off: added process group\n"
        assert run(*client, "shutdown").stdout == "Shut down\n"
    finally:
        server.terminate()
        server.wait(15)


# ---- streams ---------------------------------------------------------------------------------------------


@pytest.fixture
def follow():
    started = []

    def start(*words, stdin=subprocess.DEVNULL):
        started.append(subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=stdin,
                                        text=True, preexec_fn=die_with_parent))
        return started[-1]

    yield start
    for one in started:  # what a killed one leaves behind may hold its output open
        one.kill()
        one.wait()
        one.stdout.close()


def until(process, text, seconds=20):
    """What it printed up to that text; the next look begins behind it."""
    seen, end = getattr(process, "rest", ""), time.monotonic() + seconds
    while text not in seen:
        assert select.select([process.stdout], [], [], max(end - time.monotonic(), 0))[0], f"waited in vain for {text!r}: {seen}"
        more = os.read(process.stdout.fileno(), 65536).decode()
        assert more, seen
        seen += more
    at = seen.index(text) + len(text)
    process.rest = seen[at:]
    return seen[:at]


@pytest.mark.parametrize("words", [["supervisorctl"], ["ctl"]])
def test_tail_f_and_maintail_f(supervisor, follow, words):
    s = supervisor(CAT)
    s.wait_state("cat", "RUNNING")
    tail = follow(TROUPE, *words, "-c", s.conf_path, "tail", "-f", "cat")
    until(tail, "Ctrl-C")
    s.rpc.sendProcessStdin("cat", "one\n")
    until(tail, "one")
    main = follow(TROUPE, *words, "-c", s.conf_path, "maintail", "-f")
    until(main, "Ctrl-C")
    s.rpc.stopProcess("cat")
    until(main, "stopped name=cat")
    s.rpc.startProcess("cat")
    s.rpc.sendProcessStdin("cat", "two\n")
    until(tail, "two")


def test_logs_of_several_and_events(supervisor, follow):
    s = supervisor(WEB + CAT)
    s.wait_state("cat", "RUNNING")
    events = follow(TROUPE, "ctl", "-c", s.conf_path, "events", "-f")
    logs = follow(TROUPE, "ctl", "-c", s.conf_path, "logs", "-f", "web", "cat")
    until(logs, "web:web_0")
    s.rpc.sendProcessStdin("cat", "x\n")
    until(logs, "cat | x")

    def moved():
        ctl(s, "restart", "cat")
        return True

    wait_for("a restart", moved)
    until(events, "cat: STARTING -> RUNNING")
    wait_for("both", lambda: "web:web_00 | up 0\n" in (text := ctl(s, "logs", "web:*").stdout) and "web_01 | up 1\n" in text)
    assert ctl(s, "logs", "no").returncode == 4


def test_logs_since(supervisor):
    old, new = "2001-01-01T00:00:00Z old", time.strftime("%Y-%m-%dT%H:%M:%SZ new", time.gmtime())
    s = supervisor(f"[program:p]\ncommand = /bin/sh -c 'echo {old}; echo of it; echo {new}; exec sleep 1000'\n")
    wait_for("its lines", lambda: "new" in ctl(s, "logs", "p").stdout)
    assert ctl(s, "logs", "p").stdout == f"{old}\nof it\n{new}\n"
    assert ctl(s, "logs", "--since", "10m", "p").stdout == f"{new}\n"
    assert ctl(s, "logs", "--since", "soon", "p").returncode == 2


def test_fg(supervisor, follow):
    s = supervisor(CAT)
    s.wait_state("cat", "RUNNING")
    fg = follow(TROUPE, "supervisorctl", "-c", s.conf_path, "fg", "cat", stdin=subprocess.PIPE)
    until(fg, "Ctrl-C")
    fg.stdin.write("hello\n")
    fg.stdin.flush()
    until(fg, "hello")
    fg.stdin.close()
    fg.stdin = None
    until(fg, "Exiting foreground")


# ---- troupe ctl ------------------------------------------------------------------------------------------


def test_status_top_and_json(supervisor):
    s = supervisor(WEB + OFF)
    wait_for("web", lambda: re.search(r"web_01 +RUNNING", ctl(s, "status").stdout))
    assert ctl(s, "status").returncode == 3 and ctl(s, "status", "web_0?").returncode == 0
    table = json.loads(ctl(s, "--json", "status", "web:*").stdout)
    assert [i["name"] for i in table] == ["web_00", "web_01"] and table[0]["rss_bytes"] > 0
    assert {i["name"] for i in json.loads(ctl(s, "--json", "top").stdout)} == {"web_00", "web_01", "off"}
    assert re.search(r"web:web_00 +RUNNING +\d+ +\d", ctl(s, "top").stdout)
    assert ctl(s, "version").stdout.startswith("troupe ") and "rolling" in ctl(s, "help").stdout
    assert ctl(s, "call", "supervisor.getState").stdout.split() == '{ "statecode": 1, "statename": "RUNNING" }'.split()
    assert ctl(s, "call", "troupe.wait", "{").returncode == 2 and ctl(s, "bogus").returncode == 2


def test_scale_touches_nobody_else(supervisor):
    s = supervisor(WEB + CAT)
    wait_for("web", lambda: all(pids(s).values()))
    before = pids(s)
    assert ctl(s, "scale", "web", "5").stdout == "web: scaled to 5\n"
    wait_for("five", lambda: len([p for p in pids(s).values() if p]) == 6)
    assert before.items() <= pids(s).items()
    s.reload()
    s.wait_log("reloaded ")
    assert len(pids(s)) == 6 and before.items() <= pids(s).items()
    assert ctl(s, "scale", "web", "1").returncode == 0
    wait_for("one", lambda: set(pids(s)) == {"cat:cat", "web:web_00"})
    assert pids(s)["web:web_00"] == before["web:web_00"] and pids(s)["cat:cat"] == before["cat:cat"]
    s.change(WEB.replace("numprocs = 2", "numprocs = 3") + CAT)  # the file says something else now
    wait_for("three", lambda: len(pids(s)) == 4)
    assert ctl(s, "scale", "no", "1").returncode == 1 and ctl(s, "scale", "web", "x").returncode == 2
    assert ctl(s, "scale", "cat", "2").returncode == 1  # no process_num in its name


def test_rolling_waits_for_each_to_be_ready(supervisor, tmp_path):
    order = tmp_path / "order"
    (tmp_path / "p.sh").write_text(f'echo "start $1" >> {order}\nsleep 0.2\necho "ready $1" >> {order}\necho >&3\nexec sleep 1000\n')
    s = supervisor(f"[program:p]\ncommand = /bin/sh {tmp_path}/p.sh %(process_num)d\nprocess_name = p%(process_num)d\n"
                   "numprocs = 3\nstartsecs = 0\nready = fd:3\nrolling = 1\n")
    assert ctl(s, "wait", "p:ready", "--timeout", "10s").returncode == 0
    before = pids(s)
    order.unlink()
    got = ctl(s, "rolling", "p")
    assert got.stdout == "p:p0: restarted\np:p1: restarted\np:p2: restarted\n" and got.returncode == 0
    assert order.read_text().split("\n")[:6] == [f"{w} {i}" for i in range(3) for w in ("start", "ready")]
    assert not set(before.values()) & set(pids(s).values())
    assert s.server.troupe.restart("p:p1")[0]["description"] == "OK"


def test_rolling_stops_at_a_failure(supervisor, tmp_path):
    (tmp_path / "p.sh").write_text(f"[ -e {tmp_path}/bad ] && exit 1; exec sleep 1000\n")
    s = supervisor(f"[program:p]\ncommand = /bin/sh {tmp_path}/p.sh\nprocess_name = p%(process_num)d\nnumprocs = 3\n"
                   "startsecs = 1\nstartretries = 0\n")
    wait_for("them", lambda: all(i["statename"] == "RUNNING" for i in s.rpc.getAllProcessInfo()))
    before = pids(s)
    (tmp_path / "bad").touch()
    got = ctl(s, "rolling", "p")
    assert got.returncode == 1 and "p:p0 is FATAL" in got.stdout
    assert {k: v for k, v in pids(s).items() if v} == {k: v for k, v in before.items() if k != "p:p0"}


def test_wait(supervisor):
    s = supervisor(CAT + OFF + "[program:slow]\ncommand = sleep 1000\nready = notify\nstartsecs = 0\n")
    assert ctl(s, "wait", "cat").stdout == "cat: ready\n"
    got = ctl(s, "wait", "slow:ready", "--timeout", "100ms")
    assert got.returncode == 1 and "timed out" in got.stdout
    assert ctl(s, "wait", "slow:started", "--timeout", "5s").returncode == 0
    assert ctl(s, "wait", "off:stopped").returncode == 0 and ctl(s, "wait", "no").returncode == 1
    assert ctl(s, "wait", "cat", "--timeout", "x").returncode == 2


def test_reload_by_signal_and_command(supervisor, tmp_path):
    s = supervisor("[program:p]\ncommand = /bin/sh -c 'trap \"echo again\" HUP; echo up; while :; do sleep 0.05; done'\n"
                   "startsecs = 0\nreload_signal = HUP\n"
                   f"[program:q]\ncommand = /bin/cat\nstartsecs = 0\nreload_command = /usr/bin/touch {tmp_path}/told\n" + CAT)
    wait_for("p", lambda: "up" in ctl(s, "tail", "p").stdout)
    assert ctl(s, "reload", "p").stdout == "p: reloaded\n"
    wait_for("the signal", lambda: "again" in ctl(s, "tail", "p").stdout)
    assert ctl(s, "reload", "q").returncode == 0
    wait_for("the command", lambda: (tmp_path / "told").exists())
    assert ctl(s, "reload", "cat").returncode == 1
    assert "reloaded" in ctl(s, "reload").stdout


def test_update_touches_what_changed(supervisor):
    s = supervisor(WEB + CAT + OFF)
    wait_for("them", lambda: len([p for p in pids(s).values() if p]) == 3)
    before = pids(s)
    ini(s).write_text(s.head + WEB + CAT.replace("/bin/cat", "/bin/cat -u") + "[program:new]\ncommand = /bin/cat\nstartsecs = 0\n")
    got = ctl(s, "update", "-n").stdout
    assert "cat" in got and "new" in got and "off" in got and "web" not in got
    assert pids(s) == before
    assert sorted(ctl(s, "update").stdout.splitlines()) == ["cat: updated process group", "new: added process group",
                                                            "off: removed process group"]
    wait_for("new", lambda: pids(s).get("new:new") and pids(s).get("cat:cat") not in (0, before["cat:cat"]))
    assert {k: v for k, v in before.items() if k.startswith("web")}.items() <= pids(s).items() and "off:off" not in pids(s)
    ini(s).write_text("[supervisord]\n[program:x]\n")
    got = ctl(s, "update")
    assert got.returncode == 1 and "ERROR" in got.stdout


def test_run(supervisor, tmp_path):
    s = supervisor(CAT)
    got = ctl(s, "run", "--", "sh", "-c", "echo out; echo err >&2; pwd; echo \"$1\"; exit 7", "sh", 'a "b" %x;', cwd=tmp_path)
    assert got.stdout == f"out\nerr\n{tmp_path}\na \"b\" %x;\n" and got.returncode == 7
    assert list(pids(s)) == ["cat:cat"]
    assert ctl(s, "run", "--", "/no/such").returncode != 0 and ctl(s, "run").returncode == 2


def test_a_wait_does_not_hold_the_end(supervisor):
    s = supervisor(OFF)
    body = b'["off","ready"]'
    with socket.socket(socket.AF_UNIX) as waits:  # by hand, so that it is there before the next call
        waits.connect(s.socket)
        waits.settimeout(10)
        waits.sendall(b"POST /v1/call/troupe.wait HTTP/1.1\r\nHost: \r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_for("it to be taken", lambda: fcntl.ioctl(waits, termios.TIOCOUTQ, bytes(4)) == bytes(4))  # read, and run in the same turn
        assert ctl(s, "shutdown").stdout == "Shut down\n"
        answer = b"".join(iter(lambda: waits.recv(4096), b""))  # all of it: it may come in pieces
        assert b"SHUTDOWN_STATE" in answer and s.process.wait(10) == 0


# ---- supervisord -----------------------------------------------------------------------------------------


@pytest.fixture
def supervisord(tmp_path):
    """start(text, *options): as a daemon, by a link of that name; ends it."""
    link = tmp_path / "bin" / "supervisord"
    link.parent.mkdir()
    link.symlink_to(TROUPE)
    (tmp_path / "bin" / "supervisorctl").symlink_to(TROUPE)
    running = []

    def start(text, *options, **more):
        conf = tmp_path / "supervisord.conf"
        conf.write_text(f"[unix_http_server]\nfile={tmp_path}/s.sock\n[supervisorctl]\nserverurl=unix://{tmp_path}/s.sock\n" + text)
        got = run(link, *options, cwd=tmp_path, **more)
        if got.returncode == 0 and (tmp_path / "s.sock").exists():
            running.append(int(run(tmp_path / "bin" / "supervisorctl", "-c", conf, "pid").stdout))
            got.pid = running[-1]
        return got

    yield start
    for pid in running:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
        wait_for("its end", lambda: not pathlib.Path(f"/proc/{pid}").exists(), 15)


def test_daemon_finds_its_file(supervisord, tmp_path):
    got = supervisord(CAT + f"[supervisord]\npidfile={tmp_path}/d.pid\n")  # ../supervisord.conf of bin/
    assert got.returncode == 0 and got.stdout == "", got.stderr
    assert int((tmp_path / "d.pid").read_text()) == got.pid
    assert os.getsid(got.pid) != os.getsid(0)
    assert "spawned name=cat" in (tmp_path / "supervisord.log").read_text()
    assert re.search(r"cat +RUNNING", run(tmp_path / "bin" / "supervisorctl", "status", cwd=tmp_path).stdout)
    os.kill(got.pid, signal.SIGTERM)
    wait_for("the pidfile to go", lambda: not (tmp_path / "d.pid").exists())


def test_options_beat_the_file(supervisord, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x-stdout---them-abcdef.log").write_text("old")
    (tmp_path / "logs" / "x-stdout---other-abcdef.log").write_text("old")
    got = supervisord(f"[supervisord]\nlogfile={tmp_path}/no\nidentifier=no\n[program:u]\ncommand=sh -c 'umask; pwd'\nstartsecs=0\n"
                      "autorestart=false\n",
                      "-c", "supervisord.conf", "-l", "a.log", "-j", "a.pid", "-i", "them", "-q", "logs", "-e", "debug",
                      "-m", "077", "-d", tmp_path / "logs", "-y", "1MB", "-z", "3", "-a", "64", "--minprocs", "10")
    assert got.returncode == 0, got.stderr
    assert int((tmp_path / "a.pid").read_text()) == got.pid
    assert " debug " in (tmp_path / "a.log").read_text() and not (tmp_path / "no").exists()
    assert os.readlink(f"/proc/{got.pid}/cwd") == str(tmp_path / "logs")
    logs = [p.name for p in (tmp_path / "logs").iterdir()]
    assert "x-stdout---them-abcdef.log" not in logs and "x-stdout---other-abcdef.log" in logs
    out = wait_for("its output", lambda: [p.read_text() for p in (tmp_path / "logs").glob("u-stdout---them-*") if p.read_text()])
    assert out[0].split() == ["0077", str(tmp_path / "logs")]


def test_log_also_on_stdout_in_the_foreground(tmp_path, follow):
    conf = tmp_path / "s.conf"
    conf.write_text(f"[supervisord]\nlogfile={tmp_path}/a.log\npidfile={tmp_path}/p\n")
    loud = follow(TROUPE, "supervisord", "-n", "-c", conf)
    until(loud, "ready role=supervisor")
    wait_for("the file", lambda: "ready role=supervisor" in (tmp_path / "a.log").read_text())
    loud.terminate()
    assert loud.wait(10) == 0
    silent = follow(TROUPE, "supervisord", "-n", "-s", "-c", conf)
    wait_for("it", lambda: (tmp_path / "a.log").read_text().count("ready role") == 2)
    silent.terminate()
    assert silent.stdout.read() == "" and silent.wait(10) == 0


@pytest.mark.parametrize("words, status, text", [
    (["-v"], 0, "4.2.5"), (["-h"], 0, "--logfile_maxbytes"), (["-Z"], 2, "supervisord -h"), (["word"], 2, "positional"),
    (["-c", "/no/such"], 2, "could not find config file"), (["-e", "loud"], 2, "loglevel"), (["-y", "x"], 2, "logfile_maxbytes")])
def test_what_needs_no_file(tmp_path, words, status, text):
    got = run(TROUPE, "supervisord", *words, cwd=tmp_path)
    assert got.returncode == status and text in got.stdout + got.stderr


def test_check(tmp_path):
    conf = tmp_path / "s.conf"
    conf.write_text("[supervisord]\nnonesuch = 1\n[program:x]\ncommand = true\n")
    got = run(TROUPE, "supervisord", "-t", "-c", conf)
    assert got.returncode == 0 and "nonesuch" in got.stdout and "right" in got.stdout
    conf.write_text("[program:x]\nnumprocs = 2\ncommand = true\n")
    got = run(TROUPE, "supervisord", "-t", "-c", conf)
    assert got.returncode == 2 and "process_name" in got.stdout


def test_too_few_files_are_allowed(tmp_path):
    conf = tmp_path / "s.conf"
    conf.write_text(f"[supervisord]\nlogfile={tmp_path}/l\npidfile={tmp_path}/p\nminfds=900000000\n")
    got = run(TROUPE, "supervisord", "-n", "-c", conf)
    assert got.returncode == 1 and "minfds" in got.stdout + got.stderr


@pytest.mark.skipif(not SAMPLE.exists(), reason="needs Debian's supervisor")
def test_sample_of_debian_as_it_is(supervisord, tmp_path):
    text = SAMPLE.read_text()
    for path in ("/var/log/supervisor", "/var/run", "/etc/supervisor/conf.d"):
        (tmp_path / path.strip("/")).mkdir(parents=True)
        text = text.replace(path, str(tmp_path / path.strip("/")))
    (tmp_path / "etc/supervisor/conf.d/cat.conf").write_text(CAT)
    conf = tmp_path / "etc/supervisor/supervisord.conf"
    conf.write_text(text)
    assert run(TROUPE, "supervisord", "-c", conf, "-t").stdout == f"{conf}: right\n"
    got = run(TROUPE, "supervisord", "-c", conf)
    assert got.returncode == 0, got.stderr
    for client in ([DEBIAN], [TROUPE, "supervisorctl"]):
        assert re.search(r"cat +RUNNING", run(*client, "-c", conf, "status").stdout)
    pid = int((tmp_path / "var/run/supervisord.pid").read_text())
    assert run(DEBIAN, "-c", conf, "shutdown").stdout == "Shut down\n"
    wait_for("its end", lambda: not pathlib.Path(f"/proc/{pid}").exists(), 15)
    assert "drained" in (tmp_path / "var/log/supervisor/supervisord.log").read_text()


def test_import(tmp_path):
    (tmp_path / "Procfile").write_text("web: /bin/cat\n")
    got = run(TROUPE, "supervisor", "import", "procfile", tmp_path / "Procfile")
    assert got.returncode == 0 and "[program:web]" in got.stdout
