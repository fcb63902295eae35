"""`troupe sqlproxy import-smproxy DIR`: SMProxy's files become an ini that is valid and means the same."""
import json
import re
import subprocess

import daemon

DATABASE = {"database": {
    "account": {"root": {"user": "root", "password": "p@ss;word"}, "reader": {"user": "reader", "password": ""}},
    "serverInfo": {"server1": {
        "write": {"host": ["10.0.0.1", "10.0.0.9"], "port": 3306, "timeout": 2, "account": "root"},
        "read": {"host": "10.0.0.2", "port": 3307, "timeout": 0.5, "account": "reader", "startConns": "1", "maxConns": "4*2"}}},
    "databases": {
        "shop": {"serverInfo": "server1", "startConns": "swoole_cpu_num()*2", "maxSpareConns": "(2+3)*2", "maxSpareExp": 3600,
                 "maxConns": "swoole_cpu_num()*10", "charset": "utf-8"},
        "alias": {"serverInfo": "server1", "databaseName": "real_name", "maxConns": "20", "maxSpareConns": 5, "startConns": 2, "maxSpareExp": 60}}}}
SERVER = {"server": {"user": "front", "password": "front word", "charset": "utf8mb4", "host": "0.0.0.0", "port": "3366,3367", "mode": "SWOOLE_PROCESS",
                     "sock_type": "SWOOLE_SOCK_TCP", "logs": {"open": True, "config": {}}, "swoole": {"worker_num": "swoole_cpu_num()", "max_coro_num": 6000,
                     "open_tcp_nodelay": True, "daemonize": True, "heartbeat_check_interval": 60, "heartbeat_idle_time": 600, "reload_async": True}}}


def run(*words):
    return subprocess.run([daemon.TROUPE, *map(str, words)], capture_output=True, text=True, timeout=30)


def write(folder, database=DATABASE, server=SERVER):
    (folder / "database.json").write_text(json.dumps(database))
    (folder / "server.json").write_text(json.dumps(server))


def test_import_makes_a_valid_ini(tmp_path):
    write(tmp_path)
    done = run("sqlproxy", "import-smproxy", tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    for piece in (r"listen\s*=.*0\.0\.0\.0:3366", "3367", r"\[user front\]", r"10\.0\.0\.1:3306", r"10\.0\.0\.9:3306", r"10\.0\.0\.2:3307",
                  r"\[database shop\]", r"\[database alias\]", r"name\s*=\s*real_name", r"split\s*=\s*(on|yes)", r"client_idle_timeout\s*=\s*(600s|10m)"):
        assert re.search(piece, text), (piece, text)
    path = tmp_path / "made.ini"
    path.write_text(text)
    checked = run("check", path)
    said = checked.stdout + checked.stderr  # that the servers do not answer is all that may be wrong
    assert not re.search(r"made\.ini:\d+", said), said


def test_arithmetic_is_parsed_not_run(tmp_path):
    evil = json.loads(json.dumps(DATABASE))
    evil["database"]["databases"]["shop"]["maxConns"] = "system('touch /tmp/troupe-evil')"
    write(tmp_path, evil)
    done = run("sqlproxy", "import-smproxy", tmp_path)
    assert done.returncode != 0 or "system" not in re.sub(r"(?m)^\s*[;#].*", "", done.stdout)
    assert "shop" in done.stderr + done.stdout


def test_import_says_what_is_wrong(tmp_path):
    assert run("sqlproxy", "import-smproxy", tmp_path / "nowhere").returncode == 1
    (tmp_path / "database.json").write_text("{ not json")
    (tmp_path / "server.json").write_text("{}")
    done = run("sqlproxy", "import-smproxy", tmp_path)
    assert done.returncode == 1 and "database.json" in done.stderr
