"""Event listeners, schedules, scaling and watched files, over real processes."""
import os
import re
import signal
import socketserver
import subprocess
import threading

import pytest

from servers import die_with_parent, free_port, wait_for

# supervisord's own library for listeners, where it is installed; each event is a line of its file.
LISTENER = """
import os, sys
where = sys.argv[1]

def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()

verdicts = list(sys.argv[2:])
while True:
    say("READY\\n")
    line = sys.stdin.readline()
    if not line:
        break
    head = dict(word.split(":", 1) for word in line.split())
    body = sys.stdin.read(int(head["len"]))
    with open(where, "a") as out:
        out.write(repr((head, body)) + "\\n")
    what = verdicts.pop(0) if verdicts else "OK"
    if what == "DIE":
        os._exit(3)
    if what == "NONSENSE":
        say("what?\\n")
        continue
    say("RESULT %d\\n%s" % (len(what), what))
"""


@pytest.fixture
def listener(tmp_path):
    """A listener's section, that writes what it hears to the file `heard`."""
    (tmp_path / "listener.py").write_text(LISTENER)

    def section(events, verdicts="", more="", name="ear", heard="heard"):
        return (f"[eventlistener:{name}]\ncommand = /usr/bin/python3 {tmp_path}/listener.py {tmp_path}/{heard} {verdicts}\n"
                f"events = {events}\nstartsecs = 0\n{more}\n")

    return section


def heard(s, name="heard"):
    return [eval(line) for line in s.text(name).splitlines()]


def wait_heard(s, what, test, name="heard"):
    """The first event that passes."""
    try:
        return wait_for(what, lambda: next((one for one in heard(s, name) if test(*one)), None), 15)
    except AssertionError as why:
        raise AssertionError(f"{why}; heard {heard(s, name)}\n{s.log()[-3000:]}") from None


# ---- listeners ----------------------------------------------------------------------------


def test_states_in_supervisords_words(supervisor, listener, tmp_path):
    last = tmp_path / "last.sh"  # ends when the listener has heard of the end
    last.write_text(f"trap 'while ! grep -q CHANGE_STOPPING {tmp_path}/heard; do sleep 0.02; done; exit 0' TERM\n"
                    "echo up\nwhile :; do sleep 0.02; done\n")
    s = supervisor(listener("PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE", more="buffer_size = 100")
                   + "[program:cat]\ncommand = /bin/cat\nstartsecs = 0\nautostart = false\n"
                   "[program:quick]\ncommand = /bin/false\nstartretries = 1\nautostart = false\n"
                   "[program:one]\ncommand = /bin/true\nstartsecs = 0\nautostart = false\nautorestart = false\n"
                   f"[program:last]\ncommand = /bin/sh {last}\nstartsecs = 0\nstdout_logfile = {tmp_path}/last.log\n")
    s.wait_state("ear", "RUNNING")
    s.wait_text("last.log", "up")
    s.rpc.startProcess("cat")
    pid = s.info("cat")["pid"]
    s.rpc.stopProcess("cat")
    s.rpc.startProcess("one")
    s.rpc.startProcess("quick", False)
    s.wait_state("quick", "FATAL")
    wait_heard(s, "the FATAL", lambda head, body: head["eventname"] == "PROCESS_STATE_FATAL")
    found = heard(s)
    assert found[0][0]["eventname"] == "PROCESS_GROUP_ADDED" and found[0][1] == "groupname:ear\n"
    assert ("SUPERVISOR_STATE_CHANGE_RUNNING", "") in [(head["eventname"], body) for head, body in found]
    of = {name: [(head["eventname"][14:], body) for head, body in found if body.startswith(f"processname:{name} ")]
          for name in ("cat", "quick", "one")}
    who = "processname:cat groupname:cat from_state:"
    assert of["cat"] == [("STARTING", f"{who}STOPPED tries:0"), ("RUNNING", f"{who}STARTING pid:{pid}"),
                         ("STOPPING", f"{who}RUNNING pid:{pid}"), ("STOPPED", f"{who}STOPPING pid:{pid}")]
    assert re.fullmatch(r"processname:one groupname:one from_state:RUNNING expected:1 pid:\d+", of["one"][-1][1])
    who = "processname:quick groupname:quick from_state:"
    assert of["quick"] == [("STARTING", f"{who}STOPPED tries:0"), ("BACKOFF", f"{who}STARTING tries:1"),
                           ("STARTING", f"{who}BACKOFF tries:1"), ("BACKOFF", f"{who}STARTING tries:2"),
                           ("FATAL", f"{who}BACKOFF")]
    heads = [head for head, _ in found]
    assert [int(head["poolserial"]) for head in heads] == list(range(len(heads)))
    assert {(head["ver"], head["server"], head["pool"]) for head in heads} == {("3.0", "supervisor", "ear")}
    s.rpc.shutdown()
    wait_heard(s, "the end", lambda head, body: head["eventname"] == "SUPERVISOR_STATE_CHANGE_STOPPING")


def test_output_and_parts_of_it(supervisor, listener, tmp_path):
    said = "before<!--XSUPERVISOR:BEGIN-->se<cret\u00e9<!--XSUPERVISOR:END-->af<!--ter\n"
    (tmp_path / "say").write_text(said)
    s = supervisor(listener("PROCESS_COMMUNICATION,PROCESS_LOG", more="buffer_size = 100")
                   + f"[program:say]\ncommand = /bin/sh -c 'cat {tmp_path}/say; cat {tmp_path}/say >&2; read x; printf \"\\377'\"'\"'\"; read x'\n"
                   f"stdout_logfile = {tmp_path}/say.log\nstdout_capture_maxbytes = 1KB\nstdout_events_enabled = true\n"
                   f"stderr_logfile = {tmp_path}/say.err\nstderr_events_enabled = true\nstartsecs = 0\n")
    s.wait_text("say.log", "ter\n")
    pid = s.wait_state("say", "RUNNING")["pid"]
    who = f"processname:say groupname:say pid:{pid}"
    head, body = wait_heard(s, "the part", lambda head, body: head["eventname"] == "PROCESS_COMMUNICATION_STDOUT")
    assert body == f"{who}\nse<cret\u00e9" and int(head["len"]) == len(body)
    wait_heard(s, "the standard error", lambda head, body: body == f"{who} channel:stderr\n{said}")
    assert s.rpc.sendProcessStdin("say", "on\n")
    wait_heard(s, "what is no text", lambda head, body: "Undecodable: b" in body and "\\xff" in body)
    logged = "".join(body.split("\n", 1)[1] for head, body in heard(s) if " channel:stdout\n" in body)
    assert logged.startswith("beforeaf<!--ter\n")
    assert s.text("say.log").startswith("beforeaf<!--ter\n") and s.text("say.err") == said


def test_event_of_a_person_and_of_time(supervisor, listener):
    s = supervisor(listener("REMOTE_COMMUNICATION,TICK_5") + listener("TICK_3600", name="rare", heard="rare"))
    s.wait_state("ear", "RUNNING")
    assert s.rpc.sendRemoteCommEvent("deploy", "number\n7 \u00e9") is True
    head, body = wait_heard(s, "the event", lambda head, body: head["eventname"] == "REMOTE_COMMUNICATION")
    assert body == "type:deploy\nnumber\n7 \u00e9"
    _, body = wait_heard(s, "a tick", lambda head, body: head["eventname"] == "TICK_5")
    assert int(body.removeprefix("when:")) % 5 == 0
    assert heard(s, "rare") == []


@pytest.mark.parametrize("verdict", ["FAIL", "DIE", "NONSENSE"])
def test_event_that_is_not_taken_comes_again(supervisor, listener, tmp_path, verdict):
    s = supervisor(listener("REMOTE_COMMUNICATION", f"OK {verdict}" if verdict != "DIE" else "OK DIE",
                            "stderr_logfile = NONE\nautorestart = true"))
    s.wait_state("ear", "RUNNING")
    for text in ("one", "two", "three"):
        s.rpc.sendRemoteCommEvent("t", text)
    if verdict == "NONSENSE":
        wait_for("the verdict", lambda: "has entered the UNKNOWN state" in s.log())
        assert [body for _, body in heard(s)] == ["type:t\none", "type:t\ntwo"]
        assert s.state("ear") == "RUNNING"
        s.rpc.stopProcess("ear")
        s.rpc.startProcess("ear")
    wait_heard(s, "the last", lambda head, body: body.endswith("three"))
    found = heard(s)
    assert [body[7:] for _, body in found][:3] == ["one", "two", "two"]
    assert len({head["serial"] for head, body in found if body.endswith("two")}) == 1


def test_oldest_event_goes_when_nobody_listens(supervisor, listener):
    s = supervisor(listener("REMOTE_COMMUNICATION", more="buffer_size = 2\nautostart = false"))
    for text in ("one", "two", "three", "four"):
        s.rpc.sendRemoteCommEvent("t", text)
    assert len(re.findall(r"pool ear event buffer overflowed, discarding event \d", s.log())) >= 1
    s.rpc.startProcess("ear")
    wait_heard(s, "the last", lambda head, body: body.endswith("four"))
    assert [body[7:] for _, body in heard(s)] == ["three", "four"]


def test_pool_shares_its_events(supervisor, listener):
    s = supervisor(listener("REMOTE_COMMUNICATION", more="numprocs = 3\nprocess_name = ear%(process_num)d\nbuffer_size = 100"))
    for i in range(30):
        s.rpc.sendRemoteCommEvent("t", str(i))
    wait_for("all of them", lambda: len(heard(s)) >= 30)
    assert sorted(int(body[7:]) for _, body in heard(s)) == list(range(30))


def test_listener_is_heard_after_a_crash_of_ours(supervisor, listener, tmp_path):
    s = supervisor(listener("REMOTE_COMMUNICATION"))
    pid = s.wait_state("ear", "RUNNING")["pid"]
    s.rpc.sendRemoteCommEvent("t", "one")
    wait_heard(s, "the first", lambda head, body: body.endswith("one"))
    s.process.kill()
    s.process.wait()
    s.launch()
    s.wait_up()
    assert s.wait_state("ear", "RUNNING")["pid"] == pid
    s.rpc.sendRemoteCommEvent("t", "two")
    wait_heard(s, "the second", lambda head, body: body.endswith("two"))


# ---- times -----------------------------------------------------------------------------------


def lines(s, name):
    return s.text(name).splitlines()


def test_interval_and_oneshot(supervisor, tmp_path):
    s = supervisor(f"[program:tick]\ncommand = /bin/sh -c 'echo tick >>{tmp_path}/ticks; exit 1'\ninterval = 300ms\n"
                   f"[program:once]\ncommand = /bin/sh -c 'echo once >>{tmp_path}/once; exit 2'\ntype = oneshot\n"
                   f"[program:report]\ncommand = /bin/sh -c 'echo no >>{tmp_path}/report'\nschedule = 0 3 1 1 * Europe/Berlin\n")
    assert s.state("tick") in ("STOPPED", "RUNNING", "EXITED")
    wait_for("three ticks", lambda: len(lines(s, "ticks")) >= 3)
    assert s.wait_state("once", "EXITED")["exitstatus"] == 2 and lines(s, "once") == ["once"]
    found = s.info("report")
    assert found["statename"] == "STOPPED" and re.fullmatch(r"Not started, next start (Dec 31|Jan 01) \d\d:00 [AP]M",
                                                             found["description"])
    assert not lines(s, "report")
    s.change("[program:report]\ncommand = /bin/true\nschedule = @hourly\n")
    assert ":00 " in s.info("report")["description"]


@pytest.mark.parametrize("how", ["skip", "queue", "kill"])
def test_overlap(supervisor, tmp_path, how):
    s = supervisor(f"[program:job]\ncommand = /bin/sh -c 'echo start >>{tmp_path}/job; read x'\ninterval = 300ms\noverlap = {how}\n")
    wait_for("the first", lambda: lines(s, "job"))
    first = s.wait_state("job", "RUNNING")["pid"]
    wait_for("its time again", lambda: "it still runs" in s.log())
    if how == "kill":
        wait_for("another", lambda: s.info("job")["pid"] not in (0, first))
        return
    assert s.info("job")["pid"] == first and lines(s, "job") == ["start"]
    s.rpc.sendProcessStdin("job", "go\n")
    wait_for("another", lambda: s.info("job")["pid"] not in (0, first))
    wait_for("two starts", lambda: len(lines(s, "job")) >= 2)


# ---- numbers ---------------------------------------------------------------------------------


def running(s):
    return sum(p["statename"] == "RUNNING" for p in s.rpc.getAllProcessInfo())


WORKERS = ("[program:w]\ncommand = /bin/cat\nprocess_name = w%(process_num)d\nnumprocs = 1\nnumprocs_max = 3\nstartsecs = 0\n"
           "scale_down_after = 1s\n")


def test_scaled_by_a_command(supervisor, tmp_path):
    number = tmp_path / "number"
    number.write_text("11\n")
    s = supervisor(WORKERS + f"scale_on = exec:/bin/cat {number} > 10\n")
    wait_for("all spare ones", lambda: running(s) == 3, 15)
    number.write_text("many\n")
    wait_for("the complaint", lambda: "its command prints no number" in s.log())
    number.write_text("10\n")
    wait_for("as in the file", lambda: running(s) == 1, 15)
    assert s.log().count("prints no number") == 1 and s.state("w:w0") == "RUNNING"


def test_scaled_by_redis(supervisor, tmp_path):
    port = free_port()
    s = supervisor(WORKERS + f"scale_on = redis:127.0.0.1:{port}/3 llen jobs >= 2\n")
    wait_for("the complaint", lambda: "scale_on of program=w: connection refused" in s.log())
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
                             stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        def ask(*words):
            return subprocess.run(["redis-cli", "-p", str(port), "-n", "3", *words], capture_output=True, text=True).stdout

        wait_for("redis", lambda: "PONG" in ask("ping"))
        ask("rpush", "jobs", "a", "b")
        wait_for("all spare ones", lambda: running(s) == 3, 15)
        ask("del", "jobs")
        wait_for("one less", lambda: running(s) < 3, 15)
        ask("set", "jobs", "no list")
        wait_for("the complaint", lambda: "redis answers '-WRONGTYPE" in s.log())
        before = s.log().count("works again")
        ask("del", "jobs")
        wait_for("it works again", lambda: s.log().count("works again") > before, 15)
        os.kill(redis.pid, signal.SIGSTOP)
        wait_for("the complaint", lambda: "scale_on of program=w: no answer in time" in s.log(), 15)
        os.kill(redis.pid, signal.SIGCONT)
        wait_for("it works again", lambda: s.log().count("works again") > before + 1, 15)
    finally:
        redis.kill()
        redis.wait()


@pytest.mark.parametrize("answer, why", [
    (b"+OK\r\n", "redis answers 'OK'"),
    (b"*1\r\n:1\r\n", "redis answers 'a list'"),
    (b"$3\r\nabc\r\n", "redis answers 'abc'"),
    (b"$30\r\n" + b"1" * 30 + b"\r\n", "redis answers '111"),
    (b"hello\r\n", "it speaks no Redis protocol"),
    (None, None),
    (b"$2\r\n12\r\n", None),
    (b":12\r\n", None),
])
def test_what_a_redis_may_answer(supervisor, answer, why):
    """None: nil, and then a number."""
    answers = [answer] if answer else [b"$-1\r\n", b":12\r\n"]

    class Server(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                if line == b"ID\r\n":
                    self.wfile.write(b":1\r\n")
                if line == b"jobs\r\n":
                    self.wfile.write(answers.pop(0) if len(answers) > 1 else answers[0])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        s = supervisor(WORKERS + f"scale_on = redis:127.0.0.1:{server.server_address[1]} get jobs >= 12\n")
        if why:
            wait_for("the complaint", lambda: f"scale_on of program=w: {why}" in s.log())
            assert running(s) == 1
        else:
            wait_for("one more", lambda: running(s) > 1, 15)
        server.shutdown()


# ---- files -----------------------------------------------------------------------------------


def test_files_that_change(supervisor, tmp_path):
    (tmp_path / "app").mkdir()
    part = tmp_path / "app" / "part.py"
    part.write_text("1")
    s = supervisor(f"[program:again]\ncommand = /bin/cat\nstartsecs = 0\nwatch = %(here)s/a*/*.py, {tmp_path}/app/other.txt\n"
                   f"[program:told]\ncommand = /bin/sh -c 'trap \"echo told\" HUP; echo up; while :; do sleep 0.02; done'\n"
                   f"startsecs = 0\nstdout_logfile = {tmp_path}/told.log\nwatch = {tmp_path}/app/*.py\nreload_signal = HUP\n")
    s.wait_text("told.log", "up")
    pids = [s.wait_state(name, "RUNNING")["pid"] for name in ("again", "told")]
    (tmp_path / "app" / "part.pyc").write_text("not one of them")
    for text in "23456":
        part.write_text(text)
    s.wait_text("told.log", "told")
    wait_for("a restart", lambda: s.info("again")["pid"] not in (0, pids[0]))
    assert s.info("told")["pid"] == pids[1] and s.log().count("a watched file changed") == 2
    now = s.wait_state("again", "RUNNING")["pid"]
    other = tmp_path / "app" / "new"
    other.write_text("x")
    other.rename(tmp_path / "app" / "other.txt")
    wait_for("a restart", lambda: s.info("again")["pid"] not in (0, now))
    assert s.info("told")["pid"] == pids[1] and s.log().count("a watched file changed") == 3


# ---- what it may ------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_cores_and_capabilities(supervisor, tmp_path):
    show = "command = /bin/sh -c 'cat /proc/self/status; read x'\nstartsecs = 0\ncpu_affinity = 0\n"
    s = supervisor(f"[program:few]\n{show}user = nobody\ncapabilities = net_bind_service\nstdout_logfile = {tmp_path}/few\n"
                   f"[program:none]\n{show}capabilities = none\nstdout_logfile = {tmp_path}/none\n")
    few, none = s.wait_text("few", "ctxt"), s.wait_text("none", "ctxt")
    for text, caps in ((few, 1 << 10), (none, 0)):
        assert re.search(r"Cpus_allowed_list:\t0\n", text)
        for kind in ("Prm", "Eff", "Bnd"):
            assert int(re.search(rf"Cap{kind}:\t(\w+)", text)[1], 16) == caps, text
