#!/bin/sh
# jobd on Redis against a plain BLPOP loop and BullMQ, and as a beanstalkd against it; see jobs.py.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/jobs.py" "$@"
