/*
 * jd_payload - what a producer has put into a queue, as its worker gets it.
 *
 * Of swoole-jobs: {uuid, topic, jobClass, jobMethod, jobParams[], jobExtras{delay, priority,
 * expiration}}, as JSON or as PHP serialized it. A worker gets JSON; anything else is a foreign
 * message: with a default class it becomes the one parameter of a call, else it stays as it is.
 *
 * Of Sidekiq ({class, args[], jid, retry}) and of Laravel ({displayName, maxTries, timeout,
 * retryUntil, attempts, backoff, data{command}}) a worker gets the JSON as it is; what it says of
 * attempts and times counts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum jd_format { JD_RAW, JD_SWOOLE_JOBS, JD_SIDEKIQ, JD_LARAVEL };

struct jd_payload_rules {
	enum jd_format format;
	const char *job_class, *job_method; /* of foreign messages; NULL, "": none */
};

struct jd_payload {
	const char *p; /* own, or what was read */
	size_t n;
	char *own;                       /* NULL: it is as it came */
	char type[129];                  /* jobClass::jobMethod, or the class; cut; "": none */
	int prio;                        /* the engine's */
	int attempts;                    /* that another's worker has made */
	int max_attempts;                /* 0: the topic's */
	int64_t delay, expires, timeout; /* ms; 0: none */
	int64_t expires_at;              /* or a moment, ms since 1970 */
	char backoff[256];               /* as core/work's; "": the topic's */
};

/* Cannot fail: what can't be read is handed on as it came. */
void jd_payload_read(struct jd_payload *out, const char *p, size_t n,
		     const struct jd_payload_rules *rules);

/* For a topic that others read: what they need and is missing is added. NULL: nothing is, or it
 * can't be; else free() it. */
char *jd_payload_complete(enum jd_format format, const char *topic, const char *p, size_t n,
			  size_t *size);
void jd_payload_fini(struct jd_payload *p);
