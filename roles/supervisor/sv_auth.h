/* sv_auth - who may speak to a listener. */
#pragma once

#include <stdbool.h>

struct http_call;
struct sv_http;

bool sv_auth_allowed(const struct sv_http *h, struct http_call *call);
