/* value - one word of the file to one member of a struct, and back. Private to core/conf. */
#pragma once

#include "core/conf/conf.h"

struct err;

/* Checks and stores, by the looser rules of a dialect or by ours; what was there is freed. On
 * failure nothing changes and err has the reason. The key's own default is stored without a copy.
 */
int value_store(const struct conf_key *key, const char *word, bool dialect, void *values,
		struct err *err);

bool value_equal(const struct conf_key *key, const void *a, const void *b);

/* Frees what the member owns. */
void value_release(const struct conf_key *key, void *values);
