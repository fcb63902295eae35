/*
 * marks - which things were under way when the process died.
 *
 * A file of numbers, mapped: setting and clearing a mark is one store to memory. The kernel keeps
 * what was stored when the process is killed, so the next one finds the marks that were set. No
 * write waits for the disk: after a loss of power the marks say nothing, and a file from before the
 * last boot is not believed.
 *
 *	magic (8)   boot (16)   spare (8)   mark (8) mark (8) ...   0: free
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct marks;

enum { MARKS_NONE = 0xffffffff };

/* Makes the file when it is not there. Its blocks are allocated, so that a full disk is met here.
 */
int marks_open(struct marks **out, const char *path, struct err *err);

/* What was set when the last owner died; the marks' own, until marks_close. Not set any more. */
const uint64_t *marks_left(const struct marks *m, size_t *n);

/* id: not 0. MARKS_NONE when there is no room and none can be made; clearing that does nothing. */
uint32_t marks_set(struct marks *m, uint64_t id);
void marks_clear(struct marks *m, uint32_t at);

/* The end of one's own will: nothing is marked. */
void marks_close(struct marks *m);
