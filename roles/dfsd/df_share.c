/*
 * df_share - one folder: hints and scans are looked at, a few in each turn of the loop; then its
 * feeds say what that has brought.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/dfsd/df.h"
#include "roles/dfsd/df_blocks.h"
#include "roles/dfsd/df_dirty.h"
#include "roles/dfsd/df_ignore.h"
#include "roles/dfsd/df_watch.h"

enum { LOOKS = 1000, COMMIT = 100, ASTRAY = 20, FORGET = 10000 };

static const size_t map = (size_t)64 << 30;

/* A folder to be listed. deep: with what it had in it before. */
struct scan {
	df_id id;
	bool deep;
};

struct df_share {
	struct list link;
	struct df *df;
	const char *name;
	const struct df_share_keys *keys;
	uint16_t number;
	struct df_tree tree;
	struct df_lists lists;
	struct df_watch *watch;
	struct df_dirty dirty;
	struct scan *scans;
	size_t n_scans;
	struct scan now; /* the one that is under way */
	struct df_dirty_item *gone;
	struct list pairs;
	uv_timer_t timer;
	uv_idle_t idle;
	int handles;
	bool ready, rescanning, closing;
	char *paused; /* why */
	int64_t commit_at, rescan_at, forget_at, scan_began;
	uint64_t unwatched;
};

static int64_t now_of(const struct df_share *s)
{
	return (int64_t)uv_now(run_loop(s->df->run));
}

/* ---- looking -----------------------------------------------------------------------------------
 */

static void look_later(struct df_share *s, df_id dir, struct df_bytes name, int64_t after,
		       unsigned how)
{
	df_dirty_put(&s->dirty, dir, name, now_of(s) + after, how);
}

/* A folder in which something has come or gone has another time. */
static void look_at_folder(struct df_share *s, df_id id)
{
	struct df_node n;

	if (id != DF_ROOT && df_index_get(s->tree.index, id, &n))
		look_later(s, n.parent, n.name, s->keys->settle, 0);
}

static void keep_gone(struct df_share *s, df_id parent, struct df_bytes name)
{
	struct df_dirty_item *item = mem_new(sizeof(*item) + name.n);

	item->dir = parent;
	item->n = (uint8_t)name.n;
	memcpy(item->name, name.p, name.n);
	item->next = s->gone;
	s->gone = item;
}

static enum df_planned look(struct df_share *s, df_id parent, struct df_bytes name, bool written)
{
	enum df_planned what = df_plan_place(&s->tree, parent, name, written);

	if (what == DF_PLAN_GONE)
		keep_gone(s, parent, name);
	if (what == DF_PLAN_ASTRAY) {
		look_at_folder(s, parent);
		look_later(s, parent, name, ASTRAY, DF_LATER | (written ? DF_WRITTEN : 0));
	}
	return what;
}

static void say_gone(struct df_share *s)
{
	uint64_t nodes = 0;

	while (s->gone) {
		struct df_dirty_item *item = s->gone;
		s->gone = item->next;
		df_plan_gone(&s->tree, item->dir, (struct df_bytes){ item->name, item->n }, &nodes);
		free(item);
	}
}

/* ---- scans -------------------------------------------------------------------------------------
 */

static void push_scan(struct df_share *s, df_id id, bool deep)
{
	if ((s->n_scans & (s->n_scans - 1)) == 0)
		s->scans =
			mem_resize(s->scans, (s->n_scans ? 2 * s->n_scans : 1) * sizeof(*s->scans));
	s->scans[s->n_scans++] = (struct scan){ id, deep };
	df_share_wake(s);
}

static void on_folder(void *data, df_id id)
{
	push_scan(data, id, true);
}

static void on_name(void *data, df_id id, struct df_bytes name)
{
	struct df_share *s = data;
	char own[DF_NAME];
	struct df_node n;
	size_t before = s->n_scans;

	memcpy(own, name.p, name.n);
	name.p = own;
	enum df_planned what = look(s, id, name, s->rescanning);
	if (s->now.deep && s->n_scans == before && what != DF_PLAN_GONE &&
	    df_index_child(s->tree.index, id, name, &n) && n.entry.type == DF_DIR)
		push_scan(s, n.id, true);
}

/* A watch of its own; there is room for a few of those. What stands there may be another one by
 * now, a folder even, which has its watch already. */
static void watch_file(struct df_share *s, const struct df_node *n)
{
	char path[DF_PATH];
	struct stat st;

	if (!s->watch || !df_index_path(s->tree.index, n->id, path))
		return;
	int fd = df_root_read(&s->tree.root, path);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == n->ino)
		df_watch_add_file(s->watch, n->id, fd);
	close(fd);
}

static void on_twin(void *data, const struct df_node *n, bool lost)
{
	struct df_share *s = data;

	look_later(s, n->parent, n->name, s->keys->settle, 0);
	if (lost)
		watch_file(s, n);
}

static void on_want(void *data)
{
	struct df_share *s = data;

	for (struct list *it = s->pairs.next; it != &s->pairs; it = it->next)
		container_of(it, struct df_pair, of_share)->wants = true;
	df_share_wake(s);
}

/* Watched first: what comes while it is listed is told of; what came before has changed its time.
 */
static void watch_folder(struct df_share *s, df_id id, const char *path)
{
	DIR *d;

	if (!s->watch || df_root_list(&s->tree.root, path, &d) != 0)
		return;
	int rc = df_watch_add(s->watch, id, dirfd(d));
	closedir(d);
	if (rc == 0)
		return;
	if (!s->unwatched++)
		log_error("folders can't be watched, they are looked at every %d s share=%s "
			  "folder=%s error=%s (see fs.inotify.max_user_watches)",
			  (int)(s->keys->poll_interval / 1000), s->name, path, uv_strerror(rc));
}

static void do_scan(struct df_share *s, struct scan scan)
{
	char path[DF_PATH];

	if (!df_index_path(s->tree.index, scan.id, path))
		return;
	watch_folder(s, scan.id, path);
	s->now = scan;
	df_plan_names(&s->tree, scan.id, on_name, s);
	s->now.id = DF_NOBODY;
	look_at_folder(s, scan.id);
}

static void scan_is_over(struct df_share *s)
{
	struct list *it, *tmp;

	s->rescanning = false;
	s->rescan_at = now_of(s) + (s->unwatched ? s->keys->poll_interval : s->keys->rescan);
	if (!s->unwatched && !s->keys->rescan)
		s->rescan_at = 0;
	if (s->ready)
		return;
	s->ready = true;
	log_info("share=%s is known: %lu files and folders in %d ms", s->name,
		 (unsigned long)df_index_count(s->tree.index), (int)(now_of(s) - s->scan_began));
	list_each (it, tmp, &s->pairs) {
		df_pair_greet(container_of(it, struct df_pair, of_share));
	}
}

static void scan_all(struct df_share *s)
{
	s->rescanning = true;
	s->unwatched = 0;
	s->scan_began = now_of(s);
	push_scan(s, DF_ROOT, true);
}

/* ---- turns -------------------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *t);
static void on_idle(uv_idle_t *i);

static bool commit(struct df_share *s)
{
	struct err err = { .text = "" };

	s->commit_at = 0;
	if (df_index_commit(s->tree.index, &err) == 0)
		return true;
	log_error("share=%s %s; it is looked through again", s->name, err.text);
	scan_all(s);
	return false;
}

bool df_share_commit(struct df_share *s)
{
	return !df_index_is_dirty(s->tree.index) || commit(s);
}

/* Nobody is told of what a kill might take back. */
static bool run_pairs(struct df_share *s)
{
	struct list *it, *tmp;
	bool more = false;

	if (s->paused)
		return false;
	list_each (it, tmp, &s->pairs) {
		struct df_pair *pair = container_of(it, struct df_pair, of_share);
		if (pair->feed && !pair->held && df_share_commit(s))
			more |= df_feed_run(pair->feed);
		if (pair->apply && pair->wants)
			more |= df_pair_want(pair);
	}
	return more;
}

/* When something is due next, or at once when there is more. */
static void arm(struct df_share *s, bool more, int64_t due)
{
	if (df_index_is_dirty(s->tree.index) && !s->commit_at)
		s->commit_at = now_of(s) + COMMIT;
	if (s->commit_at && (!due || s->commit_at < due))
		due = s->commit_at;
	if (s->closing)
		return;
	if (more)
		uv_idle_start(&s->idle, on_idle);
	else
		uv_idle_stop(&s->idle);
	int64_t in = due - now_of(s);
	if (due)
		uv_timer_start(&s->timer, on_timer, in > 0 ? (uint64_t)in : 0, 0);
	else
		uv_timer_stop(&s->timer);
}

/* Whether all that is due was looked at. */
static bool look_at_all(struct df_share *s, int64_t now, int *budget, int64_t *next)
{
	while (*budget > 0) {
		struct df_dirty_item *item = df_dirty_take(&s->dirty, now, next);
		if (!item)
			return true;
		look(s, item->dir, (struct df_bytes){ item->name, item->n }, item->written);
		free(item);
		--*budget;
	}
	return false;
}

static void work(struct df_share *s)
{
	int64_t next = 0, now = now_of(s);
	int budget = LOOKS;

	while (budget > 0 && s->n_scans) {
		do_scan(s, s->scans[--s->n_scans]);
		budget--;
	}
	bool all = look_at_all(s, now, &budget, &next);
	if (all && !s->n_scans) /* it may have gone to where nobody has looked yet */
		say_gone(s);
	if (s->rescanning && !s->n_scans)
		scan_is_over(s);
	df_root_forget(&s->tree.root);
	bool more = run_pairs(s) || !all || s->n_scans;
	if (s->commit_at && now >= s->commit_at)
		commit(s);
	if (all)
		look_at_all(s, 0, &budget, &next); /* nothing is due: only when */
	arm(s, more, next);
}

static void on_timer(uv_timer_t *t)
{
	work(t->data);
}

static void on_idle(uv_idle_t *i)
{
	work(i->data);
}

void df_share_wake(struct df_share *s)
{
	if (!s->closing)
		uv_idle_start(&s->idle, on_idle);
}

void df_share_look(struct df_share *s, df_id parent, struct df_bytes name)
{
	look_later(s, parent, name, s->keys->settle, DF_WRITTEN);
	df_share_wake(s);
}

static void on_hint(void *data, enum df_hint hint, df_id dir, const char *name)
{
	struct df_share *s = data;
	struct df_bytes bytes = { name, strlen(name) };
	struct df_node n;

	if (hint == DF_HINT_LOST) {
		log_warn("the system has lost events, all is looked at again share=%s", s->name);
		scan_all(s);
		return;
	}
	if (!df_index_get(s->tree.index, dir, &n)) {
		df_watch_remove(s->watch, dir);
		return;
	}
	if (!bytes.n) { /* it itself */
		if (dir == DF_ROOT)
			return;
		dir = n.parent;
		bytes = n.name;
	}
	bool open = hint == DF_HINT_OPEN;
	if (hint == DF_HINT_NAME)
		look_at_folder(s, dir);
	bool written = open || hint == DF_HINT_NOW;
	look_later(s, dir, bytes, open ? s->keys->open_settle : s->keys->settle,
		   (open ? DF_LATER : 0) | (written ? DF_WRITTEN : 0));
	if (!uv_is_active((uv_handle_t *)&s->timer))
		uv_timer_start(&s->timer, on_timer,
			       (uint64_t)(open ? s->keys->open_settle : s->keys->settle), 0);
	else if (!open && uv_timer_get_due_in(&s->timer) > (uint64_t)s->keys->settle)
		uv_timer_start(&s->timer, on_timer, (uint64_t)s->keys->settle, 0);
}

/* ---- open, close -------------------------------------------------------------------------------
 */

static int open_ignore(struct df_share *s, struct err *err)
{
	s->tree.ignore = df_ignore_new();
	for (char **line = s->keys->ignore; *line; line++)
		df_ignore_add(s->tree.ignore, *line);
	return df_ignore_read(s->tree.ignore, s->tree.root.fd, s->keys->ignore_file, err);
}

static int open_tree(struct df_share *s, const char *state, struct err *err)
{
	char path[DF_PATH];

	s->tree.root.owner = (enum df_owner)s->keys->owner;
	s->tree.root.xattrs = s->keys->xattrs;
	s->tree.root.acls = s->keys->acls;
	s->tree.specials = s->keys->specials;
	s->tree.max_file = (uint64_t)s->keys->max_file;
	s->tree.on_folder = on_folder;
	s->tree.on_twin = on_twin;
	s->tree.multi = s->keys->mode == DF_MULTI;
	s->tree.on_want = s->keys->role & DF_RECEIVE && !s->tree.multi ? on_want : NULL;
	s->tree.data = s;
	int rc = df_root_open(&s->tree.root, s->keys->path, err);
	if (rc == 0)
		rc = open_ignore(s, err);
	snprintf(path, sizeof(path), "%s/%s", state, s->name);
	if (rc == 0)
		rc = df_index_open(&s->tree.index, path, map, err);
	if (rc == 0 && s->tree.multi)
		df_index_share(s->tree.index, s->df->node);
	if (rc == 0 && s->keys->role & DF_SEND)
		rc = df_watch_open(&s->watch, run_loop(s->df->run), on_hint, s);
	return rc;
}

static int open_one(struct df *df, const struct conf_item *item, const char *state, uint16_t number,
		    struct err *err)
{
	struct df_share *s = mem_new(sizeof(*s));

	s->df = df;
	s->name = item->name;
	s->keys = item->values;
	s->number = number;
	list_init(&s->pairs);
	df_dirty_init(&s->dirty);
	df_lists_init(&s->lists, DF_LISTS);
	s->tree.lists = &s->lists;
	uv_timer_init(run_loop(df->run), &s->timer);
	uv_idle_init(run_loop(df->run), &s->idle);
	s->timer.data = s->idle.data = s;
	s->handles = 2;
	df->open++;
	list_append(&df->shares, &s->link);
	s->tree.root.fd = s->tree.root.tmp = s->tree.root.dir = -1;
	int rc = open_tree(s, state, err);
	if (rc != 0)
		return err_wrap(err, rc, "share %s", s->name);
	scan_all(s);
	return 0;
}

int df_shares_open(struct df *df, const char *state, struct err *err)
{
	const struct conf_item *item = NULL;
	uint16_t number = 0;
	int rc = 0;

	while (rc == 0 && (item = conf_next(df->conf, "share", item)))
		rc = open_one(df, item, state, number++, err);
	return rc;
}

static void free_share(struct df_share *s)
{
	struct df *df = s->df;

	list_remove(&s->link);
	df_index_close(s->tree.index);
	df_root_close(&s->tree.root);
	df_ignore_free(s->tree.ignore);
	df_dirty_fini(&s->dirty);
	df_lists_fini(&s->lists);
	while (s->gone) {
		struct df_dirty_item *item = s->gone;
		s->gone = item->next;
		free(item);
	}
	free(s->scans);
	free(s->paused);
	free(s);
	df_closed(df);
}

static void closed_one(struct df_share *s)
{
	if (--s->handles == 0)
		free_share(s);
}

static void on_handle_closed(uv_handle_t *h)
{
	closed_one(h->data);
}

static void on_watch_closed(void *data)
{
	closed_one(data);
}

void df_shares_close(struct df *df)
{
	struct list *it, *tmp;

	list_each (it, tmp, &df->shares) {
		struct df_share *s = container_of(it, struct df_share, link);
		if (s->closing)
			continue;
		s->closing = true;
		uv_close((uv_handle_t *)&s->timer, on_handle_closed);
		uv_close((uv_handle_t *)&s->idle, on_handle_closed);
		if (s->watch) {
			s->handles++;
			df_watch_close(s->watch, on_watch_closed);
		}
	}
}

/* What all peers know to be gone. */
static void forget(struct df_share *s)
{
	uint64_t upto = UINT64_MAX;

	for (struct list *it = s->pairs.next; it != &s->pairs; it = it->next) {
		const struct df_pair *pair = container_of(it, struct df_pair, of_share);
		upto = pair->known.ours < upto ? pair->known.ours : upto;
	}
	df_index_forget(s->tree.index, s->keys->role & DF_SEND ? upto : UINT64_MAX);
	if (df_index_is_dirty(s->tree.index))
		df_share_wake(s);
}

void df_shares_tick(struct df *df, int64_t now)
{
	struct list *it, *tmp, *p, *ptmp;

	list_each (it, tmp, &df->shares) {
		struct df_share *s = container_of(it, struct df_share, link);
		if (s->rescan_at && now >= s->rescan_at && !s->rescanning)
			scan_all(s);
		if (now >= s->forget_at) {
			forget(s);
			s->forget_at = now + FORGET;
		}
		list_each (p, ptmp, &s->pairs) {
			struct df_pair *pair = container_of(p, struct df_pair, of_share);
			if (pair->feed && df_feed_tick(pair->feed, now))
				df_share_wake(s);
		}
	}
}

/* ---- for others --------------------------------------------------------------------------------
 */

const char *df_share_name(const struct df_share *s)
{
	return s->name;
}

uint16_t df_share_number(const struct df_share *s)
{
	return s->number;
}

const struct df_share_keys *df_share_keys(const struct df_share *s)
{
	return s->keys;
}

struct df_tree *df_share_tree(struct df_share *s)
{
	return &s->tree;
}

struct df_share *df_share_of(struct list *link)
{
	return container_of(link, struct df_share, link);
}

bool df_share_is_ready(const struct df_share *s)
{
	return s->ready && !s->closing;
}

void df_share_pair(struct df_share *s, struct df_pair *pair)
{
	list_append(&s->pairs, &pair->of_share);
}

static void tell_pause(struct df_share *s)
{
	for (struct list *it = s->pairs.next; it != &s->pairs; it = it->next)
		df_pair_hold(container_of(it, struct df_pair, of_share));
	df_share_wake(s);
}

void df_share_pause(struct df_share *s, const char *why)
{
	log_warn("share=%s is paused: %s", s->name, why);
	free(s->paused);
	s->paused = mem_str(why);
	tell_pause(s);
}

bool df_share_resume(struct df_share *s, bool force)
{
	(void)force;
	if (s->paused)
		log_info("share=%s goes on", s->name);
	free(s->paused);
	s->paused = NULL;
	tell_pause(s);
	return true;
}

const char *df_share_paused(const struct df_share *s)
{
	return s->paused;
}

bool df_share_rescan(struct df_share *s, const char *path)
{
	struct df_node n;

	if (!*path) {
		scan_all(s);
		return true;
	}
	if (!df_index_find(s->tree.index, path, &n))
		return false;
	look_later(s, n.parent, n.name, 0, DF_WRITTEN);
	if (n.entry.type == DF_DIR)
		push_scan(s, n.id, true);
	df_share_wake(s);
	return true;
}

void df_share_figures(const struct df_share *s, struct df_share_figures *f)
{
	*f = (struct df_share_figures){
		.name = s->name,
		.state = s->paused   ? "paused"
			 : !s->ready ? "scanning"
				     : "ready",
		.nodes = df_index_count(s->tree.index),
		.last = df_index_last(s->tree.index),
		.unwatched = s->unwatched,
		.errors = s->tree.errors,
		.conflicts = s->tree.conflicts,
		.waiting = s->dirty.n,
	};
	if (s->watch) {
		f->watches = df_watch_count(s->watch);
		f->events = df_watch_events(s->watch);
		f->lost = df_watch_lost(s->watch);
	}
}
