#include "roles/supervisor/sv_files.h"

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
#include "core/log/log.h"
#include "core/net/poller.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum {
	QUIET = 200,
	EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
	DEPTH_MOST = 32,
	PATH_BYTES = 4096,
};

/* A folder, and what its files are called. */
struct spot {
	int wd;
	const struct sv_program *program;
	const char *name; /* a pattern; of the program */
	char *deep;       /* the folder, of a **: those that come in it are watched, too; or NULL */
	bool changed;
};

struct sv_files {
	struct sv *sv;
	struct sv_setup *setup; /* held */
	struct poller_item item;
	uv_timer_t quiet;
	struct spot *spots;
	size_t count;
	int open;
};

/* ---- changes ---------------------------------------------------------------------------- */

static void act(struct sv *sv, const struct sv_program *program)
{
	struct sv_team *t = sv_team_find(sv, program->group->name);
	struct list *it, *tmp;

	if (!t || sv->stopping)
		return;
	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (strcmp(p->conf->program->name, program->name) != 0 || !sv_proc_is_running(p))
			continue;
		log_info("a watched file changed: %s name=%s",
			 program->reload_signal ? strsignal(program->reload_signal) : "restarting",
			 p->conf->full);
		if (program->reload_signal)
			sv_proc_signal(p, program->reload_signal);
		else
			sv_proc_restart(p, SV_BY_FILES);
	}
}

static void on_quiet(uv_timer_t *timer)
{
	struct sv_files *f = timer->data;

	for (size_t i = 0; i < f->count; i++) {
		const struct sv_program *program = f->spots[i].program;
		if (!f->spots[i].changed)
			continue;
		for (size_t k = i; k < f->count; k++)
			if (f->spots[k].program == program)
				f->spots[k].changed = false;
		act(f->sv, program);
	}
}

static bool watch_below(struct sv_files *f, size_t i, const char *name);

static bool is_new_folder(const struct spot *s, const struct inotify_event *e)
{
	return s->deep && s->wd == e->wd && e->len > 0 && e->mask & IN_ISDIR &&
	       e->mask & (IN_CREATE | IN_MOVED_TO);
}

static void note(struct sv_files *f, const struct inotify_event *e)
{
	size_t count = f->count; /* more may come */

	for (size_t i = 0; i < count; i++) {
		bool lost = e->mask & IN_Q_OVERFLOW;
		bool brings = is_new_folder(&f->spots[i], e) && watch_below(f, i, e->name);
		struct spot *s = &f->spots[i];
		if (e->mask & IN_CREATE && !brings) /* it tells when it is written */
			continue;
		if (!lost && !brings &&
		    (s->wd != e->wd || e->len == 0 || fnmatch(s->name, e->name, FNM_PERIOD) != 0))
			continue;
		s->changed = true;
		uv_timer_start(&f->quiet, on_quiet, QUIET, 0);
	}
}

static void on_event(struct poller_item *i, unsigned events)
{
	struct sv_files *f = container_of(i, struct sv_files, item);
	char room[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(i->fd, room, sizeof(room));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(room + at);
		note(f, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

/* ---- what is watched ---------------------------------------------------------------------- */

static void add_folder(struct sv_files *f, const struct sv_program *p, const char *folder,
		       const char *name, bool deep)
{
	uint32_t mask = EVENTS | IN_ONLYDIR | IN_MASK_ADD | (deep ? IN_CREATE : 0);
	int wd = inotify_add_watch(f->item.fd, folder, mask);

	if (wd < 0) {
		log_warn("watch of program=%s: %s: %s", p->name, folder, strerror(errno));
		return;
	}
	f->spots = mem_resize(f->spots, (f->count + 1) * sizeof(*f->spots));
	f->spots[f->count++] = (struct spot){
		.wd = wd, .program = p, .name = name, .deep = deep ? mem_str(folder) : NULL
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
static bool add_tree(struct sv_files *f, const struct sv_program *p, const char *folder,
		     const char *name, int depth)
{
	char path[PATH_BYTES];
	DIR *dir = opendir(folder);
	bool matches = false;

	if (dir)
		add_folder(f, p, folder, name, true);
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) >= PATH_BYTES)
			continue;
		if (!is_folder(path, e))
			matches |= fnmatch(name, e->d_name, FNM_PERIOD) == 0;
		else if (depth > 0)
			matches |= add_tree(f, p, path, name, depth - 1);
	}
	if (dir)
		closedir(dir);
	return matches;
}

/* A folder came. Returns whether there is a file in it already. */
static bool watch_below(struct sv_files *f, size_t i, const char *name)
{
	const struct spot s = f->spots[i];
	char path[PATH_BYTES];

	if (*name == '.' || snprintf(path, sizeof(path), "%s/%s", s.deep, name) >= PATH_BYTES)
		return false;
	return add_tree(f, s.program, path, s.name, DEPTH_MOST);
}

static void add_found(struct sv_files *f, const struct sv_program *p, const char *folder,
		      const char *name, bool deep)
{
	if (deep)
		add_tree(f, p, folder, strcmp(name, "**") == 0 ? "*" : name, DEPTH_MOST);
	else
		add_folder(f, p, folder, name, false);
}

/* Its last part is matched against names, the others are looked up now; ** before the last part:
 * all folders below, as they come. */
static void add_pattern(struct sv_files *f, const struct sv_program *p, const char *pattern)
{
	const char *within = p->processes[0].directory, *slash = strrchr(pattern, '/');
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
			add_found(f, p, found.gl_pathv[i], name, deep);
	globfree(&found);
}

static bool is_wanted(const struct sv *sv)
{
	bool wanted = false;

	for (size_t i = 0; i < sv->setup->group_count; i++)
		for (size_t k = 0; k < sv->setup->groups[i].program_count; k++)
			wanted |= *sv->setup->groups[i].programs[k].watch != NULL;
	return wanted;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void release(struct sv_files *f)
{
	struct sv *sv = f->sv;

	if (--f->open > 0)
		return;
	sv_setup_drop(f->setup);
	for (size_t i = 0; i < f->count; i++)
		free(f->spots[i].deep);
	free(f->spots);
	free(f);
	sv->lives--;
	sv_settle(sv);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

static void on_item_closed(struct poller_item *i)
{
	release(container_of(i, struct sv_files, item));
}

void sv_files_close(struct sv *sv)
{
	struct sv_files *f = sv->files;

	if (!f)
		return;
	sv->files = NULL;
	if (uv_is_active((uv_handle_t *)&f->quiet))
		on_quiet(&f->quiet);
	uv_close((uv_handle_t *)&f->quiet, on_timer_closed);
	poller_close(&f->item, on_item_closed);
}

static struct sv_files *files_new(struct sv *sv)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct sv_files *f = mem_new(sizeof(*f));
	int rc = fd < 0 ? -errno : poller_open(&f->item, sv->loop, fd, EPOLLIN, on_event);

	if (rc) {
		log_error("files can't be watched: %s", uv_strerror(rc));
		if (fd >= 0)
			close(fd);
		free(f);
		return NULL;
	}
	f->sv = sv;
	f->setup = sv_setup_hold(sv->setup);
	f->open = 2;
	uv_timer_init(sv->loop, &f->quiet);
	f->quiet.data = f;
	sv->lives++;
	return f;
}

void sv_files_look(struct sv *sv)
{
	sv_files_close(sv);
	if (!is_wanted(sv))
		return;
	sv->files = files_new(sv);
	for (size_t i = 0; sv->files && i < sv->setup->group_count; i++)
		for (size_t k = 0; k < sv->setup->groups[i].program_count; k++) {
			const struct sv_program *p = &sv->setup->groups[i].programs[k];
			for (char **pattern = p->watch; *pattern; pattern++)
				add_pattern(sv->files, p, *pattern);
		}
}
