#include "roles/taskd/taskd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/net/http_client.h"
#include "core/run/place.h"
#include "core/run/run.h"
#include "roles/taskd/td.h"
#include "roles/taskd/td_alarm.h"
#include "roles/taskd/td_auth.h"
#include "roles/taskd/td_calls.h"
#include "roles/taskd/td_counts.h"
#include "roles/taskd/td_events.h"
#include "roles/taskd/td_http.h"
#include "roles/taskd/td_import.h"
#include "roles/taskd/td_job.h"
#include "roles/taskd/td_keys.h"
#include "roles/taskd/td_pools.h"
#include "roles/taskd/td_setup.h"
#include "roles/taskd/td_wait.h"

enum { IDLE_MOST = 16, IDLE_TIME = 30000 };

/* Without a file: one pool, which says hello to whatever comes. */
static const char embedded[] =
	"[pool sample]\n"
	"mode = exec\n"
	"command = sh -c 'echo \"hello from task $TROUPE_ID of topic $TROUPE_TOPIC\"; cat'\n"
	"topics = *\n"
	"[store]\n"
	"keep_done = 1h\n";

int64_t td_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the engine's words ---------------------------------------------------------------------- */

static void on_event(void *data, const struct work_event *e)
{
	struct td *td = data;

	if (td->stopping)
		return;
	td_count_event(td, e);
	td_events_add(td, e);
	td_wait_event(td, e);
	td_calls_event(td, e);
	if (e->state == WORK_DEAD)
		td_alarm_raise(td, TD_ON_DEAD, e->topic, e->error ? e->error : "");
}

static void on_health(void *data, enum store_health health, const char *why)
{
	struct td *td = data;

	if (health == STORE_FAILING && !td->stopping)
		td_alarm_raise(td, TD_ON_STORE_ERROR, "store", why);
}

/* ---- open ---------------------------------------------------------------------------------------
 */

static int open_work(struct td *td, const struct conf *conf, struct err *err)
{
	const struct td_store_keys *k = td_store_of(conf);
	struct work_conf c = {
		.dir = td->dir,
		.resident = k->resident ? k->resident : 1,
		.keep_dead = k->keep_dead,
		.max_dead = (int)k->max_dead,
		.store = { .max_ops = (int)k->commit_max_ops,
			   .commit_delay = (int)k->commit_delay_us,
			   .checkpoint_bytes = k->checkpoint_bytes },
		.on_event = on_event,
		.on_health = on_health,
		.data = td,
	};

	return work_open(&td->work, td->loop, &c, err);
}

static int read_tokens(struct td *td, const struct conf *conf, struct err *err)
{
	const char *path = td_keys_of(conf)->tokens_file;

	return td_tokens_take(&td->tokens, path && *path ? path : NULL, err);
}

static int open_all(struct td *td, const struct conf *conf, struct err *err)
{
	int rc = place_data(conf, "taskd", &td->dir, err);

	if (rc != 0)
		return rc;
	log_info("data directory %s", td->dir);
	rc = open_work(td, conf, err);
	if (rc == 0)
		place_give(conf, td->dir);
	if (rc == 0)
		rc = td_setup_apply(td, conf, err);
	if (rc == 0)
		rc = read_tokens(td, conf, err);
	if (rc == 0)
		td_calls_open(td);
	if (rc == 0)
		rc = td_pools_open(td, conf, err);
	if (rc == 0)
		rc = td_http_open(td, err);
	return rc;
}

/* ---- close
 * ---------------------------------------------------------------------------------------- */

static void td_free(struct td *td)
{
	td_tokens_free(td->tokens);
	td_wait_close(td);
	td_counts_close(td);
	free(td->events);
	free(td->alarms);
	free(td->calls);
	free(td->dir);
	free(td);
}

static void on_work_closed(void *data)
{
	struct td *td = data;

	td->work = NULL;
	td->open--;
	td_settle(td);
}

void td_settle(struct td *td)
{
	if (!td->stopping || !td->pools_gone)
		return;
	if (td->work && !td->work_closing) {
		td->work_closing = true;
		td->open++;
		work_close(td->work, on_work_closed, td);
		return;
	}
	if (td->open == 0 && !td->work)
		td_free(td);
}

static void on_client_closed(void *data)
{
	struct td *td = data;

	td->open--;
	td_settle(td);
}

static void stop(void *self)
{
	struct td *td = self;

	td->stopping = true;
	td_http_close(td);
	td_events_close(td);
	td_alarm_close(td);
	td_calls_close(td);
	http_client_close(td->http, on_client_closed, td);
	td_pools_close(td);
	td_settle(td);
}

static void drain(void *self)
{
	struct td *td = self;

	td->draining = true;
	td_pools_drain(td);
}

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct td *td = mem_new(sizeof(*td));

	td->run = run;
	td->loop = run_loop(run);
	td->conf = conf;
	td->keys = td_keys_of(conf);
	td->born_wall = td_now();
	list_init(&td->servers);
	td->http =
		http_client_new(td->loop, &(struct http_client_conf){ .idle = IDLE_MOST,
								      .idle_timeout = IDLE_TIME });
	td->open++;
	td_counts_open(td);
	td_wait_open(td);
	td_events_open(td);
	td_alarm_open(td);
	int rc = open_all(td, conf, err);
	if (rc != 0) {
		stop(td);
		return rc;
	}
	*self = td;
	return 0;
}

/* The new file is looked at as a whole before anything is taken from it; what can fail comes
 * first. */
static int reload(void *self, const struct conf *conf, struct err *err)
{
	struct td *td = self;
	const struct conf *was = td->conf;
	int rc = read_tokens(td, conf, err);

	if (rc != 0)
		return rc;
	td->conf = conf;
	td->keys = td_keys_of(conf);
	rc = td_http_reload(td, err);
	if (rc == 0)
		rc = td_pools_apply(td, conf, err);
	if (rc == 0)
		rc = td_setup_apply(td, conf, err);
	if (rc == 0) {
		td_alarm_apply(td);
		return 0;
	}
	td->conf = was;
	td->keys = td_keys_of(was);
	read_tokens(td, was, NULL);
	return rc;
}

static void status(void *self, struct stat_out *out)
{
	td_status(self, out);
}

static const struct role_name names[] = {
	{ "job", "The client: tasks, topics, workers (try: troupe job help).", td_job_main },
	{ "import-config", "swoole-task's Conf/http_server.php as an ini: APP or FILE.",
	  td_import_main },
	{ NULL, NULL, NULL },
};

const struct role taskd_role = {
	.name = "taskd",
	.summary = "takes tasks by HTTP, keeps them, runs them in pools of workers",
	.sections = td_sections,
	.embedded = embedded,
	.check = td_keys_check,
	.init = init,
	.reload = reload,
	.drain = drain,
	.stop = stop,
	.status = status,
	.names = names,
};
