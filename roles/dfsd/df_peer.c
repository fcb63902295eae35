/*
 * df_peer - who is to be there, who is, and what they have to do with our shares.
 *
 * Both sides may call. Of two connections the one stays that the lower name has made; a new one of
 * the same caller takes the place of the old, which the caller knows to be dead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/dfsd/df.h"

enum { DIAL = 5000, FIRST = 100, LONGEST = 30000, GUESTS = 256, WANTS = 256 };

struct guest {
	struct list link;
	struct df *df;
	struct df_link *l;
};

static const struct df_link_on guest_on, peer_on;

static int64_t now_of(const struct df *df)
{
	return (int64_t)uv_now(run_loop(df->run));
}

/* ---- pairs -------------------------------------------------------------------------------------
 */

static void on_stale(void *data, df_id parent, struct df_bytes name)
{
	struct df_pair *pair = data;

	df_share_look(pair->share, parent, name);
}

static void keep_known(struct df_pair *pair)
{
	df_index_set_peer(df_share_tree(pair->share)->index, pair->peer->name, &pair->known);
	df_share_wake(pair->share);
}

static void on_acked(void *data, uint64_t seq)
{
	struct df_pair *pair = data;

	pair->known.ours = seq;
	keep_known(pair);
}

static bool on_done(void *data, uint64_t seq, bool all)
{
	struct df_pair *pair = data;

	if (all) {
		pair->known.theirs = seq;
		keep_known(pair);
	}
	return df_share_commit(pair->share);
}

static void on_guard(void *data, uint64_t nodes)
{
	struct df_pair *pair = data;

	log_error("share=%s peer=%s has %lu files and folders less than we have: more than "
		  "max_delete, none was deleted",
		  df_share_name(pair->share), pair->peer->name, (unsigned long)nodes);
}

static void on_changed(void *data, const char *path)
{
	struct df_pair *pair = data;

	(void)path;
	df_share_wake(pair->share);
}

bool df_pair_want(struct df_pair *pair)
{
	struct df_index *x = df_share_tree(pair->share)->index;
	struct df_frame frame = { .type = DF_WANT, .share = df_share_number(pair->share) };
	struct df_link *l = pair->peer->l;

	for (int i = 0; i < WANTS && pair->wants && !df_link_full(l); i++) {
		pair->wants = df_index_next_want(x, pair->known.origin, &pair->asked);
		if (pair->wants)
			df_link_put(l, frame,
				    df_put_number(df_link_room(l, DF_NUMBER), pair->asked));
		else
			pair->asked = 0;
	}
	return pair->wants && !df_link_full(l);
}

static void start_feed(struct df_pair *pair)
{
	pair->feed = df_feed_new(&(struct df_feed_conf){
		.tree = df_share_tree(pair->share),
		.link = pair->peer->l,
		.share = df_share_number(pair->share),
		.origin = pair->known.origin,
		.cursor = pair->their_cursor,
		.whole = !pair->their_epoch || !pair->their_cursor,
		.empty = pair->empty,
		.on_stale = on_stale,
		.on_acked = on_acked,
		.data = pair,
	});
	df_share_wake(pair->share);
}

static void start_apply(struct df_pair *pair)
{
	const struct df_share_keys *k = df_share_keys(pair->share);
	bool same = memcmp(pair->known.epoch, pair->epoch, sizeof(pair->epoch)) == 0;
	bool whole = !same || !pair->known.theirs;

	if (!same)
		df_index_forget_peer(df_share_tree(pair->share)->index, pair->known.origin);
	if (whole) {
		memcpy(pair->known.epoch, pair->epoch, sizeof(pair->epoch));
		pair->known.theirs = 0;
		pair->known.round++;
		keep_known(pair);
	}
	pair->apply = df_apply_new(&(struct df_apply_conf){
		.tree = df_share_tree(pair->share),
		.link = pair->peer->l,
		.share = df_share_number(pair->share),
		.origin = pair->known.origin,
		.round = pair->known.round,
		.whole = whole,
		.keeps = k->mode != DF_MIRROR,
		.min_free = (uint64_t)k->min_free,
		.max_delete = (uint64_t)k->max_delete,
		.on_done = on_done,
		.on_guard = on_guard,
		.on_changed = on_changed,
		.data = pair,
	});
	pair->wants = true;
	pair->asked = 0;
	df_share_wake(pair->share);
}

/* Both have to mean the same by it. */
static bool may_start(const struct df_pair *pair)
{
	int mode = df_share_keys(pair->share)->mode;
	const struct df *df = pair->peer->df;
	const struct df_keys *k = conf_get(df->conf, "dfsd");
	int64_t skew = pair->peer->l->skew;

	if ((mode == DF_MULTI) != (pair->mode == DF_MULTI)) {
		log_error("share=%s peer=%s has another mode for it, nothing is done",
			  df_share_name(pair->share), pair->peer->name);
		return false;
	}
	if (mode != DF_MULTI || (skew <= k->max_skew && -skew <= k->max_skew))
		return true;
	log_error("share=%s peer=%s has another time than we have, by more than max_skew: nothing "
		  "is done ms=%ld",
		  df_share_name(pair->share), pair->peer->name, (long)skew);
	return false;
}

static void start(struct df_pair *pair)
{
	int role = df_share_keys(pair->share)->role;

	if (!pair->said || !pair->heard)
		return;
	if (!may_start(pair))
		return;
	if ((role & DF_SEND) && (pair->roles & DF_RECEIVE) && !pair->feed)
		start_feed(pair);
	if ((role & DF_RECEIVE) && (pair->roles & DF_SEND) && !pair->apply)
		start_apply(pair);
	if (!pair->feed && !pair->apply)
		log_warn("share=%s peer=%s has the same role, nothing is to be done",
			 df_share_name(pair->share), pair->peer->name);
}

void df_pair_greet(struct df_pair *pair)
{
	struct df_link *l = pair->peer->l;
	struct df_index *x = df_share_tree(pair->share)->index;
	const char *name = df_share_name(pair->share);

	if (!l || pair->said || !df_share_is_ready(pair->share))
		return;
	pair->said = true;
	df_index_peer(x, pair->peer->name, &pair->known);
	uint8_t *p = df_link_room(l, strlen(name) + 100);
	p = df_put_bytes(p, (struct df_bytes){ name, strlen(name) });
	p = df_put_number(p, (uint64_t)df_share_keys(pair->share)->role);
	memcpy(p, df_index_epoch(x), 16);
	p = df_put_number(p + 16, df_index_last(x));
	memcpy(p, pair->known.epoch, 16);
	p = df_put_number(p + 16, pair->known.theirs);
	p = df_put_number(p, df_index_count(x));
	p = df_put_number(p, (uint64_t)df_share_keys(pair->share)->mode);
	df_link_put(l, (struct df_frame){ .type = DF_SHARE, .share = df_share_number(pair->share) },
		    p);
	if (df_share_paused(pair->share))
		df_pair_hold(pair);
	start(pair);
}

void df_pair_hold(struct df_pair *pair)
{
	struct df_frame frame = { .type = DF_PAUSE, .share = df_share_number(pair->share) };

	if (!df_share_paused(pair->share))
		frame.flags = DF_RESUME;
	if (pair->peer->l && pair->said)
		df_link_put(pair->peer->l, frame, df_link_room(pair->peer->l, DF_NUMBER));
}

static struct df_pair *pair_named(struct df_peer *peer, struct df_bytes name)
{
	for (struct list *it = peer->pairs.next; it != &peer->pairs; it = it->next) {
		struct df_pair *pair = container_of(it, struct df_pair, of_peer);
		const char *own = df_share_name(pair->share);
		if (strlen(own) == name.n && memcmp(own, name.p, name.n) == 0)
			return pair;
	}
	return NULL;
}

static int on_share(struct df_peer *peer, const struct df_frame *f)
{
	struct df_reader r = { f->p, f->p + f->n, false };
	struct df_bytes name = df_get_bytes(&r, DF_NAME);
	struct df_pair *pair = pair_named(peer, name);
	uint64_t roles = df_get_number(&r);

	if (!pair) {
		log_warn("peer=%s has a share that we don't have with it: %.*s", peer->name,
			 (int)name.n, name.p ? (const char *)name.p : "");
		return 0;
	}
	if (r.bad || pair->heard || r.end - r.p < 32)
		return ERR_PROTO;
	memcpy(pair->epoch, r.p, 16);
	r.p += 16;
	df_get_number(&r);
	if (r.end - r.p < 16)
		return ERR_PROTO;
	pair->their_epoch = memcmp(r.p, df_index_epoch(df_share_tree(pair->share)->index), 16) == 0;
	r.p += 16;
	pair->their_cursor = df_get_number(&r);
	pair->empty = df_get_number(&r) == 0;
	pair->mode = (int)df_get_number(&r);
	if (r.bad)
		return ERR_PROTO;
	pair->roles = (int)roles;
	pair->number = f->share;
	pair->heard = true;
	start(pair);
	return 0;
}

static void stop_pairs(struct df_peer *peer)
{
	for (struct list *it = peer->pairs.next; it != &peer->pairs; it = it->next) {
		struct df_pair *pair = container_of(it, struct df_pair, of_peer);
		df_feed_free(pair->feed);
		df_apply_free(pair->apply);
		pair->feed = NULL;
		pair->apply = NULL;
		pair->said = pair->heard = pair->held = false;
	}
}

/* ---- a link that is up
 * --------------------------------------------------------------------------- */

static int on_pair_frame(struct df_pair *pair, const struct df_frame *f)
{
	bool answers =
		f->type == DF_ACK || f->type == DF_NAK || f->type == DF_WANT || f->type == DF_HAVE;

	if (f->type == DF_PAUSE) {
		pair->held = !(f->flags & DF_RESUME);
		df_share_wake(pair->share);
		return 0;
	}
	if (answers ? !pair->feed : !pair->apply)
		return ERR_PROTO;
	int rc = answers ? df_feed_heard(pair->feed, f) : df_apply_frame(pair->apply, f);
	df_share_wake(pair->share);
	return rc;
}

static void on_frame(struct df_link *l, const struct df_frame *f)
{
	struct df_peer *peer = l->owner;
	int rc = ERR_PROTO;

	if (f->type == DF_SHARE) {
		rc = on_share(peer, f);
	} else {
		for (struct list *it = peer->pairs.next; it != &peer->pairs; it = it->next) {
			struct df_pair *pair = container_of(it, struct df_pair, of_peer);
			if (pair->heard && pair->number == f->share) {
				rc = on_pair_frame(pair, f);
				break;
			}
		}
	}
	if (rc != 0)
		df_link_fail(l, true, "a frame of type %d makes no sense", f->type);
}

static void on_turn(struct df_link *l)
{
	struct df_peer *peer = l->owner;

	for (struct list *it = peer->pairs.next; it != &peer->pairs; it = it->next) {
		struct df_pair *pair = container_of(it, struct df_pair, of_peer);
		if (pair->apply)
			df_apply_turn(pair->apply);
	}
}

static void on_room(struct df_link *l)
{
	struct df_peer *peer = l->owner;

	for (struct list *it = peer->pairs.next; it != &peer->pairs; it = it->next)
		df_share_wake(container_of(it, struct df_pair, of_peer)->share);
}

/* Longer each time, and not for all nodes at the same moment. */
static void wait_longer(struct df_peer *peer)
{
	uint32_t chance = 0;

	uv_random(NULL, NULL, &chance, sizeof(chance), 0, NULL);
	peer->wait = peer->wait ? peer->wait * 2 : FIRST;
	if (peer->wait > LONGEST)
		peer->wait = LONGEST;
	peer->next = now_of(peer->df) + peer->wait - (int64_t)(chance % 100) * peer->wait / 400;
}

static void on_down(struct df_link *l, const char *why)
{
	struct df_peer *peer = l->owner;
	struct df *df = peer->df;

	if (peer->calling == l)
		peer->calling = NULL;
	if (peer->l == l) {
		peer->l = NULL;
		stop_pairs(peer);
		if (!df->stopping)
			log_warn("peer=%s is gone: %s", peer->name, why);
		peer->wait = 0;
	} else if (!df->stopping && strcmp(why, peer->why) != 0) {
		log_warn("peer=%s is not reached: %s", peer->name, why);
	}
	snprintf(peer->why, sizeof(peer->why), "%s", why);
	wait_longer(peer);
	df_closed(df);
}

/* Whether the new one takes the place of the one that is there. */
static bool takes_over(const struct df_peer *peer, const struct df_link *l)
{
	bool ours_is_lower = strcmp(peer->df->node, peer->name) < 0;

	return !peer->l || peer->l->dialled == l->dialled || l->dialled == ours_is_lower;
}

static void take(struct df_peer *peer, struct df_link *l)
{
	struct df_link *old = peer->l;

	if (!takes_over(peer, l)) {
		df_link_fail(l, false, "there is another connection");
		return;
	}
	if (old) {
		stop_pairs(peer);
		peer->l = NULL;
		df_link_fail(old, false, "another connection has taken its place");
	}
	peer->l = l;
	peer->wait = 0;
	peer->why[0] = '\0';
	peer->connects++;
	l->on = &peer_on;
	l->owner = peer;
	log_info("peer=%s is here address=%s", peer->name, l->address);
	if (l->skew > 2000 || l->skew < -2000)
		log_warn("peer=%s has another time than we have ms=%ld", peer->name, (long)l->skew);
	for (struct list *it = peer->pairs.next; it != &peer->pairs; it = it->next)
		df_pair_greet(container_of(it, struct df_pair, of_peer));
}

static void on_up(struct df_link *l)
{
	struct df_peer *peer = l->owner;

	peer->calling = NULL;
	if (strcmp(l->peer, peer->name) != 0)
		df_link_fail(l, true, "it is %s, not %s", l->peer, peer->name);
	else
		take(peer, l);
}

static const struct df_link_on peer_on = {
	.up = on_up, .frame = on_frame, .room = on_room, .turn = on_turn, .down = on_down
};

/* ---- who calls us ------------------------------------------------------------------------------
 */

static struct df_peer *peer_named(struct df *df, const char *name)
{
	for (struct list *it = df->peers.next; it != &df->peers; it = it->next) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		if (strcmp(peer->name, name) == 0)
			return peer;
	}
	return NULL;
}

static void on_guest_up(struct df_link *l)
{
	struct guest *g = l->owner;
	struct df_peer *peer = peer_named(g->df, l->peer);

	if (!peer) {
		log_warn("a node that we don't know has called peer=%s address=%s", l->peer,
			 l->address);
		df_link_fail(l, true, "we don't know a node %s", l->peer);
		return;
	}
	list_remove(&g->link);
	free(g);
	l->owner = peer;
	l->on = &peer_on;
	take(peer, l);
}

static void on_guest_down(struct df_link *l, const char *why)
{
	struct guest *g = l->owner;
	struct df *df = g->df;

	log_info("a connection came to nothing address=%s why=%s", l->address, why);
	list_remove(&g->link);
	free(g);
	df_closed(df);
}

static void on_nothing(struct df_link *l)
{
	(void)l;
}

static void on_no_frame(struct df_link *l, const struct df_frame *f)
{
	(void)l;
	(void)f;
}

static const struct df_link_on guest_on = { .up = on_guest_up,
					    .frame = on_no_frame,
					    .room = on_nothing,
					    .turn = on_nothing,
					    .down = on_guest_down };

static int count(const struct list *l)
{
	int n = 0;

	for (const struct list *it = l->next; it != l; it = it->next)
		n++;
	return n;
}

void df_guest(struct df *df, int fd)
{
	struct sockaddr_storage from = { 0 };
	socklen_t n = sizeof(from);
	char address[ADDR_TEXT] = "unix";

	if (df->draining || count(&df->guests) >= GUESTS) {
		close(fd);
		return;
	}
	if (getpeername(fd, (struct sockaddr *)&from, &n) == 0)
		addr_text((const struct sockaddr *)&from, address);
	struct guest *g = mem_new(sizeof(*g));
	g->df = df;
	list_append(&df->guests, &g->link);
	df->open++;
	g->l = df_link_open(&df->self, fd, false, &guest_on, g);
	if (g->l) {
		snprintf(g->l->address, sizeof(g->l->address), "%s", address);
		return;
	}
	list_remove(&g->link);
	free(g);
	close(fd);
	df_closed(df);
}

/* ---- whom we call ------------------------------------------------------------------------------
 */

static void on_dialled(struct dial *d, int status, int fd)
{
	struct df_peer *peer = d->data;
	struct df *df = peer->df;
	char address[ADDR_TEXT];

	peer->dialling = false;
	snprintf(address, sizeof(address), "%s:%d", peer->address.host, peer->address.port);
	if (status == 0 && !df->stopping) {
		peer->calling = df_link_open(&df->self, fd, true, &peer_on, peer);
		if (peer->calling) {
			snprintf(peer->calling->address, sizeof(peer->calling->address), "%s",
				 address);
			return; /* what was opened for the call is the link's now */
		}
	}
	if (status == 0)
		close(fd);
	if (status != 0 && !df->stopping && strcmp(peer->why, uv_strerror(status)) != 0)
		log_warn("peer=%s is not reached at %s: %s", peer->name, address,
			 uv_strerror(status));
	snprintf(peer->why, sizeof(peer->why), "%s", uv_strerror(status));
	wait_longer(peer);
	df_closed(df);
}

static void call(struct df_peer *peer)
{
	struct df *df = peer->df;

	peer->dial.data = peer;
	peer->dialling = true;
	df->open++;
	if (dial_start(&peer->dial, run_loop(df->run), &peer->address, DIAL, on_dialled) == 0)
		return;
	peer->dialling = false;
	wait_longer(peer);
	df_closed(df);
}

void df_peers_tick(struct df *df, int64_t now)
{
	struct list *it, *tmp;

	list_each (it, tmp, &df->guests) {
		df_link_tick(container_of(it, struct guest, link)->l, now);
	}
	list_each (it, tmp, &df->peers) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		if (peer->calling)
			df_link_tick(peer->calling, now);
		if (peer->l)
			df_link_tick(peer->l, now);
		else if (peer->has_address && !peer->calling && !peer->dialling &&
			 now >= peer->next && !df->draining)
			call(peer);
	}
}

/* ---- open, close -------------------------------------------------------------------------------
 */

static bool is_with(const struct df_share *s, const char *peer)
{
	char **p = df_share_keys(s)->peers;

	if (!*p)
		return true;
	while (*p && strcmp(*p, peer) != 0)
		p++;
	return *p != NULL;
}

static void add_pairs(struct df_peer *peer)
{
	struct df *df = peer->df;

	for (struct list *it = df->shares.next; it != &df->shares; it = it->next) {
		struct df_share *s = df_share_of(it);
		if (!is_with(s, peer->name))
			continue;
		struct df_pair *pair = mem_new(sizeof(*pair));
		pair->peer = peer;
		pair->share = s;
		list_append(&peer->pairs, &pair->of_peer);
		df_share_pair(s, pair);
	}
}

void df_peers_open(struct df *df)
{
	const struct conf_item *item = NULL;

	while ((item = conf_next(df->conf, "peer", item))) {
		const struct df_peer_keys *k = item->values;
		struct df_peer *peer = mem_new(sizeof(*peer));
		peer->df = df;
		peer->name = item->name;
		peer->has_address = k->address && *k->address;
		if (peer->has_address)
			addr_parse(&peer->address, k->address, 9508, NULL);
		list_init(&peer->pairs);
		list_append(&df->peers, &peer->link);
		add_pairs(peer);
	}
}

void df_peers_close(struct df *df)
{
	struct list *it, *tmp;

	list_each (it, tmp, &df->guests) {
		df_link_fail(container_of(it, struct guest, link)->l, false, "we end");
	}
	list_each (it, tmp, &df->peers) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		if (peer->dialling)
			dial_cancel(&peer->dial);
		if (peer->calling)
			df_link_fail(peer->calling, false, "we end");
		if (peer->l)
			df_link_fail(peer->l, true, "the node ends");
	}
}

void df_peers_free(struct df *df)
{
	struct list *it, *tmp, *p, *ptmp;

	list_each (it, tmp, &df->peers) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		list_each (p, ptmp, &peer->pairs) {
			free(container_of(p, struct df_pair, of_peer));
		}
		free(peer);
	}
}
