"""What goes wrong around a supervisor: calls that nobody would make, programs that can't run, clocks, disks."""
import os
import pathlib
import re
import resource
import signal
import socket
import xmlrpc.client

import pytest

from daemon import SANITIZED
from servers import wait_for
from supervisor import FAULTS, alive, may_mount

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


def post(s, body, head=None, size=None):
    """What a hand-made call of /RPC2 is answered; b"" when the connection just ends."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(15)
        sock.connect(s.socket)
        try:
            sock.sendall(head or b"POST /RPC2 HTTP/1.1\r\nHost: \r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
                         % (len(body) if size is None else size))
            sock.sendall(body)
            if size is not None:
                sock.shutdown(socket.SHUT_WR)
            return sock.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return b""


LAUGHS = (b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'>" + b"".join(
    b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]><methodCall><methodName>supervisor.getState</methodName><params><param><value>&j;</value></param></params></methodCall>")


def call(value):
    return (b"<?xml version='1.0'?><methodCall><methodName>supervisor.getProcessInfo</methodName><params><param><value>" + value
            + b"</value></param></params></methodCall>")


def test_hostile_calls_take_neither_memory_nor_time(supervisor):
    s = supervisor(CAT)
    s.wait_state("cat", "RUNNING")
    before, used = s.rss(), s.cpu_s()
    deep = b"<array><data><value>" * 200000
    for body in (LAUGHS, call(deep), call(b"<struct><member><name>a</name><value>" * 100000), b"<" * 1000000, b"\0" * 1000,
                 call(b"&#0;"), call(b"&#x110000;"), call(b"&#xd800;"), call(b"&lt"), call(b"<string>\xff\xfe</string>"), call(b"<int>" + b"9" * 100000 + b"</int>"),
                 call(b"<base64>%%%</base64>"), call(b"<dateTime.iso8601>x</dateTime.iso8601>"), call(b"<string></int>"), call(b"<int>1</int>") + b"<more/>"):
        answer = post(s, body)
        assert answer.startswith(b"HTTP/1.1 400") or b"<fault>" in answer, (body[:80], answer)
    assert post(s, b"x", size=11 << 20).startswith(b"HTTP/1.1 413")  # more than a call may have
    assert post(s, b"<methodCall>", size=100) == b""  # the client ends amid its call
    assert s.rpc.getState()["statecode"] == 1 and s.state("cat") == "RUNNING"
    assert SANITIZED or s.rss() - before < 24 << 20 and s.cpu_s() - used < 2


def test_every_prefix_of_a_call(supervisor):
    s = supervisor(CAT)
    whole = call(b"<string>cat</string>")
    for n in range(len(whole)):
        assert post(s, whole[:n]).startswith(b"HTTP/1.1 400"), whole[:n]
    assert b"<methodResponse>" in post(s, whole)


# ---- programs that can't run ---------------------------------------------------------------------


def test_exec_that_fails_in_more_ways(supervisor, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "garbage").write_bytes(b"\x7fELF" + b"\0" * 100)
    (tmp_path / "script").write_text("#!/bin/false\n")
    (tmp_path / "locked").mkdir(mode=0o700)
    for name in ("empty", "garbage", "script"):
        (tmp_path / name).chmod(0o755)
    busy = tmp_path / "busy"
    busy.write_bytes(pathlib.Path("/bin/true").read_bytes())
    busy.chmod(0o755)
    writer = open(busy, "r+b")  # ETXTBSY
    (tmp_path / "long").write_text("A=" + "x" * 140000 + "\n")  # a variable has at most 128 KiB
    lines = {
        "loop": (str(loop), "", "symbolic links"), "garbage": (f"{tmp_path}/garbage", "", "Exec format|Invalid"),
        "busy": (str(busy), "", "busy"), "big": ("/bin/cat", f"env_file = {tmp_path}/long", "too long"),
        "deep": ("/" + "a/" * 3000, "", "too long"), "under": ("/bin/cat/x", "", "Not a directory"),
        "root": ("/bin/cat", f"chroot = {tmp_path}/none", "chroot .*none: No such file"),
        "file": ("/bin/cat", "directory = /etc/passwd", "chdir /etc/passwd: Not a directory"),
        "nofile": ("/bin/cat", "rlimit_nofile = 999999999999", "rlimit_nofile: ")}
    if os.geteuid() == 0:
        lines["locked"] = ("/bin/cat", f"user = nobody\ndirectory = {tmp_path}/locked", "chdir .*: Permission denied")
        lines["others"] = (f"{tmp_path}/script", "user = nobody", "Permission denied")
    s = supervisor("".join(f"[program:{name}]\ncommand = {command}\nstartretries = 0\n{more}\n" for name, (command, more, _) in lines.items()))
    for name, (_, _, why) in lines.items():
        assert re.search(why, s.wait_state(name, "FATAL")["spawnerr"]), s.info(name)
    writer.close()
    with pytest.raises(xmlrpc.client.Fault, match="SPAWN_ERROR"):
        s.rpc.startProcess("garbage")
    assert s.rpc.startProcess("busy", False) is True  # nobody writes to it any more
    children = pathlib.Path(f"/proc/{s.pid}/task/{s.pid}/children")
    wait_for("all of them to be reaped", lambda: all(map(alive, children.read_text().split())))


def test_user_that_is_not_there_is_told_at_once(supervisor):
    s = supervisor(CAT)
    s.change(CAT + "[program:no]\ncommand = /bin/cat\nuser = no-such-user\n")
    s.wait_log("no-such-user")
    assert [p["name"] for p in s.rpc.getAllProcessInfo()] == ["cat"]


# ---- what runs out -----------------------------------------------------------------------------------


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_out_of_descriptors(supervisor):
    s = supervisor(CAT + "[program:more]\ncommand = /bin/cat\nautostart = false\nstartsecs = 0\nstartretries = 0\n")
    s.wait_state("cat", "RUNNING")
    had, before = resource.prlimit(s.pid, resource.RLIMIT_NOFILE), fds(s.pid)
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (before + 4, had[1]))
    with pytest.raises(xmlrpc.client.Fault, match="SPAWN_ERROR|ABNORMAL"):
        s.rpc.startProcess("more")
    assert "too many open files" in s.wait_state("more", "FATAL")["spawnerr"].lower()
    assert s.state("cat") == "RUNNING"
    wait_for("what it had opened to be closed", lambda: fds(s.pid) <= before + 1)
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, had)
    assert s.rpc.startProcess("more") is True and s.wait_state("more", "RUNNING")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_out_of_processes(supervisor):
    s = supervisor("[program:few]\ncommand = /bin/sh -c 'sleep 1000 & echo went on; cat'\nuser = games\nrlimit_nproc = 1\nstartsecs = 0\n"
                   "autorestart = false\nstderr_logfile = %(here)s/few.err\n" + CAT)
    assert re.search("[Cc]annot fork|unavailable", s.wait_text("few.err", "\n"))
    assert s.state("cat") == "RUNNING"


@pytest.mark.skipif(not may_mount(), reason="needs a mount namespace")
def test_disk_that_is_full_and_has_room_again(supervisor, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=256k none {disk} && exec "$@"', "sh"]
    s = supervisor(f"[program:p]\ncommand = /bin/sh -c 'while :; do echo 0123456789012345678901234567890123456789; done'\nstartsecs = 0\n"
                   f"stdout_logfile = {disk}/p.log\nstdout_logfile_maxbytes = 0\n" + CAT, main="log_block = 200ms", prefix=mount)
    s.wait_log("takes nothing: no space left", 15)
    assert s.state("p") == s.state("cat") == "RUNNING"
    s.rpc.sendProcessStdin("cat", "still here\n")
    os.kill(s.info("p")["pid"], signal.SIGSTOP)
    os.truncate(f"/proc/{s.pid}/root{disk}/p.log", 0)
    os.kill(s.info("p")["pid"], signal.SIGCONT)
    s.wait_log(r"takes bytes again, dropped=\d+", 15)


# ---- programs that behave badly -----------------------------------------------------------------------


def test_flood_starves_nobody(supervisor):
    s = supervisor("[program:flood]\ncommand = /usr/bin/yes 0123456789\nstartsecs = 0\nstdout_logfile = %(here)s/flood.log\n"
                   "stdout_logfile_maxbytes = 1MB\nstdout_logfile_backups = 1\n" + CAT)
    for n in range(20):
        s.rpc.sendProcessStdin("cat", f"{n}\n")
        wait_for("its echo", lambda: f"{n}\n" in s.rpc.readProcessStdoutLog("cat", 0, 0), 20)
    assert SANITIZED or s.rss() < 64 << 20
    assert s.rpc.stopProcess("flood") is True
    assert sum(p.stat().st_size for p in s.folder.glob("flood.log*")) <= 2 << 20


def test_dies_at_once_for_ever(supervisor):
    s = supervisor("[program:p]\ncommand = /bin/false\nstartsecs = 0\nautorestart = true\n" + CAT)
    wait_for("many lives", lambda: s.log().count("spawned name=p:p") > 300, 20)
    before = fds(s.pid), s.rss()
    count = s.log().count("spawned name=p:p")
    wait_for("many more", lambda: s.log().count("spawned name=p:p") > count + 600, 20)
    assert fds(s.pid) <= before[0] + 12 and (SANITIZED or s.rss() < before[1] + (2 << 20))
    s.rpc.stopProcess("p")
    assert s.state("p") in ("STOPPED", "EXITED") and s.state("cat") == "RUNNING"
