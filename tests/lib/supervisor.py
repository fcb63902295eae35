"""A running supervisor, and its XML-RPC through the unix socket."""
import functools
import http.client
import pathlib
import re
import socket
import subprocess
import xmlrpc.client

from daemon import Daemon
from servers import wait_for

FAULTS = {"BAD_NAME": 10, "BAD_SIGNAL": 11, "NO_FILE": 20, "NOT_EXECUTABLE": 21, "FAILED": 30, "ABNORMAL_TERMINATION": 40,
          "SPAWN_ERROR": 50, "ALREADY_STARTED": 60, "NOT_RUNNING": 70, "UNKNOWN_METHOD": 1, "INCORRECT_PARAMETERS": 2,
          "BAD_ARGUMENTS": 3, "ALREADY_ADDED": 90, "STILL_RUNNING": 91, "CANT_REREAD": 92}


# A /dev for one process: the usual devices, and its log is the socket $1/log.
OWN_DEV = """d=$1/dev; shift; mkdir -p $d && mount -t tmpfs -o mode=755 none $d || exit
for n in null zero full random urandom tty; do touch $d/$n; mount --bind /dev/$n $d/$n; done
mkdir $d/shm; ln -s /proc/self/fd $d/fd; ln -s fd/0 $d/stdin; ln -s fd/1 $d/stdout; ln -s fd/2 $d/stderr; ln -s ${d%/dev}/log $d/log
mount --rbind $d /dev && exec "$@"
"""


@functools.cache
def may_mount() -> bool:
    """Whether a process may get mounts of its own."""
    return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


def own_dev(folder) -> list:
    """What stands before a command to give it a /dev of its own, whose log is a socket in `folder`."""
    return ["unshare", "-m", "sh", "-c", OWN_DEV, "sh", str(folder)]


def script(path: pathlib.Path, text: str) -> str:
    """An executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    """Whether it runs; one that only waits to be reaped does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        return UnixConnection(self.path)


def answers(rpc) -> bool:
    """Whether a supervisor, ours or another, is up; its socket may be there before it listens."""
    try:
        return rpc.getState()["statecode"] == 1
    except (OSError, http.client.HTTPException):
        return False


def moments(s, pattern: str) -> list:
    """Seconds of all lines of a supervisor's log that match."""
    found = re.findall(rf"T(\d\d):(\d\d):([\d.]+)Z [^\n]*{pattern}", s.log())
    return [int(hour) * 3600 + int(minute) * 60 + float(second) for hour, minute, second in found]


def gaps(s, first: str, second: str, skip=0) -> list:
    """Seconds between each line of the first kind and its line of the second, of which some are skipped."""
    return [round((b - a) % 86400, 3) for a, b in zip(moments(s, first), moments(s, second)[skip:])]


class Supervisor(Daemon):
    """`programs`: sections as text. Everything of it lies in `folder`."""

    def __init__(self, programs: str, folder, name="supervisor", main="", **more):
        self.folder = pathlib.Path(folder)
        self.socket = str(self.folder / f"{name}.sock")
        self.head = (f"[supervisord]\nnodaemon = true\nlogfile = {self.folder}/{name}-main.log\nchildlogdir = {self.folder}\n"
                     f"state = {self.folder}/{name}.state\n{main}\n[unix_http_server]\nfile = {self.socket}\n"
                     f"[supervisorctl]\nserverurl = unix://{self.socket}\n[rpcinterface:supervisor]\n"
                     "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n")
        super().__init__("supervisor", self.head + programs, folder, name, **more)
        self.wait_up()

    def wait_up(self):
        wait_for("the supervisor to answer", self.answers, 10)

    def answers(self):
        up = answers(self.rpc)
        assert up or self.process.poll() is None, self.log()[-3000:]
        return up

    @property
    def server(self) -> xmlrpc.client.ServerProxy:
        return xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.socket), allow_none=True)

    @property
    def rpc(self):
        return self.server.supervisor

    def change(self, programs: str):
        """Another configuration, by SIGHUP."""
        before = self.log().count("reloaded ")
        self.reload(self.head + programs)
        wait_for("the reload", lambda: self.log().count("reloaded ") > before or "refused" in self.log(), 10)

    def info(self, name: str) -> dict:
        return self.rpc.getProcessInfo(name)

    def state(self, name: str) -> str:
        return self.info(name)["statename"]

    def wait_state(self, name: str, state: str, seconds=10) -> dict:
        def look():
            info = self.info(name)
            return info if info["statename"] == state else None

        try:
            return wait_for(f"{name} to be {state}", look, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}; it is {self.info(name)}\n{self.log()[-3000:]}") from None

    def text(self, name: str) -> str:
        """A file of its folder."""
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_text(self, name: str, part: str, seconds=10) -> str:
        try:
            return wait_for(f"{part!r} in {name}", lambda: self.text(name) if part in self.text(name) else None, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}; there is {self.text(name)[-1000:]!r}\n{self.log()[-3000:]}") from None
