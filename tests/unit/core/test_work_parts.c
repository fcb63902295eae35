/* What the work engine is made of: heaps, names, backoff. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/work/backoff.h"
#include "core/work/heap.h"
#include "core/work/ident.h"

Test(heap, gives_the_least_first_and_lets_go_of_any)
{
	enum { N = 5000 };
	static struct heap_node nodes[N];
	struct heap h = { .n = 0 };
	uint64_t last = 0;
	uint32_t left = 0;

	srand(1);
	for (int i = 0; i < N; i++)
		heap_put(&h, &nodes[i], (uint64_t)(rand() % 1000));
	for (int i = 0; i < N; i += 3)
		heap_remove(&h, &nodes[i]);
	for (int i = 1; i < N; i += 3)
		heap_set(&h, &nodes[i], (uint64_t)(rand() % 1000));
	for (int i = 0; i < N; i++)
		left += nodes[i].pos != HEAP_OUT;
	cr_expect(h.n == left);
	for (; heap_first(&h); left--) {
		struct heap_node *n = heap_first(&h);
		cr_assert(n->key >= last);
		last = n->key;
		heap_remove(&h, n);
		heap_remove(&h, n);
	}
	cr_expect(left == 0);
	heap_fini(&h);
}

Test(heap, can_be_put_in_order_after_keys_were_changed)
{
	static struct heap_node nodes[1000];
	struct heap h = { .n = 0 };

	for (uint64_t i = 0; i < 1000; i++)
		heap_put(&h, &nodes[i], i);
	for (uint32_t i = 0; i < h.n; i++)
		h.slots[i].key = h.slots[i].node->key = 1000 - h.slots[i].key;
	heap_rebuild(&h);
	for (uint64_t i = 1; i <= 1000; i++) {
		cr_assert(heap_first(&h)->key == i);
		heap_remove(&h, heap_first(&h));
	}
	heap_fini(&h);
}

Test(ident, ascends_whatever_the_clock_does)
{
	uint64_t a = ident_next(0, 1800000000000);
	uint64_t b = ident_next(a, 1800000000000);
	uint64_t c = ident_next(b, 1700000000000);
	uint64_t back;
	char text[2][IDENT_LEN + 1];

	cr_expect(a < b && b < c);
	cr_expect(ident_time(a) == 1800000000000);
	ident_write(a, text[0]);
	ident_write(b, text[1]);
	cr_expect(strlen(text[0]) == IDENT_LEN && strcmp(text[0], text[1]) < 0);
	cr_expect(ident_read(text[0], &back) && back == a);
	text[0][5] = 'a';
	text[1][5] = 'A';
	cr_expect(ident_read(text[0], &a) && ident_read(text[1], &b) && a >> 30 == b >> 30);
	cr_expect(!ident_read("", &a) && !ident_read("0000000000U00", &a));
	cr_expect(!ident_read("00000000000000", &a) && !ident_read("ZZZZZZZZZZZZZ", &a));
}

Test(backoff, waits_as_it_is_told)
{
	static const struct {
		const char *text;
		int64_t at[5]; /* after 1, 2, 3, 4 and 40 attempts */
	} rows[] = {
		{ "exp 1s 10s", { 1000, 2000, 4000, 8000, 10000 } },
		{ "  exp   100ms  1h ", { 100, 200, 400, 800, 3600000 } },
		{ "linear 2s 1m", { 2000, 4000, 6000, 8000, 60000 } },
		{ "fixed 5m", { 300000, 300000, 300000, 300000, 300000 } },
		{ "list 1s,10s,1m", { 1000, 10000, 60000, 60000, 60000 } },
		{ "poly4",
		  { 15000, 16000, 31000, 96000, (int64_t)(39 * 39 * 39 * 39 + 15) * 1000 } },
	};
	static const int attempts[] = { 1, 2, 3, 4, 40 };
	struct backoff b;
	struct err err = { .text = "" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert(backoff_parse(&b, rows[i].text, &err) == 0, "%s", err.text);
		for (int k = 0; k < 5; k++)
			cr_expect(backoff_delay(&b, attempts[k], 0) == rows[i].at[k], "%s %d: %ld",
				  rows[i].text, attempts[k], backoff_delay(&b, attempts[k], 0));
	}
	cr_assert(backoff_parse(&b, "exp 1s 1h jitter 20%", NULL) == 0);
	int64_t least = 1 << 30, most = 0;
	for (uint64_t chance = 0; chance < 10000; chance++) {
		int64_t ms = backoff_delay(&b, 2, chance * 7919);
		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	cr_expect(least == 1600 && most == 2400, "%ld %ld", least, most);
}

Test(backoff, says_what_is_wrong)
{
	static const char *const rows[][2] = {
		{ "", "exp, linear" },
		{ "twice 1s", "exp, linear" },
		{ "exp", "missing" },
		{ "exp 1s", "missing" },
		{ "exp 10 1h", "a unit" },
		{ "exp 2s 1s", "less than" },
		{ "list", "missing" },
		{ "list 1s,,2s", "missing" },
		{ "fixed 1s jitter", "percent" },
		{ "fixed 1s jitter 200%", "percent" },
		{ "fixed 1s 2s", "what is that" },
		{ "fixed -1s", "missing" },
		{ "fixed 99999d", "a year" },
		{ "fixed 1s jitter 5% x", "percent" },
	};
	struct backoff b = { .kind = 77 };
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect(backoff_parse(&b, rows[i][0], &err) == ERR_CONF, "%s", rows[i][0]);
		cr_expect(strstr(err.text, rows[i][1]), "%s: %s", rows[i][0], err.text);
	}
	cr_expect(b.kind == 77);
}
