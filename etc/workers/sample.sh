#!/bin/bash
# A worker in bash, without any library: the body is a number, the result its square. "fail" fails, "sleep S" sleeps.
# TWP/1: lines on standard input and fd 3, bodies counted in bytes; everything on standard output is for the log.
LC_ALL=C

answer() { # verb id text
	printf '%s %s %d\n%s\n' "$1" "$2" "${#3}" "$3" >&3
}

echo "READY 1" >&3
while read -r verb id topic attempt length _; do
	[ "$verb" = QUIT ] && break
	[ "$verb" = JOB ] || continue
	body=$(head -c "$length" | tr -d '\0'; echo .) body=${body%.} # bash knows no byte 0
	read -r _                                                    # the end of line behind it
	case $body in
	sleep\ *) why=$(sleep "${body#sleep }" 2>&1) && answer ACK "$id" slept || answer FAIL "$id" "$why" ;;
	'' | *[!0-9]*) answer FAIL "$id" "not a number: $body" ;;
	*) echo "attempt $attempt of $topic" && answer ACK "$id" "$((10#$body * 10#$body))" ;;
	esac
done
