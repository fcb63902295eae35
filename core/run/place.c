#include "core/run/place.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/run/settings.h"

enum { FOLDER_MAX = 3000 };

static const char system_folder[] = "/run/troupe";

static void own_folder(char *out, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (xdg && *xdg == '/')
		snprintf(out, size, "%s/troupe", xdg);
	else
		snprintf(out, size, "/tmp/troupe-%u", (unsigned)geteuid());
}

/* FNV-1a: short, and the same in server and client. */
static uint32_t number_of(const char *path)
{
	uint32_t h = 2166136261u;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 16777619u;
	return h;
}

static void base_name(const char *role, const char *conf_path, char *out, size_t size)
{
	char *real = conf_path ? realpath(conf_path, NULL) : NULL;

	if (!real || strcmp(real, PLACE_DEFAULT_CONF) == 0)
		snprintf(out, size, "%s", role);
	else
		snprintf(out, size, "%s-%08x", role, number_of(real));
	free(real);
}

static void fill(struct place *p, const char *folder, const char *base, const struct settings *s)
{
	snprintf(p->control, sizeof(p->control), "%.3000s/%.200s.sock", folder, base);
	snprintf(p->pid_file, sizeof(p->pid_file), "%.3000s/%.200s.pid", folder, base);
	if (s->control && *s->control)
		snprintf(p->control, sizeof(p->control), "%s",
			 strcmp(s->control, "off") == 0 ? "" : s->control);
	if (s->pid_file && *s->pid_file)
		snprintf(p->pid_file, sizeof(p->pid_file), "%s", s->pid_file);
}

/* In /tmp anybody could have made it before us. */
static int make_folder(const char *folder, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(folder, mode) != 0 && errno != EEXIST)
		return err_set(err, -errno, "%s: %s", folder, strerror(errno));
	if (lstat(folder, &st) != 0)
		return err_set(err, -errno, "%s: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && strcmp(folder, system_folder) != 0))
		return err_set(err, UV_EPERM, "%s: not a folder of ours", folder);
	return 0;
}

static bool needs_folder(const struct settings *s)
{
	return !(s->control && *s->control) || !(s->pid_file && *s->pid_file);
}

int place_make(struct place *p, const char *role, const char *conf_path, const struct conf *conf,
	       struct err *err)
{
	const struct settings *s = settings_of(conf);
	char base[256], folder[FOLDER_MAX] = "/run/troupe";
	bool system = geteuid() == 0 || euidaccess(system_folder, W_OK) == 0;

	if (!system)
		own_folder(folder, sizeof(folder));
	base_name(role, conf_path, base, sizeof(base));
	fill(p, folder, base, s);
	return needs_folder(s) ? make_folder(folder, system ? 0755 : 0700, err) : 0;
}

void place_find(struct place *p, const char *role, const char *conf_path, const struct conf *conf)
{
	const struct settings *s = settings_of(conf);
	char base[256], folder[FOLDER_MAX];

	base_name(role, conf_path, base, sizeof(base));
	fill(p, system_folder, base, s);
	if (geteuid() == 0 || access(p->pid_file, F_OK) == 0)
		return;
	own_folder(folder, sizeof(folder));
	fill(p, folder, base, s);
}

/* ---- data --------------------------------------------------------------------- */

static void folder_of_file(const struct conf *conf, const char *name, char *out, size_t size)
{
	const struct conf_item *item = conf_find(conf, "troupe", "");
	const char *file = item ? conf_file(item, "data_dir") : NULL;
	char *here = conf_here(file ? file : ".");

	snprintf(out, size, "%s/%s", here, name);
	free(here);
}

static void data_root(const struct conf *conf, char *out, size_t size)
{
	const struct settings *s = settings_of(conf);
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	const char *said = s->data_dir ? s->data_dir : ""; /* NULL: there is no file at all */

	if (*said && *said != '/')
		folder_of_file(conf, said, out, size);
	else if (*said)
		snprintf(out, size, "%s", said);
	else if (geteuid() == 0)
		snprintf(out, size, "/var/lib/troupe");
	else if (state && *state == '/')
		snprintf(out, size, "%s/troupe", state);
	else
		snprintf(out, size, "%s/.local/state/troupe", home && *home ? home : "");
}

/* With the folders above it. */
static int make_path(char *path, struct err *err)
{
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		int rc = mkdir(path, slash ? 0755 : 0700) == 0 || errno == EEXIST ? 0 : errno;
		if (rc)
			return err_set(err, -rc, "%s: %s", path, strerror(rc));
		if (!slash)
			return 0;
		*slash = '/';
	}
}

int place_data(const struct conf *conf, const char *role, char **dir, struct err *err)
{
	char path[PATH_MAX], root[PATH_MAX - 300];

	data_root(conf, root, sizeof(root));
	if (*root != '/') /* no home */
		return err_set(err, ERR_CONF, "data_dir '%s' is no absolute path", root);
	snprintf(path, sizeof(path), "%s/%.200s", root, role);
	int rc = make_path(path, err);
	if (rc == 0)
		*dir = mem_str(path);
	return rc;
}

static void give(const char *path, const struct passwd *user, const struct group *group)
{
	if (lchown(path, user ? user->pw_uid : (uid_t)-1,
		   group  ? group->gr_gid
		   : user ? user->pw_gid
			  : (gid_t)-1) != 0)
		log_warn("%s: %s", path, strerror(errno));
}

void place_give(const struct conf *conf, const char *path)
{
	const struct settings *s = settings_of(conf);
	const struct passwd *user = s->user && *s->user ? getpwnam(s->user) : NULL;
	const struct group *group = s->group && *s->group ? getgrnam(s->group) : NULL;
	char name[PATH_MAX];
	struct dirent *e;

	if (geteuid() != 0 || (!user && !group)) /* only root gives anything away */
		return;
	give(path, user, group);
	DIR *dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_type == DT_REG)
			give(name, user, group);
	}
	if (dir)
		closedir(dir);
}
