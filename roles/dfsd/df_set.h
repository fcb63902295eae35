/* df_set - a set of numbers, not 0. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct df_set {
	uint64_t *slots;
	uint32_t size, n;
};

bool df_set_has(const struct df_set *s, uint64_t number);
void df_set_add(struct df_set *s, uint64_t number);
void df_set_clear(struct df_set *s);
