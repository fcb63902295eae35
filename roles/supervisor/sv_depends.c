#include "roles/supervisor/sv_depends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_expand.h"

enum { HINTS = 4096 };

static const struct {
	const char *name;
	enum sv_until until;
} conditions[] = {
	{ "started", SV_UNTIL_STARTED },
	{ "ready", SV_UNTIL_READY },
	{ "healthy", SV_UNTIL_HEALTHY },
	{ "exited", SV_UNTIL_EXITED },
};

enum { CONDITIONS = sizeof(conditions) / sizeof(conditions[0]) };

/* Cuts ":condition" off the end of a name, if there is one. */
static enum sv_until take_condition(char *name)
{
	char *colon = strrchr(name, ':');

	for (int i = 0; colon && i < CONDITIONS; i++)
		if (strcasecmp(conditions[i].name, colon + 1) == 0) {
			*colon = '\0';
			return conditions[i].until;
		}
	return SV_UNTIL_READY;
}

static void add(struct sv_program *p, struct sv_depend one)
{
	p->depends = mem_resize(p->depends, (p->depend_count + 1) * sizeof(one));
	p->depends[p->depend_count++] = one;
}

static const struct sv_program *program_in(const struct sv_group *g, const char *name)
{
	for (size_t i = 0; i < g->program_count; i++)
		if (strcmp(g->programs[i].name, name) == 0)
			return &g->programs[i];
	return NULL;
}

/* A program's name, looked for in its own group first. */
static const struct sv_program *find_program(const struct sv_setup *s, const struct sv_group *own,
					     const char *name)
{
	const struct sv_program *found = program_in(own, name);

	for (size_t i = 0; !found && i < s->group_count; i++)
		found = program_in(&s->groups[i], name);
	return found;
}

/* group:process, group:program or group:* */
static bool add_inner(const struct sv_setup *s, struct sv_program *p, const char *name,
		      enum sv_until until)
{
	const char *colon = strchr(name, ':');
	char group_name[256];

	snprintf(group_name, sizeof(group_name), "%.*s", (int)(colon - name), name);
	const struct sv_group *group = sv_setup_group(s, group_name);
	const struct sv_process_conf *process = group ? sv_group_process(group, colon + 1) : NULL;
	const struct sv_program *program = group ? program_in(group, colon + 1) : NULL;
	bool all = group && strcmp(colon + 1, "*") == 0;

	for (size_t i = 0; all && i < group->program_count; i++)
		add(p, (struct sv_depend){ &group->programs[i], NULL, until });
	if (!all && process)
		add(p, (struct sv_depend){ process->program, process, until });
	else if (!all && program)
		add(p, (struct sv_depend){ program, NULL, until });
	return all || process || program;
}

static bool add_named(const struct sv_setup *s, struct sv_program *p, const char *name,
		      enum sv_until until)
{
	const struct sv_program *program = find_program(s, p->group, name);
	const struct sv_group *group = sv_setup_group(s, name);

	if (strchr(name, ':'))
		return add_inner(s, p, name, until);
	if (program)
		add(p, (struct sv_depend){ program, NULL, until });
	for (size_t i = 0; !program && group && i < group->program_count; i++)
		add(p, (struct sv_depend){ &group->programs[i], NULL, until });
	return program || group;
}

static const char *near_name(const struct sv_setup *s, const char *name)
{
	static const char *names[HINTS]; /* of the last setup; read only in here */
	size_t n = 0;

	for (size_t i = 0; i < s->group_count && n < HINTS; i++) {
		const struct sv_group *g = &s->groups[i];
		names[n++] = g->name;
		for (size_t k = 0; k < g->program_count && n < HINTS; k++)
			names[n++] = g->programs[k].name;
	}
	return conf_near(name, names, n);
}

static bool needs_health(const struct sv_depend *d)
{
	const char *health = d->program->conf->health;

	return d->until == SV_UNTIL_HEALTHY && (!health || !*health || strcmp(health, "none") == 0);
}

static void make_one(struct sv_setup *s, struct sv_program *p, char *text,
		     struct conf_errors *errors)
{
	enum sv_until until = take_condition(text);
	size_t first = p->depend_count;

	if (!add_named(s, p, text, until)) {
		const char *near = near_name(s, text);
		conf_error(errors, p->item, "depends_on", "%s: no such program%s%s%s", text,
			   near ? ", is " : "", near ? near : "", near ? " meant?" : "");
	}
	for (size_t i = first; i < p->depend_count; i++)
		if (needs_health(&p->depends[i]))
			conf_error(errors, p->item, "depends_on",
				   "%s: it has no health that it could be asked for",
				   p->depends[i].program->name);
}

static void make_program(struct sv_setup *s, struct sv_program *p, struct conf_errors *errors)
{
	const struct sv_names names = { .conf = s->conf,
					.item = p->item,
					.group = p->group->name,
					.numprocs = p->conf->numprocs,
					.main_env = s->main.env };

	for (char **one = p->conf->depends_on; *one; one++) {
		struct err err = { 0 };
		char *text = sv_expand_text(&names, "depends_on", *one, &err);

		if (text)
			make_one(s, p, text, errors);
		else
			conf_error(errors, p->item, "depends_on", "%s", err.text);
		free(text);
	}
}

/* ---- rings ------------------------------------------------------------------------- */

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

struct ring_step {
	const struct sv_program *program;
	size_t next; /* of its depends */
};

/* A walk in depth, without recursion: a chain may be as long as the file. */
struct walk {
	const struct sv_setup *setup;
	size_t *first; /* of each group: the place of its first program in marks */
	enum mark *marks;
	struct ring_step *path;
	size_t depth;
};

static enum mark *mark_of(const struct walk *w, const struct sv_program *p)
{
	size_t group = (size_t)(p->group - w->setup->groups);

	return &w->marks[w->first[group] + (size_t)(p - p->group->programs)];
}

static void tell_ring(const struct walk *w, const struct sv_program *again,
		      struct conf_errors *errors)
{
	char chain[300] = "";
	size_t i = 0;

	while (w->path[i].program != again)
		i++;
	for (; i < w->depth; i++) {
		size_t used = strlen(chain);
		snprintf(chain + used, sizeof(chain) - used, "%s -> ", w->path[i].program->name);
	}
	conf_error(errors, again->item, "depends_on", "waits for itself: %s%s", chain, again->name);
}

static void enter(struct walk *w, const struct sv_program *p)
{
	*mark_of(w, p) = MARK_OPEN;
	w->path[w->depth++] = (struct ring_step){ .program = p };
}

static void walk_from(struct walk *w, const struct sv_program *p, struct conf_errors *errors)
{
	enter(w, p);
	while (w->depth > 0) {
		struct ring_step *step = &w->path[w->depth - 1];

		if (step->next == step->program->depend_count) {
			*mark_of(w, step->program) = MARK_DONE;
			w->depth--;
			continue;
		}
		const struct sv_program *to = step->program->depends[step->next++].program;
		if (*mark_of(w, to) == MARK_OPEN)
			tell_ring(w, to, errors);
		else if (*mark_of(w, to) == MARK_NEW)
			enter(w, to);
	}
}

static void find_rings(const struct sv_setup *s, struct conf_errors *errors)
{
	struct walk w = { .setup = s, .first = mem_new((s->group_count + 1) * sizeof(*w.first)) };
	size_t count = 0;

	for (size_t i = 0; i < s->group_count; i++) {
		w.first[i] = count;
		count += s->groups[i].program_count;
	}
	w.marks = mem_new((count + 1) * sizeof(*w.marks));
	w.path = mem_new((count + 1) * sizeof(*w.path));
	for (size_t i = 0; i < s->group_count; i++)
		for (size_t k = 0; k < s->groups[i].program_count; k++)
			if (*mark_of(&w, &s->groups[i].programs[k]) == MARK_NEW)
				walk_from(&w, &s->groups[i].programs[k], errors);
	free(w.first);
	free(w.marks);
	free(w.path);
}

void sv_depends_make(struct sv_setup *s, struct conf_errors *errors)
{
	for (size_t i = 0; i < s->group_count; i++)
		for (size_t k = 0; k < s->groups[i].program_count; k++)
			make_program(s, &s->groups[i].programs[k], errors);
	find_rings(s, errors);
}
