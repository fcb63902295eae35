#include "core/api/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cron.h"
#include "core/base/err.h"
#include "core/net/addr.h"
#include "core/pool/pool.h"

const struct conf_key api_rows[] = {
	CONF_KEY_LIST(struct api_keys, listen_tls, .help = "Addresses of the same with TLS."),
	CONF_KEY_STR(struct api_keys, tls_cert, .flags = CONF_RELOAD,
		     .help = "Certificate chain (PEM) of listen_tls; it may hold the key too."),
	CONF_KEY_STR(struct api_keys, tls_key, .flags = CONF_RELOAD,
		     .help = "Its key (PEM). Empty: in tls_cert."),
	CONF_KEY_STR(
		struct api_keys, tls_ca, .flags = CONF_RELOAD,
		.help = "Certificates (PEM) of those who may sign clients'. Empty: no client is "
			"asked for one."),
	CONF_KEY_STR(struct api_keys, socket_mode, .dflt = "0600",
		     .help = "Rights of unix sockets, in octal."),
	CONF_KEY_STR(
		struct api_keys, tokens_file, .flags = CONF_RELOAD,
		.help = "Who may do what: a line `TOKEN SCOPES [TOPICS]` for each, scopes of push, "
			"read, admin, topics with * and ?, both separated by commas. Asked for as "
			"`Authorization: Bearer TOKEN`. Empty: nobody is asked, and requests that "
			"a "
			"browser sends from other sites are refused."),
	CONF_KEY_SIZE(struct api_keys, max_body, .dflt = "1MiB", .min = "1KiB", .max = "64MiB",
		      .help = "The largest request body: 413 above it."),
	CONF_KEY_INT(struct api_keys, max_connections, .dflt = "4096", .min = "1", .max = "1000000",
		     .help = "Connections of each address at a time: 503 above it."),
	CONF_KEY_DURATION(struct api_keys, head_timeout, .dflt = "10s", .min = "100ms",
			  .max = "10m",
			  .help = "Time for a request's head, from its first byte: 408 after it."),
	CONF_KEY_DURATION(struct api_keys, body_timeout, .dflt = "30s", .min = "100ms", .max = "1h",
			  .help = "Time for a request's body: 408 after it."),
	CONF_KEY_DURATION(struct api_keys, idle_timeout, .dflt = "60s", .min = "100ms", .max = "1h",
			  .help = "How long a connection may rest between two requests."),
	CONF_KEY_DURATION(struct api_keys, max_wait, .dflt = "5m", .min = "1s", .max = "1h",
			  .flags = CONF_RELOAD, .help = "The longest `?wait=`."),
	CONF_KEY_DURATION(struct api_keys, idempotency_ttl, .dflt = "24h", .min = "1s",
			  .max = "30d", .flags = CONF_RELOAD,
			  .help = "How long an Idempotency-Key finds its first task."),
	CONF_KEY_BOOL(
		struct api_keys, auto_topic, .dflt = "yes", .flags = CONF_RELOAD,
		.help = "Whether topics that no section names come to be by a task. no: 404."),
	CONF_KEY_BOOL(
		struct api_keys, legacy, .dflt = "no", .flags = CONF_RELOAD,
		.help = "Whether swoole-task's addresses (/CTRL/ACTION, ?op=, ?cmd=status) and "
			"swoole-jobs' /pushJobs are served too."),
	CONF_KEY_INT(struct api_keys, event_history, .dflt = "4096", .min = "16", .max = "1000000",
		     .help = "How many events are kept for those who come back with "
			     "Last-Event-ID."),
	CONF_END,
};

static const struct conf_word durabilities[] = {
	{ "fsync", WORK_FSYNC },
	{ "os", WORK_OS },
	{ "memory", WORK_MEMORY },
	{ NULL, 0 },
};

static const struct conf_word topic_durabilities[] = {
	{ "fsync", WORK_FSYNC },
	{ "os", WORK_OS },
	{ "memory", WORK_MEMORY },
	{ "inherit", API_DURABILITY_INHERIT },
	{ NULL, 0 },
};

const struct conf_key api_store_rows[] = {
	CONF_KEY_ENUM(struct api_store_keys, durability, durabilities, .dflt = "fsync",
		      .help = "What has happened when a task is answered for: the disk has it "
			      "(fsync), the operating system has it (os: a loss of power may take "
			      "the last ones), or only we have (memory)."),
	CONF_KEY_INT(struct api_store_keys, commit_max_ops, .dflt = "512", .min = "1",
		     .max = "100000", .help = "Statements of one transaction."),
	CONF_KEY_INT(struct api_store_keys, commit_delay_us, .dflt = "0", .min = "0",
		     .max = "1000000",
		     .help = "Microseconds that a transaction waits for more of them."),
	CONF_KEY_SIZE(struct api_store_keys, checkpoint_bytes, .dflt = "8MiB", .min = "64KiB",
		      .max = "1GiB",
		      .help = "Log that is written before it is copied to its place."),
	CONF_KEY_DURATION(
		struct api_store_keys, keep_done, .dflt = "10m", .min = "0", .max = "3650d",
		.help = "How long what became of a task is kept, where neither it nor its "
			"topic says so; 0: not at all."),
	CONF_KEY_DURATION(struct api_store_keys, keep_dead, .dflt = "180d", .min = "1s",
			  .max = "3650d", .help = "How long dead tasks are kept."),
	CONF_KEY_INT(struct api_store_keys, max_dead, .dflt = "100000", .min = "1",
		     .max = "100000000", .help = "How many; the oldest go first."),
	CONF_KEY_SIZE(struct api_store_keys, resident, .dflt = "64MiB", .min = "0",
		      .max = "1024GiB",
		      .help = "Bytes of payloads that are kept in memory beside the store."),
	CONF_END,
};

const struct conf_key api_topic_rows[] = {
	CONF_KEY_ENUM(struct api_topic_keys, durability, topic_durabilities, .dflt = "inherit",
		      .flags = CONF_RELOAD, .help = "As in [store]; inherit: what that says."),
	CONF_KEY_INT(struct api_topic_keys, max_attempts, .dflt = "25", .min = "1", .max = "1000",
		     .flags = CONF_RELOAD, .help = "Attempts before a task is dead."),
	CONF_KEY_INT(
		struct api_topic_keys, max_crashes, .dflt = "3", .min = "0", .max = "31",
		.flags = CONF_RELOAD,
		.help = "Workers that a task may take with it before it is dead; 0: no limit."),
	CONF_KEY_STR(struct api_topic_keys, backoff, .dflt = "poly4", .flags = CONF_RELOAD,
		     .help = "When to try again: `exp 1s 1h`, `linear 5s 10m`, `fixed 30s`, "
			     "`list 1s,10s,1m`, each with `jitter 20%` if wanted, or poly4."),
	CONF_KEY_STR(struct api_topic_keys, rate, .flags = CONF_RELOAD,
		     .help = "Starts: `100/s burst 20`; also /m and /h. Empty: no limit."),
	CONF_KEY_STR(struct api_topic_keys, rate_key, .flags = CONF_RELOAD,
		     .help = "The rate holds for each value of this: headers.NAME, type or group."),
	CONF_KEY_INT(struct api_topic_keys, concurrency, .dflt = "0", .min = "0", .max = "1000000",
		     .flags = CONF_RELOAD, .help = "Tasks that run at a time; 0: no limit."),
	CONF_KEY_STR(struct api_topic_keys, concurrency_key, .flags = CONF_RELOAD,
		     .help = "And of each value of this: `headers.NAME:2`, `group:1`."),
	CONF_KEY_DURATION(struct api_topic_keys, timeout, .dflt = "0", .min = "0", .max = "7d",
			  .flags = CONF_RELOAD, .help = "Time for an attempt; 0: the pool's."),
	CONF_KEY_DURATION(struct api_topic_keys, expires, .dflt = "0", .min = "0", .max = "3650d",
			  .flags = CONF_RELOAD,
			  .help = "A task that has not started by then is dropped; 0: never."),
	CONF_KEY_DURATION(struct api_topic_keys, keep, .dflt = "0", .min = "0", .max = "3650d",
			  .flags = CONF_RELOAD,
			  .help = "How long what became of it is kept; 0: as [store] keep_done."),
	CONF_KEY_INT(struct api_topic_keys, max_jobs, .dflt = "0", .min = "0", .max = "1000000000",
		     .flags = CONF_RELOAD, .help = "Pending tasks: 429 above it; 0: no limit."),
	CONF_KEY_SIZE(struct api_topic_keys, max_bytes, .dflt = "0", .min = "0", .max = "1024GiB",
		      .flags = CONF_RELOAD, .help = "Bytes of them: 429 above it; 0: no limit."),
	CONF_KEY_INT(struct api_topic_keys, alarm_length, .dflt = "0", .min = "0",
		     .max = "1000000000", .flags = CONF_RELOAD,
		     .help = "So many that are ready raise the alarm `backlog`; 0: never."),
	CONF_KEY_DURATION(struct api_topic_keys, alarm_wait, .dflt = "0", .min = "0", .max = "30d",
			  .flags = CONF_RELOAD,
			  .help = "A first one that is ready for so long does too; 0: never."),
	CONF_END,
};

static const struct conf_word overlaps[] = {
	{ "skip", WORK_OVERLAP_SKIP },
	{ "queue", WORK_OVERLAP_QUEUE },
	{ "replace", WORK_OVERLAP_REPLACE },
	{ NULL, 0 },
};

static const struct conf_word misseds[] = {
	{ "skip", WORK_MISSED_SKIP },
	{ "once", WORK_MISSED_ONCE },
	{ "all", WORK_MISSED_ALL },
	{ NULL, 0 },
};

const struct conf_key api_schedule_rows[] = {
	CONF_KEY_STR(struct api_schedule_keys, cron, .flags = CONF_RELOAD,
		     .help = "When, as `5 3 * * *`, or @hourly, @daily and so on."),
	CONF_KEY_DURATION(struct api_schedule_keys, every, .dflt = "0", .min = "0", .max = "3650d",
			  .flags = CONF_RELOAD, .help = "Or an interval, of at least a second."),
	CONF_KEY_STR(struct api_schedule_keys, tz, .flags = CONF_RELOAD,
		     .help = "The zone of cron, as Asia/Shanghai. Empty: the system's."),
	CONF_KEY_STR(struct api_schedule_keys, topic, .flags = CONF_RELOAD | CONF_REQUIRED,
		     .help = "Of the tasks that it brings."),
	CONF_KEY_STR(struct api_schedule_keys, type, .flags = CONF_RELOAD, .help = "Their type."),
	CONF_KEY_STR(struct api_schedule_keys, payload, .dflt = "{}", .flags = CONF_RELOAD,
		     .help = "Their payload, as it is."),
	CONF_KEY_INT(struct api_schedule_keys, priority, .dflt = "128", .min = "0", .max = "255",
		     .flags = CONF_RELOAD, .help = "Their priority; the lower ones go first."),
	CONF_KEY_ENUM(struct api_schedule_keys, overlap, overlaps, .dflt = "skip",
		      .flags = CONF_RELOAD,
		      .help = "While the last one is pending or runs: none comes (skip), it comes "
			      "(queue), it comes and the last one is cancelled (replace)."),
	CONF_KEY_ENUM(struct api_schedule_keys, missed, misseds, .dflt = "once",
		      .flags = CONF_RELOAD,
		      .help = "Moments when we did not run: none, one, or all of them."),
	CONF_KEY_DURATION(struct api_schedule_keys, jitter, .dflt = "0", .min = "0", .max = "30d",
			  .flags = CONF_RELOAD, .help = "Each task comes up to that much later."),
	CONF_END,
};

static const struct conf_word alarm_types[] = {
	{ "dingtalk", API_ALARM_DINGTALK },
	{ "wecom", API_ALARM_WECOM },
	{ "feishu", API_ALARM_FEISHU },
	{ "slack", API_ALARM_SLACK },
	{ "webhook", API_ALARM_WEBHOOK },
	{ "exec", API_ALARM_EXEC },
	{ NULL, 0 },
};

const struct conf_key api_alarm_rows[] = {
	CONF_KEY_ENUM(
		struct api_alarm_keys, type, alarm_types, .dflt = "webhook", .flags = CONF_RELOAD,
		.help = "A chat robot of DingTalk, WeCom, Feishu or Slack; a webhook gets JSON "
			"with event, subject, text and host; exec gets the same on its "
			"standard input."),
	CONF_KEY_STR(struct api_alarm_keys, url, .flags = CONF_RELOAD,
		     .help = "Where to. Empty: the robot's own address, with the token."),
	CONF_KEY_STR(struct api_alarm_keys, token, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "The robot's token or key. (Where it wants a keyword: all begins with "
			     "`troupe`.)"),
	CONF_KEY_STR(struct api_alarm_keys, secret, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "What a robot of DingTalk or Feishu has messages signed with; empty: "
			     "nothing is signed."),
	CONF_KEY_STR(struct api_alarm_keys, command, .flags = CONF_RELOAD,
		     .help = "What exec runs, by /bin/sh."),
	CONF_KEY_DURATION(struct api_alarm_keys, every, .dflt = "3m", .min = "1s", .max = "1d",
			  .flags = CONF_RELOAD, .help = "The same is not said more often."),
	CONF_KEY_LIST(struct api_alarm_keys, on, .flags = CONF_RELOAD,
		      .dflt = "backlog, dead, pool_crash_loop, store_error, source_down",
		      .help = "What it is told: backlog, dead, pool_crash_loop, store_error, "
			      "source_down."),
	CONF_END,
};

const struct api_keys *api_keys_of(const struct conf *conf, const char *role)
{
	return conf_get(conf, role);
}

bool api_keys_are_in(const struct conf_section *section)
{
	for (const struct conf_key *k = conf_first_key(section); k; k = conf_next_key(k))
		if (k == api_rows)
			return true;
	return false;
}

const struct api_store_keys *api_store_of(const struct conf *conf)
{
	return conf_get(conf, "store");
}

/* ---- words ------------------------------------------------------------------------ */

int api_rate_parse(const char *text, struct work_rate *rate, struct err *err)
{
	char *end;
	double n = strtod(text, &end), burst = 1;
	int per = *end == '/' ? end[1] : 0;
	double seconds = per == 's' ? 1 : per == 'm' ? 60 : per == 'h' ? 3600 : 0;

	if (end == text || n <= 0 || n > 1e9 || !seconds)
		return err_set(err, ERR_CONF, "'%s' is no rate, as 100/s burst 20", text);
	end += 2;
	if (strncmp(end, " burst ", 7) == 0) {
		const char *from = end + 7;
		burst = strtod(from, &end);
		if (end == from || burst < 1 || burst > 1e9)
			return err_set(err, ERR_CONF, "'%s': burst is at least 1", text);
	}
	if (*end)
		return err_set(err, ERR_CONF, "'%s' is no rate, as 100/s burst 20", text);
	*rate = (struct work_rate){ n / seconds, burst };
	return 0;
}

int api_key_parse(const char *text, char name[129], int *n, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	char *end = NULL;
	long number = colon ? strtol(colon + 1, &end, 10) : 0;

	if (colon && (*end || number < 1 || number > 1000000))
		return err_set(err, ERR_CONF, "'%s': a number from 1 on follows the colon", text);
	if (len > 128)
		return err_set(err, ERR_CONF, "'%s' is too long", text);
	memcpy(name, text, len);
	name[len] = '\0';
	if (strcmp(name, "type") != 0 && strcmp(name, "group") != 0 &&
	    (strncmp(name, "headers.", 8) != 0 || !name[8]))
		return err_set(err, ERR_CONF, "'%s' is none of headers.NAME, type, group", name);
	*n = (int)number;
	return 0;
}

void api_topic_conf(const struct api_topic_keys *k, const struct conf_item *item,
		    struct work_topic_conf *c)
{
	struct work_rate rate = { 0, 0 };
	char name[129];
	int n = 0;

	(void)item;
	if (k->durability != API_DURABILITY_INHERIT)
		c->durability = (enum work_durability)k->durability;
	c->max_attempts = (int)k->max_attempts;
	c->max_crashes = (int)k->max_crashes;
	backoff_parse(&c->backoff, k->backoff, NULL);
	c->timeout = k->timeout;
	c->expires = k->expires;
	if (k->keep)
		c->keep = k->keep;
	if (k->rate && *k->rate)
		api_rate_parse(k->rate, &rate, NULL);
	bool by_key = k->rate_key && *k->rate_key;
	c->rate = by_key ? (struct work_rate){ 0, 0 } : rate;
	c->key_rate = by_key ? rate : (struct work_rate){ 0, 0 };
	c->concurrency = (int)k->concurrency;
	if (k->concurrency_key && *k->concurrency_key)
		api_key_parse(k->concurrency_key, name, &n, NULL);
	c->key_concurrency = n;
	c->max_jobs = (uint64_t)k->max_jobs;
	c->max_bytes = (uint64_t)k->max_bytes;
}

static const char *const event_names[API_ALARM_EVENTS] = { "backlog", "dead", "pool_crash_loop",
							   "store_error", "source_down" };

int api_alarm_event_of(const char *name)
{
	for (int i = 0; i < API_ALARM_EVENTS; i++)
		if (strcmp(event_names[i], name) == 0)
			return i;
	return -1;
}

const char *api_alarm_event_name(enum api_alarm_event e)
{
	return event_names[e];
}

/* ---- rules -------------------------------------------------------------------------- */

void api_addresses_check(const struct conf_item *at, const char *key, char *const *list,
			 struct conf_errors *errors)
{
	for (; *list; list++) {
		struct addr addr;
		struct err err = { .text = "" };

		if (addr_parse(&addr, *list, -1, &err) != 0)
			conf_error(errors, at, key, "%s", err.text);
		else if (!addr.is_unix && addr.socket.ss_family == 0)
			conf_error(errors, at, key, "'%s': an address is needed, not a name",
				   *list);
	}
}

static bool is_loopback(const char *text)
{
	struct addr addr;

	if (addr_parse(&addr, text, -1, NULL) != 0 || addr.is_unix)
		return true;
	return strncmp(addr.host, "127.", 4) == 0 || strcmp(addr.host, "::1") == 0;
}

static void check_role(const struct conf *conf, const char *role, struct conf_errors *errors)
{
	const struct conf_item *at = conf_find(conf, role, "");
	const struct api_keys *k = api_keys_of(conf, role);
	char *end;
	long mode = strtol(k->socket_mode, &end, 8);

	api_addresses_check(at, "listen", k->listen, errors);
	api_addresses_check(at, "listen_tls", k->listen_tls, errors);
	if (*k->listen_tls && (!k->tls_cert || !*k->tls_cert))
		conf_error(errors, at, "listen_tls", "needs tls_cert");
	if (*end || mode < 0 || mode > 0777)
		conf_error(errors, at, "socket_mode", "'%s' is no octal number up to 0777",
			   k->socket_mode);
	if (k->tokens_file && *k->tokens_file && access(k->tokens_file, R_OK) != 0)
		conf_error(errors, at, "tokens_file", "%s: %s", k->tokens_file, strerror(errno));
	for (char *const *l = k->listen; *l && (!k->tokens_file || !*k->tokens_file); l++)
		if (!is_loopback(*l))
			conf_warn(errors, at, "listen",
				  "%s can be reached from elsewhere, and without tokens_file "
				  "anybody may give orders",
				  *l);
}

static void check_topic(const struct conf_item *item, struct conf_errors *errors)
{
	const struct api_topic_keys *k = item->values;
	struct err err = { .text = "" };
	struct work_rate rate;
	struct backoff b;
	char by[129] = "", with[129] = "";
	int n;

	if (backoff_parse(&b, k->backoff, &err) != 0)
		conf_error(errors, item, "backoff", "%s", err.text);
	if (k->rate && *k->rate && api_rate_parse(k->rate, &rate, &err) != 0)
		conf_error(errors, item, "rate", "%s", err.text);
	if (k->rate_key && *k->rate_key && api_key_parse(k->rate_key, by, &n, &err) != 0)
		conf_error(errors, item, "rate_key", "%s", err.text);
	else if (*by && !(k->rate && *k->rate))
		conf_error(errors, item, "rate_key", "needs a rate");
	if (k->concurrency_key && *k->concurrency_key) {
		if (api_key_parse(k->concurrency_key, with, &n, &err) != 0)
			conf_error(errors, item, "concurrency_key", "%s", err.text);
		else if (!n)
			conf_error(errors, item, "concurrency_key", "a number is needed, as %s:2",
				   with);
	}
	if (*by && *with && strcmp(by, with) != 0)
		conf_error(errors, item, "concurrency_key",
			   "both limits of a topic go by the same key, and rate_key is %s", by);
}

static void check_schedule(const struct conf_item *item, struct conf_errors *errors)
{
	const struct api_schedule_keys *k = item->values;
	bool by_cron = k->cron && *k->cron;
	struct err err = { .text = "" };

	if (by_cron == (k->every != 0))
		conf_error(errors, item, by_cron ? "every" : "cron", "either cron or every, not %s",
			   by_cron ? "both" : "none");
	if (k->every && k->every < 1000)
		conf_error(errors, item, "every", "at least 1s");
	if (!by_cron)
		return;
	struct cron *cron = cron_new(k->cron, &err);
	if (!cron)
		conf_error(errors, item, "cron", "%s", err.text);
	cron_free(cron);
}

static void check_alarm(const struct conf_item *item, struct conf_errors *errors)
{
	const struct api_alarm_keys *k = item->values;
	bool has_url = k->url && *k->url, has_token = k->token && *k->token;

	for (char *const *on = k->on; *on; on++)
		if (api_alarm_event_of(*on) < 0)
			conf_error(errors, item, "on",
				   "'%s' is none of backlog, dead, pool_crash_loop, store_error, "
				   "source_down",
				   *on);
	if (k->type == API_ALARM_EXEC && !(k->command && *k->command))
		conf_error(errors, item, "command", "exec needs one");
	else if ((k->type == API_ALARM_WEBHOOK || k->type == API_ALARM_SLACK) && !has_url)
		conf_error(errors, item, "url", "it needs one");
	else if (k->type < API_ALARM_SLACK && !has_url && !has_token)
		conf_error(errors, item, "token", "it needs a token or an url");
}

static void check_each(const struct conf *conf, const char *section, struct conf_errors *errors,
		       void (*check)(const struct conf_item *item, struct conf_errors *errors))
{
	for (const struct conf_item *item = NULL; (item = conf_next(conf, section, item));)
		check(item, errors);
}

void api_keys_check(const struct conf *conf, const char *role, struct conf_errors *errors)
{
	check_role(conf, role, errors);
	check_each(conf, "topic", errors, check_topic);
	check_each(conf, "schedule", errors, check_schedule);
	check_each(conf, "alarm", errors, check_alarm);
	pools_check(conf, errors);
}
