#!/usr/bin/python3
"""supervisor's figures, in one run with Debian's supervisord, s6 and runit.

    restart   from a kill -9 to the new process's first line, ms: p50 and p90
    start     CPU of the supervisor's processes until N children are up; their RSS then; wake-ups in 5 idle seconds
    log       CPU for 1 GB of a child's output in 64 KiB writes of lines, into a file without rotation; of s6 and
              runit with their s6-log and svlogd, one round
    status    CPU of one getAllProcessInfo over 500 processes

Rounds are interleaved; medians. CPU and RSS are of all processes of a supervisor, without its children
and, for s6 and runit, with their supervise processes.

    make bench                                   everything, about 12 minutes
    tests/bench/supervisor.sh --only restart     one figure
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import xmlrpc.client

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

import servers  # noqa: E402
from daemon import TROUPE  # noqa: E402
from supervisor import UnixTransport  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid: int):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return None


def cpu_s(pid: int) -> float:
    try:
        spent = int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
        return spent
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def children(pid: int) -> list:
    try:
        return [int(c) for t in os.listdir(f"/proc/{pid}/task") for c in pathlib.Path(f"/proc/{pid}/task/{t}/children").read_text().split()]
    except FileNotFoundError:
        return []


def name(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""


class Peer:
    """One supervisor in a folder of its own. programs: (name, words)."""

    helpers = ()  # names of its own processes below the first

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.process = None

    def run(self, words):
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=servers.die_with_parent, cwd=self.folder)

    def own(self) -> list:
        """Its processes, without what it was asked to run."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += [c for c in children(pid) if name(c) in self.helpers]
        return found

    def cpu(self) -> float:
        return sum(cpu_s(pid) for pid in self.own())

    def rss(self) -> float:
        return sum(int(stat(pid)[21]) * 4096 for pid in self.own() if stat(pid)) / 1e6

    def wakeups(self) -> int:
        total = 0
        for pid in self.own():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("voluntary_ctxt"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Ini(Peer):
    def write(self, programs, log=None):
        text = [f"[supervisord]\nnodaemon = true\nlogfile = {self.folder}/main.log\npidfile = {self.folder}/pid\nchildlogdir = {self.folder}\n"
                f"minfds = 20000\n[unix_http_server]\nfile = {self.folder}/sock\n[rpcinterface:supervisor]\n"
                "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"]
        for program, words in programs:
            text.append(f"[program:{program}]\ncommand = {words}\nstartsecs = 0\nstdout_logfile_maxbytes = 0\nstdout_logfile = {log or 'NONE'}\n"
                        "redirect_stderr = true\nautorestart = true\n")
        path = self.folder / "x.conf"
        path.write_text("".join(text))
        return str(path)

    @property
    def rpc(self):
        return xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(str(self.folder / "sock"))).supervisor


class Ours(Ini):
    label = "troupe"
    helpers = ("troupe-keeper",)

    def start(self, programs, log=None):
        path = self.write(programs, log)
        with open(path, "a") as file:
            file.write(f"[troupe]\ncontrol = {self.folder}/control\nlog = {self.folder}/troupe.log\n")
        self.run([TROUPE, "supervisor", path])


class Supervisord(Ini):
    label = "supervisord"

    def start(self, programs, log=None):
        self.run(["supervisord", "-n", "-c", self.write(programs, log)])


class Scan(Peer):
    logger = ""  # words before the folder that it logs into

    def script(self, folder, words):
        folder.mkdir(parents=True)
        (folder / "run").write_text(f"#!/bin/sh\nexec {words} 2>&1\n")
        (folder / "run").chmod(0o755)

    def scripts(self, programs, log=None):
        for program, words in programs:
            folder = self.folder / "scan" / program
            self.script(folder, words)
            if log:
                pathlib.Path(log).parent.mkdir(exist_ok=True)
                self.script(folder / "log", f"{self.logger} {pathlib.Path(log).parent}")
        return str(self.folder / "scan")


class S6(Scan):
    label = "s6"
    helpers = ("s6-supervise", "s6-log")
    logger = "s6-log n3 s100000000"

    def start(self, programs, log=None):
        self.run(["s6-svscan", "-c", "4000", self.scripts(programs, log)])


class Runit(Scan):
    label = "runit"
    helpers = ("runsv", "svlogd")
    logger = "svlogd"

    def start(self, programs, log=None):
        self.run(["runsvdir", self.scripts(programs, log)])

    def stop(self):
        self.process.send_signal(signal.SIGHUP)  # it ends its runsv's too
        self.process.wait(60)


def end(pids):
    """What a supervisor has left behind."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


PEERS = (Ours, Supervisord, S6, Runit)


class Bench:
    def __init__(self, options):
        self.options = options
        self.root = servers.Folder()
        self.misses = []
        self.count = 0
        self.stamp = self.root.path / "stamp"
        subprocess.run(["cc", "-O2", "-o", self.stamp, HERE / "stamp.c"], check=True)

    def peer(self, kind) -> Peer:
        self.count += 1
        folder = self.root.path / f"{kind.label}{self.count}"
        folder.mkdir()
        return kind(folder)

    def want(self, what, value, bound):
        if value > bound:
            self.misses.append(f"{what}: {value:.4g}, wanted <= {bound:.4g}")

    # ---- figures -----------------------------------------------------------------

    def run_restart(self):
        print(f"\nrestart: ms from kill -9 to the new process, {self.options.kills} kills of 10 programs, each up for 2.5 s or more")
        box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = str(self.root.path / "box")
        box.bind(path)
        box.settimeout(20)
        found = {}
        for kind in PEERS:
            times = self.restarts_of(kind, path, box)
            found[kind.label] = statistics.median(times)
            print(f"  {kind.label:<12} p50 {statistics.median(times):8.2f}   p90 {sorted(times)[len(times) * 9 // 10]:8.2f}", flush=True)
        box.close()
        self.want("restart p50 / supervisord's", found["troupe"] / found["supervisord"], 1 / 300)
        self.want("restart p50 / runit's", found["troupe"] / found["runit"], 1)

    def restarts_of(self, kind, path, box) -> list:
        peer = self.peer(kind)
        peer.start([(f"p{n}", f"{self.stamp} {path} {kind.label}{n}") for n in range(10)])
        up, times = {}, []
        while len(up) < 10:
            who, pid, at = box.recv(200).decode().split()
            if who.startswith(kind.label):
                up[who] = (int(pid), int(at))
        for n in range(self.options.kills):
            who = f"{kind.label}{n % 10}"
            pid, at = up[who]
            time.sleep(max(0, 2.5 - (time.monotonic_ns() - at) / 1e9))
            before = time.monotonic_ns()
            os.kill(pid, signal.SIGKILL)
            while True:
                again, pid, at = box.recv(200).decode().split()
                up[again] = (int(pid), int(at))
                if again == who:
                    break
            times.append((int(at) - before) / 1e6)
        peer.stop()
        end(pid for pid, _ in up.values())
        return times

    def run_start(self):
        for count in (1, self.options.programs):
            print(f"\nstart: {count} children (sleep), {self.options.rounds} rounds")
            found = {kind.label: [] for kind in PEERS}
            for _ in range(self.options.rounds):
                for kind in PEERS:
                    found[kind.label].append(self.start_once(kind, count))
            middle = {k: [statistics.median(r[i] for r in v) for i in range(3)] for k, v in found.items()}
            for label, (cpu, rss, wakeups) in middle.items():
                print(f"  {label:<12} CPU {cpu:7.3f} s   RSS {rss:7.1f} MB   {wakeups:5.0f} wake-ups in 5 s", flush=True)
            ours, theirs = middle["troupe"], middle["supervisord"]
            self.want(f"RSS with {count} / supervisord's", ours[1] / theirs[1], 1 / 8 if count == 1 else 1 / 4)
            if count > 1:
                self.want("CPU of the start / supervisord's", ours[0] / theirs[0], 1 / 6)
                self.want("wake-ups", ours[2], 0)

    def start_once(self, kind, count):
        peer = self.peer(kind)
        peer.start([(f"p{n}", "/bin/sleep 100000") for n in range(count)])
        asleep = lambda: [c for pid in peer.own() for c in children(pid) if name(c) == "sleep"]
        servers.wait_for("all children", lambda: len(asleep()) == count, 120)
        time.sleep(4)  # settled: startsecs are over, and so is what ours gives back after a start
        cpu, rss, before = peer.cpu(), peer.rss(), peer.wakeups()
        time.sleep(5)
        wakeups, left = peer.wakeups() - before, asleep()
        peer.stop()
        end(left)
        return cpu, rss, wakeups

    def run_log(self):
        print(f"\nlog: 1 GB in 64 KiB writes, {self.options.rounds} rounds")
        found = {kind.label: [] for kind in PEERS}
        for n in range(self.options.rounds):
            for kind in PEERS[:2] if n else PEERS:
                found[kind.label].append(self.log_once(kind))
        for label, times in found.items():
            print(f"  {label:<12} CPU {statistics.median(times):6.2f} s", flush=True)
        ratio = statistics.median(a / b for a, b in zip(found["troupe"], found["supervisord"]))
        print(f"  {'':<12} {ratio:.2f} of supervisord's, round by round")
        self.want("CPU of 1 GB / supervisord's", ratio, 0.65)

    def log_once(self, kind) -> float:
        """From the first byte: what its start took is not counted."""
        peer = self.peer(kind)
        log, go = peer.folder / "out" / "current", peer.folder / "go"
        script = peer.folder / "writer"
        script.write_text(f"#!/usr/bin/python3\nimport os, time\nblock = (b'0123456789' * 10 + b'\\n') * 700\n"
                          f"while not os.path.exists('{go}'): time.sleep(0.1)\n"
                          "for n in range(15259): os.write(1, block[n % 101:n % 101 + 65536])\n"
                          "os.execv('/bin/sleep', ['sleep', '100000'])\n")
        script.chmod(0o755)
        log.parent.mkdir()
        peer.start([("p", str(script))], str(log))
        time.sleep(2)
        before = peer.cpu()
        go.touch()
        asleep = lambda: [c for pid in peer.own() for c in children(pid) if name(c) == "sleep"]
        left = servers.wait_for("1 GB", asleep, 150)
        if isinstance(peer, Ini):  # the others' loggers cut it in pieces
            servers.wait_for("the last of it", lambda: log.stat().st_size == 15259 * 65536, 20)
        spent = peer.cpu()
        while spent < (spent := peer.cpu()):
            time.sleep(0.5)
        spent -= before
        peer.stop()
        end(left)
        shutil.rmtree(log.parent)
        return spent

    def run_status(self):
        print("\nstatus: CPU of getAllProcessInfo over 500 processes, 20 calls")
        found = {}
        for kind in (Ours, Supervisord):
            found[kind.label] = self.status_of(kind)
            print(f"  {kind.label:<12} {found[kind.label]:8.2f} ms", flush=True)
        self.want("status / supervisord's", found["troupe"] / found["supervisord"], 1 / 30)

    def status_of(self, kind) -> float:
        peer = self.peer(kind)
        peer.start([(f"p{n}", "/bin/sleep 100000") for n in range(500)])
        servers.wait_for("all children", lambda: sum(name(c) == "sleep" for c in children(peer.process.pid)) == 500, 60)
        rpc = servers.wait_for("an answer", lambda: peer.rpc if (peer.folder / "sock").exists() else None)
        rpc.getAllProcessInfo()
        before = peer.cpu()
        for _ in range(20):
            assert len(rpc.getAllProcessInfo()) == 500
        spent = (peer.cpu() - before) / 20 * 1000
        peer.stop()
        return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="restart,start,log,status")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    missing = [n for n in ("supervisord", "s6-svscan", "runsvdir") if not shutil.which(n)]
    if missing:
        print(f"bench: install {', '.join(missing)}", file=sys.stderr)
        return 1
    bench = Bench(options)
    try:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for figure in options.only.split(","):
            getattr(bench, "run_" + figure)()
    finally:
        bench.root.remove()
    print("\nevery target is met" if not bench.misses else "\ntargets missed:\n  " + "\n  ".join(bench.misses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
