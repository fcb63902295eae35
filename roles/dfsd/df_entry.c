#include "roles/dfsd/df_entry.h"

#include <string.h>
#include <sys/stat.h>

#include "roles/dfsd/df_version.h"

enum has {
	HAS_HASH = 1,
	HAS_USER = 2,
	HAS_GROUP = 4,
	HAS_TARGET = 8,
	HAS_XATTRS = 16,
	HAS_RDEV = 32,
	HAS_TWIN = 64,
	HAS_VERSION = 128,
	HAS_BY = 256,
	HAS_ALL = 511,
};

/* ---- numbers ------------------------------------------------------------------------------- */

uint8_t *df_put_number(uint8_t *p, uint64_t n)
{
	while (n >= 0x80) {
		*p++ = (uint8_t)(n | 0x80);
		n >>= 7;
	}
	*p++ = (uint8_t)n;
	return p;
}

uint8_t *df_put_bytes(uint8_t *p, struct df_bytes b)
{
	p = df_put_number(p, b.n);
	if (b.n)
		memcpy(p, b.p, b.n);
	return p + b.n;
}

static uint64_t fail(struct df_reader *r)
{
	r->bad = true;
	r->p = r->end;
	return 0;
}

uint64_t df_get_number(struct df_reader *r)
{
	uint64_t n = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		if (r->p == r->end)
			return fail(r);
		uint64_t bits = *r->p & 0x7f;
		if (shift == 63 && bits > 1)
			return fail(r);
		n |= bits << shift;
		if (!(*r->p++ & 0x80))
			return n;
	}
	return fail(r);
}

struct df_bytes df_get_bytes(struct df_reader *r, size_t most)
{
	uint64_t n = df_get_number(r);

	if (n > most || n > (size_t)(r->end - r->p)) {
		fail(r);
		return (struct df_bytes){ NULL, 0 };
	}
	struct df_bytes b = { r->p, n };
	r->p += n;
	return b;
}

static uint64_t zigzag(int64_t n)
{
	return n < 0 ? ~((uint64_t)n << 1) : (uint64_t)n << 1;
}

static int64_t zagzig(uint64_t n)
{
	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

/* ---- entries ------------------------------------------------------------------------------- */

size_t df_entry_room(const struct df_entry *e)
{
	return 17 * DF_NUMBER + DF_HASH + e->user.n + e->group.n + e->target.n + e->xattrs.n +
	       e->version.n + e->by.n;
}

static unsigned has_of(const struct df_entry *e)
{
	return (e->hashed ? HAS_HASH : 0) | (e->user.n ? HAS_USER : 0) |
	       (e->group.n ? HAS_GROUP : 0) | (e->target.n ? HAS_TARGET : 0) |
	       (e->xattrs.n ? HAS_XATTRS : 0) | (e->rdev ? HAS_RDEV : 0) |
	       (e->twin ? HAS_TWIN : 0) | (e->version.n ? HAS_VERSION : 0) | (e->by.n ? HAS_BY : 0);
}

uint8_t *df_entry_put(uint8_t *p, const struct df_entry *e)
{
	unsigned has = has_of(e);

	p = df_put_number(p, has);
	*p++ = (uint8_t)e->type;
	p = df_put_number(p, e->mode);
	p = df_put_number(p, e->uid);
	p = df_put_number(p, e->gid);
	p = df_put_number(p, zigzag(e->mtime));
	p = df_put_number(p, e->size);
	if (has & HAS_HASH) {
		memcpy(p, e->hash, DF_HASH);
		p += DF_HASH;
	}
	if (has & HAS_USER)
		p = df_put_bytes(p, e->user);
	if (has & HAS_GROUP)
		p = df_put_bytes(p, e->group);
	if (has & HAS_TARGET)
		p = df_put_bytes(p, e->target);
	if (has & HAS_XATTRS)
		p = df_put_bytes(p, e->xattrs);
	if (has & HAS_RDEV)
		p = df_put_number(p, e->rdev);
	if (has & HAS_TWIN)
		p = df_put_number(p, e->twin);
	if (has & HAS_VERSION)
		p = df_put_bytes(p, e->version);
	if (has & HAS_BY)
		p = df_put_bytes(p, e->by);
	return p;
}

static void get_rest(struct df_entry *e, struct df_reader *r, unsigned has)
{
	if (has & HAS_HASH) {
		if (r->end - r->p < DF_HASH) {
			fail(r);
			return;
		}
		e->hashed = true;
		memcpy(e->hash, r->p, DF_HASH);
		r->p += DF_HASH;
	}
	if (has & HAS_USER)
		e->user = df_get_bytes(r, DF_NAME);
	if (has & HAS_GROUP)
		e->group = df_get_bytes(r, DF_NAME);
	if (has & HAS_TARGET)
		e->target = df_get_bytes(r, DF_PATH);
	if (has & HAS_XATTRS)
		e->xattrs = df_get_bytes(r, DF_XATTRS);
	if (has & HAS_RDEV)
		e->rdev = df_get_number(r);
	if (has & HAS_TWIN)
		e->twin = df_get_number(r);
	if (has & HAS_VERSION)
		e->version = df_get_bytes(r, DF_VERSION);
	if (has & HAS_BY)
		e->by = df_get_bytes(r, DF_NODE_NAME);
}

/* A name that may be part of another one. */
static bool is_name(struct df_bytes b)
{
	return !b.n || (!memchr(b.p, 0, b.n) && !memchr(b.p, '/', b.n));
}

static bool is_well(const struct df_entry *e)
{
	return e->type <= DF_BLOCK && e->mode <= 07777 && (int64_t)e->size >= 0 &&
	       (e->type == DF_SYMLINK) == (e->target.n > 0) &&
	       !memchr(e->target.p ? e->target.p : "", 0, e->target.n) &&
	       df_xattrs_are_well(e->xattrs) && df_version_is_well(e->version) && is_name(e->by);
}

size_t df_entry_get(struct df_entry *e, const void *p, size_t n)
{
	struct df_reader r = { p, (const uint8_t *)p + n, false };

	*e = (struct df_entry){ .type = DF_GONE };
	uint64_t has = df_get_number(&r);
	if (has > HAS_ALL || r.p == r.end)
		return 0;
	e->type = (enum df_type) * r.p++;
	uint64_t mode = df_get_number(&r), uid = df_get_number(&r), gid = df_get_number(&r);
	if (mode > 07777 || uid > UINT32_MAX || gid > UINT32_MAX)
		return 0;
	e->mode = (uint32_t)mode;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->mtime = zagzig(df_get_number(&r));
	e->size = df_get_number(&r);
	get_rest(e, &r, (unsigned)has);
	return r.bad || !is_well(e) ? 0 : (size_t)(r.p - (const uint8_t *)p);
}

static enum df_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return DF_FILE;
	case S_IFDIR:
		return DF_DIR;
	case S_IFLNK:
		return DF_SYMLINK;
	case S_IFIFO:
		return DF_FIFO;
	case S_IFSOCK:
		return DF_SOCKET;
	case S_IFCHR:
		return DF_CHAR;
	default:
		return DF_BLOCK;
	}
}

void df_entry_of_stat(struct df_entry *e, const struct stat *st)
{
	*e = (struct df_entry){
		.type = type_of(st->st_mode),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
	};
	if (e->type == DF_FILE)
		e->size = (uint64_t)st->st_size;
	if (e->type == DF_CHAR || e->type == DF_BLOCK)
		e->rdev = st->st_rdev;
	if (e->type != DF_DIR && st->st_nlink > 1)
		e->twin = st->st_ino;
}

static bool same(struct df_bytes a, struct df_bytes b)
{
	return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}

bool df_entry_same_content(const struct df_entry *a, const struct df_entry *b)
{
	if (a->type != b->type || a->rdev != b->rdev || !same(a->target, b->target))
		return false;
	return a->type != DF_FILE ||
	       (a->size == b->size && a->mtime == b->mtime &&
		(!a->hashed || !b->hashed || memcmp(a->hash, b->hash, DF_HASH) == 0));
}

bool df_entry_same_rest(const struct df_entry *a, const struct df_entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->mtime == b->mtime &&
	       a->twin == b->twin && same(a->xattrs, b->xattrs);
}

/* ---- extended attributes --------------------------------------------------------------------- */

bool df_xattr_next(struct df_bytes xattrs, size_t *at, struct df_xattr *x)
{
	const uint8_t *p = xattrs.p;

	if (*at >= xattrs.n)
		return false;
	struct df_reader r = { p + *at, p + xattrs.n, false };
	struct df_bytes name = df_get_bytes(&r, DF_NAME + 1);
	x->value = df_get_bytes(&r, DF_XATTRS);
	x->name = name.p;
	*at = (size_t)(r.p - p);
	return !r.bad && name.n && x->name[name.n - 1] == '\0' && strlen(x->name) == name.n - 1;
}

bool df_xattrs_are_well(struct df_bytes xattrs)
{
	struct df_xattr x;
	size_t at = 0;

	while (at < xattrs.n)
		if (!df_xattr_next(xattrs, &at, &x))
			return false;
	return true;
}

/* ---- paths --------------------------------------------------------------------------------- */

static bool name_is_well(const char *name, size_t n)
{
	if (n == 0 || n > DF_NAME || memchr(name, 0, n))
		return false;
	if (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')))
		return false;
	return !(n == 7 && memcmp(name, ".troupe", 7) == 0);
}

bool df_path_is_well(struct df_bytes path)
{
	const char *p = path.p, *end = p + path.n;

	if (!path.n || path.n >= DF_PATH)
		return false;
	for (;;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		if (!name_is_well(p, (size_t)((slash ? slash : end) - p)))
			return false;
		if (!slash)
			return true;
		p = slash + 1;
	}
}

bool df_path_is_in(const char *path, const char *above)
{
	size_t n = strlen(above);

	return !n || (strncmp(path, above, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}
