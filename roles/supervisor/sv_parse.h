/*
 * sv_parse - a word or list of a program's keys into what it says.
 *
 * All return 0, or ERR_CONF and one sentence. Lists end with NULL.
 */
#pragma once

#include "roles/supervisor/sv_process.h"

struct err;

/* TERM, SIGTERM, 15, RTMIN+1; in any case. */
int sv_parse_signal(const char *word, int *signal, struct err *err);

/* 0750; of at most `most`. */
int sv_parse_octal(const char *word, int most, int *out, struct err *err);

/* 0,2. *out is the caller's to free. */
int sv_parse_exitcodes(char *const *list, int **out, int *count, struct err *err);

/* TERM/10s, INT: at most 16 of them. *steps is the caller's to free. */
int sv_parse_stop(char *const *list, int64_t wait, struct sv_stop_step **steps, size_t *count,
		  struct err *err);

/* 2.0, 30s, jitter 20%: all may be missing. delay is not touched. */
int sv_parse_backoff(char *const *list, struct sv_backoff *out, struct err *err);

/* 5/60s, retry 5m */
int sv_parse_flap(char *const *list, struct sv_flap *out, struct err *err);

/* 24h, jitter 1h */
int sv_parse_age(char *const *list, int64_t *age, int64_t *jitter, struct err *err);

/* 150% */
int sv_parse_percent(const char *word, int64_t *out, struct err *err);

/* net_bind_service, CAP_CHOWN; none. */
int sv_parse_caps(char *const *list, uint64_t *out, struct err *err);

/* 0-3,6 */
int sv_parse_cpus(const char *text, uint64_t out[SV_CPUS / 64], struct err *err);

/* none, notify, fd:3, log:REGEX, probe. A LOG's regex is the caller's to free. */
int sv_parse_ready(const char *word, struct sv_ready *out, struct err *err);

/* A sentence on a program's or group's name that clients could not say; false: it is fine. */
bool sv_parse_bad_name(const char *name, struct err *err);
