"""The kill matrix: a worker, all workers, jobd and the queue's server, each killed while nothing runs, while a job runs, and
between its end and the server's knowing of it; with jobs kept by jobd, by Redis and by RabbitMQ.

Nothing is lost, and only what a worker had begun may begin again.
"""
import os
import signal
import sys
import time

import pytest

from noter import Notes
from servers import wait_for
from taskd import Jobd
from test_jobd_rabbit import Setup as RabbitSetup, rabbit as rabbit_server
from test_jobd_redis import Setup as RedisSetup

rabbit = rabbit_server
OTHERS = [str(n) for n in range(2, 12)]


class Embedded:
    """jobd's own queue."""

    server = None

    def __init__(self, folder):
        self.folder, self.noted = folder, Notes(folder)

    def start(self, workers):
        self.node = Jobd(self.folder, extra=f"[pool w]\ncommand = {sys.executable} {self.folder}/worker.py\ntopics = *\nmode = worker\n"
                         f"env = NOTES={self.noted.path}\nworkers_min = {workers}\nworkers_max = {workers}\nkill_grace = 200ms\n"
                         "[topic *]\nbackoff = list 100ms\nmax_attempts = 3\n").ready()

    def push(self, *bodies):
        for body in bodies:
            assert self.node.post("/v1/topics/MyJob/tasks", body, headers={"Content-Type": "text/plain"}).status == 202

    def left(self):
        return len(self.node.get("/v1/tasks?topic=MyJob&state=pending").json["items"])

    def end(self):
        assert self.node.stop() == 0, self.node.log()[-4000:]


class OnRedis:
    answers_ends = True

    def __init__(self, folder):
        self.setup = RedisSetup(folder)
        self.noted, self.server = self.setup.noted, self.setup.redis

    def start(self, workers):
        self.node = self.setup.node(workers=workers, credit=1)

    def push(self, *bodies):
        self.setup.redis("RPUSH", "MyJob", *bodies)

    def left(self):
        return sum(map(int, self.setup.left().values()))

    def freeze(self, signo):
        os.kill(self.server.process.pid, signo)

    def settled(self):
        """All that was pushed is on its disk: it writes before it answers."""

    def end(self):
        self.setup.end()


class OnRabbit:
    answers_ends = False

    def __init__(self, folder, rabbit):
        self.setup = RabbitSetup(folder, rabbit)
        self.noted, self.server = self.setup.noted, rabbit

    def start(self, workers):
        self.node = self.setup.node(workers=workers, credit=1)

    def push(self, *bodies):
        self.setup.publish(*bodies)

    def left(self):
        return self.setup.held()

    def freeze(self, signo):
        self.server.signal(signo)

    def settled(self):
        self.server.ctl("eval", "mnesia:sync_log().")  # that there is such a queue

    def end(self):
        self.setup.end()


@pytest.fixture(params=["embedded", "redis", "rabbit"])
def case(request, tmp_path):
    if request.param == "rabbit":
        one = OnRabbit(tmp_path, request.getfixturevalue("rabbit"))
    else:
        one = Embedded(tmp_path) if request.param == "embedded" else OnRedis(tmp_path)
    yield one
    one.end()


@pytest.fixture(params=["redis", "rabbit"])
def served(request, tmp_path):
    one = OnRabbit(tmp_path, request.getfixturevalue("rabbit")) if request.param == "rabbit" else OnRedis(tmp_path)
    yield one
    one.end()


# ---- what is done to them

def workers(case, n):
    def pids():
        found = [w["pid"] for w in case.node.get("/v1/workers").json["items"]]
        return found if len(found) == n and case.node.log().count("worker ready") >= n else None
    return wait_for("workers", pids)


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def begun(case, *names):
    wait_for("they run", lambda: set(case.noted.names("begin")) >= set(names))


def all_done(case, *names, begins=()):
    """Each has ended; began as often as `begins` says, the others once; and nobody has any of it any more."""
    wait_for("all jobs are done", lambda: set(case.noted.names()) >= set(names), 30)
    wait_for("nothing is left", lambda: case.left() == 0, 20, step=0.1)
    counts = {name: case.noted.names("begin").count(name) for name in names}
    expected = {name: dict(begins).get(name, (1,)) for name in names}
    assert all(counts[name] in expected[name] for name in names), counts
    assert set(case.noted.names("begin")) == set(names)


# ---- workers

@pytest.mark.parametrize("n", [1, 3], ids=["worker", "pool"])
def test_workers_with_nothing_to_do(case, n):
    case.start(n)
    kill(workers(case, n))
    case.push(*OTHERS)
    all_done(case, *OTHERS)


@pytest.mark.parametrize("n", [1, 3], ids=["worker", "pool"])
def test_workers_at_their_jobs(case, n):
    case.start(n)
    held = [f"held{k}" for k in range(n)]
    case.push(*[f"{name} wait" for name in held], *OTHERS)
    begun(case, *held)
    kill(workers(case, n))
    case.noted.go()
    all_done(case, *held, *OTHERS, begins={name: (2,) for name in held})
    assert sorted(name for name in case.noted.names() if name in held) == held  # each ended once


@pytest.mark.parametrize("n", [1, 3], ids=["worker", "pool"])
def test_workers_that_are_done_and_did_not_say_so(case, n):
    case.start(n)
    held = [f"held{k}" for k in range(n)]
    case.push(*[f"{name} leave" for name in held], *OTHERS)
    all_done(case, *held, *OTHERS, begins={name: (2,) for name in held})


# ---- jobd

def test_jobd_with_nothing_to_do(case):
    case.start(2)
    workers(case, 2)
    if case.server:  # what comes meanwhile is in its socket
        case.node.process.send_signal(signal.SIGSTOP)
        case.push(*OTHERS)
    case.node.process.kill()
    case.node.process.wait()
    case.node.again()
    if not case.server:
        case.push(*OTHERS)
    all_done(case, *OTHERS)


def test_jobd_while_jobs_run(case):
    case.start(2)
    case.push("held1 wait", "held2 wait", *OTHERS)
    begun(case, "held1", "held2")
    case.node.process.kill()
    case.node.process.wait()
    case.noted.go()
    case.node.again()
    all_done(case, "held1", "held2", *OTHERS, begins={"held1": (2,), "held2": (2,)})
    attempts = {line.split()[1]: line.split()[3] for line in case.noted.lines()}
    assert attempts.pop("held1") == attempts.pop("held2") == "2" and set(attempts.values()) == {"1"}


def test_jobd_that_has_not_read_of_an_end(case):
    case.start(1)
    case.push("held wait", *OTHERS)
    begun(case, "held")
    case.node.process.send_signal(signal.SIGSTOP)
    case.noted.go()
    wait_for("it is done", lambda: case.noted.names() == ["held"])
    time.sleep(0.1)  # and the worker has said so
    case.node.process.kill()
    case.node.process.wait()
    case.node.again()
    all_done(case, "held", *OTHERS, begins={"held": (2,)})


def test_jobd_that_has_told_a_server_which_has_not_heard(served):
    """It tells of the end, and asks for more, while the server stands still; which reads it when its sender is dead."""
    served.start(1)
    served.push("held wait", *OTHERS)
    begun(served, "held")
    served.freeze(signal.SIGSTOP)
    served.noted.go()
    wait_for("it is done", lambda: "held" in served.noted.names())
    time.sleep(0.1)
    served.node.process.kill()
    served.node.process.wait()
    ran = set(served.noted.names("begin"))
    served.freeze(signal.SIGCONT)
    served.node.again()
    all_done(served, "held", *OTHERS, begins={name: (1, 2) for name in ran})


# ---- the server

def test_the_server_with_nothing_to_do(served):
    served.start(2)
    workers(served, 2)
    served.settled()
    served.server.kill()
    served.server.start()
    served.push(*OTHERS)
    all_done(served, *OTHERS)


def test_the_server_while_jobs_run(served):
    served.start(2)
    served.push("held1 wait", "held2 wait fail", *OTHERS)
    begun(served, "held1", "held2")
    served.settled()
    served.server.kill()
    served.noted.go()
    wait_for("one ends without it", lambda: "held1" in served.noted.names())
    served.server.start()
    wait_for("the other is dead", lambda: served.noted.names("begin").count("held2") == 3, 30)
    wait_for("all are done", lambda: set(served.noted.names()) == {"held1", *OTHERS}, 30)
    assert sorted(served.noted.names()) == sorted(["held1", *OTHERS])  # none twice: it is told when it is back


def test_the_server_that_has_not_heard_of_an_end(served):
    served.start(1)
    served.push("held wait", *OTHERS)
    begun(served, "held")
    served.settled()
    served.freeze(signal.SIGSTOP)
    served.noted.go()
    wait_for("it is done", lambda: "held" in served.noted.names())
    time.sleep(0.1)  # and jobd has told, to a socket that nobody reads
    served.server.kill()
    ran = served.noted.names("begin")
    served.server.start()
    twice = (1,) if served.answers_ends else (1, 2)  # AMQP's acknowledgements are not answered
    all_done(served, "held", *OTHERS, begins={name: twice for name in ran})
