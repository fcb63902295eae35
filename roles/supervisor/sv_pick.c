#include "roles/supervisor/sv_pick.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_team.h"

static bool means(const char *word, const struct sv_proc *p)
{
	size_t n = strlen(word);
	const char *group = p->team->conf->name;
	bool whole = n > 2 && strcmp(word + n - 2, ":*") == 0;
	char full[600];

	if (strcmp(word, "all") == 0 || strcmp(word, group) == 0 ||
	    strcmp(word, p->conf->full) == 0)
		return true;
	if (whole && strlen(group) == n - 2 && strncmp(word, group, n - 2) == 0)
		return true;
	if (strcmp(word, p->conf->program->name) == 0)
		return true;
	sv_proc_full(p, full, sizeof(full));
	if (!strpbrk(word, "*?["))
		return strcmp(word, full) == 0;
	return fnmatch(word, full, 0) == 0 || fnmatch(word, p->conf->name, 0) == 0;
}

size_t sv_pick(const struct sv *sv, const char *word, struct sv_proc ***out)
{
	struct list *it, *tmp, *in, *next;
	struct sv_proc **all = NULL;
	size_t n = 0;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (p->removed || p->conf->spare || !means(word, p))
				continue;
			all = mem_resize(all, (n + 1) * sizeof(*all));
			all[n++] = p;
		}
	*out = all;
	return n;
}
