/*
 * jd_import - swoole-jobs' configuration as ours.
 *
 * Its queue becomes a source, and one more for each default class; each topic that has workers a
 * pool and a section of its limits, the others are only written.
 */
#include "roles/jobd/jd_import.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/conf/import.h"
#include "core/run/role.h"

enum { KEY = 64, URL = 1200, TOPICS = 10000 };

/* A topic's own value, or that of all. */
static long limit(struct import *im, long topic, const char *name, long otherwise)
{
	char key[KEY];

	long all = import_number(im, name, 0, otherwise);
	snprintf(key, sizeof(key), "job.topics.%ld.%s", topic, name);
	return import_number(im, key, 0, all);
}

static const char *of_topic(struct import *im, long topic, const char *name)
{
	char key[KEY];

	snprintf(key, sizeof(key), "job.topics.%ld.%s", topic, name);
	return import_take(im, key);
}

static bool is_run(struct import *im, long topic)
{
	char key[KEY];

	snprintf(key, sizeof(key), "job.topics.%ld.workerMinNum", topic);
	return import_number(im, key, 0, -1) >= 0;
}

static bool has_topic(const struct import *im, long topic)
{
	char key[KEY];

	snprintf(key, sizeof(key), "job.topics.%ld.", topic);
	return topic < TOPICS && import_has(im, key);
}

/* ---- the queue ---------------------------------------------------------------------------- */

/* As a part of a URL. */
static void escape(char *to, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 4 < size; text++) {
		unsigned char c = (unsigned char)*text;
		if (isalnum(c) || strchr("-._~", c))
			to[n++] = (char)c;
		else
			n += (size_t)snprintf(to + n, size - n, "%%%02X", c);
	}
	to[n] = '\0';
}

static const char *queue(struct import *im, const char *name, const char *otherwise)
{
	char key[KEY];

	snprintf(key, sizeof(key), "job.queue.%s", name);
	const char *value = import_take(im, key);
	return value && *value ? value : otherwise;
}

static void redis_url(struct import *im, char url[URL])
{
	char password[URL / 4];
	const char *host = queue(im, "host", "127.0.0.1");
	bool is_v6 = strchr(host, ':');

	escape(password, sizeof(password), queue(im, "password", ""));
	snprintf(url, URL, "redis://%s%s%s%s%.250s%s:%.10s", *password ? ":" : "", password,
		 *password ? "@" : "", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
		 queue(im, "port", "6379"));
}

static void rabbit_url(struct import *im, char url[URL])
{
	char user[URL / 4], password[URL / 4], vhost[URL / 4];

	escape(user, sizeof(user), queue(im, "user", "guest"));
	escape(password, sizeof(password), queue(im, "pass", "guest"));
	escape(vhost, sizeof(vhost), queue(im, "vhost", "/"));
	snprintf(url, URL, "amqp://%s:%s@%.250s:%.10s/%s", user, password,
		 queue(im, "host", "127.0.0.1"), queue(im, "port", "5672"), vhost);
}

struct server {
	const char *type;
	char url[URL];
};

static int find_server(struct import *im, struct server *server, struct err *err)
{
	const char *class = queue(im, "class", NULL);

	if (class && strstr(class, "Redis")) {
		server->type = "redis";
		redis_url(im, server->url);
	} else if (class && strstr(class, "Rabbit")) {
		server->type = "rabbitmq";
		rabbit_url(im, server->url);
	} else {
		return err_set(err, ERR_CONF, "job.queue.class: %s, which is no queue of ours",
			       class ? class : "none");
	}
	return 0;
}

/* ---- sections -------------------------------------------------------------------------------- */

static void put_source(struct import *im, const struct server *server, const char *name)
{
	import_section(im, "source", name);
	fprintf(im->out, "type = %s\n", server->type);
	import_put(im, "url", server->url);
	fputs("payload = swoole-jobs\n", im->out);
}

/* The names of those with (or without) workers; none with a class of its own. */
static void put_names(struct import *im, const char *key, bool run)
{
	const char *between = "";

	for (long i = 0; has_topic(im, i); i++) {
		const char *name = of_topic(im, i, "name");
		if (!name || is_run(im, i) != run || of_topic(im, i, "defaultJobClass"))
			continue;
		if (!*between)
			fprintf(im->out, "%s = ", key);
		fprintf(im->out, "%s%s", between, name);
		between = ", ";
	}
	if (*between)
		fputc('\n', im->out);
}

static void put_sources(struct import *im, const struct server *server)
{
	put_source(im, server, "queue");
	put_names(im, "topics", true);
	put_names(im, "write_only", false);
	for (long i = 0; has_topic(im, i); i++) {
		const char *name = of_topic(im, i, "name");
		const char *class = of_topic(im, i, "defaultJobClass");
		const char *method = of_topic(im, i, "defaultJobMethod");
		if (!name || !class)
			continue;
		put_source(im, server, name);
		import_put(im, is_run(im, i) ? "topics" : "write_only", name);
		import_put(im, "default_class", class);
		if (method)
			import_put(im, "default_method", method);
	}
}

static void put_pool(struct import *im, long topic, const char *name)
{
	char path[PATH_MAX], autoload[PATH_MAX + 32];
	long least = limit(im, topic, "workerMinNum", 1),
	     most = limit(im, topic, "workerMaxNum", 0);
	const char *each = import_take(im, "eachJobExit");
	long jobs = import_number(im, "maxPopNum", 1, 50);

	import_section(im, "pool", name);
	import_worker("swoole-jobs.php", path);
	fputs("command = php", im->out);
	import_word(im, path);
	snprintf(autoload, sizeof(autoload), "%s/vendor/autoload.php", im->dir);
	if (access(autoload, F_OK) == 0)
		import_word(im, autoload);
	fprintf(im->out, "\ntopics = %s\n", name);
	fprintf(im->out, "workers_min = %ld\nworkers_max = %ld\n", least,
		most > least ? most
		: least > 0  ? least
			     : 1);
	fprintf(im->out, "scale_by = length\nscale_target_length = %ld\n",
		limit(im, topic, "queueMaxNumForProcess", 10));
	fprintf(im->out, "max_jobs = %ld\n", each && strcmp(each, "true") == 0 ? 1 : jobs);
	fprintf(im->out, "max_time = %lds\n", import_number(im, "excuteTime", 1, 600));
	import_section(im, "topic", name);
	fprintf(im->out, "alarm_length = %ld\n", limit(im, topic, "queueMaxNum", 10));
}

static void put_alarm(struct import *im)
{
	const char *class = import_take(im, "message.class");
	const char *token = import_take(im, "message.token");
	long every = import_number(im, "messageTickTimer", 1000, 180000);

	if (!token || !*token || (class && !strstr(class, "Ding")))
		return;
	fputs("\n[alarm ding]\ntype = dingtalk\n", im->out);
	import_put(im, "token", token);
	fprintf(im->out, "every = %ldms\n", every);
}

static void put_front(struct import *im)
{
	const char *host = import_take(im, "httpServer.host");
	const char *port = import_take(im, "httpServer.port");

	fputs("[jobd]\n", im->out);
	import_listen(im, "http", host && *host ? host : "127.0.0.1",
		      port && *port ? port : "9501");
	fputs("; /pushJobs?jobData=, as before; what is new: /v1/tasks. Whoever can reach it can "
	      "have\n; any class run: keep it to loopback, or set tokens_file\nlegacy = yes\n",
	      im->out);
}

/* The action: our worker does what SwooleJobsAction did. */
static void put_action(struct import *im)
{
	const char *class = import_take(im, "framework.class");

	if (class && !strstr(class, "SwooleJobsAction"))
		fprintf(im->out,
			"\n; framework.class was %s: let the file that the pools' command names\n"
			"; last return a callable that does the same; swoole-jobs.php says how\n",
			class);
}

static const struct import_reason reasons[] = {
	{ "system", "a name for its logs" },
	{ "logPath", "[troupe] log says where to" },
	{ "logSaveFileApp", "[troupe] log says where to" },
	{ "logSaveFileWorker", "[troupe] log says where to" },
	{ "pidPath", "[troupe] pid_file" },
	{ "processName", "workers have the names of their pools" },
	{ "sleep", "nobody sleeps: the queue tells when it has something" },
	{ "queueTickTimer", "pools grow as soon as jobs wait" },
	{ "autoAckBeforeJob", "a job is in its queue until it is done" },
	{ "autoAckBeforeJobStart", "a job is in its queue until it is done" },
	{ "job.topics.", "a job is in its queue until it is done" },
	{ "job.profile.", "a worker stays however long a job took; [pool] job_timeout ends those "
			  "that take too long" },
	{ "job.queue.exchange", "declared by swoole-jobs and used by nobody" },
	{ "framework.config", "for the file that the pools' command names last" },
	{ "message.", "[alarm] knows DingTalk, WeCom, Feishu, Slack, web hooks and commands" },
	{ "httpServer.settings.", "an option of swoole" },
	{ NULL, NULL },
};

int jd_import(struct import *im, struct err *err)
{
	struct server server;

	if (!import_has(im, "job."))
		return ROLE_NOT_MINE;
	if (!has_topic(im, 0))
		return err_set(err, ERR_CONF, "job.topics: there are none");
	int rc = find_server(im, &server, err);
	if (rc != 0)
		return rc;
	put_front(im);
	put_sources(im, &server);
	for (long i = 0; has_topic(im, i); i++) {
		const char *name = of_topic(im, i, "name");
		if (name && is_run(im, i))
			put_pool(im, i, name);
	}
	put_alarm(im);
	put_action(im);
	import_rest(im, reasons, "nothing that jobd knows");
	return 0;
}
