/*
 * sv_adopt - what outlives us: after a kill -9, or an exec of a new image, the next supervisor
 * takes back what runs, with its pipes, and no byte that was in them is lost.
 *
 *	before a spawn: slot BORN with the mark, pipes to the keeper
 *	after it:       slot LIVES with the number and its start time
 *	at the end:     slot FREE, pipes dropped
 *	stopped, or its work done: slot RESTS, so that the next one does not start it
 *	another number of them: slot WISH, so that the next one has as many
 */
#pragma once

#include <stdbool.h>

struct err;
struct sv;
struct sv_life;
struct sv_proc;

/* Opens what is remembered. Never fails: without it, all goes on, and says so. */
void sv_adopt_open(struct sv *sv);

/* Adopts whom the setup still names. */
void sv_adopt_all(struct sv *sv);

void sv_adopt_born(struct sv_life *l);
void sv_adopt_lives(struct sv_life *l);
void sv_adopt_forget(struct sv_life *l);

/* It is ready, or is to run, or not. One that is not to run is not started by another supervisor of
 * the same boot either. */
void sv_adopt_note(struct sv_proc *p);

/* It is removed. */
void sv_adopt_drop(struct sv_proc *p);

/* What a listener is doing: enum sv_ear_state. */
void sv_adopt_heard(const struct sv_life *l, int state);

/* Nothing is to be taken back: forget it; else leave all as it is. */
void sv_adopt_close(struct sv *sv, bool forget);
