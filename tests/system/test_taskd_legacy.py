"""What swoole-task's and swoole-jobs' clients find: their addresses, with curl; an application that moves with import-config."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

import taskd as taskds
from daemon import TROUPE
from servers import free_port, wait_for

APP = pathlib.Path(__file__).resolve().parents[1] / "lib" / "sw-app"
CAT = "[pool all]\nmode = exec\ncommand = cat\ntopics = *.*, jobs\nworkers_max = 4\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    started = taskds.Taskd(tmp_path_factory.mktemp("legacy"), "legacy = yes", extra=CAT).ready()
    yield started
    assert started.stop() == 0, started.log()[-4000:]


def curl(one, path, *options):
    """Status and body."""
    done = subprocess.run(["curl", "-sS", "-g", "-w", "\n%{http_code}", *options, f"http://127.0.0.1:{one.port}{path}"],
                          capture_output=True, text=True, check=True, timeout=20)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def result(one, path, *options):
    """What became of the task that it made, and that task's topic and type."""
    status, body = curl(one, path, *options)
    assert status == 202, body
    task = json.loads(body)["id"]
    one.wait_state(task, "succeeded")
    seen = one.get(f"/v1/tasks/{task}").json
    return seen["topic"], seen["type"], seen["result"]


def test_controllers_and_actions(one):
    assert result(one, "/user/hello?a=1&b=x%20y") == ("user.hello", "user.hello", {"a": "1", "b": "x y"})
    assert result(one, "/?op=user.hello&a=1") == ("user.hello", "user.hello", {"a": "1"})
    assert result(one, "/other/one?op=user.hello") == ("user.hello", "user.hello", {})  # op wins
    assert result(one, "/") == ("index.index", "index.index", {})
    assert result(one, "/user") == ("user.index", "user.index", {})


def test_parameters_of_a_form_and_of_the_address_are_one(one):
    topic, _, said = result(one, "/user/hello?a=1&b=2", "-d", "b=3", "--data-urlencode", "c=\u00e4 & =")
    assert topic == "user.hello" and said == {"a": "1", "b": "3", "c": "\u00e4 & ="}
    assert result(one, "/user/hello", "-d", "")[2] == {}


def test_what_is_no_action(one):
    for path in ("/user/hello/more", "/user/..%2fx", "/a b/c".replace(" ", "%20"), "/user.x/y"):
        assert curl(one, path)[0] == 404, path
    assert curl(one, "/user/hello", "-X", "PUT")[0] == 404
    assert curl(one, "/user/hello", "-d", "a=%zz")[0] == 400
    assert curl(one, "/healthz")[0] == 200 and curl(one, "/v1/nope")[0] == 404


def test_without_a_worker_it_is_unknown_and_without_the_key_all_is(taskd):
    some = taskd("legacy = yes", extra=CAT.replace("*.*", "user.*"))
    assert curl(some, "/user/hello")[0] == 202 and curl(some, "/shop/hello")[0] == 404
    none = taskd(extra=CAT)
    for path in ("/user/hello", "/?op=user.hello", "/?cmd=status", "/pushJobs?jobData={}"):
        assert curl(none, path)[0] == 404, path


def test_status(one):
    result(one, "/user/hello")
    status, body = curl(one, "/?cmd=status")
    said = json.loads(body)
    assert status == 200 and said["request_count"] >= 1 and said["start_time"] > 1_500_000_000
    assert {"connection_num", "accept_count", "close_count", "tasking_num", "worker_num", "task_worker_num"} <= set(said)


def test_jobs_of_swoole_jobs(one):
    job = {"topic": "jobs", "jobClass": "A", "jobMethod": "b", "jobParams": ["c", 1], "uuid": "u-1", "jobExtras": {"delay": 200}}
    for options in (("-G", "--data-urlencode", f"jobData={json.dumps(job)}"), ("--data-urlencode", f"jobData={json.dumps(job)}")):
        status, body = curl(one, "/pushJobs", *options)
        assert status == 200 and json.loads(body) == {"code": 100, "message": "success", "content": {"uuid": "u-1"}}
    wait_for("both", lambda: len(one.get("/v1/tasks?topic=jobs&state=succeeded").json["items"]) == 2)
    assert all(t["result"] == job for t in one.get("/v1/tasks?topic=jobs&state=succeeded").json["items"])
    for data, code in (("", -1), ("{", -1), ("{}", -2), ('{"topic":"a b"}', -2)):
        status, body = curl(one, "/pushJobs", "--data-urlencode", f"jobData={data}")
        assert status == 200 and json.loads(body)["code"] == code, data


def test_tokens_are_asked_for_here_too(taskd, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("some push user.*\nreader read\n")
    some = taskd(f"legacy = yes\ntokens_file = {tokens}", extra=CAT)

    def asked(path, token):
        return curl(some, path, "-H", f"Authorization: Bearer {token}")[0]

    assert curl(some, "/user/hello")[0] == 401 and curl(some, "/?cmd=status")[0] == 401
    assert asked("/user/hello", "some") == 202 and asked("/shop/hello", "some") == 403
    assert asked("/?cmd=status", "reader") == 200 and asked("/user/hello", "reader") == 403


# ---- import-config

HTTP_SERVER = """<?php
/* of the package: 'worker_num' => 99 */
return [
    'tz' => 'Asia/Shanghai', // a comment, 'port' => 1
    'host' => '127.0.0.1',
    'port' => '%d',
    # 'app_env' => 'test',
    'app_env' => "prod",
    'ps_name' => 'my Task',
    'daemonize' => 0,
    'worker_num' => 2,
    'task_worker_num' => 3,
    'task_max_request' => 5000,
    'open_tcp_nodelay' => 1,
    'package_max_length' => 1024 * 1024,
    'max_conn' => MOST + 1,
    'log_file' => __DIR__ . '/../Runtime/log/swoole.log',
    'heartbeat_idle_time' => 60,
    'nested' => array('a' => [1, 2]),
];
"""


def imported(path):
    return subprocess.run([TROUPE, "import-config", path], capture_output=True, text=True, timeout=20)


@pytest.fixture
def app(tmp_path):
    """A copy of the sample application, with a configuration as swoole-task makes it; and its port."""
    port = free_port()
    shutil.copytree(APP, tmp_path / "sw app")
    (tmp_path / "sw app" / "Conf" / "http_server.php").write_text(HTTP_SERVER % port)
    return tmp_path / "sw app", port


def test_an_application_moves(app, tmp_path):
    folder, port = app
    done = imported(folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    for line in (f"listen = 127.0.0.1:{port}", "legacy = yes", "[pool my_Task]", "workers_max = 3", "max_jobs = 5000",
                 "env = APP_ENV=prod", "idle_timeout = 60s", "; daemonize (", "max_body = 1048576", "; max_conn (no value",
                 "; log_file ([troupe] log", "; nested.a.1 (an option of swoole)", "; worker_num (one loop"):
        assert line in done.stdout, (line, done.stdout)
    assert "= 99" not in done.stdout and "APP_ENV=test" not in done.stdout
    for path in (folder / "Conf" / "http_server.php", folder / "Conf" / "app.php"):
        assert imported(path).stdout.splitlines()[1:] == done.stdout.splitlines()[1:]
    ini = tmp_path / "made.ini"
    ini.write_text(done.stdout + f"[troupe]\ndata_dir = {tmp_path}/data\n")
    checked = subprocess.run([TROUPE, "check", ini], capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    moved = taskds.Daemon("taskd", ini.read_text(), tmp_path, "moved")
    try:
        moved.wait_log("ready role=taskd")
        moved.port = port
        taskds.wait_for("its workers", lambda: moved.log().count("worker ready") == 3, 20)
        status, body = curl(moved, "/user/hello?a=1")
        task = json.loads(body)["id"]
        status, body = curl(moved, f"/v1/tasks/{task}?wait=10s")
        said = json.loads(body)["result"]
        assert said["op"] == "user.hello" and said["params"]["a"] == "1" and said["data"]["word"] == "hello from prod"
    finally:
        assert moved.stop() == 0, moved.log()[-3000:]


def test_what_can_not_be_imported_is_said(tmp_path):
    for name, text, why in (("no", None, "No such file"), ("empty.php", "", "no PHP"), ("nothing.php", "<?php $a = 'return [];';", "returns nothing"),
                            ("open.php", "<?php return ['a' => [1, 2;", "line 1"), ("text.php", "<?php\nreturn [\n'a' => 'b];", "line 3"),
                            ("call.php", "<?php return load();", "no array"), ("deep.php", "<?php return " + "[" * 40, "too deep"),
                            ("config.php", "<?php return ['job' => ['topics' => [['name' => 'a']]]];", "job.queue.class: none"),
                            ("topics.php", "<?php return ['job' => ['queue' => ['class' => 'RedisTopicQueue']]];", "job.topics: there are none")):
        if text is not None:
            (tmp_path / name).write_text(text)
        done = imported(tmp_path / name)
        assert done.returncode == 1 and why in done.stderr and not done.stdout, (name, done)
    assert subprocess.run([TROUPE, "import-config"], capture_output=True).returncode == 2


def test_values_of_php(tmp_path):
    (tmp_path / "http_server.php").write_text(r"""<?php
return array('host' => "0.0.0.0", 'port' => 1 + 1, 'ps_name' => 'it\'s' , 'tz' => "a$b", 'task_worker_num' => -1, 'user' => 'x;y',
  'f' => foo([1, 2], ')'), 'task_max_request' => 0, 'app_env' => null === false ? 'a' : 'b')
?>""")
    done = imported(tmp_path / "http_server.php")
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert "listen = 0.0.0.0:9523" in out and "workers_max = 2" in out and "max_jobs = 0" in out and 'user = "x;y"' in out
    assert [re.match(r"; (\w+)", line)[1] for line in out.split("Not carried over:\n")[1].splitlines()] == ["port", "tz", "task_worker_num", "f", "app_env"]
