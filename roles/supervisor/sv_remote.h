/*
 * sv_remote - a supervisor as a client sees it: methods called, logs and events read. Blocks.
 *
 *	control socket     ["call", METHOD, PARAMS], ["stream", TARGET]    troupe ctl
 *	HTTP, unix or TCP  POST /RPC2, GET TARGET; also supervisord's own  supervisorctl
 *
 * HTTP/1.0 is spoken, so that an answer in pieces ends where the connection does.
 */
#pragma once

#include <jansson.h>

struct err;

struct sv_remote {
	char *control;     /* the path; NULL: HTTP */
	char *url;         /* http://host:port or unix:///path */
	char *user, *pass; /* NULL: none */
};

/* Why there is no result. */
struct sv_refusal {
	int fault;  /* enum sv_fault; 0: it is no fault */
	int status; /* HTTP's; 0: none */
	int code;   /* negative: the connection failed so */
	char text[1024];
};

/* Returns 0, or ERR_CONF for a URL that is none. */
int sv_remote_check(const char *url, struct err *err);

/* params: its reference is taken over. The caller's to decref; NULL: why says why. */
json_t *sv_remote_call(const struct sv_remote *r, const char *method, json_t *params,
		       struct sv_refusal *why);

/* A descriptor that the body of "/logtail/..." or "/events" comes from; negative: why says why. */
int sv_remote_stream(const struct sv_remote *r, const char *target, struct sv_refusal *why);
