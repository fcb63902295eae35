"""A worker of TWP/1 whose tasks say what it does: for tests only, without any library of ours.

The payload is words: "echo TEXT", "sleep S", "die", "exit N", "fail TEXT", "raw BYTES", ... see the table at the end. The
first word after the script's name says how it starts: "ready" (the default), "slow S", "never", "garbage", ...
"""
import json
import os
import resource
import signal
import socket
import sys
import time

s = socket.socket(fileno=0)
hello = b""
left = b""


def read_line():
    global left
    while b"\n" not in left:
        more = s.recv(65536)
        if not more:
            return None
        left += more
    line, left = left.split(b"\n", 1)
    return line


def read_exact(n):
    global left
    while len(left) < n:
        left += s.recv(1 << 20)
    got, left = left[:n], left[n:]
    return got


def say(line, body=None):
    data = line.encode() if isinstance(line, str) else line
    s.sendall(data + b"\n" if body is None else data + b"\n" + body + b"\n")


def ack(job, body=b""):
    say(f"ACK {job} {len(body)}", body)


def wait_cancel(job, _):
    """Acts upon CANCEL, and on nothing else."""
    while True:
        line = read_line()
        if line is None:
            sys.exit(0)
        if line.startswith(b"CANCEL " + job.encode()):
            say(f"FAIL {job} 7 retry=no", b"stopped")
            return


def spawn_and_hang(job, rest):
    """A child in a session of its own, which outlives its parent if nobody kills the whole tree."""
    if os.fork() == 0:
        os.setsid()
        open(rest, "w").write(str(os.getpid()))
        time.sleep(1000)
    time.sleep(1000)


def sleep_then_ack(job, rest):
    time.sleep(float(rest))
    ack(job, b"slept")


def deaf(job, _):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


def late(job, rest):
    """An answer after the time was over, though it was told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(rest))
    ack(job, b"at last")


def words(job, rest):
    print(rest)
    print("to stderr", file=sys.stderr)
    sys.stdout.flush()
    ack(job)


def touch(job, rest):
    for _ in range(int(rest)):
        time.sleep(0.1)
        say(f"TOUCH {job}")
    ack(job, b"touched")


def progress(job, rest):
    say(f"PROGRESS {job} 40 4", b"half")
    say("LOG warn 5", b"hm hm")
    print("a line", flush=True)
    wait_for(rest)
    ack(job)


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def data(job, rest):
    for word in rest.split():
        say(f"DATA {job} {len(word)}", word.encode())
    ack(job, b"end")


def grow(job, rest):
    grow.kept = b"x" * int(rest)
    ack(job)


def facts(job, _):
    """What a process was given beside its environment."""
    ack(job, json.dumps({"cwd": os.getcwd(), "nice": os.nice(0), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
                         "user": [os.getuid(), os.getgid(), os.getgroups()], "home": os.environ.get("HOME"),
                         "session": os.getsid(0) == os.getpid(), "fds": sorted(map(int, os.listdir("/proc/self/fd")))}).encode())


def push(job, rest):
    """PUSH words, then what the manager says."""
    topic, options, body = (rest.split("|") + ["", ""])[:3]
    say(f"PUSH {topic} {len(body)} {options.replace('ME', job)}".rstrip(), body.encode())
    reply = read_line() if "ref=" in options else b""
    ack(job, reply or b"none")


def push_and_die(job, rest):
    say(f"PUSH {rest} 1 on={job}", b"x")
    time.sleep(0.1)
    os.kill(os.getpid(), 9)


actions = {
    "echo": lambda job, rest: ack(job, rest.encode()),
    "args": lambda job, rest: ack(job, args),
    "env": lambda job, rest: ack(job, os.environ.get(rest, "").encode()),
    "pid": lambda job, rest: ack(job, str(os.getpid()).encode()),
    "hello": lambda job, rest: ack(job, hello),
    "big": lambda job, rest: ack(job, b"y" * int(rest)),
    "sleep": sleep_then_ack,
    "wait": lambda job, rest: (wait_for(rest), ack(job)),
    "die": lambda job, rest: os.kill(os.getpid(), 9),
    "exit": lambda job, rest: os._exit(int(rest)),
    "fail": lambda job, rest: say(f"FAIL {job} {len(rest)}", rest.encode()),
    "failno": lambda job, rest: say(f"FAIL {job} {len(rest)} retry=no", rest.encode()),
    "later": lambda job, rest: say(f"FAIL {job} 5 delay={rest}", b"later"),
    "release": lambda job, rest: say(f"RELEASE {job} delay={rest}"),
    "raw": lambda job, rest: s.sendall(rest.encode().decode("unicode_escape").encode("latin1")),
    "twice": lambda job, rest: (ack(job, b"one"), ack(job, b"two")),
    "wrong": lambda job, rest: (ack("NOSUCHJOB", b""), ack(job)),
    "giant": lambda job, rest: say(f"ACK {job} 99999999999"),
    "bye": lambda job, rest: (ack(job), say("BYE")),
    "hang": spawn_and_hang,
    "deaf": deaf,
    "late": late,
    "cancel": wait_cancel,
    "say": words,
    "touch": touch,
    "progress": progress,
    "data": data,
    "grow": grow,
    "write": lambda job, rest: (os.write(1, rest.encode().decode("unicode_escape").encode("latin1")), ack(job)),
    "facts": facts,
    "push": push,
    "pushdie": push_and_die,
    "close": lambda job, rest: (s.shutdown(socket.SHUT_RDWR), os.close(0), os.close(3), s.detach(), time.sleep(1000)),
}


def start(how, rest):
    if how == "never":
        time.sleep(1000)
    if how == "exits":
        sys.exit(int(rest))
    if how == "garbage":
        say("Fatal error: Uncaught Error in index.php")
        time.sleep(1000)
    if how == "slow":
        time.sleep(float(rest))
    if how == "fixed" and not os.path.exists(rest):
        sys.exit(1)
    if how == "reader":  # says READY, and never reads
        say("READY 100")
        time.sleep(1000)
    if how == "forger":  # answers what it was never given
        say("READY 1")
        say("ACK 0000000000000")
        return
    if how == "ping":
        say("READY 2 caps=ping,cancel")
    elif how != "implicit":
        say("READY " + os.environ.get("TROUPE_CREDIT", "1"))


hello = read_line()
start(*(sys.argv[1:] + ["ready", ""])[:2])
while True:
    line = read_line()
    if line is None or line == b"QUIT":
        break
    if not line.startswith(b"JOB "):
        continue
    args = line
    job, _, _, size = line.decode().split()[1:5]
    verb, _, rest = read_exact(int(size) + 1)[:-1].decode().partition(" ")
    actions[verb](job, rest)
