"""What all roles share: command line, daemon, control socket, reload, log. $HOUSE has one role, demo."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

HOUSE = os.environ.get("HOUSE", "build/release/house")


class House:
    """One ini file, and what can be done with it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.ini = folder / "demo.ini"
        self.log = folder / "log"
        self.control = folder / "c.sock"
        self.env = {k: v for k, v in os.environ.items() if k not in ("TROUPE_ROLE", "TROUPE_DEBUG")}

    def write(self, demo="", troupe=""):
        self.ini.write_text(
            f"[troupe]\nlog = {self.log}\ncontrol = {self.control}\npid_file = {self.folder}/pid\n"
            f"{troupe}\n[demo]\n{demo}\n"
        )

    def __call__(self, *words, conf=True, env=None, timeout=20):
        tail = ["-c", str(self.ini)] if conf else []
        return subprocess.run(
            [HOUSE, *words, *tail], capture_output=True, text=True, timeout=timeout,
            env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
        )

    def wait_log(self, text, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.log.exists() and text in self.log.read_text():
                return
            time.sleep(0.01)
        raise AssertionError(f"no '{text}' in\n{self.log.read_text() if self.log.exists() else ''}")

    def pid(self):
        return int((self.folder / "pid").read_text())


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path)
    one.write()
    yield one
    one("demo", "stop", "-f")


def test_version_help_and_usage(house):
    assert house("version", conf=False).stdout.startswith("troupe ")
    assert "demo " in house("help", conf=False).stdout
    assert ";wait = 0" in house("help", "demo", conf=False).stdout
    assert ";drain_timeout = 30s" in house("reference", conf=False).stdout
    wrong = house("dmeo", conf=False)
    assert wrong.returncode == 2 and "demo" in wrong.stderr
    assert house("start", conf=False).returncode == 2
    assert house("demo", "-c", conf=False).returncode == 2
    assert house("ctl").returncode == 2


def test_start_status_stop(house):
    started = house("demo", "start")
    assert started.returncode == 0 and "started, process" in started.stdout
    again = house("demo", "start")
    assert again.returncode == 1 and "already running" in again.stderr
    again = house("demo", "start", "--if-not-running")
    assert again.returncode == 0 and "already running" in again.stdout and not again.stderr
    listed = house("demo", "list").stdout.splitlines()
    assert listed[0].split()[:2] == ["USER", "PID"] and [line.split()[1] for line in listed[1:]] == [str(house.pid())]
    one, = json.loads(house("demo", "list", "--json").stdout)
    assert one["pid"] == house.pid() and one["rss"] > 0 and "demo" in one["command"]
    status = house("demo", "status")
    assert status.returncode == 0 and f"{house.pid()}" in status.stdout
    figures = json.loads(house("demo", "status", "--json").stdout)
    assert figures["role"] == "demo" and figures["process"][0]["state"] == "running"
    assert house("demo", "restart").returncode == 0
    assert house("demo", "stop").returncode == 0
    assert not house.control.exists() and not (house.folder / "pid").exists()
    for verb in ("stop", "exit", "reload", "status", "list"):
        assert house("demo", verb).returncode == 3
    assert house("ctl", "status").returncode == 3


def test_exit_waits_for_nothing(house):
    house.write("wait = 1h")
    assert house("demo", "start", "--if-not-running").returncode == 0
    assert "started" in json.loads(house("demo", "status", "--json").stdout)["process"][0]
    assert house("demo", "exit").stdout == "demo: stopped\n"
    assert house("demo", "status").returncode == 3


def test_a_failed_start_is_told_to_the_caller(house):
    house.write("wait = soon\nfixd = 1")
    started = house("demo", "start")
    assert started.returncode == 1
    assert f"{house.ini}:7: wait: 'soon' is not a time" in started.stderr
    assert f"{house.ini}:8: fixd: no such key in [demo], is fixed meant?" in started.stderr
    house.write(troupe="[troupe]")
    house.ini.write_text("[troupe]\nlog = /no/such/folder/log\n")
    started = house("demo", "start")
    assert started.returncode == 1 and "/no/such/folder/log" in started.stderr


def test_check_tells_all_errors(house):
    assert house("check").returncode == 0
    house.write("wait = soon\n[oops]\n", troupe="log_level = loud\nuser = nobody-of-that-name")
    checked = house("check", str(house.ini), conf=False)
    assert checked.returncode == 1 and "4 errors" in checked.stdout
    for part in (":5: log_level", ":6: user", ":8: wait", ":9: [oops]"):
        assert f"{house.ini}{part}" in checked.stdout
    assert house("check", "/no/such/file", conf=False).returncode == 1


def test_the_role_may_come_from_anywhere(house, tmp_path):
    link = tmp_path / "demo"
    link.symlink_to(pathlib.Path(HOUSE).resolve())
    ran = subprocess.run([link, "status", "-c", house.ini], capture_output=True, text=True, timeout=9)
    assert ran.returncode == 3 and ran.stderr.startswith("troupe: not running")
    assert house("status", env={"TROUPE_ROLE": "demo"}).returncode == 3
    assert house("status").returncode == 2
    assert house("demo", "check", conf=False, env={"TROUPE_CONF": str(house.ini)}).returncode == 0
    house.write(troupe="role = demo")
    assert house("status").returncode == 3


def test_reload_tells_differences_and_refuses(house):
    house("demo", "start")
    house.write("wait = 5ms\nfixed = 2")
    reload = house("demo", "reload")
    assert reload.returncode == 0
    assert "[demo] wait: 0 -> 5ms\n" in reload.stdout
    assert "[demo] fixed: 0 -> 2 (needs a restart)" in reload.stdout
    house.write("wait = 6ms\nfixed = 13")
    os.kill(house.pid(), signal.SIGHUP)
    house.wait_log("reload refused, the old configuration stays: not on a Friday")
    house.write("wait = sixth")
    refused = house("demo", "reload")
    assert refused.returncode == 1 and f"{house.ini}:7: wait:" in refused.stdout
    assert json.loads(house("ctl", "status", "--json").stdout)["totals"] == [{"wait": 5}]


def test_ctl_carries_any_words(house):
    house("demo", "start")
    words = ["a b", 'q"\\', "ü", ""]
    assert house("ctl", "echo", *words).stdout == "\n".join(words) + "\n"
    assert house("ctl", "nonsense").returncode == 2
    assert "log-level" in house("ctl", "help").stdout
    assert house("ctl", "log-level", "debug").stdout == "debug\n"
    assert house("ctl", "log-level", "loud").returncode == 2


def test_control_socket_bears_nonsense(house):
    house("demo", "start")
    assert house.control.stat().st_mode & 0o777 == 0o600
    for sent in (b"\n", b"{}\n", b"[1]\n", b"[]\n", b'["a"', b"\0\n", b"[" * 5000 + b"\n", b"x" * 70000):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(house.control))
            try:
                s.sendall(sent)
                s.shutdown(socket.SHUT_WR)
                answer = s.recv(100)
            except (ConnectionError, BrokenPipeError):
                answer = b""
            assert answer == b"" or answer.startswith(b"2\n")
    held = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for s in held:
        s.connect(str(house.control))
    assert house.pid()
    for s in held:
        s.close()
    assert house("demo", "status").returncode == 0


def test_a_stale_socket_is_replaced(house):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(house.control))
    assert house("demo", "start").returncode == 0
    assert house("demo", "status").returncode == 0


def test_a_live_socket_means_running(house):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(house.control))
        s.listen()
        started = house("demo", "start")
        assert started.returncode == 1 and "already running" in started.stderr


def test_drain_ends_when_the_work_does(house):
    house.write("wait = 1s")
    house("demo", "start")
    assert house("ctl", "drain").returncode == 0
    assert "draining" in house("demo", "status").stdout
    house.wait_log("ended")
    log = house.log.read_text()
    assert log.index("draining" if "draining" in log else "drained") < log.index("ended")


def test_drain_timeout_and_second_signal(house):
    house.write("wait = 1h", troupe="drain_timeout = 100ms")
    house("demo", "start")
    began = time.monotonic()
    assert house("demo", "stop").returncode == 0
    assert time.monotonic() - began < 5
    assert "not drained within drain_timeout" in house.log.read_text()
    house.write("wait = 1h", troupe="drain_timeout = 1h")
    house("demo", "start")
    assert house("demo", "stop", "-f").returncode == 0
    assert "SIGTERM again, stopping now" in house.log.read_text()


def test_foreground_tells_the_service_manager(house):
    path = house.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(10)
        process = subprocess.Popen([HOUSE, "demo", house.ini], env={**house.env, "NOTIFY_SOCKET": str(path)})
        assert manager.recv(200) == b"READY=1"
        process.send_signal(signal.SIGHUP)
        assert manager.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(200) == b"READY=1"
        process.send_signal(signal.SIGINT)
        assert manager.recv(200) == b"STOPPING=1"
        assert process.wait(10) == 0


def test_log_is_opened_anew(house):
    house.write(troupe="log_format = json")
    house("demo", "start")
    house.log.rename(house.folder / "old")
    os.kill(house.pid(), signal.SIGUSR1)
    house.wait_log("opened anew")
    assert json.loads((house.folder / "old").read_text().splitlines()[0])["role"] == "demo"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_rights_are_given_up(house):
    house.write(troupe="user = nobody")
    os.chmod(house.folder, 0o755)
    assert house("demo", "start").returncode == 0
    status = pathlib.Path(f"/proc/{house.pid()}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert house.log.stat().st_uid == 65534
    assert house("demo", "stop").returncode == 0


def test_default_places_differ_by_file(house):
    house.ini.write_text(f"[troupe]\nlog = {house.log}\n")
    other = house.folder / "other.ini"
    other.write_text(f"[troupe]\nlog = {house.log}\n")
    env = {"XDG_RUNTIME_DIR": str(house.folder)}
    assert house("demo", "start", env=env).returncode == 0
    assert house("demo", "start", "-c", str(other), conf=False, env=env).returncode == 0
    assert house("demo", "stop", "-c", str(other), conf=False, env=env).returncode == 0
    assert house("demo", "status", env=env).returncode == 0
    assert house("demo", "stop", env=env).returncode == 0
