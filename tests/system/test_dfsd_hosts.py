"""dfsd between two hosts: network namespaces with a cable between them."""
import os
import shutil
import subprocess
import time

import pytest

import dfs
from daemon import TROUPE
from servers import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2")


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts():
    names = [f"dfs{os.getpid()}{side}" for side in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
    except subprocess.CalledProcessError as e:
        pytest.skip(f"no network namespaces here: {e.stderr}")
    ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
    for i, name in enumerate(names):
        ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", "cable")
        ip("-n", name, "link", "set", "cable", "up")
    yield names
    for name in names:
        ip("netns", "del", name)


def start(host, folder, name, text):
    (folder / f"{name}.ini").write_text(f"[troupe]\ncontrol = {folder}/{name}.sock\n[dfsd]\nnode = {name}\nstate = {folder}/state-{name}\n"
                                        f"key = {folder}/key\nsilence = 15s\n{text}")
    (folder / f"state-{name}").mkdir()
    log = open(folder / f"{name}.log", "w")
    return subprocess.Popen(["ip", "netns", "exec", host, TROUPE, "dfsd", folder / f"{name}.ini"], stdout=log, stderr=log)


def test_two_hosts_and_a_cable_that_is_pulled(hosts, tmp_path):
    dfs.new_key(tmp_path)
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    nodes = [start(hosts[1], tmp_path, "b", f"listen = 10.77.0.2:9508\n[peer a]\n[share s]\npath = {b}\nrole = receive\n"),
             start(hosts[0], tmp_path, "a", f"listen = 10.77.0.1:9508\n[peer b]\naddress = 10.77.0.2:9508\n[share s]\npath = {a}\n")]
    wait_for("both", lambda: "peer=a is here" in (tmp_path / "b.log").read_text())
    churn = dfs.Churn(a, 9)
    churn.run(150)
    ip("-n", hosts[1], "link", "set", "cable", "down")
    churn.run(150)
    time.sleep(0.5)
    ip("-n", hosts[1], "link", "set", "cable", "up")
    churn.finish()
    dfs.wait_same(a, b, 60)
    for node in nodes:
        node.terminate()
        assert node.wait(20) == 0
