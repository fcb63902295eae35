"""The supervisor over real processes: states, keys, stops, what outlives it, and what goes wrong."""
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
import xmlrpc.client

import pytest

from daemon import SANITIZED
from servers import free_port, wait_for
from supervisor import FAULTS, alive, gaps, script

CAT = "[program:cat]\ncommand = /bin/cat\n"


def fault(name):
    return pytest.raises(xmlrpc.client.Fault, match=f"Fault {FAULTS[name]}: .{name}")


# ---- states ------------------------------------------------------------------------------


def test_life_of_a_process(supervisor):
    s = supervisor(CAT + "startsecs = 0\n")
    first = s.wait_state("cat", "RUNNING")
    assert first["pid"] > 0 and first["group"] == "cat" and re.match(r"pid \d+, uptime \d:\d\d:\d\d", first["description"])
    with fault("ALREADY_STARTED"):
        s.rpc.startProcess("cat")
    assert s.rpc.stopProcess("cat") is True
    assert s.state("cat") == "STOPPED" and not alive(first["pid"])
    with fault("NOT_RUNNING"):
        s.rpc.stopProcess("cat")
    assert s.rpc.startProcess("cat") is True
    os.kill(s.info("cat")["pid"], signal.SIGKILL)
    again = wait_for("a restart", lambda: s.info("cat") if s.info("cat")["pid"] not in (0, first["pid"]) else None)
    assert again["exitstatus"] == 0  # of this life, as supervisord's
    with fault("BAD_NAME"):
        s.rpc.startProcess("dog")


def test_startsecs_and_backoff_to_fatal(supervisor):
    s = supervisor("[program:quick]\ncommand = /bin/false\nstartsecs = 1\nstartretries = 1\n"
                   "[program:slow]\ncommand = /bin/sleep 1000\nstartsecs = 600\n"
                   "[program:soon]\ncommand = /bin/sleep 1000\nstartsecs = 1\n")
    s.wait_state("soon", "RUNNING")
    assert s.state("slow") == "STARTING"
    found = s.wait_state("quick", "FATAL", 10)
    assert found["spawnerr"] == "Exited too quickly (process log may have details)"
    with fault("ABNORMAL_TERMINATION"):
        s.rpc.startProcess("quick")


@pytest.mark.parametrize("autorestart, code, restarts", [
    ("false", 0, False), ("false", 1, False), ("true", 0, True), ("unexpected", 0, False), ("unexpected", 1, True),
    ("unexpected\nexitcodes = 0,1", 1, False), ("on-success", 0, True), ("on-success", 1, False), ("on-abnormal", 1, False)])
def test_autorestart(supervisor, autorestart, code, restarts):
    s = supervisor(f"[program:p]\ncommand = /bin/sh -c 'read x; exit {code}'\nstartsecs = 0\nautorestart = {autorestart}\n")
    first = s.wait_state("p", "RUNNING")["pid"]
    s.rpc.sendProcessStdin("p", "go\n")
    if restarts:
        wait_for("a restart", lambda: s.info("p")["pid"] not in (0, first))
    else:
        assert s.wait_state("p", "EXITED")["exitstatus"] == code


def test_exec_that_fails_says_why(supervisor, tmp_path):
    text = tmp_path / "text"
    text.write_text("no program")
    bad = script(tmp_path / "bad", "#!/no/such/interpreter\n")
    s = supervisor("".join(f"[program:{name}]\ncommand = {command}\nstartretries = 0\n" for name, command in
                           [("missing", "/no/such/file"), ("plain", str(text)), ("folder", str(tmp_path)), ("interpreter", bad)])
                   + f"[program:where]\ncommand = /bin/cat\ndirectory = {tmp_path}/nowhere\nstartretries = 0\n")
    for name, why in [("missing", "No such file"), ("plain", "ermission denied"), ("folder", "ermission denied|Is a directory"),
                      ("interpreter", "No such file"), ("where", "nowhere: No such file")]:
        assert re.search(why, s.wait_state(name, "FATAL")["spawnerr"]), s.info(name)
    with fault("NO_FILE"):
        s.rpc.startProcess("missing")
    with fault("NOT_EXECUTABLE"):
        s.rpc.startProcess("plain")
    with fault("SPAWN_ERROR"):
        s.rpc.startProcess("interpreter")


def test_restart_is_at_once(supervisor):
    s = supervisor(CAT + "startsecs = 0\n")
    for _ in range(20):
        pid = s.wait_state("cat", "RUNNING")["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for("a restart", lambda: s.info("cat")["pid"] not in (0, pid))
    took = gaps(s, "exited name=cat:cat ", "spawned name=cat:cat ", 1)
    assert len(took) == 20 and sorted(took)[10] < 0.1, took


# ---- stops -------------------------------------------------------------------------------


def test_stop_goes_on_to_kill(supervisor):
    s = supervisor("[program:deaf]\ncommand = /bin/sh -c 'trap \"echo no\" TERM INT; echo up; while :; do sleep 0.05; done'\nstartsecs = 0\n"
                   "stopsignal = TERM/200ms, INT/200ms\nstdout_logfile = %(here)s/deaf.log\n")
    s.wait_text("deaf.log", "up")
    s.rpc.stopProcess("deaf")
    assert s.text("deaf.log").count("no") == 2 and "SIGKILL" in s.log()


def test_nothing_survives_a_stop(supervisor, tmp_path):
    inner = script(tmp_path / "inner.sh", "#!/bin/sh\necho $$ >>$1\nexec sleep 1000\n")
    outer = script(tmp_path / "outer.sh", f"#!/bin/sh\n{inner} $1 &\nsetsid {inner} $1 &\n(setsid sh -c '{inner} $0 &' $1 &)\n"
                                          "exec sleep 1000\n")
    pids = tmp_path / "pids"
    s = supervisor(f"[program:fork]\ncommand = {outer} {pids}\nstartsecs = 0\nstopwaitsecs = 2\n")
    found = wait_for("three children", lambda: (lambda p: p if len(p) == 3 else None)(pids.read_text().split()) if pids.exists() else None)
    main = s.info("fork")["pid"]
    s.rpc.stopProcess("fork")
    assert not [pid for pid in map(int, [*found, main]) if alive(pid)]


def test_rest_of_an_adopted_one_ends_by_itself(supervisor, tmp_path):
    """Nobody tells us of the end of who is not our child; it is seen long before stopwaitsecs are over."""
    rest = script(tmp_path / "rest.sh", f"#!/bin/sh\ntrap 'sleep 0.3; exit' TERM\necho $$ >{tmp_path}/rest\nwhile :; do sleep 0.02; done\n")
    s = supervisor(f"[program:p]\ncommand = /bin/sh -c '{rest} & exec sleep 1000'\nstartsecs = 0\nstopwaitsecs = 600\n")
    left = int(s.wait_text("rest", "\n"))
    s.process.kill()
    s.process.wait()
    s.launch()
    s.wait_up()
    assert s.rpc.stopProcess("p") is True
    assert not alive(left) and "SIGKILL" not in s.log()


def test_stopasgroup_tells_each_once(supervisor, tmp_path):
    said = tmp_path / "said"
    slow = script(tmp_path / "slow.py", "#!/usr/bin/python3\nimport os, signal, sys, time\nheard = []\n"  # a second signal finds it
                  f"def note(*_):\n    heard.append(1)\n    open('{said}', 'a').write(sys.argv[1] + '\\n')\n"
                  "signal.signal(signal.SIGTERM, note)\nos.write(1, b'up\\n')\nwhile not heard: time.sleep(0.01)\ntime.sleep(0.3)\n")
    main = script(tmp_path / "main.sh", f"#!/bin/sh\ntrap 'echo main >>{said}; exit' TERM\n{slow} child &\nsetsid {slow} far &\n"
                                        "echo up; while :; do sleep 0.05; done\n")
    s = supervisor(f"[program:g]\ncommand = {main}\nstartsecs = 0\nstopasgroup = true\nstdout_logfile = {tmp_path}/g.log\n")
    s.wait_text("g.log", "up\nup\nup\n")
    s.rpc.stopProcess("g")
    assert sorted(said.read_text().split()) == ["child", "far", "main"]


def test_end_stops_in_reverse_order(supervisor, tmp_path):
    order = tmp_path / "order"
    program = script(tmp_path / "p.sh", f"#!/bin/sh\ntrap 'echo $1 >>{order}; exit' TERM\necho up\nwhile :; do sleep 0.05; done\n")
    s = supervisor("".join(f"[program:p{n}]\ncommand = {program} {n}\nstartsecs = 0\npriority = {n}\n"
                           f"stdout_logfile = {tmp_path}/p{n}.log\n" for n in (1, 2, 3)))
    for n in (1, 2, 3):
        s.wait_text(f"p{n}.log", "up")
    assert s.stop() == 0
    assert order.read_text().split() == ["3", "2", "1"]


# ---- logs ---------------------------------------------------------------------------------


def test_logs_of_each_kind(supervisor):
    s = supervisor("[program:both]\ncommand = /bin/sh -c 'echo out; echo err >&2; cat'\nstdout_logfile = %(here)s/out.log\nstartsecs = 0\n"
                   "stderr_logfile = %(here)s/err.log\n"
                   "[program:one]\ncommand = /bin/sh -c 'echo out; echo err >&2; cat'\nredirect_stderr = true\nstartsecs = 0\n"
                   "stdout_logfile = %(here)s/one.log\n"
                   "[program:none]\ncommand = /bin/sh -c 'echo kept; cat'\nstdout_logfile = NONE\nstartsecs = 0\n"
                   "[program:auto]\ncommand = /bin/sh -c 'echo auto; cat'\nstartsecs = 0\n"
                   "[program:json]\ncommand = /bin/sh -c 'echo line; cat'\nstdout_format = json\nstdout_logfile = %(here)s/json.log\nstartsecs = 0\n")
    s.wait_text("out.log", "out\n")
    assert s.wait_text("err.log", "err\n") == "err\n"
    assert sorted(s.wait_text("one.log", "err\n").split()) == ["err", "out"]
    assert s.rpc.tailProcessStdoutLog("both", 0, 100)[0] == "out\n"
    assert s.rpc.readProcessStdoutLog("both", 1, 2) == "ut"
    assert wait_for("the ring", lambda: s.rpc.readProcessStdoutLog("none", 0, 0)) == "kept\n"
    path = s.info("auto")["stdout_logfile"]
    assert re.match(rf"{s.folder}/auto-stdout---supervisor-\w{{6}}\.log", path)
    line = json.loads(s.wait_text("json.log", "line"))
    assert line["line"] == "line" and line["stream"] == "stdout" and line["name"] == "json"
    s.rpc.clearProcessLogs("both")
    assert s.text("out.log") == ""
    with fault("BAD_ARGUMENTS"):
        s.rpc.readProcessStdoutLog("both", -1, 5)


def test_rotation_loses_nothing(supervisor):
    s = supervisor("[program:many]\ncommand = /bin/sh -c 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; cat'\nstartsecs = 0\n"
                   "stdout_logfile = %(here)s/many.log\nstdout_logfile_maxbytes = 50KB\nstdout_logfile_backups = 20\n")
    s.wait_text("many.log", "line 19999\n", 20)
    files = sorted(s.folder.glob("many.log*"), key=lambda p: -int(p.suffix[1:]) if p.suffix != ".log" else 0)
    lines = "".join(p.read_text() for p in files).splitlines()
    assert len(files) > 3 and lines == [f"line {n}" for n in range(20000)]
    assert all(p.stat().st_size <= 50 * 1024 for p in files)


def test_tail_follows_over_a_restart(supervisor):
    s = supervisor("[program:p]\ncommand = /bin/sh -c 'echo life $$; cat'\nstdout_logfile = %(here)s/p.log\nstartsecs = 0\n")
    s.wait_text("p.log", "life")
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(s.socket)
    sock.sendall(b"GET /logtail/p/stdout HTTP/1.1\r\nHost: \r\n\r\n")
    sock.settimeout(5)
    got = b""
    s.rpc.stopProcess("p")
    s.rpc.startProcess("p")
    s.rpc.sendProcessStdin("p", "typed\n")
    while b"typed" not in got:
        got += sock.recv(4096)
    assert b"Transfer-Encoding: chunked" in got and got.count(b"life") >= 1
    sock.close()


def test_client_that_never_reads_its_tail(supervisor):
    s = supervisor("[program:p]\ncommand = /bin/sh -c 'cat; yes 0123456789012345678901234567890123456789 | head -c 50000000; echo done; cat'\n"
                   "stdout_logfile = %(here)s/p.log\nstartsecs = 0\nstdout_logfile_maxbytes = 0\n")
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(s.socket)
    sock.sendall(b"GET /logtail/p/stdout HTTP/1.1\r\nHost: \r\n\r\n")
    s.wait_state("p", "RUNNING")
    os.kill(s.info("p")["pid"], 0)
    s.rpc.sendProcessStdin("p", "")
    before = s.rss()
    pid = s.info("p")["pid"]
    wait_for("the first cat", lambda: subprocess.run(["pkill", "-P", str(pid), "cat"]).returncode == 0)
    wait_for("the flood to end", lambda: (s.folder / "p.log").exists() and (s.folder / "p.log").stat().st_size > 50000000, 20)
    assert s.rss() - before < (25 if SANITIZED else 3) << 20, "it keeps nothing for him"  # sanitizers keep what was freed
    sock.close()


def test_full_disk_under_the_logs(supervisor):
    s = supervisor("[program:p]\ncommand = /bin/sh -c 'while :; do echo some words; sleep 0.01; done'\nstdout_logfile = /dev/full\nstartsecs = 0\n",
                   main="log_block = 200ms")
    s.wait_state("p", "RUNNING")
    s.wait_log("takes nothing: no space left|takes nothing", 10)
    assert s.state("p") == "RUNNING"


# ---- readiness, health, dependencies -----------------------------------------------------------


def test_depends_on_waits_until_ready(supervisor, tmp_path):
    go = tmp_path / "go"
    db = script(tmp_path / "db.py", f"#!/usr/bin/python3\nimport os, socket, time\nwhile not os.path.exists('{go}'): time.sleep(0.02)\n"
                "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.connect('\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
                "s.send(b'READY=1\\nSTATUS=well')\ntime.sleep(1000)\n")
    s = supervisor(f"[program:db]\ncommand = {db}\nready = notify\nstartsecs = 0\n"
                   "[program:web]\ncommand = /bin/cat\nstartsecs = 0\ndepends_on = db:ready\n")
    s.wait_state("db", "RUNNING")
    assert s.info("web")["description"] == "waits for db to be ready" and s.state("web") == "STOPPED"
    go.touch()
    s.wait_state("web", "RUNNING")


@pytest.mark.parametrize("ready, command", [("log:^listening", "echo listening on 1; cat"), ("fd:3", "echo >&3; cat")])
def test_ready_by(supervisor, ready, command):
    s = supervisor(f"[program:a]\ncommand = /bin/sh -c 'sleep 0.2; {command}'\nready = {ready}\nstartsecs = 0\n"
                   "[program:b]\ncommand = /bin/cat\nstartsecs = 0\ndepends_on = a:ready\n")
    s.wait_state("b", "RUNNING")


def test_oneshot_before_a_service(supervisor):
    s = supervisor("[program:migrate]\ncommand = /bin/sh -c 'read x'\ntype = oneshot\nautorestart = false\nstartsecs = 0\n"
                   "[program:web]\ncommand = /bin/cat\nstartsecs = 0\ndepends_on = migrate:exited\n")
    s.wait_state("migrate", "RUNNING")
    assert s.state("web") == "STOPPED"
    s.rpc.sendProcessStdin("migrate", "done\n")
    s.wait_state("web", "RUNNING")
    assert s.state("migrate") == "EXITED"


def test_health_restarts_the_sick(supervisor, tmp_path):
    sick = tmp_path / "sick"
    s = supervisor(f"[program:web]\ncommand = /bin/cat\nstartsecs = 0\nhealth = exec:/bin/sh -c '! test -e {sick}'\n"
                   "health_interval = 100ms\nhealth_failures = 2\nhealth_grace = 0s\n")
    first = s.wait_state("web", "RUNNING")["pid"]
    sick.touch()
    wait_for("a restart", lambda: s.info("web")["pid"] not in (0, first))
    sick.unlink()
    assert "it is not healthy" in s.log()


def test_max_rss_and_max_age(supervisor):
    s = supervisor("[program:old]\ncommand = /bin/cat\nstartsecs = 0\nmax_age = 500ms\n")
    first = s.wait_state("old", "RUNNING")["pid"]
    wait_for("a restart", lambda: s.info("old")["pid"] not in (0, first))
    assert "max_age is reached" in s.log()


def test_sockets_are_passed_on(supervisor):
    port = free_port()
    server = ("import os, socket; s = socket.socket(fileno=3); assert os.environ['LISTEN_PID'] == str(os.getpid());\n"
              " s.setblocking(True)\n while True: c, _ = s.accept(); c.send(os.environ['LISTEN_FDNAMES'].encode()); c.close()")
    s = supervisor(f"[program:web]\ncommand = /usr/bin/python3 -c \"{server}\"\nstartsecs = 0\nsockets = http=tcp:127.0.0.1:{port}\n")
    s.wait_state("web", "RUNNING")
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(100) == b"http"
        s.rpc.stopProcess("web")
        s.rpc.startProcess("web")


# ---- update -------------------------------------------------------------------------------------


def test_update_touches_only_what_changed(supervisor):
    section = "[program:p]\ncommand = /bin/sleep 10{0}\nprocess_name = p%(process_num)d\nnumprocs = {1}\nstartsecs = 0\n"
    s = supervisor(section.format("00", 3) + CAT + "startsecs = 0\n[program:gone]\ncommand = /bin/cat\nstartsecs = 0\n")
    s.wait_state("gone", "RUNNING")
    pids = {p["name"]: p["pid"] for p in s.rpc.getAllProcessInfo()}
    s.change(section.format("00", 4) + CAT + "startsecs = 0\n[program:new]\ncommand = /bin/cat\nstartsecs = 0\n")
    s.wait_state("new", "RUNNING")
    s.wait_state("p:p3", "RUNNING")
    now = {p["name"]: p["pid"] for p in s.rpc.getAllProcessInfo()}
    assert all(now[name] == pids[name] for name in ("p0", "p1", "p2", "cat")) and "gone" not in now
    wait_for("the removed one to end", lambda: not alive(pids["gone"]))
    s.change(section.format("01", 4) + CAT + "startsecs = 0\n[program:new]\ncommand = /bin/cat\nstartsecs = 0\n")
    wait_for("a restart", lambda: s.info("p:p0")["pid"] not in (0, now["p0"]))
    assert s.info("cat")["pid"] == pids["cat"]


def test_update_refuses_what_is_wrong(supervisor):
    s = supervisor(CAT + "startsecs = 0\n")
    pid = s.wait_state("cat", "RUNNING")["pid"]
    s.change("[program:cat]\ncommand = /bin/cat 'open\n")
    assert s.info("cat")["pid"] == pid
    with fault("CANT_REREAD"):
        s.rpc.reloadConfig()


# ---- what outlives it --------------------------------------------------------------------------------


COUNT = ("[program:count]\ncommand = /bin/sh -c 'i=0; while :; do echo line $i; i=$((i+1)); [ $((i % 200)) = 0 ] && sleep 0.005; done'\n"
         "process_name = c%(process_num)d\nnumprocs = 3\nstartsecs = 0\nstdout_logfile = %(here)s/%(process_num)d.log\n"
         "stdout_logfile_maxbytes = 0\n")


def check_lines(s):
    for n in range(3):
        lines = s.text(f"{n}.log").split("\n")
        assert lines[:-1] == [f"line {k}" for k in range(len(lines) - 1)], f"{n}.log"
        assert len(lines) > 1000


def test_killed_and_started_again(supervisor):
    s = supervisor(COUNT)
    s.wait_state("count:c2", "RUNNING")
    pids = [p["pid"] for p in s.rpc.getAllProcessInfo()]
    for _ in range(5):
        s.process.kill()
        s.process.wait()
        s.launch()
        s.wait_up()
        assert [p["pid"] for p in s.rpc.getAllProcessInfo()] == pids
        assert {p["statename"] for p in s.rpc.getAllProcessInfo()} == {"RUNNING"}
    s.rpc.stopAllProcesses()
    assert not [pid for pid in pids if alive(pid)]
    check_lines(s)


def test_new_image_in_the_same_process(supervisor):
    s = supervisor(COUNT)
    s.wait_state("count:c2", "RUNNING")
    pids = [p["pid"] for p in s.rpc.getAllProcessInfo()]
    for n in range(5):
        s.process.send_signal(signal.SIGUSR2)
        wait_for("the new image", lambda: s.log().count("took back what runs adopted=3") == n + 1)
        s.wait_up()
        assert [p["pid"] for p in s.rpc.getAllProcessInfo()] == pids
    os.kill(pids[0], signal.SIGKILL)  # still a child: how it ended is known
    wait_for("a restart", lambda: s.info("count:c0")["pid"] not in (0, pids[0]))
    assert re.search(r"exited name=count:c0 pid=\d+ killed by SIGKILL", s.log())
    s.rpc.stopAllProcesses()
    assert "took back" in s.log()


def test_one_that_ended_meanwhile_is_started_again(supervisor):
    s = supervisor(CAT + "startsecs = 0\n")
    pid = s.wait_state("cat", "RUNNING")["pid"]
    s.process.kill()
    s.process.wait()
    os.kill(pid, signal.SIGKILL)
    wait_for("its end", lambda: not alive(pid))
    s.launch()
    s.wait_up()
    assert s.wait_state("cat", "RUNNING")["pid"] != pid


LEAVES = ("[program:work]\ncommand = /bin/sh -c 'while ! [ -e {0}/go ]; do sleep 0.02; done; echo finished'\nstartsecs = 0\nautorestart = true\n"
          "stdout_logfile = {0}/w.log\n[program:again]\ncommand = /bin/sh -c 'read x'\nstartsecs = 0\nautorestart = true\n")


def test_on_exit_leave(supervisor, tmp_path):
    """Asked to end, it waits for its children, who finish what they do, and starts none again."""
    s = supervisor(LEAVES.format(tmp_path), main="on_exit = leave")
    pids = [s.wait_state(name, "RUNNING")["pid"] for name in ("work", "again")]
    s.process.send_signal(signal.SIGTERM)
    s.wait_log("no process is started again")
    os.kill(pids[1], signal.SIGKILL)
    s.wait_state("again", "EXITED")
    assert alive(pids[0]) and s.process.poll() is None
    (tmp_path / "go").touch()
    assert s.process.wait(20) == 0
    assert not alive(pids[0]) and s.text("w.log") == "finished\n"
    assert len(re.findall("spawned name=", s.log())) == 2


def test_on_exit_leave_at_once(supervisor, tmp_path):
    """Asked twice, it goes; who runs goes on, and is the next one's, with all that he says meanwhile."""
    s = supervisor(LEAVES.format(tmp_path), main="on_exit = leave")
    pids = [s.wait_state(name, "RUNNING")["pid"] for name in ("work", "again")]

    def leave(times):
        s.process.send_signal(signal.SIGTERM)
        wait_for("it to hear", lambda: s.log().count("no process is started again") == times)
        s.process.send_signal(signal.SIGTERM)
        assert s.process.wait(20) == 0

    leave(1)
    assert alive(pids[0]) and alive(pids[1])
    (tmp_path / "go").touch()
    wait_for("its end", lambda: not alive(pids[0]))
    (tmp_path / "go").unlink()
    s.launch()
    s.wait_up()
    assert s.info("again")["pid"] == pids[1]
    assert s.wait_text("w.log", "finished\n") == "finished\n"
    pids.append(s.wait_state("work", "RUNNING")["pid"])
    leave(2)
    for pid in pids[1:]:
        os.kill(pid, signal.SIGKILL)


# ---- clients ------------------------------------------------------------------------------------------


def test_every_method_answers(supervisor):
    s = supervisor(CAT + "startsecs = 0\n")
    s.wait_state("cat", "RUNNING")
    rpc = s.rpc
    assert rpc.getAPIVersion() == rpc.getVersion() == "3.0" and rpc.getSupervisorVersion()
    assert rpc.getIdentification() == "supervisor" and rpc.getPID() == s.pid
    assert rpc.getState() == {"statecode": 1, "statename": "RUNNING"}
    assert rpc.getAllConfigInfo()[0]["name"] == "cat"
    assert rpc.signalProcess("cat", "WINCH") is True and rpc.signalAllProcesses("WINCH")[0]["status"] == 80
    assert rpc.signalProcessGroup("cat", 28)[0]["description"] == "OK"
    with fault("BAD_SIGNAL"):
        rpc.signalProcess("cat", "NOPE")
    assert rpc.stopProcessGroup("cat") == [{"name": "cat", "group": "cat", "status": 80, "description": "OK"}]
    with fault("NOT_RUNNING"):
        rpc.signalProcess("cat", "HUP")
    with fault("NOT_RUNNING"):
        rpc.sendProcessStdin("cat", "x")
    assert rpc.startAllProcesses()[0]["status"] == 80 and rpc.stopAllProcesses()[0]["status"] == 80
    assert rpc.removeProcessGroup("cat") is True and rpc.addProcessGroup("cat") is True
    with fault("ALREADY_ADDED"):
        rpc.addProcessGroup("cat")
    s.wait_state("cat", "RUNNING")
    with fault("STILL_RUNNING"):
        rpc.removeProcessGroup("cat")
    assert rpc.reloadConfig() == [[[], [], []]]
    assert rpc.clearAllProcessLogs()[0]["status"] == 80
    with fault("UNKNOWN_METHOD"):
        rpc.__getattr__("no.such")()
    with fault("INCORRECT_PARAMETERS"):
        rpc.getProcessInfo()
    assert rpc.shutdown() is True
    assert s.process.wait(10) == 0


def test_multicall(supervisor):
    """As supervisord answers it: without the array around each result that others have."""
    s = supervisor(CAT + "startsecs = 0\n")
    s.wait_state("cat", "RUNNING")
    call = lambda name, *params: {"methodName": name, "params": list(params)}
    results = s.server.system.multicall([call("supervisor.stopProcess", "cat"), call("supervisor.getProcessInfo", "cat"),
                                         call("supervisor.nope"), call("system.multicall", [])])
    assert results[0] is True and results[1]["statename"] == "STOPPED"
    assert results[2]["faultCode"] == 1 and results[3]["faultCode"] == 2


@pytest.mark.parametrize("body", [
    b"", b"<", b"<a/>", b"<methodCall/>", b"<methodCall><methodName>a</methodName><params><value/></params></methodCall>",
    b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><methodCall><methodName>&e;</methodName></methodCall>",
    b"<methodCall><methodName>x</methodName><params>" + b"<param><value><array><data>" * 100,
    b"<methodCall><methodName>supervisor.getState</methodName><params><param><value><int>1e5</int></value></param></params></methodCall>"])
def test_hostile_xml(supervisor, body):
    s = supervisor(CAT)
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(s.socket)
    sock.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: \r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert sock.recv(100).startswith(b"HTTP/1.1 400")
    assert s.rpc.getState()["statecode"] == 1


def test_tcp_asks_for_a_password(supervisor):
    port = free_port()
    s = supervisor(CAT + f"startsecs = 0\n[inet_http_server]\nport = 127.0.0.1:{port}\nusername = u\npassword = p\n")
    s.wait_state("cat", "RUNNING")
    url = f"http://127.0.0.1:{port}"
    for given in ("", "u:wrong@", "wrong:p@"):
        with pytest.raises(xmlrpc.client.ProtocolError, match="401"):
            xmlrpc.client.ServerProxy(f"http://{given}127.0.0.1:{port}").supervisor.getState()
    assert xmlrpc.client.ServerProxy(f"http://u:p@127.0.0.1:{port}").supervisor.getState()["statecode"] == 1
    auth = {"Authorization": "Basic dTpw"}
    ask = lambda path, data=None: urllib.request.urlopen(urllib.request.Request(url + path, data=data, headers=auth), timeout=10).read()
    assert json.loads(ask("/v1/programs/cat"))["statename"] == "RUNNING"
    assert json.loads(ask("/v1/programs/cat/stop", b"")) is True
    assert json.loads(ask("/v1/call/supervisor.startProcess", b'["cat"]')) is True
    assert b'troupe_supervisor_program_up{name="cat:cat"} 1' in ask("/metrics")
    assert b"<title>supervisor</title>" in ask("/")
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
        assert answer.status == 200


def test_events_are_streamed(supervisor):
    s = supervisor(CAT + "startsecs = 0\n")
    s.wait_state("cat", "RUNNING")
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(s.socket)
    sock.settimeout(5)
    sock.sendall(b"GET /events HTTP/1.1\r\nHost: \r\n\r\n")
    got = b""
    while b": troupe" not in got:
        got += sock.recv(4096)
    s.rpc.stopProcess("cat")
    while b'"statename":"STOPPED"' not in got:
        got += sock.recv(4096)
    assert b"event: process" in got and b'"from_state":"STOPPING"' in got
    sock.close()


def test_a_hundred_programs_cost_nothing_when_idle(supervisor):
    s = supervisor("[program:p]\ncommand = /bin/sleep 1000\nprocess_name = p%(process_num)d\nnumprocs = 100\nstartsecs = 0\nstdout_logfile = NONE\n"
                   "stderr_logfile = NONE\n")
    wait_for("all", lambda: all(p["statename"] == "RUNNING" for p in s.rpc.getAllProcessInfo()), 20)

    def cheap():
        before = s.cpu_s()
        time.sleep(1)  # what is measured: a second of nothing to do
        return s.cpu_s() - before < 0.005

    wait_for("a second that costs nothing", cheap)
