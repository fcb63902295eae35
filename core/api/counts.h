/* api_counts - what /metrics tells of requests and tasks that the engine does not count itself. */
#pragma once

#include <stddef.h>

struct api;
struct api_route;
struct stat_out;
struct work_event;

void api_counts_open(struct api *api);
void api_counts_close(struct api *api);

/* A request was answered. route: NULL: there is none. */
void api_count(struct api *api, const struct api_route *route, int status);
void api_count_event(struct api *api, const struct work_event *e);

/* What section 6 names: troupe_jobs_..., troupe_http_... and so on, for Prometheus. */
void api_metrics(struct api *api, char **text, size_t *size);
