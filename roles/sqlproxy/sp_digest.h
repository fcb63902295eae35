/*
 * sp_digest - what kinds of statements there are and what they cost: by user, database and shape
 * (literals as ?), in each worker. When the table is full, new shapes count as "other".
 *
 * The shape of a text is found when it is classified, the cost is added when it is answered.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sp_client;
struct sp_worker;

struct sp_digest {
	uint64_t key; /* 0: free */
	char *text;   /* the shape */
	char user[65], database[65];
	uint64_t count, errors, rows, us, us_max;
};

struct sp_digests {
	struct sp_digest *list; /* open addressing by key; the last one is "other" */
	uint32_t count, size;
};

/* The slot of the client's statement, made when there is none; 0: digests are off. */
uint32_t sp_digest_find(struct sp_worker *w, const struct sp_client *c, const char *sql,
			size_t len);

/* The statement in that slot is answered. Logs it when it was slow. */
void sp_digest_add(struct sp_worker *w, uint32_t slot, const struct sp_client *c, uint64_t us);

void sp_digests_free(struct sp_digests *d);
