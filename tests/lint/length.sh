#!/bin/sh
# length.sh MAX FILE... - no file over so many lines.
max=$1
shift
wc -l "$@" | awk -v max="$max" '$2 != "total" && $1 > max { print $2 ": " $1 " lines"; bad = 1 } END { exit bad }'
