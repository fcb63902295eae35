/*
 * limits - resource limits as people write them.
 *
 *	rlimit_nofile = 65536		soft and hard
 *	rlimit_core = 0:unlimited	soft:hard
 *	rlimit_as = 512M		K, M, G, T are powers of 1024
 *	rlimit_cpu = 60			the unit is the kernel's: bytes, seconds, files, ...
 */
#pragma once

#include <sys/resource.h>

struct err;

struct limit {
	int resource; /* RLIMIT_NOFILE, ... */
	struct rlimit value;
};

/* "nofile"; NULL for a number that is none. */
const char *limits_name(int resource);

/* Returns 0, or ERR_CONF and then *l is unchanged. */
int limits_parse(struct limit *l, const char *name, const char *value, struct err *err);
