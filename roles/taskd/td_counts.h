/* td_counts - what /metrics tells of requests and tasks that the engine does not count itself. */
#pragma once

#include <stddef.h>

struct td;
struct td_route;
struct stat_out;
struct work_event;

void td_counts_open(struct td *td);
void td_counts_close(struct td *td);

/* A request was answered. route: NULL: there is none. */
void td_count(struct td *td, const struct td_route *route, int status);
void td_count_event(struct td *td, const struct work_event *e);

/* What section 6 names: troupe_jobs_..., troupe_http_... and so on, for Prometheus. */
void td_metrics(struct td *td, char **text, size_t *size);

/* For status and the admin page. */
void td_status(struct td *td, struct stat_out *out);
