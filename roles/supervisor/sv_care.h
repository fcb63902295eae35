/*
 * sv_care - what is looked at while a process runs: its health, its watchdog, its memory, its age.
 *
 * Whoever needs none of it costs nothing: a timer runs only where a key asks for it.
 */
#pragma once

struct sv_proc;

/* It is in RUNNING now; it is not any more. */
void sv_care_begin(struct sv_proc *p);
void sv_care_end(struct sv_proc *p);
