"""jobd on a real RabbitMQ: jobs of durable queues, and what becomes of them when anything of it dies."""
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pika
import pytest

from noter import Notes
from rabbit_server import Rabbit
from servers import Certificates, Folder, wait_for
from taskd import GAP, Jobd, longest_gap

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIB = ROOT / "etc" / "workers"


@pytest.fixture(scope="module")
def rabbit():
    folder = Folder()
    certs = Certificates(folder)
    for name, path in (("ca", certs.ca), ("cert", certs.cert), ("key", certs.key)):
        (folder.path / f"{name}.pem").write_bytes(path.read_bytes())
    one = Rabbit(folder.path, tls=folder.path)
    one.tls_folder = folder.path
    try:
        yield one.start()
    finally:
        one.stop()
        folder.remove()


class Setup:
    """Nodes on a RabbitMQ, what their workers noted, and a client. Queues of a test have its own names."""

    count = 0

    def __init__(self, folder, rabbit):
        Setup.count += 1
        self.folder, self.rabbit, self.nodes = folder, rabbit, []
        self.q = f"MyJob{Setup.count}"
        self.noted = Notes(folder)
        self.notes_path = self.noted.path
        self.link = None

    def node(self, name="jobd", keys="", topic="backoff = list 100ms\nmax_attempts = 3\n", topics=None, workers=2, url=None,
             ready=True, credit=4, kill_grace="200ms", drain="10s"):
        one = Jobd(self.folder, name=name, drain=drain, extra=f"""
[source rabbit]
type = rabbitmq
url = {url or self.rabbit.url}
topics = {topics or self.q}
timeout = 2s
heartbeat = 2s
{keys}
[pool w]
command = {sys.executable} {self.folder}/worker.py
topics = MyJob*, x*, c*, More*
env = NOTES={self.notes_path}
workers_min = {workers}
workers_max = {workers}
kill_grace = {kill_grace}
credit = {credit}
[topic *]
{topic}
""")

        self.nodes.append(one)
        one.ready()
        if ready:
            one.wait_log("jobs are taken", 15)
        return one

    @property
    def channel(self):
        try:
            channel = self.link.channel()
        except (AttributeError, pika.exceptions.AMQPError):  # none yet, or it was closed
            self.link = self.rabbit.connect()
            channel = self.link.channel()
        channel.confirm_delivery()
        return channel

    def publish(self, *bodies, queue=None, **props):
        """Each, and the server has it."""
        queue, props = queue or self.q, {"delivery_mode": 2, **props}
        channel = self.channel
        for body in bodies:
            channel.basic_publish("", queue, body if isinstance(body, bytes) else str(body).encode(), pika.BasicProperties(**props),
                                  mandatory=True)

    def depth(self, queue=None):
        """How many are ready in it; -1: it is not there."""
        with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
            return self.channel.queue_declare(queue or self.q, passive=True).method.message_count
        return -1

    def get(self, queue):
        """The first of it, taken out."""
        method, props, body = self.channel.basic_get(queue, auto_ack=True)
        return method and (props, body)

    def notes(self, what="end"):
        return self.noted.names(what)

    def lines(self, what="end"):
        return self.noted.lines(what)

    def wait_ends(self, jobs, seconds=15):
        wait_for("all jobs are done", lambda: set(self.notes()) >= set(map(str, jobs)), seconds)

    def nothing_left(self, queue=None, seconds=10):
        wait_for("RabbitMQ has nothing", lambda: self.held(queue) == 0, seconds, step=0.2)

    def held(self, queue=None):
        """How many it has, ready or taken."""
        listed = dict(line.rsplit("\t", 1) for line in self.rabbit.ctl("list_queues", "name", "messages").splitlines() if "\t" in line)
        return int(listed.get(queue or self.q, "0"))

    def go(self):
        self.noted.go()

    def end(self):
        for node in self.nodes:
            if node.process.poll() is None:
                assert node.stop() == 0, node.log()[-4000:]
        with contextlib.suppress(Exception):
            self.link.close()


@pytest.fixture
def setup(tmp_path, rabbit):
    one = Setup(tmp_path, rabbit)
    yield one
    one.end()


def test_what_amqp_publish_puts_runs_and_is_gone(setup):
    node = setup.node()
    subprocess.run(["amqp-publish", "-u", setup.rabbit.url, "-r", setup.q, "-p", "-b", "first"], check=True, timeout=10)
    setup.publish(*range(300))
    setup.wait_ends(["first", *range(300)])
    assert sorted(setup.notes()) == sorted(["first", *map(str, range(300))])  # each once
    setup.nothing_left()
    topic = node.get(f"/v1/topics/{setup.q}").json
    assert topic["succeeded"] == 301 and topic["outside"] == 0
    assert node.get("/readyz").status == 200


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_what_the_readme_says(setup, tmp_path, readme):
    text = (ROOT / readme).read_text()
    blocks = {name: block for block, name in re.findall(r"```\w+\n((?:;|#) ([\w.]+)\n.*?)```", text, re.DOTALL)}
    (tmp_path / "greet.py").write_text(blocks["greet.py"])
    shutil.copy(LIB / "troupe.py", tmp_path)
    ini = blocks["rabbit.ini"].replace("amqp://guest:guest@127.0.0.1:5672/%2F", setup.rabbit.url).replace("greet.py", f"{tmp_path}/greet.py")
    node = Jobd(tmp_path, name="readme", extra=ini).ready()
    setup.nodes.append(node)
    node.wait_log("jobs are taken")
    command = shlex.split(re.search(r"^amqp-publish.*", text, re.M)[0].split("#")[0])
    subprocess.run([command[0], "-u", setup.rabbit.url, *command[1:]], check=True, timeout=10)
    wait_for("it ran", lambda: "greeting Ann pool=python" in node.log())


def test_a_failed_job_waits_on_the_ladder_and_dies_with_all_it_had(setup):
    setup.node(topic="backoff = list 1200ms\nmax_attempts = 2\n")
    setup.publish("1 fail", headers={"mine": 7, "deep": {"a": [1, None, "x"]}}, message_id="m1", type="t", expiration="60000",
                  content_type="text/x")
    wait_for("it waits", lambda: setup.depth(f"tr.{setup.q}.wait.1s") == 1)
    assert setup.depth() == 0
    wait_for("it is dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    props, body = setup.get(f"tr.{setup.q}.dead")
    head = props.headers
    assert body == b"1 fail" and head["mine"] == 7 and head["deep"] == {"a": [1, None, "x"]}
    assert (props.message_id, props.type, props.content_type, props.delivery_mode, props.expiration) == ("m1", "t", "text/x", 2, None)
    assert head["x-troupe-attempts"] == 2 and head["x-troupe-crashes"] == 0 and "it was told to" in head["x-troupe-error"]
    assert "x-death" not in head
    begun = [line.split() for line in setup.lines("begin")]
    assert [b[3] for b in begun] == ["1", "2"] and begun[0][2] == begun[1][2]  # its id stays
    assert 1.2 <= float(begun[1][4]) - float(begun[0][4]) < 1.9  # the step, and what is left of the delay with us
    setup.nothing_left()


def test_a_job_that_kills_its_worker_is_dead_after_three(setup):
    setup.node(topic="max_attempts = 25\nbackoff = fixed 50ms\n")
    setup.publish("1 die", 2)
    wait_for("it is dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    props, _ = setup.get(f"tr.{setup.q}.dead")
    assert props.headers["x-troupe-crashes"] == 3
    setup.wait_ends([2])


def test_the_dead_are_counted_and_tried_again(setup):
    node = setup.node(topic="max_attempts = 1\n")
    setup.publish(*[f"{n} fail" for n in range(100)])
    wait_for("all are dead", lambda: node.get(f"/v1/topics/{setup.q}").json.get("dead") == 100)
    first = {line.split()[2] for line in setup.lines("begin")}
    assert node.post(f"/v1/topics/{setup.q}:retry-dead").status == 202
    wait_for("again", lambda: len(setup.notes("begin")) == 200)
    assert {line.split()[2] for line in setup.lines("begin")} == first  # they are the same jobs
    wait_for("dead again, and not raised in circles", lambda: setup.depth(f"tr.{setup.q}.dead") == 100)
    node.wait_log("100 dead jobs are ready again")
    setup.nothing_left()


def test_a_body_of_any_bytes_is_handed_on_as_it_is(setup, tmp_path):
    node = Jobd(tmp_path, name="raw", extra=f"""
[source rabbit]
type = rabbitmq
url = {setup.rabbit.url}
prefix = app:
topics = {setup.q}
[pool w]
mode = exec
command = sh -c 'cat > {tmp_path}/$TROUPE_ID.tmp; mv {tmp_path}/$TROUPE_ID.tmp {tmp_path}/got.$TROUPE_ID'
topics = *
max_body = 4MiB
""").ready()
    setup.nodes.append(node)
    node.wait_log("jobs are taken")
    queue, sent = f"app:{setup.q}", [b"\0\r\n\xffAMQP", b"", b"x" * 3_000_000, b"y" * 5_000_000]
    setup.publish(*sent, queue=queue)
    wait_for("all of them", lambda: len(list(tmp_path.glob("got.*"))) == 3)
    assert sorted(p.read_bytes() for p in tmp_path.glob("got.*")) == sorted(sent[:3])
    wait_for("what no pool can have is dead", lambda: setup.depth(f"tr.{queue}.dead") == 1)
    props, body = setup.get(f"tr.{queue}.dead")
    assert "longer than max_body of pool w" in props.headers["x-troupe-error"] and body == sent[3]


def test_priorities(setup):
    setup.node(keys="max_priority = 10\nprefetch = 1\n", workers=1)
    setup.publish("0 wait")
    wait_for("it runs", lambda: setup.notes("begin") == ["0"])
    for n, priority in ((1, 0), (2, 5), (3, 9), (4, 5)):
        setup.publish(n, priority=priority)
    setup.go()
    setup.wait_ends(range(5))
    assert setup.notes() == ["0", "3", "2", "4", "1"]


def test_what_was_prefetched_goes_by_priority_too(setup):
    setup.node(keys="prefetch = 20\n", workers=1, topic="concurrency = 1\n")
    setup.publish("0 wait")
    wait_for("it runs", lambda: setup.notes("begin") == ["0"])
    for n, priority in ((1, 0), (2, 5), (3, 9)):
        setup.publish(n, priority=priority)
    wait_for("all are here", lambda: setup.depth() == 0)
    time.sleep(0.2)
    setup.go()
    setup.wait_ends(range(4))
    assert setup.notes() == ["0", "3", "2", "1"]


SWOOLE = {"uuid": "u", "topic": "t", "jobClass": "A", "jobMethod": "b", "jobParams": [1]}


def test_delays_of_swoole_jobs(setup, tmp_path):
    node = Jobd(tmp_path, name="sw", extra=f"""
[source rabbit]
type = rabbitmq
url = {setup.rabbit.url}
topics = {setup.q}
payload = swoole-jobs
[pool w]
mode = exec
command = sh -c 'date +%s.%N >> {tmp_path}/when'
topics = *
""").ready()
    setup.nodes.append(node)
    node.wait_log("jobs are taken")
    began = time.time()
    setup.publish(json.dumps({**SWOOLE, "jobExtras": {"delay": 2300}}))
    wait_for("it waits there", lambda: setup.depth(f"tr.{setup.q}.wait.2s") == 1)
    wait_for("it ran", lambda: (tmp_path / "when").exists() and (tmp_path / "when").read_text().endswith("\n"))
    assert 2.3 <= float((tmp_path / "when").read_text()) - began < 3.2
    setup.nothing_left()


def test_handover_keeps_jobs_here(setup):
    node = setup.node(keys="handover = yes", topic="max_attempts = 2\nbackoff = list 100ms\n", workers=1)
    setup.publish("1 wait", "2 fail", 3)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    setup.nothing_left()  # acknowledged while it runs
    node.process.kill()
    node.process.wait()
    setup.go()
    node.again()
    setup.wait_ends([1, 3])
    wait_for("dead here", lambda: [t["topic"] for t in node.get("/v1/tasks?state=dead").json["items"]] == [setup.q])
    assert setup.depth(f"tr.{setup.q}.dead") == -1


def test_quorum_queues(setup):
    node = setup.node(keys="queue_type = quorum\ndelivery_limit = 3\n", topic="backoff = list 1s\nmax_attempts = 2\n")
    setup.publish(*range(50), "50 fail")
    setup.wait_ends(range(50))
    wait_for("one is dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1, 15)
    kinds = dict(line.split("\t") for line in setup.rabbit.ctl("list_queues", "name", "type").splitlines() if setup.q in line)
    assert set(kinds.values()) == {"quorum"} and len(kinds) == 3
    assert node.stop() == 0
    setup.publish("60")
    for _ in range(5):  # consumers that take it and die: the server counts
        with contextlib.suppress(Exception):
            link = setup.rabbit.connect()
            link.channel().basic_get(setup.q)
            link.close()
    wait_for("dead by the server's count", lambda: setup.depth(f"tr.{setup.q}.dead") == 2)


def test_a_queue_that_is_there_with_other_arguments_is_used_as_it_is(setup):
    setup.channel.queue_declare(setup.q, durable=True, arguments={"x-max-priority": 3})
    setup.channel.queue_declare(f"tr.{setup.q}.dead", durable=True)
    node = setup.node(topic="max_attempts = 1\n")
    setup.publish(1, "2 fail")
    setup.wait_ends([1])
    wait_for("dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    assert re.search(rf"queue {setup.q} is used as it is: .*inequivalent arg 'x-max-priority'.*received none but current is the value '3'",
                     node.log()), node.log()
    assert re.search(rf"queue tr.{setup.q}.dead is used as it is: .*'x-max-length'", node.log())


def test_a_server_of_small_frames(tmp_path):
    """What came in one frame does not fit into one with what we know of it: it goes on without its own properties."""
    folder = Folder()
    rabbit = Rabbit(folder.path, more=["frame_max = 4096"])
    setup = Setup(tmp_path, rabbit.start())
    try:
        node = setup.node(topic="max_attempts = 2\nbackoff = list 1s\n")
        large = "fail " + "x" * 20_000
        setup.publish(f"1 {large}", headers={"a": "y" * 3900}, message_id="one")
        setup.publish(f"2 {large}", headers={"a": "y" * 900}, message_id="two")
        wait_for("both are dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 2, 20)
        dead = {got[0].message_id: got for got in (setup.get(f"tr.{setup.q}.dead") for _ in range(2))}
        assert dead["two"][0].headers["a"] == "y" * 900 and dead["two"][1].decode() == f"2 {large}"
        assert dead[None][0].headers["x-troupe-attempts"] == 2 and dead[None][1].decode() == f"1 {large}"
        assert "is down" not in node.log() and setup.notes("begin").count("1") == 2
        setup.nothing_left()
    finally:
        setup.end()
        rabbit.stop()
        folder.remove()


# ---- the kill matrix --------------------------------------------------------------------------------

def test_a_worker_killed_at_its_job(setup):
    node = setup.node(workers=1)
    setup.publish("1 sleep 1", 2, 3)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    os.kill(node.get("/v1/workers").json["items"][0]["pid"], signal.SIGKILL)
    setup.wait_ends([1, 2, 3])
    assert setup.notes().count("1") == 1 and setup.notes("begin").count("1") == 2
    setup.nothing_left()


def test_jobd_killed_while_jobs_run_charges_those_alone(setup):
    node = setup.node(workers=1, keys="prefetch = 6")
    setup.publish("1 wait", *range(2, 10))
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    wait_for("some are here", lambda: setup.depth() == 3)
    node.process.kill()
    node.process.wait()
    wait_for("they are there", lambda: setup.depth() == 9)
    setup.go()
    node.again()
    setup.wait_ends(range(1, 10))
    assert sorted(setup.notes()) == [str(n) for n in range(1, 10)]
    attempts = {line.split()[1]: line.split()[3] for line in setup.lines()}
    assert attempts.pop("1") == "2" and set(attempts.values()) == {"1"}  # its worker had been given some of them
    setup.nothing_left()


def test_a_job_at_which_jobd_dies_each_time_is_dead(setup):
    node = setup.node(workers=1, topic="max_attempts = 25\n")
    setup.publish("1 wait")
    for n in range(1, 4):
        wait_for("it runs", lambda: len(setup.notes("begin")) == n)
        wait_for("and is there once: what it was before it was charged is acknowledged", lambda: setup.held() == 1)
        node.process.kill()
        node.process.wait()
        node.again()
    wait_for("it is dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    assert len(setup.notes("begin")) == 3


def test_jobd_killed_again_and_again_under_load(setup):
    node, pushed = setup.node(workers=2), 0
    for _ in range(5):
        setup.publish(*[f"{n} sleep 0.002" for n in range(pushed, pushed + 200)])
        pushed += 200
        time.sleep(0.1)
        node.process.kill()
        node.process.wait()
        node.again()
    setup.wait_ends(range(pushed), 30)
    twice = len(setup.notes()) - pushed
    assert 0 <= twice <= 5 * (2 * 8 + 16), twice  # what ran, or was done and not yet acknowledged
    setup.nothing_left()


def test_jobs_of_a_dead_node_go_to_another(setup):
    first = setup.node("one", workers=1)
    setup.publish("1 wait")
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    setup.node("two", workers=1)
    first.process.kill()
    first.process.wait()
    setup.go()
    setup.wait_ends([1])


def test_the_connection_closed_by_another_while_jobs_run(setup):
    node = setup.node(workers=3, credit=1)
    setup.publish("1 wait", "2 wait fail", *[f"{n} sleep 0.01" for n in range(3, 100)])
    wait_for("both run", lambda: {"1", "2"} <= set(setup.notes("begin")))
    for _ in range(2):
        before = node.log().count("jobs are taken")
        setup.rabbit.ctl("close_all_connections", "by hand")
        wait_for("it is back", lambda: node.log().count("jobs are taken") > before)
    setup.go()
    setup.wait_ends(sorted({*range(1, 100)} - {2}))
    wait_for("the other is dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    assert "by hand" in node.log()
    assert setup.notes("begin").count("1") == 1 and setup.notes("begin").count("2") == 3  # nothing that ran began anew
    assert sorted(setup.notes(), key=int) == [str(n) for n in range(1, 100) if n != 2]
    setup.nothing_left()


def test_rabbitmq_killed_and_back(setup):
    """In fetch, while jobs run, and between an end and its acknowledgement."""
    node = setup.node(workers=2)
    setup.publish("1 wait", *[f"{n} sleep 0.006" for n in range(2, 600)])
    wait_for("some are done", lambda: len(setup.notes()) > 50)
    setup.rabbit.ctl("eval", "mnesia:sync_log().")  # that there is such a queue is on its disk, too
    setup.rabbit.kill()
    ended = len(setup.notes("begin"))
    wait_for("it is told", lambda: node.get("/readyz").status == 503)
    setup.go()
    setup.rabbit.start()
    try:
        setup.wait_ends(range(1, 600), 40)
    except AssertionError:  # whose fault is it?
        raise AssertionError((len(setup.notes()), setup.depth(), setup.held(), node.get(f"/v1/topics/{setup.q}").json))
    assert setup.notes("begin").count("1") == 1  # it ended while the server was away, and did not begin anew
    twice = len(setup.notes()) - 599
    assert 0 <= twice <= 40 + ended // 2, twice  # its acknowledgements are not on the disk when it dies
    setup.nothing_left()
    wait_for("both connections are back", lambda: node.get("/readyz").status == 200)


def test_a_frozen_rabbitmq_does_not_hold_the_loop(setup):
    """Taking, acknowledging, publishing, connecting and closing while it stands still."""
    node = setup.node(workers=2, keys=f"write_only = w{setup.q}\n", topic="max_attempts = 2\nbackoff = list 1s\n")
    setup.channel.queue_declare(f"w{setup.q}", durable=True)
    setup.publish(*[f"{n} sleep 0.05" for n in range(30)], *[f"{n} fail" for n in range(30, 40)])
    wait_for("some are done", lambda: len(setup.notes()) > 3)
    setup.rabbit.signal(signal.SIGSTOP)
    try:
        def load():
            for n in range(120):  # more than sockets hold: who publishes waits in the library
                node.push(f"w{setup.q}", "x" * 300_000)
        first = longest_gap(node, 1, lambda: threading.Thread(target=load).start())
        node.wait_log("is down", 15)  # and tries to connect, over and over
        again = longest_gap(node, 3)
        late = setup.node("late", topics=f"x{setup.q}", ready=False)
        connecting = longest_gap(late, 1)
        closing = time.monotonic()
        assert late.stop() == 0
        closing = time.monotonic() - closing
        text = node.conf_path.read_text()
        node.reload(text.replace("timeout = 2s", "timeout = 2500ms"))
        leaving = longest_gap(node, 1)
    finally:
        setup.rabbit.signal(signal.SIGCONT)
    print(f"longest gaps: frozen {first * 1000:.1f} ms, down {again * 1000:.1f} ms, connecting {connecting * 1000:.1f} ms, "
          f"leaving {leaving * 1000:.1f} ms; closing took {closing:.1f} s")
    assert max(first, again, connecting, leaving) < GAP and closing < 8
    setup.wait_ends(range(30), 30)
    wait_for("all was forwarded", lambda: setup.depth(f"w{setup.q}") >= 120, 20)
    setup.nothing_left(seconds=20)


def test_a_queue_deleted_under_us_is_made_again(setup):
    node = setup.node()
    setup.publish(1)
    setup.wait_ends([1])
    before = node.log().count("jobs are taken")
    setup.channel.queue_delete(setup.q)
    wait_for("taken again", lambda: node.log().count("jobs are taken") > before)
    assert "its queue was deleted" in node.log()
    setup.publish(2)
    setup.wait_ends([2])


def test_a_server_short_of_memory_takes_nothing_but_gives_on(setup):
    target = f"w{setup.q}"
    node = setup.node(keys=f"write_only = {target}\n", topic="max_attempts = 2\nbackoff = list 1s\n", workers=4, credit=1)
    setup.channel.queue_declare(target, durable=True)
    setup.publish(*[f"{n} wait" for n in range(3)], "3 wait fail")
    wait_for("they run", lambda: len(setup.notes("begin")) == 4)
    setup.rabbit.ctl("set_vm_memory_high_watermark", "0")
    try:
        node.push(target, "first")  # it is only told to who publishes
        wait_for("it is told", lambda: "takes nothing: low on memory" in node.log())
        ids = [node.push(target, n) for n in range(20)]  # kept here
        setup.go()
        wait_for("what ran is over", lambda: len(setup.notes()) == 3)
        wait_for("acknowledged all the same", lambda: setup.held() == 1)
        assert all(node.state(one) in ("ready", "running") for one in ids)
    finally:
        setup.rabbit.ctl("set_vm_memory_high_watermark", "0.4")
    wait_for("all are there", lambda: setup.depth(target) >= 21)
    wait_for("tried again, and dead", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    node.wait_log("takes messages again")


def test_a_topic_that_is_only_written_is_for_others(setup, tmp_path):
    node = Jobd(tmp_path, extra=f"""
[source rabbit]
type = rabbitmq
url = {setup.rabbit.url}
prefix = app:
write_only = {setup.q}, {setup.q}.*
timeout = 500ms
[store]
resident = 0
""").ready()
    setup.nodes.append(node)
    node.wait_log("is up")
    node.push(setup.q, {"n": 1})
    wait_for("it is there", lambda: setup.depth(f"app:{setup.q}") == 1)  # its queue was made
    props, body = setup.get(f"app:{setup.q}")
    assert json.loads(body) == {"n": 1} and props.delivery_mode == 2 and not props.headers
    setup.channel.queue_delete(f"app:{setup.q}")
    node.push(setup.q, 2, priority=96, type="sort")
    wait_for("made again for what came back", lambda: setup.depth(f"app:{setup.q}") == 1)
    props, body = setup.get(f"app:{setup.q}")
    assert (props.priority, props.type, body) == (2, "sort", b"2")
    for n in range(600):
        node.push(f"{setup.q}.more", n)
    wait_for("all are there", lambda: setup.depth(f"app:{setup.q}.more") == 600)
    got = [setup.get(f"app:{setup.q}.more")[1] for _ in range(600)]
    assert got == [str(n).encode() for n in range(600)]


def test_stopping_gives_back_what_has_not_begun(setup):
    node = setup.node(workers=1)
    setup.publish("1 sleep 0.5", *range(2, 30))
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    assert node.stop() == 0
    done = set(setup.notes())
    assert "1" in done  # what ran has ended
    left = []
    while got := setup.get(setup.q):
        left.append(got[1].decode())
    assert left == [str(n) for n in range(2, 30) if str(n) not in done]  # the rest, in its order


def test_a_worker_that_does_not_end_is_killed_after_we_have_told_rabbitmq(setup):
    node = setup.node(workers=1, kill_grace="4s", drain="300ms")
    setup.publish("1 deaf", 2)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    assert node.stop() == 0
    wait_for("both are there", lambda: setup.depth() == 2)


def test_a_pause_gives_back_too(setup):
    node = setup.node(workers=1)
    setup.publish("1 wait", *range(2, 10))
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    assert node.post(f"/v1/topics/{setup.q}:pause").status in (200, 202)
    setup.go()
    wait_for("it is over", lambda: "1" in setup.notes())
    wait_for("the others are there", lambda: setup.depth() == 9 - len(setup.notes()))
    setup.node("two", workers=1)
    setup.wait_ends(range(1, 10))
    setup.nodes.pop().stop()
    assert node.post(f"/v1/topics/{setup.q}:resume").status in (200, 202)
    setup.publish(10)
    setup.wait_ends([10])


def test_sources_change_and_go_by_reload(setup):
    node = setup.node(workers=1)
    setup.publish("1 sleep 1", 2)
    wait_for("it runs", lambda: setup.notes("begin") == ["1"])
    text = node.conf_path.read_text()
    node.reload(text.replace(f"topics = {setup.q}\n", f"topics = {setup.q}, More{setup.q}\n"))
    node.wait_log("to come back changed")
    wait_for("it is back", lambda: node.log().count("jobs are taken") == 3)
    setup.publish(3, queue=f"More{setup.q}")
    setup.wait_ends([1, 2, 3])
    assert sorted(setup.notes("begin")) == ["1", "2", "3"]  # none twice: it left when its jobs were over
    node.reload(re.sub(r"\[source rabbit\]\n(.+\n)+", "", text, count=1))
    wait_for("gone", lambda: "source=" not in node.get("/metrics").body.decode().replace('source="http"', ""))
    setup.publish(4)
    time.sleep(0.3)
    assert setup.depth() == 1


# ---- who is refused ------------------------------------------------------------------------------------

@pytest.mark.parametrize("user, vhost, why", [("guest:wrong@", "%2F", "ACCESS_REFUSED"), ("guest:guest@", "nowhere", "NOT_ALLOWED|not found")])
def test_a_wrong_password_and_a_wrong_vhost_are_told(setup, user, vhost, why):
    node = setup.node(url=f"amqp://{user}127.0.0.1:{setup.rabbit.port}/{vhost}", ready=False)
    wait_for("it is told", lambda: re.search(f"source rabbit is down: .*({why})", node.log()))
    assert ":wrong" not in node.log() and node.get("/readyz").status == 503


def test_tls(setup):
    url = f"amqps://guest:guest@127.0.0.1:{setup.rabbit.tls_port}/%2F"
    setup.node("secure", keys=f"tls_ca = {setup.rabbit.tls_folder}/ca.pem", url=url, topic="max_attempts = 1\n")
    setup.publish(*range(50), b"60 " + b"x" * 500_000, "61 fail")
    setup.wait_ends([*range(50), 60])
    wait_for("published by TLS, too", lambda: setup.depth(f"tr.{setup.q}.dead") == 1)
    distrusts = setup.node("distrusts", url=url, topics="other", ready=False)
    wait_for("it is told", lambda: re.search(r"source rabbit is down: .*(SSL|certificate)", distrusts.log()))
    setup.node("careless", keys="tls_verify = no", url=url, topics=f"c{setup.q}")


@pytest.mark.parametrize("keys, why", [
    ("url = http://x\ntopics = a", "url: neither amqp:// nor amqps://"),
    ("url = amqp://h:x\ntopics = a", "url: not amqp"),
    ("url = amqp://h\ntopics = a\ntls_ca = /no/such", "tls_ca: /no/such: No such file"),
    ("url = amqp://h\ntopics = a\nqueue_type = quorum\nmax_priority = 3", "quorum queues have no priorities"),
    ("url = amqp://h\ntopics = a\npayload = sidekiq", "keep their jobs in Redis"),
])
def test_what_is_wrong_with_a_source_is_said(tmp_path, keys, why):
    one = Jobd(tmp_path, extra=f"[source s]\ntype = rabbitmq\n{keys}\n")
    assert one.process.wait(10) == 1
    assert why in one.log() and "jobd.ini:" in one.log()


# ---- servers that lie --------------------------------------------------------------------------------------

def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


START = frame(1, 0, struct.pack(">HHBB", 10, 10, 0, 9) + struct.pack(">I", 0) + struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5) + b"en_US")
TUNE = frame(1, 0, struct.pack(">HHHIH", 10, 30, 2047, 131072, 10))
OPEN_OK = frame(1, 0, struct.pack(">HHB", 10, 41, 0))
DELIVER = frame(1, 1, struct.pack(">HH", 60, 60) + b"\1t" + struct.pack(">QB", 1, 0) + b"\0\0")


def nested(depth):
    table = struct.pack(">I", 0)
    for _ in range(depth):
        inner = b"\0F" + table
        table = struct.pack(">I", len(inner)) + inner
    return frame(2, 1, struct.pack(">HHQH", 60, 0, 0, 1 << 13) + table)


@pytest.mark.parametrize("answers, why", ids=["http", "stall", "stall2", "version", "huge", "close", "channel", "body", "bomb", "twice", "deep"], argvalues=[
    ([b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 20], "is down"),
    ([], "timed out"),
    ([START], "timed out"),
    ([b"AMQP\0\0\x08\0"], "is down"),
    ([b"\1\0\0\x7f\xff\xff\xff"], "is down"),
    ([None], "is down"),
    ([START, TUNE, OPEN_OK + frame(1, 99, struct.pack(">HH", 60, 72) + b"\0")], "a channel that nobody has opened|is down"),
    ([START, TUNE, OPEN_OK + frame(3, 1, b"body of nothing")], "more of a message than it has"),
    ([START, TUNE, OPEN_OK + DELIVER + frame(2, 1, struct.pack(">HHQH", 60, 0, 1 << 60, 0))], "a size that can't be"),
    ([START, TUNE, OPEN_OK + DELIVER + DELIVER], "a message within another"),
    ([START, TUNE, OPEN_OK + DELIVER + nested(18000) + frame(3, 1, b"x")], "more of a message than it has"),
])
def test_a_server_that_lies_is_left(tmp_path, answers, why):
    liar = socket.create_server(("127.0.0.1", 0))
    links = []

    def serve(link):
        with contextlib.suppress(OSError):
            for answer in answers:
                link.recv(65536)
                if answer is None:
                    link.close()
                    return
                link.sendall(answer)
            while link.recv(65536):
                pass

    def accept():
        with contextlib.suppress(OSError):
            while True:
                links.append(liar.accept()[0])
                threading.Thread(target=serve, args=(links[-1],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    one = Jobd(tmp_path, extra=f"[source s]\ntype = rabbitmq\nurl = amqp://127.0.0.1:{liar.getsockname()[1]}\ntopics = a\n"
               "timeout = 300ms\n").ready()
    wait_for(why, lambda: re.search(f"source s is down: .*({why})|({why})", one.log()))
    assert one.get("/healthz").status == 200 and one.get("/readyz").status == 503
    tries = len(links)
    time.sleep(0.7)
    assert len(links) - tries <= 16  # it comes back, but more and more slowly
    assert one.stop() == 0
    liar.close()
