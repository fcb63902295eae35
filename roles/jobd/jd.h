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
	char node[300]; /* who we are to a queue: host and a number that stays with the data */
};
