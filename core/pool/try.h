/*
 * try - `troupe worker-test CMD ...`: plays the manager of TWP/1 for one worker, in every way that
 * the protocol allows, and says where it breaks it.
 *
 * What the worker does with a job is its own affair: ACK, FAIL and RELEASE are all answers.
 */
#pragma once

/* argv[0] is "worker-test". Prints a line for each thing tried. Returns 0, 1 (it broke the
 * protocol), 2 (usage). */
int pool_try(int argc, char **argv);
