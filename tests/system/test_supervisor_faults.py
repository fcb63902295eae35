"""What goes wrong around a supervisor: calls that nobody would make, programs that can't run, clocks, disks."""
import pytest
import xmlrpc.client

from servers import wait_for
from supervisor import FAULTS

CAT = "[program:cat]\ncommand = /bin/cat\nstartsecs = 0\n"


# ---- text that is none -----------------------------------------------------------------------


def test_logs_that_are_empty_or_no_text(supervisor):
    s = supervisor("[program:p]\ncommand = /bin/sh -c 'read x; printf \"a\\377b\"; cat'\nstartsecs = 0\nstdout_logfile = %(here)s/p.log\n"
                   "stderr_logfile = NONE\n")
    s.wait_state("p", "RUNNING")
    assert s.rpc.readProcessStdoutLog("p", 0, 0) == "" and s.rpc.tailProcessStdoutLog("p", 0, 100) == ["", 0, False]
    assert s.rpc.tailProcessStderrLog("p", 0, 100) == ["", 0, False]
    s.rpc.sendProcessStdin("p", "\n")
    wait_for("its output", lambda: (s.folder / "p.log").stat().st_size == 3)
    assert s.rpc.readProcessStdoutLog("p", 0, 0) == "a?b"


def test_fault_cut_within_a_character(supervisor):
    s = supervisor(CAT)
    for shift in ("", "x"):
        with pytest.raises(xmlrpc.client.Fault) as fault:
            s.rpc.getProcessInfo(shift + "\u00e9" * 600)
        assert fault.value.faultCode == FAULTS["BAD_NAME"] and fault.value.faultString.startswith(f"BAD_NAME: {shift}")
    assert s.rpc.getState()["statecode"] == 1


def test_reasons_and_words_that_are_no_text(supervisor, tmp_path):
    (tmp_path / "say.py").write_text("import os, socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                                     "s.connect('\\0' + os.environ['NOTIFY_SOCKET'][1:])\ns.send(b'READY=1\\nSTATUS=a\\xffb')\nsys.stdin.read()\n")
    s = supervisor("", name="bytes")
    text = s.head + (f"[program:p]\ncommand = /usr/bin/python3 {tmp_path}/say.py\nready = notify\nstartsecs = 0\n"
                     f"[program:no]\ncommand = {tmp_path}/\udcff\nstartretries = 0\n")
    s.conf_path.write_bytes(text.encode(errors="surrogateescape"))
    s.reload()
    s.wait_log("reloaded ")
    info = s.wait_state("no", "FATAL")
    assert info["spawnerr"].endswith("/?: No such file or directory")
    wait_for("its words", lambda: "a?b" in [p.get("said") for p in s.server.troupe.getAllProcessInfo()])
    s.conf_path.write_bytes(s.head.encode() + b"[program:a\xff]\ncommand = /bin/cat\n")
    s.reload()
    s.wait_log("a name must be UTF-8")
