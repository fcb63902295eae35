#include "core/proc/logfile.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/poller.h"
#include "core/proc/inflight.h"
#include "core/proc/logdest.h"

enum {
	BLOCK = 5000, /* ms */
	RETRY = 200,  /* ms between two tries of what can't be watched */
	PROBE = 1000, /* ms between two tries while dropping */
	PENDING_MOST = 4 << 20,
};

enum state {
	WELL,
	STUCK,    /* takes nothing: `pending` waits, and writers do */
	DROPPING, /* has taken nothing for too long */
};

struct logfile {
	struct logfiles *all;
	struct list link;
	struct list writers;
	struct logdest dest;
	enum state state;
	int code; /* why it is stuck */
	struct buf pending;
	struct logfile_writer *whose; /* what is pending */
	uint64_t deadline;            /* of STUCK; of the next try in DROPPING */
	uint64_t dropped;             /* since it began to drop */
	bool torn;                    /* the last byte dropped was inside of a line */
	struct poller_item item;      /* a copy of the descriptor, while it is watched */
	bool watched;                 /* `item` is poller's */
	bool waking;
	bool gone; /* nobody needs it: freed when nothing is under way */
};

/* ---- lifetime ------------------------------------------------------------------ */

static void settle_all(struct logfiles *all)
{
	if (all->on_closed && list_empty(&all->files) && all->busy == 0) {
		logfiles_on_closed on_closed = all->on_closed;
		all->on_closed = NULL;
		on_closed(all);
	}
}

static void settle(struct logfile *f)
{
	struct logfiles *all = f->all;

	if (!f->gone || f->watched || f->waking || f->dest.zip)
		return;
	list_remove(&f->link);
	free(f->dest.path);
	free(f);
	settle_all(all);
}

static void watch(struct logfile *f);

static void on_item_closed(struct poller_item *i)
{
	struct logfile *f = container_of(i, struct logfile, item);

	f->watched = false;
	if (f->state == STUCK && !f->gone) /* again, meanwhile */
		watch(f);
	settle(f);
}

static void on_idle(struct logdest *d)
{
	settle(container_of(d, struct logfile, dest));
}

/* Whatever else it waits for is asked to come soon. */
static void let_go(struct logfile *f)
{
	f->gone = true;
	buf_fini(&f->pending);
	logdest_close(&f->dest);
	if (f->watched && !f->item.closed)
		poller_close(&f->item, on_item_closed);
	settle(f);
}

/* ---- not well ------------------------------------------------------------------- */

static void on_writable(struct poller_item *i, unsigned events);

static void watch(struct logfile *f)
{
	if (f->watched || f->code != UV_EAGAIN)
		return;
	int fd = fcntl(f->dest.fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return;
	if (poller_open(&f->item, f->all->loop, fd, EPOLLOUT, on_writable) != 0) {
		close(fd);
		return;
	}
	poller_shared(&f->item);
	f->watched = true;
}

static void unwatch(struct logfile *f)
{
	if (f->watched && !f->item.closed)
		poller_close(&f->item, on_item_closed);
}

/* Whoever waits may go on: it takes again, or drops. Some of them leave then. */
static void wake(struct logfile *f)
{
	struct list *it, *tmp;

	f->waking = true;
	list_each (it, tmp, &f->writers) {
		struct logfile_writer *w = container_of(it, struct logfile_writer, link);
		bool waiting = w->waiting;
		w->waiting = false;
		if (waiting && w->on_room)
			w->on_room(w);
	}
	f->waking = false;
	if (!f->gone && list_empty(&f->writers))
		let_go(f);
	else
		settle(f);
}

static void tell(const struct logfile *f, int code, uint64_t dropped)
{
	if (f->all->on_trouble)
		f->all->on_trouble(f->all, f->dest.path, code, dropped);
}

static void drop(struct logfile *f, struct logfile_writer *w, const char *data, size_t n)
{
	f->dropped += n;
	f->torn = data[n - 1] != '\n';
	if (w)
		w->dropped += n;
}

/* But for the rest of a line that has gone out in part: it goes first when bytes go again. */
static void drop_pending(struct logfile *f)
{
	const char *data = (const char *)buf_data(&f->pending);
	size_t n = buf_len(&f->pending), rest = 0;
	const char *end = n && !f->dest.line_end ? memchr(data, '\n', n) : NULL;
	struct buf kept;

	buf_init(&kept, PENDING_MOST);
	if (end) {
		rest = (size_t)(end - data) + 1;
		buf_put(&kept, data, rest);
	}
	if (n > rest)
		drop(f, f->whose, data + rest, n - rest);
	buf_fini(&f->pending);
	f->pending = kept;
}

static void start_dropping(struct logfile *f)
{
	f->state = DROPPING;
	f->dropped = 0;
	f->torn = false;
	f->deadline = uv_now(f->all->loop) + PROBE;
	drop_pending(f);
	tell(f, f->code, 0);
	wake(f);
}

static void get_well(struct logfile *f)
{
	f->state = WELL;
	unwatch(f);
	wake(f);
}

/* Returns whether nothing waits any more. */
static bool send_pending(struct logfile *f)
{
	size_t n = buf_len(&f->pending);
	size_t sent = logdest_write(&f->dest, (const char *)buf_data(&f->pending), n, &f->code);

	if (f->whose)
		f->whose->written += sent;
	buf_take(&f->pending, sent);
	if (sent > 0)
		f->deadline = uv_now(f->all->loop) + f->all->block;
	if (sent == n)
		buf_fini(&f->pending);
	return sent == n;
}

/* What waited goes first. Returns whether all has gone; then f may be gone, too. */
static bool flush(struct logfile *f)
{
	if (!send_pending(f))
		return false;
	get_well(f);
	return true;
}

/* It takes again: a torn line gets its end, and the rest of one that began in what was dropped is
 * left out. Returns how much of data is left out. */
static size_t resume(struct logfile *f, const char *data, size_t n)
{
	size_t out = 0;

	if (!send_pending(f))
		return n;
	if (f->torn) {
		const char *end = memchr(data, '\n', n);
		out = end ? (size_t)(end - data) + 1 : n;
	}
	if (out < n && !f->dest.line_end && logdest_write(&f->dest, "\n", 1, &f->code) < 1)
		return n;
	return out;
}

static void tick(uv_timer_t *t);

static void start_waiting(struct logfile *f, struct logfile_writer *w, const char *rest, size_t n)
{
	f->state = STUCK;
	f->whose = w;
	f->deadline = uv_now(f->all->loop) + f->all->block;
	buf_put(&f->pending, rest, n > PENDING_MOST ? PENDING_MOST : n);
	if (n > PENDING_MOST)
		drop(f, w, rest + PENDING_MOST, n - PENDING_MOST);
	if (f->code == UV_EPIPE || f->all->block == 0) { /* there is nothing to wait for */
		start_dropping(f);
		return;
	}
	watch(f);
	if (!uv_is_active((uv_handle_t *)&f->all->retry))
		uv_timer_start(&f->all->retry, tick, RETRY, RETRY);
}

static void on_writable(struct poller_item *i, unsigned events)
{
	struct logfile *f = container_of(i, struct logfile, item);

	(void)events;
	if (f->state == STUCK)
		flush(f);
	else
		poller_close(i, on_item_closed); /* DROPPING: the next write tries */
}

/* Runs while a file is stuck. */
static void tick(uv_timer_t *t)
{
	struct logfiles *all = t->data;
	struct list *it, *tmp;
	bool stuck = false;

	list_each (it, tmp, &all->files) {
		struct logfile *f = container_of(it, struct logfile, link);
		if (f->state != STUCK || f->gone)
			continue;
		stuck = true;
		if (!f->watched && flush(f))
			continue;
		if (uv_now(all->loop) >= f->deadline)
			start_dropping(f);
	}
	if (!stuck)
		uv_timer_stop(t);
}

/* ---- writers -------------------------------------------------------------------- */

/* As long as it takes all. */
static void write_well(struct logfile *f, struct logfile_writer *w, const char *data, size_t n)
{
	size_t sent = logdest_write(&f->dest, data, n, &f->code);

	w->written += sent;
	if (sent < n)
		start_waiting(f, w, data + sent, n - sent);
}

static void write_dropping(struct logfile *f, struct logfile_writer *w, const char *data, size_t n)
{
	size_t out = n, sent = 0;

	if ((f->code == UV_EAGAIN && !f->watched) || uv_now(f->all->loop) >= f->deadline) {
		out = resume(f, data, n);
		if (out < n)
			sent = logdest_write(&f->dest, data + out, n - out, &f->code);
		f->deadline = uv_now(f->all->loop) + PROBE;
	}
	if (out > 0)
		drop(f, w, data, out);
	w->written += sent;
	if (sent == 0) {
		if (n > out)
			drop(f, w, data + out, n - out);
		watch(f);
		return;
	}
	uint64_t dropped = f->dropped;
	f->state = WELL;
	unwatch(f);
	tell(f, 0, dropped);
	if (sent < n - out)
		start_waiting(f, w, data + out + sent, n - out - sent);
}

bool logfile_write(struct logfile_writer *w, const void *data, size_t n)
{
	struct logfile *f = w->file;
	size_t skip = w->skip < n ? w->skip : n;

	w->skip -= skip;
	data = (const char *)data + skip;
	n -= skip;
	if (n == 0)
		return logfile_has_room(w);
	if (f->state != WELL && f->all->inflight)
		inflight_done(f->all->inflight); /* what is pending, and dropped, is in no file */
	if (f->state == WELL)
		write_well(f, w, data, n);
	else if (f->state == DROPPING)
		write_dropping(f, w, data, n);
	else if (buf_put(&f->pending, data, n) != 0)
		drop(f, w, data, n);
	w->waiting = f->state == STUCK;
	return !w->waiting;
}

bool logfile_has_room(struct logfile_writer *w)
{
	w->waiting = w->file->state == STUCK;
	return !w->waiting;
}

/* ---- files ---------------------------------------------------------------------- */

static struct logfile *find_path(struct logfiles *all, const char *path)
{
	for (struct list *it = all->files.next; it != &all->files; it = it->next) {
		struct logfile *f = container_of(it, struct logfile, link);
		if (!f->gone && strcmp(f->dest.path, path) == 0)
			return f;
	}
	return NULL;
}

/* The same file under another name. */
static struct logfile *find_file(struct logfiles *all, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (struct list *it = all->files.next; it != &all->files; it = it->next) {
		struct logfile *f = container_of(it, struct logfile, link);
		if (!f->gone && f->dest.regular && f->dest.dev == st.st_dev &&
		    f->dest.ino == st.st_ino)
			return f;
	}
	return NULL;
}

static int make(struct logfiles *all, const char *path, const struct logfile_conf *conf,
		struct logfile **made)
{
	struct logfile *f = mem_new(sizeof(*f));

	f->all = all;
	f->dest = (struct logdest){ .path = mem_str(path),
				    .conf = *conf,
				    .loop = all->loop,
				    .inflight = all->inflight,
				    .on_idle = on_idle };
	list_init(&f->writers);
	buf_init(&f->pending, PENDING_MOST);
	int rc = logdest_open(&f->dest);
	if (rc) {
		free(f->dest.path);
		free(f);
		return rc;
	}
	list_append(&all->files, &f->link);
	*made = f;
	return 0;
}

int logfile_open(struct logfile_writer *w, struct logfiles *all, const char *path,
		 const struct logfile_conf *conf, struct err *err)
{
	struct logfile *f = find_path(all, path);

	if (!f)
		f = find_file(all, path);
	if (f) {
		f->dest.conf = *conf;
	} else {
		int rc = make(all, path, conf, &f);
		if (rc)
			return err_set(err, rc, "%s: %s", path, uv_strerror(rc));
	}
	*w = (struct logfile_writer){ .file = f };
	list_append(&f->writers, &w->link);
	return 0;
}

void logfile_on(struct logfile_writer *w, logfile_on_room on_room, void *owner)
{
	w->on_room = on_room;
	w->owner = owner;
}

void logfile_close(struct logfile_writer *w)
{
	struct logfile *f = w->file;

	list_remove(&w->link);
	if (f->whose == w)
		f->whose = NULL;
	w->file = NULL;
	if (list_empty(&f->writers) && f->state != STUCK)
		let_go(f);
}

int logfile_clear(struct logfile_writer *w)
{
	return logdest_clear(&w->file->dest);
}

int logfile_rotate(struct logfile_writer *w)
{
	return logdest_rotate(&w->file->dest);
}

const char *logfile_path(const struct logfile_writer *w)
{
	return w->file->dest.regular ? w->file->dest.path : NULL;
}

/* ---- all of them ----------------------------------------------------------------- */

void logfiles_init(struct logfiles *all, uv_loop_t *loop)
{
	*all = (struct logfiles){ .loop = loop, .block = BLOCK, .busy = 1 };
	list_init(&all->files);
	uv_timer_init(loop, &all->retry);
	all->retry.data = all;
}

int logfiles_reopen(struct logfiles *all, struct err *err)
{
	int first = 0;

	for (struct list *it = all->files.next; it != &all->files; it = it->next) {
		struct logfile *f = container_of(it, struct logfile, link);
		int rc = f->gone ? 0 : logdest_reopen(&f->dest);
		if (rc && !first)
			first = err_set(err, rc, "%s: %s", f->dest.path, uv_strerror(rc));
	}
	return first;
}

static void on_timer_closed(uv_handle_t *h)
{
	struct logfiles *all = h->data;

	all->busy--;
	settle_all(all);
}

static void nothing(struct logfiles *all)
{
	(void)all;
}

void logfiles_close(struct logfiles *all, logfiles_on_closed on_closed)
{
	struct list *it, *tmp;

	all->on_closed = on_closed ? on_closed : nothing;
	uv_close((uv_handle_t *)&all->retry, on_timer_closed);
	list_each (it, tmp, &all->files) {
		struct logfile *f = container_of(it, struct logfile, link);
		assert(list_empty(&f->writers));
		if (!f->gone)
			flush(f); /* lets go of it when all is written */
	}
	list_each (it, tmp, &all->files) {
		struct logfile *f = container_of(it, struct logfile, link);
		logdest_hurry(&f->dest);
		if (!f->gone)
			let_go(f);
	}
}
