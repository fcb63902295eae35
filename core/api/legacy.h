/* api_legacy - the addresses of swoole-task and swoole-jobs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct api_ask;

/* false: it is none of them. path: n bytes, without the query. */
bool api_legacy(struct api_ask *ask, const char *path, size_t n);
