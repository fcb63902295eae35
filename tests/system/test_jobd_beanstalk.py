"""jobd's beanstalk listener: the same answers as beanstalkd, the same jobs as HTTP, and what faults do to it."""
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest

import servers
from beanstalk import Beanstalkd, Client, both
from daemon import cpu_s
from servers import wait_for
from taskd import Jobd


class Stalk(Jobd):
    def __init__(self, folder, keys="", **more):
        super().__init__(folder, f"beanstalk = 127.0.0.1:0\n{keys}", **more)

    @property
    def stalk(self):
        return int(re.findall(r"listening on 127\.0\.0\.1:(\d+) beanstalk\n", self.log())[-1])

    def client(self, **more):
        return Client(self.stalk, **more)


@pytest.fixture
def jobd(tmp_path):
    one = Stalk(tmp_path, keys="max_job = 65535", extra="").ready()
    yield one
    assert one.stop() == 0, one.log()[-4000:]


@pytest.fixture(scope="module")
def beanstalkd():
    one = Beanstalkd()
    yield one
    one.stop()


@pytest.fixture(params=["fsync", "memory"])
def pair(request, tmp_path, beanstalkd):
    """jobd, and a beanstalkd that has nothing, asked the same."""
    one = Stalk(tmp_path, keys="max_job = 65535", extra=f"[store]\ndurability = {request.param}\n").ready()
    theirs = Beanstalkd()
    with both(one.stalk, theirs.port) as asked:
        yield asked
    theirs.stop()
    assert one.stop() == 0, one.log()[-4000:]


# ---- the same as beanstalkd ----------------------------------------------------

LINES = [
    b"foo\r\n", b"put\r\n", b"put 1 2 3\r\n", b"put 1 2 3 x\r\nabc\r\n", b"put 1 0 3 3\r\nabcd\r\nlist-tubes\r\n",
    b"put 1 0 3 3\r\nabcdefg\r\n", b"put -1 0 3 3\r\nabc\r\n", b"put 4294967296 0 3 3\r\nabc\r\n",
    b"put 1 0 3 3 \r\nabc\r\n", b"put 1 0 3 3 9\r\nabc\r\n", b"x" * 300 + b"\r\nlist-tube-used\r\n",
    b"x" * 222 + b"\r\nlist-tube-used\r\n", b"x" * 600 + b"list-tube-used\r\nlist-tube-used\r\n", b"use\r\n", b"use \r\n",
    b"use -a\r\n", b"use a b\r\n", b"use a \r\n", b"use a@\r\n", b"use (a)/$;.+_\r\n", b"use " + b"a" * 128 + b"\r\n",
    b"use " + b"a" * 201 + b"\r\n", b"watch a\r\nwatch a\r\nignore a\r\nignore a\r\nignore default\r\nlist-tubes-watched\r\n",
    b"watch a\r\nwatch b\r\nwatch c\r\nignore a\r\nlist-tubes-watched\r\n", b"list-tubes\r\n", b"list-tubes \r\n",
    b"list-tubesx\r\n", b"list-tube-usedx\r\n", b"reserve-with-timeout 0\r\n", b"reserve-with-timeout\r\n", b"reservex\r\n",
    b"reserve 1\r\n", b"delete 99\r\n", b"delete x\r\n", b"delete\r\n", b"delete 1 2\r\n", b"delete 0\r\n", b"delete -1\r\n",
    b"delete 18446744073709551615\r\n", b"delete 18446744073709551616\r\n", b"release 1\r\n", b"release 99 1 1\r\n",
    b"release 99 1 1 1\r\n", b"bury 99 1\r\n", b"bury 99\r\n", b"touch 99\r\n", b"kick\r\n", b"kick 5\r\n", b"kick x\r\n",
    b"kick-job 9\r\n", b"peek 99\r\n", b"peek-ready\r\n", b"peek-delayed\r\n", b"peek-buried\r\n", b"peek-readyx\r\n",
    b"peek\r\n", b"stats-job 99\r\n", b"stats-tube nope\r\n", b"statsx\r\n", b"pause-tube default 0\r\n",
    b"pause-tube nope 1\r\n", b"pause-tube default\r\n", b"pause-tube default x\r\n", b"quit\r\nlist-tubes\r\n",
    b"put 0 0 0 65536\r\n" + b"a" * 65536 + b"\r\nlist-tube-used\r\n", b"put 0 0 0 99999999999999\r\n", b"\r\n",
    b"list-tube-used\n\r\n", b"PUT 0 0 0 1\r\n", b"reserve-job x\r\n", b"reserve-job 7\r\n", b"use a\x00b\r\n",
    b"watch " + b"a" * 201 + b"\r\n", b"ignore nope\r\n", b"ignore -\r\n", b"put 1 5 x 1\r\na\r\n", b"put 1 5 3 +1\r\na\r\n",
    b" list-tubes\r\n",
]


def all_of(port, data):
    """What is answered until the server has read all, which a half-closed connection tells."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        parts = []
        while more := link.recv(65536):
            parts.append(more)
        return b"".join(parts)


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_lines_right_and_wrong_are_answered_as_by_beanstalkd(jobd, beanstalkd, pieces):
    for data in LINES:
        want = all_of(beanstalkd.port, data)
        if pieces == "whole":
            assert all_of(jobd.stalk, data) == want, data[:80]
        elif len(data) < 300:
            with socket.create_connection(("127.0.0.1", jobd.stalk), timeout=10) as link:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    for i in range(len(data)):
                        link.send(data[i:i + 1])
                    link.shutdown(socket.SHUT_WR)
                except OSError:  # after quit
                    assert data.startswith(b"quit")
                got = b"".join(iter(lambda link=link: link.recv(65536), b""))
            assert got == want, data[:80]


def test_a_job_s_life(pair):
    ask = pair.ask
    assert pair.put("one", pri=5).words[0] == "INSERTED"
    ask("peek-ready")
    ask("peek {one}")
    ask("stats-job {one}")
    assert ask("reserve").body == b"one"
    ask("stats-job {one}")
    ask("stats-tube default")
    ask("reserve-job {one}")
    ask("delete {one}", who="b")
    ask("touch {one}", who="b")
    ask("touch {one}")
    ask("release {one} 7 0")
    ask("stats-job {one}")
    ask("release {one} 7 0")
    ask("reserve-job {one}", who="b")
    ask("bury {one} 9")
    assert ask("bury {one} 9", who="b") == "BURIED"
    ask("stats-job {one}")
    ask("stats-tube default")
    ask("peek-buried")
    ask("peek {one}")
    ask("reserve-with-timeout 0")
    assert ask("kick 10") == "KICKED 1"
    ask("stats-job {one}")
    ask("peek-buried")
    assert ask("delete {one}") == "DELETED"
    ask("delete {one}")
    ask("peek {one}")
    ask("stats-job {one}")
    ask("stats-tube default")


def test_delays_buried_ones_and_kicks(pair):
    ask = pair.ask
    pair.put("late", delay=100)
    pair.put("later", delay=200)
    pair.put("lost", delay=300)
    ask("peek-delayed")
    ask("stats-job {late}")
    ask("reserve-with-timeout 0")
    assert ask("kick 1") == "KICKED 1"
    ask("stats-job {late}")
    assert ask("kick-job {later}") == "KICKED"
    ask("kick-job {later}")
    ask("peek-delayed")
    assert ask("delete {lost}") == "DELETED"
    ask("reserve")
    ask("release {late} 1024 50")
    ask("stats-job {late}")
    ask("reserve-job {late}")
    for name in ("late", "later"):
        ask(f"reserve-job {{{name}}}")
        ask(f"bury {{{name}}} 3")
    ask("peek-buried")
    ask("kick-job {late}")
    ask("delete {later}")
    ask("delete {later}")
    ask("peek-buried")
    pair.put("dead")
    ask("reserve-job {dead}")
    ask("bury {dead} 1")
    ask("reserve-job {dead}")
    ask("stats-job {dead}")
    ask("delete {dead}")
    ask("stats-tube default")
    ask("kick 5")


def test_the_most_urgent_of_all_watched_tubes_comes_first(pair):
    ask = pair.ask
    for tube, name, pri in [("a", "n5", 5), ("b", "n3", 3), ("a", "n9", 900), ("b", "n4", 4), ("c", "n1", 1),
                            ("a", "x", 1024), ("b", "y", 1024), ("a", "z", 4000000000), ("b", "n0", 0), ("a", "n4b", 4)]:
        ask(f"use {tube}")
        pair.put(name, pri=pri)
    ask("stats-tube a")
    ask("watch a")
    ask("watch b")
    ask("ignore default")
    names = []
    for _ in range(9):
        job = ask("reserve-with-timeout 0")
        names.append(job.body.decode())
        ask(f"release {{{names[-1]}}} 4294967295 60")
    assert names == ["n0", "n3", "n4", "n4b", "n5", "n9", "x", "y", "z"]
    ask("reserve-with-timeout 0")
    ask("watch c")
    ask("reserve")
    ask("list-tubes")
    ask("list-tubes-watched")


def test_those_who_wait_are_served_in_their_order(pair):
    ask = pair.ask
    for who in "bcd":
        pair.send("reserve", who=who)
        time.sleep(0.1)
    ask("stats-tube default")
    pair.put("first")
    assert pair.read("b").body == b"first"
    pair.put("second")
    assert pair.read("c").body == b"second"
    pair.close("d")
    pair.put("third")
    time.sleep(0.2)
    assert ask("reserve", who="e").body == b"third"
    pair.close("b")
    time.sleep(0.2)
    assert ask("reserve", who="e").body == b"first"
    ask("stats-job {first}")


def test_times_of_those_who_wait(pair):
    ask = pair.ask
    begun = time.monotonic()
    assert ask("reserve-with-timeout 1") == "TIMED_OUT"
    assert 0.9 < time.monotonic() - begun < 3
    pair.put("short", ttr=2)
    ask("reserve")
    assert ask("reserve") == "DEADLINE_SOON"
    assert ask("reserve-with-timeout 0") == "DEADLINE_SOON"
    pair.put("none", ttr=0)
    assert ask("stats-job {none}").yaml["ttr"] == "1"


def test_a_touch_gives_the_time_anew(jobd):
    """By itself: beanstalkd 1.12 may sleep over the moment when a job's time is up, if others wait meanwhile."""
    with jobd.client() as a, jobd.client() as b:
        n = a.put("short", ttr=2)
        begun = time.monotonic()
        a.reserve()
        assert a.reserve() == "DEADLINE_SOON"
        assert a.ask(f"touch {n}") == "TOUCHED"
        assert a.reserve(0) == "TIMED_OUT"
        assert b.reserve().id == n
        assert 2.9 < time.monotonic() - begun < 6
        assert b.ask(f"stats-job {n}").yaml["timeouts"] == "1"
        assert a.ask(f"touch {n}") == "NOT_FOUND"


def test_a_paused_tube(pair):
    ask = pair.ask
    pair.put("held")
    assert ask("pause-tube default 2") == "PAUSED"
    ask("stats-tube default")
    ask("reserve-with-timeout 0")
    begun = time.monotonic()
    assert ask("reserve-with-timeout 5").body == b"held"
    assert 1 < time.monotonic() - begun < 4
    pair.put("more")
    ask("pause-tube default 100")
    ask("pause-tube default 0")
    assert ask("reserve-with-timeout 1").body == b"more"


def test_stats_of_all(pair):
    ask = pair.ask
    pair.put("a", pri=1)
    pair.put("b", delay=50)
    pair.put("c")
    ask("use other")
    ask("reserve")
    ask("list-tube-used")
    pair.send("reserve", who="w")
    pair.read("w")
    ask("stats")
    ask("list-tubes")


def test_a_pipeline_is_answered_in_its_order(pair):
    n = 500
    for i in range(n):
        pair.send(f"put {i % 7} 0 60 4", b"%04d" % i)
    pair.send("put 0 0 60 99999", b"x" * 99999)
    pair.send("put 0 0 60 3", b"last")
    pair.send("list-tube-used")
    for i in range(n):
        pair.read(name=f"j{i}")
    for want in ("JOB_TOO_BIG", "EXPECTED_CRLF", "UNKNOWN_COMMAND"):
        assert pair.read() == want
    for _ in range(n):
        pair.send("reserve-with-timeout 0")
    order = [int(pair.read().body) for _ in range(n)]
    assert order == sorted(range(n), key=lambda i: (i % 7, i))
    for i in order:
        pair.send(f"delete {{j{i}}}")
    for _ in range(n):
        assert pair.read() == "DELETED"
    pair.ask("stats-tube default")


# ---- the same jobs as HTTP's ---------------------------------------------------

def ident(n: int) -> str:
    """A task's name in the HTTP API."""
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(letters[n >> 5 * i & 31] for i in reversed(range(13)))


def test_a_task_of_http_is_a_job_and_the_reverse(jobd):
    with jobd.client() as c:
        task = jobd.push("mail", {"to": "a"}, priority=3)
        c.ask("watch mail")
        job = c.reserve(5)
        assert ident(job.id) == task and json.loads(job.body) == {"to": "a"}
        facts = c.ask(f"stats-job {job.id}").yaml
        assert (facts["tube"], facts["pri"], facts["state"]) == ("mail", "3", "reserved")
        assert jobd.state(task) == "running"
        assert c.ask(f"delete {job.id}") == "DELETED"
        jobd.wait_state(task, "succeeded")
        assert c.ask(f"peek {job.id}") == "NOT_FOUND"
        c.ask("use mail")
        n = c.put(b"\x00\xff", pri=70000, delay=60)
        seen = jobd.get(f"/v1/tasks/{ident(n)}").json
        assert seen["state"] == "scheduled" and seen["topic"] == "mail"
        assert c.ask(f"stats-job {n}").yaml["pri"] == "70000"
        assert jobd.ask("DELETE", f"/v1/tasks/{ident(n)}").status == 204
        wait_for("it is gone", lambda: c.ask(f"stats-job {n}") == "NOT_FOUND")


def test_a_buried_job_is_dead_and_rises_by_http(jobd):
    with jobd.client() as c:
        n = c.put("lost")
        c.reserve(5)
        assert c.ask(f"bury {n} 10") == "BURIED"
        assert jobd.state(ident(n)) == "dead"
        assert jobd.post(f"/v1/tasks/{ident(n)}:retry").status in (200, 202)
        assert c.reserve(5).id == n
        assert c.ask(f"stats-job {n}").yaml["pri"] == "10"


def test_what_http_cancels_is_out_of_its_holder_s_hands(jobd):
    with jobd.client() as c:
        n = c.put("x")
        c.reserve(5)
        assert jobd.ask("DELETE", f"/v1/tasks/{ident(n)}").status == 202
        jobd.wait_state(ident(n), "cancelled")
        assert c.ask(f"delete {n}") == "NOT_FOUND"
        assert c.ask(f"touch {n}") == "NOT_FOUND"


def test_a_worker_of_a_pool_takes_what_was_put(tmp_path):
    one = Stalk(tmp_path).ready()
    with one.client() as c:
        c.ask("use echo")
        n = c.put("by a client")
        one.wait_state(ident(n), "succeeded")
    assert one.stop() == 0


def test_unnamed_topics_and_our_own(tmp_path):
    one = Stalk(tmp_path, keys="auto_topic = no", extra="[topic mail]\n").ready()
    with one.client() as c:
        assert c.ask("put 0 0 1 1", b"x") == "BAD_FORMAT"
        assert c.ask("use .calls") == "BAD_FORMAT"
        assert c.ask("watch .calls") == "BAD_FORMAT"
        assert c.ask("use " + "a" * 129) == "BAD_FORMAT"
        c.ask("use mail")
        assert c.put("x")
    assert one.stop() == 0


def test_a_full_topic_is_out_of_memory(tmp_path):
    one = Stalk(tmp_path, extra="[topic *]\nmax_jobs = 2\n").ready()
    with one.client() as c:
        assert c.put("x") and c.put("x")
        assert c.ask("put 0 0 1 1", b"x") == "OUT_OF_MEMORY"
    assert one.stop() == 0


# ---- faults --------------------------------------------------------------------

def test_nothing_that_was_inserted_is_lost_by_a_kill(tmp_path):
    one = Stalk(tmp_path, extra="").ready()
    done, stop = [], threading.Event()

    def put(number):
        try:
            with one.client() as c:
                for i in range(10_000):
                    if stop.is_set():
                        return
                    body = f"{number}-{i}"
                    done.append((c.put(body, pri=i % 5), body))
        except (OSError, EOFError):
            pass
    threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_for("some", lambda: len(done) > 300)
    with one.client() as c:
        held = c.reserve(5)
        deleted = c.reserve(5)
        c.ask(f"delete {deleted.id}")
        time.sleep(0.2)
        buried = c.reserve(5)
        assert c.ask(f"bury {buried.id} 5") == "BURIED"
        one.process.kill()
        one.process.wait()
    stop.set()
    for thread in threads:
        thread.join()
    one.again()
    with one.client() as c:
        assert c.ask(f"stats-job {buried.id}").yaml["state"] == "buried"
        assert c.ask(f"stats-job {held.id}").yaml["state"] == "ready"
        found = {}
        while (job := c.reserve(0)) != "TIMED_OUT":
            found[job.id] = job.body.decode()
            c.ask(f"delete {job.id}")
        for n, body in done:
            if n not in (deleted.id, buried.id):
                assert found.pop(n) == body
        assert deleted.id not in found
        assert len(found) <= 4, "of each client the one that was not answered"
    assert one.stop() == 0


def test_a_client_that_goes_gives_its_jobs_back(jobd):
    with jobd.client() as a, jobd.client() as b:
        ids = [a.put(f"{i}") for i in range(20)]
        for n in ids:
            assert a.reserve(5).id == n
        b.send("reserve")
        a.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        a.close()
        assert b.read().id == ids[0]
        for n in ids[1:]:
            assert b.reserve(5).id == n
        assert b.ask(f"stats-job {ids[3]}").yaml["reserves"] == "2"


def test_a_job_is_not_given_to_one_who_has_gone(jobd):
    with jobd.client() as c:
        for _ in range(50):
            gone = jobd.client()
            gone.send("reserve")
            gone.close()
        ids = [c.put("x") for _ in range(30)]
        assert [c.reserve(2).id for _ in ids] == ids


def test_trickles_and_bodies_that_never_come(jobd):
    with jobd.client() as c, jobd.client() as liar:
        liar.send(b"put 0 0 60 60000", None)
        liar.link.sendall(b"only this")
        for byte in b"put 0 0 60 5\r\nhello\r\nreserve\r\n":
            c.link.sendall(bytes([byte]))
        n = c.read().id
        assert c.read().body == b"hello"
        liar.close()
        assert c.ask(f"delete {n}") == "DELETED"
    assert jobd.get("/v1/topics/default").json["ready"] == 0


def test_one_who_never_reads_is_not_read_from_and_harms_nobody(jobd):
    with jobd.client() as c:
        n = c.put(b"x" * 60000)
        silent = jobd.client()
        silent.link.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                sent += silent.link.send(b"peek %d\r\n" % n * 100)
                stuck = time.monotonic()
            except BlockingIOError:
                if time.monotonic() - stuck > 1:
                    break
                time.sleep(0.01)
        assert sent < 30e6
        assert jobd.rss() < 60e6, jobd.rss()
        assert c.ask(f"peek {n}").body == b"x" * 60000
        silent.link.setblocking(True)
        assert silent.read().body == b"x" * 60000
        silent.close()


def test_the_connections_it_takes(tmp_path):
    one = Stalk(tmp_path, keys="max_connections = 3\nmax_watched = 2", extra="").ready()
    some = [one.client() for _ in range(3)]
    for c in some:
        assert c.ask("list-tube-used") == "USING default"
    with one.client() as more, pytest.raises((EOFError, ConnectionResetError)):
        more.ask("list-tubes")
    assert some[0].ask("watch a") == "WATCHING 2"
    assert some[0].ask("watch b") == "OUT_OF_MEMORY"
    for c in some:
        c.close()
    wait_for("room", lambda: "default" in str(try_once(one)))
    assert one.stop() == 0


def try_once(one):
    try:
        with one.client() as c:
            return c.ask("list-tube-used")
    except (OSError, EOFError):
        return None


def test_many_who_wait_cost_nothing(tmp_path):
    one = Stalk(tmp_path, extra="[store]\ndurability = memory\n", env={"TROUPE_DEBUG": None}).ready()
    waiting = [one.client() for _ in range(400)]
    for c in waiting:
        c.send("reserve")
    with one.client() as c:
        wait_for("all wait", lambda: c.ask("stats").yaml["current-waiting"] == "400")
        before = cpu_s(one.pid)
        time.sleep(2)
        assert cpu_s(one.pid) - before < 0.02
        ids = [c.put(f"{i}") for i in range(400)]
        assert [w.read().id for w in waiting] == ids
    for w in waiting:
        w.close()
    assert one.stop() == 0


def test_the_end_waits_for_jobs_that_are_held(tmp_path):
    one = Stalk(tmp_path, extra="", drain="20s").ready()
    with one.client() as c:
        n = c.put("x")
        c.put("y")
        c.reserve(5)
        one.process.terminate()
        wait_for("it drains", lambda: c.ask("put 0 0 1 1", b"z") == "DRAINING")
        assert c.ask("reserve-with-timeout 0") == "TIMED_OUT"
        assert one.process.poll() is None
        assert c.ask(f"delete {n}") == "DELETED"
    assert one.process.wait(10) == 0


def test_a_unix_socket(tmp_path):
    one = Jobd(tmp_path, f"beanstalk = unix:{tmp_path}/stalk", extra="").ready()
    with Client(f"{tmp_path}/stalk") as c:
        assert c.reserve(0) == "TIMED_OUT"
    assert one.stop() == 0
    assert not (tmp_path / "stalk").exists()


# ---- npm's client, as it is -------------------------------------------------------------------------

JACKD = """
const Jackd = require('jackd');
(async () => {
  const producer = new Jackd(), worker = new Jackd();
  await producer.connect({ host: '127.0.0.1', port: PORT });
  await worker.connect({ host: '127.0.0.1', port: PORT });
  await producer.use('mails');
  await worker.watch('mails');
  const first = await producer.put('hello', { priority: 1, delay: 0, ttr: 30 });
  await producer.put({ b: [1, 2] });
  const jobs = [await worker.reserve(), await worker.reserveWithTimeout(5)];
  await worker.touch(jobs[0].id);
  await worker.delete(jobs[0].id);
  await worker.bury(jobs[1].id);
  const kicked = await producer.kick(10);
  const again = await worker.reserve();
  await worker.release(again.id);
  const stats = await producer.statsTube('mails');
  let missing = '';
  try { await worker.delete('999'); } catch (e) { missing = e.code || e.message; }
  console.log(JSON.stringify({ order: jobs.map(j => String(j.payload)), first: first === jobs[0].id, again: again.id === jobs[1].id,
                               kicked: Number(kicked), stats: /current-jobs-ready: 1/.test(stats), missing }));
  await producer.quit();
  await worker.quit();
})().catch(e => { console.error(e); process.exit(1); });
"""


def test_npms_client_works_as_it_is(jobd, tmp_path):
    if not (servers.NODE / "node_modules" / "jackd").exists():
        pytest.fail("npm ci --prefix tests/node")
    script = tmp_path / "jackd.js"
    script.write_text(JACKD.replace("PORT", str(jobd.stalk)))
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NODE_PATH": str(servers.NODE / "node_modules")})
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == {"order": ['{"b":[1,2]}', "hello"], "first": False, "again": True, "kicked": 1, "stats": True,
                                       "missing": "NOT_FOUND"}
