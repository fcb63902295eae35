/* http_url - where a request goes: http and https (RFC 3986, RFC 9110 4.2). */
#pragma once

#include <stdbool.h>

#include "core/net/addr.h"

struct err;

enum { HTTP_HOST = 280, HTTP_TARGET = 2048 };

struct http_url {
	bool tls;
	struct addr addr;         /* with its port */
	char host[HTTP_HOST];     /* as the field Host has it */
	char target[HTTP_TARGET]; /* path and query, from the slash on */
};

/* http://host[:port]/path?query, https://...; no user, what is behind # is dropped. What is not
 * ASCII must be encoded. Returns 0, or ERR_CONF and a sentence. */
int http_url_read(struct http_url *u, const char *text, struct err *err);
