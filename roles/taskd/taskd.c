#include "roles/taskd/taskd.h"

#include "core/api/api.h"
#include "core/api/job.h"
#include "core/api/keys.h"
#include "roles/taskd/td_import.h"

/* Without a file: one pool, which says hello to whatever comes. */
static const char embedded[] =
	"[pool sample]\n"
	"mode = exec\n"
	"command = sh -c 'echo \"hello from task $TROUPE_ID of topic $TROUPE_TOPIC\"; cat'\n"
	"topics = *\n"
	"[store]\n"
	"keep_done = 1h\n";

static const struct conf_key rows[] = {
	CONF_KEY_LIST(struct api_keys, listen, .dflt = "127.0.0.1:9523",
		      .help = "Addresses of the HTTP API, as 127.0.0.1:9523 or "
			      "unix:/run/troupe/taskd.api."),
	CONF_MORE(api_rows),
};

static const struct conf_section sections[] = {
	{ .name = "taskd",
	  .help = "Tasks by HTTP.",
	  .keys = rows,
	  .size = sizeof(struct api_keys) },
	API_SECTIONS,
	{ .name = NULL },
};

static const struct api_role role = { .name = "taskd" };

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	return api_init(self, &(struct api_start){ .run = run, .role = &role }, conf, err);
}

static void check(const struct conf *conf, struct conf_errors *errors)
{
	api_keys_check(conf, role.name, errors);
}

static const struct role_name names[] = {
	{ "job", "The client: tasks, topics, workers (try: troupe job help).", api_job_main },
	{ "top", "Topics and workers, live; of whatever `troupe job` speaks to.", api_top_main },
	{ NULL, NULL, NULL },
};

const struct role taskd_role = {
	.name = "taskd",
	.summary = "takes tasks by HTTP, keeps them, runs them in pools of workers",
	.sections = sections,
	.embedded = embedded,
	.check = check,
	.init = init,
	.reload = api_reload,
	.drain = api_drain,
	.stop = api_stop,
	.status = api_status,
	.import = td_import,
	.names = names,
};
