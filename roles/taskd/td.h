/*
 * td - what taskd's files share.
 *
 *	td --- servers: listeners (td_http) --> routes (td_route) --> handlers (td_api.h)
 *	    |--- work: tasks (core/work) <-- takers -- pools (core/pool)
 *	    |--- waits: calls that wait for a task's end (td_wait)
 *	    \--- events: the last of them, and who follows (td_events)
 */
#pragma once

#include <uv.h>

#include "core/base/list.h"
#include "core/stat/hist.h"
#include "core/work/work.h"

struct conf;
struct err;
struct http_client;
struct pools;
struct run;
struct td_alarms;
struct td_calls;
struct td_counts;
struct td_events;
struct td_keys;
struct td_tokens;
struct td_waits;

struct td {
	struct run *run;
	uv_loop_t *loop;
	const struct conf *conf;
	const struct td_keys *keys; /* of conf */
	struct work *work;
	struct pools *pools;
	struct list servers;
	struct http_client *http; /* for whom we tell something */
	struct td_tokens *tokens; /* NULL: nobody is asked */
	struct td_waits *waits;
	struct td_events *events;
	struct td_counts *counts;
	struct td_alarms *alarms;
	struct td_calls *calls;
	char *dir;
	int64_t born_wall; /* ms since 1970 */
	bool draining, stopping, pools_gone, work_closing;
	int open; /* handles, and parts that close in their own time */
};

/* taskd.c: one of those that td->open counts is gone. */
void td_settle(struct td *td);

int64_t td_now(void); /* ms since 1970 */
