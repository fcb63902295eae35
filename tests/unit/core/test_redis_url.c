#include <criterion/criterion.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/redis.h"
#include "tests/lib/check.h"

Test(redis_url, reads_what_people_write)
{
	static const struct {
		const char *text, *host, *user, *password;
		int port, db;
		bool tls;
	} cases[] = {
		{ "redis://h", "h", "", "", 6379, 0, false },
		{ "redis://127.0.0.1:1/5", "127.0.0.1", "", "", 1, 5, false },
		{ "redis://:pwd@h:2/", "h", "", "pwd", 2, 0, false },
		{ "redis://pwd@h", "h", "", "pwd", 6379, 0, false },
		{ "redis://me:p%40ss%2fw@h/1", "h", "me", "p@ss/w", 6379, 1, false },
		{ "rediss://[::1]:7/0", "::1", "", "", 7, 0, true },
		{ "redis+unix:///run/r.sock?db=3", "/run/r.sock", "", "", 0, 3, false },
		{ "redis+unix://:x@/run/r.sock", "/run/r.sock", "", "x", 0, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_url u;
		struct err err = { .text = "" };

		cr_assert(redis_url_read(&u, cases[i].text, &err) == 0, "%s: %s", cases[i].text,
			  err.text);
		check_str(u.addr.host, cases[i].host);
		check_str(u.user, cases[i].user);
		check_str(u.password, cases[i].password);
		check_int(u.addr.is_unix ? 0 : u.addr.port, cases[i].port);
		check_int(u.db, cases[i].db);
		cr_expect(u.tls == cases[i].tls);
	}
}

Test(redis_url, reads_sentinels)
{
	struct redis_url u;
	struct err err = { .text = "" };

	check_int(redis_url_read(&u, "redis+sentinel://me:pw@a,b:7,[::1]/main/2", &err), 0);
	check_int(u.n_sentinels, 3);
	check_str(u.sentinels[0].host, "a");
	check_int(u.sentinels[0].port, 26379);
	check_str(u.sentinels[1].host, "b");
	check_int(u.sentinels[1].port, 7);
	check_str(u.sentinels[2].host, "::1");
	check_str(u.master, "main");
	check_str(u.password, "pw");
	check_int(u.db, 2);
	check_int(redis_url_read(&u, "rediss+sentinel://a/main", &err), 0);
	cr_expect(u.tls && u.n_sentinels == 1 && !u.db);
}

Test(redis_url, refuses_the_rest_without_its_password)
{
	static const char *const bad[] = {
		"",
		"h:6379",
		"http://h",
		"redis://",
		"redis://:secret@",
		"redis://:secret@:1",
		"redis://:secret%2@h",
		"redis://:secret%00@h",
		"redis://:secret@h/x",
		"redis://:secret@h/-1",
		"redis://h:99999",
		"redis+unix://run/x",
		"redis+unix:///run/x?database=1",
		"redis+sentinel://:secret@/main",
		"redis+sentinel://:secret@a,,b/main",
		"redis+sentinel://:secret@a",
		"redis+sentinel://:secret@a/",
		"redis+sentinel://:secret@a/main/x",
		"redis+sentinel://:secret@a,a,a,a,a,a,a,a,a/main",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct redis_url u;
		struct err err = { .text = "" };

		cr_expect(redis_url_read(&u, bad[i], &err) == ERR_CONF, "%s", bad[i]);
		cr_expect(err.text[0] && !strstr(err.text, "secret"), "%s: %s", bad[i], err.text);
	}
}
