#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/run/pidfile.h"
#include "core/run/place.h"
#include "core/run/request.h"
#include "core/run/settings.h"
#include "tests/lib/check.h"

Test(request, words_come_back_as_they_were)
{
	const char *words[] = { "log-level", "a b", "q\"\\\n", "\xc3\xa4", "", NULL };
	char *text = request_text(5, (char *const *)words);
	char **got;
	int argc;

	check_int(strchr(text, '\n') - text, strlen(text) - 1);
	check_int(request_parse(text, &argc, &got), 0);
	check_int(argc, 5);
	for (int i = 0; i < 5; i++)
		check_str(got[i], words[i]);
	cr_expect(got[5] == NULL);
	request_free(got);
	free(text);
}

Test(request, refuses_what_is_no_list_of_words)
{
	static const char *const cases[] = { "",          "[]",           "{}",    "[1]",
					     "[\"a\"",    "[\"a\",2]",    "\"a\"", "[[\"a\"]]",
					     "[\"a\"] x", "[\"\\u0000\"]" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char **got;
		int argc;

		cr_expect(request_parse(cases[i], &argc, &got) != 0, "%s", cases[i]);
	}
}

Test(pidfile, is_believed_only_while_its_process_lives)
{
	char path[] = "/tmp/test_pidfile.XXXXXX";
	struct err err = { 0 };
	int ready[2], done[2];
	char byte;

	close(mkstemp(path));
	check_int(pidfile_owner(path), 0);
	check_int(pipe(ready) | pipe(done), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = pidfile_take(path, &err);
		byte = fd >= 0;
		_exit(write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1);
	}
	check_int(read(ready[0], &byte, 1), 1);
	check_int(pidfile_owner(path), child);
	check_int(pidfile_take(path, &err), UV_EALREADY);
	cr_expect(strstr(err.text, "already running as process") != NULL);
	check_int(write(done[1], "", 1), 1);
	waitpid(child, NULL, 0);
	check_int(pidfile_owner(path), 0);
	int fd = pidfile_take(path, &err);
	cr_expect(fd >= 0);
	pidfile_give(path, fd);
	cr_expect(access(path, F_OK) != 0);
}

static struct conf *conf_of(const char *text)
{
	static struct conf_section sections[2];
	struct conf_errors errors = { 0 };
	struct conf *conf;

	sections[0] = settings_section;
	check_int(conf_parse(text, "t.ini", sections, &conf, &errors), 0);
	return conf;
}

Test(place, two_files_are_two_instances)
{
	struct conf *conf = conf_of("[troupe]\n");
	struct place a, b, named;

	place_find(&a, "demo", "/etc/hostname", conf);
	place_find(&b, "demo", "/etc/passwd", conf);
	cr_expect(strcmp(a.control, b.control) != 0 && strcmp(a.pid_file, b.pid_file) != 0);
	place_find(&named, "demo", NULL, conf);
	cr_expect(strstr(named.control, "/demo.sock") != NULL);
	conf_free(conf);

	conf = conf_of("[troupe]\ncontrol = off\npid_file = /x/y\n");
	place_find(&a, "demo", "/etc/hostname", conf);
	check_str(a.control, "");
	check_str(a.pid_file, "/x/y");
	conf_free(conf);
}

Test(place, does_not_trust_a_folder_of_another)
{
	char folder[] = "/tmp/test_place.XXXXXX", link[64];
	struct conf *conf = conf_of("[troupe]\n");
	struct err err = { 0 };
	struct place p;

	if (geteuid() == 0 && seteuid(65534) != 0)
		cr_skip_test("cannot become another user");
	cr_assert(mkdtemp(folder) != NULL);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	snprintf(link, sizeof(link), "%s/troupe", folder);
	cr_assert(symlink("/tmp", link) == 0);
	check_int(place_make(&p, "demo", NULL, conf, &err), UV_EPERM);
	unlink(link);
	check_int(place_make(&p, "demo", NULL, conf, &err), 0);
	struct stat st;
	check_int(stat(link, &st), 0);
	check_int(st.st_mode & 0777, 0700);
	rmdir(link);
	rmdir(folder);
	conf_free(conf);
}

Test(settings, are_checked_all_at_once)
{
	struct conf_errors errors = { 0 };
	struct conf *conf = conf_of(
		"[troupe]\nlog = log.txt\nuser = no-such-user\ngroup = no-such\nadmin = x\n");

	settings_check(conf, &errors);
	check_int(errors.count, 4);
	check_str(errors.lines[0],
		  "t.ini:2: log: 'log.txt' is not stderr, syslog or an absolute path");
	conf_errors_fini(&errors);
	conf_free(conf);
}
