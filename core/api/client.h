/* api_client - the API from a command line: one request, one answer, blocking. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/jsontext.h"

struct conf_section;

struct api_client {
	char host[300]; /* or the path of a socket */
	char port[8];   /* "": a unix socket */
	char token[512];
	bool json; /* print answers as they are */
};

struct api_got {
	int status; /* 0: nobody is there; -1: it went away in the middle */
	struct json_out body;
	const struct api_client *from;
};

/* text: http://host:port or unix:/path; false: neither. */
bool api_client_at(struct api_client *c, const char *text);

/* Somebody listens. */
bool api_client_is_there(const struct api_client *c);

/* Connects, asks, reads the whole answer. body: NULL: none. got->body: json_out_fini. */
void api_client_ask(const struct api_client *c, const char *method, const char *target,
		    const struct json_out *body, struct api_got *got);

/* The same, and each piece of the answer's body as it comes; returns when the server ends it. */
int api_client_follow(const struct api_client *c, const char *target,
		      void (*piece)(void *data, const char *bytes, size_t n), void *data);

/* Appends a piece of a path or query, with %XX where it needs that. */
void api_client_escape(struct json_out *o, const char *text);
