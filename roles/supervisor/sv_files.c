#include "roles/supervisor/sv_files.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/proc/watch.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

struct sv_files {
	struct sv *sv;
	struct sv_setup *setup; /* held */
	struct watch *watch;
};

static void on_change(void *data, void *tag)
{
	struct sv *sv = ((struct sv_files *)data)->sv;
	const struct sv_program *program = tag;
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

static void on_trouble(void *data, void *tag, const char *text)
{
	const struct sv_program *program = tag;

	(void)data;
	log_warn("watch of program=%s: %s", program->name, text);
}

static bool is_wanted(const struct sv *sv)
{
	bool wanted = false;

	for (size_t i = 0; i < sv->setup->group_count; i++)
		for (size_t k = 0; k < sv->setup->groups[i].program_count; k++)
			wanted |= *sv->setup->groups[i].programs[k].watch != NULL;
	return wanted;
}

static void on_closed(void *data)
{
	struct sv_files *f = data;
	struct sv *sv = f->sv;

	sv_setup_drop(f->setup);
	free(f);
	sv->lives--;
	sv_settle(sv);
}

void sv_files_close(struct sv *sv)
{
	struct sv_files *f = sv->files;

	if (!f)
		return;
	sv->files = NULL;
	watch_close(f->watch, on_closed);
}

static struct sv_files *files_new(struct sv *sv)
{
	struct sv_files *f = mem_new(sizeof(*f));
	struct watch_conf conf = { .on_change = on_change, .on_trouble = on_trouble, .data = f };
	int rc = watch_open(&f->watch, sv->loop, &conf);

	if (rc) {
		log_error("files can't be watched: %s", uv_strerror(rc));
		free(f);
		return NULL;
	}
	f->sv = sv;
	f->setup = sv_setup_hold(sv->setup);
	sv->lives++;
	return f;
}

static void add_program(struct sv_files *f, const struct sv_program *p)
{
	for (char **pattern = p->watch; *pattern; pattern++)
		watch_add(f->watch, *pattern, p->processes[0].directory, (void *)p);
}

void sv_files_look(struct sv *sv)
{
	sv_files_close(sv);
	if (!is_wanted(sv))
		return;
	sv->files = files_new(sv);
	for (size_t i = 0; sv->files && i < sv->setup->group_count; i++)
		for (size_t k = 0; k < sv->setup->groups[i].program_count; k++)
			add_program(sv->files, &sv->setup->groups[i].programs[k]);
}
