#include "core/proc/output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/proc/ansi.h"
#include "core/proc/output_lines.h"

enum {
	PIPE = 1024 * 1024,
	ROOM = 256 * 1024,
	ROOM_LINES = 64 * 1024, /* where bytes grow on their way */
	READS = 4,              /* in a row, before others have their turn */
	BUSY = 6,               /* reads in a millisecond */
	REST = 1,               /* ms */
	TEXT_MOST = 16 * 1024 * 1024,
};

/* ---- what they share ---------------------------------------------------------- */

void outputs_init(struct outputs *all, uv_loop_t *loop)
{
	*all = (struct outputs){ .loop = loop, .syslog = "/dev/log", .syslog_fd = -1 };
	logfiles_init(&all->files, loop);
	all->files.inflight = &all->inflight;
	list_init(&all->resting);
	uv_timer_init(loop, &all->rest);
	all->rest.data = all;
	buf_init(&all->text, TEXT_MOST);
}

int outputs_keep(struct outputs *all, int fd)
{
	assert(!all->room);
	return inflight_open(&all->inflight, fd);
}

int outputs_kept(const struct outputs *all)
{
	return all->inflight.room ? inflight_fd(&all->inflight) : -1;
}

void outputs_recalled(struct outputs *all)
{
	inflight_sweep(&all->inflight);
}

static void on_rest_closed(uv_handle_t *h)
{
	struct outputs *all = h->data;

	logfiles_close(&all->files, all->on_closed);
}

void outputs_close(struct outputs *all, logfiles_on_closed on_closed)
{
	all->on_closed = on_closed;
	free(all->room);
	all->room = NULL;
	inflight_close(&all->inflight);
	free(all->copy);
	all->copy = NULL;
	buf_fini(&all->text);
	if (all->syslog_fd >= 0)
		close(all->syslog_fd);
	uv_close((uv_handle_t *)&all->rest, on_rest_closed);
}

static char *room_of(struct outputs *all)
{
	if (!all->room)
		all->room = mem_resize(NULL, ROOM);
	return (char *)all->room;
}

/* ---- where bytes go ------------------------------------------------------------- */

/* Any tap may leave, and come, while one is told. */
static void tell_taps(struct output *o, const void *data, size_t n)
{
	struct list now;

	list_init(&now);
	while (!list_empty(&o->taps)) {
		struct list *it = o->taps.next;
		list_remove(it);
		list_append(&now, it);
	}
	while (!list_empty(&now)) {
		struct output_tap *t = container_of(now.next, struct output_tap, link);
		list_remove(&t->link);
		if (n > 0)
			list_append(&o->taps, &t->link);
		t->on_bytes(t, data, n);
	}
}

static void put_ring(struct output *o, const char *data, size_t n)
{
	size_t most = o->ring_size;

	o->ring_total += n;
	if (n > most) {
		data += n - most;
		n = most;
	}
	if (buf_len(&o->ring) + n > most)
		buf_take(&o->ring, buf_len(&o->ring) + n - most);
	buf_put(&o->ring, data, n);
}

/* As it is in room it is needed after a crash. */
static char *copy_of(struct outputs *all, const char *data, size_t n)
{
	if (!all->copy)
		all->copy = mem_resize(NULL, ROOM);
	return memcpy(all->copy, data, n);
}

/* The file first: a tap may close the output. */
void output_pass(struct output *o, char *data, size_t n)
{
	o->bytes += n;
	o->last = uv_now(o->all->loop);
	if (o->strip_ansi && o->all->inflight.room && n <= ROOM)
		data = copy_of(o->all, data, n);
	if (o->strip_ansi)
		n = ansi_strip(data, n, &o->escape);
	if (n == 0)
		return;
	if (o->file && o->format == OUTPUT_RAW)
		logfile_write(o->file, data, n);
	if (output_wants_lines(o))
		output_lines(o, data, n);
	if (o->ring_size > 0)
		put_ring(o, data, n);
	if (!list_empty(&o->taps))
		tell_taps(o, data, n);
}

static void take(struct output *o, char *data, size_t n)
{
	if (o->on_filter)
		o->on_filter(o, data, n);
	else
		output_pass(o, data, n);
}

/* What a filter has kept back. */
static void last_bytes(struct output *o)
{
	if (o->on_filter)
		o->on_filter(o, NULL, 0);
	output_last_line(o);
}

void output_feed(struct output *o, const void *data, size_t n)
{
	const char *from = data;

	while (n > 0) {
		size_t piece = n < ROOM_LINES ? n : ROOM_LINES;
		memcpy(room_of(o->all), from, piece);
		take(o, room_of(o->all), piece);
		from += piece;
		n -= piece;
	}
}

/* ---- the pipe --------------------------------------------------------------------- */

int output_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
}

/* The kernel may refuse (fs.pipe-user-pages-soft): then it stays as it is. */
static void grow(struct output *o)
{
	if (o->grown)
		return;
	o->grown = true;
	fcntl(o->item.fd, F_SETPIPE_SZ, PIPE);
	int now = fcntl(o->item.fd, F_GETPIPE_SZ);
	o->capacity = now > 0 ? (size_t)now : 0;
}

/* A pipe that was found half full deserves a larger one; half, since its pages need not be full. */
static void grow_if_full(struct output *o, size_t n)
{
	if (o->capacity == 0) {
		int now = fcntl(o->item.fd, F_GETPIPE_SZ);
		o->capacity = now > 0 ? (size_t)now : PIPE;
	}
	if (n >= o->capacity / 2)
		grow(o);
}

/* One-shot: a pipe whose writers are gone says so again and again, also to who does not ask. */
static void pause_reading(struct output *o)
{
	poller_ask(&o->item, EPOLLONESHOT);
}

/* All that was read is written, but for a line that waits for its end. An output that was closed by
 * a tap has written it. */
static void settle(struct output *o)
{
	struct inflight *f = &o->all->inflight;

	if (!o->closing)
		inflight_rest_put(f, &o->rest, o->id, buf_data(&o->partial), buf_len(&o->partial));
	inflight_done(f);
}

void output_recall(struct output *o)
{
	struct inflight *f = &o->all->inflight;
	const void *rest;
	size_t written;

	if (!f->room || !o->id)
		return;
	size_t n = inflight_rest_find(f, &o->rest, o->id, &rest);
	if (n > 0 && output_wants_lines(o))
		buf_put(&o->partial, rest, n);
	const char *path = o->file ? logfile_path(o->file) : NULL;
	n = inflight_left(f, &o->rest, o->id, path, &written);
	if (n == 0)
		return;
	if (o->file)
		o->file->skip = written;
	take(o, f->room, n);
	if (o->file)
		o->file->skip = 0;
	settle(o);
}

enum { READ_BYTES, READ_NOTHING, READ_END, READ_NO_ROOM };

static int read_once(struct output *o, size_t *n)
{
	size_t room = output_wants_lines(o) ? ROOM_LINES : ROOM;

	if (o->file && !logfile_has_room(o->file))
		return READ_NO_ROOM;
	bool kept = o->id && o->all->inflight.room;
	char *into = kept ? o->all->inflight.room : room_of(o->all);
	ssize_t got = kept ? inflight_read(&o->all->inflight, o->item.fd, o->id, room)
			   : read(o->item.fd, into, room);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? READ_NOTHING : READ_END;
	if (got == 0)
		return READ_END;
	*n = (size_t)got;
	if (!o->grown && *n >= 4096)
		grow_if_full(o, *n);
	take(o, into, *n);
	if (kept)
		settle(o);
	return *n == room ? READ_BYTES : READ_NOTHING;
}

static void reach_end(struct output *o)
{
	o->eof = true;
	pause_reading(o);
	last_bytes(o);
	if (o->on_eof)
		o->on_eof(o);
}

/* What was in the pipe when it was told to finish. */
static void finish_step(struct output *o)
{
	while (o->left > 0) {
		size_t n = 0;
		int what = read_once(o, &n);
		if (o->closing)
			return;
		if (what == READ_NO_ROOM) {
			pause_reading(o);
			return;
		}
		o->left -= n < o->left ? n : o->left;
		if (n == 0)
			break;
	}
	output_close(o, o->on_closed);
}

static void on_rested(uv_timer_t *t)
{
	struct outputs *all = t->data;

	while (!list_empty(&all->resting)) {
		struct output *o = container_of(all->resting.next, struct output, resting);
		list_remove(&o->resting);
		poller_ask(&o->item, EPOLLIN);
	}
}

/* Called after each read that emptied the pipe. */
static void rest_if_busy(struct output *o)
{
	struct outputs *all = o->all;
	uint64_t now = uv_now(all->loop);

	o->busy_reads = now == o->busy_ms ? o->busy_reads + 1 : 0;
	o->busy_ms = now;
	if (o->busy_reads < BUSY)
		return;
	grow(o);
	if (o->capacity < PIPE)
		return;
	pause_reading(o);
	list_remove(&o->resting); /* the end of its writers comes also to one who rests */
	list_append(&all->resting, &o->resting);
	if (!uv_is_active((uv_handle_t *)&all->rest))
		uv_timer_start(&all->rest, on_rested, REST, 0);
}

static void on_event(struct poller_item *i, unsigned events)
{
	struct output *o = container_of(i, struct output, item);
	int what = READ_BYTES;
	size_t n;

	(void)events;
	if (o->eof)
		return;
	if (o->finishing) {
		finish_step(o);
		return;
	}
	for (int k = 0; k < READS && what == READ_BYTES && !o->closing; k++)
		what = read_once(o, &n);
	if (o->closing)
		return;
	if (what == READ_NO_ROOM)
		pause_reading(o);
	else if (what == READ_END)
		reach_end(o);
	else if (what == READ_NOTHING)
		rest_if_busy(o);
}

static bool is_empty(const struct output *o)
{
	int n = 0;

	return ioctl(o->item.fd, FIONREAD, &n) != 0 || n == 0;
}

/* Reads in an event of its own. */
static void on_room(struct logfile_writer *w)
{
	struct output *o = w->owner;

	if (o->finishing && is_empty(o))
		output_close(o, o->on_closed);
	else if (!o->eof)
		poller_ask(&o->item, EPOLLIN);
}

void output_drain(struct output *o)
{
	int left = 0;

	ioctl(o->item.fd, FIONREAD, &left);
	while (left > 0 && !o->eof && !o->closing) {
		size_t n = 0;
		read_once(o, &n);
		if (n == 0)
			return;
		left -= (int)n;
	}
}

/* ---- life ------------------------------------------------------------------------- */

static int open_file(struct output *o, const struct output_spec *spec,
		     struct logfile_writer **opened, struct err *err)
{
	*opened = NULL;
	if (!spec->path)
		return 0;
	struct logfile_writer *w = mem_new(sizeof(*w));
	int rc = logfile_open(w, &o->all->files, spec->path, &spec->file, err);
	if (rc) {
		free(w);
		return rc;
	}
	logfile_on(w, on_room, o);
	*opened = w;
	return 0;
}

static void close_file(struct output *o)
{
	if (!o->file)
		return;
	logfile_close(o->file);
	o->dropped += o->file->dropped;
	free(o->file);
	o->file = NULL;
}

static void apply(struct output *o, const struct output_spec *spec)
{
	free(o->name);
	free(o->stream);
	o->name = mem_str(spec->name ? spec->name : "");
	o->stream = mem_str(spec->stream ? spec->stream : "stdout");
	o->format = spec->format;
	o->syslog = spec->syslog;
	o->strip_ansi = spec->strip_ansi;
	o->ring_size = o->file && logfile_path(o->file) ? 0 : spec->ring;
	buf_fini(&o->ring);
	buf_init(&o->ring, o->ring_size ? o->ring_size : 1);
}

int output_open(struct output *o, struct outputs *all, int fd, const struct output_spec *spec,
		struct err *err)
{
	struct logfile_writer *file;

	*o = (struct output){ .owner = o->owner, .all = all };
	list_init(&o->taps);
	list_init(&o->resting);
	buf_init(&o->partial, OUTPUT_LINE_MOST);
	buf_init(&o->ring, 1);
	int rc = open_file(o, spec, &file, err);
	if (rc)
		return rc;
	o->file = file;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	rc = poller_open(&o->item, all->loop, fd, EPOLLIN, on_event);
	if (rc) {
		close_file(o);
		return err_set(err, rc, "pipe of %s: %s", spec->name, uv_strerror(rc));
	}
	poller_shared(&o->item); /* with a keeper, or by output_detach */
	o->id = spec->id && strlen(spec->id) < INFLIGHT_ID ? mem_str(spec->id) : NULL;
	apply(o, spec);
	return 0;
}

void output_on(struct output *o, output_on_eof on_eof, void *owner)
{
	o->on_eof = on_eof;
	o->owner = owner;
}

int output_change(struct output *o, const struct output_spec *spec, struct err *err)
{
	struct logfile_writer *file;
	int rc = open_file(o, spec, &file, err);

	if (rc)
		return rc;
	output_last_line(o);
	close_file(o);
	o->file = file;
	apply(o, spec);
	if (!o->eof && !o->closing)
		poller_ask(&o->item, EPOLLIN);
	return 0;
}

uint64_t output_dropped(const struct output *o)
{
	return o->dropped + (o->file ? o->file->dropped : 0);
}

struct tail output_tail(const struct output *o)
{
	return (struct tail){
		.path = o->file ? logfile_path(o->file) : NULL,
		.bytes = buf_data(&o->ring),
		.n = buf_len(&o->ring),
		.total = o->ring_total,
	};
}

int output_clear(struct output *o)
{
	buf_take(&o->ring, buf_len(&o->ring));
	o->ring_total = 0;
	return o->file ? logfile_clear(o->file) : 0;
}

int output_fd(const struct output *o)
{
	return o->item.fd;
}

const void *output_partial(const struct output *o, size_t *n)
{
	*n = buf_len(&o->partial);
	return buf_data(&o->partial);
}

static void on_item_closed(struct poller_item *i)
{
	struct output *o = container_of(i, struct output, item);

	tell_taps(o, NULL, 0);
	buf_fini(&o->partial);
	buf_fini(&o->ring);
	free(o->id);
	free(o->name);
	free(o->stream);
	o->id = o->name = o->stream = NULL;
	if (o->on_closed)
		o->on_closed(o);
}

static void shut(struct output *o, output_on_closed on_closed)
{
	assert(!o->closing);
	o->closing = true;
	o->on_closed = on_closed;
	close_file(o);
	inflight_rest_free(&o->all->inflight, &o->rest);
	list_remove(&o->resting);
	poller_close(&o->item, on_item_closed);
}

void output_close(struct output *o, output_on_closed on_closed)
{
	last_bytes(o);
	shut(o, on_closed);
}

void output_finish(struct output *o, output_on_closed on_closed)
{
	int left = 0;

	o->finishing = true;
	o->on_closed = on_closed;
	ioctl(o->item.fd, FIONREAD, &left);
	o->left = o->eof ? 0 : (size_t)left;
	finish_step(o);
}

int output_detach(struct output *o, output_on_closed on_closed)
{
	int fd = fcntl(o->item.fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	shut(o, on_closed);
	return fd;
}

/* ---- taps ------------------------------------------------------------------------- */

void output_filter(struct output *o, output_on_filter on_filter, void *owner)
{
	o->on_filter = on_filter;
	o->filter_owner = owner;
}

void output_tap(struct output *o, struct output_tap *t, output_on_bytes on_bytes, void *owner)
{
	*t = (struct output_tap){ .owner = owner, .on_bytes = on_bytes };
	list_append(&o->taps, &t->link);
}

void output_untap(struct output_tap *t)
{
	list_remove(&t->link);
}
