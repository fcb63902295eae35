#include "roles/jobd/jobd.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "roles/jobd/jd.h"

/* Without a file: one pool, which says hello to whatever comes. */
static const char embedded[] =
	"[pool sample]\n"
	"mode = exec\n"
	"command = sh -c 'echo \"hello from job $TROUPE_ID of topic $TROUPE_TOPIC\"; cat'\n"
	"topics = *\n"
	"[store]\n"
	"keep_done = 1h\n";

static const struct conf_section sections[] = {
	{ .name = "jobd",
	  .help = "Workers on queues, by topic.",
	  .keys = jd_rows,
	  .size = sizeof(struct jd_keys) },
	API_SECTIONS,
	{ .name = NULL },
};

static int open_jobd(void *data, struct api *api, struct err *err)
{
	struct jd *jd = data;

	(void)err;
	jd->api = api;
	return 0;
}

static const struct api_role role = {
	.name = "jobd",
	.open = open_jobd,
	.free = free,
};

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct jd *jd = mem_new(sizeof(*jd));

	jd->keys = jd_keys_of(conf);
	return api_init(self, &(struct api_start){ .run = run, .role = &role, .data = jd }, conf,
			err);
}

const struct role jobd_role = {
	.name = "jobd",
	.summary = "runs the jobs of queues in pools of workers, by topic",
	.sections = sections,
	.embedded = embedded,
	.check = jd_keys_check,
	.init = init,
	.reload = api_reload,
	.drain = api_drain,
	.stop = api_stop,
	.status = api_status,
};
