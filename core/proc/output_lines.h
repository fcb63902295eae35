/* output_lines - output line by line: as JSON, with the name before it, to syslog. Private to
 * output. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct output;

/* Does somebody want lines of it? */
bool output_wants_lines(const struct output *o);

/* All whole lines go out, the rest waits in o->partial. */
void output_lines(struct output *o, const char *data, size_t n);

/* The incomplete line goes out, as a whole one. */
void output_last_line(struct output *o);
