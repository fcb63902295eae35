"""jobd: what it shares with taskd is tested there; here is that it has it, and its own."""
import re
import subprocess
import time

import pytest

from daemon import TROUPE
from servers import wait_for
from taskd import ECHO, Jobd


@pytest.fixture
def jobd(tmp_path):
    one = Jobd(tmp_path).ready()
    yield one
    assert one.stop() == 0, one.log()[-4000:]


def test_a_job_runs_and_is_kept_over_a_kill(jobd):
    job = jobd.push("echo", {"n": 1})
    jobd.wait_state(job, "succeeded")
    later = jobd.push("echo", 2, delay_ms=60000)
    jobd.process.kill()
    jobd.process.wait()
    jobd.again()
    assert jobd.get(f"/v1/tasks/{later}").json["state"] == "scheduled"
    assert (jobd.data / "jobd" / "work.db").exists()


def test_the_client_finds_it_by_its_file(jobd):
    def job(*words):
        return subprocess.run([TROUPE, "job", "-c", jobd.conf_path, *words], capture_output=True, text=True, timeout=20)
    text = jobd.conf_path.read_text().replace("http = 127.0.0.1:0", f"http = 127.0.0.1:{jobd.port}")
    jobd.conf_path.write_text(text)
    pushed = job("push", "echo", '{"a":1}', "--wait")
    assert pushed.returncode == 0 and '{"a":1}' in pushed.stdout.replace(" ", ""), pushed
    assert "echo" in job("topics").stdout


def sections(tmp_path, text):
    """The roles that `troupe run` starts for this file."""
    conf = tmp_path / "all.ini"
    conf.write_text(f"[troupe]\ndata_dir = {tmp_path}/data\n{text}\n{ECHO}")
    log = tmp_path / "all.log"
    with open(log, "w") as out:
        process = subprocess.Popen([TROUPE, "run", "-c", conf], stdout=out, stderr=out)
    try:
        wait_for("ready", lambda: re.search(r"ready role=(taskd|jobd)", log.read_text()), 20)
        time.sleep(0.5)
        return set(re.findall(r"ready role=(taskd|jobd)", log.read_text()))
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("text, roles", [
    ("[jobd]\nhttp = 127.0.0.1:0\n", {"jobd"}),
    ("[taskd]\nlisten = 127.0.0.1:0\n", {"taskd"}),
    ("[taskd]\nlisten = 127.0.0.1:0\n[jobd]\nhttp = 127.0.0.1:0\n", {"taskd", "jobd"}),
])
def test_what_two_roles_share_starts_whom_the_file_names(tmp_path, text, roles):
    assert sections(tmp_path, text) == roles
