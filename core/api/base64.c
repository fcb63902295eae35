#include <stdlib.h>
#include <string.h>

#include "core/api/spec.h"
#include "core/base/mem.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *api_base64_read(const char *text, size_t len, size_t *n)
{
	size_t pad = len > 1 && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0, at = 0;
	uint32_t bits = 0;

	if (len % 4)
		return NULL;
	unsigned char *out = mem_resize(NULL, len / 4 * 3 + 1);
	for (size_t i = 0; i < len; i++) {
		const char *found = text[i] ? strchr(letters, text[i]) : NULL;
		if (!found && i < len - pad) {
			free(out);
			return NULL;
		}
		bits = bits << 6 | (uint32_t)(found ? found - letters : 0);
		if (i % 4 < 3)
			continue;
		out[at++] = (unsigned char)(bits >> 16);
		out[at++] = (unsigned char)(bits >> 8);
		out[at++] = (unsigned char)bits;
		bits = 0;
	}
	*n = at - pad;
	out[*n] = '\0';
	return (char *)out;
}

void api_base64_put(struct json_out *o, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t bits = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
				(i + 2 < n ? p[i + 2] : 0u);
		char four[4] = { letters[bits >> 18], letters[bits >> 12 & 63],
				 i + 1 < n ? letters[bits >> 6 & 63] : '=',
				 i + 2 < n ? letters[bits & 63] : '=' };
		json_put(o, four, 4);
	}
}
