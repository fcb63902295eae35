#!/bin/sh
# The work engine alone, on the disk that /tmp (or $1) is on: durable submits and acks at 1, 8 and 64
# under way, the whole cycle of a task, and the restart with a million pending.
# Beside it, in the same run: what the disk does, one append and fdatasync at a time.
set -e
engine=${ENGINE:-build/release/engine}
dir=$(mktemp -d "${1:-/tmp}/work.XXXXXX")
trap 'rm -rf "$dir"' EXIT
/usr/bin/python3 - "$dir/append" <<'END'
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
times = []
while sum(times) < 1:
    start = time.perf_counter()
    os.write(fd, b"x" * 200)
    os.fdatasync(fd)
    times.append(time.perf_counter() - start)
times.sort()
print(f"append + fdatasync: {len(times):.0f}/s, p50 {times[len(times) // 2] * 1e3:.2f} ms")
END
for n in 1 8 64; do
	mkdir "$dir/$n"
	"$engine" bench "$dir/$n" $n 2
	rm -r "$dir/$n"
done
for n in 1 32; do
	mkdir "$dir/c$n"
	"$engine" cycle "$dir/c$n" $n 2
	rm -r "$dir/c$n"
done
mkdir "$dir/restart"
"$engine" restart "$dir/restart" 1000000
