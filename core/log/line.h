/* line - how an event reads, as text and as JSON. Private to core/log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* A pipe takes that much at once or nothing (PIPE_BUF), so a line is never torn. */
enum { LINE_MAX_SIZE = 4096 };

struct line {
	char text[LINE_MAX_SIZE];
	size_t len;
};

struct event {
	struct timespec when;
	const char *level;
	const char *tag;
	int pid;
	const char *message;
};

/* Both end with a newline, also where they had to be cut. */
void line_as_text(struct line *l, const struct event *e);
void line_as_json(struct line *l, const struct event *e);

/* The message alone, for syslog, which has time and level itself. */
void line_as_message(struct line *l, const struct event *e);
