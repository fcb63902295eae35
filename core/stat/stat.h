/*
 * stat - what a role knows about itself, written once and shown in four ways.
 *
 *	stat_table(out, "pool", "Connections by pool.");
 *	for each pool:
 *		stat_row(out);
 *		stat_label(out, "pool", pool->name);
 *		stat_gauge(out, "idle", "Connections that wait for work.", pool->idle);
 *		stat_counter(out, "queries", "Queries answered.", pool->queries);
 *		stat_times(out, "wait", "Time in the queue.", &pool->wait);
 *		stat_word(out, "state", "up");
 *
 * gives a table for a person (`troupe ctl status`), the same as JSON, a row of
 * the admin page, and the families troupe_ROLE_pool_idle{pool="a"},
 * troupe_ROLE_pool_queries_total and troupe_ROLE_pool_wait_seconds for
 * Prometheus (text 0.0.4). A table with the name "" gives troupe_ROLE_NAME.
 * Labels come first in a row. Words are for people only.
 *
 * All is kept in memory until it is shown, since Prometheus wants by family
 * what a role tells by object. Names and helps are kept by pointer, labels and
 * words are copied.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/stat/hist.h"

struct stat_out;

/* role: stands in the names of the families; kept by pointer. */
struct stat_out *stat_new(const char *role);
void stat_free(struct stat_out *out);

/* ---- telling --------------------------------------------------------------- */

/* name: lower case letters, digits and _. */
void stat_table(struct stat_out *out, const char *name, const char *help);
void stat_row(struct stat_out *out);
void stat_label(struct stat_out *out, const char *name, const char *value);
void stat_counter(struct stat_out *out, const char *name, const char *help, double n);
void stat_gauge(struct stat_out *out, const char *name, const char *help, double value);
void stat_word(struct stat_out *out, const char *name, const char *word);

/* hist: of microseconds; copied. People see its count, median, p95 and p99 in milliseconds. */
void stat_times(struct stat_out *out, const char *name, const char *help, const struct hist *hist);

/* ---- showing --------------------------------------------------------------- */

void stat_as_text(const struct stat_out *out, FILE *to);
void stat_as_json(const struct stat_out *out, FILE *to);
void stat_as_prometheus(const struct stat_out *out, FILE *to);
void stat_as_html(const struct stat_out *out, FILE *to); /* <table>s, no page around them */
