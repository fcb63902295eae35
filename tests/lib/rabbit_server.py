"""A real RabbitMQ of our own: its ports, its data, its epmd; and its client."""
import glob
import logging
import os
import pathlib
import signal
import subprocess
import time

import pika

from servers import die_with_parent, free_port, need, wait_for


logging.getLogger("pika").setLevel(logging.CRITICAL)


def sbin(name):
    """The script itself: Debian's wrapper wants one certain user."""
    found = glob.glob(f"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/{name}")
    return found[0] if found else need(name, "rabbitmq-server")


class Rabbit:
    """`port` stays over a restart, and so do durable queues. `tls`: a folder with ca.pem, cert.pem, key.pem. `more`: lines of
    its configuration."""

    def __init__(self, folder, tls=None, more=()):
        self.folder = pathlib.Path(folder) / "rabbit"
        self.folder.mkdir()
        self.port, self.tls_port, self.epmd_port, dist = (free_port() for _ in range(4))
        conf = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "disk_free_limit.absolute = 1MB", "vm_memory_high_watermark.relative = 0.4",
                "loopback_users = none", "log.console = false", *more]
        if tls:
            conf += [f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}", f"ssl_options.cacertfile = {tls}/ca.pem",
                     f"ssl_options.certfile = {tls}/cert.pem", f"ssl_options.keyfile = {tls}/key.pem",
                     "ssl_options.verify = verify_none"]
        (self.folder / "rabbitmq.conf").write_text("\n".join(conf) + "\n")
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "env").touch()
        self.env = {
            **os.environ, "HOME": str(self.folder), "RABBITMQ_NODENAME": f"t{self.port}@localhost", "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia", "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_CONF_ENV_FILE": f"{self.folder}/env",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none", "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1", "LANG": "C.UTF-8",
            "RUNNING_UNDER_SYSTEMD": "yes"}  # its script becomes the server: one process, which dies with us
        for name in ("RABBITMQ_NODE_PORT", "RABBITMQ_NODE_IP_ADDRESS"):
            self.env.pop(name, None)
        self.epmd = subprocess.Popen([need("epmd", "erlang-base"), "-port", str(self.epmd_port)], env=self.env,
                                     preexec_fn=die_with_parent)
        self.process = None

    def start(self, seconds=60):
        with open(self.folder / "out", "a") as out:
            self.process = subprocess.Popen([sbin("rabbitmq-server")], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            preexec_fn=die_with_parent)

        def up():
            assert self.process.poll() is None, (self.folder / "out").read_text()[-4000:]
            try:
                self.connect().close()
                return True
            except (pika.exceptions.AMQPError, OSError):
                return False
        wait_for("RabbitMQ answers", up, seconds)
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def connect(self):
        return pika.BlockingConnection(pika.URLParameters(self.url + "?connection_attempts=1&socket_timeout=5&blocked_connection_timeout=20"))

    def ctl(self, *words, check=True):
        """What rabbitmqctl says; it takes a second or two."""
        done = subprocess.run([sbin("rabbitmqctl"), "-q", *map(str, words)], env=self.env, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done
        return done.stdout

    def signal(self, signo):
        os.kill(self.pid, signo)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(20)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.epmd.terminate()
        self.epmd.wait(10)
