/* What another program's sections read differently, and lines that go on. */
#include <stdlib.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "tests/lib/check.h"

struct prog {
	char *command;
	char **list;
	int64_t secs, size, number;
	int mode;
	bool on;
};

static const struct conf_word modes[] = { { "fast", 1 }, { "slow", 2 }, { NULL, 0 } };

static const struct conf_key shared[] = {
	CONF_KEY_DURATION(struct prog, secs, .dflt = "10", .help = "A time."),
	CONF_KEY_SIZE(struct prog, size, .dflt = "50MB", .help = "A size."),
	CONF_KEY_INT(struct prog, number, .dflt = "999", .help = "A number."),
	CONF_KEY_ENUM(struct prog, mode, modes, .dflt = "fast", .help = "A way."),
	CONF_KEY_BOOL(struct prog, on, .dflt = "true", .help = "A switch."),
	CONF_KEY_LIST(struct prog, list, .help = "Some."),
	CONF_END,
};

static const struct conf_key program_keys[] = {
	CONF_KEY_STR(struct prog, command, .help = "What."),
	CONF_MORE(shared),
};

/* "bad" cannot be expanded; the rest is said twice. */
static char *expand(const struct conf *conf, const struct conf_item *item,
		    const struct conf_key *key, const char *raw, struct err *err)
{
	char *word;

	(void)conf;
	if (strcmp(raw, "bad") == 0) {
		err_set(err, ERR_CONF, "is bad");
		return NULL;
	}
	if (key->type != CONF_STR || *item->name != 'd')
		return mem_str(raw);
	cr_assert(asprintf(&word, "%s %s", raw, raw) > 0);
	return word;
}

static const struct conf_dialect dialect = { .expand = expand };

struct ours {
	char *text;
	int64_t wait;
};

static const struct conf_key our_keys[] = {
	CONF_KEY_STR(struct ours, text, .help = "Words."),
	CONF_KEY_DURATION(struct ours, wait, .dflt = "1s", .help = "A time."),
	CONF_END,
};

static const struct conf_section sections[] = {
	{ .name = "ours", .keys = our_keys, .size = sizeof(struct ours) },
	{ .name = "program",
	  .keys = program_keys,
	  .size = sizeof(struct prog),
	  .named = true,
	  .dialect = &dialect },
	{ .name = "http",
	  .keys = shared,
	  .size = sizeof(struct prog),
	  .named = true,
	  .nameless = true,
	  .dialect = &dialect },
	{ .name = NULL },
};

/* Errors, then warnings, a line each. */
static struct conf *read_text(const char *text, char *said, size_t size)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	FILE *out = fmemopen(said, size, "w");

	conf_parse(text, "t.conf", sections, &conf, &errors);
	conf_errors_print(&errors, out);
	conf_warnings_print(&errors, out);
	fputc('\0', out);
	fclose(out);
	conf_errors_fini(&errors);
	return conf;
}

static const struct prog *first(const struct conf *conf)
{
	return conf_next(conf, "program", NULL)->values;
}

Test(dialect, reads_words_its_own_way)
{
	char said[1000];
	struct conf *conf = read_text("[program:a]\nCommand = \"x y\" ; c\nSECS=5\nsize: 2kb\n"
				      "Mode=SLOW # comment\non = Off\nlist = a,\n  b , c\n",
				      said, sizeof(said));
	const struct prog *p = first(conf);

	check_str(said, "");
	check_str(p->command, "\"x y\"");
	check_int(p->secs, 5000);
	check_int(p->size, 2048);
	check_int(p->mode, 2);
	check_int(p->number, 999);
	check_true(!p->on);
	check_str(p->list[0], "a");
	check_str(p->list[1], "b");
	check_str(p->list[2], "c");
	conf_free(conf);
}

Test(dialect, has_defaults_of_both_tables)
{
	char said[1000];
	struct conf *conf = read_text("[program:a]\n", said, sizeof(said));

	check_int(first(conf)->size, 50 << 20);
	check_int(first(conf)->secs, 10000);
	check_true(first(conf)->command == NULL);
	conf_free(conf);
}

Test(dialect, values_go_on)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "[program:a]\ncommand = x\n  y ; c\n\tz\n", "x\ny\nz" },
		{ "[program:a]\n  command = x\n  secs = 3\n", "x" },
		{ "[program:a]\n  command = x\n   secs = 3\n", "x\nsecs = 3" },
		{ "[program:a]\ncommand =\n   x\n   y\n", "x\ny" },
		{ "[program:a]\ncommand = x\n; c\n\n # c\n  y\n[program:b]\n  z=1", "x\n\ny" },
		{ "[program:a]\ncommand = x\n\n\nsecs=2", "x" },
		{ "[program:a]\ncommand = x ; it's\n  y ; it's", "x\ny" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[1000];
		struct conf *conf = read_text(cases[i].text, said, sizeof(said));
		check_str(first(conf)->command, cases[i].want);
		conf_free(conf);
	}
}

Test(dialect, ours_go_on_too_but_keys_stay_keys)
{
	char said[1000];
	struct conf *conf =
		read_text("[ours]\n text = x,\n    y ; c\n    wait = 3s\n", said, sizeof(said));
	const struct ours *o = conf_get(conf, "ours");

	check_str(said, "");
	check_str(o->text, "x,\ny");
	check_int(o->wait, 3000);
	conf_free(conf);
}

Test(dialect, says_what_it_passes_over)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "[program:a]\ncomand=x",
		  "warning: t.conf:2: comand: no such key in [program], is "
		  "command meant?\n" },
		{ "[program:a]\nqq=x", "warning: t.conf:2: qq: no such key in [program]\n" },
		{ "[plugin:x]\na\nb=1\n[program:a]",
		  "warning: t.conf:1: [plugin]: no such section\n" },
		{ "[plugin]\nb=1\n[program:a]", "warning: t.conf:1: [plugin]: no such section\n" },
		{ "[plugin]\n[program:a]\n[ours]", "t.conf:1: [plugin]: no such section\n" },
		{ "[plugin:x]\n[program:a]\n[ours]",
		  "warning: t.conf:1: [plugin]: no such section\n" },
		{ "[plugin:x]\n[ours]", "t.conf:1: [plugin]: no such section\n" },
		{ "[program:a]\nsecs=1\nsecs=2",
		  "warning: t.conf:3: secs: given again, in place of t.conf:2\n" },
		{ "[program:a]\n[include]\nfiles=/no/such",
		  "warning: t.conf:3: files: /no/such: no such file\n" },
		{ "[program:a]\nsecs=x",
		  "t.conf:2: secs: 'x' is not a time (seconds, or with its unit: "
		  "ms, s, m, h or d)\n" },
		{ "[program:a]\nsize=x", "t.conf:2: size: 'x' is not a size (KB, MB or GB)\n" },
		{ "[program:a]\ncommand=bad", "t.conf:2: command: is bad\n" },
		{ "[program:a]\ncommand",
		  "t.conf:2: not a line of the form key = value: command\n" },
		{ "[program]\n", "t.conf:1: [program]: needs a name, as in [program NAME]\n" },
		{ "[http]\n[http:x]", "" },
		{ "[include]\nfiles = %(her)s/x",
		  "t.conf:2: files: %(her)s: no such name, is %(here)s meant?\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[1000];
		struct conf *conf = read_text(cases[i].text, said, sizeof(said));
		check_str(said, cases[i].want);
		conf_free(conf);
	}
}

Test(dialect, expands_when_all_is_read)
{
	char said[1000];
	struct conf *conf = read_text("[program:d]\ncommand=x\ncommand=${y}\n", said, sizeof(said));
	const struct conf_item *item = conf_next(conf, "program", NULL);

	check_str(first(conf)->command, "${y} ${y}");
	check_str(conf_text(item, &program_keys[0]), "${y}");
	check_true(conf_has(item, "command") && !conf_has(item, "secs"));
	conf_free(conf);
}

Test(dialect, includes_by_here_and_several_patterns)
{
	char folder[] = "/tmp/test_dialect.XXXXXX", path[64], text[200];
	struct conf_errors errors = { 0 };
	struct conf *conf;

	cr_assert(mkdtemp(folder) != NULL);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%c.conf", folder, 'a' + i);
		FILE *f = fopen(path, "w");
		fprintf(f, "[program:%c]\nsecs = %d\n", 'a' + i, i);
		fclose(f);
	}
	snprintf(path, sizeof(path), "%s/main.ini", folder);
	FILE *f = fopen(path, "w");
	fputs("[include]\nfiles = %(here)s/a.conf\n   [bc]*.conf none.conf\n[http]\n", f);
	fclose(f);
	check_int(conf_load(path, sections, &conf, &errors), 0);
	check_int(errors.warning_count, 1);
	check_true(conf_find(conf, "program", "a") && conf_find(conf, "program", "b") &&
		   conf_find(conf, "program", "c"));
	check_str(conf_file(conf_find(conf, "program", "a"), NULL) + strlen(folder), "/a.conf");
	char *here = conf_here(path);
	check_str(here, folder);
	free(here);
	conf_free(conf);
	conf_errors_fini(&errors);
	snprintf(text, sizeof(text), "rm -r %s", folder);
	check_int(system(text), 0);
}
