#!/usr/bin/python3
"""jobd's figures, interleaved in one run with what else does the same: on Redis, and as a beanstalkd.

    drain     a list of tiny jobs of 100 bytes, two PHP workers: by jobd, by the same two PHP processes with BLPOP
              (unsafe: what they hold is lost with them), and by BullMQ with two workers (npm, in build/bench-node):
              jobs/s, CPU of Redis for each job, and of jobd
    idle      100 lists without jobs: how often jobd's threads wake up in ten seconds
    death     a worker killed in the middle of a job: until another one has it
    beanstalk the listener that speaks beanstalkd's protocol against Debian's beanstalkd, the same client in C
              (tests/bench/stalk.c): puts of 100 bytes on one connection, 64 at a time, and 1, 2 and 8 workers that
              reserve and delete what was put; both in memory only, then both with each job on the disk when its put
              is answered. CPU is the server's, for each job put, or reserved and deleted

    rabbit    a durable queue of RabbitMQ with persistent messages of 100 bytes, prefetch 64: drained by jobd with a
              worker in C that does nothing, and by a plain consumer with librabbitmq (tests/bench/rabbit.c) that
              acknowledges each: messages/s, CPU of RabbitMQ for each, and of jobd (without its workers) or the consumer

Redis keeps nothing on the disk here. Rates depend on the machine: the ratios are of neighbours in time, medians over
the rounds.

    tests/bench/jobs.sh --rounds 3 --jobs 100000
"""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "lib"))

import servers  # noqa: E402
from beanstalk import Beanstalkd  # noqa: E402
from daemon import cpu_s  # noqa: E402
from redis_server import Redis  # noqa: E402
from taskd import Jobd, switches  # noqa: E402

BLPOP = r"""<?php
$at = stream_socket_client("tcp://127.0.0.1:$argv[1]");
for (;;) {
    fwrite($at, "*3\r\n$5\r\nBLPOP\r\n$5\r\nMyJob\r\n$1\r\n0\r\n");
    for ($i = 0; $i < 3; $i++)
        fgets($at);
    $n = (int) substr(fgets($at), 1);
    for ($body = ''; strlen($body) < $n + 2;)
        $body .= fread($at, $n + 2 - strlen($body));
    handle(substr($body, 0, -2));
}
"""
HANDLE = "function handle(string $body) { return strlen($body); }\n"
TWP = """<?php
require '%s/etc/workers/troupe.php';
(new Troupe\\Worker)->run(function (Troupe\\Job $job) { handle($job->body); });
"""
BULL = """
const { Queue, Worker } = require('bullmq');
const connection = { host: '127.0.0.1', port: +process.argv[2], maxRetriesPerRequest: null };
const jobs = +process.argv[3];
(async () => {
  if (process.argv[4] === 'fill') {
    const queue = new Queue('bull', { connection });
    for (let i = 0; i < jobs; i += 1000)
      await queue.addBulk(Array.from({ length: Math.min(1000, jobs - i) }, () => ({ name: 'j', data: 'x'.repeat(100),
        opts: { removeOnComplete: true } })));
    await queue.close();
    return;
  }
  for (let i = 0; i < 2; i++)
    new Worker('bull', async (job) => job.data.length, { connection, concurrency: 8 });
})();
"""


class Bench:
    def __init__(self, folder, options):
        self.folder, self.options, self.jobs = folder.path, options, options.jobs
        self.redis = Redis(self.folder, append=False)
        (self.folder / "blpop.php").write_text("<?php\n" + HANDLE + BLPOP.replace("<?php\n", ""))
        (self.folder / "twp.php").write_text("<?php\n" + HANDLE + (TWP % ROOT).replace("<?php\n", ""))
        (self.folder / "bull.js").write_text(BULL)
        self.round = 0

    def jobd(self, topics="MyJob", pools=None):
        self.round += 1
        php = f"[pool php]\ncommand = php {self.folder}/twp.php\ntopics = *\nworkers_min = 2\nworkers_max = 2\ncredit = 16\n"
        return Jobd(self.folder, name=f"jobd{self.round}", extra=f"""
[source bench]
type = redis
url = {self.redis.url}
topics = {topics}
{pools or php}
""")

    def fill(self):
        word = b"*3\r\n$5\r\nRPUSH\r\n$5\r\nMyJob\r\n$100\r\n" + b"x" * 100 + b"\r\n"
        subprocess.run(["redis-cli", "-p", str(self.redis.port), "--pipe"], input=word * self.jobs, check=True,
                       capture_output=True)

    def node(self, *words):
        env = {**os.environ, "NODE_PATH": str(ROOT / "build/bench-node/node_modules")}
        return subprocess.Popen(["node", str(self.folder / "bull.js"), str(self.redis.port), str(self.jobs), *words], env=env)

    def left(self, way):
        keys = ["bull:bull:wait", "bull:bull:active"] if way == "bullmq" else ["MyJob"]
        n = sum(int(self.redis("LLEN", key)) for key in keys)
        return n + sum(int(self.redis("HLEN", key)) for key in self.redis("KEYS", "tr:*run*").split())

    def start(self, way):
        if way == "blpop":
            return [subprocess.Popen(["php", str(self.folder / "blpop.php"), str(self.redis.port)]) for _ in range(2)]
        return [self.node("run")] if way == "bullmq" else [self.jobd()]

    def drain(self, way):
        """jobs/s, CPU µs of Redis and of whoever hands the jobs out, for each job."""
        self.redis("FLUSHALL")
        if way == "bullmq":
            assert self.node("fill").wait() == 0
        else:
            self.fill()
        redis, start = cpu_s(self.redis.process.pid), time.monotonic()
        running = self.start(way)
        while self.left(way):
            time.sleep(0.02)
        seconds = time.monotonic() - start
        redis = cpu_s(self.redis.process.pid) - redis
        own = sum(cpu_s(one.pid) for one in running)
        for one in running:
            one.stop() if way == "jobd" else one.kill()
            if way != "jobd":
                one.wait()
        return self.jobs / seconds, redis / self.jobs * 1e6, own / self.jobs * 1e6

    def compare(self):
        ways = ["jobd", "blpop"] + (["bullmq"] if (ROOT / "build/bench-node/node_modules/bullmq").exists() else [])
        got = {way: [] for way in ways}
        for n in range(self.options.rounds):
            for way in ways[n % len(ways):] + ways[:n % len(ways)]:
                got[way].append(self.drain(way))
        print(f"{'drain':<10} {'jobs/s':>9} {'jobd = 1':>9} {'redis us/job':>13} {'own us/job':>11}")
        for way in ways:
            ratio = statistics.median(a[0] / b[0] for a, b in zip(got[way], got["jobd"]))
            print(f"{way:<10} {statistics.median(g[0] for g in got[way]):9.0f} {ratio:9.3f} "
                  f"{statistics.median(g[1] for g in got[way]):13.1f} {statistics.median(g[2] for g in got[way]):11.1f}", flush=True)

    def idle(self):
        one = self.jobd(topics=", ".join(f"idle{n}" for n in range(100))).ready()
        time.sleep(7)  # the store tidies up five seconds after a start
        before = switches(one.pid)
        time.sleep(10)
        print(f"idle       100 lists: {(switches(one.pid) - before) / 10:.1f} wake-ups a second")
        one.stop()

    def death(self):
        (self.folder / "slow.php").write_text("<?php\nfile_put_contents($argv[1], microtime(true) . ' ' . getmypid() . PHP_EOL, FILE_APPEND);"
                                              "\nsleep(2);\n")
        took = []
        for n in range(5):
            notes = self.folder / f"notes{n}"
            self.redis("FLUSHALL")
            one = self.jobd(topics="Slow", pools=f"[pool slow]\nmode = exec\ncommand = php {self.folder}/slow.php {notes}\n"
                            "topics = Slow\n[topic Slow]\nbackoff = fixed 1ms\n").ready()
            self.redis("RPUSH", "Slow", "1")
            servers.wait_for("it runs", lambda: notes.exists() and notes.read_text().endswith("\n"))
            killed = time.time()
            os.kill(int(notes.read_text().split()[1]), 9)
            servers.wait_for("again", lambda: notes.read_text().count("\n") == 2)
            took.append(float(notes.read_text().splitlines()[1].split()[0]) - killed)
            one.stop()
        print(f"death      a killed worker's job runs again after {statistics.median(took) * 1000:.0f} ms")


class Stalk:
    """jobd's listener beside beanstalkd, in memory or on the disk."""

    def __init__(self, folder, options, durable):
        self.folder, self.jobs, self.rounds = folder.path, options.jobs, options.rounds
        self.label = "durable" if durable else "memory"
        self.client = self.folder / "stalk"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.client, HERE / "stalk.c"], check=True)
        log = self.folder / f"binlog.{self.label}"
        log.mkdir(mode=0o777)
        self.theirs = Beanstalkd(*(["-b", str(log), "-f0"] if durable else []))
        self.ours = Jobd(self.folder, "beanstalk = 127.0.0.1:0\n", name=f"stalk.{self.label}", env={"TROUPE_DEBUG": None},
                         extra=f"[store]\ndurability = {'fsync' if durable else 'memory'}\n").ready()
        port = int(re.findall(r"listening on 127\.0\.0\.1:(\d+) beanstalk\n", self.ours.log())[-1])
        self.ways = {"jobd": (self.ours.pid, port), "beanstalkd": (self.theirs.pid, self.theirs.port)}

    def stop(self):
        self.ours.stop()
        self.theirs.stop()

    def once(self, way, *words):
        """jobs/s, CPU µs of the server for each."""
        pid, port = self.ways[way]
        mode, jobs, count = words
        before = cpu_s(pid)
        done = subprocess.run([self.client, mode, "127.0.0.1", str(port), str(jobs), str(count)], capture_output=True, text=True,
                              check=True)
        return jobs / float(done.stdout), (cpu_s(pid) - before) / jobs * 1e6

    def compare(self, workers):
        got = {}
        for n in range(self.rounds):
            for count in workers:
                for way in sorted(self.ways, reverse=n % 2):
                    got.setdefault(("put, 64 at a time", way), []).append(self.once(way, "put", self.jobs, 64))
                    got.setdefault((f"{count} workers", way), []).append(self.once(way, "work", self.jobs, count))
        print(f"{self.label:<20} {'jobd/s':>9} {'beanstalkd/s':>13} {'ratio':>6} {'jobd us':>8} {'beanstalkd us':>14} {'ratio':>6}")
        for what in dict.fromkeys(key[0] for key in got):
            ours, theirs = got[what, "jobd"], got[what, "beanstalkd"]
            rate, cpu = (statistics.median(a[i] / b[i] for a, b in zip(ours, theirs)) for i in (0, 1))
            rates, us = ([statistics.median(g[i] for g in side) for side in (ours, theirs)] for i in (0, 1))
            print(f"{what:<20} {rates[0]:9.0f} {rates[1]:13.0f} {rate:6.2f} {us[0]:8.2f} {us[1]:14.2f} {cpu:6.2f}", flush=True)


class Amqp:
    """jobd beside a plain consumer, on a RabbitMQ of their own."""

    def __init__(self, folder, options):
        self.folder, self.jobs, self.rounds = folder.path, options.jobs, options.rounds
        self.client, self.worker = self.folder / "rabbit.bin", self.folder / "worker.bin"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.client, HERE / "rabbit.c", "-lrabbitmq"], check=True)
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.worker, HERE / "worker.c"], check=True)
        from rabbit_server import Rabbit  # only this part needs pika
        self.rabbit = Rabbit(self.folder).start()
        self.count = 0

    def run(self, *words):
        return subprocess.run([self.client, words[0], str(self.rabbit.port), *map(str, words[1:])], capture_output=True, text=True,
                              check=True).stdout

    def consumer(self, queue):
        children = os.times()
        seconds = float(self.run("drain", queue, self.jobs, 64))
        after = os.times()
        return seconds, after.children_user + after.children_system - children.children_user - children.children_system

    def jobd(self, queue):
        one = Jobd(self.folder, name=f"amqp{self.count}", env={"TROUPE_DEBUG": None}, extra=f"""
[source bench]
type = rabbitmq
url = {self.rabbit.url}
topics = {queue}
prefetch = 64
[pool c]
command = {self.worker} 64
topics = *
workers_min = 1
workers_max = 1
credit = 64
""").ready()
        one.wait_log("jobs are taken")
        start = time.monotonic()
        while one.get(f"/v1/topics/{queue}").json["succeeded"] < self.jobs:
            time.sleep(0.02)
        seconds, own = time.monotonic() - start, cpu_s(one.pid)
        one.stop()
        return seconds, own

    def once(self, way):
        """Messages/s, CPU µs of RabbitMQ and of who takes them, for each."""
        self.count += 1
        queue = f"bench{self.count}"
        self.run("fill", queue, self.jobs)
        time.sleep(1)  # the server has written what it writes behind
        before = cpu_s(self.rabbit.pid)
        seconds, own = getattr(self, way)(queue)
        return self.jobs / seconds, (cpu_s(self.rabbit.pid) - before) / self.jobs * 1e6, own / self.jobs * 1e6

    def compare(self):
        got = {"jobd": [], "consumer": []}
        for n in range(self.rounds):
            for way in sorted(got, reverse=n % 2):
                got[way].append(self.once(way))
        ratio = statistics.median(a[0] / b[0] for a, b in zip(got["jobd"], got["consumer"]))
        print(f"{'rabbit':<10} {'msgs/s':>9} {'server us':>10} {'own us':>7}")
        for way, rows in got.items():
            rate, server, own = (statistics.median(r[i] for r in rows) for i in range(3))
            print(f"{way:<10} {rate:9.0f} {server:10.1f} {own:7.1f}")
        print(f"{'':<10} jobd does {ratio:.2f} times as many", flush=True)


def rabbit(folder, options):
    one = Amqp(folder, options)
    try:
        one.compare()
    finally:
        one.rabbit.stop()


def beanstalk(folder, options):
    for durable in (False, True):
        pair = Stalk(folder, options, durable)
        pair.compare([2] if durable else [1, 2, 8])
        pair.stop()


def redis(folder, options):
    if not options.only or options.only == "drain":
        shutil.copytree(HERE / "node", ROOT / "build/bench-node", dirs_exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", str(ROOT / "build/bench-node"), "--no-audit", "--no-fund", "--loglevel=error"],
                       check=False)
    bench = Bench(folder, options)
    try:
        for name, part in (("drain", bench.compare), ("idle", bench.idle), ("death", bench.death)):
            if options.only in (None, name):
                part()
    finally:
        bench.redis.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--only", choices=["drain", "idle", "death", "beanstalk", "rabbit"])
    options = parser.parse_args()
    folder = servers.Folder()
    try:
        if options.only in (None, "beanstalk"):
            beanstalk(folder, options)
        if options.only in (None, "rabbit"):
            rabbit(folder, options)
        if options.only not in ("beanstalk", "rabbit"):
            redis(folder, options)
    finally:
        folder.remove()


if __name__ == "__main__":
    main()
