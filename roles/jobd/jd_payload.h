/*
 * jd_payload - what a producer has put into a queue, as its worker gets it.
 *
 * Of swoole-jobs: {uuid, topic, jobClass, jobMethod, jobParams[], jobExtras{delay, priority,
 * expiration}}, as JSON or as PHP serialized it. A worker gets JSON; anything else is a foreign
 * message: with a default class it becomes the one parameter of a call, else it stays as it is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum jd_format { JD_RAW, JD_SWOOLE_JOBS };

struct jd_payload_rules {
	enum jd_format format;
	const char *job_class, *job_method; /* of foreign messages; NULL, "": none */
};

struct jd_payload {
	const char *p; /* own, or what was read */
	size_t n;
	char *own;              /* NULL: it is as it came */
	char type[129];         /* jobClass::jobMethod, cut; "": none */
	int prio;               /* the engine's */
	int64_t delay, expires; /* ms; 0: none */
};

/* Cannot fail: what can't be read is handed on as it came. */
void jd_payload_read(struct jd_payload *out, const char *p, size_t n,
		     const struct jd_payload_rules *rules);
void jd_payload_fini(struct jd_payload *p);
