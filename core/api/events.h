/*
 * api_events - what happens to tasks, told to who follows (server-sent events).
 *
 *	engine --> ring of the last N --> followers, each with a place in it
 *
 *	id: 1763862000000-17
 *	event: running
 *	data: {"id":"...","topic":"mail","state":"running",...}
 *
 * Once a turn of the loop each follower gets all that is new to it in one piece. Who comes back
 *with Last-Event-ID goes on behind that; who is too slow for the ring is told of the gap (event:
 *gap) and goes on with its oldest.
 */
#pragma once

struct api;
struct api_ask;
struct work_event;

void api_events_open(struct api *api);
void api_events_close(struct api *api);
void api_events_add(struct api *api, const struct work_event *e);
