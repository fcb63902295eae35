/* sp_show - what the proxy knows about itself, gathered from its workers. Main thread. */
#pragma once

struct sp_proxy;
struct stat_out;

/* Figures for status, /metrics and the admin page. */
void sp_show_status(struct sp_proxy *p, struct stat_out *out);
