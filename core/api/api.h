/*
 * api - what taskd's files share.
 *
 *	api --- servers: listeners (api_http) --> routes (api_route) --> handlers (handlers.h)
 *	    |--- work: tasks (core/work) <-- takers -- pools (core/pool)
 *	    |--- waits: calls that wait for a task's end (api_wait)
 *	    \--- events: the last of them, and who follows (api_events)
 */
#pragma once

#include <stdio.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/stat/hist.h"
#include "core/work/work.h"

struct api;
struct conf;
struct err;
struct http_client;
struct pools;
struct run;
struct stat_out;
struct api_alarms;
struct api_calls;
struct api_counts;
struct api_events;
struct api_keys;
struct api_tokens;
struct api_waits;

/* What a role adds to it. What is NULL it does not. */
struct api_role {
	const char *name; /* of the role, its section (see keys.h), its folder of data */
	/* Engine and pools are there, nobody is listened to yet. */
	int (*open)(void *data, struct api *api, struct err *err);
	/* The last that can refuse a new configuration. */
	int (*reload)(void *data, const struct conf *conf, struct err *err);
	void (*event)(void *data, const struct work_event *e);
	/* The dead jobs of a topic that are elsewhere are to be tried again. */
	void (*raise)(void *data, const char *topic);
	/* Calls api_drained, now or when what it has handed out itself is over. */
	void (*drain)(void *data);
	/* Gives back all tasks that it holds, now; what closes later counts in api->open. Comes
	 * also when open has failed, or never came. */
	void (*close)(void *data);
	void (*status)(void *data, struct stat_out *out);
	void (*metrics)(void *data, FILE *out); /* more of the API's, for Prometheus */
	const char *(*unready)(void *data);     /* why it takes nothing in; NULL: it does */
	void (*free)(void *data);               /* the last word */
};

struct api {
	const struct api_role *role;
	void *role_data;
	struct run *run;
	uv_loop_t *loop;
	const struct conf *conf;
	const struct api_keys *keys; /* of conf */
	bool names_topics;           /* conf does */
	struct work *work;
	struct pools *pools;
	struct list servers;
	struct http_client *http;  /* for whom we tell something */
	struct api_tokens *tokens; /* NULL: nobody is asked */
	struct api_waits *waits;
	struct api_events *events;
	struct api_counts *counts;
	struct api_alarms *alarms;
	struct api_calls *calls;
	char *dir;
	int64_t born_wall; /* ms since 1970 */
	bool draining, stopping, pools_gone, work_closing;
	int undrained; /* parts with tasks in hand that are waited for */
	int open;      /* handles, and parts that close in their own time */
};

struct api_start {
	struct run *run;
	const struct api_role *role;
	void *data; /* the role's; when api_init fails, role->free has had or will have it */
};

/* For a role's constant: struct api is its self. */
int api_init(void **self, const struct api_start *how, const struct conf *conf, struct err *err);
int api_reload(void *self, const struct conf *conf, struct err *err);
void api_drain(void *self);
void api_drained(struct api *api);
void api_stop(void *self);
void api_status(void *self, struct stat_out *out); /* counts.c */

/* One of those that api->open counts is gone. */
void api_settle(struct api *api);

int64_t api_now(void); /* ms since 1970 */
