#include "core/proc/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/net/poller.h"

enum {
	QUIET = 200,
	EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
	DEPTH_MOST = 32,
	PATH_BYTES = 4096,
};

/* A folder, and what its files are called. */
struct spot {
	int wd;
	void *tag;
	char *name; /* a pattern */
	char *deep; /* the folder, of a **: those that come in it are watched, too; or NULL */
	bool changed;
};

struct watch {
	struct watch_conf conf;
	struct poller_item item;
	uv_timer_t quiet;
	struct spot *spots;
	size_t count;
	int open;
	void (*closed)(void *data);
};

/* ---- changes ---------------------------------------------------------------------------- */

static void tell(struct watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		void *tag = w->spots[i].tag;
		if (!w->spots[i].changed)
			continue;
		for (size_t k = i; k < w->count; k++)
			if (w->spots[k].tag == tag)
				w->spots[k].changed = false;
		w->conf.on_change(w->conf.data, tag);
	}
}

static void on_quiet(uv_timer_t *timer)
{
	tell(timer->data);
}

static bool watch_below(struct watch *w, size_t i, const char *name);

static bool is_new_folder(const struct spot *s, const struct inotify_event *e)
{
	return s->deep && s->wd == e->wd && e->len > 0 && e->mask & IN_ISDIR &&
	       e->mask & (IN_CREATE | IN_MOVED_TO);
}

static void note(struct watch *w, const struct inotify_event *e)
{
	size_t count = w->count; /* more may come */

	for (size_t i = 0; i < count; i++) {
		bool lost = e->mask & IN_Q_OVERFLOW;
		bool brings = is_new_folder(&w->spots[i], e) && watch_below(w, i, e->name);
		struct spot *s = &w->spots[i];
		if (e->mask & IN_CREATE && !brings) /* it tells when it is written */
			continue;
		if (!lost && !brings &&
		    (s->wd != e->wd || e->len == 0 || fnmatch(s->name, e->name, FNM_PERIOD) != 0))
			continue;
		s->changed = true;
		uv_timer_start(&w->quiet, on_quiet, QUIET, 0);
	}
}

static void on_event(struct poller_item *i, unsigned events)
{
	struct watch *w = container_of(i, struct watch, item);
	char room[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(i->fd, room, sizeof(room));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(room + at);
		note(w, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

/* ---- what is watched ---------------------------------------------------------------------- */

static void trouble(struct watch *w, void *tag, const char *folder)
{
	char text[PATH_BYTES + 64];

	snprintf(text, sizeof(text), "%s: %s", folder, strerror(errno));
	if (w->conf.on_trouble)
		w->conf.on_trouble(w->conf.data, tag, text);
}

static void add_folder(struct watch *w, void *tag, const char *folder, const char *name, bool deep)
{
	uint32_t mask = EVENTS | IN_ONLYDIR | IN_MASK_ADD | (deep ? IN_CREATE : 0);
	int wd = inotify_add_watch(w->item.fd, folder, mask);

	if (wd < 0) {
		trouble(w, tag, folder);
		return;
	}
	w->spots = mem_resize(w->spots, (w->count + 1) * sizeof(*w->spots));
	w->spots[w->count++] = (struct spot){
		.wd = wd, .tag = tag, .name = mem_str(name), .deep = deep ? mem_str(folder) : NULL
	};
}

static bool is_folder(const char *path, const struct dirent *e)
{
	struct stat st;

	if (e->d_name[0] == '.')
		return false;
	return e->d_type == DT_DIR ||
	       (e->d_type == DT_UNKNOWN && lstat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* The folder and all below it, but hidden ones and links. Returns whether a file matches. */
static bool add_tree(struct watch *w, void *tag, const char *folder, const char *name, int depth)
{
	char path[PATH_BYTES];
	DIR *dir = opendir(folder);
	bool matches = false;

	if (dir)
		add_folder(w, tag, folder, name, true);
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) >= PATH_BYTES)
			continue;
		if (!is_folder(path, e))
			matches |= fnmatch(name, e->d_name, FNM_PERIOD) == 0;
		else if (depth > 0)
			matches |= add_tree(w, tag, path, name, depth - 1);
	}
	if (dir)
		closedir(dir);
	return matches;
}

/* A folder came. Returns whether there is a file in it already. */
static bool watch_below(struct watch *w, size_t i, const char *name)
{
	const struct spot s = w->spots[i];
	char path[PATH_BYTES];

	if (*name == '.' || snprintf(path, sizeof(path), "%s/%s", s.deep, name) >= PATH_BYTES)
		return false;
	return add_tree(w, s.tag, path, s.name, DEPTH_MOST);
}

static void add_found(struct watch *w, void *tag, const char *folder, const char *name, bool deep)
{
	if (deep)
		add_tree(w, tag, folder, strcmp(name, "**") == 0 ? "*" : name, DEPTH_MOST);
	else
		add_folder(w, tag, folder, name, false);
}

/* Its last part is matched against names, the others are looked up now; ** before the last part:
 * all folders below, as they come. */
void watch_add(struct watch *w, const char *pattern, const char *within, void *tag)
{
	const char *slash = strrchr(pattern, '/');
	const char *name = slash ? slash + 1 : pattern;
	char folder[PATH_BYTES];
	glob_t found = { 0 };

	int n = slash ? (int)(slash - pattern) : 0;
	bool all = strcmp(name, "**") == 0;
	bool deep =
		all || (n >= 2 && strncmp(slash - 2, "**", 2) == 0 && (n == 2 || slash[-3] == '/'));
	if (deep && !all)
		n -= n == 2 ? 2 : 3;
	if (*pattern == '/')
		snprintf(folder, sizeof(folder), "%.*s/", n, pattern);
	else
		snprintf(folder, sizeof(folder), "%s/%.*s", within ? within : ".", n, pattern);
	if (glob(folder, GLOB_NOCHECK | GLOB_ONLYDIR, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			add_found(w, tag, found.gl_pathv[i], name, deep);
	globfree(&found);
}

/* ---- life ------------------------------------------------------------------------------------ */

int watch_open(struct watch **out, uv_loop_t *loop, const struct watch_conf *conf)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct watch *w = mem_new(sizeof(*w));
	int rc = fd < 0 ? -errno : poller_open(&w->item, loop, fd, EPOLLIN, on_event);

	if (rc) {
		if (fd >= 0)
			close(fd);
		free(w);
		return rc;
	}
	w->conf = *conf;
	w->open = 2;
	uv_timer_init(loop, &w->quiet);
	w->quiet.data = w;
	*out = w;
	return 0;
}

static void release(struct watch *w)
{
	if (--w->open > 0)
		return;
	for (size_t i = 0; i < w->count; i++) {
		free(w->spots[i].deep);
		free(w->spots[i].name);
	}
	free(w->spots);
	if (w->closed)
		w->closed(w->conf.data);
	free(w);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

static void on_item_closed(struct poller_item *i)
{
	release(container_of(i, struct watch, item));
}

void watch_close(struct watch *w, void (*closed)(void *data))
{
	w->closed = closed;
	if (uv_is_active((uv_handle_t *)&w->quiet))
		tell(w);
	uv_close((uv_handle_t *)&w->quiet, on_timer_closed);
	poller_close(&w->item, on_item_closed);
}
