/*
 * api_calls - who asked to be told is told: a task's callback.
 *
 * The message is a task itself, of the topic .callback, which no pool's pattern matches: it is
 * stored, tried again with backoff, and dead at last, as any other.
 */
#pragma once

#include <stdbool.h>

struct api;
struct work_event;
struct work_spec;

void api_calls_open(struct api *api);

/* For work_conf.follow: the message is stored in the transaction that ends the task. */
bool api_calls_follow(struct api *api, const struct work_event *e, struct work_spec *spec);

/* What is on its way is cut off, and told again after the next start. */
void api_calls_close(struct api *api);
void api_calls_free(struct api *api);
