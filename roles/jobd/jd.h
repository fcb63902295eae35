/*
 * jd - what jobd's files share.
 *
 *	jd --- api: engine, pools, HTTP (core/api)
 *	   \--- what speaks other programs' protocols to the same engine
 */
#pragma once

#include "core/api/api.h"
#include "roles/jobd/jd_keys.h"

struct jd {
	struct api *api; /* NULL: it was never there */
	const struct jd_keys *keys;
	struct list sources;
	struct jd_bs *beanstalk; /* NULL: it was never there */
	struct jd_fk *faktory;   /* NULL: it was never there */
	struct jd_zmq *zmq;      /* NULL: nobody asked for it, or it has gone */
	char node[300]; /* who we are to a queue: host and a number that stays with the data */
	int draining;   /* listeners whose clients still hold jobs */
};

/* One of those that jd->draining counts has no jobs out any more. */
void jd_drained(struct jd *jd);
