#include "core/api/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/route.h"
#include "core/base/mem.h"
#include "core/pool/pool.h"
#include "core/stat/stat.h"
#include "core/work/work.h"

static const int statuses[] = { 200, 201, 202, 204, 400, 401, 403, 404, 405, 409,
				410, 413, 415, 422, 429, 500, 502, 503, 504, 0 };
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

struct api_counts {
	uint64_t (*requests)[STATUSES]; /* by route; the last one: none of the table */
	uint64_t attempts;
	uint64_t answers[STATUSES];
	struct hist wait, run;
};

void api_counts_open(struct api *api)
{
	api->counts = mem_new(sizeof(*api->counts));
	api->counts->requests = mem_new((api_routes_count() + 1) * sizeof(*api->counts->requests));
}

void api_counts_close(struct api *api)
{
	free(api->counts->requests);
	free(api->counts);
}

static size_t place_of(int status)
{
	size_t i = 0;

	while (i < STATUSES - 1 && statuses[i] != status)
		i++;
	return i;
}

void api_count(struct api *api, const struct api_route *route, int status)
{
	size_t n = api_routes_count(), at = place_of(status);
	bool ours = route >= api_routes && route < api_routes + n;

	api->counts->requests[ours ? (size_t)(route - api_routes) : n][at]++;
	api->counts->answers[at]++;
}

void api_count_event(struct api *api, const struct work_event *e)
{
	struct api_counts *c = api->counts;

	if (e->state == WORK_RUNNING && !e->text)
		c->attempts++;
	if (e->state != WORK_SUCCEEDED && e->state != WORK_DEAD)
		return;
	hist_add(&c->wait, (uint64_t)(e->wait > 0 ? e->wait : 0) * 1000);
	hist_add(&c->run, (uint64_t)(e->run > 0 ? e->run : 0) * 1000);
}

/* ---- for Prometheus: the names of all task servers of ours, whatever their role -------------- */

static void put_label(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP troupe_%s %s\n# TYPE troupe_%s %s\n", name, help, name, type);
}

static void of_topic(FILE *out, const char *name, const char *topic, const char *more, double n)
{
	fprintf(out, "troupe_%s{topic=\"", name);
	put_label(out, topic);
	fprintf(out, "\"%s} %.17g\n", more, n);
}

struct rows {
	struct work_topic_figures *all;
	size_t n;
};

static void on_topic(void *data, const struct work_topic_figures *f)
{
	struct rows *r = data;

	r->all = mem_resize(r->all, (r->n + 1) * sizeof(*f));
	r->all[r->n++] = *f;
}

static void put_ends(FILE *out, const struct rows *r)
{
	head(out, "jobs_finished_total", "counter",
	     "Tasks that are over, and attempts that failed.");
	for (size_t i = 0; i < r->n; i++) {
		const struct work_topic_figures *f = &r->all[i];
		const char *name = "jobs_finished_total";
		of_topic(out, name, f->name, ",state=\"ok\"", (double)f->succeeded);
		of_topic(out, name, f->name, ",state=\"fail\"", (double)f->failed);
		of_topic(out, name, f->name, ",state=\"dead\"", (double)f->died);
		of_topic(out, name, f->name, ",state=\"cancelled\"", (double)f->cancelled);
		of_topic(out, name, f->name, ",state=\"expired\"", (double)f->expired);
	}
}

static void put_topics(FILE *out, const struct rows *r)
{
	head(out, "jobs_enqueued_total", "counter", "Tasks taken in.");
	for (size_t i = 0; i < r->n; i++)
		of_topic(out, "jobs_enqueued_total", r->all[i].name, ",source=\"http\"",
			 (double)r->all[i].submitted);
	put_ends(out, r);
	head(out, "topic_jobs", "gauge", "Tasks by where they stand.");
	for (size_t i = 0; i < r->n; i++) {
		const struct work_topic_figures *f = &r->all[i];
		of_topic(out, "topic_jobs", f->name, ",state=\"ready\"", (double)f->ready);
		of_topic(out, "topic_jobs", f->name, ",state=\"scheduled\"", (double)f->scheduled);
		of_topic(out, "topic_jobs", f->name, ",state=\"waiting\"", (double)f->waiting);
		of_topic(out, "topic_jobs", f->name, ",state=\"running\"", (double)f->running);
		of_topic(out, "topic_jobs", f->name, ",state=\"dead\"", (double)f->dead);
		of_topic(out, "topic_jobs", f->name, ",state=\"outside\"", (double)f->outside);
	}
	head(out, "topic_oldest_seconds", "gauge", "Age of the first one that is ready.");
	for (size_t i = 0; i < r->n; i++)
		of_topic(out, "topic_oldest_seconds", r->all[i].name, "",
			 (double)r->all[i].oldest / 1000);
	head(out, "topic_paused", "gauge", "1: it hands nothing out.");
	for (size_t i = 0; i < r->n; i++)
		of_topic(out, "topic_paused", r->all[i].name, "", r->all[i].paused);
}

static void put_requests(FILE *out, const struct api_counts *c)
{
	size_t n = api_routes_count();

	head(out, "http_requests_total", "counter", "Requests answered.");
	for (size_t i = 0; i <= n; i++)
		for (size_t s = 0; s < STATUSES; s++)
			if (c->requests[i][s])
				fprintf(out,
					"troupe_http_requests_total{route=\"%s %s\",code=\"%d\"} "
					"%lu\n",
					i < n ? api_routes[i].method : "other",
					i < n ? api_routes[i].path : "", statuses[s],
					(unsigned long)c->requests[i][s]);
	static const struct {
		int status;
		const char *reason;
	} rejected[] = { { 400, "bad" },        { 401, "token" }, { 403, "scope" },
			 { 409, "conflict" },   { 413, "size" },  { 429, "full" },
			 { 503, "unavailable" } };
	head(out, "rejected_total", "counter", "Requests refused.");
	for (size_t i = 0; i < sizeof(rejected) / sizeof(rejected[0]); i++)
		fprintf(out, "troupe_rejected_total{reason=\"%s\"} %lu\n", rejected[i].reason,
			(unsigned long)c->answers[place_of(rejected[i].status)]);
}

static void on_pool(void *data, const struct pool_figures *f)
{
	const struct {
		const char *state;
		int n;
	} all[] = { { "starting", f->starting },
		    { "idle", f->idle },
		    { "busy", f->busy },
		    { "leaving", f->leaving } };

	for (size_t i = 0; i < 4; i++)
		fprintf(data, "troupe_workers{pool=\"%s\",state=\"%s\"} %d\n", f->name,
			all[i].state, all[i].n);
}

static void on_restarts(void *data, const struct pool_figures *f)
{
	for (int i = 0; i < POOL_REASONS; i++)
		fprintf(data, "troupe_worker_restarts_total{pool=\"%s\",reason=\"%s\"} %lu\n",
			f->name, pool_reason_name((enum pool_reason)i), (unsigned long)f->ended[i]);
}

static void on_worker(void *data, const struct pool_worker_figures *f)
{
	fprintf(data, "troupe_worker_rss_bytes{pool=\"%s\",worker=\"%s\"} %lld\n", f->pool, f->name,
		(long long)f->rss);
}

static void put_pools(FILE *out, struct api *api)
{
	if (!api->pools)
		return;
	head(out, "workers", "gauge", "Workers by what they do.");
	pools_figures(api->pools, on_pool, out);
	head(out, "worker_restarts_total", "counter", "Workers that ended.");
	pools_figures(api->pools, on_restarts, out);
	head(out, "worker_rss_bytes", "gauge", "Memory of a worker.");
	pools_workers(api->pools, NULL, on_worker, out);
}

static void put_hists(FILE *out, struct api *api, const struct work_figures *f)
{
	struct stat_out *job = stat_new("job"), *store = stat_new("store");

	stat_table(job, "", "Tasks.");
	stat_row(job);
	stat_counter(job, "attempts", "Attempts begun.", api->counts->attempts);
	stat_times(job, "wait", "From ready to started.", &api->counts->wait);
	stat_times(job, "run", "From started to over.", &api->counts->run);
	stat_as_prometheus(job, out);
	stat_free(job);
	stat_table(store, "", "The store.");
	stat_row(store);
	if (f->store.commit_us)
		stat_times(store, "commit", "A transaction.", f->store.commit_us);
	uint64_t batches = f->store.batch ? count_get(&f->store.batch->count) : 0;
	if (batches) /* the writer's own thread goes on meanwhile */
		stat_gauge(store, "batch_ops", "Units of a transaction, on average.",
			   (double)count_get(&f->store.batch->sum) / (double)batches);
	stat_gauge(store, "bytes", "Log that is not copied yet.", (double)f->store.log_bytes);
	stat_counter(store, "errors", "Transactions that failed.", f->store.failures);
	stat_gauge(store, "failing", "1: nothing new is taken.", f->store.health == STORE_FAILING);
	stat_as_prometheus(store, out);
	stat_free(store);
}

struct plans {
	uint64_t runs, missed;
};

static void on_plan(void *data, const struct work_plan_figures *f)
{
	struct plans *p = data;

	p->runs += f->runs;
	p->missed += f->missed;
}

void api_metrics(struct api *api, char **text, size_t *size)
{
	FILE *out = open_memstream(text, size);
	struct work_figures f;
	struct rows rows = { .n = 0 };
	struct plans plans = { 0, 0 };

	work_figures(api->work, &f);
	work_topics(api->work, on_topic, &rows);
	put_topics(out, &rows);
	free(rows.all);
	put_hists(out, api, &f);
	put_pools(out, api);
	put_requests(out, api->counts);
	if (api->role->metrics)
		api->role->metrics(api->role_data, out);
	work_plans(api->work, on_plan, &plans);
	head(out, "schedule_runs_total", "counter", "Tasks that came by the clock.");
	fprintf(out, "troupe_schedule_runs_total %lu\n", (unsigned long)plans.runs);
	head(out, "schedule_missed_total", "counter", "Moments when they did not come.");
	fprintf(out, "troupe_schedule_missed_total %lu\n", (unsigned long)plans.missed);
	fclose(out);
}

/* ---- for people
 * ---------------------------------------------------------------------------------- */

static void topic_row(void *data, const struct work_topic_figures *f)
{
	struct stat_out *out = data;

	stat_row(out);
	stat_label(out, "topic", f->name);
	stat_word(out, "state", f->paused ? "paused" : "open");
	stat_gauge(out, "ready", "Tasks that may start.", (double)f->ready);
	stat_gauge(out, "scheduled", "Tasks whose time has not come.", (double)f->scheduled);
	stat_gauge(out, "waiting", "Tasks that wait for others.", (double)f->waiting);
	stat_gauge(out, "running", "Tasks that run.", (double)f->running);
	stat_gauge(out, "dead", "Tasks that are dead.", (double)f->dead);
	stat_gauge(out, "outside", "Tasks that are ready in a source.", (double)f->outside);
	stat_gauge(out, "oldest_seconds", "Age of the first one that is ready.",
		   (double)f->oldest / 1000);
	stat_counter(out, "succeeded", "Tasks done.", f->succeeded);
	stat_counter(out, "failed", "Attempts that failed.", f->failed);
}

void api_status(void *self, struct stat_out *out)
{
	struct api *api = self;
	struct work_figures f;

	work_figures(api->work, &f);
	stat_table(out, "store", "The store.");
	stat_row(out);
	stat_word(out, "state",
		  f.store.health == STORE_WELL      ? "well"
		  : f.store.health == STORE_LAGGING ? "lagging"
						    : "failing");
	stat_gauge(out, "tasks", "Pending tasks.", (double)f.tasks);
	stat_gauge(out, "resident_bytes", "Payloads in memory.", (double)f.resident);
	stat_counter(out, "commits", "Transactions.", f.store.commits);
	stat_counter(out, "failures", "Transactions that failed.", f.store.failures);
	if (f.store.commit_us)
		stat_times(out, "commit", "A transaction.", f.store.commit_us);
	stat_table(out, "topic", "Topics.");
	work_topics(api->work, topic_row, out);
	if (api->pools)
		pools_status(api->pools, out);
	if (api->role->status)
		api->role->status(api->role_data, out);
}
