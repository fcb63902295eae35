/*
 * keys - what a file says of tasks and of the API.
 *
 * A role that serves the API has a section of its own name, whose struct begins with api_keys and
 * whose table goes on with api_rows; in it is also what fills api_keys.listen. The other sections
 * are the same for all of them: API_SECTIONS.
 */
#pragma once

#include "core/conf/conf.h"
#include "core/pool/pool.h"
#include "core/work/work.h"

struct api_keys {
	char **listen, **listen_tls;
	char *tls_cert, *tls_key, *tls_ca;
	char *socket_mode;
	char *tokens_file;
	int64_t max_body, max_connections;
	int64_t head_timeout, body_timeout, idle_timeout;
	int64_t max_wait, idempotency_ttl;
	bool auto_topic, legacy;
	int64_t event_history;
};

struct api_store_keys {
	int durability;
	int64_t commit_max_ops, commit_delay_us, checkpoint_bytes;
	int64_t keep_done, keep_dead, max_dead, resident;
};

struct api_topic_keys {
	int durability;
	int64_t max_attempts, max_crashes;
	char *backoff;
	char *rate, *rate_key;
	int64_t concurrency;
	char *concurrency_key;
	int64_t timeout, expires, keep;
	int64_t max_jobs, max_bytes;
	int64_t alarm_length, alarm_wait;
};

struct api_schedule_keys {
	char *cron;
	int64_t every;
	char *tz, *topic, *type, *payload;
	int overlap, missed;
	int64_t jitter, priority;
};

enum api_alarm_type {
	API_ALARM_DINGTALK,
	API_ALARM_WECOM,
	API_ALARM_FEISHU,
	API_ALARM_SLACK,
	API_ALARM_WEBHOOK,
	API_ALARM_EXEC
};

struct api_alarm_keys {
	int type;
	char *url, *token, *secret, *command;
	int64_t every;
	char **on;
};

enum { API_DURABILITY_INHERIT = -1 };

extern const struct conf_key api_rows[], api_store_rows[], api_topic_rows[], api_schedule_rows[],
	api_alarm_rows[];

#define API_SECTION(section, does, rows, stru)                                                     \
	{                                                                                          \
		.name = section, .help = does, .keys = rows, .size = sizeof(stru), .named = true,  \
		.reload = true                                                                     \
	}
#define API_SECTIONS                                                                               \
	{ .name = "store",                                                                         \
	  .help = "Where tasks are kept: work.db in a folder of data_dir.",                        \
	  .keys = api_store_rows,                                                                  \
	  .size = sizeof(struct api_store_keys) },                                                 \
		API_SECTION("topic", "A topic, or * for all that have no section.",                \
			    api_topic_rows, struct api_topic_keys),                                \
		API_SECTION("pool", pool_help, pool_keys, struct pool_values),                     \
		API_SECTION("schedule", "Tasks that come by the clock.", api_schedule_rows,        \
			    struct api_schedule_keys),                                             \
		API_SECTION("alarm", "Who is told when something is wrong.", api_alarm_rows,       \
			    struct api_alarm_keys)

const struct api_keys *api_keys_of(const struct conf *conf, const char *role);
/* Whether it is the section of a role that serves the API. */
bool api_keys_are_in(const struct conf_section *section);

const struct api_store_keys *api_store_of(const struct conf *conf);

/* For the role's check. */
void api_keys_check(const struct conf *conf, const char *role, struct conf_errors *errors);
void api_addresses_check(const struct conf_item *at, const char *key, char *const *list,
			 struct conf_errors *errors);

/* "100/s burst 20": 0, or ERR_CONF and a sentence. */
int api_rate_parse(const char *text, struct work_rate *rate, struct err *err);

/* "headers.tenant:2": the name, and the number behind the colon (0: none). */
int api_key_parse(const char *text, char name[129], int *n, struct err *err);

/* What a section [topic] says, over `base`. Texts were checked. */
void api_topic_conf(const struct api_topic_keys *k, const struct conf_item *item,
		    struct work_topic_conf *c);

/* The events of an alarm, by name; -1: there is none. */
enum api_alarm_event {
	API_ON_BACKLOG,
	API_ON_DEAD,
	API_ON_POOL_CRASH_LOOP,
	API_ON_STORE_ERROR,
	API_ON_SOURCE_DOWN,
	API_ALARM_EVENTS
};
int api_alarm_event_of(const char *name);
const char *api_alarm_event_name(enum api_alarm_event e);
