#include "roles/supervisor/sv_wish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"
#include "roles/supervisor/sv_update.h"

/* ---- a number --------------------------------------------------------------------------- */

int64_t sv_wish_number(const struct sv_wish *all, const char *program, int64_t file)
{
	for (; all; all = all->next)
		if (strcmp(all->program, program) == 0 && all->file == file)
			return all->number;
	return file;
}

void sv_wish_free(struct sv_wish *all)
{
	while (all) {
		struct sv_wish *next = all->next;
		free(all->program);
		free(all);
		all = next;
	}
}

static const struct sv_program *find(const struct sv *sv, const char *name)
{
	for (size_t i = 0; i < sv->setup->group_count; i++) {
		const struct sv_group *g = &sv->setup->groups[i];
		for (size_t k = 0; k < g->program_count; k++)
			if (strcmp(g->programs[k].name, name) == 0)
				return &g->programs[k];
	}
	return NULL;
}

/* Those that were spare start, those that are now stop; whoever came or went is done already. */
static void settle(struct sv *sv, const char *program, int64_t before)
{
	struct list *it, *tmp, *in, *next;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			const struct sv_program *g = p->conf->program;
			int64_t at = p->conf->num - g->conf->numprocs_start;
			if (p->removed || strcmp(g->name, program) != 0)
				continue;
			if (p->conf->spare && sv_proc_is_running(p))
				sv_proc_stop(p);
			else if (!p->conf->spare && at >= before && !sv_proc_is_running(p))
				sv_proc_start(p);
		}
}

static bool has_program(const struct sv_group *g, const char *program)
{
	for (size_t i = 0; i < g->program_count; i++)
		if (strcmp(g->programs[i].name, program) == 0)
			return true;
	return false;
}

/* What else the file has changed waits for its update. */
static void update_groups_of(struct sv *sv, struct sv_setup *now, const char *program)
{
	char **names = mem_new((now->group_count + 1) * sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < now->group_count; i++)
		if (has_program(&now->groups[i], program))
			names[n++] = (char *)now->groups[i].name;
	sv_update_only(sv, now, names);
	free(names);
}

/* One for each program. */
static void remember(struct sv *sv, const char *program, int64_t number, int64_t file)
{
	struct sv_wish *kept = sv->wishes;

	while (kept && strcmp(kept->program, program) != 0)
		kept = kept->next;
	if (!kept) {
		kept = mem_new(sizeof(*kept));
		*kept = (struct sv_wish){ .next = sv->wishes, .program = mem_str(program) };
		sv->wishes = kept;
	}
	kept->number = number;
	kept->file = file;
}

/* Where a crash leaves it. */
static void write_down(struct sv *sv, const char *program, int64_t number, int64_t file)
{
	struct sv_slot *s;
	size_t i = 0;

	while ((s = sv_state_slot(&sv->memory, i)) &&
	       (s->use != SV_SLOT_WISH || strcmp(s->group, program) != 0))
		i++;
	if (s && number == file)
		sv_state_give(&sv->memory, i);
	else if (!s)
		s = sv_state_slot(&sv->memory, sv_state_take(&sv->memory));
	if (!s || number == file || strlen(program) >= sizeof(s->group))
		return;
	strcpy(s->group, program);
	s->number = number;
	s->file = file;
	__atomic_store_n(&s->use, SV_SLOT_WISH, __ATOMIC_RELEASE);
}

void sv_wish_recall(struct sv *sv)
{
	struct err err = { 0 };

	for (size_t i = 0; i < sv->memory.count; i++) {
		const struct sv_slot *s = sv_state_slot(&sv->memory, i);
		if (s && s->use == SV_SLOT_WISH)
			remember(sv, s->group, s->number, s->file);
	}
	struct sv_setup *now =
		sv->wishes ? sv_setup_new_as(sv->setup->conf, sv->wishes, &err) : NULL;
	if (now) {
		sv_setup_drop(sv->setup);
		sv->setup = now;
	} else if (sv->wishes) {
		log_warn("programs are scaled as the file says: %s", err.text);
	}
}

int sv_wish_scale(struct sv *sv, const char *program, int64_t number, struct err *err)
{
	const struct sv_program *g = find(sv, program);
	struct sv_wish wish = { .next = sv->wishes, .number = number };

	if (!g)
		return err_set(err, UV_ENOENT, "%s", program);
	if (number < 0 || number > sv->setup->main.conf->max_processes)
		return err_set(err, ERR_CONF, "%lld is not within 0 and max_processes",
			       (long long)number);
	wish.program = (char *)program;
	wish.file = g->conf->numprocs;
	int64_t before = sv_wish_number(sv->wishes, program, wish.file);
	struct sv_setup *now = sv_setup_new_as(sv->setup->conf, &wish, err);
	if (!now)
		return ERR_CONF;
	remember(sv, program, number, wish.file);
	write_down(sv, program, number, wish.file);
	log_info("scaled program=%s from=%lld to=%lld", program, (long long)before,
		 (long long)number);
	update_groups_of(sv, now, program);
	settle(sv, program, before);
	return 0;
}

/* ---- a command ----------------------------------------------------------------------------- */

static const char text_of_run[] = "[program:%s]\n"
				  "command = true\n"
				  "autostart = true\n"
				  "autorestart = false\n"
				  "startsecs = 0\n"
				  "startretries = 0\n"
				  "redirect_stderr = true\n";

/* The setup of one program whose command is replaced by the words as they are. */
static struct sv_setup *setup_of(const char *name, const json_t *words, const char *folder,
				 struct err *err)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char text[400];
	size_t i;
	json_t *word;

	snprintf(text, sizeof(text), text_of_run, name);
	int rc = conf_parse(text, name, sv_sections, &conf, &errors);
	conf_errors_fini(&errors);
	struct sv_setup *s = rc ? NULL : sv_setup_new(conf, err);
	conf_free(conf);
	if (!s)
		return NULL;
	struct sv_process_conf *p = s->groups[0].programs[0].processes;
	words_free(p->argv);
	p->argv = mem_new(sizeof(*p->argv));
	json_array_foreach(words, i, word)
	{
		p->argv = words_add(p->argv, json_string_value(word));
	}
	p->directory = folder ? mem_str(folder) : NULL;
	return s;
}

/* The team and its process are made of the setup, and hold it. */
static struct sv_team *team_of(struct sv *sv, struct sv_setup *s)
{
	struct sv_setup *ours = sv->setup;

	sv->setup = s;
	struct sv_team *t = sv_team_add(sv, &s->groups[0]);
	t->once = true;
	sv->setup = ours;
	sv_setup_drop(s);
	return t;
}

int sv_wish_run(struct sv *sv, const json_t *words, const char *folder, char name[64],
		struct err *err)
{
	do
		snprintf(name, 64, "run-%u", ++sv->runs);
	while (sv_team_find(sv, name));
	struct sv_setup *s = setup_of(name, words, folder, err);
	if (!s)
		return ERR_CONF;
	sv_team_autostart(team_of(sv, s));
	return 0;
}

struct sv_team *sv_wish_again(struct sv *sv, const char *name)
{
	struct err err = { 0 };
	struct sv_setup *s = setup_of(name, NULL, NULL, &err);

	return s ? team_of(sv, s) : NULL;
}
