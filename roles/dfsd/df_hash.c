#include "roles/dfsd/df_hash.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/mem.h"

struct df_hasher {
	XXH3_state_t *state;
};

uint32_t df_hash_frame(const void *p, size_t n)
{
	return XXH32(p, n, 0);
}

static void put(XXH128_hash_t h, uint8_t hash[16])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, h);
	memcpy(hash, c.digest, sizeof(c.digest));
}

void df_hash(const void *p, size_t n, uint8_t hash[16])
{
	put(XXH3_128bits(p, n), hash);
}

struct df_hasher *df_hasher_new(void)
{
	struct df_hasher *h = mem_new(sizeof(*h));

	h->state = XXH3_createState();
	XXH3_128bits_reset(h->state);
	return h;
}

void df_hasher_add(struct df_hasher *h, const void *p, size_t n)
{
	XXH3_128bits_update(h->state, p, n);
}

void df_hasher_get(const struct df_hasher *h, uint8_t hash[16])
{
	put(XXH3_128bits_digest(h->state), hash);
}

void df_hasher_free(struct df_hasher *h)
{
	if (h)
		XXH3_freeState(h->state);
	free(h);
}
