#!/usr/bin/python3
"""sqlproxy's figures, interleaved in one run with HAProxy in TCP mode and with no proxy.

    sysbench   point selects, read-only, read-write; statements plain and prepared;
               at 1, 8, 64 and 256 clients: queries/s and CPU per query
    connect    connect, query, quit in a loop, at 8 and 64 clients
    bulk       GB/s of result rows per core of the proxy's CPU
    idle       own memory of 10,000 clients that are logged in and say nothing
    allocs     allocations per query in steady state

Rates depend on the machine and its load: the ratios are of neighbours in time,
medians over the rounds. CPU is that of the whole process, kernel side included.
The pool has 8 connections; all ends are on loopback under one congestion control.

    make bench                    everything, about 12 minutes
    tests/bench/sqlproxy.sh --quick --only sysbench,connect
"""
import argparse
import mmap
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

import daemon  # noqa: E402
import servers  # noqa: E402
import wire  # noqa: E402

POOL = 8
USER, PASSWORD = servers.APP


def process_cpu_s(pid: int) -> float:
    """CPU seconds of a process with all threads it ever had, in steps of 10 ms."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / daemon.CLOCK


class Way:
    """One way to the server: direct, through HAProxy, or through sqlproxy."""

    def __init__(self, name: str, port: int, pid: int = None):
        self.name, self.port, self.pid = name, port, pid

    def cpu_s(self) -> float:
        return daemon.cpu_s(self.pid) if self.pid else 0.0

    def rss(self) -> float:
        return daemon.memory(self.pid, "VmRSS") / 1e6 if self.pid else 0.0


class Sample:
    """What one run gave: operations, seconds, and CPU seconds of proxy and server."""

    def __init__(self, operations, seconds, proxy_cpu, server_cpu, rss):
        self.operations, self.rate, self.rss = operations, operations / seconds, rss
        self.proxy_us = proxy_cpu / max(operations, 1) * 1e6
        self.server_us = server_cpu / max(operations, 1) * 1e6


class Bench:
    """The servers, the ways to them, and the options."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.server = servers.MariaDB(folder, "bench", options=[
            "innodb-buffer-pool-size=512M", "skip-log-bin", "table-open-cache=2000", "max-connections=2000"])
        self.proxy = self.haproxy = None
        self.client = folder.path / "client"
        self.misses = []

    def start(self):
        flags = ["-O2", "-Wno-deprecated-declarations"]
        subprocess.run(["cc", *flags, "-o", self.client, HERE / "client.c", "-lcrypto", "-lpthread"], check=True)
        self.server.start()
        self.server.accounts()
        self.haproxy = servers.HAProxy(self.folder, self.server).start()
        self.ways = [Way("direct", self.server.port), Way("haproxy", self.haproxy.port, self.haproxy.pid)]
        if self.options.sqlproxy:
            self.proxy = self.start_proxy()
            self.ways.append(Way("sqlproxy", self.proxy.port, self.proxy.pid))

    def start_proxy(self, name="sqlproxy", env=None):
        text = daemon.sqlproxy_conf([("db1", self.server.address, "primary")], pool=POOL, split=False,
                                    top="workers = 1\n" + "\n".join(self.options.set), monitor="interval = 5s",
                                    database="queue_timeout = 60s\nmax = 8")
        text = text.replace(f"max = {POOL}\n", "", 1)
        return daemon.Proxy(text, self.folder.path, name, env={"TROUPE_DEBUG": None, **(env or {})}).ready()

    def stop(self):
        status = self.proxy.stop() if self.proxy else 0
        for one in (self.haproxy, self.server):
            if one:
                one.stop()
        if status:
            print(f"sqlproxy ended with status {status}:\n{self.proxy.log()[-3000:]}")
            self.misses.append("exit status")

    def measure(self, way: Way, work) -> Sample:
        """Runs work() -> (operations, seconds) and takes the CPU it cost."""
        proxy, server = way.cpu_s(), process_cpu_s(self.server.pid)
        operations, seconds = work()
        return Sample(operations, seconds, way.cpu_s() - proxy, process_cpu_s(self.server.pid) - server, way.rss())

    def rounds(self, label: str, work, times=1) -> dict:
        """Samples by way: work(port) run in turn, each round starting with another way."""
        found = {way.name: [] for way in self.ways}
        for n in range(self.options.rounds * times):
            for i in range(len(self.ways)):
                way = self.ways[(n + i) % len(self.ways)]
                found[way.name].append(self.measure(way, lambda: work(way.port)))
        self.tell(label, found)
        return found

    def tell(self, label: str, found: dict):
        """One line: rates, ratios of neighbours, CPU per operation."""
        middle = lambda name, field: statistics.median(getattr(s, field) for s in found[name])
        line = f"{label:<30}"
        for name in found:
            line += f" {middle(name, 'rate'):>8.0f}"
        if "sqlproxy" in found:
            line += f"  {self.ratio(found, 'rate', 'haproxy'):>7.2f} {self.ratio(found, 'rate', 'direct'):>7.2f}"
            line += f"  {self.ratio(found, 'proxy_us', 'haproxy'):>7.2f}"
        else:
            line += f"  {'-':>7} {'-':>7}  {'-':>7}"
        line += "  " + " ".join(f"{middle(name, 'proxy_us'):>6.1f}" for name in found if name != "direct")
        line += "  " + " ".join(f"{middle(name, 'server_us'):>6.1f}" for name in found)
        line += "  " + " ".join(f"{middle(name, 'rss'):>5.1f}" for name in found if name != "direct")
        print(line, flush=True)

    @staticmethod
    def ratio(found: dict, field: str, other: str, name: str = "sqlproxy") -> float:
        pairs = zip(found[name], found[other])
        return statistics.median(getattr(a, field) / max(getattr(b, field), 1e-9) for a, b in pairs)

    def head(self, title: str):
        names = [way.name for way in self.ways]
        print(f"\n{title}\n{'':<30} " + " ".join(f"{n:>8}" for n in names) + "   rate/   rate/    CPU/  proxy CPU us  "
              + "server CPU us".ljust(7 * len(names)) + "  RSS MB")
        print(f"{'':<30} " + " ".join(f"{'per s':>8}" for n in names) + " haproxy  direct haproxy")

    def want(self, label: str, value: float, relation: str, bound: float):
        """Notes a target that is missed."""
        if not (value >= bound if relation == ">=" else value <= bound):
            self.misses.append(f"{label}: {value:.2f}, wanted {relation} {bound}")

    # ---- the figures ---------------------------------------------------------

    def sysbench(self, script: str, port: int, clients: int, mode: str, *more, command="run"):
        words = ["sysbench", script, "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}",
                 f"--mysql-user={USER}", f"--mysql-password={PASSWORD}", "--mysql-db=demo", f"--tables={self.options.tables}",
                 f"--table-size={self.options.rows}", f"--threads={clients}", f"--time={self.options.seconds}",
                 f"--db-ps-mode={mode}", "--rand-type=uniform", "--mysql-ignore-errors=1213,1020,1205", *more, command]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done.stdout

    def run_sysbench(self):
        servers.need("sysbench", "sysbench")
        self.sysbench("oltp_read_write", self.server.port, 1, "disable", command="prepare")
        self.head(f"sysbench, {self.options.tables} tables of {self.options.rows} rows, {self.options.seconds} s x {self.options.rounds} rounds, pool of {POOL}")
        for script in self.options.scripts:
            for mode in self.options.modes:
                for clients in self.options.clients:
                    label = f"{script[5:]} ps={mode} {clients}"

                    def work(port):
                        text = self.sysbench(script, port, clients, mode)
                        queries = int(re.search(r"queries:\s+(\d+)", text)[1])
                        return queries, float(re.search(r"total time:\s+([\d.]+)s", text)[1])

                    # The kernel keeps a lone client's way on one core or spreads it over two, for twice the price.
                    found = self.rounds(label, work, 3 if clients == 1 else 1)
                    if "sqlproxy" in found:
                        self.want(f"{label}: CPU/haproxy", self.ratio(found, "proxy_us", "haproxy"), "<=", 1.1 if clients == 1 else 1.0)
                        self.want(f"{label}: rate/haproxy", self.ratio(found, "rate", "haproxy"), ">=", 0.95 if clients == 1 else 1.05)

    def run_connect(self):
        self.head(f"connect, query, quit, {self.options.seconds} s x {self.options.rounds} rounds")
        for clients in (8, 64):
            def work(port):
                done = subprocess.run([self.client, "cycle", "127.0.0.1", str(port), USER, PASSWORD, str(clients), str(self.options.seconds)],
                                      capture_output=True, text=True, check=True)
                well, failed, seconds = done.stdout.split()
                if int(failed):
                    self.misses.append(f"connect {clients}: {failed} of {well} failed")
                return int(well), float(seconds)

            found = self.rounds(f"connect {clients}", work)
            if "sqlproxy" in found:
                self.want(f"connect {clients}: rate/direct", self.ratio(found, "rate", "direct"), ">=", 1.2)
                self.want(f"connect {clients}: CPU/haproxy", self.ratio(found, "proxy_us", "haproxy"), "<=", 0.45)

    def run_bulk(self):
        self.server.script("create or replace table demo.bulk (id int primary key, a char(180) character set latin1) engine = aria",
                           "insert into demo.bulk select seq, repeat(char(65 + seq % 26), 180) from demo.seq_1_to_320000")
        with wire.Wire(("127.0.0.1", self.server.port), USER, PASSWORD, "demo") as link:
            size = sum(len(packet) + 4 for _, packet in link.query("select * from bulk").packets)
        print("\nbulk: one result of 320000 rows")
        for way in self.ways:
            speeds = []
            for _ in range(self.options.rounds):
                with wire.Wire(("127.0.0.1", way.port), USER, PASSWORD, "demo") as link:
                    before, start = way.cpu_s(), time.monotonic()
                    link.ask(wire.COM_QUERY, b"select * from bulk")
                    self.drain(link, size)
                    seconds, cpu = time.monotonic() - start, way.cpu_s() - before
                    speeds.append((size / seconds / 1e9, size / cpu / 1e9 if cpu else 0))
            speed, per_core = (statistics.median(s[i] for s in speeds) for i in (0, 1))
            print(f"  {way.name:<10} {speed:6.2f} GB/s" + (f"  {per_core:6.2f} GB/s per core of the proxy's CPU" if way.pid else f"  ({size / 1e6:.0f} MB)"), flush=True)
            if way.name == "sqlproxy":
                self.want("bulk GB/s per core", per_core, ">=", 0.9)

    @staticmethod
    def drain(link, size):
        """Reads one reply of a known size as cheaply as can be."""
        left, room = size, bytearray(1 << 20)
        while left:
            got = link.sock.recv_into(room, min(left, len(room)))
            if not got:
                raise wire.Closed("in the middle of the rows")
            left -= got

    def run_idle(self):
        print(f"\nidle: {self.options.idle} clients that are logged in; through HAProxy as many as the server bears")
        for way in self.ways[1:]:
            count = self.options.idle if way.name == "sqlproxy" else min(self.options.idle, 1500)
            before = daemon.memory(way.pid)
            crowd = subprocess.Popen([self.client, "idle", "127.0.0.1", str(way.port), USER, PASSWORD, str(count)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            answer = crowd.stdout.readline().split()
            each = (daemon.memory(way.pid) - before) / count
            cpu = way.cpu_s()
            time.sleep(2)
            print(f"  {way.name:<10} {' '.join(answer)}: {each:6.0f} bytes each of its own memory, "
                  f"{(way.cpu_s() - cpu) * 500:.1f} ms CPU per idle second", flush=True)
            crowd.stdin.close()
            crowd.wait()
            if way.name == "sqlproxy":
                self.want("idle bytes per client", each, "<=", 2048)
                if answer[:1] != ["ready"]:
                    self.misses.append("idle: " + " ".join(answer))

    def run_allocs(self):
        if not self.proxy:
            return
        library, counter = self.folder.path / "allocs.so", self.folder.path / "allocs.count"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "allocs.c"], check=True)
        proxy = self.start_proxy("sqlproxy-allocs", {"LD_PRELOAD": str(library), "ALLOCS": str(counter)})
        print("\nallocs: in steady state")
        try:
            with open(counter, "r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
                count = lambda: struct.unpack("<Q", shared[:8])[0]
                for label, mode in (("text", False), ("prepared", True)):
                    each = self.allocs_per_query(proxy.port, count, mode)
                    print(f"  {label:<10} {each:.4f} allocations per query", flush=True)
                    self.want(f"allocations per {label} query", each, "<=", 0.001)
        finally:
            proxy.stop()

    @staticmethod
    def allocs_per_query(port: int, count, prepared: bool, queries: int = 20000) -> float:
        links = [wire.Wire(("127.0.0.1", port), USER, PASSWORD, "demo") for _ in range(2 * POOL)]
        statements = [link.prepare("select ?").statement for link in links] if prepared else None
        before = 0
        for n in range(queries + 2000):
            if n == 2000:
                before = count()
            i = n % len(links)
            links[i].execute(statements[i], (n,)) if prepared else links[i].query(b"select 1")
        used = count() - before
        for link in links:
            link.quit()
        return used / queries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a look in under two minutes")
    parser.add_argument("--only", default="sysbench,connect,bulk,idle,allocs", help="which figures")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--clients", help="1,8,64,256")
    parser.add_argument("--scripts", help="oltp_point_select,oltp_read_only,oltp_read_write")
    parser.add_argument("--modes", help="disable,auto")
    parser.add_argument("--set", action="append", default=[], help="a line more for [sqlproxy]")
    parser.add_argument("--no-sqlproxy", dest="sqlproxy", action="store_false", help="only direct and HAProxy")
    options = parser.parse_args()
    quick = options.quick or os.environ.get("BENCH_QUICK")
    split = lambda text, default: text.split(",") if text else default
    options.rounds = options.rounds or (1 if quick else 5)
    options.seconds = options.seconds or (1 if quick else 2)
    options.clients = [int(c) for c in split(options.clients, [8, 64] if quick else [1, 8, 64, 256])]
    options.scripts = split(options.scripts, ["oltp_point_select"] if quick else ["oltp_point_select", "oltp_read_only", "oltp_read_write"])
    options.modes = split(options.modes, ["disable", "auto"])
    options.tables, options.rows = (1, 10000) if quick else (4, 25000)
    options.idle = 1000 if quick else 10000
    folder = servers.Folder()
    bench = None
    try:
        control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, congestion control {control} at every end")
        bench = Bench(folder, options)
        bench.start()
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
