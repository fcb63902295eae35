#include "roles/dfsd/df_frame.h"

#include <endian.h>
#include <string.h>

#include "core/base/err.h"
#include "roles/dfsd/df_hash.h"

void df_frame_head(uint8_t head[DF_FRAME_HEAD], const struct df_frame *f, bool checked)
{
	uint32_t n = htole32((uint32_t)f->n), stream = htole32(f->stream);
	uint32_t sum = checked ? htole32(df_hash_frame(f->p, f->n)) : 0;
	uint16_t share = htole16(f->share);

	memcpy(head, &n, 4);
	head[4] = f->type;
	head[5] = f->flags;
	memcpy(head + 6, &share, 2);
	memcpy(head + 8, &stream, 4);
	memcpy(head + 12, &sum, 4);
}

long df_frame_get(const uint8_t *p, size_t n, struct df_frame *f, bool checked)
{
	uint32_t size, stream, sum;
	uint16_t share;

	if (n < DF_FRAME_HEAD)
		return 0;
	memcpy(&size, p, 4);
	memcpy(&share, p + 6, 2);
	memcpy(&stream, p + 8, 4);
	memcpy(&sum, p + 12, 4);
	size = le32toh(size);
	if (size > DF_FRAME_MOST)
		return ERR_PROTO;
	if (n < DF_FRAME_HEAD + (size_t)size)
		return 0;
	*f = (struct df_frame){
		.type = p[4],
		.flags = p[5],
		.share = le16toh(share),
		.stream = le32toh(stream),
		.p = p + DF_FRAME_HEAD,
		.n = size,
	};
	if (checked && le32toh(sum) != df_hash_frame(f->p, f->n))
		return ERR_PROTO;
	return DF_FRAME_HEAD + (long)size;
}
