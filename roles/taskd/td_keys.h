/* td_keys - the sections of taskd. */
#pragma once

#include "core/conf/conf.h"
#include "core/work/work.h"

struct td_keys {
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

struct td_store_keys {
	int durability;
	int64_t commit_max_ops, commit_delay_us, checkpoint_bytes;
	int64_t keep_done, keep_dead, max_dead, resident;
};

struct td_topic_keys {
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

struct td_schedule_keys {
	char *cron;
	int64_t every;
	char *tz, *topic, *type, *payload;
	int overlap, missed;
	int64_t jitter, priority;
};

enum td_alarm_type {
	TD_ALARM_DINGTALK,
	TD_ALARM_WECOM,
	TD_ALARM_FEISHU,
	TD_ALARM_SLACK,
	TD_ALARM_WEBHOOK,
	TD_ALARM_EXEC
};

struct td_alarm_keys {
	int type;
	char *url, *token, *command;
	int64_t every;
	char **on;
};

enum { TD_DURABILITY_INHERIT = -1 };

extern const struct conf_section td_sections[];

const struct td_keys *td_keys_of(const struct conf *conf);
const struct td_store_keys *td_store_of(const struct conf *conf);

/* For the role's check. */
void td_keys_check(const struct conf *conf, struct conf_errors *errors);

/* "100/s burst 20": 0, or ERR_CONF and a sentence. */
int td_rate_parse(const char *text, struct work_rate *rate, struct err *err);

/* "headers.tenant:2": the name, and the number behind the colon (0: none). */
int td_key_parse(const char *text, char name[129], int *n, struct err *err);

/* What a section [topic] says, over `base`. Texts were checked. */
void td_topic_conf(const struct td_topic_keys *k, const struct conf_item *item,
		   struct work_topic_conf *c);

/* The events of an alarm, by name; -1: there is none. */
enum td_alarm_event {
	TD_ON_BACKLOG,
	TD_ON_DEAD,
	TD_ON_POOL_CRASH_LOOP,
	TD_ON_STORE_ERROR,
	TD_ON_SOURCE_DOWN,
	TD_ALARM_EVENTS
};
int td_alarm_event_of(const char *name);
const char *td_alarm_event_name(enum td_alarm_event e);
