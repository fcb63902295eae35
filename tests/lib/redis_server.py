"""A real Redis server of our own, and its client."""
import subprocess
import time

from servers import die_with_parent, free_port


class Redis:
    """`port` stays over a restart; with `append`, so does what is in it. `login`: a password that it asks for."""

    def __init__(self, folder, append=True, args=(), login=None):
        self.port = free_port()
        self.folder = folder
        self.args = ["--appendonly", "yes" if append else "no", "--appendfsync", "always", *args]
        self.login = ("-a", login, "--no-auth-warning") if login else ()
        self.start()

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder), *self.args]

    def start(self, ready=True):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        end = time.monotonic() + 10
        while ready and "PONG" not in self("PING", check=False):
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.02)

    def __call__(self, *words, check=True, stdin=None, login=None):
        """What redis-cli says."""
        got = subprocess.run(["redis-cli", "-p", str(self.port), *(self.login if login is None else login), *map(str, words)], input=stdin,
                             capture_output=True, text=True, timeout=10)
        assert not check or got.returncode == 0 and "ERR" not in got.stdout[:20], got
        return got.stdout.rstrip("\n")

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)


class Sentinel(Redis):
    """A Sentinel that watches one master and promotes a replica of it alone."""

    def __init__(self, folder, master, name="main", login=None, password=None):
        self.path = folder / f"sentinel.{master.port}.conf"
        lines = [f"sentinel monitor {name} 127.0.0.1 {master.port} 1", f"sentinel down-after-milliseconds {name} 300",
                 f"sentinel failover-timeout {name} 3000"]
        lines += [f"sentinel auth-pass {name} {login}"] if login else []
        lines += [f"requirepass {password}"] if password else []
        self.path.write_text("\n".join(lines) + "\n")
        super().__init__(folder, login=password)

    def command(self):
        return ["redis-server", self.path, "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
