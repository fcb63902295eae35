/* sink - where lines go. Not locked: log.c does that. Private to core/log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sink {
	int fd; /* 2: standard error */
	bool syslog;
	char path[4096]; /* of a file; else "" */
	int64_t size;    /* of the file so far */
	int64_t max_size;
	int64_t keep;
};

/* target: see log.h. Returns 0 or -errno, and then *s is unchanged. */
int sink_open(struct sink *s, const char *target, int64_t max_size, int64_t keep);
int sink_reopen(struct sink *s);
void sink_close(struct sink *s);

/* Never waits for a reader. false: the line is lost. */
bool sink_write(struct sink *s, int level, const char *line, size_t len);
