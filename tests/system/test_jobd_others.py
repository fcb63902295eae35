"""jobd on the Redis queues of Sidekiq and Laravel: their own clients put jobs in, and their own workers read what we put."""
import json
import os
import pathlib
import subprocess
import time

import pytest

from redis_server import Redis
from servers import die_with_parent, wait_for
from taskd import Jobd

WORKERS = pathlib.Path(__file__).parents[2] / "etc" / "workers"


class Setup:
    def __init__(self, folder):
        self.folder, self.nodes = folder, []
        self.redis = Redis(folder, append=False)
        self.notes = folder / "notes"

    def node(self, payload, command, topics="default", more="", topic="backoff = fixed 200ms"):
        node = Jobd(self.folder, extra=f"""
[source theirs]
type = redis
url = {self.redis.url}
topics = {topics}
payload = {payload}
{more}
[pool theirs]
command = {command}
topics = {topics}
env = NOTES={self.notes}
[topic *]
{topic}
""").ready()
        self.nodes.append(node)
        return node

    def lines(self):
        return sorted(self.notes.read_text().splitlines()) if self.notes.exists() else []

    def wait(self, *lines):
        try:
            wait_for("their jobs", lambda: self.lines() == sorted(lines), 20)
        except AssertionError:
            raise AssertionError(f"{self.lines()}, not {sorted(lines)}\n{self.nodes[-1].log()[-3000:]}") from None

    def end(self):
        for node in self.nodes:
            assert node.stop() == 0, node.log()[-3000:]
        self.redis.stop()


@pytest.fixture
def setup(tmp_path):
    one = Setup(tmp_path)
    yield one
    one.end()


# ---- Sidekiq

CLASSES = """
require "sidekiq"
def note(*words) = File.write(ENV["NOTES"], words.join(" ") + "\\n", mode: "a")
class Greeter
  include Sidekiq::Worker
  def perform(name, more = nil)
    raise "no #{name}" if name == "fail"
    note name, more.to_json, jid.size
  end
end
class Once < Greeter
  sidekiq_options retry: 1
  def perform(name) = (note name; raise "again")
end
"""

CLIENT = """
require_relative "classes"
Sidekiq.configure_client { |config| config.redis = {url: ARGV[0]} }
Greeter.perform_async("now", {"list" => [], "n" => 1.5})
Greeter.perform_in(1.2, "late")
Once.perform_async("twice")
Once.set(retry: false).perform_async("never again")
Greeter.set(queue: "other").perform_async("elsewhere")
"""


def ruby(setup, text):
    (setup.folder / "classes.rb").write_text(CLASSES)
    (setup.folder / "client.rb").write_text(text)
    subprocess.run(["ruby", setup.folder / "client.rb", setup.redis.url], check=True, timeout=60)


def test_sidekiq_s_client_puts_jobs_in(setup):
    ruby(setup, CLIENT)
    began = time.monotonic()
    node = setup.node("sidekiq", f"ruby {WORKERS}/sidekiq.rb {setup.folder}/classes.rb")
    setup.wait('now {"list":[],"n":1.5} 24', "late null 24", "twice", "twice", "never again")
    assert time.monotonic() - began > 0.5
    wait_for("both are dead", lambda: node.get("/v1/topics/default").json["dead"] == 2)
    dead = [json.loads(job) for job in setup.redis("HVALS", "tr:{default}:corpse").splitlines()]
    assert sorted((job["class"], job["args"][0], job["tr1"]["attempts"]) for job in dead) == \
        [("Once", "never again", 1), ("Once", "twice", 2)] and "again" in dead[0]["tr1"]["error"]
    assert setup.redis("LLEN", "queue:other") == "1" and setup.redis("LLEN", "queue:default") == "0"
    assert "Greeter" in setup.redis("LRANGE", "queue:other", "0", "-1") and setup.redis("ZCARD", "schedule") == "0"
    assert node.post("/v1/topics/default:retry-dead").status == 202
    setup.wait('now {"list":[],"n":1.5} 24', "late null 24", *["twice"] * 4, *["never again"] * 2)


def test_a_job_between_attempts_stays_one_of_sidekiq_s(setup):
    ruby(setup, CLIENT.split("Greeter.perform_async")[0] + 'Greeter.perform_async("fail")\n')
    node = setup.node("sidekiq", f"ruby {WORKERS}/sidekiq.rb {setup.folder}/classes.rb", topic="backoff = fixed 1h")
    wait_for("it has failed", lambda: node.get("/v1/topics/default").json.get("failed") == 1, 20)
    wait_for("it is put off", lambda: setup.redis("HLEN", "tr:{default}:job") == "1")
    job = json.loads(setup.redis("HVALS", "tr:{default}:job"))
    assert job["class"] == "Greeter" and job["args"] == ["fail"] and job["tr1"]["attempts"] == 1 and len(job["jid"]) == 24


def test_what_sidekiq_has_tried_is_counted(setup):
    ruby(setup, CLIENT.split("Greeter.perform_async")[0])
    job = {"class": "Once", "args": ["last"], "jid": "a" * 24, "queue": "default", "retry": 3, "retry_count": 2}
    setup.redis("ZADD", "retry", "1", json.dumps(job))
    node = setup.node("sidekiq", f"ruby {WORKERS}/sidekiq.rb {setup.folder}/classes.rb")
    setup.wait("last")
    wait_for("it is dead", lambda: node.get("/v1/topics/default").json["dead"] == 1)
    assert setup.redis("ZCARD", "retry") == "0" and setup.redis("SMEMBERS", "queues") == "default"


def test_sidekiq_s_server_runs_what_we_write(setup):
    (setup.folder / "classes.rb").write_text(CLASSES)
    node = setup.node("sidekiq", "ruby", topics="ours", more="write_only = ToRuby")
    process = subprocess.Popen(["sidekiq", "-r", setup.folder / "classes.rb", "-q", "ToRuby", "-c", "1"], cwd=setup.folder,
                               env={**os.environ, "REDIS_URL": setup.redis.url, "NOTES": str(setup.notes)},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        assert node.post("/v1/tasks", {"topic": "ToRuby", "payload": {"class": "Greeter", "args": ["from us"]}}).status == 202
        setup.wait("from us null 24")
        assert setup.redis("SMEMBERS", "queues") == "ToRuby"
    finally:
        process.kill()
        process.wait()


# ---- Laravel

APP = r"""<?php
foreach (['Queue', 'Redis', 'Bus'] as $part)
    require_once "/usr/share/php/Illuminate/$part/autoload.php";
use Illuminate\Contracts\Queue\ShouldQueue;

function note(string $line) { file_put_contents(getenv('NOTES'), "$line\n", FILE_APPEND); }

class Greet implements ShouldQueue
{
    use Illuminate\Queue\InteractsWithQueue;
    public $tries = 2;
    public function __construct(public string $name) {}
    public function handle()
    {
        if ($this->name === 'fail')
            throw new RuntimeException('no');
        if ($this->name === 'later' && $this->attempts() == 1)
            return $this->release(0);
        note("$this->name {$this->attempts()}");
    }
    public function failed($why) { note("failed " . $why->getMessage()); }
}

class Slow extends Greet
{
    public $tries = 3;
    public $backoff = [0, 1];
    public function handle() { note("try {$this->attempts()} " . microtime(true)); throw new RuntimeException('slow'); }
    public function failed($why) {}
}

class Plain
{
    public function run($job, $data) { note('plain ' . json_encode($data)); $job->delete(); }
}

$app = new Illuminate\Container\Container;
Illuminate\Container\Container::setInstance($app);
$app->bind(Illuminate\Contracts\Container\Container::class, fn() => $app);
$app->singleton(Illuminate\Contracts\Bus\Dispatcher::class, fn() => new Illuminate\Bus\Dispatcher($app));
return $app;
"""

DISPATCH = r"""<?php
$app = require __DIR__ . '/app.php';
$redis = new Illuminate\Redis\RedisManager($app, 'phpredis',
    ['options' => ['prefix' => 'laravel_database_'], 'default' => ['host' => '127.0.0.1', 'port' => (int) $argv[1]]]);
$queue = new Illuminate\Queue\RedisQueue($redis, 'default');
$queue->setContainer($app);
$queue->push(new Greet('now'));
$queue->push(new Greet('later'));
$queue->push(new Greet('fail'));
$queue->push('Plain@run', ['list' => [], 'n' => 1.5]);
$queue->later(1, new Greet('delayed'));
"""


def test_laravel_s_queue_puts_jobs_in(setup):
    (setup.folder / "app.php").write_text(APP)
    (setup.folder / "dispatch.php").write_text(DISPATCH)
    node = setup.node("laravel", f"php {WORKERS}/laravel.php {setup.folder}/app.php", more="prefix = laravel_database_")
    subprocess.run(["php", setup.folder / "dispatch.php", str(setup.redis.port)], check=True, timeout=60)
    setup.wait("now 1", "later 2", "failed no", 'plain {"list":[],"n":1.5}', "delayed 1")
    wait_for("one is dead", lambda: node.get("/v1/topics/default").json["dead"] == 1)
    dead = json.loads(setup.redis("HVALS", "tr:{laravel_database_default}:corpse"))
    assert dead["displayName"] == "Greet" and dead["maxTries"] == 2 and dead["tr1"]["attempts"] == 2
    left = sorted(key for key in setup.redis("KEYS", "laravel*").splitlines())
    assert left == [], left
    assert node.get("/v1/tasks?topic=default&state=dead").status == 200


def test_laravel_s_backoff(setup):
    (setup.folder / "app.php").write_text(APP)
    (setup.folder / "dispatch.php").write_text(DISPATCH.split("$queue->push")[0] + "$queue->push(new Slow('x'));\n")
    node = setup.node("laravel", f"php {WORKERS}/laravel.php {setup.folder}/app.php", more="prefix = laravel_database_",
                      topic="backoff = fixed 1h")
    subprocess.run(["php", setup.folder / "dispatch.php", str(setup.redis.port)], check=True, timeout=60)
    wait_for("it is dead", lambda: node.get("/v1/topics/default").json.get("dead") == 1, 20)
    tries = [line.split() for line in setup.lines()]
    assert [t[1] for t in tries] == ["1", "2", "3"]
    assert float(tries[1][2]) - float(tries[0][2]) < 0.9 < 1 <= float(tries[2][2]) - float(tries[1][2])


def test_what_laravel_s_worker_left_reserved_comes_back(setup):
    (setup.folder / "app.php").write_text(APP)
    job = {"uuid": "u", "displayName": "Plain", "job": "Plain@run", "maxTries": None, "data": {"a": 1}, "id": "x", "attempts": 1}
    setup.redis("ZADD", "queues:default:reserved", "1", json.dumps(job))
    setup.node("laravel", f"php {WORKERS}/laravel.php {setup.folder}/app.php")
    setup.wait('plain {"a":1}')
    assert setup.redis("KEYS", "queues*") == ""
