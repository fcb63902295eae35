/* td_legacy - the addresses of swoole-task and swoole-jobs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct td_ask;

/* false: it is none of them. path: n bytes, without the query. */
bool td_legacy(struct td_ask *ask, const char *path, size_t n);
