"""dfsd beside rsync (client and daemon) and lsyncd, round by round, medians: seconds of CPU are those of both sides.

    dfsd.py [small] [big] [latency] [storm]        FILES=5000 MIB=256 ROUNDS=3 OPS=5000
"""
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import dfs  # noqa: E402
from servers import free_port  # noqa: E402

FILES, BIG, ROUNDS, OPS = (int(os.environ.get(k, d)) for k, d in (("FILES", 5000), ("MIB", 256), ("ROUNDS", 3), ("OPS", 5000)))
TICK = os.sysconf("SC_CLK_TCK")
LIMIT = 20


def cpu(pid) -> float:
    """Seconds of it and of its children that are over."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return sum(int(n) for n in fields[11:15]) / TICK


def until(done, every=0.002):
    end = time.monotonic() + LIMIT
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def listing(root) -> dict:
    """Each path with what it is; lsyncd leaves the times of folders as they come."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        if b".troupe" in folders:
            folders.remove(b".troupe")
        for name in folders + files:
            st = os.lstat(os.path.join(folder, name))
            is_folder = name in folders and not os.path.islink(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), os.fsencode(root))] = is_folder or (st.st_mode, st.st_size, st.st_mtime_ns)
    return found


def differ(a, b) -> int:
    """Paths that do; one that has gone while it is looked at counts."""
    try:
        a, b = listing(a), listing(b)
    except FileNotFoundError:
        return 1
    return sum(a.get(path) != b.get(path) for path in a.keys() | b.keys())


class Dfsd:
    """Two nodes; the sender starts when it is told to."""
    name, realtime = "dfsd", True

    def __init__(self, folder, key=True):
        self.folder = pathlib.Path(folder)
        self.key = dfs.new_key(folder) if key else None
        self.b = dfs.Node(folder, "b", {"s": f"path = {folder}/b\nrole = receive\nmax_delete = 0"}, {"a": None}, key=self.key)
        self.a = None

    def sync(self):
        self.a = self.a or dfs.Node(self.folder, "a", {"s": f"path = {self.folder}/a\nrole = send"},
                                    {"b": f"127.0.0.1:{self.b.port}"}, key=self.key)
        until(lambda: self.a.pair("b").get("lag", 1) == 0 and self.a.share().get("waiting", 1) == 0, 0.02)

    def cpu(self):
        return sum(cpu(node.process.pid) for node in (self.a, self.b) if node)

    def stop(self):
        for node in (self.a, self.b):
            if node:
                node.stop()


class Clear(Dfsd):
    name = "dfsd, no TLS"

    def __init__(self, folder):
        super().__init__(folder, key=False)


class Rsync:
    """A daemon that receives, a client for each turn."""
    name, realtime = "rsync", False

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        conf = pathlib.Path(folder) / "rsyncd.conf"
        conf.write_text(f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n[b]\npath = {folder}/b\nread only = no\n")
        self.daemon = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={conf}", f"--port={self.port}",
                                        "--address=127.0.0.1", f"--log-file={folder}/rsyncd.log"])
        time.sleep(0.3)
        self.used = 0.0

    def sync(self):
        before = os.times()
        subprocess.run(["rsync", "-a", "--delete", f"{self.folder}/a/", f"rsync://127.0.0.1:{self.port}/b/"], check=True)
        after = os.times()
        self.used += after.children_user - before.children_user + after.children_system - before.children_system

    def cpu(self):
        return self.used + cpu(self.daemon.pid)

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()


class Lsyncd(Rsync):
    """One of its batches a second, the least that it can."""
    name, realtime = "lsyncd", True

    def __init__(self, folder):
        super().__init__(folder)
        self.lsyncd = None

    def sync(self):
        if self.lsyncd is None:
            conf = pathlib.Path(self.folder) / "lsyncd.lua"
            conf.write_text(f'settings{{nodaemon=true,logfile="{self.folder}/lsyncd.log"}}\nsync{{default.rsync,source="{self.folder}/a",'
                            f'target="rsync://127.0.0.1:{self.port}/b/",delay=1,rsync={{archive=true}}}}\n')
            self.lsyncd = subprocess.Popen(["lsyncd", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: not differ(f"{self.folder}/a", f"{self.folder}/b"), 0.1)

    def cpu(self):
        return cpu(self.lsyncd.pid) + cpu(self.daemon.pid) if self.lsyncd else 0.0

    def stop(self):
        if self.lsyncd:
            self.lsyncd.send_signal(signal.SIGTERM)
            self.lsyncd.wait()
        super().stop()


KINDS = [Dfsd, Clear] + [kind for kind, tool in ((Rsync, "rsync"), (Lsyncd, "lsyncd")) if shutil.which(tool)]


class Scene:
    """A folder a and an empty one b, and one who keeps them the same."""

    def __init__(self, kind):
        self.folder = tempfile.mkdtemp(prefix="bench-dfsd-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        for name in "ab":
            os.mkdir(f"{self.folder}/{name}")
        self.a, self.b = (pathlib.Path(self.folder) / name for name in "ab")
        self.kind = kind

    def __enter__(self):
        self.who = self.kind(self.folder)
        return self

    def __exit__(self, *_):
        self.who.stop()
        shutil.rmtree(self.folder)

    def turn(self):
        """Seconds of the clock and of CPU until it is the same."""
        used, began = self.who.cpu(), time.monotonic()
        self.who.sync()
        wall = time.monotonic() - began
        time.sleep(0.3)  # who has worked for it is counted when it is over
        return wall, self.who.cpu() - used


def small(kind) -> dict:
    with Scene(kind) as s:
        for i in range(FILES):
            if i % 100 == 0:
                (s.a / f"d{i // 100}").mkdir()
            (s.a / f"d{i // 100}" / f"f{i}").write_bytes(b"%d" % i * 800)
        wall, used = s.turn()
        assert differ(s.a, s.b) == 0
        return {"files/s": FILES / wall, "CPU us/file": used / FILES * 1e6}


def big(kind) -> dict:
    with Scene(kind) as s:
        with open(s.folder + "/new", "wb") as f:
            for _ in range(BIG):
                f.write(os.urandom(1 << 20))
        os.rename(s.folder + "/new", s.a / "big")
        wall, used = s.turn()
        found = {"MB/s": BIG * 1.048576 / wall, "CPU s/GiB": used / BIG * 1024}
        with open(s.a / "big", "r+b") as f:
            f.seek(BIG << 19)
            f.write(os.urandom(1 << 20))
        time.sleep(0.02)  # a watcher has seen it
        _, used = s.turn()
        return {**found, "1 MiB changed: CPU s/GiB": used / BIG * 1024}


def latency(kind) -> dict:
    if not kind.realtime:
        return {}
    taken = []
    with Scene(kind) as s:
        (s.a / "f").write_text("-1")
        s.turn()
        time.sleep(0.5)
        used = s.who.cpu()
        for i in range(200 if kind is not Lsyncd else 8):
            began = time.monotonic()
            (s.a / "f").write_text(str(i))
            until(lambda: (s.b / "f").read_text() == str(i), 0.0001)
            taken.append((time.monotonic() - began) * 1000)
            time.sleep(0.01)
        used = s.who.cpu() - used
    taken.sort()
    return {"p50 ms": statistics.median(taken), "p99 ms": taken[len(taken) * 99 // 100], "CPU us/change": used / len(taken) * 1e6}


def storm(kind) -> dict:
    if not kind.realtime:
        return {}
    with Scene(kind) as s:
        churn = dfs.Churn(s.a, 1, big=20_000)
        churn.run(200)
        s.turn()
        used = s.who.cpu()
        churn.run(OPS, 0.005)
        churn.finish()
        wall, _ = s.turn()
        until(lambda: not differ(s.a, s.b), 0.1)
        return {"CPU s": s.who.cpu() - used, "s after it": wall, "differences": differ(s.a, s.b)}


def main():
    cases = [globals()[name] for name in sys.argv[1:]] or [small, big, latency, storm]
    for case in cases:
        figures = {}
        for _ in range(ROUNDS):
            for kind in KINDS:
                for key, value in case(kind).items():
                    figures.setdefault(key, {}).setdefault(kind.name, []).append(value)
        for key, of in figures.items():
            medians = {name: statistics.median(values) for name, values in of.items()}
            base = medians["dfsd"] or 1e-9
            print(f"dfsd {case.__name__} {key}: " + ", ".join(
                f"{name} {value:.3g} [{min(of[name]):.3g}-{max(of[name]):.3g}] x{value / base:.2f}" for name, value in medians.items()), flush=True)


main()
