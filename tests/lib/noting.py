"""A worker that notes each start of a task in the file argv[1], sleeps argv[2] seconds if given, and answers."""
import os
import socket
import sys
import time

s = socket.socket(fileno=0)
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
nap = float(sys.argv[2]) if len(sys.argv) > 2 else 0
jobs = s.makefile("rb")
s.sendall(b"READY %s\n" % os.environb[b"TROUPE_CREDIT"])
for line in jobs:
    word = line.split()
    if word[0] == b"QUIT":
        break
    if word[0] == b"JOB":
        os.write(notes, b"%s %s\n" % (word[1], word[3]))
        jobs.read(int(word[4]) + 1)
        time.sleep(nap)
        s.sendall(b"ACK %s\n" % word[1])
