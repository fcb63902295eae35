/* jd_script - what is done within Redis, in one step each (Lua). */
#pragma once

enum jd_script {
	/* KEYS list run meta nodes; ARGV run-prefix, how many may run on all nodes together, how
	 * many a second, in a burst (0: no limit), an id for each job wanted -> { left, ms until
	 * there may be more (0: at once), id, job, id, job, ... } */
	JD_TAKE,
	/* KEYS run list at job; ARGV id, delay (ms), head ("": as it was; "+": a crash is charged)
	 */
	JD_RETURN,
	/* KEYS run dead corpse; ARGV id, head, most */
	JD_BURY,
	/* KEYS nodes, then of each topic list at job meta dead run-prefix; ARGV node, silent for
	 * ms, prefix
	 * -> { reaped, then of each topic: left (-1: no list), ms to the next or -1, paused, later,
	 * dead } */
	JD_TICK,
	/* KEYS dead corpse list; ARGV most -> how many are ready again */
	JD_RAISE,
	/* KEYS list unique-key; ARGV job, ms -> 1; 0: another of that key is there already */
	JD_PUSH,
	JD_SCRIPTS
};

/* Whose lists they are. */
enum jd_layout { JD_PLAIN, JD_OF_SIDEKIQ, JD_OF_LARAVEL };

/* A layout's text stands before each script. */
extern const char *const jd_layouts[];
extern const char *const jd_scripts[JD_SCRIPTS];
