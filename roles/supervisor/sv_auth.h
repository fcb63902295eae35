/* sv_auth - who may speak to a listener. */
#pragma once

#include <stdbool.h>

struct http_call;
struct sv_http;
struct sv_main;

/* Whether allow_uid and allow_gid let the client of a unix socket in. */
bool sv_auth_may(const struct sv_main *m, const struct http_call *call);

/* Whether it knows username and password. */
bool sv_auth_allowed(const struct sv_http *h, struct http_call *call);
