"""`make run` as a person starts it, without the waiting at the end."""
import pathlib
import signal
import subprocess
import sys

import servers

DEMO = pathlib.Path(servers.ROOT) / "tests" / "demo.py"


def run(tmp_path, *more):
    return subprocess.Popen([sys.executable, str(DEMO), "--folder", str(tmp_path / "run"), *more],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_demo_shows_pooling_and_splitting_and_leaves_nothing(tmp_path):
    demo = run(tmp_path, "--once")
    text, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, text
    assert "1000 queries over" in text
    answers = [line.split()[-1] for line in text.splitlines() if line.strip().startswith("select @@server_id")]
    assert answers == ["2", "1", "2"], text
    assert "mariadb -h 127.0.0.1 -P" in text and "SHOW POOLS" in text
    assert not (tmp_path / "run").exists()


def test_demo_ends_with_ctrl_c(tmp_path):
    demo = run(tmp_path)
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, "".join(lines) + rest
    assert not (tmp_path / "run").exists()
