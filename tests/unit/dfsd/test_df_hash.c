/* XXH3 and XXH32: known values, and pieces that are as the whole. */
#include "roles/dfsd/df_hash.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/check.h"

static const char *hex(const uint8_t hash[16])
{
	static char text[33];

	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return text;
}

Test(df_hash, what_others_get_too)
{
	uint8_t hash[16];

	check_int(df_hash_frame("", 0), 0x02cc5d05); /* xxHash's own test vectors, of seed 0 */
	check_int(df_hash_frame("abc", 3), 0x32d153ff);
	df_hash("", 0, hash);
	check_str(hex(hash), "99aa06d3014798d86001c324468d497f");
}

Test(df_hash, in_pieces_at_every_cut)
{
	uint8_t text[700], whole[16], pieces[16];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	df_hash(text, sizeof(text), whole);
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		struct df_hasher *h = df_hasher_new();
		df_hasher_add(h, text, cut);
		df_hasher_add(h, text + cut, sizeof(text) - cut);
		df_hasher_get(h, pieces);
		check_int(memcmp(pieces, whole, 16), 0);
		df_hasher_free(h);
	}
	df_hasher_free(NULL);
}
