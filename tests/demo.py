"""What `make run` shows: sqlproxy in front of a private MariaDB writer and its replica.

Starts both with their data under build/run, sqlproxy on a free port in front,
runs a short session that shows pooling and read/write splitting, prints how to
connect, and stays until Ctrl-C. `--once` ends after the session.
"""
import argparse
import pathlib
import shutil
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import daemon  # noqa: E402
import servers  # noqa: E402

CLIENTS, POOL, QUERIES = 50, 4, 20


def check():
    """Everything the demo needs, or Missing."""
    if servers.pymysql is None:
        raise servers.Missing(
            "Python's MySQL client is missing: apt-get install python3-pymysql (or, as root: make deps)")
    servers.need("mariadbd", "mariadb-server")
    servers.need("mariadb-install-db", "mariadb-server")
    servers.need("openssl", "openssl")
    if not pathlib.Path(daemon.TROUPE).exists():
        raise servers.Missing(f"{daemon.TROUPE} is missing: make")


def table(rows: list) -> str:
    """Dictionaries as aligned columns."""
    if not rows:
        return "  (empty)"
    lines = [list(rows[0])] + [["" if v is None else str(v) for v in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(v.ljust(w) for v, w in zip(line, widths)).rstrip() for line in lines)


def ask(cursor, sql: str):
    """Runs one statement and prints it with its answer."""
    cursor.execute(sql)
    rows = cursor.fetchall()
    answer = rows[0][0] if rows else f"{cursor.rowcount} row" if cursor.rowcount > 0 else "ok"
    print(f"  {sql:<52} {answer}")


def show_pooling(proxy, pair):
    """Many clients, all connected at once, share few server connections."""
    print(f"\nPooling: {CLIENTS} clients at once, {QUERIES} queries each")
    everyone = threading.Barrier(CLIENTS)
    failures = []

    def client():
        try:
            with proxy.client(db="demo") as link, link.cursor() as cursor:
                everyone.wait(30)
                for n in range(QUERIES):
                    cursor.execute("select name from actor where id = %s", (n % 3 + 1,))
                    assert cursor.fetchone()
                everyone.wait(60)
        except Exception as why:  # told below; the others must not wait for us
            everyone.abort()
            failures.append(why)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if failures:
        raise RuntimeError(f"a client failed: {failures[0]!r}")
    used = {"writer": pair.writer.threads(), "replica": pair.replica.threads()}
    print(f"  {CLIENTS * QUERIES} queries over {used['writer']} connections to the writer "
          f"and {used['replica']} to the replica (at most {POOL} each)")


def show_splitting(proxy, pair):
    """Reads go to the replica, writes and transactions to the writer."""
    print(f"\nSplitting: server {pair.writer.server_id} is the writer, server {pair.replica.server_id} its replica")
    with proxy.client(db="demo") as link, link.cursor() as cursor:
        ask(cursor, "select @@server_id")
        ask(cursor, "insert into actor (name) values ('Arlecchino')")
        ask(cursor, "select last_insert_id()")
        ask(cursor, "begin")
        ask(cursor, "select @@server_id")
        ask(cursor, "commit")
        ask(cursor, "select @@server_id")
        ask(cursor, "/* troupe:primary */ select @@server_id")


def show_connecting(proxy):
    name, password = servers.APP
    print("\nConnect:")
    print(f"  mariadb -h 127.0.0.1 -P {proxy.port} -u {name} -p{password} demo")
    print(f"  mariadb -h 127.0.0.1 -P {proxy.admin_port} -u admin -padmin -e 'SHOW POOLS'")
    print("\nSHOW POOLS:")
    print(table(proxy.admin("SHOW POOLS")), flush=True)


def run(folder: servers.Folder, once: bool) -> int:
    pair = servers.Pair(folder)
    proxy = None
    try:
        print("Starting a MariaDB writer and a replica ...", flush=True)
        pair.start()
        pair.writer.script(
            "create or replace table demo.actor (id int auto_increment primary key, name varchar(40))",
            "insert into demo.actor (name) values ('Pantalone'), ('Colombina'), ('Pulcinella')")
        pair.settle()
        proxy = daemon.Proxy(daemon.pair_conf(pair, pool=POOL), folder.path, env={"TROUPE_DEBUG": None}).ready()
        print(f"sqlproxy listens on 127.0.0.1:{proxy.port}; its configuration is {proxy.conf_path}")
        show_pooling(proxy, pair)
        show_splitting(proxy, pair)
        show_connecting(proxy)
        if not once:
            print("\nCtrl-C ends all of it.", flush=True)
            proxy.process.wait()
            print(f"sqlproxy ended by itself:\n{proxy.log()[-2000:]}", file=sys.stderr)
            return 1
        return 0
    finally:
        status = proxy.stop() if proxy else 0
        pair.stop()
        if status:
            print(f"sqlproxy ended with status {status}:\n{proxy.log()[-2000:]}", file=sys.stderr)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--once", action="store_true", help="end after the short session")
    options.add_argument("--folder", default=servers.ROOT / "build" / "run", help="where the data lives meanwhile")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path = pathlib.Path(given.folder)
    try:
        check()
        shutil.rmtree(path, ignore_errors=True)
        folder = servers.Folder(path)
    except (servers.Missing, OSError) as why:
        print(f"make run: {why}", file=sys.stderr)
        return 1
    try:
        return run(folder, given.once)
    except KeyboardInterrupt:
        print("\nended")
        return 0
    except (servers.Missing, RuntimeError, AssertionError) as why:
        print(f"make run: {why}", file=sys.stderr)
        return 1
    finally:
        folder.remove()


if __name__ == "__main__":
    sys.exit(main())
