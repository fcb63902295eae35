"""PyMySQL: driver_pymysql.py HOST PORT USER PASSWORD SCHEMA CASE. Prints what it sees."""
import hashlib
import pathlib
import sys

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import SSCursor

HOST, PORT, USER, PASSWORD, SCHEMA = sys.argv[1:6]


def link(**more):
    return pymysql.connect(**{"host": HOST, "port": int(PORT), "user": USER, "password": PASSWORD, "database": SCHEMA,
                              "charset": "utf8mb4", **more})


def attempt(label, work):
    try:
        print(f"{label}: {work()!r}")
    except pymysql.MySQLError as why:
        print(f"{label}: {type(why).__name__}{why.args!r}")


def run(db, sql, args=None):
    def work():
        with db.cursor() as cursor:
            count = cursor.execute(sql, args)
            sets = [(count, cursor.description, cursor.fetchall(), cursor.lastrowid, cursor.rowcount)]
            while cursor.nextset():
                sets.append((cursor.description, cursor.fetchall(), cursor.lastrowid, cursor.rowcount))
            return sets
    attempt(sql, work)


def case_text():
    with link() as db:
        run(db, "create table t (id int auto_increment primary key, a varchar(20), b decimal(8,2), c time, d date, e json)")
        run(db, "insert into t (a, b, c, d, e) values (%s, %s, %s, %s, %s)", ("ä", "1.5", "-10:00:00", "2020-02-29", "{}"))
        run(db, "select * from t")
        run(db, "select * from nowhere")
        run(db, "insert into t (id) values (1)")
        db.commit()
        print(db.ping(), db.get_server_info(), db.character_set_name())


def case_multi():
    with link(client_flag=CLIENT.MULTI_STATEMENTS) as db:
        run(db, "select 1; select 2; set @a = 1; select @a")
        run(db, "select 1; select * from nowhere; select 2")
        run(db, "select 'after'")
        run(db, "create procedure pr (inout a int) begin set a = a + 1; select a; end")

        def call():
            with db.cursor() as cursor:
                cursor.callproc("pr", (5,))
                first = cursor.fetchall()
                while cursor.nextset():
                    pass
                cursor.execute("select @_pr_0")
                return first, cursor.fetchall()
        attempt("callproc", call)


def case_local():
    with link(local_infile=True) as db:
        run(db, "create table l (a int, b varchar(30))")
        path = pathlib.Path("infile.txt")  # in a folder of the test's own
        for text in ("1\tone\n2\ttwo\n", "", "".join(f"{n}\trow {n}\n" for n in range(100000))):
            path.write_text(text)
            run(db, f"load data local infile '{path}' into table l")
            run(db, "select count(*), sum(a) from l")
        path.unlink()
        run(db, f"load data local infile '{path}' into table l")
        run(db, "select 1")


def case_big():
    with link(max_allowed_packet=64 << 20) as db, db.cursor() as cursor:
        value = "z" * (40 << 20)
        cursor.execute("select length(%s), %s", (value, value[:1 << 20]))
        print(hashlib.md5(repr(cursor.fetchall()).encode()).hexdigest())
        cursor.execute("select repeat('z', 40 << 20)")
        print(cursor.fetchone()[0] == value)
        cursor.execute("select 'well'")
        print(cursor.fetchall())


def case_stream():
    with link(cursorclass=SSCursor) as db, db.cursor() as cursor:
        cursor.execute("select a.n + b.n * 10 + c.n * 100 from (select 0 n union select 1 union select 2 union select 3) a, "
                       "(select 0 n union select 1 union select 2) b, (select 0 n union select 1) c order by 1")
        print(cursor.fetchone(), cursor.fetchmany(3))
        print(sum(1 for _ in cursor))
        cursor.execute("select 'next'")
        print(cursor.fetchall())


def case_refused():
    for more in ({"password": "wrong"}, {"password": ""}, {"database": "nowhere"}):
        attempt(str(more), lambda: link(**more))


def case_charset():
    for charset in ("latin1", "utf8mb4", "cp1251"):
        with link(charset=charset) as db:
            run(db, "select hex(%s), collation(%s), @@character_set_client", ("я" if charset != "latin1" else "ä", "x"))
    with link(init_command="set names latin1 collate latin1_german2_ci") as db:
        run(db, "select @@collation_connection, 'ä' = 'ae'")


def case_transactions():
    with link() as db:
        run(db, "create table t (id int auto_increment primary key, a int) engine = innodb")
        run(db, "select @@autocommit")
        run(db, "insert into t (a) values (1), (2)")
        db.rollback()
        run(db, "select count(*) from t")
        db.begin()
        run(db, "insert into t (a) values (3)")
        db.commit()
        run(db, "select * from t")
        db.autocommit(True)
        run(db, "select @@autocommit, last_insert_id()")


def case_kill():
    with link() as db, link() as other:
        db.kill(other.thread_id())
        for _ in range(1000):
            try:
                other.cursor().execute("select sleep(0.001)")
            except pymysql.MySQLError as why:
                print("dead", why.args[0] in (2013, 2006, 1927))
                break
        run(db, "select 'well'")


if __name__ == "__main__":
    globals()["case_" + sys.argv[6]]()
