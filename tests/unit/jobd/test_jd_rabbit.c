/* What is pure of the RabbitMQ source: the ladder, acknowledgements, properties. */
#include <amqp.h>
#include <amqp_framing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "roles/jobd/jd_amqp_parts.h"
#include "roles/jobd/jd_ladder.h"
#include "roles/jobd/jd_tags.h"
#include "tests/lib/check.h"

Test(jd_ladder, the_longest_step_that_is_not_too_long)
{
	check_int(jd_ladder_step(-1), -1);
	check_int(jd_ladder_step(0), -1);
	check_int(jd_ladder_step(999), -1);
	check_int(jd_ladder_step(1000), 0);
	check_int(jd_ladder_step(1999), 0);
	check_int(jd_ladder_step(2000), 1);
	check_int(jd_ladder_step(INT64_MAX), JD_LADDER_STEPS - 1);
	check_int(jd_ladder_time(JD_LADDER_STEPS - 1), 131072000);
	for (int64_t delay = 1; delay < INT64_MAX / 3; delay = delay * 3 + 1) {
		int64_t left = delay;
		int steps = 0;
		for (int s; (s = jd_ladder_step(left)) >= 0 && steps < 100; steps++) {
			check_true(jd_ladder_time(s) <= left);
			left -= jd_ladder_time(s);
		}
		check_true(left < JD_LADDER_LEAST || steps == 100);
	}
}

/* ---- acknowledgements
 * ------------------------------------------------------------------------------- */

static char said[400];
static int n_done;

static void say(void *data, uint64_t tag, bool multiple)
{
	size_t n = strlen(said);

	(void)data;
	snprintf(said + n, sizeof(said) - n, "%s%d", multiple ? " <=" : " ", (int)tag);
}

static void done(void *data, struct jd_tag *tag)
{
	(void)data;
	check_true(!jd_tags_is_in(tag));
	n_done++;
}

static const char *flush(struct jd_tags *t)
{
	said[0] = '\0';
	jd_tags_flush(t, say, done, NULL);
	return said;
}

Test(jd_tags, what_follows_each_other_is_said_at_once)
{
	struct jd_tags tags;
	struct jd_tag t[20];

	jd_tags_init(&tags);
	for (int i = 1; i < 20; i++)
		jd_tags_put(&tags, &t[i], (uint64_t)i);
	check_str(flush(&tags), "");
	jd_tags_over(&tags, &t[1]);
	check_str(flush(&tags), " 1");
	jd_tags_over(&tags, &t[4]);
	jd_tags_over(&tags, &t[2]);
	jd_tags_over(&tags, &t[3]);
	jd_tags_over(&tags, &t[7]);
	check_str(flush(&tags), " <=4 7");
	jd_tags_drop(&t[5]); /* given back: its place is no hole */
	jd_tags_over(&tags, &t[8]);
	jd_tags_over(&tags, &t[6]);
	jd_tags_over(&tags, &t[10]);
	check_str(flush(&tags), " <=8 10");
	jd_tags_over(&tags, &t[11]);
	jd_tags_drop(&t[11]);
	jd_tags_over(&tags, &t[12]);
	check_str(flush(&tags), " 12");
	check_int(n_done, 9);
	check_str(flush(&tags), "");
}

Test(jd_tags, each_is_acknowledged_once_and_none_that_is_not_over)
{
	struct jd_tags tags;
	struct jd_tag *all[200];
	bool over[201] = { false }, told[201] = { false };
	unsigned chance = 1;

	jd_tags_init(&tags);
	for (int i = 0; i < 200; i++) {
		all[i] = calloc(1, sizeof(struct jd_tag));
		jd_tags_put(&tags, all[i], (uint64_t)i + 1);
	}
	for (int round = 0; round < 2000; round++) {
		int i = rand_r(&chance) % 200;
		if (!over[i + 1])
			jd_tags_over(&tags, all[i]);
		over[i + 1] = true;
		if (round % 7)
			continue;
		flush(&tags);
		for (char *at = said; *at;) {
			bool multiple = at[1] == '<';
			int tag = (int)strtol(at + (multiple ? 3 : 1), &at, 10);
			for (int k = multiple ? 1 : tag; k <= tag; k++) {
				check_true(over[k]);
				check_true(multiple || !told[k]);
				told[k] = true;
			}
		}
		check_true(memcmp(told + 1, over + 1, 200) == 0);
	}
	for (int i = 0; i < 200; i++)
		free(all[i]);
}

/* ---- properties
 * ------------------------------------------------------------------------------------- */

static amqp_table_entry_t text(const char *key, const char *value)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
				     .value = { .kind = AMQP_FIELD_KIND_UTF8,
						.value.bytes = amqp_cstring_bytes(value) } };
}

static amqp_table_entry_t number(const char *key, int64_t n)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
				     .value = { .kind = AMQP_FIELD_KIND_I64, .value.i64 = n } };
}

/* As a server would send them. */
static size_t encode(const amqp_basic_properties_t *p, char *room, size_t most)
{
	int n = amqp_encode_properties(AMQP_BASIC_CLASS, (void *)p,
				       (amqp_bytes_t){ .bytes = room, .len = most });

	check_true(n > 0);
	return (size_t)n;
}

static bool has(const amqp_table_t *t, const char *key)
{
	for (int i = 0; i < t->num_entries; i++)
		if (t->entries[i].key.len == strlen(key) &&
		    memcmp(t->entries[i].key.bytes, key, strlen(key)) == 0)
			return true;
	return false;
}

Test(jd_amqp_message, what_jobs_go_by_and_what_goes_round)
{
	amqp_table_entry_t entries[] = {
		number("x-troupe-id", 12345),   number("x-troupe-attempts", 3),
		number("x-troupe-crashes", -4), number("x-troupe-due", 99),
		text("x-troupe-error", "old"),  text("CC", "other"),
		text("x-death", "been there"),  text("mine", "stays")
	};
	amqp_basic_properties_t p = {
		._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_PRIORITY_FLAG |
			  AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_EXPIRATION_FLAG |
			  AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG,
		.headers = { .num_entries = 8, .entries = entries },
		.priority = 7,
		.type = amqp_cstring_bytes("a\xff type"),
		.expiration = amqp_cstring_bytes("1000"),
		.user_id = amqp_cstring_bytes("guest"),
		.message_id = amqp_cstring_bytes("m1"),
	}, out;
	struct jd_amqp_message m = { .body = "body", .size = 4 }, again;
	char room[1000], room2[1000];
	amqp_pool_t pool;

	check_int(jd_amqp_read(&m, room, encode(&p, room, sizeof(room))), 0);
	check_true(m.state.is_ours);
	check_int(m.state.id, 12345);
	check_int(m.state.attempts, 3);
	check_int(m.state.crashes, 0);
	check_int(m.state.due, 99);
	check_int(m.priority, 7);
	check_str(m.type, "a? type");

	init_amqp_pool(&pool, 4096);
	struct jd_amqp_state state = { .id = 12345, .attempts = 4, .crashes = 1, .error = "new" };
	check_int(jd_amqp_props(&out, &m, &state, 131072, &pool), 0);
	check_true(!(out._flags & (AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG)));
	check_int(out.delivery_mode, 2);
	check_true(has(&out.headers, "mine") && !has(&out.headers, "CC"));
	check_true(!has(&out.headers, "x-death") && !has(&out.headers, "x-troupe-due"));
	again = (struct jd_amqp_message){ .body = "body", .size = 4 };
	check_int(jd_amqp_read(&again, room2, encode(&out, room2, sizeof(room2))), 0);
	check_int(again.state.attempts, 4);
	check_int(again.state.crashes, 1);
	check_true(again.hash == m.hash); /* it is the same, wherever it has been */
	empty_amqp_pool(&pool);
}

Test(jd_amqp_message, of_a_new_one_and_of_others_there_is_another_hash)
{
	struct jd_amqp_message a = { .body = "same", .size = 4, .priority = 3 };
	amqp_basic_properties_t out, p = { ._flags = AMQP_BASIC_MESSAGE_ID_FLAG,
					   .message_id = amqp_cstring_bytes("m1") };
	struct jd_amqp_message b = a, c = a;
	char room[100];
	amqp_pool_t pool;

	init_amqp_pool(&pool, 4096);
	snprintf(a.type, sizeof(a.type), "sort");
	check_int(jd_amqp_props(&out, &a, NULL, 131072, &pool), 0);
	check_int(out.priority, 3);
	check_int(out.headers.num_entries, 0);
	check_true(out._flags & AMQP_BASIC_TYPE_FLAG);
	check_int(jd_amqp_read(&b, "\0\0", 2), 0);
	check_true(!b.state.is_ours && b.priority == -1 && b.hash != 0);
	check_int(jd_amqp_read(&c, room, encode(&p, room, sizeof(room))), 0);
	check_true(b.hash != c.hash);
	c.body = "Same";
	check_int(jd_amqp_read(&c, "\0\0", 2), 0);
	check_true(b.hash != c.hash);
	empty_amqp_pool(&pool);
}

Test(jd_amqp_message, properties_cut_anywhere_are_refused)
{
	amqp_table_entry_t entries[] = { number("x-troupe-id", 12345), text("mine", "stays") };
	amqp_basic_properties_t p = { ._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_TYPE_FLAG,
				      .headers = { .num_entries = 2, .entries = entries },
				      .type = amqp_cstring_bytes("t") };
	struct jd_amqp_message m = { .body = "", .size = 0 };
	char room[300];
	size_t n = encode(&p, room, sizeof(room));

	for (size_t cut = 0; cut < n; cut++) {
		char *exact = malloc(cut + 1); /* so that a sanitizer sees what is beyond */
		memcpy(exact, room, cut);
		check_int(jd_amqp_read(&m, exact, cut), ERR_PROTO);
		free(exact);
	}
	check_int(jd_amqp_read(&m, room, n), 0);
}
