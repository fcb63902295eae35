#include "roles/dfsd/df_set.h"

#include <stdlib.h>

#include "core/base/mem.h"

enum { FIRST = 64 };

static uint32_t slot_of(const struct df_set *s, uint64_t number)
{
	uint32_t at = (uint32_t)(number * 0x9e3779b97f4a7c15u >> 32) & (s->size - 1);

	while (s->slots[at] && s->slots[at] != number)
		at = (at + 1) & (s->size - 1);
	return at;
}

bool df_set_has(const struct df_set *s, uint64_t number)
{
	return s->n && s->slots[slot_of(s, number)] == number;
}

void df_set_add(struct df_set *s, uint64_t number)
{
	if (2 * s->n >= s->size) {
		struct df_set old = *s;
		s->size = old.size ? 2 * old.size : FIRST;
		s->slots = mem_new(s->size * sizeof(*s->slots));
		for (uint32_t i = 0; i < old.size; i++)
			if (old.slots[i])
				s->slots[slot_of(s, old.slots[i])] = old.slots[i];
		free(old.slots);
	}
	uint32_t at = slot_of(s, number);
	s->n += s->slots[at] == 0;
	s->slots[at] = number;
}

void df_set_clear(struct df_set *s)
{
	free(s->slots);
	*s = (struct df_set){ .n = 0 };
}
