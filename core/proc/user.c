#include "core/proc/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"

static bool is_number(const char *text, unsigned long *value)
{
	char *end;

	*value = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && *value < UINT32_MAX;
}

static int find_group(const char *text, gid_t *gid, struct err *err)
{
	unsigned long number;
	const struct group *g = getgrnam(text);

	if (g)
		*gid = g->gr_gid;
	else if (is_number(text, &number))
		*gid = (gid_t)number;
	else
		return err_set(err, ERR_CONF, "there is no group %s", text);
	return 0;
}

static int find_user(struct user *u, const char *text, struct err *err)
{
	unsigned long number = 0;
	const struct passwd *p = getpwnam(text);
	bool numeric = !p && is_number(text, &number);

	if (numeric)
		p = getpwuid((uid_t)number);
	if (!p && !numeric)
		return err_set(err, ERR_CONF, "there is no user %s", text);
	u->uid = p ? p->pw_uid : (uid_t)number;
	u->gid = p ? p->pw_gid : (gid_t)number;
	u->name = mem_str(p ? p->pw_name : text);
	u->home = mem_str(p && *p->pw_dir ? p->pw_dir : "/");
	u->shell = mem_str(p && *p->pw_shell ? p->pw_shell : "/bin/sh");
	return 0;
}

static void add_group(struct user *u, gid_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] == gid)
			return;
	u->groups = mem_resize(u->groups, (u->n_groups + 1) * sizeof(gid_t));
	u->groups[u->n_groups++] = gid;
}

/* Those of /etc/group; gid is the first. */
static void find_groups(struct user *u)
{
	int n = 64;
	gid_t *all = mem_new((size_t)n * sizeof(gid_t));

	while (getgrouplist(u->name, u->gid, all, &n) < 0)
		all = mem_resize(all, (size_t)n * sizeof(gid_t));
	for (int i = 0; i < n; i++)
		add_group(u, all[i]);
	free(all);
}

static int find_more(struct user *u, const char *groups, struct err *err)
{
	char *copy = mem_str(groups), *rest = copy;
	int rc = 0;

	for (char *name; rc == 0 && (name = strsep(&rest, ", "));) {
		gid_t gid;
		if (*name == '\0')
			continue;
		rc = find_group(name, &gid, err);
		if (rc == 0)
			add_group(u, gid);
	}
	free(copy);
	return rc;
}

int user_lookup(struct user *u, const char *text, const char *groups, struct err *err)
{
	char *name = mem_str(text);
	char *group = strchr(name, ':');

	*u = (struct user){ 0 };
	if (group)
		*group++ = '\0';
	int rc = find_user(u, name, err);
	if (rc == 0 && group)
		rc = find_group(group, &u->gid, err);
	if (rc == 0)
		find_groups(u);
	if (rc == 0 && groups)
		rc = find_more(u, groups, err);
	free(name);
	if (rc)
		user_fini(u);
	return rc;
}

void user_fini(struct user *u)
{
	free(u->groups);
	free(u->name);
	free(u->home);
	free(u->shell);
	*u = (struct user){ 0 };
}
