/*
 * sv_talk - what a process says to us, or to listeners, by its output: a listener's answers, parts
 * between tags, and output that makes events. One for each life, where there is such a thing.
 */
#pragma once

#include <stdbool.h>

struct sv_life;
struct sv_posted;
struct sv_talk;

/* Of a process that runs, spawned or taken back. */
void sv_talk_begin(struct sv_life *l);

/* Its configuration has changed. */
void sv_talk_change(struct sv_life *l);

/* It was taken back; heard: what sv_adopt_heard noted. */
void sv_talk_adopted(struct sv_life *l, int heard);

/* What its pipes hold is read, before others hear of its death. */
void sv_talk_drain(struct sv_life *l);

/* The process is over; its pipes may not be. What a listener had is given back. */
void sv_talk_end(struct sv_life *l);

/* Its outputs are closed. */
void sv_talk_free(struct sv_life *l);

/* l: may be NULL. */
bool sv_talk_is_ready(const struct sv_life *l);

/* An event was written to it, which it holds until it answers. */
void sv_talk_sent(struct sv_life *l, struct sv_posted *event);
