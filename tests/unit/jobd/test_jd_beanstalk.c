/* Lines of beanstalkd's protocol, and what a job's numbers become. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roles/jobd/jd_beanstalk_private.h"
#include "tests/lib/check.h"

/* As one text. */
static const char *told(const struct jd_bs_command *c)
{
	static char text[400];

	snprintf(text, sizeof(text), "%d id=%lu p=%u d=%u r=%u n=%u t=%ld '%.*s'", c->verb,
		 (unsigned long)c->id, c->pri, c->delay, c->ttr, c->n, (long)c->timeout,
		 (int)c->name_n, c->name ? c->name : "");
	return text;
}

Test(jd_beanstalk, lines_right_and_wrong_at_every_cut)
{
	static const struct {
		const char *line;
		struct jd_bs_command want;
	} cases[] = {
		{ "put 1 2 3 4", { .verb = JD_BS_PUT, .pri = 1, .delay = 2, .ttr = 3, .n = 4 } },
		{ "put  4294967295  0 0   7", { .verb = JD_BS_PUT, .pri = UINT32_MAX, .n = 7 } },
		{ "put 4294967296 0 0 7", { .verb = JD_BS_BAD } },
		{ "put 1 2 3", { .verb = JD_BS_BAD } },
		{ "put 1 2 3 4 ", { .verb = JD_BS_BAD } },
		{ "put 1 2 3 4 5", { .verb = JD_BS_BAD } },
		{ "put 1 2 3 +4", { .verb = JD_BS_BAD } },
		{ "put 1 2 3 4x", { .verb = JD_BS_BAD } },
		{ "put -1 2 3 4", { .verb = JD_BS_BAD } },
		{ "put", { .verb = JD_BS_UNKNOWN } },
		{ "Put 1 2 3 4", { .verb = JD_BS_UNKNOWN } },
		{ " put 1 2 3 4", { .verb = JD_BS_UNKNOWN } },
		{ "", { .verb = JD_BS_UNKNOWN } },
		{ "reserve", { .verb = JD_BS_RESERVE } },
		{ "reserve ", { .verb = JD_BS_BAD } },
		{ "reserves", { .verb = JD_BS_BAD } },
		{ "reserve-with-timeout 5", { .verb = JD_BS_RESERVE_WITH_TIMEOUT, .timeout = 5 } },
		{ "reserve-with-timeout -1",
		  { .verb = JD_BS_RESERVE_WITH_TIMEOUT, .timeout = -1 } },
		{ "reserve-with-timeout -", { .verb = JD_BS_BAD } },
		{ "reserve-with-timeout 2147483648", { .verb = JD_BS_BAD } },
		{ "reserve-with-timeout", { .verb = JD_BS_BAD } },
		{ "reserve-job 18446744073709551615",
		  { .verb = JD_BS_RESERVE_JOB, .id = UINT64_MAX } },
		{ "reserve-job 18446744073709551616", { .verb = JD_BS_BAD } },
		{ "delete 12", { .verb = JD_BS_DELETE, .id = 12 } },
		{ "delete", { .verb = JD_BS_UNKNOWN } },
		{ "delete ", { .verb = JD_BS_BAD } },
		{ "release 9 8 7", { .verb = JD_BS_RELEASE, .id = 9, .pri = 8, .delay = 7 } },
		{ "release 9 8", { .verb = JD_BS_BAD } },
		{ "bury 9 8", { .verb = JD_BS_BURY, .id = 9, .pri = 8 } },
		{ "touch 1", { .verb = JD_BS_TOUCH, .id = 1 } },
		{ "use a-b+c/d;e.f$g_h(i)", { .verb = JD_BS_USE, .name = "a-b+c/d;e.f$g_h(i)" } },
		{ "use -a", { .verb = JD_BS_BAD } },
		{ "use a b", { .verb = JD_BS_BAD } },
		{ "use a@b", { .verb = JD_BS_BAD } },
		{ "use ", { .verb = JD_BS_BAD } },
		{ "watch x", { .verb = JD_BS_WATCH, .name = "x" } },
		{ "ignore x", { .verb = JD_BS_IGNORE, .name = "x" } },
		{ "peek 3", { .verb = JD_BS_PEEK, .id = 3 } },
		{ "peek-ready", { .verb = JD_BS_PEEK_READY } },
		{ "peek-delayed", { .verb = JD_BS_PEEK_DELAYED } },
		{ "peek-buried", { .verb = JD_BS_PEEK_BURIED } },
		{ "peek", { .verb = JD_BS_UNKNOWN } },
		{ "kick 3", { .verb = JD_BS_KICK, .n = 3 } },
		{ "kick 3x", { .verb = JD_BS_BAD } },
		{ "kick-job 3", { .verb = JD_BS_KICK_JOB, .id = 3 } },
		{ "stats", { .verb = JD_BS_STATS } },
		{ "stats-job 3", { .verb = JD_BS_STATS_JOB, .id = 3 } },
		{ "stats-job", { .verb = JD_BS_BAD } },
		{ "stats-tube x", { .verb = JD_BS_STATS_TUBE, .name = "x" } },
		{ "list-tubes", { .verb = JD_BS_LIST_TUBES } },
		{ "list-tube-used", { .verb = JD_BS_LIST_TUBE_USED } },
		{ "list-tubes-watched", { .verb = JD_BS_LIST_TUBES_WATCHED } },
		{ "list-tubes-watcher", { .verb = JD_BS_BAD } },
		{ "pause-tube x 5", { .verb = JD_BS_PAUSE_TUBE, .delay = 5, .name = "x" } },
		{ "pause-tube x", { .verb = JD_BS_BAD } },
		{ "quit", { .verb = JD_BS_QUIT } },
		{ "a\rb", { .verb = JD_BS_UNKNOWN } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[300], want[400];
		struct jd_bs_command c, w = cases[i].want;
		size_t n = (size_t)snprintf(line, sizeof(line), "%s\r\n", cases[i].line);
		if (!w.timeout && w.verb != JD_BS_RESERVE_WITH_TIMEOUT)
			w.timeout = -1;
		w.name_n = w.name ? strlen(w.name) : 0;
		for (size_t cut = 0; cut < n; cut++)
			check_int(jd_bs_parse(&c, line, cut), 0);
		check_int(jd_bs_parse(&c, line, n), n);
		if (w.verb == JD_BS_BAD || w.verb == JD_BS_UNKNOWN) {
			check_int(c.verb, w.verb);
			continue;
		}
		strcpy(want, told(&w));
		check_str(told(&c), want);
	}
}

Test(jd_beanstalk, a_line_that_is_too_long_is_left_at_its_end)
{
	char data[1000];
	struct jd_bs_command c;
	bool ended;

	memset(data, 'x', sizeof(data));
	check_int(jd_bs_parse(&c, data, JD_BS_LINE - 1), 0);
	check_int(jd_bs_parse(&c, data, JD_BS_LINE), JD_BS_LINE - 1);
	check_int(c.verb, JD_BS_TOO_LONG);
	memcpy(data + JD_BS_LINE - 2, "\r\n", 2);
	check_int(jd_bs_parse(&c, data, JD_BS_LINE), JD_BS_LINE);
	check_int(c.verb, JD_BS_UNKNOWN);
	check_int(jd_bs_skip("abc\r\nd", 6, &ended), 5);
	check_true(ended);
	check_int(jd_bs_skip("abc\r", 4, &ended), 3);
	check_true(!ended);
	check_int(jd_bs_skip("abc", 3, &ended), 3);
	check_int(jd_bs_skip("\r", 1, &ended), 0);
}

Test(jd_beanstalk, priorities_keep_their_order)
{
	uint32_t last = 0;

	check_int(jd_bs_prio_of(0), 0);
	check_int(jd_bs_prio_of(63), 63);
	check_int(jd_bs_prio_of(64), 64);
	check_int(jd_bs_prio_of(1023), 127);
	check_int(jd_bs_prio_of(1024), 128);
	check_int(jd_bs_prio_of(UINT32_MAX), 255);
	for (uint64_t p = 0; p <= UINT32_MAX; p += 1 + p / 1000) {
		int prio = jd_bs_prio_of((uint32_t)p);
		cr_assert(prio >= (int)last && prio <= 255);
		last = (uint32_t)prio;
	}
	for (int prio = 0; prio < 256; prio++) {
		check_int(jd_bs_prio_of(jd_bs_pri_of(prio)), prio);
		if (prio)
			check_int(jd_bs_prio_of(jd_bs_pri_of(prio) - 1), prio - 1);
	}
}

Test(jd_beanstalk, what_stands_beside_a_job)
{
	struct jd_bs_facts f = { UINT32_MAX, 0, 4000000000 }, back;
	char text[JD_BS_META];
	size_t n = jd_bs_meta_write(text, &f);

	cr_assert(n < JD_BS_META);
	check_true(jd_bs_meta_read(text, n, &back));
	check_int(back.pri, UINT32_MAX);
	check_int(back.delay, 0);
	check_int(back.ttr, 4000000000);
	check_true(!jd_bs_meta_read("{\"headers\":{}}", 14, &back));
	check_true(!jd_bs_meta_read(NULL, 0, &back));
}

Test(jd_beanstalk, marks_are_found_and_the_oldest_forgotten)
{
	struct jd_bs bs = { .jd = NULL };

	list_init(&bs.marks.ages);
	for (uint64_t id = 1; id <= JD_BS_MARKS + 10; id++)
		jd_bs_mark_get(&bs, id << 20)->releases = (uint32_t)id;
	check_int(bs.marks.n, JD_BS_MARKS);
	check_true(!jd_bs_mark_find(&bs, (uint64_t)10 << 20));
	check_int(jd_bs_mark_find(&bs, (uint64_t)11 << 20)->releases, 11);
	jd_bs_mark_drop(&bs, (uint64_t)11 << 20);
	check_true(!jd_bs_mark_find(&bs, (uint64_t)11 << 20));
	jd_bs_marks_free(&bs);
}
