/*
 * backoff - how long to wait before the next attempt.
 *
 *	exp FIRST MAX [jitter N%]     FIRST, twice that, four times ... at most MAX
 *	linear STEP MAX [jitter N%]   STEP, 2 STEP, 3 STEP ...
 *	fixed TIME [jitter N%]
 *	list TIME,TIME,... [jitter N%]   the last one goes on
 *	poly4                         n^4 + 15 s + (0 to 30 s) * (n + 1): Sidekiq's and Faktory's
 *
 * Times have units: 100ms, 5s, 2m, 1h, 1d. Jitter moves a time by up to N percent either way, so
 * that what failed together does not come back together.
 */
#pragma once

#include <stdint.h>

struct err;

enum backoff_kind { BACKOFF_EXP, BACKOFF_LINEAR, BACKOFF_FIXED, BACKOFF_LIST, BACKOFF_POLY4 };

enum { BACKOFF_STEPS = 16 };

struct backoff {
	uint8_t kind, jitter, steps;
	int64_t max;                 /* ms */
	int64_t step[BACKOFF_STEPS]; /* ms */
};

/* ERR_CONF and a sentence that says what is wrong; *b is then untouched. */
int backoff_parse(struct backoff *b, const char *text, struct err *err);

/* ms until the attempt after `attempts` failed ones (at least 1). chance: any number, for jitter.
 */
int64_t backoff_delay(const struct backoff *b, int attempts, uint64_t chance);
