/*
 * td_import - swoole-task's configuration as ours.
 *
 * Of Conf/http_server.php each key is carried over, or named in a comment with the reason;
 * Conf/app.php and Conf/ENV/ stay where they are: etc/workers/swoole-task.php reads them.
 */
#include "roles/taskd/td_import.h"

#include <stdio.h>
#include <string.h>

#include "core/conf/import.h"
#include "core/run/role.h"

/* The application's folder. */
static void find_app(const struct import *im, char app[PATH_MAX])
{
	strcpy(app, im->dir);
	char *last = strrchr(app, '/');
	if (last && strcmp(last, "/Conf") == 0)
		*last = '\0';
	if (!*app)
		strcpy(app, "/");
}

static void put_front(struct import *im)
{
	long n;

	fputs("[taskd]\n", im->out);
	const char *host = import_take(im, "host"), *port = import_take(im, "port");
	import_listen(im, "listen", host && *host ? host : "127.0.0.1",
		      port && *port ? port : "9523");
	fputs("; /CTRL/ACTION, ?op=CTRL.ACTION and ?cmd=status, as before; what is new: /v1/tasks\n"
	      "legacy = yes\n",
	      im->out);
	if ((n = import_number(im, "package_max_length", 1024, 0)) > 0)
		fprintf(im->out, "max_body = %ld\n", n);
	if ((n = import_number(im, "max_conn", 1, import_number(im, "max_connection", 1, 0))) > 0)
		fprintf(im->out, "max_connections = %ld\n", n);
	if ((n = import_number(im, "heartbeat_idle_time", 1, 0)) > 0)
		fprintf(im->out, "idle_timeout = %lds\n", n);
}

static void put_pool(struct import *im)
{
	const char *name = import_take(im, "ps_name"), *zone = import_take(im, "tz"),
		   *env = import_take(im, "app_env");
	const char *user = import_take(im, "user"), *group = import_take(im, "group");
	long workers = import_number(im, "task_worker_num", 1, 2);
	long most = import_number(im, "task_max_request", 0, 10000);
	char app[PATH_MAX], worker[PATH_MAX], option[300];

	find_app(im, app);

	import_worker("swoole-task.php", worker);
	import_section(im, "pool", name && *name ? name : "swTask");
	fputs("command = php", im->out);
	if (zone && *zone) {
		snprintf(option, sizeof(option), "-ddate.timezone=%.200s", zone);
		import_word(im, option);
	}
	import_word(im, worker);
	import_word(im, app);
	fputs("\n; each CTRL.ACTION is a topic of its own\ntopics = *.*\n", im->out);
	fprintf(im->out, "workers_min = %ld\nworkers_max = %ld\nmax_jobs = %ld\n", workers, workers,
		most);
	snprintf(option, sizeof(option), "APP_ENV=%.200s", env && *env ? env : "dev");
	import_put(im, "env", option);
	if (user && *user) {
		snprintf(option, sizeof(option), "%.100s%s%.100s", user, group && *group ? ":" : "",
			 group ? group : "");
		import_put(im, "user", option);
	}
}

static const struct import_reason reasons[] = {
	{ "daemonize", "`troupe taskd start` does, `troupe taskd` does not" },
	{ "worker_num", "one loop serves all clients" },
	{ "reactor_num", "one loop serves all clients" },
	{ "open_tcp_nodelay", "always so" },
	{ "log_file", "[troupe] log says where to" },
	{ "pid_file", "[troupe] pid_file" },
	{ "max_request", "what serves clients has no need to be started anew" },
	{ "task_ipc_mode", "tasks are kept in a store" },
	{ "task_tmpdir", "tasks are kept in a store" },
	{ "message_queue_key", "tasks are kept in a store" },
	{ NULL, NULL },
};

int td_import(struct import *im, struct err *err)
{
	(void)err;
	if (import_has(im, "job."))
		return ROLE_NOT_MINE;
	put_front(im);
	put_pool(im);
	import_rest(im, reasons, "an option of swoole");
	return 0;
}
