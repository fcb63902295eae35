/* rotate - the names of a log that is full: FILE becomes FILE.1, FILE.1 becomes FILE.2, ... */
#pragma once

#include <stdint.h>

/* FILE.n.zst move on as FILE.n do. What would be more than keep is removed; keep 0: FILE itself. */
void rotate_names(const char *path, int64_t keep);
