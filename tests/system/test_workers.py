"""The workers of etc/workers on their real interpreters, and `troupe worker-test` on good and bad ones."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from daemon import TROUPE
from pools import Pools

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKERS = ROOT / "etc" / "workers"
TESTER = ROOT / "tests" / "lib" / "worker.py"
SAMPLES = {"php": f"php {WORKERS}/sample.php", "python": f"/usr/bin/python3 {WORKERS}/sample.py",
           "node": f"node {WORKERS}/sample.js", "ruby": f"ruby {WORKERS}/sample.rb"}
EXTENSION = {"php": "php", "python": "py", "js": "js"}
RUNS = {"php": "php", "python": "/usr/bin/python3", "js": "node"}


def tried(command, *options):
    words = command.split() if isinstance(command, str) else command
    done = subprocess.run([TROUPE, "worker-test", *options, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120)
    return done.returncode, done.stdout


@pytest.fixture
def pools(tmp_path):
    started = []

    def start(command, lines="", env=None):
        text = f"[pool p]\ncommand = {command}\ntopics = t\nworkers_min = 1\nworkers_max = 1\n{lines}\n"
        started.append(Pools(text, tmp_path, name=f"p{len(started)}", env=env))
        return started[-1]

    yield start
    for one in started:
        status = one.stop()
        assert status == 0, f"status {status}\n{one.log()[-8000:]}"


# ---- worker-test ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*SAMPLES.values(), f"bash {WORKERS}/sample.sh"])
def test_the_samples_keep_the_protocol(command):
    status, said = tried(command, "-b", '{"add":[1]}')
    assert status == 0, said
    assert said.count("ok ") >= 10


@pytest.mark.parametrize("language", EXTENSION)
def test_the_workers_of_the_readme_keep_it_too(tmp_path, language):
    text = re.search(rf"```{language}\n(.*?)```", (WORKERS / "README.md").read_text(), re.S)[1]
    path = tmp_path / f"worker.{EXTENSION[language]}"
    path.write_text(text)
    status, said = tried([RUNS[language], str(path)])
    assert status == 0, said


@pytest.mark.parametrize("body,start,why", [
    ("twice", "ready", "ACK of T1, which it had answered"),
    ("wrong", "ready", "ACK of 'NOSUCHJOB', which it was not given"),
    ("raw hello\\n", "ready", "protocol: an unknown verb: hello"),
    ("giant", "ready", "protocol: a body longer than the agreed maximum"),
    ("die", "ready", "a job: 1 of 1 not answered: it has ended with signal 9"),
    ("close", "ready", "not answered: it has closed its connection, and goes on"),
    ("sleep 1000", "ready", "a job: 1 of 1 not answered in time"),
    ("echo", "never", "READY: not said in time"),
    ("echo", "exits 3", "READY: not said, it has ended with status 3"),
    ("echo", "garbage", "protocol: an unknown verb: Fatal error"),
    ("echo", "forger", "ACK of '0000000000000', which it was not given"),
])
def test_what_breaks_it_is_told(body, start, why):
    status, said = tried(f"/usr/bin/python3 -S {TESTER} {start}", "-b", body, "-s", "0.7")
    assert status == 1 and why in said and "violations" in said


def test_what_it_printed_is_told(tmp_path):
    worker = tmp_path / "w.sh"
    worker.write_text("echo READY 1; cat >/dev/null\n")
    status, said = tried(["sh", str(worker)], "-s", "0.5")
    assert status == 1 and "it says that on standard output; answers belong on descriptor 3" in said
    worker.write_text("echo one\necho no such library\nexit 1\n")
    status, said = tried(["sh", str(worker)])
    assert status == 1 and "ended with status 1" in said and "the last that it printed: no such library" in said
    worker.write_text('yes | head -c 300000; echo "READY 1" >&3; read -r x; yes | head -c 300000\n')  # nobody's pipe is full
    status, said = tried(["bash", str(worker)], "-s", "3")
    assert "READY for 1" in said and "yyy" not in said
    status, said = tried(["sh", "-c", "echo loud; exit 1"], "-v")
    assert "loud\n" in said.split("BAD")[0]


@pytest.mark.parametrize("last", ["", "BYE"])
def test_a_worker_that_ends_after_each_job_is_started_anew(tmp_path, last):
    worker = tmp_path / "w.sh"
    worker.write_text(f"""echo READY 1 >&3
while read -r verb id _ _ length _; do
    [ "$verb" = QUIT ] && exit 0
    [ "$verb" = JOB ] || continue
    head -c $((length + 1)) >/dev/null
    echo "ACK $id" >&3
    {'[ -n "$once" ] || echo BYE >&3; once=1' if last else 'exit 0'}
done
""")
    status, said = tried(["bash", str(worker)], "-s", "3")
    assert status == 0 and said.count("started anew") >= 6, said
    worker.write_text(worker.read_text().replace("exit 0", "exit 4").replace("done\n", "done; exit 4\n"))
    status, said = tried(["bash", str(worker)], "-s", "3")
    assert status == 1 and "it ends with status 4" in said, said


def test_a_cancelled_job_that_is_never_answered_is_told(tmp_path):
    worker = tmp_path / "w.py"
    worker.write_text("""import os, sys
out, left = os.fdopen(3, "wb", 0), sys.stdin.buffer
out.write(b"READY 1 caps=cancel\\n")
while word := left.readline().split():
    if word[0] == b"JOB":
        left.read(int(word[4]) + 1)
        if not b"T8" == word[1]: out.write(b"ACK %s\\n" % word[1])
""")
    status, said = tried(["/usr/bin/python3", str(worker)], "-s", "0.5")
    assert status == 1 and "BAD  a job that is cancelled is answered, too: 1 of 1 not answered in time" in said, said


def test_how_it_ends_is_told(tmp_path):
    worker = tmp_path / "w.py"
    worker.write_text((WORKERS / "README.md").read_text().split("```python\n")[1].split("```")[0] + "sys.exit(3)\n")
    status, said = tried(["/usr/bin/python3", str(worker)], "-s", "2")
    assert status == 1 and "QUIT: it finishes what it holds, and ends: it ends with status 3" in said
    worker.write_text("import time\ntry:\n" + "".join(
        f"    {line}\n" for line in (WORKERS / "README.md").read_text().split("```python\n")[1].split("```")[0].splitlines()
    ) + "finally:\n    time.sleep(60)\n")
    status, said = tried(["/usr/bin/python3", str(worker)], "-s", "1")
    assert status == 1 and "it does not end" in said


def test_its_usage():
    assert tried([])[0] == 2
    assert tried(["true"], "-n", "0")[0] == 2
    status, said = tried(["/nope"])
    assert status == 1 and "/nope" in said


# ---- the libraries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", SAMPLES)
def test_a_library_at_work(pools, language):
    p = pools(SAMPLES[language], "credit = 2\nmax_jobs = 1000")
    over = p.run("t", '{"add":[1,2,3]}')
    assert json.loads(over["result"]) == {"sum": 6}
    p.wait("said", text="attempt 1 of t")
    failed = p.run("t", '{"fail":"why"}', max_attempts=1)
    assert failed["state"] == "dead" and "why" in failed["error"] and failed["crashes"] == 0
    failed = p.run("t", '{"fail":"why"}', max_attempts=3, backoff="fixed 1ms")
    assert failed["attempts"] == 3
    dead = p.run("t", '{"dead":"for good"}')
    assert (dead["state"], dead["attempts"], dead["error"]) == ("dead", 1, "for good")
    assert p.run("t", "no JSON", max_attempts=1)["state"] == "dead"
    assert p.count("ended") == 0


@pytest.mark.parametrize("language", SAMPLES)
def test_a_library_hands_tasks_on(pools, language):
    p = pools(SAMPLES[language])
    assert p.run("t", '{"follow":"t"}')["state"] == "succeeded"
    p.wait("task", state="succeeded", result=lambda r: r and json.loads(r) == {"sum": 2})
    assert p.run("t", '{"follow":"forbidden"}')["error"] == "no such topic"


@pytest.mark.parametrize("language", SAMPLES)
def test_a_library_hears_of_cancels_and_tells_of_progress(pools, language):
    p = pools(SAMPLES[language])
    task = p.submit("t", '{"sleep":20000}')
    assert p.wait("progress", job=task)["text"].startswith("after ")
    p.do("cancel", id=task)
    over = p.ended(task, 4)
    assert (over["state"], over["error"]) == ("cancelled", "stopped when asked")
    task = p.submit("t", '{"later":60000}')
    p.running(task)
    p.until(lambda: not p.ask("running", id=task)["there"])
    assert p.count("ended") == 0 and p.count("task", id=task, state="running") == 1


@pytest.mark.parametrize("language", SAMPLES)
def test_a_library_answers_calls_with_large_bodies(pools, language):
    p = pools(SAMPLES[language], "credit = 4")
    numbers = json.dumps({"add": [1] * 100_000})
    tags = [p.call("t", numbers) for _ in range(8)]
    assert all(json.loads(p.answer(tag)["body"]) == {"sum": 100_000} for tag in tags)


@pytest.mark.parametrize("language,titles", [("php", ["troupe worker p-1"]), ("python", ["p-1"]), ("node", ["troupe worker p-1"]),
                                             ("ruby", ["p-1"])])
def test_a_library_names_its_process(pools, language, titles):
    p = pools(SAMPLES[language])
    p.run("t", "{}")
    folder = pathlib.Path(f"/proc/{p.workers()[0]['pid']}")
    shown = [(folder / "cmdline").read_text().split("\0")[0], (folder / "comm").read_text().strip()]
    assert any(title in shown for title in titles), shown


def changed(folder, language, lines):
    """The command of a sample with more lines at its beginning."""
    shutil.copytree(WORKERS, folder)
    source = folder / {"php": "sample.php", "python": "sample.py", "node": "sample.js", "ruby": "sample.rb"}[language]
    text = source.read_text()
    at = text.index("\n", text.index({"php": "$job->json()", "ruby": "job.json"}.get(language, "job.json()"))) + 1
    source.write_text(text[:at] + lines + text[at:])
    return SAMPLES[language].replace(str(WORKERS), str(folder))


DIES = {"php": "if (isset($task['exit'])) exit($task['exit']); if (isset($task['die'])) posix_kill(getmypid(), 9);\n"
               "if (isset($task['memory'])) { ini_set('memory_limit', '8M'); $x = str_repeat('x', 1 << 24); }\n",
        "python": "    import os, sys\n    if 'exit' in task: sys.exit(task['exit'])\n    if 'die' in task: os.kill(os.getpid(), 9)\n",
        "node": "  if (task.exit) process.exit(task.exit);\n  if (task.die) process.kill(process.pid, 'SIGKILL');\n",
        "ruby": "  exit(task['exit']) if task.key?('exit')\n  Process.kill('KILL', $$) if task.key?('die')\n"}


@pytest.mark.parametrize("language", SAMPLES)
def test_a_task_that_ends_its_process(pools, tmp_path, language):
    p = pools(changed(tmp_path / "w", language, DIES[language]), "restart_max = 100ms")
    over = p.run("t", '{"exit":3}', backoff="fixed 1ms", seconds=20)
    assert (over["state"], over["crashes"], over["error"]) == ("dead", 3, "its worker died: exit status 3")
    assert json.loads(p.run("t", '{"add":[1]}')["result"]) == {"sum": 1}
    if language == "php":
        assert p.run("t", '{"memory":1}', max_attempts=1)["error"] == "its worker died: exit status 255"
        p.wait("said", text=lambda t: "Allowed memory size" in t)


@pytest.mark.parametrize("language", ["php", "python", "ruby"])
def test_only_the_task_that_ends_its_process_pays_for_that(pools, tmp_path, language):
    """Those before it were answered, those behind it had not begun: with all of them in one worker's hands."""
    p = pools(changed(tmp_path / "w", language, DIES[language]), "credit = 4")
    p.wait("ready")
    tasks = [p.submit("t", body, backoff="fixed 1ms") for body in ('{"sleep":300}', '{"add":[1]}', '{"die":1}', '{"add":[2]}')]
    ends = [p.ended(task, 20) for task in tasks]
    assert [e["state"] for e in ends] == ["succeeded", "succeeded", "dead", "succeeded"]
    assert [e["crashes"] for e in ends] == [0, 0, 3, 0]
    assert [p.count("task", id=task, state="running") for task in tasks[:2]] == [1, 1]


@pytest.mark.parametrize("language", SAMPLES)
def test_a_library_says_that_something_is_too_long(pools, tmp_path, language):
    """Its task fails; the worker lives on, as the other tasks do."""
    big = {"php": "if (isset($task['big'])) return str_repeat('x', $task['big']); "
                  "if (isset($task['hand'])) { $job->push('t', str_repeat('x', $task['hand']), [], $why); throw new Troupe\\Fail($why, false); } "
                  "if (isset($task['long'])) throw new Exception(str_repeat('x', $task['long']));\n",
           "python": "    if 'big' in task: return 'x' * task['big']\n    if 'hand' in task: job.push('t', 'x' * task['hand'])\n"
                     "    if 'long' in task: raise Exception('x' * task['long'])\n",
           "node": "  if (task.big) return 'x'.repeat(task.big);\n  if (task.hand) await job.push('t', 'x'.repeat(task.hand));\n"
                   "  if (task.long) throw new Error('x'.repeat(task.long));\n",
           "ruby": "  next 'x' * task['big'] if task.key?('big')\n  job.push('t', 'x' * task['hand']) if task.key?('hand')\n"
                   "  raise 'x' * task['long'] if task.key?('long')\n"}[language]
    p = pools(changed(tmp_path / "w", language, big), "max_body = 4KiB\nresult_max = 4KiB")
    assert p.run("t", '{"big":4096}')["state"] == "succeeded"
    over = p.run("t", '{"big":4097}')
    assert (over["state"], over["attempts"], over["error"]) == ("dead", 1, "a result of 4097 bytes, 4096 are allowed")
    assert p.run("t", '{"hand":5000}', max_attempts=1)["error"] == "a body of 5000 bytes, 4096 are allowed"
    assert p.count("ended") == 0
    p.conf.write_text(p.conf.read_text().replace("4KiB", "1MiB"))
    p.do("reload", file=str(p.conf))
    p.wait("ended")  # max_body is told to workers when they start
    error = p.run("t", '{"long":3000000}', max_attempts=1)["error"]
    assert error.count("x") > 3000 and len(error) <= 8192 and p.count("ended") == 1


def test_node_runs_jobs_side_by_side(pools):
    p = pools(SAMPLES["node"], "credit = 4")
    tasks = [p.submit("t", '{"sleep":300}') for _ in range(4)]
    ends = [p.ended(task) for task in tasks]
    assert ends[-1]["at"] - p.running(tasks[0])["at"] < 1.0


def test_bash_at_work(pools):
    p = pools(f"bash {WORKERS}/sample.sh")
    assert p.run("t", "12")["result"] == "144"
    assert p.run("t", "fail", max_attempts=1)["error"] == "not a number: fail"
    assert p.run("t", "08")["result"] == "64" and p.run("t", "sleep 0.1")["result"] == "slept"
    assert "invalid time interval" in p.run("t", "sleep well", max_attempts=1)["error"]
    for body in ("", "body", "1.5", "-3", "1 2", "$(exit 1)", "a[$(exit)]", "x" * 100_000, "\n\n", "\x01\r\n"):
        over = p.run("t", body, max_attempts=1)
        assert over["state"] == "dead" and over["error"].startswith("not a number: ") and over["crashes"] == 0
    assert p.count("ended") == 0


def test_started_by_hand_a_worker_says_what_it_is():
    for command in SAMPLES.values():
        done = subprocess.run(command.split(), capture_output=True, text=True, timeout=20)
        assert "started by troupe" in done.stdout + done.stderr and done.returncode == 1


# ---- a swoole-task application ----------------------------------------------------------------------------


def test_controllers_of_swoole_task(pools, tmp_path):
    app = tmp_path / "sw-app"
    shutil.copytree(ROOT / "tests" / "lib" / "sw-app", app)
    p = pools(f"php {WORKERS}/swoole-task.php {app}")
    ret = json.loads(p.run("t", '{"op":"user.hello","a":"1","dt":"2024-03-01","debug":"yes"}')["result"])
    assert ret["op"] == "user.hello" and ret["errno"] == 0 and ret["params"]["a"] == "1"
    assert ret["data"] == {"word": "hello from dev", "n": 1, "trace": ["init"], "date": "2024-02-29", "debug": True}
    ret = json.loads(p.run("t", "{}", type="user.hello")["result"])
    assert ret["data"]["n"] == 2 and ret["data"]["debug"] is False
    for words in ("in the action", "info: into the log", "done"):
        p.wait("said", text=words)
    bad = p.run("t", '{"op":"user.bad"}', max_attempts=1)
    assert bad["error"] == "errno 1: Params invalid"
    assert "thrown" in p.run("t", '{"op":"user.throw"}', max_attempts=1)["error"]
    for op in ("user.nope", "nobody.hello", "user", "../x.hello"):
        over = p.run("t", json.dumps({"op": op}))
        assert over["state"] == "dead" and over["attempts"] == 1 and over["error"].startswith("no such action")
    assert p.run("t", '{"op":"user.chain"}')["state"] == "succeeded"
    p.wait("task", state="succeeded", result=lambda r: r and json.loads(r)["data"] == "after user.chain 3")
    assert p.count("ended") == 0


def test_bad_controllers_of_swoole_task(pools, tmp_path):
    app = tmp_path / "sw-app"
    shutil.copytree(ROOT / "tests" / "lib" / "sw-app", app)
    (app / "Ctrl" / "BrokenCtrl.php").write_text("<?php\nnamespace Shop\\Ctrl;\nclass BrokenCtrl extends {\n")
    (app / "Ctrl" / "OddCtrl.php").write_text("""<?php
namespace Shop\\Ctrl;
class OddCtrl extends \\Ping\\SwooleTask\\Base\\Ctrl {
    public function exitAction() { exit(3); }
    public function noneAction() { }
    public function warnAction() { return ['errno' => 0, 'data' => [][1]]; }
    private function hiddenAction() { return 1; }
    public function oddAction() { return "\\xff"; }
    public function binaryAction() { return ['data' => "\\xff"]; }
}
""")
    p = pools(f"php {WORKERS}/swoole-task.php {app}", "restart_max = 100ms")
    over = p.run("t", '{"op":"broken.x"}', max_attempts=1)
    assert over["crashes"] == 0 and "ParseError" in over["error"] and "BrokenCtrl.php:3" in over["error"]
    assert p.run("t", '{"op":"odd.none"}')["state"] == "succeeded"
    assert p.run("t", '{"op":"odd.warn"}')["state"] == "succeeded"
    assert p.run("t", '{"op":"odd.odd"}')["state"] == "succeeded"
    assert "JsonException" in p.run("t", '{"op":"odd.binary"}', max_attempts=1)["error"]
    over = p.run("t", '{"op":"odd.hidden"}')
    assert (over["state"], over["attempts"], over["error"]) == ("dead", 1, "no such action: odd.hidden")
    assert p.run("t", '"text"')["error"] == "the body is no JSON object"
    assert "JsonException" in p.run("t", "a=1&b=2", max_attempts=1)["error"]
    assert p.count("ended") == 0
    over = p.run("t", '{"op":"odd.exit"}', backoff="fixed 1ms", seconds=20)
    assert (over["state"], over["crashes"], over["error"]) == ("dead", 3, "its worker died: exit status 3")
    assert json.loads(p.run("t", '{"op":"user.hello"}')["result"])["errno"] == 0
    status, said = tried(f"php {WORKERS}/swoole-task.php {tmp_path}/nope")
    assert status == 1 and f"the last that it printed: swoole-task.php: no application in {tmp_path}/nope" in said


def test_an_environment_of_a_swoole_task_application(pools):
    app = ROOT / "tests" / "lib" / "sw-app"
    p = pools(f"php {WORKERS}/swoole-task.php {app}", "env = APP_ENV=prod")
    assert json.loads(p.run("t", '{"op":"user/hello"}')["result"])["data"]["word"] == "hello from prod"
