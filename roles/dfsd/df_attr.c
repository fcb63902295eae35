#include "roles/dfsd/df_attr.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/mem.h"
#include "roles/dfsd/df_root.h"

enum { LIST = 64 * 1024, VALUE = 64 * 1024, PROC = 64 };

/* ---- names of users and groups, kept ------------------------------------------------------- */

struct owner {
	struct owner *next;
	uint32_t id;
	bool group, known; /* known: there is one of that name here */
	char name[DF_NAME + 1];
};

struct df_names {
	struct owner *first;
};

void df_attr_open(struct df_root *r)
{
	r->names = mem_new(sizeof(*r->names));
	r->list = mem_new(LIST);
	r->values = mem_new(DF_XATTRS + VALUE);
}

void df_attr_close(struct df_root *r)
{
	while (r->names && r->names->first) {
		struct owner *o = r->names->first;
		r->names->first = o->next;
		free(o);
	}
	free(r->names);
	free(r->list);
	free(r->values);
	r->names = NULL;
	r->list = NULL;
	r->values = NULL;
}

static struct owner *keep(struct df_root *r, bool group, uint32_t id, const char *name, size_t n)
{
	struct owner *o = mem_new(sizeof(*o));

	o->group = group;
	o->id = id;
	if (name)
		memcpy(o->name, name, n < DF_NAME ? n : DF_NAME);
	o->next = r->names->first;
	r->names->first = o;
	return o;
}

static struct df_bytes name_of(struct df_root *r, bool group, uint32_t id)
{
	struct owner *o = r->names->first;

	while (o && (o->group != group || o->id != id || !o->known))
		o = o->next;
	if (!o) {
		struct passwd *user = group ? NULL : getpwuid(id);
		struct group *g = group ? getgrgid(id) : NULL;
		const char *name = user ? user->pw_name : g ? g->gr_name : NULL;
		o = keep(r, group, id, name, name ? strlen(name) : 0);
		o->known = true;
	}
	return (struct df_bytes){ o->name, strlen(o->name) };
}

/* The number that a name has here, else the one that it has there. */
static uint32_t id_of(struct df_root *r, bool group, struct df_bytes name, uint32_t there)
{
	struct owner *o = r->names->first;

	if (r->owner == DF_OWNER_ID || !name.n)
		return there;
	while (o && (o->group != group || strlen(o->name) != name.n ||
		     memcmp(o->name, name.p, name.n) != 0))
		o = o->next;
	if (!o) {
		o = keep(r, group, there, name.p, name.n);
		struct passwd *user = group ? NULL : getpwnam(o->name);
		struct group *g = group ? getgrnam(o->name) : NULL;
		o->known = user || g;
		o->id = user ? user->pw_uid : g ? g->gr_gid : there;
	}
	return o->known ? o->id : there;
}

/* ---- extended attributes ------------------------------------------------------------------- */

/* What is carried: what users set, and permissions. The rest is the system's own. */
static bool is_carried(const struct df_root *r, const char *name)
{
	if (strncmp(name, "system.posix_acl_", 17) == 0)
		return r->acls;
	if (strncmp(name, "security.capability", 20) == 0)
		return r->xattrs && r->root;
	return r->xattrs &&
	       (strncmp(name, "user.", 5) == 0 || (r->root && strncmp(name, "trusted.", 8) == 0 &&
						   strncmp(name, "trusted.overlay.", 16) != 0));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in an order, so that the same attributes are the same bytes. */
static int sorted(const struct df_root *r, size_t n, const char *names[], int most)
{
	int count = 0;

	for (const char *p = r->list; p < r->list + n; p += strlen(p) + 1)
		if (is_carried(r, p) && count < most)
			names[count++] = p;
	qsort(names, (size_t)count, sizeof(*names), by_name);
	return count;
}

static void read_values(struct df_root *r, const char *path, size_t n, struct df_entry *e)
{
	const char *names[256];
	int count = sorted(r, n, names, 256);
	uint8_t *p = r->values, *value = mem_resize(NULL, VALUE);

	for (int i = 0; i < count; i++) {
		ssize_t size = lgetxattr(path, names[i], value, VALUE);
		size_t name = strlen(names[i]) + 1;
		if (size < 0 || (size_t)(p - r->values) + name + (size_t)size + 20 > DF_XATTRS)
			continue; /* it has gone since, or is too large to be carried */
		p = df_put_bytes(p, (struct df_bytes){ names[i], name });
		p = df_put_bytes(p, (struct df_bytes){ value, (size_t)size });
	}
	free(value);
	e->xattrs = (struct df_bytes){ r->values, (size_t)(p - r->values) };
}

/* There are no calls yet for attributes of a name in a folder that is open: /proc has a path for
 * that, and one, a link, for a descriptor itself. */
struct at {
	char path[PROC + DF_NAME];
	bool follow;
};

static void at_name(struct at *at, int dir, const char *name)
{
	snprintf(at->path, sizeof(at->path), "/proc/self/fd/%d/%s", dir, *name ? name : ".");
	at->follow = false;
}

static void at_fd(struct at *at, int fd)
{
	snprintf(at->path, sizeof(at->path), "/proc/self/fd/%d", fd);
	at->follow = true;
}

int df_attr_look(struct df_root *r, int dir, const char *name, struct df_entry *e)
{
	struct at at = { .follow = false };

	if (r->owner == DF_OWNER_NAME) {
		e->user = name_of(r, false, e->uid);
		e->group = name_of(r, true, e->gid);
	}
	if (!r->xattrs && !r->acls)
		return 0;
	at_name(&at, dir, name);
	ssize_t n = llistxattr(at.path, r->list, LIST);
	if (n > 0)
		read_values(r, at.path, (size_t)n, e);
	return 0;
}

static bool has(struct df_bytes xattrs, const char *name)
{
	struct df_xattr x;
	size_t at = 0;

	while (df_xattr_next(xattrs, &at, &x))
		if (strcmp(x.name, name) == 0)
			return true;
	return false;
}

static int set_one(const struct at *at, const struct df_xattr *x)
{
	int rc = (at->follow ? setxattr : lsetxattr)(at->path, x->name, x->value.p, x->value.n, 0);

	return rc == 0 || errno == ENOTSUP || errno == EPERM ? 0 : uv_translate_sys_error(errno);
}

static int set_xattrs(struct df_root *r, const struct at *at, const struct df_entry *e)
{
	struct df_xattr x;
	size_t pos = 0;
	int rc = 0;

	if (!r->xattrs && !r->acls)
		return 0;
	ssize_t n = (at->follow ? listxattr : llistxattr)(at->path, r->list, LIST);
	for (const char *p = r->list; n > 0 && p < r->list + n; p += strlen(p) + 1)
		if (is_carried(r, p) && !has(e->xattrs, p))
			(at->follow ? removexattr : lremovexattr)(at->path, p);
	while (rc == 0 && df_xattr_next(e->xattrs, &pos, &x))
		if (is_carried(r, x.name))
			rc = set_one(at, &x);
	return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void times(const struct df_entry *e, struct timespec t[2])
{
	int64_t s = e->mtime / 1000000000, ns = e->mtime % 1000000000;

	if (ns < 0) {
		ns += 1000000000;
		s--;
	}
	t[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	t[1] = (struct timespec){ .tv_sec = s, .tv_nsec = ns };
}

/* Without the right to give away, a file is ours; that is no failure. */
static bool gives_away(const struct df_root *r)
{
	return r->root && r->owner != DF_OWNER_NONE;
}

int df_attr_set_fd(struct df_root *r, int fd, const struct df_entry *e)
{
	struct at at = { .follow = false };
	struct timespec t[2];

	times(e, t);
	if (gives_away(r) &&
	    fchown(fd, id_of(r, false, e->user, e->uid), id_of(r, true, e->group, e->gid)) != 0)
		return uv_translate_sys_error(errno);
	if (fchmod(fd, e->mode) != 0)
		return uv_translate_sys_error(errno);
	at_fd(&at, fd);
	int rc = set_xattrs(r, &at, e);
	if (rc != 0)
		return rc;
	return futimens(fd, t) == 0 ? 0 : uv_translate_sys_error(errno);
}

int df_attr_set(struct df_root *r, int dir, const char *name, const struct df_entry *e)
{
	struct at at = { .follow = false };
	struct timespec t[2];

	times(e, t);
	if (gives_away(r) && fchownat(dir, name, id_of(r, false, e->user, e->uid),
				      id_of(r, true, e->group, e->gid), AT_SYMLINK_NOFOLLOW) != 0)
		return uv_translate_sys_error(errno);
	if (e->type != DF_SYMLINK && fchmodat(dir, name, e->mode, 0) != 0)
		return uv_translate_sys_error(errno);
	at_name(&at, dir, name);
	int rc = set_xattrs(r, &at, e);
	if (rc != 0)
		return rc;
	return utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW) == 0 ? 0
								 : uv_translate_sys_error(errno);
}
