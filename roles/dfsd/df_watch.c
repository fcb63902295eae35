#include "roles/dfsd/df_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/base/mem.h"

enum { PIECE = 64 * 1024, FIRST = 64, FILES = 1000 };

static const uint32_t wanted = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
			       IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK;
static const uint32_t of_file = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB;

/* One row for each watch, found by both of its numbers. */
struct watched {
	struct watched *next_wd, *next_id;
	int wd;
	df_id id;
	bool file;
};

struct df_watch {
	uv_poll_t poll;
	int fd;
	df_on_hint on_hint;
	void *data;
	void (*closed)(void *data);
	struct watched **by_wd, **by_id;
	uint32_t buckets, n, files;
	uint64_t events, lost;
	char *piece;
};

/* ---- the table ----------------------------------------------------------------------------- */

static uint32_t of_wd(const struct df_watch *w, int wd)
{
	return (uint32_t)wd & (w->buckets - 1);
}

static uint32_t of_id(const struct df_watch *w, df_id id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15u >> 32) & (w->buckets - 1);
}

static void link_in(struct df_watch *w, struct watched *one)
{
	struct watched **wd = &w->by_wd[of_wd(w, one->wd)], **id = &w->by_id[of_id(w, one->id)];

	one->next_wd = *wd;
	one->next_id = *id;
	*wd = *id = one;
}

static void grow(struct df_watch *w)
{
	struct watched **old = w->by_wd;
	uint32_t n = w->buckets;

	w->buckets = n ? n * 2 : FIRST;
	free(w->by_id);
	w->by_wd = mem_new(w->buckets * sizeof(*w->by_wd));
	w->by_id = mem_new(w->buckets * sizeof(*w->by_id));
	for (uint32_t i = 0; i < n; i++)
		for (struct watched *one = old[i], *next; one; one = next) {
			next = one->next_wd;
			link_in(w, one);
		}
	free(old);
}

static struct watched *find_wd(struct df_watch *w, int wd)
{
	struct watched *one = w->by_wd[of_wd(w, wd)];

	while (one && one->wd != wd)
		one = one->next_wd;
	return one;
}

static struct watched *find_id(struct df_watch *w, df_id id)
{
	struct watched *one = w->by_id[of_id(w, id)];

	while (one && one->id != id)
		one = one->next_id;
	return one;
}

static void forget(struct df_watch *w, struct watched *one)
{
	struct watched **wd = &w->by_wd[of_wd(w, one->wd)], **id = &w->by_id[of_id(w, one->id)];

	while (*wd != one)
		wd = &(*wd)->next_wd;
	*wd = one->next_wd;
	while (*id != one)
		id = &(*id)->next_id;
	*id = one->next_id;
	w->files -= one->file;
	free(one);
	w->n--;
}

/* ---- events -------------------------------------------------------------------------------- */

static enum df_hint hint_of(uint32_t mask)
{
	if (mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
		return DF_HINT_NAME;
	if (mask & IN_MODIFY)
		return DF_HINT_OPEN;
	return mask & IN_CLOSE_WRITE ? DF_HINT_NOW : DF_HINT_REST;
}

static void tell(struct df_watch *w, const struct inotify_event *e)
{
	struct watched *one = find_wd(w, e->wd);

	w->events++;
	if (e->mask & IN_Q_OVERFLOW) {
		w->lost++;
		w->on_hint(w->data, DF_HINT_LOST, DF_NOBODY, "");
	} else if (one && (e->mask & IN_IGNORED)) {
		forget(w, one);
	} else if (one) {
		w->on_hint(w->data, hint_of(e->mask), one->id, e->len ? e->name : "");
	}
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct df_watch *w = h->data;
	ssize_t n;

	(void)status;
	(void)events;
	while ((n = read(w->fd, w->piece, PIECE)) > 0)
		for (const char *p = w->piece; p < w->piece + n;) {
			const struct inotify_event *e = (const void *)p;
			p += sizeof(*e) + e->len;
			tell(w, e);
		}
}

/* ---- open, close --------------------------------------------------------------------------- */

int df_watch_open(struct df_watch **out, uv_loop_t *loop, df_on_hint on_hint, void *data)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return uv_translate_sys_error(errno);
	struct df_watch *w = mem_new(sizeof(*w));
	w->fd = fd;
	w->on_hint = on_hint;
	w->data = data;
	w->piece = mem_new(PIECE);
	grow(w);
	uv_poll_init(loop, &w->poll, fd);
	w->poll.data = w;
	uv_poll_start(&w->poll, UV_READABLE, on_readable);
	*out = w;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct df_watch *w = h->data;

	close(w->fd);
	for (uint32_t i = 0; i < w->buckets; i++)
		while (w->by_wd[i]) {
			struct watched *one = w->by_wd[i];
			w->by_wd[i] = one->next_wd;
			free(one);
		}
	free(w->by_wd);
	free(w->by_id);
	free(w->piece);
	if (w->closed)
		w->closed(w->data);
	free(w);
}

void df_watch_close(struct df_watch *w, void (*closed)(void *data))
{
	w->closed = closed;
	uv_close((uv_handle_t *)&w->poll, on_closed);
}

static int add(struct df_watch *w, df_id id, int fd, bool file)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int wd = inotify_add_watch(w->fd, path, file ? of_file : wanted);
	if (wd < 0)
		return uv_translate_sys_error(errno);
	struct watched *one = find_wd(w, wd), *old = find_id(w, id);
	if (one && one == old)
		return 0;
	if (one) /* the same, known as another node now */
		forget(w, one);
	if (old) { /* another one stands there now */
		inotify_rm_watch(w->fd, old->wd);
		forget(w, old);
	}
	if (w->n >= w->buckets)
		grow(w);
	one = mem_new(sizeof(*one));
	one->wd = wd;
	one->id = id;
	one->file = file;
	link_in(w, one);
	w->n++;
	w->files += file;
	return 0;
}

int df_watch_add(struct df_watch *w, df_id id, int fd)
{
	return add(w, id, fd, false);
}

int df_watch_add_file(struct df_watch *w, df_id id, int fd)
{
	return w->files < FILES ? add(w, id, fd, true) : UV_ENOSPC;
}

void df_watch_remove(struct df_watch *w, df_id id)
{
	struct watched *one = find_id(w, id);

	if (!one)
		return;
	inotify_rm_watch(w->fd, one->wd);
	forget(w, one);
}

uint64_t df_watch_count(const struct df_watch *w)
{
	return w->n;
}

uint64_t df_watch_events(const struct df_watch *w)
{
	return w->events;
}

uint64_t df_watch_lost(const struct df_watch *w)
{
	return w->lost;
}
