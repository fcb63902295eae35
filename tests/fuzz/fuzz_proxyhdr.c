/*
 * A header read at any length is read the same at any greater one, and what was read can be written
 * and read again.
 */
#include <assert.h>
#include <string.h>

#include "roles/sqlproxy/sp_proxyhdr.h"

static void check_rewrite(const struct sockaddr_storage *from)
{
	struct sockaddr_storage again;
	uint8_t out[SP_PROXYHDR_MAX];

	for (int version = 1; version <= 2; version++) {
		size_t len = sp_proxyhdr_write(version, (const struct sockaddr *)from,
					       (const struct sockaddr *)from, out);
		assert(len > 0 && len <= sizeof out);
		assert(sp_proxyhdr_read(out, len, &again) == (int)len);
		assert(memcmp(from, &again, sizeof again) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_storage from, part;
	int whole = sp_proxyhdr_read(data, size, &from);

	assert(whole <= (int)size);
	for (size_t len = 0; len < size && len < SP_PROXYHDR_MAX; len++) {
		int rc = sp_proxyhdr_read(data, len, &part);
		assert(rc == 0 || rc == whole);
	}
	if (whole > 0)
		check_rewrite(&from);
	return 0;
}
