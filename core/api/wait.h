/* api_wait - calls that wait until a task is over. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct api;
struct api_reply;
struct work_event;

void api_wait_open(struct api *api);
void api_wait_close(struct api *api);

/*
 * Answers 200 with what became of it when it is over within ms; else 202 with its state. The reply
 * is taken over. head: more fields of that answer; constant, or NULL.
 */
void api_wait(struct api *api, const struct api_reply *reply, uint64_t id, int64_t ms);

/* Whether somebody waits for it. */
bool api_is_waited_for(struct api *api, uint64_t id);

/* A task is over: whoever waits is answered. */
void api_wait_event(struct api *api, const struct work_event *e);

/* Of ?wait= and Prefer: wait=; 0: it does not wait. -1: it was answered with 400. */
struct api_ask;
int64_t api_wait_of(const struct api_ask *ask);
