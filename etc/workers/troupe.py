"""troupe.py - a worker of troupe (TWP/1) in Python 3.8 or newer. One file; nothing to install.

    import troupe

    def handle(job):
        print("goes into troupe's log")
        return {"sum": sum(job.json()["numbers"])}      # the result: bytes, str, None, or anything for json.dumps

    troupe.run(handle)

An exception makes the job fail, to be tried again; troupe.Fail says more: Fail("bad input", retry=False) is dead at once.
"""
import json
import os
import select
import sys
import traceback
from urllib.parse import quote, unquote


class Fail(Exception):
    """delay: milliseconds until the next attempt; None: as the topic says."""

    def __init__(self, message, retry=True, delay=None):
        super().__init__(message)
        self.retry, self.delay = retry, delay


class Release(Exception):
    """Give the job back: it costs no attempt."""

    def __init__(self, delay=0):
        super().__init__("released")
        self.delay = delay


def as_bytes(value):
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value)).encode()


class Job:
    def __init__(self, worker, words, body):
        self.worker, self.body, self.cancelled = worker, body, False
        self.id, self.topic, self.attempt = words[1], words[2], int(words[3])
        self.options = {key: unquote(value) for key, value in (word.split("=", 1) for word in words[5:])}

    def json(self):
        return json.loads(self.body)

    def touch(self, ms=None):
        """It goes on: its time-out counts from now, for ms or as long as it was."""
        self.worker.send(f"TOUCH {self.id}" + ("" if ms is None else f" {ms}"))

    def progress(self, percent, text=""):
        text = as_bytes(text)
        self.worker.send(f"PROGRESS {self.id} {percent} {len(text)}", text)

    def data(self, part):
        """A part of the answer, for who waits for it."""
        part = as_bytes(part)
        self.worker.send(f"DATA {self.id} {len(part)}", part)

    def push(self, topic, body, **options):
        """A task that follows: it is there exactly when this one has succeeded. options: delay, prio, uniq, type, after.

        Fail, when it was refused.
        """
        self.worker.push(topic, body, on=self.id, **options)

    def is_cancelled(self):
        """Does somebody want it to stop? Looks at what has come in."""
        self.worker.look()
        return self.cancelled


class Worker:
    def __init__(self):
        if os.environ.get("TROUPE_PROTO") != "twp/1":
            sys.exit(f"This is a worker: it is started by troupe (try: troupe worker-test python3 {sys.argv[0]}).")
        self.out = int(os.environ["TROUPE_FD"])
        self.unread = bytearray()
        self.waiting, self.running, self.replies = {}, None, {}
        self.refs, self.max, self.leaving, self.closed = 0, 1 << 20, False, False
        sys.stdout.reconfigure(line_buffering=True)
        try:
            with open("/proc/self/comm", "w") as name:  # what top and ps -e show
                name.write(os.environ.get("TROUPE_TITLE", "worker"))
        except OSError:
            pass

    def run(self, handle):
        """Runs jobs until troupe wants no more. handle gets a Job and returns its result."""
        self.send(f"READY {os.environ['TROUPE_CREDIT']} caps=cancel")
        while True:
            while not self.waiting and not self.leaving and not self.closed:
                self.take()
            if not self.waiting:
                break
            self.running = job = self.waiting.pop(next(iter(self.waiting)))
            try:
                result = self.fits(as_bytes(handle(job)), "result")
                self.send(f"ACK {job.id} {len(result)}", result)
            except Release as why:
                self.send(f"RELEASE {job.id} delay={why.delay}")
            except Fail as why:
                more = ("" if why.retry else " retry=no") + ("" if why.delay is None else f" delay={why.delay}")
                self.fail(job, str(why), more)
            except Exception:
                self.fail(job, traceback.format_exc())
            self.running = None

    def push(self, topic, body, **options):
        """A task of its own, at once. Returns its id; Fail, when it was refused."""
        body = self.fits(as_bytes(body), "body")
        self.refs += 1
        ref, line = self.refs, f"PUSH {topic} {len(body)} ref={self.refs}"
        for key, value in options.items():
            line += f" {key}=" + quote(",".join(value) if isinstance(value, (list, tuple)) else str(value), safe="")
        self.send(line, body)
        while ref not in self.replies and not self.closed:
            self.take()
        ok, word = self.replies.pop(ref, (False, "the connection is closed"))
        if not ok:
            raise Fail(word)
        return word

    def log(self, level, text):
        """A line of the log. level: error, warn, info, debug."""
        self.send(f"LOG {level} {len(as_bytes(text))}", as_bytes(text))

    def bye(self):
        self.send("BYE")  # asks to be replaced, when the jobs that it has are done

    def fits(self, data, what):
        if len(data) > self.max:
            raise Fail(f"a {what} of {len(data)} bytes, {self.max} are allowed", retry=False)
        return data

    def fail(self, job, text, more=""):
        text = text.encode(errors="backslashreplace")
        text = text if len(text) <= 8192 else text[:4096] + text[-4096:]  # what was raised stands last
        self.send(f"FAIL {job.id} {len(text)}{more}", text)

    def send(self, line, body=None):
        """At once: what has been answered is not lost when the next job ends the process."""
        unsent = bytearray(line.encode() + b"\n" + (b"" if body is None else body + b"\n"))
        while unsent:
            del unsent[:os.write(self.out, unsent)]

    def look(self):
        """Takes what has come, and does not wait."""
        while not self.closed and (b"\n" in self.unread or select.select([0], [], [], 0)[0]):
            self.take()

    def more(self):
        came = os.read(0, 65536)
        self.closed = not came
        self.unread += came
        return came

    def bytes(self, n):
        while len(self.unread) < n and self.more():
            pass
        got = bytes(self.unread[:n])
        del self.unread[:n]
        return got

    def take(self):
        """One line, with its body, of what troupe says."""
        while (end := self.unread.find(b"\n")) < 0:
            if not self.more():
                return
        words = self.bytes(end + 1)[:-1].decode().split(" ")
        if words[0] == "JOB":
            self.waiting[words[1]] = Job(self, words, self.bytes(int(words[4]) + 1)[:-1])
        elif words[0] == "CANCEL":
            for job in (self.running, self.waiting.get(words[1])):
                if job and job.id == words[1]:
                    job.cancelled = True
        elif words[0] in ("OK", "ERR"):
            self.replies[int(words[1])] = (words[0] == "OK", " ".join(words[2:]))
        elif words[0] == "HELLO":
            self.max = int(dict(word.split("=", 1) for word in words[2:]).get("max", self.max))
        elif words[0] == "QUIT":
            self.leaving = True


def run(handle): Worker().run(handle)
