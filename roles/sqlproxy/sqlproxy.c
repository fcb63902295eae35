/* Holds the place until the role is written: it starts, waits and ends. */
#include "roles/sqlproxy/sqlproxy.h"

#include <stdlib.h>
#include <uv.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/run/run.h"

struct sqlproxy {
	struct run *run;
	uv_timer_t alive;
};

static const struct conf_key keys[] = { CONF_END };

static const struct conf_section sections[] = {
	{ .name = "sqlproxy", .help = "A MySQL connection pool.", .keys = keys },
	{ .name = NULL },
};

static void on_alive(uv_timer_t *t)
{
	(void)t;
}

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct sqlproxy *s = mem_new(sizeof(*s));

	(void)conf;
	(void)err;
	s->run = run;
	s->alive.data = s;
	uv_timer_init(run_loop(run), &s->alive);
	uv_timer_start(&s->alive, on_alive, 1000000, 1000000);
	*self = s;
	return 0;
}

static void drain(void *self)
{
	run_drained(((struct sqlproxy *)self)->run);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void stop(void *self)
{
	uv_close((uv_handle_t *)&((struct sqlproxy *)self)->alive, on_closed);
}

const struct role sqlproxy_role = {
	.name = "sqlproxy",
	.summary = "a connection pool and read/write splitter for MySQL and MariaDB",
	.sections = sections,
	.init = init,
	.drain = drain,
	.stop = stop,
};
