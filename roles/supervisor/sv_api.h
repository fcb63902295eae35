/* sv_api - the JSON front: /v1/... Errors are {"fault": 10, "name": "BAD_NAME", "text": "..."}. */
#pragma once

struct http_call;
struct sv;

/* path: what follows /v1/. */
void sv_api_get(struct sv *sv, struct http_call *call, const char *path);
void sv_api_post(struct sv *sv, struct http_call *call, const char *path);
