#include "roles/sqlproxy/sp_digest.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_worker.h"

enum { SHAPE_MAX = 1024 };

static uint64_t hash(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3ull;
	return h;
}

static struct sp_digests *table_of(struct sp_worker *w)
{
	uint32_t most = (uint32_t)w->setup->main->digests;

	if (w->digests || most == 0)
		return w->digests;
	w->digests = mem_new(sizeof(*w->digests));
	w->digests->size = 2;
	while (w->digests->size < 2 * most)
		w->digests->size *= 2;
	w->digests->list = mem_new(sizeof(struct sp_digest) * (w->digests->size + 1));
	w->digests->list[w->digests->size].text = mem_str("(other)");
	return w->digests;
}

uint32_t sp_digest_find(struct sp_worker *w, const struct sp_client *c, const char *sql, size_t len)
{
	struct sp_digests *d = table_of(w);
	char shape[SHAPE_MAX];

	if (!d)
		return 0;
	size_t n =
		sp_lex_digest(sql, len, sp_session_lex_mode(&c->session), shape, sizeof(shape) - 1);
	uint64_t key = hash(0xcbf29ce484222325ull, c->user, strlen(c->user) + 1);
	key = hash(hash(key, c->database, strlen(c->database) + 1), shape, n) | 1;
	uint32_t at = (uint32_t)(key >> 32) & (d->size - 1);
	for (; d->list[at].key; at = (at + 1) & (d->size - 1))
		if (d->list[at].key == key)
			return at + 1;
	if (d->count >= (uint32_t)w->setup->main->digests || d->count >= d->size / 2)
		return d->size + 1;
	struct sp_digest *slot = &d->list[at];
	slot->key = key;
	shape[n] = '\0';
	slot->text = mem_str(shape);
	strcpy(slot->user, c->user);
	strcpy(slot->database, c->database);
	d->count++;
	return at + 1;
}

static void log_slow(const struct sp_client *c, const struct sp_digest *slot, uint64_t us)
{
	log_info(
		"slow statement ms=%llu user=%s database=%s server=%s rows=%llu error=%u digest=%s",
		(unsigned long long)us / 1000, c->user, c->database,
		c->backend ? c->backend->pool->server->name : "",
		(unsigned long long)(c->backend ? c->backend->scan.rows : 0), c->cmd.error,
		slot->text);
}

void sp_digest_add(struct sp_worker *w, uint32_t slot, const struct sp_client *c, uint64_t us)
{
	struct sp_digest *d = &w->digests->list[slot - 1];
	int64_t slow = c->setup->main->log_slow;

	d->count++;
	d->errors += c->cmd.error != 0;
	d->rows += c->backend ? c->backend->scan.rows : 0;
	d->us += us;
	d->us_max = us > d->us_max ? us : d->us_max;
	if (slow && us >= (uint64_t)slow * 1000) {
		w->figures.slow++;
		log_slow(c, d, us);
	}
}

void sp_digests_free(struct sp_digests *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i <= d->size; i++)
		free(d->list[i].text);
	free(d->list);
	free(d);
}
