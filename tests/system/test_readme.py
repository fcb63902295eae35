"""What the READMEs say of taskd is done as it stands there."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from daemon import TROUPE
from redis_server import Redis
from servers import die_with_parent, wait_for
from taskd import Jobd, Taskd

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A block of code whose first line is a comment with a name.
BLOCK = re.compile(r"```\w+\n((?:<\?php )?(?:;|#|//) ([\w.]+)\n.*?)```", re.DOTALL)


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_workers_of_ones_own(tmp_path, readme):
    for text, name in BLOCK.findall((ROOT / readme).read_text()):
        (tmp_path / name).write_text(text)
        assert len(text.splitlines()) <= 11 or name.endswith(".ini")
    for library in (ROOT / "etc/workers").glob("troupe.*"):
        shutil.copy(library, tmp_path)
    pools = re.sub(r"\[troupe\]\n.*\n", "", (tmp_path / "tasks.ini").read_text())
    for line in re.findall(r"command = (.*)", pools):  # the server's folder is not the shell's here
        pools = pools.replace(line, re.sub(r"greet", f"{tmp_path}/greet", line))
    one = Taskd(tmp_path, extra=pools, name="tasks").ready()
    try:
        results = {topic: one.post("/v1/tasks?wait=30s", {"topic": topic, "payload": {"name": "Ann"}}).json["result"]
                   for topic in ("php", "python", "node", "bash")}
        assert results == {**{topic: {"hello": "Ann", "from": name} for topic, name in
                              (("php", "PHP"), ("python", "Python"), ("node", "Node"))}, "bash": "hello Ann, from bash\n"}
        for way in ("php", "python", "node", "bash"):
            assert "greeting Ann pool=" + way in one.log()
    finally:
        assert one.stop() == 0


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_jobs_of_redis(tmp_path, readme):
    blocks = {name: text for text, name in BLOCK.findall((ROOT / readme).read_text())}
    (tmp_path / "greet.py").write_text(blocks["greet.py"])
    shutil.copy(ROOT / "etc/workers/troupe.py", tmp_path)
    redis = Redis(tmp_path)
    text = blocks["jobs.ini"].replace("redis://127.0.0.1:6379", redis.url).replace("greet.py", f"{tmp_path}/greet.py")
    one = Jobd(tmp_path, extra=text).ready()
    lines = re.search(r"```\ntroupe jobd jobs.ini\n(.*?)```", (ROOT / readme).read_text(), re.DOTALL)[1].splitlines()
    (tmp_path / "jobs.ini").write_text(one.conf_path.read_text().replace("http = 127.0.0.1:0", f"http = 127.0.0.1:{one.port}"))
    changes = {"redis-cli": f"redis-cli -p {redis.port}", "127.0.0.1:9501": f"127.0.0.1:{one.port}", "troupe job": f"{TROUPE} job"}
    try:
        said = []
        for line in lines:
            for word, other in changes.items():
                line = line.replace(word, other)
            said.append(subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True).stdout)
        assert said[0].strip() == "1" and json.loads(said[1])["result"]["hello"] == "Bob" and "python" in said[2]
        wait_for("it ran", lambda: "greeting Ann pool=python" in one.log())
    finally:
        assert one.stop() == 0
        redis.stop()


def test_the_example(tmp_path):
    """etc/examples/taskd.ini as it stands, but for its address and its folder."""
    text = (ROOT / "etc/examples/taskd.ini").read_text()
    done = subprocess.run([TROUPE, "check", str(ROOT / "etc/examples/taskd.ini")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = re.sub(r"\[taskd\]\n(.+\n)+", "", text).replace("etc/workers", f"{ROOT}/etc/workers")
    one = Taskd(tmp_path, extra=text, name="example").ready()
    try:
        assert one.post("/v1/topics/square/tasks?wait=10s", "12").json["result"] == 144
        digest = hashlib.sha256(b"hello").hexdigest()
        assert one.post("/v1/topics/digest/tasks?wait=10s", "hello").json["result"] == f"{digest}  -\n"
        task = one.push("mail", {"to": "a"}, headers={"tenant": "b"})
        wait_for("nobody is there", lambda: "connection refused pool=shop" in one.log())
        assert one.get(f"/v1/tasks/{task}").json["attempts"] == 0
        assert [s["name"] for s in one.get("/v1/schedules").json["items"]] == ["nightly"]
    finally:
        assert one.stop() == 0


# A root's data and sockets would be the machine's.
HIDDEN = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /var/lib && mount -t tmpfs none /run && exec \"$0\" \"$@\""]


ADDRESS = {"taskd": "127.0.0.1:9523", "jobd": "127.0.0.1:9501"}


def is_taken(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(params=["taskd", "jobd"])
def plain(tmp_path, request):
    """A role without a file, and its log."""
    role = request.param
    prefix = HIDDEN if os.geteuid() == 0 else []
    if prefix and subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("mounting is not allowed here")
    if is_taken(ADDRESS[role]):
        pytest.skip(f"somebody listens on {ADDRESS[role]}")
    log = tmp_path / "log"
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path)}
    with open(log, "w") as out:
        one = subprocess.Popen([*prefix, TROUPE, role], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                               cwd=tmp_path, preexec_fn=die_with_parent)
    yield role, one, log
    one.terminate()
    assert one.wait(20) == 0


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_without_a_file(plain, readme):
    """The block that begins with `troupe ROLE` alone: its lines with curl, as they are."""
    role, one, log = plain
    wait_for("it is ready", lambda: f"ready role={role}" in log.read_text() or one.poll() is not None)
    assert one.poll() is None, log.read_text()
    assert "data directory /" in log.read_text().splitlines()[0]
    block = re.search(rf"```\ntroupe {role}\n(.*?)```", (ROOT / readme).read_text(), re.DOTALL)[1]
    answers = [json.loads(subprocess.run(["bash", "-c", line.replace("curl", "curl -sS", 1)], capture_output=True, check=True, timeout=20).stdout)
               for line in block.splitlines() if line.startswith("curl")]
    assert answers[-1]["state"] == "succeeded" and "world" in answers[-1]["result"]
    if role == "jobd" and is_taken(ADDRESS["taskd"]):
        return  # the client would ask that one
    listed = subprocess.run([TROUPE, "job", "--json", "ls", "--state", "succeeded"], capture_output=True, text=True, check=True)
    assert answers[-1]["id"] in listed.stdout


@pytest.mark.parametrize("text, role", [
    ("[source a]\ntype = redis\nurl = redis://h\ntopics = a\n[pool a]\ncommand = x\n", "jobd"),
    ("[jobd]\n[pool a]\ncommand = x\n", "jobd"),
    ("[pool a]\ncommand = x\n", "taskd"),  # when neither is there
    ("[source a]\ntype = redis\nurl = redis://h\ntopics = a\n[taskd]\n", "taskd"),
])
def test_the_client_asks_the_role_that_the_file_is_for(tmp_path, text, role):
    if any(map(is_taken, ADDRESS.values())):
        pytest.skip("somebody listens there")
    (tmp_path / "some.ini").write_text(text)
    done = subprocess.run([TROUPE, "job", "-c", tmp_path / "some.ini", "topics"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and f"nobody answers at {ADDRESS[role]}" in done.stderr, done
