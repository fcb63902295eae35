#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/conf/item.h"
#include "core/conf/value.h"

/* One comparison of two loadings. */
struct diff {
	conf_change change;
	void *data;
	int count;
};

static void header(const struct conf_item *item, char *out, size_t size)
{
	snprintf(out, size, "[%s%s%s]", item->section->name, *item->name ? " " : "", item->name);
}

static void tell(struct diff *d, const struct conf_item *item, const char *what, bool restart)
{
	char where[256], line[1024];

	header(item, where, sizeof(where));
	snprintf(line, sizeof(line), "%s %s", where, what);
	d->change(d->data, item, line, restart);
	d->count++;
}

/* As a person wrote it, or would have. */
static const char *shown(const struct conf_item *item, const struct conf_key *key)
{
	const struct word *word = conf_word_find(entry_of(item), key);
	const char *text = word ? word->text : NULL;

	if (!text)
		text = key->dflt;
	return text && *text ? text : "(empty)";
}

static void compare(struct diff *d, const struct conf_item *old, const struct conf_item *now)
{
	const struct conf_key *key = conf_first_key(old->section);

	for (; key; key = conf_next_key(key)) {
		char what[800];

		if (value_equal(key, old->values, now->values))
			continue;
		if (key->flags & CONF_SECRET)
			snprintf(what, sizeof(what), "%s: changed", key->name);
		else
			snprintf(what, sizeof(what), "%s: %.300s -> %.300s", key->name,
				 shown(old, key), shown(now, key));
		tell(d, now, what, !(key->flags & CONF_RELOAD));
	}
}

static const struct conf_item *twin(const struct conf *in, const struct conf_item *of)
{
	return conf_find(in, of->section->name, of->name);
}

int conf_diff(const struct conf *old, const struct conf *now, conf_change change, void *data)
{
	struct diff d = { .change = change, .data = data };

	for (size_t i = 0; i < old->count; i++) {
		const struct conf_item *item = &old->entries[i]->item;
		const struct conf_item *same = twin(now, item);

		if (same)
			compare(&d, item, same);
		else
			tell(&d, item, "removed", !item->section->reload);
	}
	for (size_t i = 0; i < now->count; i++) {
		const struct conf_item *item = &now->entries[i]->item;

		if (!twin(old, item))
			tell(&d, item, "added", !item->section->reload);
	}
	return d.count;
}
