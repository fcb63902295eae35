#!/usr/bin/python3
"""taskd's figures, interleaved in one run with the programs that it is measured by.

    post      a task by HTTP, kept in memory only, against nginx `return 202`: requests/s, CPU
    durable   a task that is on the disk when the answer comes, against beanstalkd -f0 and gearmand
              with SQLite, and against our own rate without the disk
    cycle     durable tasks, run by a worker in C, 32 under way: CPU of taskd for each
    restart   a million pending tasks: a start after kill -9 until it is ready, memory of each
    idle      100 topics without tasks: how often any thread wakes up in ten seconds

Every client is tests/bench/post.c: one request after the other on each connection. Rates depend on
the machine and its disk: the ratios are of neighbours in time, medians over the rounds.

    tests/bench/taskd.sh --only durable --rounds 3
"""
import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

import servers  # noqa: E402
from daemon import cpu_s  # noqa: E402
from taskd import Taskd, fill, switches  # noqa: E402

CYCLE_FLIGHT, PENDING = 32, 1_000_000
NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ return 202; }} }} }}
"""


def family(pid: int) -> list:
    """A process and all that descends from it."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [p for child in children for p in family(int(child))]


class Way:
    """A server under test: how it is posted to, and whose CPU it costs."""

    def __init__(self, name, protocol, port, pids, path="/v1/tasks"):
        self.name, self.protocol, self.port, self.pids, self.path = name, protocol, port, pids, path

    def cpu_s(self) -> float:
        return sum(cpu_s(pid) for pid in self.pids)


class Bench:
    def __init__(self, folder, options):
        self.folder, self.options, self.misses, self.running = folder, options, [], []
        self.post = folder.path / "post"
        self.worker = folder.path / "worker"

    def build(self):
        for program in (self.post, self.worker):
            source = HERE / f"{program.name}.c"
            subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program, source], check=True)

    def stop(self):
        for one in reversed(self.running):
            one.stop() if isinstance(one, Taskd) else one.terminate()
            None if isinstance(one, Taskd) else one.wait(20)
        self.running.clear()

    # ---- servers -----------------------------------------------------------------

    def spawn(self, words, port):
        """A program that listens on `port` soon."""
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=servers.die_with_parent)
        self.running.append(process)

        def answers():
            if process.poll() is not None:
                raise RuntimeError(f"{words[0]} ended with {process.returncode}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        servers.wait_for(f"{words[0]}", answers)
        return process

    def taskd(self, name, durability, extra="", path="/v1/tasks"):
        conf = f"[store]\ndurability = {durability}\n{extra}"
        one = Taskd(self.folder.path, extra=conf, name=name, env={"TROUPE_DEBUG": None}).ready()
        self.running.append(one)
        return Way(name, "http", one.port, [one.pid], path)

    def nginx(self):
        port = servers.free_port()
        conf = self.folder.path / "nginx.conf"
        conf.write_text(NGINX.format(folder=self.folder.path, port=port))
        one = self.spawn([servers.need("nginx", "nginx-light"), "-c", str(conf), "-e", str(self.folder.path / "nginx.err")], port)
        return Way("nginx", "http", port, family(one.pid))

    def beanstalkd(self):
        port, log = servers.free_port(), self.folder.path / "beanstalkd"
        log.mkdir(mode=0o777)
        one = self.spawn([servers.need("beanstalkd", "beanstalkd"), "-l", "127.0.0.1", "-p", str(port), "-b", str(log), "-f0"], port)
        return Way("beanstalkd", "beanstalk", port, [one.pid])

    def gearmand(self):
        port, kept = servers.free_port(), self.folder.path / "gearmand"
        kept.mkdir()
        one = self.spawn([servers.need("gearmand", "gearman-job-server"), "-L", "127.0.0.1", "-p", str(port), "-u", "root",
                          "--queue-type=libsqlite3", f"--libsqlite3-db={kept}/queue.db", f"--log-file={kept}/log"], port)
        return Way("gearmand", "gearman", port, [one.pid])

    # ---- figures -----------------------------------------------------------------

    def measure(self, way: Way, connections: int) -> dict:
        before = way.cpu_s()
        done = subprocess.run([self.post, way.protocol, "127.0.0.1", str(way.port), str(connections), str(self.options.seconds), way.path],
                              capture_output=True, text=True, check=True)
        taken, refused, seconds, p50, p99 = (float(word) for word in done.stdout.split())
        if refused:
            self.misses.append(f"{way.name} at {connections}: {refused:.0f} of {taken + refused:.0f} refused")
        return {"rate": taken / seconds, "us": (way.cpu_s() - before) / max(taken, 1) * 1e6, "p50": p50, "p99": p99}

    def rounds(self, label: str, ways: list, connections: int) -> dict:
        """Samples by way, each round starting with another one."""
        found = {way.name: [] for way in ways}
        for n in range(self.options.rounds):
            for i in range(len(ways)):
                way = ways[(n + i) % len(ways)]
                found[way.name].append(self.measure(way, connections))
        for name, samples in found.items():
            rate, us, p50, p99 = (statistics.median(s[key] for s in samples) for key in ("rate", "us", "p50", "p99"))
            print(f"{label:<10} {connections:>3} {name:<16} {rate:>9.0f}/s {us:>8.1f} us CPU   p50 {p50:>6.0f} p99 {p99:>7.0f} us", flush=True)
        return found

    @staticmethod
    def ratio(found: dict, key: str, name: str, other: str) -> float:
        return statistics.median(a[key] / max(b[key], 1e-9) for a, b in zip(found[name], found[other]))

    def want(self, label: str, value: float, relation: str, bound: float):
        """Tells a ratio or figure that has a target, and notes it when it is missed."""
        well = value >= bound if relation == ">=" else value <= bound
        print(f"  {label}: {value:.2f}, wanted {relation} {bound}{'' if well else '   MISSED'}", flush=True)
        if not well:
            self.misses.append(f"{label}: {value:.2f}, wanted {relation} {bound}")

    def run_post(self):
        ways = [self.nginx(), self.taskd("taskd-memory", "memory")]
        for connections in self.options.connections:
            found = self.rounds("post", ways, connections)
            self.want(f"CPU per request at {connections}, nginx = 1", self.ratio(found, "us", "taskd-memory", "nginx"), "<=", 1.0)
        self.stop()

    def run_durable(self):
        ours, memory = self.taskd("taskd", "fsync"), self.taskd("taskd-memory", "memory")
        ways = [ours, memory, self.beanstalkd(), self.gearmand()]
        for connections in self.options.connections:
            found = self.rounds("durable", ways, connections)
            if connections == 8:
                self.want("rate at 8, beanstalkd -f0 = 1", self.ratio(found, "rate", "taskd", "beanstalkd"), ">=", 3)
                self.want("rate at 8, gearmand = 1", self.ratio(found, "rate", "taskd", "gearmand"), ">=", 5)
            if connections == 64:
                self.want("rate at 64, without the disk = 1", self.ratio(found, "rate", "taskd", "taskd-memory"), ">=", 0.6)
        self.stop()

    def run_cycle(self):
        pool = f"[pool bench]\ncommand = {self.worker} {CYCLE_FLIGHT}\ntopics = bench\ncredit = {CYCLE_FLIGHT}\nworkers_min = 1\nworkers_max = 1\n"
        way = self.taskd("taskd-cycle", "fsync", pool, "/v1/tasks?wait=30s")
        found = self.rounds("cycle", [way], CYCLE_FLIGHT)
        self.want(f"CPU us of a whole cycle at {CYCLE_FLIGHT}", statistics.median(s["us"] for s in found[way.name]), "<=", 25)
        self.stop()

    def run_restart(self):
        self.taskd("taskd-restart", "os", "resident = 0\n")
        one = self.running[-1]
        one.push("held")
        empty = one.rss()
        fill(one, "held", PENDING)
        full = one.rss()
        for how, end in (("kill -9", one.process.kill), ("SIGTERM", one.stop)):
            end()
            one.process.wait()
            start = time.monotonic()
            one.again(120)
            while one.get("/readyz").status != 200:
                time.sleep(0.001)
            took = time.monotonic() - start
            assert one.get("/v1/topics/held").json["ready"] == PENDING + 1
            print(f"restart    {PENDING} pending, after {how}: ready in {took:.2f} s, {cpu_s(one.pid):.2f} s CPU", flush=True)
            self.want(f"seconds until it is ready after {how}", took, "<=", 3)
            self.want(f"bytes of memory of each task after {how}", (one.rss() - empty) / PENDING, "<=", 150)
        self.want("bytes of memory of each task as they came", (full - empty) / PENDING, "<=", 150)
        self.stop()

    def run_idle(self):
        way = self.taskd("taskd-idle", "fsync", "[pool all]\nmode = exec\ncommand = true\ntopics = idle*\n")
        for n in range(100):
            self.running[-1].push(f"idle{n}")
        time.sleep(8)  # they run; then the log of the store is copied
        before = switches(way.pids[0])
        time.sleep(10)
        self.want("wake-ups in 10 s with 100 idle topics", switches(way.pids[0]) - before, "<=", 0)
        self.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="post,durable,cycle,restart,idle", help="which figures")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", default="1,8,64")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if os.environ.get("BENCH_QUICK") else 3)
    options.connections = [int(n) for n in options.connections.split(",")]
    folder, bench = servers.Folder(), None
    try:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.strftime('%F')}")
        bench = Bench(folder, options)
        bench.build()
        for name in options.only.split(","):
            getattr(bench, "run_" + name)()
    except servers.Missing as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    finally:
        if bench:
            bench.stop()
        folder.remove()
    print("\nevery target is met" if not bench.misses else "\ntargets missed:\n  " + "\n  ".join(bench.misses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
