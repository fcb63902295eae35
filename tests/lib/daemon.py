"""Starts roles of the binary that $TROUPE names, and ends them."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from servers import APP, MONITOR, die_with_parent, wait_for

try:
    import pymysql
except ImportError:
    pymysql = None

TROUPE = os.path.abspath(os.environ.get("TROUPE", "build/release/troupe"))
CLOCK = os.sysconf("SC_CLK_TCK")
# Its memory and time say nothing then.
SANITIZED = any(word in TROUPE for word in ("asan", "tsan"))


class Daemon:
    """One running role with the configuration file `text`. Its log is what a failed test prints.

    `env` is added to its environment; None takes a name out. `prefix` are words before the command, which executes it.
    """

    def __init__(self, role: str, text: str, folder: pathlib.Path, name: str = None, env: dict = None, prefix=()):
        name = name or role
        self.role, self.env, self.prefix = role, env or {}, prefix
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        self.conf_path = pathlib.Path(folder) / f"{name}.ini"
        self.conf_path.write_text(text)
        self.log_file = open(self.log_path, "w")
        self.process = None
        self.launch()

    def launch(self):
        env = {**os.environ, "TROUPE_DEBUG": "1", **self.env}
        self.process = subprocess.Popen(
            [*self.prefix, TROUPE, self.role, str(self.conf_path)], stdin=subprocess.DEVNULL, stdout=self.log_file,
            stderr=self.log_file, preexec_fn=die_with_parent, env={k: v for k, v in env.items() if v is not None})

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern: str, seconds: float = 5.0) -> re.Match:
        """The first match of `pattern` in the log; fails at once when the role has ended."""
        def look():
            ended = self.process.poll() is not None
            found = re.search(pattern, self.log())
            if ended and not found:
                raise AssertionError(f"{self.role} ended, status {self.process.returncode}:\n{self.log()[-5000:]}")
            return found

        try:
            return wait_for(f"/{pattern}/ in the log", look, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}\n{self.log()[-5000:]}") from None

    def connect(self) -> socket.socket:
        port = int(self.wait_log(r"listening on [\d.]+:(\d+)")[1])
        return socket.create_connection(("127.0.0.1", port), timeout=5)

    def reload(self, text: str = None):
        """SIGHUP, with another configuration when `text` is given."""
        if text is not None:
            self.conf_path.write_text(text)
        self.process.send_signal(signal.SIGHUP)

    def stop(self, signo=signal.SIGTERM) -> int:
        """Its exit status; killed, and so not 0, when it does not end within 15 s."""
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL

    def rss(self) -> int:
        """Bytes of its own memory: resident anonymous pages."""
        return memory(self.pid)

    def cpu_s(self) -> float:
        return cpu_s(self.pid)


def memory(pid: int, field: str = "RssAnon") -> int:
    """A figure of /proc/PID/status in bytes."""
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def cpu_s(pid: int) -> float:
    """CPU seconds that all threads of a process have used; nanoseconds where the kernel has them."""
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        total = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
        if total:
            return total / 1e9
    except (OSError, ValueError):
        pass
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK


def user_section(name: str, password: str, extra: str = "") -> str:
    return f"[user {name}]\npassword = {password}\n{extra}\n"


def sqlproxy_conf(servers, top="", users=(APP,), database="", pool=4, split=True, monitor="", extra="") -> str:
    """An ini for sqlproxy. `servers` are (name, address, role[, more lines])."""
    lines = ["[sqlproxy]", "listen = 127.0.0.1:0", "admin = 127.0.0.1:0", "admin_user = admin",
             "admin_password = admin", top]
    for name, password in users:
        lines += [f"[user {name}]", f"password = {password}"]
    for name, address, role, *more in servers:
        lines += [f"[server {name}]", f"address = {address}", f"role = {role}", *more]
    lines += ["[database *]", "servers = " + ", ".join(s[0] for s in servers), f"max = {pool}",
              f"split = {'on' if split else 'off'}", database]
    lines += ["[monitor]", f"user = {MONITOR[0]}", f"password = {MONITOR[1]}", monitor or "interval = 200ms",
              "[troupe]", "drain_timeout = 5s", extra]
    return "\n".join(line for line in lines if line) + "\n"


def pair_conf(pair, **more) -> str:
    """An ini for a writer and its replica."""
    return sqlproxy_conf([("db1", pair.writer.address, "primary"), ("db2", pair.replica.address, "replica")], **more)


class Proxy(Daemon):
    """A running sqlproxy."""

    def __init__(self, text: str, folder, name: str = "sqlproxy", env: dict = None):
        super().__init__("sqlproxy", text, folder, name, env)
        self._ports = None

    def ready(self, seconds: float = 10.0):
        self.wait_log(r"listening on 127\.0\.0\.1:\d+", seconds)
        self.wait_log(r"ready role=sqlproxy", seconds)
        return self

    @property
    def port(self) -> int:
        return int(self.wait_log(r"listening on 127\.0\.0\.1:(\d+)")[1])

    @property
    def admin_port(self) -> int:
        return int(self.wait_log(r"admin on 127\.0\.0\.1:(\d+)")[1])

    def client(self, user=APP[0], password=APP[1], db=None, **more):
        """A PyMySQL connection through the proxy."""
        return pymysql.connect(host="127.0.0.1", port=self.port, user=user, password=password, database=db,
                               autocommit=True, charset="utf8mb4", **more)

    def query(self, sql: str, args=None, **more):
        with self.client(**more) as link, link.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall()

    def admin(self, sql: str) -> list:
        """Rows of an admin statement, as dictionaries with lower-case keys."""
        with pymysql.connect(host="127.0.0.1", port=self.admin_port, user="admin", password="admin") as link:
            with link.cursor(pymysql.cursors.DictCursor) as cursor:
                cursor.execute(sql)
                return [{k.lower(): v for k, v in row.items()} for row in cursor.fetchall()]

    def wait_admin(self, sql: str, test, seconds: float = 10.0):
        """The first rows of `sql` for which test(rows) is true."""
        seen = []

        def look():
            seen[:] = self.admin(sql)
            return test(seen)

        try:
            wait_for(sql, look, seconds, step=0.02)
        except AssertionError as why:
            raise AssertionError(f"{why}; last: {seen}") from None
        return seen
