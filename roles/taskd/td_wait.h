/* td_wait - calls that wait until a task is over. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct td;
struct td_reply;
struct work_event;

void td_wait_open(struct td *td);
void td_wait_close(struct td *td);

/*
 * Answers 200 with what became of it when it is over within ms; else 202 with its state. The reply
 * is taken over. head: more fields of that answer; constant, or NULL.
 */
void td_wait(struct td *td, const struct td_reply *reply, uint64_t id, int64_t ms);

/* Whether somebody waits for it. */
bool td_is_waited_for(struct td *td, uint64_t id);

/* A task is over: whoever waits is answered. */
void td_wait_event(struct td *td, const struct work_event *e);

/* Of ?wait= and Prefer: wait=; 0: it does not wait. -1: it was answered with 400. */
struct td_ask;
int64_t td_wait_of(const struct td_ask *ask);
