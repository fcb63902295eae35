#include "roles/sqlproxy/sp_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_handover.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_route.h"
#include "roles/sqlproxy/sp_worker.h"

enum { RETRY_MS = 200, LOOK_MOST = 16 };

/* ---- life ---------------------------------------------------------------- */

struct sp_pool *sp_pool_new(struct sp_group *g, const struct sp_server *server)
{
	struct sp_pool *p = mem_new(sizeof(*p));
	char key[512];

	p->worker = g->worker;
	p->group = g;
	p->server = server;
	snprintf(key, sizeof(key), "%s\n%s\n%s\n%s", g->database->name, server->name,
		 server->conf->address, g->user);
	p->permit = sp_permit_find(key);
	snprintf(key, sizeof(key), "\n%s", g->user);
	p->user_permit = sp_permit_find(key);
	list_init(&p->idle);
	list_init(&p->busy);
	list_init(&p->opening);
	list_init(&p->waiting);
	list_append(&g->worker->pools, &p->link);
	return p;
}

bool sp_pool_unused(const struct sp_pool *p)
{
	return list_empty(&p->idle) && list_empty(&p->busy) && list_empty(&p->opening) &&
	       list_empty(&p->waiting) && p->opened == p->closed;
}

void sp_pool_free(struct sp_pool *p)
{
	list_remove(&p->link);
	free(p);
}

/* ---- names --------------------------------------------------------------- */

const char *sp_pool_name(const struct sp_pool *p, char out[320])
{
	const struct sp_group *g = p->group;

	snprintf(out, 320, "%.60s/%.60s %.180s",
		 strcmp(g->database->name, "*") == 0 ? g->user : g->database->name, p->server->name,
		 p->server->conf->address);
	return out;
}

/* ---- permits ------------------------------------------------------------- */

static bool take_one(int *count, int most)
{
	if (__atomic_add_fetch(count, 1, __ATOMIC_ACQ_REL) <= most)
		return true;
	__atomic_sub_fetch(count, 1, __ATOMIC_ACQ_REL);
	return false;
}

static void give_one(int *count)
{
	__atomic_sub_fetch(count, 1, __ATOMIC_ACQ_REL);
}

/* The reserve opens when somebody has waited long enough. */
static int most(const struct sp_pool *p)
{
	const struct sp_database_conf *c = p->group->database->conf;
	int64_t n = c->max;

	if (c->reserve > 0 && !list_empty(&p->waiting)) {
		const struct sp_client *first =
			container_of(p->waiting.next, struct sp_client, wait);
		if (p->worker->now >= first->since + (uint64_t)c->reserve_after)
			n += c->reserve;
	}
	return (int)n;
}

/* The server's limit is reached: an idle connection of another pool of this worker gives way. */
static void evict_neighbour(struct sp_pool *p)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->worker->pools) {
		struct sp_pool *other = container_of(it, struct sp_pool, link);
		if (other == p || other->server->health != p->server->health ||
		    list_empty(&other->idle))
			continue;
		sp_backend_close(container_of(other->idle.next, struct sp_backend, link),
				 "the server's max_connections: another pool needs it more");
		return;
	}
}

static bool take_permit(struct sp_pool *p)
{
	const struct sp_user *u = p->group->known;
	int user_most = u && u->conf->max_connections ? (int)u->conf->max_connections : INT32_MAX;

	if (!take_one(&p->permit->open, most(p)))
		return false;
	if (!take_one(&p->server->health->open, (int)p->server->conf->max_connections)) {
		give_one(&p->permit->open);
		evict_neighbour(p);
		return false;
	}
	if (!take_one(&p->user_permit->open, user_most)) {
		give_one(&p->server->health->open);
		give_one(&p->permit->open);
		return false;
	}
	return true;
}

static void give_permit(struct sp_pool *p)
{
	give_one(&p->permit->open);
	give_one(&p->server->health->open);
	give_one(&p->user_permit->open);
}

/* Says whether this worker waits for a permit, so that others give one up. */
static void say_wanting(struct sp_pool *p)
{
	bool want = !list_empty(&p->waiting);

	if (want == p->wanting)
		return;
	p->wanting = want;
	__atomic_add_fetch(&p->permit->wanted, want ? 1 : -1, __ATOMIC_RELAXED);
}

static bool others_want(const struct sp_pool *p)
{
	return __atomic_load_n(&p->permit->wanted, __ATOMIC_RELAXED) > (p->wanting ? 1 : 0);
}

/* ---- the connections ----------------------------------------------------- */

static bool fits(const struct sp_backend *b, const struct sp_client *c)
{
	return b->client_caps == (c->caps & SP_CAPS_CLASS) && b->charset == c->charset &&
	       (c->session.db || !b->db);
}

static bool dead(const struct sp_backend *b)
{
	return b->state != SP_BACKEND_IDLE;
}

/* How little has to be done before the client can use it; larger is better. */
static int liking(const struct sp_backend *b, const struct sp_client *c)
{
	const struct sp_session *s = &c->session;
	int n = 0;

	if (b->number == c->last_backend && b->owner == c->owner)
		return 100; /* all is as the client left it */
	n += b->vars.hash == s->vars.hash ? 8 : 0;
	n += !b->dirty ? 4 : 0;
	n += !b->leftovers_of && !b->warnings_of ? 2 : 0;
	n += s->db && b->db && strcmp(s->db, b->db) == 0 ? 1 : 0;
	return n;
}

static struct sp_backend *best_idle(struct sp_pool *p, struct sp_client *c)
{
	struct sp_backend *best = NULL;
	bool away = c->session.last_id_away || c->session.found_away;
	int best_liking = -1, looked = 0, enough = away ? 100 : 15;

	for (struct list *it = p->idle.prev; it != &p->idle && (looked < LOOK_MOST || away);
	     it = it->prev) {
		struct sp_backend *b = container_of(it, struct sp_backend, link);
		looked++;
		if (dead(b) || !fits(b, c))
			continue;
		int n = liking(b, c);
		if (n > best_liking) {
			best = b;
			best_liking = n;
		}
		if (n >= enough)
			break;
	}
	return best;
}

struct sp_backend *sp_pool_use(struct sp_backend *b)
{
	struct sp_pool *p = b->pool;

	list_remove(&b->link);
	list_append(&p->busy, &b->link);
	b->state = SP_BACKEND_BUSY;
	p->idle_count--;
	p->busy_count++;
	p->queries++;
	b->uses++;
	b->used = p->worker->now;
	return b;
}

static void open_one(struct sp_pool *p, const struct sp_client *c)
{
	p->opening_count++;
	p->opened++;
	sp_backend_open(p, c->caps, c->charset);
}

/* Closes an idle one; what it holds for a client is fetched first. */
static void retire(struct sp_backend *b, const char *why)
{
	if (b->pool->worker->stopping || !sp_handover_holds(b)) {
		sp_backend_close(b, why);
		return;
	}
	b->doomed = true;
	sp_attach_fetch(sp_pool_use(b));
}

/* Room for one of another kind: the idle one unused the longest makes it. */
static bool evict_idle(struct sp_pool *p)
{
	if (list_empty(&p->idle))
		return false;
	retire(container_of(p->idle.next, struct sp_backend, link),
	       "makes room for another kind of client");
	return true;
}

void sp_pool_fill(struct sp_pool *p)
{
	uint32_t need = p->waiting_count;
	struct list *it, *tmp;

	if (p->worker->now < p->retry_at)
		return;
	list_each (it, tmp, &p->waiting) {
		const struct sp_client *c = container_of(it, struct sp_client, wait);
		if (p->opening_count >= need)
			break;
		if (take_permit(p))
			open_one(p, c);
		else if (!evict_idle(p))
			break; /* the permit comes back when the closed one is gone */
		else
			break;
	}
	say_wanting(p);
}

static bool paused(const struct sp_pool *p)
{
	return __atomic_load_n(&p->permit->paused, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&p->server->health->paused, __ATOMIC_RELAXED);
}

static void refuse_full(struct sp_pool *p, struct sp_client *c)
{
	char name[320], text[480];

	p->timeouts++;
	p->worker->figures.queue_timeouts++;
	const struct sp_client *first = container_of(p->waiting.next, struct sp_client, wait);
	double oldest = (double)(p->worker->now - first->since) / 1000;
	int open = __atomic_load_n(&p->server->health->open, __ATOMIC_RELAXED);
	bool server_full = open >= p->server->conf->max_connections;
	bool queued = p->worker->now > c->since; /* else it was turned away at the door */
	snprintf(text, sizeof(text),
		 "troupe: pool %s full (%u/%d busy, %u waiting, oldest %.1f s)%s%s%.150s",
		 sp_pool_name(p, name), p->busy_count, (int)p->group->database->conf->max,
		 p->waiting_count - !queued, oldest,
		 server_full ? "; max_connections of the server is reached" : "",
		 *p->reason ? "; last failure: " : "", p->reason);
	sp_pool_leave(c);
	sp_client_refused(c, 1040, "08004", text);
}

static void refuse_down(struct sp_pool *p, struct sp_client *c)
{
	const char *reason = __atomic_load_n(&p->server->health->reason, __ATOMIC_ACQUIRE);
	char name[320], text[480];

	snprintf(text, sizeof(text), "troupe: pool %s: the server is down: %.120s",
		 sp_pool_name(p, name),
		 *p->reason ? p->reason
		 : reason   ? reason
			    : "by order");
	sp_pool_leave(c);
	sp_client_refused(c, 2003, "HY000", text);
}

struct sp_backend *sp_pool_take(struct sp_pool *p, struct sp_client *c)
{
	const struct sp_database_conf *conf = p->group->database->conf;

	if (list_empty(&p->waiting) && !paused(p)) {
		struct sp_backend *b = best_idle(p, c);
		if (b)
			return sp_pool_use(b);
	}
	c->pool = p;
	c->since = c->worker->now;
	c->wait_us = uv_hrtime() / 1000;
	c->deadline = c->since + (uint64_t)conf->queue_timeout;
	c->state = SP_CLIENT_WAITING;
	list_append(&p->waiting, &c->wait);
	p->waiting_count++;
	if (!sp_health_up(p->server->health)) {
		refuse_down(p, c);
		return NULL;
	}
	if (!paused(p))
		sp_pool_fill(p);
	if (p->waiting_count > (uint64_t)conf->queue_max + p->opening_count)
		refuse_full(p, c);
	return NULL;
}

void sp_pool_leave(struct sp_client *c)
{
	if (!c->pool)
		return;
	list_remove(&c->wait);
	c->pool->waiting_count--;
	say_wanting(c->pool);
	c->pool = NULL;
}

/* The first in the queue that fits gets it; a misfit makes room. */
static void serve_queue(struct sp_pool *p)
{
	struct list *it, *tmp;

	if (list_empty(&p->waiting) || paused(p))
		return;
	list_each (it, tmp, &p->waiting) {
		struct sp_client *c = container_of(it, struct sp_client, wait);
		struct sp_backend *b = best_idle(p, c);
		if (!b)
			continue;
		hist_add(&p->wait, uv_hrtime() / 1000 - c->wait_us);
		sp_pool_leave(c);
		sp_client_granted(c, sp_pool_use(b));
		return;
	}
	sp_pool_fill(p);
}

static bool too_old(const struct sp_pool *p, const struct sp_backend *b)
{
	const struct sp_database_conf *c = p->group->database->conf;
	uint64_t spread = (uint64_t)c->max_lifetime / 10;
	uint64_t life = (uint64_t)c->max_lifetime - spread / 2 +
			(spread ? b->thread_id * 7919u % spread : 0);

	return (c->max_lifetime && p->worker->now - b->born > life) ||
	       (c->max_uses && b->uses >= (uint64_t)c->max_uses) ||
	       b->epoch != __atomic_load_n(&p->server->health->epoch, __ATOMIC_RELAXED);
}

void sp_pool_give(struct sp_backend *b)
{
	struct sp_pool *p = b->pool;
	const struct sp_database_conf *c = p->group->database->conf;

	list_remove(&b->link);
	list_append(&p->idle, &b->link);
	p->busy_count--;
	p->idle_count++;
	b->client = NULL;
	b->state = SP_BACKEND_IDLE;
	b->used = p->worker->now;
	if (b->stream.paused) /* its last client reads slowly; that is not the next one's affair */
		stream_resume(&b->stream);
	if (b->doomed || p->group->retired || too_old(p, b))
		retire(b, "it is replaced");
	else if (c->max_idle && p->idle_count > (uint64_t)c->max_idle && list_empty(&p->waiting))
		retire(b, "there are enough idle ones");
	else if (list_empty(&p->waiting) && others_want(p))
		retire(b, "another worker needs it more");
	serve_queue(p);
}

void sp_pool_opened(struct sp_backend *b)
{
	struct sp_pool *p = b->pool;

	list_remove(&b->link);
	list_append(&p->idle, &b->link);
	p->opening_count--;
	p->idle_count++;
	p->reason[0] = '\0';
	p->retry_at = 0;
	if (b->trial || *b->errand) {
		uint32_t trial = b->trial;
		b->trial = 0;
		sp_backend_close(b, "its errand is done");
		if (trial)
			sp_login_trial_done(p->worker, trial, NULL);
		return;
	}
	sp_health_connect(p->server->health, false);
	serve_queue(p);
}

/* The server itself can't be reached; a refused login is no sign of that. */
static bool is_servers_fault(const char *why)
{
	return !(why[0] >= '0' && why[0] <= '9');
}

/* Nothing of a waiting statement was sent: where another server can run it, it goes there. */
static void send_elsewhere(struct sp_pool *p)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->waiting) {
		struct sp_client *c = container_of(it, struct sp_client, wait);
		if (sp_route(c) == p)
			continue;
		sp_pool_leave(c);
		c->state = SP_CLIENT_READY;
		c->deadline = 0;
		sp_command_work(c);
	}
}

void sp_pool_failed(struct sp_backend *b, const char *why)
{
	struct sp_pool *p = b->pool;
	struct list *it, *tmp;

	p->opening_count--;
	if (b->trial) {
		sp_login_trial_done(p->worker, b->trial, why);
		return;
	}
	p->failures++;
	p->retry_at = p->worker->now + RETRY_MS;
	if (p->worker->stopping)
		return;
	snprintf(p->reason, sizeof(p->reason), "%s", why);
	log_warn("no connection to the server: %s server=%s address=%s user=%s", why,
		 p->server->name, p->server->conf->address, p->group->backend_user);
	if (is_servers_fault(why)) {
		sp_health_connect(p->server->health, true);
		if (p->group->setup->monitor->user) /* who also notices when it is back */
			sp_health_report(p->server->health, why,
					 (int)p->group->setup->monitor->fall,
					 (int)p->group->setup->monitor->rise);
		send_elsewhere(p);
		return;
	}
	list_each (it, tmp, &p->waiting) { /* a login that is refused now is refused for all */
		struct sp_client *c = container_of(it, struct sp_client, wait);
		sp_pool_leave(c);
		sp_client_refused(c, (uint16_t)atoi(why), "28000", why);
	}
}

void sp_pool_removed(struct sp_backend *b)
{
	struct sp_pool *p = b->pool;

	p->closed++;
	if (!*b->errand && !b->secret_own)
		give_permit(p);
	if (!p->worker->stopping && !list_empty(&p->waiting))
		sp_pool_fill(p);
}

void sp_pool_drain(struct sp_pool *p, bool busy)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->idle)
		retire(container_of(it, struct sp_backend, link), "the pool is drained");
	list_each (it, tmp, &p->busy)
		container_of(it, struct sp_backend, link)->doomed = busy;
}

void sp_pool_errand(struct sp_pool *p, const char *sql)
{
	struct sp_backend *b;

	p->opening_count++;
	p->opened++;
	b = sp_backend_open(p, 0, 33);
	snprintf(b->errand, sizeof(b->errand), "%s", sql);
}

void sp_pool_try(struct sp_pool *p, uint32_t client, const struct sp_secret *secret)
{
	struct sp_backend *b;

	p->opening_count++;
	p->opened++;
	b = sp_backend_open(p, 0, 33);
	b->trial = client;
	b->secret = b->secret_own = mem_new(sizeof(*secret));
	sp_secret_copy(b->secret, secret);
}

/* ---- time ---------------------------------------------------------------- */

static void close_idle(struct sp_pool *p)
{
	const struct sp_database_conf *c = p->group->database->conf;
	uint64_t now = p->worker->now;
	struct list *it, *tmp;

	list_each (it, tmp, &p->idle) {
		struct sp_backend *b = container_of(it, struct sp_backend, link);
		bool idle = c->idle_timeout && now - b->used > (uint64_t)c->idle_timeout &&
			    p->idle_count + p->busy_count > (uint64_t)c->min;
		if (idle || too_old(p, b))
			retire(b, idle ? "idle for too long" : "it is replaced");
	}
}

static void expire(struct sp_pool *p)
{
	uint64_t now = p->worker->now;
	struct list *it, *tmp;

	if (!sp_health_good(p->server->health))
		send_elsewhere(p);
	list_each (it, tmp, &p->opening) {
		struct sp_backend *b = container_of(it, struct sp_backend, link);
		if (now >= b->deadline && b->state != SP_BACKEND_DIALING)
			sp_backend_close(b, "the server's login takes too long");
	}
	list_each (it, tmp, &p->waiting) {
		struct sp_client *c = container_of(it, struct sp_client, wait);
		if (!sp_health_up(p->server->health))
			refuse_down(p, c);
		else if (now >= c->deadline)
			refuse_full(p, c);
	}
}

/* The minimum, and at the pool's birth the initial number. */
static void keep_minimum(struct sp_pool *p)
{
	const struct sp_database_conf *c = p->group->database->conf;
	int64_t want = p->opened == 0 && c->initial > c->min ? c->initial : c->min;
	const struct sp_client model = { .caps = p->group->model_caps,
					 .charset = p->group->model_charset };

	if (!model.charset || p->group->retired || p->worker->now < p->retry_at ||
	    !sp_health_up(p->server->health))
		return;
	while ((int64_t)(p->idle_count + p->busy_count + p->opening_count) < want && take_permit(p))
		open_one(p, &model);
}

bool sp_pool_may_loosen(const struct sp_client *c)
{
	const struct sp_session *s = &c->session;

	return s->pins && !(s->pins & ~(uint32_t)SP_PINS_SOFT) &&
	       !list_empty(&c->backend->pool->waiting) &&
	       c->worker->now >= s->pinned_since + SP_SOFT_MS;
}

/* Idle clients whose pins are soft give way; what they leave is fetched for them (sp_handover). */
static void loosen(struct sp_pool *p)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->busy) {
		struct sp_client *c = container_of(it, struct sp_backend, link)->client;
		if (!c || c->state != SP_CLIENT_READY || !sp_pool_may_loosen(c))
			continue;
		c->session.pins = 0;
		sp_answer_detach(c);
	}
}

void sp_pool_tick(struct sp_pool *p)
{
	close_idle(p);
	expire(p);
	keep_minimum(p);
	if (!list_empty(&p->waiting) && !paused(p)) {
		serve_queue(p);
		sp_pool_fill(p);
		loosen(p);
	} else if (list_empty(&p->waiting) && others_want(p)) {
		evict_idle(p);
	}
}
