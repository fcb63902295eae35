"""Every method of the API: what Debian's supervisord answers to the same call, ours beside it, and JSON."""
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import xmlrpc.client

import pytest

from seen import sees
from servers import die_with_parent, free_port, wait_for
from supervisor import UnixTransport, answers

SUPERVISORD = "/usr/bin/supervisord"
PROGRAMS = """[program:cat]
command = /bin/cat
startsecs = 0
stdout_logfile = {folder}/cat.log
[program:say]
command = /bin/sh -c 'printf "out put"; printf "com plaint" >&2; exec cat'
startsecs = 0
stdout_logfile = {folder}/say.log
stderr_logfile = {folder}/say.err
[program:web]
command = /bin/sleep 1000
process_name = web_%(process_num)d
numprocs = 2
startsecs = 0
[program:off]
command = /bin/cat
autostart = false
startsecs = 0
stdout_logfile = {folder}/off.log
stderr_logfile = {folder}/off.err
[program:bad]
command = /no/such
autostart = false
[program:none]
command = /bin/cat
startsecs = 0
stdout_logfile = NONE
stderr_logfile = NONE
"""
EXTRA = "[program:extra]\ncommand = /bin/cat\nstartsecs = 0\nautostart = false\nstdout_logfile = NONE\nstderr_logfile = NONE\n"

# Method and parameters, in this order. EXTRA and WRONG are added to the file.
CALLS = [(words[0], words[1:]) for words in [
    ("getAPIVersion",), ("getVersion",), ("getSupervisorVersion",), ("getIdentification",), ("getState",), ("getPID",),
    ("getProcessInfo", "say"), ("getProcessInfo", "say:say"), ("getProcessInfo", "web:web_1"), ("getProcessInfo", "web"),
    ("getProcessInfo", "off"), ("getProcessInfo", "no"), ("getProcessInfo",), ("getProcessInfo", "say", "x"), ("getAllProcessInfo",),
    ("getAllConfigInfo",), ("nope",), ("getState", 1),
    ("readProcessStdoutLog", "say", 0, 0), ("readProcessStdoutLog", "say", 1, 3), ("readProcessStdoutLog", "say", -3, 0),
    ("readProcessStdoutLog", "say", -3, 1), ("readProcessStdoutLog", "say", 0, -1), ("readProcessStdoutLog", "say", 100, 5),
    ("readProcessStdoutLog", "no", 0, 0), ("readProcessLog", "say", 4, 0), ("readProcessLog", "no", 4, 0),
    ("readProcessStderrLog", "say", 0, 0), ("readProcessStderrLog", "say", -2, 0), ("readProcessStderrLog", "no", 0, 0),
    ("tailProcessStdoutLog", "say", 0, 3), ("tailProcessStdoutLog", "say", 0, 100), ("tailProcessStdoutLog", "say", 4, 3),
    ("tailProcessStdoutLog", "say", 7, 10), ("tailProcessStdoutLog", "no", 0, 1), ("tailProcessLog", "say", 2, 2),
    ("tailProcessStderrLog", "say", 0, 4), ("tailProcessStderrLog", "no", 0, 4),
    ("clearProcessLogs", "say"), ("clearProcessLogs", "no"), ("readProcessStdoutLog", "say", 0, 0), ("readProcessStderrLog", "say", 0, 0),
    ("clearProcessLog", "cat"), ("clearAllProcessLogs",), ("readLog", -1, 1), ("readMainLog", -1, 1), ("clearLog",),
    ("sendProcessStdin", "say", "typed \u00e9\u4f60\n"), ("sendProcessStdin", "off", "x"), ("sendProcessStdin", "no", "x"),
    ("sendRemoteCommEvent", "type", "data"),
    ("signalProcess", "cat", "CONT"), ("signalProcess", "cat", "SIGCONT"), ("signalProcess", "cat", "18"), ("signalProcess", "web:*", "CONT"),
    ("signalProcess", "off", "CONT"), ("signalProcess", "cat", "NOPE"), ("signalProcess", "no", "CONT"),
    ("signalProcessGroup", "web", "CONT"), ("signalProcessGroup", "no", "CONT"), ("signalProcessGroup", "web", "NOPE"),
    ("signalAllProcesses", "CONT"), ("signalAllProcesses", "NOPE"),
    ("startProcess", "cat"), ("startProcess", "no"), ("startProcess", "bad"), ("startProcess", "off"), ("getProcessInfo", "off"),
    ("startProcess", "web:*"), ("stopProcess", "off"), ("stopProcess", "off"), ("stopProcess", "no"), ("stopProcess", "web:*"),
    ("getProcessInfo", "web:web_0"), ("startProcessGroup", "web"), ("getProcessInfo", "web:web_0"), ("startProcessGroup", "no"),
    ("stopProcessGroup", "web"), ("getProcessInfo", "web:web_0"), ("stopProcessGroup", "no"), ("startProcessGroup", "web", False),
    ("startProcess", "off", False), ("getProcessInfo", "off"), ("stopProcess", "off", False),
    ("stopAllProcesses",), ("getAllProcessInfo",), ("startAllProcesses",), ("getAllProcessInfo",), ("stopProcess", "off"),
    ("addProcessGroup", "cat"), ("addProcessGroup", "no"), ("removeProcessGroup", "cat"), ("removeProcessGroup", "no"),
    ("removeProcessGroup", "off"), ("getProcessInfo", "off"), ("addProcessGroup", "off"), ("getProcessInfo", "off"),
    ("reloadConfig",), ("EXTRA",), ("reloadConfig",), ("addProcessGroup", "extra"), ("getProcessInfo", "extra"), ("reloadConfig",),
    ("WRONG",), ("reloadConfig",)]]


class Theirs:
    """Debian's supervisord over the same programs."""

    def __init__(self, folder):
        folder.mkdir()
        self.path = folder / "s.conf"
        self.head = (f"[unix_http_server]\nfile={folder}/s.sock\n[supervisord]\nnodaemon=true\nlogfile={folder}/l\npidfile={folder}/p\n"
                     f"childlogdir={folder}\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
                     "supervisor.rpcinterface:make_main_rpcinterface\n")
        self.path.write_text(self.head + PROGRAMS.format(folder=folder))
        self.process = subprocess.Popen([SUPERVISORD, "-c", self.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=die_with_parent)
        self.server = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(f"{folder}/s.sock"))
        self.rpc = self.server.supervisor
        wait_for("it to answer", lambda: answers(self.rpc), 20)


@pytest.fixture
def both(supervisor, tmp_path):
    """Ours and theirs, when all that is to run there runs and has spoken."""
    if not os.path.exists(SUPERVISORD):
        pytest.skip("needs Debian's supervisor")
    mine = tmp_path / "mine"
    mine.mkdir()
    ours, theirs = supervisor(PROGRAMS.format(folder=mine)), Theirs(tmp_path / "theirs")
    for one in (ours, theirs):
        wait_for("all to run", lambda: all(p["statename"] == "RUNNING" for p in one.rpc.getAllProcessInfo()
                                           if p["name"] not in ("off", "bad")), 20)
        wait_for("what it says", lambda: one.rpc.readProcessStdoutLog("say", 0, 0) == "out put"
                 and one.rpc.readProcessStderrLog("say", 0, 0) == "com plaint")
    yield ours, theirs
    theirs.process.terminate()
    theirs.process.wait(20)


def plain(value, key=""):
    """Without what two servers may tell differently: times, pids, folders, the order of processes, and the files of a
    program that was never started, which ours does not make."""
    if isinstance(value, dict):
        unmade = value.get("name") == "bad"
        return {k: plain(v, k) for k, v in value.items() if k not in ("now", "start", "stop", "pid") and not (unmade and "logfile" in k)}
    if isinstance(value, list):
        whole = [plain(v) for v in value]
        return sorted(whole, key=lambda v: (v["group"], v["name"])) if whole and isinstance(whole[0], dict) and "name" in whole[0] else whole
    if key == "description":
        value = re.sub(r"pid \d+, uptime [\d:]+", "pid N", value)
        return re.sub(r"^[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M$", "WHEN", value)
    if key.endswith("logfile") and isinstance(value, str):
        return re.sub(r"-\w{8}\.log$|-\w{6}\.log$", "-X.log", value.rsplit("/", 1)[-1])
    return value


def answer(one, method, params):
    try:
        return plain(getattr(one, method)(*params))
    except xmlrpc.client.Fault as fault:
        return f"{fault.faultCode} {fault.faultString}"


@sees("method", *(f"supervisor.{name}" for name, _ in CALLS if name[0].islower() and name != "nope"))
def test_answers_as_supervisords(both):
    ours, theirs = both
    for method, params in CALLS:
        if method in ("EXTRA", "WRONG"):
            for path in (ours.conf_path, theirs.path):
                path.write_text(path.read_text() + (EXTRA if method == "EXTRA" else "[program:wrong]\nstartsecs = 1\n"))
            continue
        for one in both if "ProcessInfo" in method else ():  # what was not waited for
            wait_for("it to settle", lambda: not [p for p in one.rpc.getAllProcessInfo() if p["statename"] in ("STARTING", "STOPPING")])
        mine, its = answer(ours.rpc, method, params), answer(theirs.rpc, method, params)
        if method == "getPID":
            assert (mine, its) == (ours.pid, theirs.process.pid)
        elif method in ("getAllConfigInfo", "readLog", "readMainLog"):  # compared elsewhere; their logs are theirs
            assert mine and type(mine) is type(its)
            assert method != "getAllConfigInfo" or [p["name"] for p in mine] == [p["name"] for p in its]
        elif isinstance(its, str) and its.startswith("92 "):
            assert mine.startswith("92 CANT_REREAD: ") and "command" in mine
        else:
            assert mine == its, (method, params)
    for one in both:
        wait_for("what was typed", lambda: "typed \u00e9\u4f60\n" in open(one.conf_path.parent / "mine/say.log" if one is ours else
                                                                          one.path.parent / "say.log", encoding="utf8").read())


@sees("method", "system.listMethods", "system.methodSignature", "system.methodHelp", "system.multicall")
def test_tells_of_its_methods(both):
    ours, theirs = both
    names = ours.server.system.listMethods()
    assert set(theirs.server.system.listMethods()) <= set(names) and len(names) == len(set(names))
    for name in theirs.server.system.listMethods():
        assert ours.server.system.methodSignature(name) == theirs.server.system.methodSignature(name), name
    for name in names:
        assert re.fullmatch(r"\S.*\.", ours.server.system.methodHelp(name)), name
        assert ours.server.system.methodSignature(name)[0] in ("string", "int", "boolean", "array", "struct")
    for method in ("methodHelp", "methodSignature"):
        assert answer(ours.server.system, method, ["no.such"]) == answer(theirs.server.system, method, ["no.such"])
    call = lambda name, *params: {"methodName": name, "params": list(params)}
    calls = [call("supervisor.getState"), call("supervisor.stopProcess", "cat"), call("supervisor.startProcess", "cat"),
             call("supervisor.stopProcess", "no"), call("supervisor.nope"), call("system.multicall", []), call("supervisor.getState", 1)]
    assert ours.server.system.multicall(calls) == theirs.server.system.multicall(calls)
    assert ours.server.system.multicall([]) == theirs.server.system.multicall([]) == []


@sees("method", "supervisor.restart", "supervisor.shutdown")
def test_restart_and_shutdown(supervisor):
    s = supervisor("[program:cat]\ncommand = /bin/cat\nstartsecs = 0\n")
    pid = s.wait_state("cat", "RUNNING")["pid"]
    s.conf_path.write_text(s.conf_path.read_text() + EXTRA)
    assert s.rpc.restart() is True
    wait_for("what was added", lambda: s.state("extra") == "STOPPED" if "extra" in [p["name"] for p in s.rpc.getAllProcessInfo()] else None)
    assert s.info("cat")["pid"] == pid
    assert s.rpc.shutdown() is True
    assert s.process.wait(10) == 0


def test_while_all_ends(supervisor, tmp_path):
    """What may still be asked then, and what is refused."""
    s = supervisor(f"[program:slow]\ncommand = /bin/sh -c 'trap : TERM; echo up; while ! [ -e {tmp_path}/go ]; do sleep 0.02; done'\n"
                   "startsecs = 0\nstdout_logfile = %(here)s/slow.log\nstopwaitsecs = 60\n")
    s.wait_text("slow.log", "up")
    assert s.rpc.shutdown() is True
    wait_for("the stop", lambda: s.state("slow") == "STOPPING")
    assert s.rpc.getState() == {"statecode": -1, "statename": "SHUTDOWN"}
    for method, *params in (("startProcess", "slow"), ("stopAllProcesses",), ("signalProcess", "slow", "HUP"), ("reloadConfig",), ("restart",)):
        assert answer(s.rpc, method, params) == "6 SHUTDOWN_STATE"
    assert s.rpc.shutdown() is True
    (tmp_path / "go").touch()
    assert s.process.wait(10) == 0


def test_start_without_waiting(supervisor):
    """It says yes at once, also where something else is to be ready first."""
    s = supervisor("[program:db]\ncommand = /bin/cat\nautostart = false\nstartsecs = 0\n"
                   "[program:web]\ncommand = /bin/cat\nautostart = false\nstartsecs = 0\ndepends_on = db:started\n")
    assert s.rpc.startProcess("web", False) is True
    assert s.state("web") == "STOPPED" and s.info("web")["description"].startswith("waits for db")
    s.rpc.startProcess("db")
    s.wait_state("web", "RUNNING")


def test_characters_that_are_cut(supervisor):
    """A piece of a log may begin and end within a character: the others are as they were."""
    s = supervisor("[program:p]\ncommand = /bin/sh -c 'echo \u4f60\u597d\u5417; cat'\nstartsecs = 0\nstdout_logfile = %(here)s/p.log\n")
    s.wait_text("p.log", "\n")
    assert s.rpc.readProcessStdoutLog("p", 0, 0) == "\u4f60\u597d\u5417\n"
    assert s.rpc.readProcessStdoutLog("p", 1, 6) == "??\u597d?"
    assert s.rpc.tailProcessStdoutLog("p", 0, 5) == ["?\u5417\n", 10, True]


# ---- troupe.* ------------------------------------------------------------------------------------------


FORM = ("[program:p]\ncommand = /bin/sleep 1000\nprocess_name = p%(process_num)d\nnumprocs = 2\nstartsecs = 0\nrolling = 1\nreload_signal = CONT\n"
        "[program:off]\ncommand = /bin/cat\nautostart = false\nstartsecs = 0\n")


@sees("method", *(f"troupe.{name}" for name in "getAllProcessInfo restart rolling wait reload scale update run upgrade getImage".split()))
def test_our_own_methods(supervisor, tmp_path):
    s = supervisor(FORM)
    t = s.server.troupe
    ok = [{"name": f"p{n}", "group": "p", "status": 80, "description": "OK"} for n in (0, 1)]
    pids = lambda: {p["name"]: p["pid"] for p in s.rpc.getAllProcessInfo() if p["pid"]}
    assert t.wait("p:*", "ready", 10000) is True
    seen = {p["name"]: p for p in t.getAllProcessInfo()}
    assert seen["p0"]["pid"] == s.info("p:p0")["pid"] and seen["p0"]["rss_bytes"] > 0 and seen["off"]["pid"] == 0
    first = pids()
    assert t.restart("p:p1") == ok[1:] and pids()["p0"] == first["p0"] and pids()["p1"] != first["p1"]
    assert t.rolling("p") == ok and not set(first.values()) & set(pids().values())
    assert t.rolling("off") == [] and t.reload("p") == ok
    assert answer(t, "reload", ["off"]).startswith("3 BAD_ARGUMENTS: it has neither")
    assert t.scale("p", 3) == {"program": "p", "numprocs": 3} and t.wait("p:p2", "started", 10000) is True
    assert answer(t, "scale", ["no", 1]) == "10 BAD_NAME: no" and answer(t, "scale", ["p", -1]).startswith("3 BAD_ARGUMENTS")
    for method in ("restart", "rolling", "reload"):
        assert answer(t, method, ["no"]) == "10 BAD_NAME: no"
    assert answer(t, "wait", ["off", "ready", 50]) == "30 FAILED: timed out: off:off is STOPPED" or answer(t, "wait", ["off", "ready", 50])[:2] == "30"
    assert answer(t, "wait", ["off", "well"]) == "3 BAD_ARGUMENTS: well" and t.wait("off", "stopped") is True
    before = pids()
    s.conf_path.write_text(s.conf_path.read_text() + EXTRA)
    told = t.update(True)
    assert (told["added"], told["changed"], told["removed"], told["lines"], told["unknown"]) == (["extra"], [], [], ["extra: added"], [])
    assert "extra" not in [p["name"] for p in s.rpc.getAllProcessInfo()]
    assert t.update(False, ["no"])["unknown"] == ["no"]
    assert answer(t, "update", [False, "extra"]) == answer(t, "update", [False, [1]]) == "2 INCORRECT_PARAMETERS"
    assert "extra" not in [p["name"] for p in s.rpc.getAllProcessInfo()]
    assert t.update()["added"] == ["extra"]
    assert s.state("extra") == "STOPPED" and pids() == before
    name = t.run(["/bin/sh", "-c", "pwd; exit 3"], str(tmp_path))
    assert s.wait_state(name, "EXITED")["exitstatus"] == 3 and s.rpc.readProcessStdoutLog(name, 0, 0) == f"{tmp_path}\n"
    assert answer(t, "run", [[]]) == answer(t, "run", ["true"]) == answer(t, "run", [[1]]) == "2 INCORRECT_PARAMETERS"
    assert s.rpc.removeProcessGroup(name) is True
    image = t.getImage()
    assert t.upgrade() == image

    def new():
        try:
            return t.getImage() != image
        except OSError:
            return False

    wait_for("the new image", new)
    assert pids() == before


# ---- JSON ------------------------------------------------------------------------------------------------


@pytest.fixture
def web(supervisor):
    """ask(path, body=None): status and text of an answer over TCP; its supervisor is ask.s"""
    port = free_port()
    s = supervisor(FORM + "[program:say]\ncommand = /bin/sh -c 'echo said; exec cat'\nstartsecs = 0\nstdout_logfile = %(here)s/say.log\n",
                   f"\n[inet_http_server]\nport = 127.0.0.1:{port}\n")

    def ask(path, body=None, **head):
        try:
            with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, head), timeout=10) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as got:
            return got.code, got.read().decode()

    s.wait_state("p:p1", "RUNNING")
    s.wait_text("say.log", "said\n")
    ask.s, ask.port = s, port
    return ask


def test_json(web):
    s = web.s
    data = lambda path, body=None: json.loads(web(path, body)[1])
    assert data("/v1/state") == s.rpc.getState()
    assert {p["name"]: p["pid"] for p in data("/v1/programs")} == {p["name"]: p["pid"] for p in s.rpc.getAllProcessInfo()}
    pid = s.info("p:p0")["pid"]
    for name in ("p:p0", "p%3Ap0"):
        assert data(f"/v1/programs/{name}")["pid"] == pid, name
    assert data("/v1/programs/p:p0/stop", b"") is True and s.state("p:p0") == "STOPPED"
    status, text = web("/v1/programs/p:p0/stop", b"")
    assert status == 409 and json.loads(text)["name"] == "NOT_RUNNING"
    assert data("/v1/programs/p:p0/start", b"") is True and s.state("p:p0") == "RUNNING"
    pid = s.info("p:p0")["pid"]
    assert data("/v1/programs/p:p0/restart", b"")[0]["status"] == 80 and s.info("p:p0")["pid"] != pid
    assert data("/v1/programs/p:p0/reload", b"")[0]["status"] == 80
    assert sorted(one["name"] for one in data("/v1/programs/p/restart", b"")) == ["p0", "p1"]
    assert data("/v1/programs/say/clear", b"") is True and s.text("say.log") == ""
    assert data("/v1/programs/say/signal/TERM", b"") is True
    wait_for("its restart", lambda: "said" in s.text("say.log"))
    for path, body, status in (("/v1/programs/no", None, 404), ("/v1/programs/no/stop", b"", 404), ("/v1/none", None, 404),
                               ("/v1/programs/p:p0/dance", b"", 404), ("/v1/call/no.such", b"", 404), ("/v1/call/troupe.scale", b"{}", 400),
                               ("/v1/call/troupe.scale", b"[", 400), ("/v1/call/troupe.scale", b'["p"]', 400), ("/v1/programs/%ff%fe", None, 404),
                               ("/v1/programs/%00", None, 404)):
        assert web(path, body)[0] == status, path
    assert data("/v1/call/supervisor.getProcessInfo", b'["say"]')["name"] == "say"


def test_page_of_another_site(web):
    """A browser sends what any page asks it to; it says for whom."""
    own = f"127.0.0.1:{web.port}"
    body = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getState</methodName></methodCall>"
    for origin, host, status in ((None, own, 200), (f"http://{own}", own, 200), ("http://other.example", own, 403), ("null", own, 403),
                                 (f"http://other.example:{web.port}", f"other.example:{web.port}", 403),  # its name led to us
                                 (f"http://localhost:{web.port}", f"localhost:{web.port}", 200)):
        head = {"Host": host, **({"Origin": origin} if origin else {})}
        assert web("/v1/programs/p:p1/reload", b"", **head)[0] == status, head
        assert web("/RPC2", body, **head)[0] == status, head
        assert web("/v1/call/supervisor.getState", b"", **head)[0] == status, head


def test_page_behind_a_password(supervisor):
    port = free_port()
    s = supervisor(FORM, f"\n[inet_http_server]\nport = 127.0.0.1:{port}\nusername = u\npassword = p\n")
    s.wait_state("p:p1", "RUNNING")
    for host, status in (("our.example", 200), ("other.example", 403)):
        ask = urllib.request.Request(f"http://127.0.0.1:{port}/v1/programs/p:p1/reload", b"", {
            "Authorization": "Basic dTpw", "Origin": "https://our.example", "Host": host})
        try:
            got = urllib.request.urlopen(ask, timeout=10).status
        except urllib.error.HTTPError as why:
            got = why.code
        assert got == status


def test_pages(web):
    for path in ("/logtail/%1", "/logtail/%", "/logtail/%zz", "/logtail/%00", "/logtail/" + "a" * 3000, "/v1/programs/%1", "/v1/programs/" + "a" * 3000):
        assert web(path)[0] == 404, path
    assert web("/logtail/no/stdout")[0] == 404 and web("/nothing")[0] == 404
    status, text = web("/")
    assert status == 200 and "<title>supervisor</title>" in text
    assert web("/healthz")[0] == 200
    for path, want in (("/logtail/say", b"said\n"), ("/logtail/say%3Asay/stdout?bytes=5", b"said\n"), ("/logtail/say/stdout", b"said\n"), ("/mainlogtail", b"spawned name=say")):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(web.s.socket)
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            got = b""
            while want not in got:
                more = sock.recv(4096)
                assert more, got
                got += more
            assert got.startswith(b"HTTP/1.1 200") and b"chunked" in got


def test_metrics(web):
    """Each figure that is promised, by name, and one of each kind by value."""
    s = web.s
    os.kill(s.info("p:p0")["pid"], signal.SIGTERM)
    wait_for("its restart", lambda: s.log().count("spawned name=p:p0 ") == 2)
    text = web("/metrics")[1]
    of = lambda name, labels: float(re.search(rf"^troupe_supervisor_{name}\{{{labels}\}} (\S+)$", text, re.M)[1])
    assert of("program_up", 'name="p:p0"') == 1 and of("program_up", 'name="off:off"') == 0
    assert of("program_ready", 'name="p:p1"') == 1 and of("program_ready", 'name="off:off"') == 0 and of("program_fatal", 'name="p:p0"') == 0
    assert of("program_restarts_total", 'name="p:p0"') == of("restarts_total", 'name="p:p0",reason="exit"') == 1
    assert of("program_restarts_total", 'name="p:p1"') == 0 and 'name="p:p1",reason' not in text
    assert abs(of("program_start_seconds", 'name="p:p1"') - time.time()) < 60 and of("program_rss_bytes", 'name="p:p1"') > 0
    assert of("program_cpu_seconds_total", 'name="p:p1"') >= 0 and of("program_exit_code", 'name="p:p0"') == -1
    assert of("program_log_bytes_total", 'name="say:say"') == 5 and of("program_log_dropped_bytes_total", 'name="say:say"') == 0
    assert "program_healthy" not in text, "nobody looks at its health"
