#!/bin/sh
# sqlproxy against HAProxy in TCP mode and against no proxy at all; see sqlproxy.py.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/sqlproxy.py" "$@"
