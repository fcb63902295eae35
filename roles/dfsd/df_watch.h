/*
 * df_watch - what happens in the folders of a share, by inotify.
 *
 * A folder is watched by its node's id, so a folder's move changes nothing here. The kernel's queue
 * is emptied at once, whatever else is to be done; what it says is only a hint of where to look.
 */
#pragma once

#include <uv.h>

#include "roles/dfsd/df_index.h"

struct df_watch;

enum df_hint {
	DF_HINT_NAME, /* it has come, gone or moved: its folder has another time, too */
	DF_HINT_REST, /* it has other attributes */
	DF_HINT_NOW,  /* it was written and closed */
	DF_HINT_OPEN, /* it is being written */
	DF_HINT_LOST, /* the kernel's queue was full: look everywhere; id and name say nothing */
};

/* name: "" for the folder itself. */
typedef void (*df_on_hint)(void *data, enum df_hint hint, df_id dir, const char *name);

int df_watch_open(struct df_watch **out, uv_loop_t *loop, df_on_hint on_hint, void *data);
void df_watch_close(struct df_watch *w, void (*closed)(void *data));

/* fd: of the folder. 0; UV_ENOSPC: the system's limit of watches is reached. */
int df_watch_add(struct df_watch *w, df_id id, int fd);
/* One file, by whichever name it is written; UV_ENOSPC: there are too many of those, too. */
int df_watch_add_file(struct df_watch *w, df_id id, int fd);
void df_watch_remove(struct df_watch *w, df_id id);

uint64_t df_watch_count(const struct df_watch *w);
uint64_t df_watch_events(const struct df_watch *w);
uint64_t df_watch_lost(const struct df_watch *w); /* how often the queue was full */
