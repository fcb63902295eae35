/*
 * watch - files that are told of when they change, by patterns, with inotify.
 *
 * A pattern is "/srv/app/x.php" or "x*.php". Its last part is matched against names; the parts
 * before it are looked up when it is added. A "**" before the last part, or as it, means all
 * folders below, also those that come later; hidden ones and links are left out. What changes in
 * one go (an editor, a deployment) is told once, after 200 ms of quiet. What the kernel lost is
 * told as a change of everything.
 */
#pragma once

#include <uv.h>

struct watch;

/* Some file of this tag changed. May add and close. */
typedef void (*watch_on_change)(void *data, void *tag);

/* A folder can't be watched, "what: why"; nobody is told of what happens in it. NULL: not asked. */
typedef void (*watch_on_trouble)(void *data, void *tag, const char *text);

struct watch_conf {
	watch_on_change on_change;
	watch_on_trouble on_trouble;
	void *data;
};

/* Returns 0 or a code. */
int watch_open(struct watch **out, uv_loop_t *loop, const struct watch_conf *conf);

/* within: the folder of a pattern that does not begin with a slash; NULL: ours. Several patterns
 * may have the same tag. */
void watch_add(struct watch *w, const char *pattern, const char *within, void *tag);

/* What was seen and not yet told is told now. closed: the last callback; may be NULL. */
void watch_close(struct watch *w, void (*closed)(void *data));
