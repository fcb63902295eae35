/*
 * admin - the HTTP page of a running role.
 *
 *	/             tables for a person
 *	/metrics      Prometheus
 *	/status.json  the same figures
 *	/healthz      200 as long as we answer
 *	/readyz       200; 503 once we drain
 */
#pragma once

struct admin;
struct err;
struct run;

/* at: an address as people write it. */
int admin_open(struct admin **out, struct run *run, const char *at, struct err *err);

/* NULL: nothing. */
void admin_close(struct admin *a);
