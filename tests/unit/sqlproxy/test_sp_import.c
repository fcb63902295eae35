#include "roles/sqlproxy/sp_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"

static char dir[] = "/tmp/sp-import-XXXXXX";

static void path_of(const char *name, char out[100])
{
	snprintf(out, 100, "%s/%s", dir, name);
}

static void write_file(const char *name, const char *text)
{
	char path[100];

	path_of(name, path);
	FILE *file = fopen(path, "w");
	cr_assert(file != NULL);
	fputs(text, file);
	fclose(file);
}

static char *read_file(const char *name, char *out, size_t size)
{
	char path[100];

	path_of(name, path);
	FILE *file = fopen(path, "r");
	cr_assert(file != NULL);
	out[fread(out, 1, size - 1, file)] = '\0';
	fclose(file);
	return out;
}

static int import(const char *out)
{
	char path[100], command[] = "import-smproxy";

	path_of(out, path);
	return sp_import_main(3, (char *[]){ command, dir, path, NULL });
}

static void setup(void)
{
	cr_assert(mkdtemp(dir) != NULL);
}

static void teardown(void)
{
	static const char *const names[] = { "a.json", "b.json", "out", "err" };
	char path[100];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		path_of(names[i], path);
		unlink(path);
	}
	rmdir(dir);
}

TestSuite(sp_import, .init = setup, .fini = teardown);

static const char database_json[] =
	"{ \"database\": {\n"
	" \"account\": { \"rw\": { \"user\": \"shop\", \"password\": \"12;34 56\" } },\n"
	" \"serverInfo\": { \"main\": {\n"
	"  \"write\": { \"host\": [\"10.0.0.1\", \"10.0.0.9\"], \"port\": 3306, \"timeout\": 2,\n"
	"             \"account\": \"rw\", \"startConns\": 3 },\n"
	"  \"read\": { \"host\": [\"10.0.0.1\", \"10.0.0.2\", \"fe80::3\"], \"port\": \"3306\",\n"
	"            \"account\": \"rw\" } } },\n"
	" \"databases\": { \"shop\": { \"serverInfo\": \"main\", \"databaseName\": \"shop_prod\",\n"
	"  \"startConns\": \"2*(1+1)\", \"maxSpareConns\": \"10/4\", \"maxSpareExp\": 3600,\n"
	"  \"maxConns\": 20, \"charset\": \"utf8mb4\", \"maxBad\": \"system('x')\" } } } }\n";
static const char server_json[] =
	"{ \"server\": { \"user\": \"app\", \"password\": \"a${b}\", \"host\": \"0.0.0.0\",\n"
	" \"port\": \"3366, 3367\", \"mode\": \"SWOOLE_PROCESS\",\n"
	" \"swoole\": { \"worker_num\": \"2\", \"max_coro_num\": 6000, \"daemonize\": true,\n"
	"  \"heartbeat_idle_time\": 600 } } }\n";

static const char want[] =
	"[sqlproxy]\n"
	"listen = 0.0.0.0:3366, 0.0.0.0:3367\n"
	"workers = 2\n"
	"max_clients = 12000\n"
	"client_idle_timeout = 600s\n"
	"\n"
	"[user app]\n"
	"password = a$${b}\n"
	"backend_user = shop\n"
	"backend_password = \"12;34 56\"\n"
	"\n"
	"[server main]\n"
	"address = 10.0.0.1:3306\n"
	"role = primary\n"
	"connect_timeout = 2s\n"
	"max_connections = 20\n"
	"\n"
	"[server main-read2]\n"
	"address = 10.0.0.2:3306\n"
	"role = replica\n"
	"max_connections = 20\n"
	"\n"
	"[server main-read3]\n"
	"address = [fe80::3]:3306\n"
	"role = replica\n"
	"max_connections = 20\n"
	"; not carried over: writer 10.0.0.9:3306 (SMProxy drew one writer at random; there can be "
	"one primary)\n"
	"\n"
	"[database shop]\n"
	"servers = main, main-read2, main-read3\n"
	"split = yes\n"
	"queue_timeout = 2s\n"
	"name = shop_prod\n"
	"initial = 4\n"
	"max_idle = 2\n"
	"idle_timeout = 3600s\n"
	"max = 20\n"
	"\n"
	"; not carried over: database.serverInfo.main.write.startConns = 3 (a pool's limits belong "
	"to "
	"its [database])\n"
	"; not carried over: database.databases.shop.charset = \"utf8mb4\" (clients choose their "
	"own)\n"
	"; not carried over: database.databases.shop.maxBad = \"system('x')\" (unknown)\n"
	"; not carried over: server.mode = \"SWOOLE_PROCESS\" (there are threads, one kind)\n"
	"; not carried over: server.swoole.daemonize = true (the service manager sees to that)\n";

Test(sp_import, writes_what_it_can_carry_over_and_names_the_rest)
{
	char text[4096];

	write_file("a.json", database_json);
	write_file("b.json", server_json);
	check_int(import("out"), 0);
	const char *got = strstr(read_file("out", text, sizeof text), "[sqlproxy]");
	check_str(got, want);
	check_int(import("out"), 1); /* it is there already */
}

Test(sp_import, names_file_and_line_of_an_error)
{
	static const struct {
		const char *a, *b, *say;
	} rows[] = {
		{ "{ \"server\": {},\n\n \"x\" }", "{}", "/a.json:3: " },
		{ "{ \"server\": {} }", "[]", "/b.json:1: not an object" },
		{ "{}", "{ \"server\": { \"a\": 1,\n \"a\": 2 } }", "/b.json:2: " },
		{ "{}", "{}", "no \"server\" in any file" },
		{ "{ \"server\": {} }", "{ \"database\": { \"databases\": { \"x\": {} } } }",
		  "database x: its serverInfo \"\" has no writer" },
	};
	char text[1000], path[100];

	path_of("err", path);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		write_file("a.json", rows[i].a);
		write_file("b.json", rows[i].b);
		cr_assert(freopen(path, "w", stderr) != NULL);
		check_int(import("out"), 1);
		fflush(stderr);
		const char *said = read_file("err", text, sizeof text);
		cr_expect(strstr(said, rows[i].say) != NULL, "%s, not %s", said, rows[i].say);
	}
}

Test(sp_import, works_out_numbers_and_nothing_else)
{
	static const struct {
		const char *text;
		long want; /* -1: refused */
	} rows[] = {
		{ "7", 7 },
		{ " 2 * swoole_cpu_num() + 1 ", 9 },
		{ "swoole_cpu_num()*10", 40 },
		{ "(1+2)*(3-1)", 6 },
		{ "10/4", 2 },
		{ "2.5*2", 5 },
		{ "1-2", -1 },
		{ "-(1)+3", 2 },
		{ "1/0", -1 },
		{ "", -1 },
		{ "1 2", -1 },
		{ "(1", -1 },
		{ "1;2", -1 },
		{ "swoole_cpu_num", -1 },
		{ "phpinfo()", -1 },
		{ "9999999999", -1 },
		{ "((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))", -1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		long n = -1;
		bool good = sp_import_number(rows[i].text, 4, &n);
		cr_expect(n == rows[i].want && good == (rows[i].want >= 0), "%s: %ld", rows[i].text,
			  n);
	}
}
