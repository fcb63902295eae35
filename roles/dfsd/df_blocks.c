#include "roles/dfsd/df_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/dfsd/df_hash.h"

/* MISSES: data that fools the weak sum is said as it is, when it lies elsewhere. */
enum { MISSES = 1000, FEW = 16, LANES = 16 };

/* Sum of the bytes, and of these sums: exact, for blocks of our size. */
struct weak {
	uint64_t bytes, sums;
};

struct sum {
	uint64_t weak, strong;
};

struct df_blocks {
	struct list link; /* of df_lists */
	int refs;
	uint8_t hash[DF_HASH];
	struct sum *sums;
	uint32_t n, room;
	uint32_t *table; /* a sum's number + 1, by its weak one; made when it is wanted */
	uint32_t mask;
	struct df_hasher *part; /* of a block that is not whole yet */
	struct weak part_weak;
	size_t part_n;
};

struct df_blocks *df_blocks_new(void)
{
	struct df_blocks *b = mem_new(sizeof(*b));

	b->refs = 1;
	return b;
}

void df_blocks_free(struct df_blocks *b)
{
	if (!b || --b->refs > 0)
		return;
	df_hasher_free(b->part);
	free(b->sums);
	free(b->table);
	free(b);
}

/* ---- sums ---------------------------------------------------------------------------------- */

static void weaken(struct weak *w, const uint8_t *p, size_t n)
{
	uint64_t bytes = w->bytes, sums = w->sums;

	for (; n >= LANES; p += LANES, n -= LANES) { /* as the compiler likes it */
		uint32_t all = 0, weighted = 0;
		for (uint32_t i = 0; i < LANES; i++) {
			all += p[i];
			weighted += (LANES - i) * p[i];
		}
		sums += LANES * bytes + weighted;
		bytes += all;
	}
	for (; n; p++, n--) {
		bytes += *p;
		sums += bytes;
	}
	*w = (struct weak){ bytes, sums };
}

/* A block further by one byte. */
static void slide(struct weak *w, uint8_t out, uint8_t in)
{
	w->bytes += (uint64_t)in - out;
	w->sums += w->bytes - (uint64_t)DF_BLOCK_SIZE * out;
}

static uint64_t weak_of(struct weak w)
{
	return w.bytes << 42 ^ w.sums;
}

static uint64_t strong_of(const uint8_t hash[DF_HASH])
{
	uint64_t strong;

	memcpy(&strong, hash, sizeof(strong));
	return strong;
}

static uint64_t strong_at(const uint8_t *p)
{
	uint8_t hash[DF_HASH];

	df_hash(p, DF_BLOCK_SIZE, hash);
	return strong_of(hash);
}

static void put(struct df_blocks *b, struct sum sum)
{
	if (b->n == b->room) {
		b->room = b->room ? 2 * b->room : FEW;
		b->sums = mem_resize(b->sums, b->room * sizeof(*b->sums));
	}
	b->sums[b->n++] = sum;
}

/* Some of a block. */
static size_t add_part(struct df_blocks *b, const uint8_t *p, size_t n)
{
	uint8_t hash[DF_HASH];

	if (n > DF_BLOCK_SIZE - b->part_n)
		n = DF_BLOCK_SIZE - b->part_n;
	if (!b->part)
		b->part = df_hasher_new();
	df_hasher_add(b->part, p, n);
	weaken(&b->part_weak, p, n);
	b->part_n += n;
	if (b->part_n < DF_BLOCK_SIZE)
		return n;
	df_hasher_get(b->part, hash);
	put(b, (struct sum){ weak_of(b->part_weak), strong_of(hash) });
	df_hasher_free(b->part);
	b->part = NULL;
	b->part_weak = (struct weak){ 0, 0 };
	b->part_n = 0;
	return n;
}

void df_blocks_add(struct df_blocks *b, const uint8_t *p, size_t n)
{
	while (n) {
		size_t did = DF_BLOCK_SIZE;
		if (b->part_n || n < DF_BLOCK_SIZE) {
			did = add_part(b, p, n);
		} else {
			struct weak weak = { 0, 0 };
			weaken(&weak, p, did);
			put(b, (struct sum){ weak_of(weak), strong_at(p) });
		}
		p += did;
		n -= did;
	}
}

void df_blocks_add_from(struct df_blocks *b, const struct df_blocks *other, uint64_t from,
			struct df_bytes bytes)
{
	if (b->part_n) { /* its blocks lie elsewhere */
		df_blocks_add(b, bytes.p, bytes.n);
		return;
	}
	for (uint64_t at = 0; at < bytes.n; at += DF_BLOCK_SIZE)
		put(b, other->sums[(from + at) / DF_BLOCK_SIZE]);
}

/* ---- finding ------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct df_blocks *b, uint64_t weak)
{
	return (uint32_t)(weak * 0x9e3779b97f4a7c15u >> 32) & b->mask;
}

static void make_table(struct df_blocks *b)
{
	uint32_t size = FEW;

	while (size < 2 * b->n)
		size *= 2;
	b->mask = size - 1;
	b->table = mem_new(size * sizeof(*b->table));
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t at = slot_of(b, b->sums[i].weak);
		while (b->table[at] && b->sums[b->table[at] - 1].weak != b->sums[i].weak)
			at = (at + 1) & b->mask;
		if (!b->table[at]) /* the first of equal ones */
			b->table[at] = i + 1;
	}
}

static bool is_at(const struct df_blocks *b, uint64_t from, const uint8_t *p)
{
	uint64_t i = from / DF_BLOCK_SIZE;

	return from % DF_BLOCK_SIZE == 0 && i < b->n && b->sums[i].strong == strong_at(p);
}

/* Where a block of that weak sum is. */
static bool find(struct df_matcher *m, uint64_t weak, const uint8_t *p, uint64_t *from)
{
	struct df_blocks *b = m->of;

	for (uint32_t at = slot_of(b, weak); b->table[at]; at = (at + 1) & b->mask) {
		const struct sum *s = &b->sums[b->table[at] - 1];
		if (s->weak != weak)
			continue;
		*from = (uint64_t)(b->table[at] - 1) * DF_BLOCK_SIZE;
		if (s->strong == strong_at(p))
			return true;
		m->misses++;
		return false;
	}
	return false;
}

/* What is at the front, and goes on. */
static struct df_match run(struct df_matcher *m, struct df_match found, struct df_bytes bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p + found.before;
	size_t left = bytes.n - found.before;

	do
		found.n += DF_BLOCK_SIZE;
	while (left - found.n >= DF_BLOCK_SIZE && is_at(m->of, found.from + found.n, p + found.n));
	m->next = found.from + found.n;
	return found;
}

struct df_match df_blocks_match(struct df_matcher *m, uint64_t at, struct df_bytes bytes, bool last)
{
	const uint8_t *p = bytes.p;
	struct df_match found = { .before = 0 };
	struct weak weak = { 0, 0 };

	if (bytes.n < DF_BLOCK_SIZE || !m->of->n)
		return (struct df_match){ .before = bytes.n };
	const uint64_t likely[] = { m->next, at };
	for (int i = 0; i < 2; i++)
		if (is_at(m->of, likely[i], p)) {
			found.from = likely[i];
			return run(m, found, bytes);
		}
	if (!m->of->table)
		make_table(m->of);
	size_t most = bytes.n - DF_BLOCK_SIZE;
	weaken(&weak, p, DF_BLOCK_SIZE);
	while (m->misses < MISSES) {
		if (find(m, weak_of(weak), p + found.before, &found.from))
			return run(m, found, bytes);
		if (found.before == most)
			break;
		slide(&weak, p[found.before], p[found.before + DF_BLOCK_SIZE]);
		found.before++;
	}
	size_t block = DF_BLOCK_SIZE - at % DF_BLOCK_SIZE; /* where it may be as it was */
	if (m->misses >= MISSES)
		found.before = block < bytes.n ? block : bytes.n;
	else
		found.before = last ? bytes.n : most + 1;
	return found;
}

/* ---- lists --------------------------------------------------------------------------------- */

static size_t size_of(const struct df_blocks *b)
{
	return sizeof(*b) + b->n * (sizeof(struct sum) + 4 * sizeof(uint32_t));
}

void df_lists_init(struct df_lists *l, size_t most)
{
	*l = (struct df_lists){ .most = most };
	list_init(&l->all);
}

static void forget(struct df_lists *l, struct df_blocks *b)
{
	list_remove(&b->link);
	l->bytes -= size_of(b);
	df_blocks_free(b);
}

static struct df_blocks *first(const struct df_lists *l)
{
	return container_of(l->all.next, struct df_blocks, link);
}

void df_lists_fini(struct df_lists *l)
{
	while (!list_empty(&l->all))
		forget(l, first(l));
}

static struct df_blocks *look_up(struct df_lists *l, const uint8_t hash[DF_HASH])
{
	for (struct list *it = l->all.next; it != &l->all; it = it->next) {
		struct df_blocks *b = container_of(it, struct df_blocks, link);
		if (memcmp(b->hash, hash, DF_HASH) == 0)
			return b;
	}
	return NULL;
}

void df_lists_keep(struct df_lists *l, struct df_blocks *b, const uint8_t hash[DF_HASH])
{
	struct df_blocks *old = look_up(l, hash);

	memcpy(b->hash, hash, DF_HASH);
	if (old)
		forget(l, old);
	df_hasher_free(b->part);
	b->part = NULL;
	list_append(&l->all, &b->link);
	l->bytes += size_of(b);
	while (l->bytes > l->most)
		forget(l, first(l));
}

struct df_blocks *df_lists_find(struct df_lists *l, const uint8_t hash[DF_HASH])
{
	struct df_blocks *b = look_up(l, hash);

	if (!b)
		return NULL;
	list_remove(&b->link);
	list_append(&l->all, &b->link);
	b->refs++;
	return b;
}
