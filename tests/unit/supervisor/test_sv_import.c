/* What is imported loads, and says the same. */
#include "roles/supervisor/sv_import.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "roles/supervisor/sv_literal.h"
#include "tests/lib/check.h"
#include "tests/unit/supervisor/sv_try.h"

typedef int (*importer)(const char *text, const char *file, FILE *out, struct err *err);

/* The ini; asserted to load. The caller's to free. */
static char *import(importer with, const char *text, const char *file)
{
	char *ini = NULL;
	size_t size;
	FILE *out = open_memstream(&ini, &size);
	struct err err = { 0 };

	check_int(with(text, file, out, &err), 0);
	check_str(err.text, "");
	fclose(out);
	char *said = sv_try_said(ini);
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		check_str(strncmp(line, "warning", 7) == 0 ? "" : line, "");
	free(said);
	return ini;
}

static void check_has(const char *ini, const char *line)
{
	if (!strstr(ini, line))
		fprintf(stderr, "%s\nis not in:\n%s\n", line, ini);
	check_true(strstr(ini, line));
}

static const char php[] =
	"<?php\n/* comment */ namespace A\\B;\nuse X;\ndefine('ROOT', '/srv');\n"
	"return $config = [\n"
	"    // a comment with 'quotes'\n"
	"    'logPath' => __DIR__ . '/log', 'logSaveFileApp' => \"app.log\",\n"
	"    'pidPath' => ROOT . '/run', 'processName' => ':workers', 'sleepTime' => 3000,\n"
	"    'redis' => ['host' => '10.0.0.1', 'port' => '6379', 'preKey' => 'P-', 'select' => 2,\n"
	"                'password' => 'hush', 'serialize' => true],\n"
	"    'exec' => [\n"
	"        ['name' => 'first one', 'bin' => '/usr/bin/php',\n"
	"         'binArgs' => [ROOT . '/think', 'it\\'s', '100%', 'a ; b', 5], 'workNum' => 2,\n"
	"         'dynamicWorkNum' => 3, 'queueNumCacheKey' => 'q'],\n"
	"        array('name' => 'second', 'bin' => 'sleep', 'binArgs' => array('1'),\n"
	"              'cpu' => shell_exec('nproc', [1, 2]), 'odd' => 1.5,),\n"
	"        /* ['name' => 'third'], */\n"
	"    ],\n];\n";

Test(sv_import, reads_multiprocess)
{
	char *ini = import(sv_import_multiprocess, php, "/app/config.php");
	struct sv_setup *s = sv_try(ini);
	const struct sv_process_conf *p = sv_try_process(s, "first_one", "first_one_01");

	check_str(p->argv[0], "/usr/bin/php");
	check_str(p->argv[1], "/srv/think");
	check_str(p->argv[2], "it's");
	check_str(p->argv[3], "100%");
	check_str(p->argv[4], "a ; b");
	check_str(p->argv[5], "5");
	check_int(p->program->conf->numprocs, 2);
	check_int(p->program->conf->numprocs_max, 5);
	check_int(p->program->conf->autorestart, SV_RESTART_ALWAYS);
	check_int(p->program->backoff.delay, 3000);
	check_int(p->program->backoff.cap, 3000);
	check_true(p->program->backoff.factor == 1 && p->program->backoff.jitter == 0);
	check_int(p->program->scale->by, SV_SCALE_REDIS);
	check_int(p->program->scale->db, 2);
	check_str(p->program->scale->argv[1], "P-q");
	check_true(p->program->scale->or_equal);
	check_int(p->program->scale->over, 1000);
	check_str(s->main.logfile, "/app/log/app.log");
	check_str(s->main.pidfile, "/srv/run/master.pid");
	check_str(s->main.conf->identifier, "workers");
	check_int(s->main.conf->on_exit, SV_EXIT_LEAVE);
	check_str(sv_try_process(s, "second", "second")->argv[1], "1");
	check_has(ini, "; not carried over, line 16: shell_exec('nproc', [1, 2])");
	check_has(ini, "; not carried over: redis.password (");
	check_has(ini, "; not carried over: odd = 1.5");
	check_true(!strstr(ini, "hush"));
	sv_setup_drop(s);
	free(ini);
}

Test(sv_import, reads_a_procfile)
{
	char *ini = import(sv_import_procfile,
			   "# comment\r\nweb: bundle exec puma -p $PORT --rate 5%\r\n\r\n"
			   "my-worker_2:  rake jobs:work \nx: FOO='it' run \"a\"\n",
			   "/app/Procfile");
	struct sv_setup *s = sv_try(ini);
	const struct sv_process_conf *web = sv_try_process(s, "web", "web_0");
	const struct sv_process_conf *worker = sv_try_process(s, "my-worker_2", "my-worker_2_0");

	check_str(web->argv[0], "/bin/sh");
	check_str(web->argv[2], "bundle exec puma -p $PORT --rate 5%");
	check_str(web->directory, "/app");
	check_str(worker->argv[0], "rake");
	check_str(worker->argv[1], "jobs:work");
	check_str(sv_try_process(s, "x", "x_0")->argv[2], "FOO='it' run \"a\"");
	bool port = false;
	for (char **v = worker->env; *v; v++)
		port |= strcmp(*v, "PORT=5100") == 0;
	check_true(port);
	sv_setup_drop(s);
	free(ini);
}

static const char js[] =
	"// pm2\nconst dir = '/srv';\nconst path = require('path');\n"
	"module.exports = {\n"
	"  apps: [{\n"
	"    name: 'api server', script: './server.js', args: '--port 80 \"a b\"', cwd: dir + "
	"'/api',\n"
	"    instances: 3, exec_mode: 'cluster', node_args: ['--max-old-space-size=300'],\n"
	"    env: { NODE_ENV: 'production', RATE: '5%', N: 3, ON: true, },\n"
	"    env_dev: { NODE_ENV: 'dev' }, max_memory_restart: '300M', min_uptime: '5s',\n"
	"    max_restarts: 5, kill_timeout: 3000, restart_delay: 4000, out_file: '/tmp/out.log',\n"
	"    error_file: \"/tmp/err.log\", merge_logs: true, watch: ['src', 'lib'],\n"
	"    home: process.env.HOME || 'x, y', cron_restart: '0 3 * * *',\n"
	"  }, { script: 'worker.py', autorestart: false, interpreter: `none` }],\n"
	"  deploy: { production: {} }\n};\n";

Test(sv_import, reads_pm2)
{
	char *ini = import(sv_import_pm2, js, "/app/ecosystem.config.js");
	struct sv_setup *s = sv_try(ini);
	const struct sv_process_conf *p = sv_try_process(s, "api_server", "api_server_2");
	const struct sv_process_conf *w = sv_try_process(s, "worker", "worker");
	static const char *const argv[] = { "node",        "--max-old-space-size=300",
					    "./server.js", "--port",
					    "80",          "a b" };

	for (size_t i = 0; i < sizeof(argv) / sizeof(argv[0]); i++)
		check_str(p->argv[i], argv[i]);
	check_str(p->directory, "/srv/api");
	check_int(p->program->conf->numprocs, 3);
	check_int(p->program->conf->max_rss, 300 << 20);
	check_int(p->program->conf->startsecs, 5000);
	check_int(p->program->conf->startretries, 5);
	check_int(p->program->stop[0].signal, SIGINT);
	check_int(p->program->stop[0].wait, 3000);
	check_int(p->program->backoff.delay, 4000);
	check_int(p->program->conf->autorestart, SV_RESTART_ALWAYS);
	check_true(p->program->cron != NULL);
	check_str(p->out.path, "/tmp/out.log");
	check_str(p->program->conf->watch[1], "lib");
	static const char *const env[] = { "NODE_ENV=production", "RATE=5%", "N=3", "ON=true",
					   "NODE_APP_INSTANCE=2" };
	for (size_t i = 0; i < sizeof(env) / sizeof(env[0]); i++) {
		bool found = false;
		for (char **v = p->env; *v; v++)
			found |= strcmp(*v, env[i]) == 0;
		check_str(found ? env[i] : "missing", env[i]);
	}
	check_str(w->argv[0], "worker.py");
	check_int(w->program->conf->autorestart, SV_RESTART_NEVER);
	check_str(w->directory, "/app");
	check_has(ini, "; not carried over: env_dev");
	check_has(ini, "; not carried over, line 12: process.env.HOME || 'x, y'");
	sv_setup_drop(s);
	free(ini);
	free(import(sv_import_pm2, "{\"apps\":[{\"script\":\"a.sh\",\"name\":\"a\"}]}", "x.json"));
	free(import(sv_import_pm2, "{ script: 'npm start' }", "x.js"));
}

Test(sv_import, refuses_what_it_cannot_read)
{
	static const struct {
		importer with;
		const char *text, *want;
	} cases[] = {
		{ sv_import_multiprocess, "<?php return ['a' => 1];", "no exec in it" },
		{ sv_import_multiprocess, "<?php\n", "f:2: returns nothing" },
		{ sv_import_multiprocess, "<?php return 5;", "f: not an array of names" },
		{ sv_import_multiprocess, "<?php\nreturn ['a' => 'b",
		  "f:2: a string without its end" },
		{ sv_import_multiprocess, "<?php return ['exec' => [['name' => 'x']]];",
		  "exec: an entry without name or bin" },
		{ sv_import_pm2, "module.exports = {}", "no apps in it" },
		{ sv_import_pm2, "module.exports = { apps: [{}] }", "apps: entry 1 has no script" },
		{ sv_import_pm2, "module.exports = { apps: [", "f:1: the file ends in a value" },
		{ sv_import_procfile, "web bundle", "f:1: not of the form name: command" },
		{ sv_import_procfile, "# nothing", "f: no program in it" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		FILE *out = fopen("/dev/null", "w");
		check_true(cases[i].with(cases[i].text, "f", out, &err) != 0);
		check_str(err.text, cases[i].want);
		fclose(out);
	}
}
