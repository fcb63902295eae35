/*
 * td_calls - who asked to be told is told: a task's callback.
 *
 * The message is a task itself, of the topic .callback, which no pool's pattern matches: it is
 * stored, tried again with backoff, and dead at last, as any other.
 */
#pragma once

struct td;
struct work_event;

void td_calls_open(struct td *td);
void td_calls_event(struct td *td, const struct work_event *e);

/* What is on its way is cut off, and told again after the next start. */
void td_calls_close(struct td *td);
