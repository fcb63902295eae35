/* A role that does nothing, for the tests of cmd and core/run: build/V/house. */

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "cmd/roles.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "core/stat/stat.h"

struct conf_demo {
	int64_t wait;
	int64_t fixed;
};

struct demo {
	struct run *run;
	uv_timer_t timer;
	int64_t wait;
};

static const struct conf_key keys[] = {
	CONF_KEY_DURATION(struct conf_demo, wait, .dflt = "0", .flags = CONF_RELOAD,
			  .help = "How long draining takes."),
	CONF_KEY_INT(struct conf_demo, fixed, .dflt = "0", .help = "Only after a restart."),
	CONF_END,
};

static const struct conf_section sections[] = {
	{ .name = "demo", .keys = keys, .size = sizeof(struct conf_demo) },
	{ .name = NULL },
};

static void on_timer(uv_timer_t *t)
{
	struct demo *self = t->data;

	run_drained(self->run);
}

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	const struct conf_demo *c = conf_get(conf, "demo");
	struct demo *s = mem_new(sizeof(*s));

	(void)err;
	s->run = run;
	s->wait = c->wait;
	uv_timer_init(run_loop(run), &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, on_timer, 1000000000, 0);
	*self = s;
	return 0;
}

static int reload(void *self, const struct conf *conf, struct err *err)
{
	struct demo *s = self;
	const struct conf_demo *c = conf_get(conf, "demo");

	if (c->fixed == 13)
		return err_set(err, ERR_CONF, "not on a Friday");
	s->wait = c->wait;
	return 0;
}

static void drain(void *self)
{
	struct demo *s = self;

	uv_timer_start(&s->timer, on_timer, (uint64_t)s->wait, 0);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void stop(void *self)
{
	struct demo *s = self;

	uv_close((uv_handle_t *)&s->timer, on_closed);
}

static void status(void *self, struct stat_out *out)
{
	struct demo *s = self;

	stat_table(out, "", "All of it.");
	stat_row(out);
	stat_gauge(out, "wait", "Milliseconds.", (double)s->wait);
}

static int ctl(void *self, int argc, char **argv, FILE *out, bool json)
{
	(void)self;
	(void)json;
	if (strcmp(argv[0], "echo") != 0)
		return 2;
	for (int i = 1; i < argc; i++)
		fprintf(out, "%s\n", argv[i]);
	return 0;
}

static const struct role demo_role = {
	.name = "demo",
	.summary = "does nothing, for tests",
	.sections = sections,
	.init = init,
	.reload = reload,
	.drain = drain,
	.stop = stop,
	.status = status,
	.ctl = ctl,
	.ctl_help = "echo         the words that follow\n",
};

const struct role *const roles[] = { &demo_role, NULL };
