#!/bin/sh
# taskd against nginx, beanstalkd and gearmand; see taskd.py.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/taskd.py" "$@"
