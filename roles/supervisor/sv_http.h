/*
 * sv_http - what supervisor's listeners answer.
 *
 *	POST /RPC2                   XML-RPC
 *	GET  /logtail/NAME[/stderr]  a log, and what comes to it
 *	GET  /mainlogtail            our own
 *	GET  /                       a page for a person
 *	GET  /v1/programs[/NAME]     the same as JSON
 *	POST /v1/programs/NAME/VERB  start, stop, restart, signal/HUP
 *	POST /v1/call/METHOD         any method of XML-RPC, with a JSON array of parameters
 *	GET  /events                 server-sent events: each move of a process
 *	GET  /metrics /status.json /healthz
 */
#pragma once

struct err;
struct sv;
struct sv_http_server;

/* All listeners of sv's setup. Returns 0 or a code. */
int sv_http_open(struct sv *sv, struct err *err);

/* No new connections; those that wait for something end. */
/* Another setup: listeners come and go, those that stay take over its passwords and rights. What
 * can't be opened is logged, and tried again at the next change. */
void sv_http_change(struct sv *sv);
void sv_http_close(struct sv *sv);
