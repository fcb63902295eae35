/* What an update has to do: the difference of two setups, process by process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/supervisor/sv_print.h"
#include "roles/supervisor/sv_setup.h"

struct differing {
	void (*tell)(void *data, const struct sv_difference *d);
	void *data;
	size_t count;
};

static void tell(struct differing *all, struct sv_difference d)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (d.change == SV_PROCESS_RESTART || d.change == SV_PROCESS_LIVE)
		sv_print_differences(d.old, d.now, out);
	fclose(out);
	d.line = line;
	all->tell(all->data, &d);
	all->count++;
	free(line);
}

static void compare_process(struct differing *all, struct sv_difference d)
{
	if (d.old->restart_print != d.now->restart_print)
		d.change = SV_PROCESS_RESTART;
	else if (d.old->live_print != d.now->live_print)
		d.change = SV_PROCESS_LIVE;
	else
		return;
	tell(all, d);
}

static void compare_group(struct differing *all, const struct sv_group *old,
			  const struct sv_group *now)
{
	struct sv_difference d = { .old_group = old, .now_group = now };

	for (size_t i = 0; i < old->count; i++) {
		d.old = old->order[i];
		d.now = sv_group_process(now, d.old->name);
		d.change = SV_PROCESS_REMOVED;
		if (d.now)
			compare_process(all, d);
		else
			tell(all, d);
	}
	d.old = NULL;
	d.change = SV_PROCESS_ADDED;
	for (size_t i = 0; i < now->count; i++) {
		d.now = now->order[i];
		if (!sv_group_process(old, d.now->name))
			tell(all, d);
	}
}

/* ---- groups ---------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct sv_group *const *)a)->name,
		      (*(const struct sv_group *const *)b)->name);
}

/* A group that is another kind of thing now is another group. */
static const struct sv_group *same_kind(const struct sv_group *found, const struct sv_group *of)
{
	return found && found->kind == of->kind ? found : NULL;
}

static const struct sv_group *find(const struct sv_group **sorted, size_t n,
				   const struct sv_group *of)
{
	const struct sv_group **found =
		n > 0 ? bsearch(&of, sorted, n, sizeof(*sorted), compare_names) : NULL;

	return same_kind(found ? *found : NULL, of);
}

size_t sv_groups_diff(const struct sv_group *const *old, size_t n, const struct sv_setup *now,
		      void (*each)(void *data, const struct sv_difference *d), void *data)
{
	struct differing all = { .tell = each, .data = data };
	const struct sv_group **sorted = mem_new((n + 1) * sizeof(*sorted));

	for (size_t i = 0; i < n; i++) {
		sorted[i] = old[i];
		if (!same_kind(sv_setup_group(now, old[i]->name), old[i]))
			tell(&all, (struct sv_difference){ .change = SV_GROUP_REMOVED,
							   .old_group = old[i] });
	}
	qsort(sorted, n, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < now->group_count; i++) {
		const struct sv_group *was = find(sorted, n, &now->groups[i]);

		if (was)
			compare_group(&all, was, &now->groups[i]);
		else
			tell(&all, (struct sv_difference){ .change = SV_GROUP_ADDED,
							   .now_group = &now->groups[i] });
	}
	free(sorted);
	return all.count;
}

size_t sv_setup_diff(const struct sv_setup *old, const struct sv_setup *now,
		     void (*each)(void *data, const struct sv_difference *d), void *data)
{
	const struct sv_group **groups = mem_new((old->group_count + 1) * sizeof(*groups));

	for (size_t i = 0; i < old->group_count; i++)
		groups[i] = &old->groups[i];
	size_t n = sv_groups_diff(groups, old->group_count, now, each, data);
	free(groups);
	return n;
}
