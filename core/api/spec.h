/*
 * api_spec - a task as JSON says it, as the engine wants it.
 *
 * What is in `spec` points into the JSON that was read, or to what this owns; the payload is handed
 * on as it came, byte for byte.
 */
#pragma once

#include "core/base/jsontext.h"
#include "core/work/work.h"

struct api;
struct api_ask;

enum { API_TEXTS = 12 };

struct api_spec {
	struct work_spec spec;
	char *texts[API_TEXTS];
	int n_texts;
	struct json headers, callback; /* as they came */
	char *group;
	uint64_t after[WORK_MAX_AFTER];
	struct json_out meta;
	char *binary; /* payload_b64, decoded */
};

/* What is wrong: the status to answer with, the member, a sentence. */
struct api_fault {
	int status;
	char field[64];
	char text[300];
};

int api_fault(struct api_fault *f, int status, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void api_spec_init(struct api_spec *s);
void api_spec_fini(struct api_spec *s);

/* Of an object's members. 0, or -1 and *f. */
int api_spec_read(struct api_spec *s, const struct json *object, struct api_fault *f);

/* The same from X-Troupe-... fields and the query: topic and payload are there already. */
int api_spec_options(struct api_spec *s, const struct api_ask *ask, struct api_fault *f);

/* Limits, the topic's key, what is kept beside it; 0, or -1 and *f. Comes last. */
int api_spec_finish(struct api *api, struct api_spec *s, struct api_fault *f);

/* 1 to 128 bytes, no spaces, no control characters; what begins with a dot is our own. */
bool api_topic_is_good(const char *topic);

/* Up to 200 letters, digits and . _ : - */
bool api_id_is_good(const char *id);

/* "headers": {...} and "callback": {...} of a task's meta. kind JSON_NONE: not there. */
struct json api_meta_get(const void *meta, size_t n, const char *name);

/* Milliseconds of "30s", "500ms", "30" (seconds); -1: neither. */
int64_t api_duration(const char *text);

/* Base 64 (RFC 4648 4): *n bytes, the caller's to free; NULL: it is none. */
char *api_base64_read(const char *text, size_t len, size_t *n);
void api_base64_put(struct json_out *o, const void *p, size_t n);
