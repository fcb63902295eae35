#include "core/log/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log/line.h"
#include "tests/lib/check.h"

static char folder[] = "/tmp/test_log.XXXXXX";
static char path[64];

static void open_log(bool json, int64_t max_size, int64_t keep)
{
	cr_assert(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/log", folder);
	struct log_conf conf = { path, json, LOG_LEVEL_INFO, max_size, keep };
	log_init("demo", LOG_LEVEL_INFO);
	check_int(log_open(&conf), 0);
}

static char *text_of(const char *name)
{
	static char text[65536];
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return text;
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static void clean(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	check_int(system(command), 0);
}

Test(log, counts_repeated_lines)
{
	open_log(false, 0, 0);
	for (int i = 0; i < 5; i++)
		log_info("again and again");
	log_debug("off");
	log_info("another");
	for (int i = 0; i < 3; i++)
		log_info("third");
	log_tick();
	char *text = text_of(path);
	check_int(count_of(text, "again and again"), 1);
	check_int(count_of(text, "last line repeated 4 times\n"), 1);
	check_int(count_of(text, "last line repeated 2 times\n"), 1);
	check_int(count_of(text, "off"), 0);
	check_int(count_of(text, " info demo["), 5);
	clean();
}

static void count_call(void *data)
{
	++*(int *)data;
}

Test(log, asks_once_for_the_tick_that_tells)
{
	int asked = 0;

	open_log(false, 0, 0);
	log_untold(count_call, &asked);
	log_info("once");
	check_int(asked, 0); /* all is told: an idle process is never woken */
	log_info("once");
	log_info("once");
	check_int(asked, 1);
	log_tick();
	check_int(count_of(text_of(path), "last line repeated 2 times"), 1);
	log_info("more");
	log_info("more");
	check_int(asked, 2);
	log_untold(NULL, NULL);
	log_tick();
	log_info("end");
	log_info("end");
	check_int(asked, 2);
	clean();
}

Test(log, rotates_by_size_and_keeps_so_many)
{
	char old[80];

	open_log(false, 200, 2);
	for (int i = 0; i < 20; i++)
		log_info("line %d that is some fifty bytes long as it stands", i);
	snprintf(old, sizeof(old), "%s.2", path);
	check_int(count_of(text_of(old), "some fifty"), 2);
	snprintf(old, sizeof(old), "%s.3", path);
	cr_expect(access(old, F_OK) != 0);
	cr_expect(strstr(text_of(path), "line 19 ") != NULL);
	clean();
}

Test(log, reopens_a_file_that_was_moved)
{
	char old[80];

	open_log(false, 0, 0);
	log_info("one");
	snprintf(old, sizeof(old), "%s.moved", path);
	rename(path, old);
	check_int(log_reopen(), 0);
	log_info("two");
	check_int(count_of(text_of(path), "two"), 1);
	check_int(count_of(text_of(old), "one"), 1);
	clean();
}

Test(log, json_has_a_field_for_each_pair)
{
	static const struct {
		const char *message, *want;
	} cases[] = {
		{ "hello", "\"message\":\"hello\"}\n" },
		{ "two words a=1 b_c=\"x y\" d=",
		  "\"message\":\"two words\",\"a\":\"1\",\"b_c\":\"x "
		  "y\",\"d\":\"\"}\n" },
		{ "a=1", "\"message\":\"a=1\"}\n" },
		{ "x a=1 rest", "\"message\":\"x\",\"a\":\"1\",\"more\":\"rest\"}\n" },
		{ "q\"\\\n\xff\xc3\xa4", "\"message\":\"q\\\"\\\\\\u000a\\u00ff\xc3\xa4\"}\n" },
		{ "", "\"message\":\"\"}\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event e = { { 0, 0 }, "info", "demo", 7, cases[i].message };
		struct line line;

		line_as_json(&line, &e);
		check_str(strstr(line.text, "\"message\""), cases[i].want);
		check_int(line.len, strlen(line.text));
	}
}

Test(log, cuts_a_long_line_and_shows_control_characters)
{
	static char message[6000];
	struct event e = { { 0, 0 }, "info", "demo", 7, message };
	struct line line;

	memset(message, 1, sizeof(message) - 1);
	line_as_text(&line, &e);
	cr_expect(line.len <= LINE_MAX_SIZE && line.text[line.len - 1] == '\n');
	cr_expect(strstr(line.text, "\\x01\\x01") != NULL);
}

Test(log, does_not_wait_for_a_pipe_that_nobody_reads, .timeout = 5)
{
	int ends[2], saved = dup(2);

	cr_assert(pipe(ends) == 0);
	dup2(ends[1], 2);
	for (int i = 0; i < 5000; i++)
		log_info("line number %d of many", i);
	dup2(saved, 2);
	log_info("told");
	close(ends[0]);
}

static void *talk(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_info("thread %d says %d", *(int *)arg, i);
	return NULL;
}

Test(log, lines_of_threads_stay_whole)
{
	pthread_t threads[4];
	int ids[4] = { 0, 1, 2, 3 };

	open_log(false, 0, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, talk, &ids[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	FILE *f = fopen(path, "r");
	char line[256];
	int n = 0, id, i;
	for (; fgets(line, sizeof(line), f); n++)
		check_int(sscanf(strstr(line, "thread"), "thread %d says %d\n", &id, &i), 2);
	fclose(f);
	check_int(n, 2000);
	clean();
}
