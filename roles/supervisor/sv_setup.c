#include "roles/supervisor/sv_setup.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_depends.h"
#include "roles/supervisor/sv_expand.h"
#include "roles/supervisor/sv_main.h"
#include "roles/supervisor/sv_parse.h"
#include "roles/supervisor/sv_program.h"

/* ---- which groups there are -------------------------------------------------------- */

/* A group before it is made. */
struct plan {
	const char *name;
	const struct conf_item *item; /* [group], or the one program */
	int priority;
	const struct conf_item **programs;
	size_t count;
};

struct plans {
	struct plan *all;
	size_t count;
};

static const char *const kinds[] = { "program", "fcgi-program", "eventlistener" };

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), GROUPED_KINDS = 2, HINTS = 4096 };

static const char *near_program(const struct conf *conf, const char *name)
{
	static const char *names[HINTS]; /* of the last conf; read only in here */
	size_t n = 0;

	for (int i = 0; i < GROUPED_KINDS; i++)
		for (const struct conf_item *it = NULL;
		     n < HINTS && (it = conf_next(conf, kinds[i], it));)
			names[n++] = it->name;
	return conf_near(name, names, n);
}

static void add_member(struct plan *plan, const struct conf *conf, const char *name,
		       struct conf_errors *errors)
{
	const struct conf_item *program = conf_find(conf, "program", name);
	const struct conf_item *fcgi = conf_find(conf, "fcgi-program", name);
	const char *near = program || fcgi ? NULL : near_program(conf, name);

	if (program && fcgi)
		conf_error(errors, plan->item, "programs",
			   "%s: there is a program and an fcgi-program of that name", name);
	else if (program || fcgi)
		plan->programs[plan->count++] = program ? program : fcgi;
	else
		conf_error(errors, plan->item, "programs", "%s: no such program%s%s%s", name,
			   near ? ", is " : "", near ? near : "", near ? " meant?" : "");
}

static struct plan *add_plan(struct plans *plans, const struct conf_item *item, int64_t priority,
			     size_t room)
{
	plans->all = mem_resize(plans->all, (plans->count + 1) * sizeof(*plans->all));
	struct plan *plan = &plans->all[plans->count++];
	*plan = (struct plan){ .name = item->name,
			       .item = item,
			       .priority = (int)priority,
			       .programs = mem_new((room + 1) * sizeof(struct conf_item *)) };
	return plan;
}

static void plan_groups(struct plans *plans, const struct conf *conf, struct conf_errors *errors)
{
	for (const struct conf_item *it = NULL; (it = conf_next(conf, "group", it));) {
		const struct sv_group_keys *c = it->values;
		size_t n = 0;
		struct err err;

		while (c->programs[n])
			n++;
		struct plan *plan = add_plan(plans, it, c->priority, n);
		if (sv_parse_bad_name(it->name, &err))
			conf_error(errors, it, NULL, "[group] %s", err.text);
		for (size_t i = 0; i < n; i++)
			add_member(plan, conf, c->programs[i], errors);
	}
}

/* Sorted, so that the look-up of 4096 programs in 4096 groups takes no time. */
static int compare_items(const void *a, const void *b)
{
	const struct conf_item *x = *(const struct conf_item *const *)a;
	const struct conf_item *y = *(const struct conf_item *const *)b;

	return x < y ? -1 : x > y;
}

/* All that are in a [group]. The caller's to free. */
static const struct conf_item **grouped(const struct plans *plans, size_t *count)
{
	size_t n = 0;

	for (size_t i = 0; i < plans->count; i++)
		n += plans->all[i].count;
	const struct conf_item **all = mem_new((n + 1) * sizeof(*all));
	*count = 0;
	for (size_t i = 0; i < plans->count; i++)
		for (size_t k = 0; k < plans->all[i].count; k++)
			all[(*count)++] = plans->all[i].programs[k];
	qsort(all, n, sizeof(*all), compare_items);
	return all;
}

/* Each program that is in no group is one. */
static void plan_programs(struct plans *plans, const struct conf *conf)
{
	size_t count;
	const struct conf_item **in_groups = grouped(plans, &count);

	for (int i = 0; i < KINDS; i++)
		for (const struct conf_item *it = NULL; (it = conf_next(conf, kinds[i], it));) {
			const struct sv_program_conf *c = it->values;
			bool taken = i < GROUPED_KINDS && count > 0 &&
				     bsearch(&it, in_groups, count, sizeof(it), compare_items);
			struct plan *plan = taken ? NULL : add_plan(plans, it, c->priority, 1);
			if (plan)
				plan->programs[plan->count++] = it;
		}
	free(in_groups);
}

static int compare_plans(const void *a, const void *b)
{
	const struct plan *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void free_plans(struct plans *plans)
{
	for (size_t i = 0; i < plans->count; i++)
		free(plans->all[i].programs);
	free(plans->all);
}

/* ---- groups ------------------------------------------------------------------------- */

static int compare_order(const void *a, const void *b)
{
	const struct sv_process_conf *x = *(struct sv_process_conf *const *)a;
	const struct sv_process_conf *y = *(struct sv_process_conf *const *)b;
	int64_t first = x->program->conf->priority, second = y->program->conf->priority;

	if (first != second)
		return first < second ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct sv_process_conf *const *)a)->name,
		      (*(struct sv_process_conf *const *)b)->name);
}

static void sort_processes(struct sv_group *g, struct conf_errors *errors)
{
	for (size_t i = 0; i < g->program_count; i++)
		g->count += g->programs[i].count;
	g->order = mem_new((g->count + 1) * sizeof(struct sv_process_conf *));
	g->by_name = mem_new((g->count + 1) * sizeof(struct sv_process_conf *));
	size_t n = 0;
	for (size_t i = 0; i < g->program_count; i++)
		for (size_t k = 0; k < g->programs[i].count; k++)
			g->order[n++] = &g->programs[i].processes[k];
	memcpy(g->by_name, g->order, n * sizeof(struct sv_process_conf *));
	qsort(g->order, n, sizeof(struct sv_process_conf *), compare_order);
	qsort(g->by_name, n, sizeof(struct sv_process_conf *), compare_names);
	for (size_t i = 1; i < n; i++)
		if (compare_names(&g->by_name[i - 1], &g->by_name[i]) == 0)
			conf_error(errors, g->by_name[i]->program->item, "process_name",
				   "group %s has two processes called %s", g->name,
				   g->by_name[i]->name);
}

static void make_group(struct sv_setup *s, const struct plan *plan, struct conf_errors *errors)
{
	const struct sv_maker maker = {
		.conf = s->conf, .main = &s->main, .errors = errors, .wishes = s->wishes
	};
	struct sv_group *g = &s->groups[s->group_count++];

	g->name = plan->name;
	g->priority = plan->priority;
	g->programs = plan->count ? mem_new(plan->count * sizeof(*g->programs)) : NULL;
	for (size_t i = 0; i < plan->count; i++)
		sv_program_make(&g->programs[g->program_count++], &maker, g, plan->programs[i]);
	if (strcmp(plan->item->section->name, "group") != 0)
		g->kind = g->programs[0].kind;
	sort_processes(g, errors);
	s->process_count += g->count;
}

static int compare_groups(const void *a, const void *b)
{
	return strcmp((*(struct sv_group *const *)a)->name, (*(struct sv_group *const *)b)->name);
}

static void name_groups(struct sv_setup *s, const struct plans *plans, struct conf_errors *errors)
{
	s->by_name = mem_new((s->group_count + 1) * sizeof(struct sv_group *));
	for (size_t i = 0; i < s->group_count; i++)
		s->by_name[i] = &s->groups[i];
	qsort(s->by_name, s->group_count, sizeof(struct sv_group *), compare_groups);
	for (size_t i = 1; i < s->group_count; i++)
		if (compare_groups(&s->by_name[i - 1], &s->by_name[i]) == 0) {
			const struct plan *plan = &plans->all[s->by_name[i] - s->groups];
			conf_error(errors, plan->item, NULL,
				   "[%s %s]: there is another group or program of that name",
				   plan->item->section->name, plan->name);
		}
}

static void make_groups(struct sv_setup *s, struct conf_errors *errors)
{
	struct plans plans = { 0 };

	plan_groups(&plans, s->conf, errors);
	plan_programs(&plans, s->conf);
	if (plans.count > 0)
		qsort(plans.all, plans.count, sizeof(*plans.all), compare_plans);
	s->groups = mem_new((plans.count + 1) * sizeof(*s->groups));
	size_t most = (size_t)s->main.conf->max_processes;
	for (size_t i = 0; i < plans.count && s->process_count <= most; i++)
		make_group(s, &plans.all[i], errors);
	name_groups(s, &plans, errors);
	free_plans(&plans);
	if (s->process_count > most)
		conf_error(errors, conf_find(s->conf, "supervisord", ""), "max_processes",
			   "the programs have %zu processes and more, which is above %zu",
			   s->process_count, most);
}

/* ---- the setup ----------------------------------------------------------------------- */

static struct sv_setup *make(const struct conf *conf, const struct sv_wish *wishes,
			     struct conf_errors *errors)
{
	struct sv_setup *s = mem_new(sizeof(*s));

	s->held = 1;
	s->conf = conf_hold(conf);
	s->wishes = wishes;
	sv_main_make(s, errors);
	make_groups(s, errors);
	sv_depends_make(s, errors);
	s->wishes = NULL;
	return s;
}

void sv_setup_check(const struct conf *conf, struct conf_errors *errors)
{
	sv_setup_drop(make(conf, NULL, errors));
}

struct sv_setup *sv_setup_new(const struct conf *conf, struct err *err)
{
	return sv_setup_new_as(conf, NULL, err);
}

struct sv_setup *sv_setup_new_as(const struct conf *conf, const struct sv_wish *wishes,
				 struct err *err)
{
	struct conf_errors errors = { 0 };
	struct sv_setup *s = make(conf, wishes, &errors);

	if (errors.count) {
		err_set(err, ERR_CONF, "%s", errors.lines[0]);
		sv_setup_drop(s);
		s = NULL;
	}
	conf_errors_fini(&errors);
	return s;
}

struct sv_setup *sv_setup_hold(struct sv_setup *s)
{
	__atomic_add_fetch(&s->held, 1, __ATOMIC_RELAXED);
	return s;
}

static void free_group(struct sv_group *g)
{
	for (size_t i = 0; i < g->program_count; i++)
		sv_program_fini(&g->programs[i]);
	free(g->programs);
	free(g->order);
	free(g->by_name);
}

void sv_setup_drop(struct sv_setup *s)
{
	if (!s || __atomic_sub_fetch(&s->held, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < s->group_count; i++)
		free_group(&s->groups[i]);
	free(s->groups);
	free(s->by_name);
	sv_main_fini(s);
	conf_free(s->conf);
	free(s);
}

/* ---- finding -------------------------------------------------------------------------- */

const struct sv_group *sv_setup_group(const struct sv_setup *s, const char *name)
{
	struct sv_group key = { .name = name }, *wanted = &key;
	struct sv_group **found = s->group_count ? bsearch(&wanted, s->by_name, s->group_count,
							   sizeof(wanted), compare_groups)
						 : NULL;

	return found ? *found : NULL;
}

const struct sv_process_conf *sv_group_process(const struct sv_group *g, const char *name)
{
	struct sv_process_conf key = { .name = (char *)name }, *wanted = &key;
	struct sv_process_conf **found =
		g->count ? bsearch(&wanted, g->by_name, g->count, sizeof(wanted), compare_names)
			 : NULL;

	return found ? *found : NULL;
}
