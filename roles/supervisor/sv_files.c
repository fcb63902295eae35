#include "roles/supervisor/sv_files.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/poller.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum { QUIET = 200, EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE };

/* A folder, and what its files are called. */
struct spot {
	int wd;
	const struct sv_program *program;
	const char *name; /* a pattern; of the program */
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

static void note(struct sv_files *f, const struct inotify_event *e)
{
	for (size_t i = 0; i < f->count; i++) {
		struct spot *s = &f->spots[i];
		bool lost = e->mask & IN_Q_OVERFLOW;
		if (!lost &&
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
		       const char *name)
{
	int wd = inotify_add_watch(f->item.fd, folder, EVENTS | IN_ONLYDIR);

	if (wd < 0) {
		log_warn("watch of program=%s: %s: %s", p->name, folder, strerror(errno));
		return;
	}
	f->spots = mem_resize(f->spots, (f->count + 1) * sizeof(*f->spots));
	f->spots[f->count++] = (struct spot){ .wd = wd, .program = p, .name = name };
}

/* Its last part is matched against names, the others are looked up now. */
static void add_pattern(struct sv_files *f, const struct sv_program *p, const char *pattern)
{
	const char *within = p->processes[0].directory, *slash = strrchr(pattern, '/');
	char folder[4096];
	glob_t found = { 0 };

	int n = slash ? (int)(slash - pattern) : 0;
	if (*pattern == '/')
		snprintf(folder, sizeof(folder), "%.*s/", n, pattern);
	else
		snprintf(folder, sizeof(folder), "%s/%.*s", within ? within : ".", n, pattern);
	if (glob(folder, GLOB_NOCHECK | GLOB_ONLYDIR, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			add_folder(f, p, found.gl_pathv[i], slash ? slash + 1 : pattern);
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
