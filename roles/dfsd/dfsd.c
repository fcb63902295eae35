#include "roles/dfsd/dfsd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/listen.h"
#include "core/net/tls.h"
#include "core/run/place.h"
#include "core/run/run.h"
#include "core/stat/stat.h"
#include "roles/dfsd/df.h"
#include "roles/dfsd/df_cli.h"
#include "roles/dfsd/df_ctl.h"

enum { TICK = 100 };

/* A listening socket. */
struct door {
	struct list link;
	struct acceptor acceptor;
	struct df *df;
};

/* ---- life --------------------------------------------------------------------------------------
 */

static void free_df(struct df *df)
{
	df_peers_free(df);
	tls_ctx_drop(df->self.server);
	tls_ctx_drop(df->self.client);
	free(df);
}

void df_closed(struct df *df)
{
	if (--df->open == 0)
		free_df(df);
}

static void on_tick(uv_timer_t *t)
{
	struct df *df = t->data;
	int64_t now = (int64_t)uv_now(t->loop);

	df_peers_tick(df, now);
	df_shares_tick(df, now);
}

static void on_tick_closed(uv_handle_t *h)
{
	df_closed(h->data);
}

static void on_door_closed(struct acceptor *a)
{
	struct door *d = container_of(a, struct door, acceptor);
	struct df *df = d->df;

	list_remove(&d->link);
	free(d);
	df_closed(df);
}

static void stop(void *self)
{
	struct df *df = self;
	struct list *it, *tmp;

	df->stopping = df->draining = true;
	list_each (it, tmp, &df->doors) {
		acceptor_close(&container_of(it, struct door, link)->acceptor, on_door_closed);
	}
	df_peers_close(df);
	df_shares_close(df);
	uv_close((uv_handle_t *)&df->tick, on_tick_closed);
}

static void drain(void *self)
{
	struct df *df = self;

	df->draining = true;
	run_drained(df->run);
}

/* ---- start -------------------------------------------------------------------------------------
 */

static void on_socket(void *data, int fd)
{
	df_guest(data, fd);
}

static int open_door(struct df *df, const char *text, struct err *err)
{
	char name[ADDR_TEXT];
	struct addr a;
	int rc = addr_parse(&a, text, 9508, err);
	int fd = rc == 0 ? listen_open(&a, 128, false, err) : rc;

	if (fd < 0)
		return err_wrap(err, fd, "listen %s", text);
	struct door *d = mem_new(sizeof(*d));
	d->df = df;
	rc = acceptor_open(&d->acceptor, run_loop(df->run), fd, on_socket, df);
	if (rc != 0) {
		close(fd);
		free(d);
		return err_set(err, rc, "listen %s: %s", text, uv_strerror(rc));
	}
	list_append(&df->doors, &d->link);
	df->open++;
	struct sockaddr_storage bound = { 0 };
	socklen_t n = sizeof(bound);
	getsockname(fd, (struct sockaddr *)&bound, &n);
	log_info("listening on %s",
		 a.is_unix ? text : addr_text((const struct sockaddr *)&bound, name));
	return 0;
}

static int open_self(struct df *df, struct err *err)
{
	const struct df_keys *k = conf_get(df->conf, "dfsd");
	struct df_self *self = &df->self;
	struct tls_conf tls = { .psk = self->key };

	if (k->node && *k->node)
		strncpy(df->node, k->node, sizeof(df->node) - 1);
	else if (gethostname(df->node, sizeof(df->node) - 1) != 0)
		return err_set(err, ERR_CONF, "the host has no name: [dfsd] node says one");
	self->loop = run_loop(df->run);
	self->security = (enum df_security)k->security;
	self->name = df->node;
	self->handshake = k->handshake;
	self->silence = k->silence;
	uv_random(NULL, NULL, self->id, sizeof(self->id), 0, NULL);
	if (self->security == DF_NONE)
		return 0;
	int rc = df_key_read(k->key, self->key, err);
	if (rc != 0 || self->security != DF_TLS_PSK)
		return rc;
	self->server = tls_ctx_new(&tls, true, err);
	self->client = tls_ctx_new(&tls, false, err);
	return self->server && self->client ? 0 : ERR_CONF;
}

/* Of each node its own, of which one host may have several. */
static int find_state(const struct df *df, char state[PATH_MAX], struct err *err)
{
	const struct df_keys *k = conf_get(df->conf, "dfsd");
	char *data;

	if (k->state && *k->state) {
		snprintf(state, PATH_MAX, "%s", k->state);
		return 0;
	}
	int rc = place_data(df->conf, "dfsd", &data, err);
	if (rc != 0)
		return rc;
	snprintf(state, PATH_MAX, "%s/%s", data, df->node);
	free(data);
	if (mkdir(state, 0700) == 0 || errno == EEXIST)
		return 0;
	return err_set(err, uv_translate_sys_error(errno), "%s: %s", state, strerror(errno));
}

static int open_all(struct df *df, struct err *err)
{
	const struct df_keys *k = conf_get(df->conf, "dfsd");
	char state[PATH_MAX];
	int rc = open_self(df, err);

	if (rc == 0)
		rc = find_state(df, state, err);
	if (rc == 0)
		rc = df_shares_open(df, state, err);
	if (rc == 0)
		df_peers_open(df);
	for (char **a = k->listen; rc == 0 && *a; a++)
		rc = open_door(df, *a, err);
	return rc;
}

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct df *df = mem_new(sizeof(*df));

	df->run = run;
	df->conf = conf;
	list_init(&df->peers);
	list_init(&df->shares);
	list_init(&df->doors);
	list_init(&df->guests);
	uv_timer_init(run_loop(run), &df->tick);
	df->tick.data = df;
	df->open = 1;
	int rc = open_all(df, err);
	if (rc != 0) {
		stop(df);
		return rc;
	}
	uv_timer_start(&df->tick, on_tick, 0, TICK);
	*self = df;
	return 0;
}

/* ---- figures -----------------------------------------------------------------------------------
 */

static void show_share(const struct df_share *s, struct stat_out *out)
{
	struct df_share_figures f;

	df_share_figures(s, &f);
	stat_row(out);
	stat_label(out, "share", f.name);
	stat_word(out, "state", f.state);
	stat_gauge(out, "nodes", "Files and folders.", (double)f.nodes);
	stat_gauge(out, "last", "Number of the last change.", (double)f.last);
	stat_gauge(out, "waiting", "Places that are to be looked at.", (double)f.waiting);
	stat_gauge(out, "watches", "Folders that are watched.", (double)f.watches);
	stat_gauge(out, "unwatched", "Folders that can't be.", (double)f.unwatched);
	stat_counter(out, "events", "What the system has told.", (double)f.events);
	stat_counter(out, "overflow", "How often it has lost some.", (double)f.lost);
	stat_counter(out, "errors", "What could not be looked at.", (double)f.errors);
	stat_counter(out, "conflicts", "Files that two nodes have written to, put aside.",
		     (double)f.conflicts);
}

static void show_pair(const struct df_pair *pair, struct stat_out *out)
{
	struct df_feed_figures f = { .idle = true };
	struct df_apply_figures a = { .ops = 0 };
	struct df_share_figures s;
	const struct df_link *l = pair->peer->l;

	df_share_figures(pair->share, &s);
	if (pair->feed)
		df_feed_figures(pair->feed, &f);
	if (pair->apply)
		df_apply_figures(pair->apply, &a);
	bool sends = df_share_keys(pair->share)->role & DF_SEND;
	stat_row(out);
	stat_label(out, "share", s.name);
	stat_label(out, "peer", pair->peer->name);
	stat_word(out, "state",
		  !l                               ? "away"
		  : !pair->feed && !pair->apply    ? "greeting"
		  : pair->held                     ? "held"
		  : pair->feed && f.acked < s.last ? "behind"
						   : "in sync");
	stat_gauge(out, "lag", "Changes that it has not acknowledged.",
		   sends ? (double)(s.last - (pair->feed ? f.acked : pair->known.ours)) : 0);
	stat_counter(out, "sent_files", "Files sent.", (double)f.files);
	stat_counter(out, "sent_bytes", "Their content.", (double)f.bytes);
	stat_counter(out, "renames", "Files and folders moved here.", (double)a.renames);
	stat_counter(out, "naks", "What the other side could not do.", (double)(f.naks + a.naks));
	stat_counter(out, "received_files", "Files received.", (double)a.files);
	stat_counter(out, "received_bytes", "Their content.", (double)a.bytes);
	stat_counter(out, "deleted", "Files and folders deleted here.", (double)a.deleted);
}

static void status(void *self, struct stat_out *out)
{
	struct df *df = self;

	stat_table(out, "share", "Folders.");
	for (struct list *it = df->shares.next; it != &df->shares; it = it->next)
		show_share(df_share_of(it), out);
	stat_table(out, "pair", "Folders with peers.");
	for (struct list *it = df->peers.next; it != &df->peers; it = it->next) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		for (struct list *p = peer->pairs.next; p != &peer->pairs; p = p->next)
			show_pair(container_of(p, struct df_pair, of_peer), out);
	}
}

static const struct role_command commands[] = {
	{ "keygen", "[FILE]: a new key for all nodes", df_cli_keygen },
	{ "sync", "[OPTION] ... SRC DST: the folder DST becomes as SRC is, once", df_cli_sync },
	{ NULL, NULL, NULL },
};

static const struct role_name names[] = {
	{ "dfs", "keygen, sync, and what troupe dfsd does.", df_cli_front },
	{ NULL, NULL, NULL },
};

const struct role dfsd_role = {
	.name = "dfsd",
	.summary = "replicates folders between hosts, as they change",
	.sections = df_sections,
	.check = df_keys_check,
	.init = init,
	.drain = drain,
	.stop = stop,
	.status = status,
	.ctl = df_ctl,
	.ctl_help = df_ctl_help,
	.client = df_ctl_client,
	.commands = commands,
	.names = names,
};
