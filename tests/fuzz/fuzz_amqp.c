/* Properties as a server may send them: what jobs go by, and what is published of them again. */
#include <amqp.h>
#include <amqp_framing.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "roles/jobd/jd_amqp_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char room[1 << 20];
	struct jd_amqp_message m = { .body = "b", .size = 1 }, again = m;
	struct jd_amqp_state state = { .id = 1, .attempts = 2, .error = "why" };
	amqp_basic_properties_t out;
	amqp_pool_t pool;

	if (jd_amqp_read(&m, data, size) != 0)
		return 0;
	if (!m.hash || strlen(m.type) >= JD_AMQP_TYPE || m.state.attempts < 0 ||
	    m.state.attempts > 1000 || m.state.due < 0)
		abort();
	init_amqp_pool(&pool, 4096);
	if (jd_amqp_props(&out, &m, &state, 131072, &pool) != 0)
		abort();
	int n = amqp_encode_properties(AMQP_BASIC_CLASS, &out,
				       (amqp_bytes_t){ .bytes = room, .len = sizeof(room) });
	if (n >= 0 && (jd_amqp_read(&again, room, (size_t)n) != 0 || again.state.attempts != 2 ||
		       again.state.id != 1))
		abort();
	empty_amqp_pool(&pool);
	return 0;
}
