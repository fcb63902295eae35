#include "roles/dfsd/df_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/dfsd/df_attr.h"

#define TROUPE ".troupe"
#define TMP    ".troupe/tmp"

enum { COPY = 1 << 30 }; /* bytes for one call */

static int code(void)
{
	return uv_translate_sys_error(errno);
}

/* openat2(2): a descriptor, or a code. */
static int open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do
		fd = (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR)); /* a folder was moved meanwhile */
	return fd >= 0 ? fd : code();
}

/* ---- open, close --------------------------------------------------------------------------- */

static int remove_in(int dir, const char *name);

static void sweep(int tmp)
{
	DIR *d = fdopendir(dup(tmp));
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strncmp(e->d_name, DF_PART_PREFIX, strlen(DF_PART_PREFIX)) != 0)
			remove_in(tmp, e->d_name);
	if (d)
		closedir(d);
}

static int say(struct err *err, const char *path, int rc)
{
	return err_set(err, rc, "%s: %s", path, uv_strerror(rc));
}

int df_root_open_to_read(struct df_root *r, const char *path, struct err *err)
{
	struct stat st;

	r->dir = r->tmp = -1;
	r->fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) != 0)
		return say(err, path, code());
	r->dev = st.st_dev;
	r->root = geteuid() == 0;
	df_attr_open(r);
	return 0;
}

int df_root_open(struct df_root *r, const char *path, struct err *err)
{
	int rc = df_root_open_to_read(r, path, err);

	if (rc != 0)
		return rc;
	if (mkdirat(r->fd, TROUPE, 0700) != 0 && errno != EEXIST)
		return say(err, path, code());
	if (mkdirat(r->fd, TMP, 0700) != 0 && errno != EEXIST)
		return say(err, path, code());
	r->tmp = open_beneath(r->fd, TMP, O_DIRECTORY | O_RDONLY, 0);
	if (r->tmp < 0)
		return say(err, path, r->tmp);
	if (flock(r->tmp, LOCK_EX | LOCK_NB) != 0)
		return err_set(err, UV_EBUSY, "%s: another troupe works in it", path);
	sweep(r->tmp);
	return 0;
}

void df_root_leave(struct df_root *r)
{
	if (unlinkat(r->fd, TMP, AT_REMOVEDIR) == 0)
		unlinkat(r->fd, TROUPE, AT_REMOVEDIR);
}

void df_root_close(struct df_root *r)
{
	df_root_forget(r);
	df_attr_close(r);
	if (r->tmp >= 0)
		close(r->tmp);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = r->tmp = -1;
}

void df_root_forget(struct df_root *r)
{
	if (r->dir >= 0)
		close(r->dir);
	r->dir = -1;
}

/* The folder that path is in, and what it is called there. */
static int dir_of(struct df_root *r, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	*name = slash ? slash + 1 : path;
	if (!n)
		return r->fd;
	if (r->dir >= 0 && strncmp(r->dir_path, path, n) == 0 && r->dir_path[n] == '\0')
		return r->dir;
	df_root_forget(r);
	if (n >= sizeof(r->dir_path))
		return UV_ENAMETOOLONG;
	memcpy(r->dir_path, path, n);
	r->dir_path[n] = '\0';
	r->dir = open_beneath(r->fd, r->dir_path, O_DIRECTORY | O_RDONLY, 0);
	return r->dir;
}

/* ---- looking ------------------------------------------------------------------------------- */

int df_root_list(struct df_root *r, const char *path, DIR **out)
{
	int fd = open_beneath(r->fd, path, O_DIRECTORY | O_RDONLY, 0);

	if (fd < 0)
		return fd;
	*out = fdopendir(fd);
	if (*out)
		return 0;
	int rc = code();
	close(fd);
	return rc;
}

int df_root_look(struct df_root *r, const char *path, struct df_seen *s)
{
	const char *name;
	struct stat st;
	int dir = dir_of(r, path, &name);

	if (dir < 0)
		return dir == UV_ENOENT || dir == UV_ELOOP ? UV_ENOTDIR : dir;
	if (fstatat(dir, *name ? name : ".", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return code();
	df_entry_of_stat(&s->entry, &st);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->ctime = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	s->links = (uint32_t)st.st_nlink;
	if (s->entry.type == DF_SYMLINK) {
		ssize_t n = readlinkat(dir, name, s->target, sizeof(s->target));
		if (n <= 0)
			return n < 0 ? code() : UV_ENOENT;
		s->entry.target = (struct df_bytes){ s->target, (size_t)n };
	}
	return df_attr_look(r, dir, name, &s->entry);
}

bool df_root_is(struct df_root *r, const char *path, uint64_t dev, uint64_t ino)
{
	const char *name;
	struct stat st;
	int dir = dir_of(r, path, &name);

	return dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

int df_root_read(struct df_root *r, const char *path)
{
	const char *name;
	int dir = dir_of(r, path, &name);

	return dir < 0 ? dir : open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

/* ---- changing ------------------------------------------------------------------------------ */

static void name_temp(struct df_root *r, char *name, size_t n)
{
	snprintf(name, n, "%d.%llu", (int)getpid(), (unsigned long long)++r->temps);
}

int df_root_temp(struct df_root *r, struct df_temp *t)
{
	name_temp(r, t->name, sizeof(t->name));
	t->fd = openat(r->tmp, t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return t->fd >= 0 ? 0 : code();
}

void df_root_drop_temp(struct df_root *r, struct df_temp *t)
{
	if (t->fd < 0)
		return;
	close(t->fd);
	unlinkat(r->tmp, t->name, 0);
	t->fd = -1;
}

/* From .troupe/tmp to its place; a folder that stands there goes first. */
static int settle(struct df_root *r, const char *temp, int dir, const char *name)
{
	if (renameat(r->tmp, temp, dir, name) == 0)
		return 0;
	if (errno != EISDIR && errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
		return code();
	int rc = remove_in(dir, name);
	if (rc != 0)
		return rc;
	return renameat(r->tmp, temp, dir, name) == 0 ? 0 : code();
}

int df_root_place(struct df_root *r, struct df_temp *t, const char *path, const struct df_entry *e)
{
	const char *name;
	int dir = dir_of(r, path, &name);
	int rc = dir < 0 ? dir : df_attr_set_fd(r, t->fd, e);

	if (rc == 0)
		rc = settle(r, t->name, dir, name);
	if (rc != 0) {
		df_root_drop_temp(r, t);
		return rc;
	}
	close(t->fd);
	t->fd = -1;
	return 0;
}

static int make_temp(struct df_root *r, const char *temp, const struct df_entry *e)
{
	char target[DF_PATH + 1];
	static const mode_t kinds[] = { [DF_FIFO] = S_IFIFO,
					[DF_SOCKET] = S_IFSOCK,
					[DF_CHAR] = S_IFCHR,
					[DF_BLOCK] = S_IFBLK };

	if (e->type != DF_SYMLINK)
		return mknodat(r->tmp, temp, kinds[e->type] | e->mode, e->rdev) == 0 ? 0 : code();
	memcpy(target, e->target.p, e->target.n);
	target[e->target.n] = '\0';
	return symlinkat(target, r->tmp, temp) == 0 ? 0 : code();
}

/* A folder; whatever else stands there goes. */
static int make_step(int dir, const char *name, mode_t mode)
{
	struct stat st;

	if (mkdirat(dir, name, mode) == 0)
		return 0;
	if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return code();
	if (S_ISDIR(st.st_mode))
		return 0;
	return unlinkat(dir, name, 0) == 0 && mkdirat(dir, name, mode) == 0 ? 0 : code();
}

int df_root_make(struct df_root *r, const char *path, const struct df_entry *e)
{
	char temp[24];
	const char *name;
	int dir = dir_of(r, path, &name);

	if (dir < 0)
		return dir;
	if (e->type == DF_DIR) {
		int rc = make_step(dir, name, 0700);
		return rc == 0 ? df_root_dress(r, path, e) : rc;
	}
	name_temp(r, temp, sizeof(temp));
	int rc = make_temp(r, temp, e);
	if (rc == 0)
		rc = df_attr_set(r, r->tmp, temp, e);
	if (rc == 0)
		rc = settle(r, temp, dir, name);
	if (rc != 0)
		unlinkat(r->tmp, temp, 0);
	return rc;
}

static bool is_of_type(int dir, const char *name, enum df_type type)
{
	struct df_entry e;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
		return false;
	df_entry_of_stat(&e, &st);
	return e.type == type;
}

int df_root_dress(struct df_root *r, const char *path, const struct df_entry *e)
{
	const char *name;
	int dir = dir_of(r, path, &name);

	if (dir < 0)
		return dir;
	if (!is_of_type(dir, name, e->type))
		return UV_ENOENT;
	if (e->type != DF_FILE && e->type != DF_DIR)
		return df_attr_set(r, dir, name, e);
	int fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd == UV_EACCES) /* its mode keeps us out, who are not root: mode first */
		return df_attr_set(r, dir, name, e);
	if (fd < 0)
		return fd;
	int rc = df_attr_set_fd(r, fd, e);
	close(fd);
	return rc;
}

/* Two places at once. */
struct places {
	int from, to; /* folders; the first one is opened for this call alone */
	const char *old, *name;
};

static int find_places(struct df_root *r, const char *from, const char *to, struct places *p)
{
	int dir = dir_of(r, from, &p->old);

	if (dir < 0)
		return dir;
	p->from = dup(dir);
	if (p->from < 0)
		return code();
	p->to = dir_of(r, to, &p->name);
	if (p->to >= 0)
		return 0;
	close(p->from);
	return p->to;
}

static bool is_still_there(const struct places *p)
{
	struct stat old, new;

	return fstatat(p->from, p->old, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(p->to, p->name, &new, AT_SYMLINK_NOFOLLOW) == 0 &&
	       old.st_ino == new.st_ino &&old.st_nlink > 1;
}

int df_root_rename(struct df_root *r, const char *from, const char *to)
{
	struct places p;
	int rc = find_places(r, from, to, &p);

	if (rc != 0)
		return rc;
	if (renameat(p.from, p.old, p.to, p.name) != 0) {
		rc = code();
		if (rc == UV_EISDIR || rc == UV_EEXIST || rc == UV_ENOTEMPTY || rc == UV_ENOTDIR) {
			rc = remove_in(p.to, p.name);
			if (rc == 0 && renameat(p.from, p.old, p.to, p.name) != 0)
				rc = code();
		}
	}
	if (rc == 0 && is_still_there(&p)) /* rename(2) of two names of one file leaves both */
		unlinkat(p.from, p.old, 0);
	close(p.from);
	df_root_forget(r);
	return rc;
}

int df_root_twin(struct df_root *r, const char *path_old, const char *path)
{
	char temp[24];
	struct places p;
	int rc = find_places(r, path_old, path, &p);

	if (rc != 0)
		return rc;
	name_temp(r, temp, sizeof(temp));
	rc = linkat(p.from, p.old, r->tmp, temp, 0) == 0 ? settle(r, temp, p.to, p.name) : code();
	unlinkat(r->tmp, temp, 0); /* rename(2) of two names of one file leaves both */
	close(p.from);
	return rc;
}

static int remove_all_in(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int rc = d ? 0 : code();

	while (d && rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = remove_in(fd, e->d_name);
	if (d)
		closedir(d);
	else
		close(fd);
	return rc;
}

static int remove_in(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return code();
	for (int tries = 0; tries < 3; tries++) {
		int fd = openat(dir, name, O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		int rc = fd >= 0 ? remove_all_in(fd) : code();
		if (rc != 0)
			return rc == UV_ENOENT ? 0 : rc;
		if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY) /* somebody writes into it */
			break;
	}
	return code();
}

int df_root_remove(struct df_root *r, const char *path)
{
	const char *name;
	int dir = dir_of(r, path, &name);

	if (dir < 0)
		return dir == UV_ENOENT || dir == UV_ENOTDIR || dir == UV_ELOOP ? 0 : dir;
	int rc = remove_in(dir, name);
	df_root_forget(r);
	return rc;
}

int df_root_remove_one(struct df_root *r, const char *path)
{
	const char *name;
	int dir = dir_of(r, path, &name);

	if (dir < 0)
		return dir == UV_ENOENT || dir == UV_ENOTDIR || dir == UV_ELOOP ? 0 : dir;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return code();
	int rc = unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : code();
	df_root_forget(r);
	return rc == UV_EEXIST ? UV_ENOTEMPTY : rc;
}

static int copy_all(int from, int to)
{
	ssize_t n;

	while ((n = copy_file_range(from, NULL, to, NULL, COPY, 0)) > 0)
		continue;
	if (n == 0)
		return 0;
	return code();
}

int df_root_copy(struct df_root *r, const char *from, const char *to, const struct df_entry *e)
{
	struct df_temp t;
	int fd = df_root_read(r, from);
	int rc = fd < 0 ? fd : df_root_temp(r, &t);

	if (rc != 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = copy_all(fd, t.fd);
	close(fd);
	if (rc == 0)
		return df_root_place(r, &t, to, e);
	df_root_drop_temp(r, &t);
	return rc;
}

int df_root_way(struct df_root *r, const char *path)
{
	char way[DF_PATH];
	int dir = r->fd, rc = 0;

	for (const char *slash = strchr(path, '/'); slash && rc == 0;
	     slash = strchr(slash + 1, '/')) {
		size_t n = (size_t)(slash - path);
		memcpy(way, path, n);
		way[n] = '\0';
		const char *last = strrchr(way, '/');
		char *name = last ? way + (last - way) + 1 : way;
		rc = make_step(dir, name, 0755);
		int next = rc == 0 ? open_beneath(r->fd, way, O_DIRECTORY | O_RDONLY, 0) : rc;
		if (dir != r->fd)
			close(dir);
		dir = next;
		rc = next < 0 ? next : 0;
	}
	if (dir >= 0 && dir != r->fd)
		close(dir);
	return rc;
}
