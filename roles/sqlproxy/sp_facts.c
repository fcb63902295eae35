#include "roles/sqlproxy/sp_facts.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_digest.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_show.h"

/* ---- lists -------------------------------------------------------------------- */

static void *add(struct sp_facts *f)
{
	if (f->count == f->size) {
		f->size = f->size ? 2 * f->size : 32;
		f->list = mem_resize(f->list, f->size * f->each);
	}
	void *one = (char *)f->list + f->count++ * f->each;
	memset(one, 0, f->each);
	return one;
}

void sp_facts_fini(struct sp_facts *f)
{
	free(f->list);
	memset(f, 0, sizeof(*f));
}

static void gather(struct sp_proxy *p, struct sp_facts *f, size_t each,
		   void (*fn)(struct sp_worker *w, void *arg))
{
	*f = (struct sp_facts){ .each = each };
	for (int i = 0; sp_proxy_worker(p, i); i++)
		sp_worker_call(sp_proxy_worker(p, i), fn, f);
}

static void sort(struct sp_facts *f, int (*compare)(const void *a, const void *b))
{
	if (f->count > 1)
		qsort(f->list, f->count, f->each, compare);
}

static void copy(char *to, size_t size, const char *text)
{
	size_t n = text ? strnlen(text, size - 1) : 0;

	if (n)
		memcpy(to, text, n);
	to[n] = '\0';
}

/* ---- pools --------------------------------------------------------------------- */

static void add_pool(struct sp_facts *f, const struct sp_pool *p)
{
	struct sp_pool_fact *fact = add(f);

	copy(fact->database, sizeof(fact->database), p->group->database->name);
	copy(fact->server, sizeof(fact->server), p->server->name);
	copy(fact->user, sizeof(fact->user), p->group->user);
	copy(fact->reason, sizeof(fact->reason), p->reason);
	fact->permit = p->permit;
	fact->idle = p->idle_count;
	fact->busy = p->busy_count;
	fact->opening = p->opening_count;
	fact->waiting = p->waiting_count;
	fact->max = p->group->database->conf->max;
	fact->queries = p->queries;
	fact->opened = p->opened;
	fact->closed = p->closed;
	fact->failures = p->failures;
	fact->timeouts = p->timeouts;
	fact->retired = p->group->retired;
	fact->wait = p->wait;
	if (!list_empty(&p->waiting))
		fact->oldest = p->worker->now -
			       container_of(p->waiting.next, struct sp_client, wait)->since;
}

static void pools_here(struct sp_worker *w, void *arg)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->pools)
		add_pool(arg, container_of(it, struct sp_pool, link));
}

static int by_pool(const void *a, const void *b)
{
	const struct sp_pool_fact *x = a, *y = b;
	int n = strcmp(x->database, y->database);

	n = n ? n : strcmp(x->server, y->server);
	n = n ? n : strcmp(x->user, y->user);
	return n ? n : x->retired - y->retired; /* the limits of the one in force are shown */
}

static void merge_pool(struct sp_pool_fact *into, const struct sp_pool_fact *from)
{
	into->idle += from->idle;
	into->busy += from->busy;
	into->opening += from->opening;
	into->waiting += from->waiting;
	into->queries += from->queries;
	into->opened += from->opened;
	into->closed += from->closed;
	into->failures += from->failures;
	into->timeouts += from->timeouts;
	into->retired &= from->retired;
	into->oldest = from->oldest > into->oldest ? from->oldest : into->oldest;
	hist_merge(&into->wait, &from->wait);
	if (!*into->reason)
		copy(into->reason, sizeof(into->reason), from->reason);
}

void sp_facts_pools(struct sp_proxy *p, struct sp_facts *out)
{
	size_t kept = 0;

	gather(p, out, sizeof(struct sp_pool_fact), pools_here);
	sort(out, by_pool);
	for (size_t i = 0; i < out->count; i++) {
		struct sp_pool_fact *now = SP_FACT(out, sp_pool_fact, i);
		struct sp_pool_fact *last = kept ? SP_FACT(out, sp_pool_fact, kept - 1) : NULL;
		bool same = last && strcmp(last->database, now->database) == 0 &&
			    strcmp(last->server, now->server) == 0 &&
			    strcmp(last->user, now->user) == 0;
		if (same)
			merge_pool(last, now);
		else
			memmove(SP_FACT(out, sp_pool_fact, kept++), now, sizeof(*now));
	}
	out->count = kept;
}

/* ---- clients ------------------------------------------------------------------- */

static const char *shape_of(const struct sp_client *c)
{
	const struct sp_digests *d = c->worker->digests;

	return c->cmd.digest && d ? d->list[c->cmd.digest - 1].text : "";
}

static uint64_t busy_for(const struct sp_client *c)
{
	uint64_t now = uv_hrtime() / 1000;

	if (c->state == SP_CLIENT_WAITING)
		return c->worker->now - c->since;
	if (c->cmd.started && now > c->cmd.started)
		return (now - c->cmd.started) / 1000;
	return c->worker->now - c->last_read;
}

static void add_client(struct sp_facts *f, const struct sp_client *c)
{
	struct sp_client_fact *fact = add(f);
	const struct sp_pool *pool = c->backend ? c->backend->pool : c->pool;

	fact->id = c->id;
	fact->worker = c->worker->index;
	fact->thread_id = c->backend ? c->backend->thread_id : 0;
	copy(fact->user, sizeof(fact->user), c->user);
	copy(fact->database, sizeof(fact->database), c->session.db ? c->session.db : c->database);
	copy(fact->server, sizeof(fact->server), pool ? pool->server->name : "");
	copy(fact->info, sizeof(fact->info), shape_of(c));
	fact->peer = c->peer;
	fact->state = c->state;
	fact->secure = c->stream.secure;
	fact->packed = c->zip != NULL;
	fact->pins = c->session.pins;
	fact->pinned_ms = c->session.pins ? c->worker->now - c->session.pinned_since : 0;
	fact->ms = busy_for(c);
}

static void clients_here(struct sp_worker *w, void *arg)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->clients)
		add_client(arg, container_of(it, struct sp_client, link));
	list_each (it, tmp, &w->logins)
		add_client(arg, container_of(it, struct sp_client, link));
}

static int by_id(const void *a, const void *b)
{
	const struct sp_client_fact *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void sp_facts_clients(struct sp_proxy *p, struct sp_facts *out)
{
	gather(p, out, sizeof(struct sp_client_fact), clients_here);
	sort(out, by_id);
}

/* ---- connections ----------------------------------------------------------------- */

static void add_backend(struct sp_facts *f, const struct sp_backend *b)
{
	struct sp_backend_fact *fact = add(f);
	const struct sp_pool *p = b->pool;
	const struct sp_greeting *g =
		__atomic_load_n(&p->server->health->greeting, __ATOMIC_ACQUIRE);

	fact->number = b->number;
	fact->worker = p->worker->index;
	fact->thread_id = b->thread_id;
	fact->client = b->client ? b->client->id : 0;
	copy(fact->server, sizeof(fact->server), p->server->name);
	copy(fact->user, sizeof(fact->user), p->group->backend_user);
	copy(fact->database, sizeof(fact->database), b->db);
	copy(fact->version, sizeof(fact->version), g ? sp_show_version_of(g->version) : "");
	copy(fact->info, sizeof(fact->info), b->client ? shape_of(b->client) : b->errand);
	fact->state = b->state;
	fact->age_ms = p->worker->now - b->born;
	fact->used_ms = p->worker->now - (b->used ? b->used : b->born);
	fact->uses = b->uses;
	fact->prepared = b->prepared.count;
	fact->vars = b->vars.count;
	fact->dirty = b->dirty;
	fact->doomed = b->doomed;
	fact->secure = b->stream.secure;
	fact->status = b->scan.status;
}

static void add_backends(struct sp_facts *f, const struct list *list)
{
	for (const struct list *it = list->next; it != list; it = it->next)
		add_backend(f, container_of(it, struct sp_backend, link));
}

static void backends_here(struct sp_worker *w, void *arg)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->pools) {
		const struct sp_pool *p = container_of(it, struct sp_pool, link);
		add_backends(arg, &p->busy);
		add_backends(arg, &p->idle);
		add_backends(arg, &p->opening);
	}
}

void sp_facts_backends(struct sp_proxy *p, struct sp_facts *out)
{
	gather(p, out, sizeof(struct sp_backend_fact), backends_here);
}

/* ---- digests ---------------------------------------------------------------------- */

static void digests_here(struct sp_worker *w, void *arg)
{
	const struct sp_digests *d = w->digests;

	for (uint32_t i = 0; d && i <= d->size; i++) {
		const struct sp_digest *from = &d->list[i];
		if (!from->text || from->count == 0)
			continue;
		struct sp_digest_fact *fact = add(arg);
		fact->text = mem_str(from->text);
		copy(fact->user, sizeof(fact->user), from->user);
		copy(fact->database, sizeof(fact->database), from->database);
		fact->count = from->count;
		fact->errors = from->errors;
		fact->rows = from->rows;
		fact->us = from->us;
		fact->us_max = from->us_max;
	}
}

static int by_shape(const void *a, const void *b)
{
	const struct sp_digest_fact *x = a, *y = b;
	int n = strcmp(x->text, y->text);

	n = n ? n : strcmp(x->user, y->user);
	return n ? n : strcmp(x->database, y->database);
}

static int by_time(const void *a, const void *b)
{
	const struct sp_digest_fact *x = a, *y = b;

	return (x->us < y->us) - (x->us > y->us);
}

static void merge_digest(struct sp_digest_fact *into, struct sp_digest_fact *from)
{
	into->count += from->count;
	into->errors += from->errors;
	into->rows += from->rows;
	into->us += from->us;
	into->us_max = from->us_max > into->us_max ? from->us_max : into->us_max;
	free(from->text);
}

void sp_facts_digests(struct sp_proxy *p, struct sp_facts *out)
{
	size_t kept = 0;

	gather(p, out, sizeof(struct sp_digest_fact), digests_here);
	sort(out, by_shape);
	for (size_t i = 0; i < out->count; i++) {
		struct sp_digest_fact *now = SP_FACT(out, sp_digest_fact, i);
		struct sp_digest_fact *last = kept ? SP_FACT(out, sp_digest_fact, kept - 1) : NULL;
		if (last && by_shape(last, now) == 0)
			merge_digest(last, now);
		else
			memmove(SP_FACT(out, sp_digest_fact, kept++), now, sizeof(*now));
	}
	out->count = kept;
	sort(out, by_time);
}

void sp_facts_digests_fini(struct sp_facts *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(SP_FACT(f, sp_digest_fact, i)->text);
	sp_facts_fini(f);
}

/* ---- the rest ------------------------------------------------------------------------ */

static void listeners_here(struct sp_worker *w, void *arg)
{
	for (int i = 0; i < w->listeners_count; i++) {
		struct sp_listener_fact *fact = add(arg);
		socklen_t len = sizeof(fact->address);
		fact->worker = w->index;
		fact->open = w->listeners[i].open;
		if (fact->open)
			getsockname(w->listeners[i].item.fd, (struct sockaddr *)&fact->address,
				    &len);
	}
}

void sp_facts_listeners(struct sp_proxy *p, struct sp_facts *out)
{
	gather(p, out, sizeof(struct sp_listener_fact), listeners_here);
}

static void totals_here(struct sp_worker *w, void *arg)
{
	enum { COUNT = sizeof(struct sp_figures) / sizeof(uint64_t) };
	const uint64_t *from = (const uint64_t *)&w->figures;
	struct sp_totals *t = arg;
	uint64_t *into = (uint64_t *)&t->figures;

	_Static_assert(sizeof(struct sp_figures) == COUNT * sizeof(uint64_t), "only counters");
	for (int i = 0; i < COUNT; i++)
		into[i] += from[i];
	hist_merge(&t->latency, &w->latency);
	t->clients += w->clients_count;
	t->connections += w->connections_count;
	t->workers++;
}

void sp_facts_totals(struct sp_proxy *p, struct sp_totals *out)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; sp_proxy_worker(p, i); i++)
		sp_worker_call(sp_proxy_worker(p, i), totals_here, out);
}
