"""The supervisor as process 1 of a container: one program, an essential one, every role of a file."""
import json
import pathlib
import re
import signal
import sys

import pytest

from daemon import TROUPE
from servers import wait_for
from test_supervisor_cli import CAT, follow, run, until  # noqa: F401: follow is a fixture


# ---- process 1 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, status", [
    (["true"], 0), (["sh", "-c", "exit 3"], 3), (["-e", "3", "sh", "-c", "exit 3"], 0), (["sh", "-c", "kill -9 $$"], 137),
    (["-e", "143", "--", "sh", "-c", "kill $$"], 0), (["/no/such"], 127), (["/etc/passwd"], 126), ([], 2), (["-r", "x", "true"], 2),
    (["-e", "256", "true"], 2), (["sh", "-c", "(sleep 0.01 &) ; exit 5"], 5)])
def test_one_ends_as_its_program(words, status):
    assert run(TROUPE, "--one", *words).returncode == status
    assert run(TROUPE, "supervisor", "--one", *words).returncode == status


@pytest.mark.parametrize("options, sent, got", [
    ([], "TERM", "TERM"), ([], "HUP", "HUP"), ([], "USR1", "USR1"), ([], "USR2", "USR2"), ([], "QUIT", "QUIT"), ([], "INT", "INT"),
    (["-r", "TERM:QUIT"], "TERM", "QUIT"), (["-r", "HUP:0", "-r", "TERM:INT"], "TERM", "INT"), (["-g"], "TERM", "TERM")])
def test_one_forwards(follow, options, sent, got):
    traps = " ".join(f"trap 'echo got {n}; exit 9' {n};" for n in ("TERM", "HUP", "USR1", "USR2", "QUIT", "INT"))
    one = follow(TROUPE, "--one", *options, "sh", "-c", f"{traps} echo up; while :; do sleep 0.02; done")
    until(one, "up")
    if "HUP:0" in options:
        one.send_signal(signal.SIGHUP)
    one.send_signal(getattr(signal, f"SIG{sent}"))
    until(one, f"got {got}")
    assert one.wait(10) == 9


def test_one_signals_the_whole_group(follow):
    one = follow(TROUPE, "--one", "-g", sys.executable, "-c",
                 "import subprocess as s\np = s.Popen(['sleep', '1000'])\nprint(p.pid, flush=True)\np.wait()\nprint(p.returncode)")
    child = int(one.stdout.readline())
    one.terminate()
    assert one.wait(10) == 143
    wait_for("the grandchild's end", lambda: not pathlib.Path(f"/proc/{child}").exists())


@pytest.mark.parametrize("command, status", [("exit 4", 4), ("kill -9 $$", 137), ("exit 0", 0)])
def test_essential(tmp_path, command, status):
    (tmp_path / "s.ini").write_text(f"[program:main]\ncommand = /bin/sh -c 'sleep 0.1; {command}'\nstartsecs = 0\nautorestart = false\n"
                                    f"essential = true\n[supervisord]\nadopt = no\n{CAT}")
    assert run(TROUPE, "supervisor", tmp_path / "s.ini").returncode == status


def test_essential_that_never_starts(tmp_path):
    (tmp_path / "s.ini").write_text("[program:main]\ncommand = /no/such\nstartretries = 0\nessential = true\n[supervisord]\nadopt = no\n")
    assert run(TROUPE, "supervisor", tmp_path / "s.ini").returncode == 1


# ---- every role of a file ------------------------------------------------------------------------------------


ROLE = ("[sqlproxy]\nlisten = 127.0.0.1:0\n[server db1]\naddress = 127.0.0.1:1\nrole = primary\n[user a]\npassword = b\n"
        "[database *]\nservers = db1\n")


def test_run_starts_the_roles_of_a_file(tmp_path, follow):
    ini = tmp_path / "all.ini"
    ini.write_text(f"{ROLE}[supervisord]\nstate = {tmp_path}/state\n"
                   "[program:after]\ncommand = /bin/cat\nstartsecs = 0\ndepends_on = sqlproxy:ready\n")
    whole = follow(TROUPE, "run", "-c", ini)
    seen = until(whole, "spawned name=after")
    assert "ready role=sqlproxy" in seen and "ready role=supervisor" in seen
    got = run(TROUPE, "supervisor", "ctl", "-c", ini, "status")
    assert re.search(r"after +RUNNING", got.stdout) and re.search(r"sqlproxy +RUNNING .*, ready", got.stdout), got.stdout
    whole.terminate()
    assert whole.wait(15) == 0


def test_run_and_what_the_file_says_of_a_role(tmp_path, follow):
    """[program:ROLE] without a command: that of the role, and what it says beside."""
    ini = tmp_path / "all.ini"
    ini.write_text(f"{ROLE}[supervisord]\nstate = {tmp_path}/state\n[program:sqlproxy]\n"
                   "process_name = p%(process_num)d\nenvironment = HELLO=\"you\"\nstartretries = 7\n")
    assert ": right" in run(TROUPE, "check", ini).stdout.splitlines()[-1].replace(", but not all of its servers answer", "")
    assert ":12: command: [program sqlproxy] must set it" in run(TROUPE, "supervisor", "check", ini).stdout
    whole = follow(TROUPE, "run", "-c", ini)
    until(whole, "ready role=sqlproxy")
    row, = json.loads(run(TROUPE, "supervisor", "ctl", "-c", ini, "--json", "status").stdout)
    assert row["name"] == "p0"
    assert pathlib.Path(f"/proc/{row['pid']}/cmdline").read_text().split("\0")[1:3] == ["sqlproxy", str(ini)]
    assert "HELLO=you" in pathlib.Path(f"/proc/{row['pid']}/environ").read_text().split("\0")
    whole.terminate()
    assert whole.wait(15) == 0


@pytest.mark.parametrize("words", [["run", "-c"], ["check"], ["supervisor", "check"], ["supervisor"]])
def test_a_program_without_command(tmp_path, words):
    ini = tmp_path / "all.ini"
    ini.write_text(f"{ROLE}[program:other]\nstartsecs = 0\n")
    got = run(TROUPE, *words, ini)
    assert got.returncode == 1 and f"{ini}:10: command: [program other] must set it" in got.stdout + got.stderr
