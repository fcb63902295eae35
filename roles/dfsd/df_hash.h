/* df_hash - XXH3 of content, XXH32 of frames. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct df_hasher;

uint32_t df_hash_frame(const void *p, size_t n);
void df_hash(const void *p, size_t n, uint8_t hash[16]);

struct df_hasher *df_hasher_new(void);
void df_hasher_add(struct df_hasher *h, const void *p, size_t n);
void df_hasher_get(const struct df_hasher *h, uint8_t hash[16]);
void df_hasher_free(struct df_hasher *h);
