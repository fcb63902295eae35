"""Drives the pools of workers by `engine pools`, JSON lines in and out (tests/engine/pools.c)."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from servers import die_with_parent

ENGINE = os.path.abspath(os.environ.get("ENGINE", "build/release/engine"))
SANITIZED = any(word in ENGINE for word in ("asan", "tsan"))


class Pools:
    """Pools of an ini text over a queue in memory, or in the folder `queue`.

    What it says is kept in `said`; wait() finds the first that fits, those already said included.
    """

    def __init__(self, text: str, folder: pathlib.Path, queue_dir=None, name="pools", env=None):
        self.folder, self.said, self.tags = folder, [], 0
        self.conf = folder / f"{name}.ini"
        self.conf.write_text(text)
        self.log_path = folder / f"{name}.log"
        argv = [ENGINE, "pools", str(self.conf)] + ([str(queue_dir)] if queue_dir else [])
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=open(self.log_path, "w"), preexec_fn=die_with_parent,
                                        env={**os.environ, **(env or {})})
        self.came = threading.Condition()
        self.over = False
        threading.Thread(target=self._read, daemon=True).start()
        assert self.wait("loaded")["ok"], self.said

    def _read(self):
        for line in self.process.stdout:
            with self.came:
                self.said.append({**json.loads(line), "at": time.monotonic()})
                self.came.notify_all()
        with self.came:
            self.over = True
            self.came.notify_all()

    def do(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()

    def wait(self, what, seconds=10.0, after=0, **fits):
        """The first of that kind, from the `after`-th on, whose members are these (a function: that it says yes to)."""
        def good(event):
            return event["what"] == what and all(
                value(event.get(key)) if callable(value) else event.get(key) == value for key, value in fits.items())

        deadline, seen = time.monotonic() + seconds * (4 if SANITIZED else 1), after
        with self.came:
            while True:
                for event in self.said[seen:]:
                    seen += 1
                    if good(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or self.over:
                    raise AssertionError(f"no {what} {fits}; said:\n" + "\n".join(map(str, self.said[-40:])) +
                                         "\nlog:\n" + self.log()[-4000:])
                self.came.wait(left)

    def count(self, what, **fits):
        return sum(e["what"] == what and all(e.get(k) == v for k, v in fits.items()) for e in self.said)

    def ask(self, what, **more):
        after = len(self.said)
        self.do(what, **more)
        return self.wait(what, after=after)

    def submit(self, topic, payload="", **more) -> str:
        """The id of a new task."""
        self.tags += 1
        self.do("submit", topic=topic, payload=payload, tag=self.tags, **more)
        return self.wait("stored", tag=self.tags, status=0)["id"]

    def run(self, topic, payload="", seconds=10.0, **more):
        """How a new task ended."""
        return self.ended(self.submit(topic, payload, **more), seconds)

    def ended(self, task, seconds=10.0):
        return self.wait("task", seconds, id=task, state=lambda s: s in ("succeeded", "dead", "cancelled", "expired"))

    def running(self, task, seconds=10.0):
        return self.wait("task", seconds, id=task, state="running")

    def call(self, topic, payload="", **more) -> int:
        self.tags += 1
        self.do("call", topic=topic, payload=payload, tag=self.tags, **more)
        return self.tags

    def answer(self, tag, seconds=10.0):
        return self.wait("answer", seconds, tag=tag)

    def workers(self, pool=None):
        return [w for w in self.ask("workers")["rows"] if pool in (None, w["pool"])]

    def figures(self, pool):
        return next(f for f in self.ask("figures")["rows"] if f["name"] == pool)

    def until(self, good, seconds=10.0):
        """Asks again until good() is true; its value."""
        deadline = time.monotonic() + seconds * (4 if SANITIZED else 1)
        while True:
            got = good()
            if got or time.monotonic() > deadline:
                assert got, self.log()[-4000:]
                return got
            time.sleep(0.02)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self) -> int:
        if self.process.poll() is None:
            try:
                self.do("quit")
                self.process.stdin.close()
            except OSError:
                pass
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL
