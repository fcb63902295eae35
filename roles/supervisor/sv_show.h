/* sv_show - what the supervisor tells of itself: figures for status, pages and Prometheus. */
#pragma once

struct stat_out;
struct sv;

void sv_show_status(struct sv *sv, struct stat_out *out);
