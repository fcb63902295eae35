#!/bin/sh
# jobd on Redis against a plain BLPOP loop and BullMQ, as a beanstalkd against it, on RabbitMQ against a plain
# consumer; see jobs.py.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/jobs.py" "$@"
