"""python3 gap.py PORT PID SECONDS: for how long the loop of that process was held, at most, in milliseconds.

Small requests on one connection, one after the other. While one is answered the loop's thread computes, which is counted
exactly; or it sleeps in a call that is not the one in which it waits for events, which is looked at every other millisecond.
That it, or we, get no processor on a busy machine holds the answer up, but is not its doing.
"""
import os
import platform
import socket
import sys
import time

STEP = 0.002
EPOLL = {"x86_64": {"232", "281"}, "aarch64": {"22"}}.get(platform.machine(), set())


def computed(pid) -> float:
    """Seconds that the first thread has had a processor so far."""
    with open(f"/proc/{pid}/task/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def sleeps(pid) -> bool:
    """In a system call, and not for want of events."""
    with open(f"/proc/{pid}/task/{pid}/syscall") as f:
        call = f.read().split()[0]
    return call not in EPOLL | {"running"}


def answered(link) -> bool:
    got = b""
    try:
        while b"\r\n\r\n" not in got:
            more = link.recv(4096)
            assert more, "it hung up"
            got += more
        return True
    except socket.timeout:
        return False


def longest(port, pid, seconds) -> float:
    worst, end = 0.0, time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), timeout=STEP) as link:
        print("measuring", flush=True)
        while time.monotonic() < end:
            before, slept = computed(pid), 0.0
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            looked = time.monotonic()
            while not answered(link):
                now = time.monotonic()
                slept += now - looked if sleeps(pid) else 0.0
                looked = now
            worst = max(worst, slept + computed(pid) - before)
            time.sleep(0.001)
    return worst


if __name__ == "__main__":
    print(f"{longest(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])) * 1000:.3f}")
