#!/bin/sh
# dfsd against rsync and lsyncd; see dfsd.py.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/dfsd.py" "$@"
