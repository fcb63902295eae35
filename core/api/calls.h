/*
 * api_calls - who asked to be told is told: a task's callback.
 *
 * The message is a task itself, of the topic .callback, which no pool's pattern matches: it is
 * stored, tried again with backoff, and dead at last, as any other.
 */
#pragma once

struct api;
struct work_event;

void api_calls_open(struct api *api);
void api_calls_event(struct api *api, const struct work_event *e);

/* What is on its way is cut off, and told again after the next start. */
void api_calls_close(struct api *api);
