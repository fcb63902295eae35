/* api_http - the addresses of the API. */
#pragma once

#include <stdint.h>

struct err;
struct api;

int api_http_open(struct api *api, struct err *err);

/* Certificates anew, for connections from now on. */
int api_http_reload(struct api *api, struct err *err);

void api_http_close(struct api *api);

/* Connections of all addresses: now, and ever. */
void api_http_figures(struct api *api, int *now, uint64_t *all);
