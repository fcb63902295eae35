#!/bin/sh
# Pools of workers: our CPU time for a message pair with one C worker, beside that of the bare socket; and what starting
# a worker holds the loop up. Where the two processes run matters more than what they do, so it is told: on one core, and
# where the kernel puts them.
set -e
engine=${ENGINE:-build/release/engine}
for round in 1 2 3; do
	for place in 'taskset -c 0' ''; do
		echo "-- ${place:-anywhere}"
		$place "$engine" dispatch 1 1 1
		$place "$engine" dispatch 4 4 1
		$place "$engine" dispatch 64 32 1
	done
done
"$engine" start 1 30
"$engine" start 500 30
