#include "roles/jobd/jobd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/run/place.h"
#include "core/stat/stat.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk.h"
#include "roles/jobd/jd_faktory.h"
#include "roles/jobd/jd_import.h"
#include "roles/jobd/jd_source.h"
#include "roles/jobd/jd_zmq.h"

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
	{ .name = "source",
	  .help = "A queue elsewhere whose jobs run here.",
	  .implies = "jobd",
	  .keys = jd_source_rows,
	  .size = sizeof(struct jd_source_keys),
	  .named = true,
	  .reload = true },
	API_SECTIONS,
	{ .name = NULL },
};

/* A file of our own: made with the data, kept with it. */
static int read_node(struct jd *jd, struct err *err)
{
	char path[PATH_MAX], host[200] = "";
	uint32_t n = 0;

	snprintf(path, sizeof(path), "%s/node", jd->api->dir);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%299s", jd->node) != 1)
		jd->node[0] = '\0';
	if (f)
		fclose(f);
	if (*jd->node)
		return 0;
	gethostname(host, sizeof(host) - 1);
	uv_random(NULL, NULL, &n, sizeof(n), 0, NULL);
	snprintf(jd->node, sizeof(jd->node), "%s-%08x", host, n);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%s\n", jd->node) < 0 || fclose(f) != 0)
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
	place_give(jd->api->conf, path);
	return 0;
}

static int open_jobd(void *data, struct api *api, struct err *err)
{
	struct jd *jd = data;

	jd->api = api;
	int rc = read_node(jd, err);
	if (rc == 0)
		rc = jd_sources_open(jd, api->conf, err);
	if (rc == 0)
		rc = jd_beanstalk_open(&jd->beanstalk, jd, err);
	if (rc == 0)
		rc = jd_faktory_open(&jd->faktory, jd, err);
	return rc != 0 ? rc : jd_zmq_open(&jd->zmq, jd, err);
}

static void on_event(void *data, const struct work_event *e)
{
	struct jd *jd = data;

	jd_beanstalk_event(jd->beanstalk, e);
	jd_faktory_event(jd->faktory, e);
}

void jd_drained(struct jd *jd)
{
	if (--jd->draining == 0)
		api_drained(jd->api);
}

static int reload(void *data, const struct conf *conf, struct err *err)
{
	struct jd *jd = data;
	int rc = jd_sources_apply(jd, conf, err);

	if (rc == 0)
		jd->keys = jd_keys_of(conf);
	return rc;
}

static void raise_dead(void *data, const char *topic)
{
	jd_sources_raise(data, topic);
}

static void drain(void *data)
{
	struct jd *jd = data;

	jd_sources_drain(jd);
	jd->draining = 2;
	jd_beanstalk_drain(jd->beanstalk);
	jd_faktory_drain(jd->faktory);
	jd_zmq_drain(jd->zmq);
}

static void close_jobd(void *data)
{
	struct jd *jd = data;

	jd_beanstalk_close(jd->beanstalk);
	jd_faktory_close(jd->faktory);
	jd_zmq_close(jd->zmq);
	jd_sources_close(jd);
}

static void free_jobd(void *data)
{
	struct jd *jd = data;

	jd_beanstalk_free(jd->beanstalk);
	jd_faktory_free(jd->faktory);
	free(jd);
}

static void status(void *data, struct stat_out *out)
{
	struct jd *jd = data;

	jd_sources_status(jd, "source", out);
	jd_beanstalk_status(jd->beanstalk, out);
	jd_faktory_status(jd->faktory, out);
	jd_zmq_status(jd->zmq, "zeromq", out);
}

static void metrics(void *data, FILE *out)
{
	const struct jd *jd = data;
	struct stat_out *source = stat_new("source"), *zeromq = stat_new("zeromq");

	jd_sources_status(data, "", source);
	stat_as_prometheus(source, out);
	stat_free(source);
	jd_zmq_status(jd->zmq, "", zeromq);
	stat_as_prometheus(zeromq, out);
	stat_free(zeromq);
}

static const char *unready(void *data)
{
	return jd_sources_down(data) ? "a source is not connected" : NULL;
}

static const struct api_role role = {
	.name = "jobd",
	.open = open_jobd,
	.event = on_event,
	.reload = reload,
	.raise = raise_dead,
	.drain = drain,
	.close = close_jobd,
	.status = status,
	.metrics = metrics,
	.unready = unready,
	.free = free_jobd,
};

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct jd *jd = mem_new(sizeof(*jd));

	jd->keys = jd_keys_of(conf);
	list_init(&jd->sources);
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
	.import = jd_import,
};
