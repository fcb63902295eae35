#!/bin/sh
# supervisor's figures beside supervisord, s6 and runit, in one run; see supervisor.py.
exec /usr/bin/python3 "$(dirname "$0")/supervisor.py" "$@"
