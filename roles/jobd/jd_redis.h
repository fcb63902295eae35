/*
 * jd_redis - jobs in plain lists of a Redis server (6.2 or later).
 *
 *	TOPIC                  list: RPUSH by whoever, the left end is first
 *	tr:{TOPIC}:run:NODE    hash: id -> job, of those that NODE has
 *	tr:{TOPIC}:at          zset: id by the moment (ms) that it is ready again
 *	tr:{TOPIC}:job         hash: id -> job, of those
 *	tr:{TOPIC}:dead        zset: id by the moment of its death
 *	tr:{TOPIC}:corpse      hash: id -> job, of those
 *	tr:{TOPIC}:meta        hash: paused, tokens and at (of a rate)
 *	tr:{TOPIC}:uq:KEY      there for as long as KEY is held
 *	tr:nodes               zset: NODE by its last sign of life
 *
 * A job moves between them by scripts, so it is always in one of them. Time is the server's. A job
 * that has been tried has a line before its payload:
 *
 *	tr1 {"id":"...","attempts":1,"crashes":0,"error":"..."}\n
 */
#pragma once

#include "roles/jobd/jd_source.h"

extern const struct jd_source_type jd_redis;
