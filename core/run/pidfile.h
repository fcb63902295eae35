/*
 * pidfile - the number of a running process, believed only while the process holds its lock.
 *
 * The lock is fcntl's: it dies with its process, so a file that was left behind means nothing, and
 * it names its holder, so the number can't be a stranger's.
 */
#pragma once

#include <stdbool.h>

struct err;

/* Locks and writes. Returns a descriptor to keep, or a code: UV_EALREADY when one is running. */
int pidfile_take(const char *path, struct err *err);

/* Removes the file and gives the lock back. fd < 0: nothing. */
void pidfile_give(const char *path, int fd);

/* The process that holds the lock, or 0. Not for the holder itself: it would lose its lock. */
int pidfile_owner(const char *path);
