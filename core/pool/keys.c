/* keys - what a section [pool NAME] may say. */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/pool/private.h"

static const struct conf_word modes[] = {
	{ "worker", POOL_WORKER }, { "exec", POOL_EXEC }, { "http", POOL_HTTP }, { NULL, 0 }
};

static const struct conf_word orders[] = {
	{ "strict", WORK_STRICT }, { "weighted", WORK_WEIGHTED }, { "fair", WORK_FAIR }, { NULL, 0 }
};

static const struct conf_word scales[] = { { "wait", POOL_BY_WAIT },
					   { "length", POOL_BY_LENGTH },
					   { "none", POOL_BY_NONE },
					   { NULL, 0 } };

static const struct conf_word readies[] = { { "explicit", POOL_READY_EXPLICIT },
					    { "implicit", POOL_READY_IMPLICIT },
					    { NULL, 0 } };

const char pool_help[] = "Who runs the tasks of some topics: worker processes that stay, a process "
			 "for each task, or "
			 "HTTP requests to a service.";

#define KEY_STR(field, ...)                                                                        \
	CONF_KEY_STR(struct pool_values, field, .flags = CONF_RELOAD, __VA_ARGS__)
#define KEY_INT(field, ...)                                                                        \
	CONF_KEY_INT(struct pool_values, field, .flags = CONF_RELOAD, __VA_ARGS__)
#define KEY_TIME(field, ...)                                                                       \
	CONF_KEY_DURATION(struct pool_values, field, .flags = CONF_RELOAD, __VA_ARGS__)
#define KEY_SIZE(field, ...)                                                                       \
	CONF_KEY_SIZE(struct pool_values, field, .flags = CONF_RELOAD, __VA_ARGS__)
#define KEY_LIST(field, ...)                                                                       \
	CONF_KEY_LIST(struct pool_values, field, .flags = CONF_RELOAD, __VA_ARGS__)
#define KEY_ENUM(field, words, ...)                                                                \
	CONF_KEY_ENUM(struct pool_values, field, words, .flags = CONF_RELOAD, __VA_ARGS__)

const struct conf_key pool_keys[] = {
	KEY_ENUM(mode, modes, .dflt = "worker",
		 .help = "worker: processes that speak TWP/1 and stay; exec: a process for each "
			 "task; http: a POST to url for each."),
	KEY_STR(command,
		.help = "The program and its words, split as a shell would, without one. "
			"Mode exec: {id}, {topic}, {body} and {json:a.b} stand for the task's."),
	KEY_STR(url, .help = "Mode http: where tasks are posted to; http:// or https://."),
	CONF_KEY_STR(struct pool_values, secret, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "Mode http: signs each request. X-Troupe-Signature: t=SECONDS,v1=HEX, "
			     "the HMAC-SHA256 of \"SECONDS.ID.ATTEMPT.BODY\"."),
	KEY_STR(tls_ca, .help = "Mode http: a PEM file of whom to trust. Default: the system's."),
	CONF_KEY_BOOL(struct pool_values, tls_verify, .dflt = "yes", .flags = CONF_RELOAD,
		      .help = "Mode http: look at the service's certificate."),
	KEY_LIST(
		dead_on, .dflt = "400, 404, 410, 422",
		.help = "Mode http: after these statuses a task is not tried again. 2xx is "
			"success; any "
			"other is a failure, after Retry-After if the answer has that. 4xx: all of "
			"them."),
	KEY_TIME(connect_timeout, .dflt = "5s", .min = "1ms",
		 .help = "Mode http: how long a connection may take. Nothing is charged for one "
			 "that fails."),
	KEY_LIST(topics, .dflt = "*",
		 .help = "Whose tasks it runs: names or patterns (tpl.*), in the order of "
			 "topic_order "
			 "strict. mail*3 gives a weight."),
	KEY_ENUM(topic_order, orders, .dflt = "weighted",
		 .help = "strict: the first topic that has something; weighted: in proportion; "
			 "fair: "
			 "each in turn."),
	KEY_INT(workers_min, .dflt = "1", .min = "0", .max = "10000",
		.help = "Processes that are always there. Mode worker."),
	KEY_INT(workers_max, .dflt = "4", .min = "1", .max = "10000",
		.help = "Processes, or requests, at most."),
	KEY_ENUM(scale_by, scales, .dflt = "wait",
		 .help = "When more than workers_min are started: tasks wait too long, too many "
			 "wait, "
			 "or never."),
	KEY_TIME(scale_target_wait, .dflt = "2s", .min = "1ms",
		 .help = "How long a task may wait before more workers are started."),
	KEY_INT(scale_target_length, .dflt = "10", .min = "0",
		.help = "How many tasks may wait before more workers are started."),
	KEY_INT(scale_up_step, .dflt = "4", .min = "1", .max = "10000",
		.help = "Workers started at a time, four times a second at most."),
	KEY_TIME(scale_down_after, .dflt = "30s", .min = "100ms",
		 .help = "A worker over workers_min without work for so long is let go."),
	KEY_INT(credit, .dflt = "1", .min = "1", .max = "1000",
		.help = "Tasks that a worker is given at once, if it says that it takes so many."),
	KEY_ENUM(ready, readies, .dflt = "explicit",
		 .help = "implicit: a worker that has not said READY by start_timeout takes one "
			 "task "
			 "at a time; explicit: it is replaced."),
	KEY_TIME(start_timeout, .dflt = "10s", .min = "1ms",
		 .help = "How long a worker may take to say READY."),
	KEY_TIME(job_timeout, .dflt = "60s",
		 .help = "A task of a topic without a time-out may run so long; then its worker is "
			 "stopped. 0: for ever."),
	KEY_TIME(soft_timeout, .dflt = "0",
		 .help = "After that its worker is sent CANCEL. 0: not."),
	KEY_TIME(cancel_grace, .dflt = "5s",
		 .help = "How long a worker may go on with a task that is cancelled, before it is "
			 "stopped."),
	KEY_TIME(kill_grace, .dflt = "5s",
		 .help = "Between TERM and KILL; and between QUIT and TERM, of who holds no task."),
	KEY_TIME(heartbeat, .dflt = "30s", .min = "100ms",
		 .help = "A worker that can (caps=ping) and has said nothing for so long is asked; "
			 "without an answer for as long again it is killed."),
	KEY_INT(max_jobs, .dflt = "0", .min = "0",
		.help = "Tasks after which a worker is replaced, a successor first. 0: never."),
	KEY_TIME(max_time, .dflt = "0", .help = "Age at which a worker is replaced. 0: never."),
	KEY_SIZE(max_rss, .dflt = "0",
		 .help = "Resident memory over which a worker is replaced; looked at after tasks. "
			 "0: "
			 "never."),
	KEY_TIME(idle_ttl, .dflt = "0",
		 .help = "A worker that has run tasks and had none for so long is replaced. 0: "
			 "never."),
	KEY_INT(recycle_jitter, .dflt = "20", .min = "0", .max = "100",
		.help = "Per cent by which max_jobs and max_time are made smaller at random, so "
			"that "
			"not all are replaced at once."),
	KEY_TIME(restart_max, .dflt = "30s", .min = "100ms",
		 .help = "The longest pause between starts of workers that don't come up."),
	KEY_STR(directory, .help = "Where workers are started. Default: where we are."),
	KEY_STR(user, .help = "user[:group] that workers become. Default: who we are."),
	KEY_LIST(env, .dflt = "", .help = "NAME=value words added to their environment."),
	KEY_LIST(rlimit, .dflt = "", .help = "Their limits: nofile=65536, core=0:unlimited."),
	KEY_INT(nice, .dflt = "0", .min = "-20", .max = "19", .help = "Added to our niceness."),
	KEY_LIST(watch, .dflt = "",
		 .help = "Files whose change replaces all workers, one by one: src/*.php, or "
			 "src/**/*.php "
			 "and src/** for all folders below."),
	KEY_SIZE(max_body, .dflt = "1MiB", .min = "1KiB", .max = "64MiB",
		 .help = "The longest body to or from a worker."),
	KEY_SIZE(result_max, .dflt = "64KiB", .min = "0", .max = "1MiB",
		 .help = "Bytes of a result that are kept."),
	KEY_INT(max_calls, .dflt = "1000", .min = "0", .max = "100000",
		.help = "Synchronous calls that may wait for a worker."),
	CONF_END,
};

/* ---- rules between them -------------------------------------------------------------- */

static void check_numbers(const struct conf_item *item, const struct pool_values *v,
			  struct conf_errors *errors)
{
	if (v->workers_min > v->workers_max)
		conf_error(errors, item, "workers_min", "is above workers_max (%lld)",
			   (long long)v->workers_max);
	if (v->soft_timeout && v->job_timeout && v->soft_timeout >= v->job_timeout)
		conf_error(errors, item, "soft_timeout", "is not below job_timeout");
	if (v->result_max > v->max_body)
		conf_error(errors, item, "result_max", "is above max_body");
}

static void check_mode(const struct conf_item *item, const struct pool_values *v,
		       struct conf_errors *errors)
{
	bool http = v->mode == POOL_HTTP;
	const char *what = http ? v->url : v->command;

	if (!what || !*what)
		conf_error(errors, item, http ? "url" : "command", "is missing");
	if (!*v->topics)
		conf_error(errors, item, "topics", "is empty");
}

void pools_check(const struct conf *conf, struct conf_errors *errors)
{
	for (const struct conf_item *item = NULL; (item = conf_next(conf, "pool", item));) {
		size_t before = errors->count;
		struct err err = { 0 };
		if (!*item->name || strlen(item->name) >= POOL_NAME)
			conf_error(errors, item, NULL, "a pool's name has 1 to 63 characters");
		check_numbers(item, item->values, errors);
		check_mode(item, item->values, errors);
		if (errors->count > before)
			continue;
		struct setup *s = setup_new(conf, item, &err);
		if (!s)
			conf_error(errors, item, NULL, "%s", err.text);
		setup_drop(s);
	}
}
