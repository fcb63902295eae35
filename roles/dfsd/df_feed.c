#include "roles/dfsd/df_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/dfsd/df_hash.h"
#include "roles/dfsd/df_late.h"
#include "roles/dfsd/df_send.h"
#include "roles/dfsd/df_set.h"

enum { SENDINGS = 16, TURN = 256, DEPTH = DF_PATH / 2, RETRY = 5000, MOVERS = 16 };

/* How a node is said. */
enum how {
	CHANGED, /* what it does not know of it */
	AGAIN,   /* it does not have what it was told of, perhaps */
	WHOLE,   /* it does not */
};

/* A file that goes in pieces. */
struct sending {
	struct list link;
	df_id id;
	uint64_t seq;
	uint64_t dev, ino;
	uint32_t stream;
	bool twins; /* other names of it wait for its end */
	bool alone; /* the peer can't make a second name */
	struct df_send send;
};

/* All that is in a folder, said again. */
struct walk {
	struct walk *above;
	df_id id;
	size_t n;
	char last[DF_NAME];
};

struct again {
	df_id id;
	enum how how;
	df_id twin; /* DF_NOBODY, or: it is to be another name of that */
	bool alone;
};

struct df_feed {
	struct df_feed_conf conf;
	struct df_index *index;
	uint64_t cursor, marked, acked, marked_naks;
	uint64_t whole_upto;
	bool whole;         /* it is told all there is, up to that */
	uint64_t redo_upto; /* up to that an earlier connection may have told of it */
	struct df_set ahead;
	uint64_t ahead_upto;
	struct list sendings;
	int n_sendings;
	uint32_t streams;
	struct walk *walk;
	struct again *again;
	size_t n_again, at_again;
	struct df_late late;
	uint64_t marks;   /* how many were put */
	int movers;       /* so many that had to go first are being said */
	int64_t retry_at; /* 0: nothing has failed */
	struct df_feed_figures figures;
};

struct df_feed *df_feed_new(const struct df_feed_conf *conf)
{
	struct df_feed *f = mem_new(sizeof(*f));

	f->conf = *conf;
	f->index = conf->tree->index;
	f->cursor = f->acked = f->marked = conf->whole ? 0 : conf->cursor;
	f->whole = conf->whole;
	f->redo_upto = df_index_last(f->index);
	f->whole_upto = conf->whole ? df_index_last(f->index) : 0;
	list_init(&f->sendings);
	return f;
}

static void drop_sending(struct df_feed *f, struct sending *s)
{
	list_remove(&s->link);
	f->n_sendings--;
	df_send_close(&s->send);
	free(s);
}

static void drop_walk(struct df_feed *f)
{
	struct walk *w = f->walk;

	f->walk = w->above;
	free(w);
}

void df_feed_free(struct df_feed *f)
{
	struct list *it, *tmp;

	if (!f)
		return;
	list_each (it, tmp, &f->sendings) {
		drop_sending(f, container_of(it, struct sending, link));
	}
	while (f->walk)
		drop_walk(f);
	df_set_clear(&f->ahead);
	free(f->again);
	df_late_free(&f->late);
	free(f);
}

/* ---- what it knows -----------------------------------------------------------------------------
 */

static bool is_told(const struct df_feed *f, uint64_t seq)
{
	return seq <= f->cursor || df_set_has(&f->ahead, seq);
}

static void tell_ahead(struct df_feed *f, uint64_t seq)
{
	if (seq <= f->cursor)
		return;
	df_set_add(&f->ahead, seq);
	if (seq > f->ahead_upto)
		f->ahead_upto = seq;
}

static void pass(struct df_feed *f, uint64_t seq)
{
	f->cursor = seq;
	if (f->ahead.n && seq >= f->ahead_upto) {
		df_set_clear(&f->ahead);
		f->ahead_upto = 0;
	}
}

/* ---- frames ------------------------------------------------------------------------------------
 */

static struct df_bytes text(const char *s)
{
	return (struct df_bytes){ s, strlen(s) };
}

static uint8_t *begin(struct df_feed *f, size_t room, uint64_t seq, df_id id, const char *path)
{
	uint8_t *p = df_link_room(f->conf.link, room + strlen(path) + 4 * DF_NUMBER);

	return df_put_bytes(df_put_number(df_put_number(p, seq), id), text(path));
}

static void say_frame(struct df_feed *f, enum df_frame_type type, unsigned flags,
		      const uint8_t *end)
{
	struct df_frame frame = { .type = (uint8_t)type,
				  .flags = (uint8_t)flags,
				  .share = f->conf.share };

	f->figures.ops += type != DF_MARK;
	df_link_put(f->conf.link, frame, end);
}

static void send_entry(struct df_feed *f, const struct df_node *n, const char *path, unsigned flags)
{
	uint8_t *p = begin(f, df_entry_room(&n->entry), n->seq, n->id, path);

	say_frame(f, DF_ENTRY, flags, df_entry_put(p, &n->entry));
}

static void send_delete(struct df_feed *f, uint64_t seq, const char *path)
{
	say_frame(f, DF_DELETE, 0, begin(f, 0, seq, DF_NOBODY, path));
}

/* With its version. */
static void send_gone(struct df_feed *f, const struct df_node *n, const char *path)
{
	uint8_t *p = begin(f, df_entry_room(&n->entry), n->seq, n->id, path);

	say_frame(f, DF_DELETE, 0, df_entry_put(p, &n->entry));
}

/* What the peer has perhaps: from somebody else, or at the place where it was until now. */
static void send_offer(struct df_feed *f, const struct df_node *n, const char *path,
		       const char *was)
{
	uint8_t *p = begin(f, df_entry_room(&n->entry) + DF_PATH, n->seq, n->id, path);

	say_frame(f, DF_ENTRY, DF_OFFER, df_put_bytes(df_entry_put(p, &n->entry), text(was)));
}

static void say_again(struct df_feed *f, struct again again)
{
	if ((f->n_again & (f->n_again - 1)) == 0)
		f->again =
			mem_resize(f->again, (f->n_again ? 2 * f->n_again : 1) * sizeof(*f->again));
	f->again[f->n_again++] = again;
}

/* ---- files -------------------------------------------------------------------------------------
 */

static bool is_as_known(int fd, const struct df_node *n)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == n->ino &&
	       (uint64_t)st.st_size == n->entry.size &&
	       (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == n->entry.mtime;
}

static int64_t now_of(const struct df_feed *f)
{
	return (int64_t)uv_now(f->conf.link->self->loop);
}

/* It is looked at again, and has another number then; or it, or a folder above it, was only on its
 * way to another place, and it is as it was: then it is said once more. */
static void stale(struct df_feed *f, const struct df_node *n)
{
	f->conf.on_stale(f->conf.data, n->parent, n->name);
	df_late_stale(&f->late, n, now_of(f));
}

/* Whether there is something to say: that, or the MARK which has waited for it. */
static bool take_late(struct df_feed *f, int64_t now)
{
	bool over = false;
	df_id id;

	while ((id = df_late_take(&f->late, f->index, now, f->marks, &over)) != DF_NOBODY)
		say_again(f, (struct again){ .id = id, .how = WHOLE });
	return over;
}

static bool read_all(int fd, uint8_t *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd, p + got, n - got, (off_t)got);
		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

/* The content has its place in the frame: it is read there. */
static void send_small(struct df_feed *f, const struct df_node *n, const char *path, int fd)
{
	struct df_entry e = n->entry;
	uint8_t *p = begin(f, df_entry_room(&e) + DF_HASH + e.size, n->seq, n->id, path);
	size_t before = df_entry_room(&e) + DF_HASH;
	uint8_t *content = p + before; /* read first: its hash stands before it */

	if (!read_all(fd, content, e.size) || !is_as_known(fd, n)) {
		stale(f, n);
		return;
	}
	e.hashed = true;
	df_hash(content, e.size, e.hash);
	p = df_entry_put(p, &e);
	memmove(p, content, e.size);
	say_frame(f, DF_PUT, 0, p + e.size);
	f->figures.files++;
	f->figures.bytes += e.size;
}

static void start_sending(struct df_feed *f, const struct df_node *n, const char *path, int fd,
			  bool alone)
{
	struct sending *s = mem_new(sizeof(*s));
	uint8_t *p = begin(f, df_entry_room(&n->entry), n->seq, n->id, path);

	*s = (struct sending){ .id = n->id,
			       .seq = n->seq,
			       .dev = n->dev,
			       .ino = n->ino,
			       .stream = ++f->streams,
			       .alone = alone || f->conf.tree->multi };
	df_send_open(&s->send, fd, n->entry.size, f->conf.tree->lists);
	list_append(&f->sendings, &s->link);
	f->n_sendings++;
	struct df_frame frame = { .type = DF_BEGIN, .share = f->conf.share, .stream = s->stream };
	df_link_put(f->conf.link, frame, df_entry_put(p, &n->entry));
	f->figures.ops++;
}

/* Its other names at the peer are to be names of what it has got now. */
static void rejoin_twins(struct df_feed *f, uint64_t dev, uint64_t ino, df_id id)
{
	struct df_node n;
	df_id after = DF_NOBODY;

	while (df_index_twin(f->index, dev, ino, after, &n)) {
		after = n.id;
		if (n.id != id && is_told(f, n.content))
			say_again(f, (struct again){ .id = n.id, .twin = id });
	}
}

static void send_content(struct df_feed *f, const struct df_node *n, const char *path, bool alone)
{
	int fd = df_root_read(&f->conf.tree->root, path);

	if (fd < 0) {
		stale(f, n);
		return;
	}
	if (n->entry.size > DF_SMALL) {
		if (is_as_known(fd, n)) {
			start_sending(f, n, path, fd, alone);
			return;
		}
		stale(f, n);
	} else {
		send_small(f, n, path, fd);
		if (n->entry.twin && !alone)
			rejoin_twins(f, n->dev, n->ino, n->id);
	}
	close(fd);
}

/* Those that have waited for its end. */
static void release_twins(struct df_feed *f, const struct sending *s, bool well)
{
	struct df_node n;
	df_id after = DF_NOBODY;

	while (df_index_twin(f->index, s->dev, s->ino, after, &n)) {
		after = n.id;
		if (n.id != s->id && is_told(f, n.content))
			say_again(f, (struct again){ .id = n.id,
						     .how = well ? CHANGED : WHOLE,
						     .twin = well ? s->id : DF_NOBODY });
	}
}

static void end_sending(struct df_feed *f, struct sending *s, bool well)
{
	uint8_t *p = df_link_room(f->conf.link, DF_HASH);
	struct df_frame frame = { .type = DF_END,
				  .flags = well ? 0 : DF_ABORT,
				  .share = f->conf.share,
				  .stream = s->stream };

	df_send_end(&s->send, p, well);
	df_link_put(f->conf.link, frame, p + DF_HASH);
	f->figures.files += well;
	if (s->twins || (well && !s->alone))
		release_twins(f, s, well);
	drop_sending(f, s);
}

static void put_piece(struct df_feed *f, const struct sending *s, uint8_t *p,
		      const struct df_send_piece *piece)
{
	static const uint8_t types[] = {
		[DF_SEND_DATA] = DF_DATA, [DF_SEND_COPY] = DF_COPY, [DF_SEND_HOLE] = DF_HOLE
	};
	struct df_frame frame = { .type = types[piece->kind],
				  .share = f->conf.share,
				  .stream = s->stream };

	p = df_put_number(p, piece->at);
	if (piece->kind == DF_SEND_COPY)
		p = df_put_number(p, piece->from);
	if (piece->kind == DF_SEND_DATA) {
		f->figures.bytes += piece->n;
		p += piece->n; /* it is there */
	} else {
		p = df_put_number(p, piece->n);
	}
	df_link_put(f->conf.link, frame, p);
}

/* One piece, or the end. */
static void go_on_sending(struct df_feed *f, struct sending *s)
{
	struct df_node n;

	if (!df_index_get(f->index, s->id, &n) || n.content > s->seq) {
		end_sending(f, s, false); /* it is another by now, and is said again */
		return;
	}
	if (s->send.waiting)
		return;
	uint8_t *p = df_link_room(f->conf.link, 3 * DF_NUMBER + DF_PIECE);
	struct df_send_piece piece = df_send_next(&s->send, df_put_number(p, s->send.at));
	if (piece.kind == DF_SEND_READ)
		return;
	if (piece.kind != DF_SEND_OVER) {
		put_piece(f, s, p, &piece);
		return;
	}
	bool well = s->send.at == s->send.size && is_as_known(s->send.fd, &n);
	if (!well)
		stale(f, &n);
	end_sending(f, s, well);
}

/* Whether one of them can go on, which does not wait for its answer. */
static bool can_go_on(const struct df_feed *f)
{
	for (const struct list *it = f->sendings.next; it != &f->sendings; it = it->next)
		if (!container_of(it, struct sending, link)->send.waiting)
			return true;
	return false;
}

static void abort_sending_of(struct df_feed *f, df_id id)
{
	struct list *it, *tmp;

	list_each (it, tmp, &f->sendings) {
		struct sending *s = container_of(it, struct sending, link);
		if (s->id == id)
			end_sending(f, s, false);
	}
}

static bool is_being_sent(const struct df_feed *f, df_id id)
{
	for (const struct list *it = f->sendings.next; it != &f->sendings; it = it->next)
		if (container_of(it, struct sending, link)->id == id)
			return true;
	return false;
}

/* ---- one node ----------------------------------------------------------------------------------
 */

/* A name of the same file that the peer has with the same content. */
static df_id find_twin(struct df_feed *f, const struct df_node *n)
{
	struct df_node other;
	df_id after = DF_NOBODY;

	if (!n->entry.twin || n->entry.type != DF_FILE)
		return DF_NOBODY;
	while (df_index_twin(f->index, n->dev, n->ino, after, &other)) {
		after = other.id;
		if (other.id != n->id && is_told(f, other.seq) && !is_being_sent(f, other.id) &&
		    df_entry_same_content(&other.entry, &n->entry))
			return other.id;
	}
	return DF_NOBODY;
}

static void send_twin(struct df_feed *f, const struct df_node *n, const char *path, df_id other)
{
	uint8_t *p = begin(f, df_entry_room(&n->entry) + DF_NUMBER, n->seq, n->id, path);

	say_frame(f, DF_TWIN, 0, df_put_number(df_entry_put(p, &n->entry), other));
}

static void push_walk(struct df_feed *f, df_id id)
{
	struct walk *w = mem_new(sizeof(*w));

	w->above = f->walk;
	w->id = id;
	f->walk = w;
}

/* The same file is on its way under another name: this one is said at its end. */
static bool waits_for_twin(struct df_feed *f, const struct df_node *n)
{
	for (struct list *it = f->sendings.next; n->entry.twin && it != &f->sendings;
	     it = it->next) {
		struct sending *s = container_of(it, struct sending, link);
		if (s->dev != n->dev || s->ino != n->ino)
			continue;
		s->twins = true;
		return true;
	}
	return false;
}

/* It was there when the peer began to be told all; said for the first time, or once more. */
static bool is_of_whole(const struct df_feed *f, const struct df_node *n)
{
	return f->whole && n->seq <= f->whole_upto;
}

/* The same of a share that several write to. */
static bool say_cheaply(struct df_feed *f, const struct df_node *n, const char *path)
{
	char was[DF_PATH] = "";
	struct df_node old;

	if (!f->conf.tree->multi)
		return false;
	bool moved = df_index_like(f->index, n, &old) && df_index_path(f->index, old.id, was);
	if (!moved && n->origin == 0)
		return false;
	send_offer(f, n, path, moved ? was : "");
	return true;
}

/* A file, with whatever is cheapest. */
static void say_file(struct df_feed *f, const struct df_node *n, const char *path,
		     const struct again *as)
{
	if (as->how == WHOLE) {
		send_content(f, n, path, as->alone);
		return;
	}
	if (as->how == AGAIN || (is_told(f, n->content) && !is_of_whole(f, n))) {
		send_entry(f, n, path, DF_OFFER);
		if (n->entry.twin && (as->how == AGAIN || n->seq <= f->redo_upto))
			rejoin_twins(f, n->dev, n->ino, n->id);
		return;
	}
	if (waits_for_twin(f, n))
		return;
	df_id other = find_twin(f, n);
	if (other != DF_NOBODY)
		send_twin(f, n, path, other);
	else if (is_of_whole(f, n) && !f->conf.empty)
		send_entry(f, n, path, DF_OFFER);
	else if (!say_cheaply(f, n, path))
		send_content(f, n, path, false);
}

static void say(struct df_feed *f, const struct again *as);

/* What stood at a place and does no more: where it is now is said before something else takes the
 * place, or the peer loses it with all that is in it. */
static void say_mover(struct df_feed *f, const struct df_tomb *tomb)
{
	struct df_node n;

	tell_ahead(f, tomb->seq); /* first: two may have changed places */
	if (tomb->moved == DF_NOBODY || f->movers >= MOVERS ||
	    !df_index_get(f->index, tomb->moved, &n) || is_told(f, n.seq))
		return;
	f->movers++;
	say(f, &(struct again){ .id = n.id });
	f->movers--;
}

static void say_node(struct df_feed *f, struct df_node *n, const struct again *as)
{
	char path[DF_PATH];
	df_id id = n->id;
	bool folder = n->entry.type == DF_DIR, known = is_told(f, n->born);
	struct df_tomb tomb = df_index_tomb(f->index, n->parent, n->name);

	if (tomb.seq && !is_told(f, tomb.seq)) {
		say_mover(f, &tomb);
		if (!df_index_get(f->index, id, n) || !df_index_path(f->index, id, path))
			return;
		if (folder)
			send_delete(f, tomb.seq, path);
	} else if (!df_index_path(f->index, id, path)) {
		return;
	}
	abort_sending_of(f, id);
	if (n->entry.type == DF_FILE)
		say_file(f, n, path, as);
	else if (n->entry.type == DF_GONE)
		send_gone(f, n, path);
	else
		send_entry(f, n, path, folder && known && as->how != WHOLE ? DF_OFFER : 0);
	if (folder && as->how == WHOLE)
		push_walk(f, id);
	tell_ahead(f, n->seq);
	tell_ahead(f, n->content);
	tell_ahead(f, n->born);
}

/* Who is told all may have lost what he had. */
static bool is_theirs(const struct df_feed *f, const struct df_node *n)
{
	return n->origin != 0 && n->origin == f->conf.origin && !is_of_whole(f, n);
}

/* The folders above it, the highest first. */
static void say_folders(struct df_feed *f, df_id id)
{
	df_id above[DEPTH];
	int depth = 0;
	struct df_node n;

	for (; id != DF_ROOT && depth < DEPTH && df_index_get(f->index, id, &n); id = n.parent)
		above[depth++] = id;
	while (depth-- > 0) /* one that is gone is so after what was in it */
		if (df_index_get(f->index, above[depth], &n) && !is_told(f, n.seq) &&
		    n.entry.type != DF_GONE && !is_theirs(f, &n))
			say_node(f, &n, &(struct again){ .id = n.id });
}

static void say(struct df_feed *f, const struct again *as)
{
	struct df_node n;
	bool changed = as->how == CHANGED;

	if (!df_index_get(f->index, as->id, &n) || (changed && is_theirs(f, &n)))
		return;
	say_folders(f, n.parent);
	if (df_index_get(f->index, as->id, &n) && (!changed || !is_told(f, n.seq)))
		say_node(f, &n, as);
}

/* One that is another file by now is said in its turn. */
static void say_as_twin(struct df_feed *f, const struct again *as)
{
	char path[DF_PATH];
	struct df_node n, other;

	if (!df_index_get(f->index, as->twin, &other) || !df_index_get(f->index, as->id, &n) ||
	    other.dev != n.dev || other.ino != n.ino ||
	    !df_entry_same_content(&other.entry, &n.entry) || is_being_sent(f, n.id) ||
	    is_being_sent(f, other.id))
		return;
	say_folders(f, n.parent);
	if (df_index_get(f->index, as->id, &n) && df_index_path(f->index, n.id, path))
		send_twin(f, &n, path, as->twin);
}

/* The peer is told of a tomb when nothing stands there that it was told of, or takes the place in
 * its turn. */
static void say_tomb(struct df_feed *f, const struct df_change *c)
{
	char path[DF_PATH], name[DF_NAME];
	struct df_bytes own = { name, c->name.n };
	df_id parent = c->parent;
	struct df_node n;

	memcpy(name, c->name.p, c->name.n);
	struct df_tomb tomb = df_index_tomb(f->index, parent, own);
	say_folders(f, parent);
	say_mover(f, &tomb);
	if (!df_index_place(f->index, parent, own, path))
		return;
	if (!df_index_child(f->index, parent, own, &n) ||
	    (n.entry.type == DF_DIR && !is_told(f, n.seq)))
		send_delete(f, tomb.seq, path);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static bool next_of_walk(struct df_feed *f)
{
	struct walk *w = f->walk;
	struct df_node n;

	if (!df_index_next(f->index, w->id, (struct df_bytes){ w->last, w->n }, &n)) {
		drop_walk(f);
		return true;
	}
	w->n = n.name.n;
	memcpy(w->last, n.name.p, n.name.n);
	bool folder = n.entry.type == DF_DIR;
	say(f, &(struct again){ .id = n.id, .how = folder ? WHOLE : AGAIN });
	return true;
}

/* Who is told all is told of a node once: at its last number. */
static bool is_later(struct df_feed *f, const struct df_change *c)
{
	struct df_node n;

	return df_index_get(f->index, c->id, &n) && n.seq != c->seq && is_of_whole(f, &n);
}

static bool next_of_order(struct df_feed *f)
{
	struct df_change c;
	struct df_node n;

	if (!df_index_after(f->index, f->cursor, &c))
		return false;
	if (f->n_sendings >= SENDINGS && c.id != DF_NOBODY && df_index_get(f->index, c.id, &n) &&
	    n.entry.type == DF_FILE && n.entry.size > DF_SMALL)
		return false; /* in its turn */
	if (!df_set_has(&f->ahead, c.seq)) {
		if (c.id == DF_NOBODY)
			say_tomb(f, &c);
		else if (!is_later(f, &c))
			say(f, &(struct again){ .id = c.id });
	}
	pass(f, c.seq);
	return true;
}

static bool step(struct df_feed *f)
{
	if (f->walk)
		return next_of_walk(f);
	if (f->at_again < f->n_again) {
		struct again as = f->again[f->at_again++];
		if (as.twin)
			say_as_twin(f, &as);
		else
			say(f, &as);
		if (f->at_again == f->n_again)
			f->at_again = f->n_again = 0;
		return true;
	}
	return next_of_order(f);
}

/* One piece of each. */
static void pump(struct df_feed *f)
{
	for (int i = f->n_sendings; i > 0 && !df_link_full(f->conf.link); i--) {
		struct sending *s = container_of(f->sendings.next, struct sending, link);
		list_remove(&s->link);
		list_append(&f->sendings, &s->link);
		go_on_sending(f, s);
	}
}

/* A name that is told of when the file has come under another one. */
static bool somebody_waits(const struct df_feed *f)
{
	for (const struct list *it = f->sendings.next; it != &f->sendings; it = it->next)
		if (container_of(it, struct sending, link)->twins)
			return true;
	return false;
}

static void mark(struct df_feed *f)
{
	if (f->walk || f->n_again || f->late.waiting || somebody_waits(f) ||
	    (f->marked == f->cursor && f->marked_naks == f->figures.naks))
		return;
	f->marked = f->cursor;
	f->marked_naks = f->figures.naks;
	f->marks++;
	uint8_t *p = df_link_room(f->conf.link, 2 * DF_NUMBER);
	say_frame(f, DF_MARK, 0, df_put_number(df_put_number(p, f->cursor), f->marked_naks));
}

/* What it has too many of it may remove when it has all the rest: what it refused was said again.
 */
static void sweep(struct df_feed *f)
{
	if (!f->whole || f->acked < f->whole_upto)
		return;
	f->whole = false;
	f->whole_upto = 0;
	uint8_t *p = df_link_room(f->conf.link, DF_NUMBER);
	say_frame(f, DF_SWEEP, 0, p);
}

bool df_feed_run(struct df_feed *f)
{
	bool more = true;

	if (f->retry_at)
		return false;
	for (int i = 0; i < TURN && more && !df_link_full(f->conf.link); i++) {
		more = step(f);
		if (f->n_sendings && i % 16 == 0)
			pump(f);
	}
	if (!more && f->n_sendings)
		pump(f);
	mark(f);
	sweep(f);
	df_root_forget(&f->conf.tree->root);
	f->figures.idle = !more && !f->n_sendings;
	return (more || can_go_on(f)) && !df_link_full(f->conf.link);
}

/* ---- what it answers ---------------------------------------------------------------------------
 */

static void on_failed(struct df_feed *f, df_id id, uint64_t code, struct df_bytes why)
{
	struct df_node n;
	bool again = code != DF_NAK_REFUSED && df_index_get(f->index, id, &n) &&
		     df_late_failed(&f->late, &n, now_of(f));

	log_warn("a peer can't do it, %s peer=%s why=%.*s",
		 again ? "it is tried again" : "it is left", f->conf.link->peer, (int)why.n,
		 (const char *)why.p);
}

static int on_nak(struct df_feed *f, struct df_reader *r)
{
	df_id id = df_get_number(r);
	uint64_t code = df_get_number(r);
	struct df_bytes why = df_get_bytes(r, DF_PATH + 200);

	if (r->bad)
		return ERR_PROTO;
	f->figures.naks++;
	if (code == DF_NAK_NOSPACE) {
		if (!f->retry_at)
			log_warn("a peer has no room, it is tried again peer=%s why=%.*s",
				 f->conf.link->peer, (int)why.n, (const char *)why.p);
		f->retry_at = (int64_t)uv_now(f->conf.link->self->loop) + RETRY;
	} else if (code == DF_NAK_NOBASE || code == DF_NAK_NOLINK) {
		say_again(f,
			  (struct again){ .id = id, .how = WHOLE, .alone = code == DF_NAK_NOLINK });
	} else {
		on_failed(f, id, code, why);
	}
	return 0;
}

static int on_want(struct df_feed *f, struct df_reader *r)
{
	df_id id = df_get_number(r);
	struct df_node n;

	if (r->bad)
		return ERR_PROTO;
	if (df_index_get(f->index, id, &n))
		say_again(f, (struct again){ .id = id, .how = AGAIN });
	else
		say_frame(f, DF_NOTHING, 0,
			  df_put_number(df_link_room(f->conf.link, DF_NUMBER), id));
	return 0;
}

static int on_have(struct df_feed *f, const struct df_frame *frame, struct df_reader *r)
{
	uint64_t there = df_get_number(r);

	if (r->bad || r->end - r->p != 2 * DF_HASH)
		return ERR_PROTO;
	for (struct list *it = f->sendings.next; it != &f->sendings; it = it->next) {
		struct sending *s = container_of(it, struct sending, link);
		if (s->stream == frame->stream)
			df_send_have(&s->send, there, r->p, r->p + DF_HASH);
	}
	return 0;
}

int df_feed_heard(struct df_feed *f, const struct df_frame *frame)
{
	struct df_reader r = { frame->p, frame->p + frame->n, false };

	if (frame->type == DF_NAK)
		return on_nak(f, &r);
	if (frame->type == DF_WANT)
		return on_want(f, &r);
	if (frame->type == DF_HAVE)
		return on_have(f, frame, &r);
	uint64_t seq = df_get_number(&r);
	if (r.bad || seq > f->marked)
		return ERR_PROTO;
	if (seq == f->marked)
		df_late_done(&f->late, f->marks);
	if (seq > f->acked) {
		f->acked = seq;
		f->conf.on_acked(f->conf.data, seq);
	}
	return 0;
}

bool df_feed_tick(struct df_feed *f, int64_t now)
{
	if (!f->retry_at)
		return take_late(f, now);
	if (now < f->retry_at)
		return false;
	f->retry_at = 0;
	df_set_clear(&f->ahead);
	f->ahead_upto = 0;
	f->cursor = f->marked = f->acked;
	return true;
}

void df_feed_figures(const struct df_feed *f, struct df_feed_figures *figures)
{
	*figures = f->figures;
	figures->cursor = f->cursor;
	figures->acked = f->acked;
}
