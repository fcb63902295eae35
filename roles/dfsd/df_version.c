#include "roles/dfsd/df_version.h"

#include <string.h>

enum { ONE = 16 };

struct count {
	uint64_t writer, n;
};

static struct count count_at(struct df_bytes v, size_t at)
{
	struct count c;

	memcpy(&c, (const uint8_t *)v.p + at, ONE);
	return c;
}

bool df_version_is_well(struct df_bytes v)
{
	if (v.n % ONE != 0 || v.n > DF_VERSION)
		return false;
	for (size_t at = 0; at < v.n; at += ONE)
		if (count_at(v, at).n == 0 ||
		    (at && count_at(v, at).writer <= count_at(v, at - ONE).writer))
			return false;
	return true;
}

/* The next writer of both: how often it has written by each. */
static uint64_t next_of(struct df_bytes a, size_t *i, struct df_bytes b, size_t *j, uint64_t n[2])
{
	uint64_t writer = *i < a.n ? count_at(a, *i).writer : UINT64_MAX;

	if (*j < b.n && count_at(b, *j).writer < writer)
		writer = count_at(b, *j).writer;
	n[0] = n[1] = 0;
	if (*i < a.n && count_at(a, *i).writer == writer) {
		n[0] = count_at(a, *i).n;
		*i += ONE;
	}
	if (*j < b.n && count_at(b, *j).writer == writer) {
		n[1] = count_at(b, *j).n;
		*j += ONE;
	}
	return writer;
}

enum df_age df_version_compare(struct df_bytes a, struct df_bytes b)
{
	bool older = false, newer = false;
	uint64_t n[2];

	for (size_t i = 0, j = 0; i < a.n || j < b.n;) {
		next_of(a, &i, b, &j, n);
		older |= n[0] < n[1];
		newer |= n[0] > n[1];
	}
	if (older && newer)
		return DF_APART;
	return older ? DF_OLDER : newer ? DF_NEWER : DF_SAME;
}

size_t df_version_merge(uint8_t *out, struct df_bytes a, struct df_bytes b)
{
	size_t at = 0;
	uint64_t n[2];

	for (size_t i = 0, j = 0; (i < a.n || j < b.n) && at < DF_VERSION; at += ONE) {
		struct count c = { .writer = next_of(a, &i, b, &j, n) };
		c.n = n[0] > n[1] ? n[0] : n[1];
		memcpy(out + at, &c, ONE);
	}
	return at;
}

size_t df_version_count(uint8_t *out, struct df_bytes v, uint64_t writer)
{
	struct count one = { writer, 1 };

	for (size_t at = 0; at < v.n; at += ONE)
		if (count_at(v, at).writer == writer)
			one.n = count_at(v, at).n + 1;
	return df_version_merge(out, v, (struct df_bytes){ &one, ONE });
}
