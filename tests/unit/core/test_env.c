#include "core/proc/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

Test(env, later_words_win)
{
	struct env e, copy;

	env_init(&e);
	check_true(env_vars(&e)[0] == NULL);
	env_set(&e, "A", "1");
	env_set(&e, "AB", "2");
	env_set(&e, "A", "3");
	env_set(&e, "B", "");
	env_set(&e, "GONE", NULL);
	check_str(env_get(&e, "A"), "3");
	check_str(env_get(&e, "AB"), "2");
	check_true(env_get(&e, "GONE") == NULL);
	env_init(&copy);
	env_set(&copy, "A", "0");
	env_copy(&copy, &e);
	env_set(&copy, "AB", NULL);
	check_str(env_vars(&copy)[0], "A=3");
	check_str(env_vars(&copy)[1], "B=");
	check_true(env_vars(&copy)[2] == NULL);
	setenv("TEST_ENV", "x=y", 1);
	env_inherit(&copy);
	check_str(env_get(&copy, "TEST_ENV"), "x=y");
	for (int i = 0; i < 100; i++) {
		char key[16];
		snprintf(key, sizeof(key), "K%d", i);
		env_set(&copy, key, key);
	}
	check_str(env_get(&copy, "K99"), "K99");
	env_fini(&e);
	env_fini(&copy);
}

Test(env, reads_files_as_others_do)
{
	static const struct {
		const char *text, *key, *value;
	} cases[] = {
		{ "A=b", "A", "b" },
		{ "A=b\r\nC=d\r\n", "A", "b" },
		{ "\n\n# x\n  A = b c  # d\n", "A", "b c" },
		{ "A=b#c\n", "A", "b#c" },
		{ "A=#c\n", "A", "" },
		{ "A=\nB=2", "A", "" },
		{ "A=\nB=2", "B", "2" },
		{ "export A=1", "A", "1" },
		{ "exported=1", "exported", "1" },
		{ "A=\"b\\n\\\"c\\\" \\x $d\" # e\n", "A", "b\n\"c\" \\x $d" },
		{ "A='b\\n $c'\n", "A", "b\\n $c" },
		{ "A=\"two\nlines\"\nB=3\n", "A", "two\nlines" },
		{ "A=\"two\nlines\"\nB=3\n", "B", "3" },
		{ "A=x=y=z", "A", "x=y=z" },
		{ "A.b-c=1", "A.b-c", "1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct env e;
		struct err err = { 0 };
		env_init(&e);
		int rc = env_parse(&e, "f", cases[i].text, &err);
		cr_expect(rc == 0, "%s: %s", cases[i].text, err.text);
		check_str(env_get(&e, cases[i].key), cases[i].value);
		env_fini(&e);
	}
}

Test(env, says_where_a_file_is_wrong)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "A=1\nB\n", "f:2: KEY=value is expected" },
		{ "1A=1", "f:1: KEY=value is expected" },
		{ "=1", "f:1: KEY=value is expected" },
		{ "A=\"x\n\nB=1\n", "f:1: the quote is never closed" },
		{ "X=1\nA='x", "f:2: the quote is never closed" },
		{ "A='x' y\n", "f:1: something stands behind the closing quote" },
		{ "A=\"x\n\"\n\nB", "f:4: KEY=value is expected" },
	};
	struct err err;
	struct env e;

	env_init(&e);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_int(env_parse(&e, "f", cases[i].text, &err), ERR_CONF);
		check_str(err.text, cases[i].message);
	}
	check_int(env_load(&e, "/no/such.env", &err), UV_ENOENT);
	check_str(err.text, "/no/such.env: No such file or directory");
	check_int(env_load(&e, "/tmp", &err), UV_EISDIR);
	check_int(env_load(&e, "/proc/self/environ", &err), ERR_CONF); /* has NULs */
	env_fini(&e);
}

Test(env, loads_a_file)
{
	char path[] = "/tmp/test_env.XXXXXX";
	int fd = mkstemp(path);
	struct env e;

	check_int(write(fd, "A=1\nB=2\n", 8), 8);
	close(fd);
	env_init(&e);
	check_int(env_load(&e, path, NULL), 0);
	check_str(env_get(&e, "B"), "2");
	env_fini(&e);
	unlink(path);
}
