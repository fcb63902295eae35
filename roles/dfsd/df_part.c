#include "roles/dfsd/df_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "roles/dfsd/df_frame.h"
#include "roles/dfsd/df_hash.h"
#include "roles/dfsd/df_index.h"
#include "roles/dfsd/df_send.h"

enum { ROOM = 65536, KEPT = 16, MINUTE = 60, DAY = 24 * 3600 };

static int code(void)
{
	return uv_translate_sys_error(errno);
}

/* ---- open, close --------------------------------------------------------------------------- */

static void name_it(struct df_part *part, const struct df_part_name *name)
{
	uint8_t hash[DF_HASH];
	uint64_t key[4] = { name->origin, name->id, name->size, (uint64_t)name->mtime }, short_one;

	df_hash(key, sizeof(key), hash);
	memcpy(&short_one, hash, sizeof(short_one));
	snprintf(part->temp.name, sizeof(part->temp.name), DF_PART_PREFIX "%016llx",
		 (unsigned long long)short_one);
}

/* Adds what is in the file to the hash. */
static int hash_file(struct df_part *part, uint64_t at, uint64_t n)
{
	uint8_t bytes[ROOM];

	while (n) {
		ssize_t got = pread(part->temp.fd, bytes, n < ROOM ? n : ROOM, (off_t)at);
		if (got <= 0)
			return got < 0 ? code() : -ESTALE;
		df_hasher_add(part->hasher, bytes, (size_t)got);
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return 0;
}

static void begin_anew(struct df_part *part)
{
	df_hasher_free(part->hasher);
	part->hasher = df_hasher_new();
	part->at = 0;
	part->resumed = false;
}

/* What an earlier time has left. */
static int open_left(struct df_part *part)
{
	struct stat st;

	part->temp.fd = openat(part->root->tmp, part->temp.name,
			       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (part->temp.fd < 0)
		return code();
	if (fstat(part->temp.fd, &st) != 0)
		return code();
	uint64_t there = (uint64_t)st.st_size;
	if (!there || there > part->size || hash_file(part, 0, there) != 0) {
		begin_anew(part);
		return ftruncate(part->temp.fd, 0) == 0 ? 0 : code();
	}
	part->at = there;
	part->resumed = true;
	return 0;
}

int df_part_open(struct df_part *part, struct df_root *r, const struct df_part_name *name)
{
	*part = (struct df_part){ .root = r, .base = -1, .size = name->size };
	part->named = name->size >= DF_BIG;
	begin_anew(part);
	if (!part->named)
		return df_root_temp(r, &part->temp);
	name_it(part, name);
	return open_left(part);
}

static void close_rest(struct df_part *part)
{
	if (part->base >= 0)
		close(part->base);
	part->base = -1;
	df_hasher_free(part->hasher);
	part->hasher = NULL;
}

void df_part_close(struct df_part *part)
{
	df_root_drop_temp(part->root, &part->temp);
	close_rest(part);
}

void df_part_leave(struct df_part *part)
{
	if (!part->named || part->at < DF_BIG || part->temp.fd < 0) {
		df_part_close(part);
		return;
	}
	if (ftruncate(part->temp.fd, (off_t)part->at) != 0) { /* what ends in a hole, too */
		df_part_close(part);
		return;
	}
	close(part->temp.fd);
	part->temp.fd = -1;
	close_rest(part);
}

bool df_part_base(struct df_part *part, const char *path, const struct df_node *n)
{
	struct stat st;
	int fd = df_root_read(part->root, path);

	if (fd < 0)
		return false;
	bool is = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == n->ino &&
		  (uint64_t)st.st_size == n->entry.size &&
		  (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == n->entry.mtime;
	if (is)
		part->base = fd;
	else
		close(fd);
	return is;
}

uint8_t *df_part_have(const struct df_part *part, uint8_t *p)
{
	p = df_put_number(p, part->at);
	df_hasher_get(part->hasher, p);
	return p + DF_HASH;
}

/* ---- pieces -------------------------------------------------------------------------------- */

static int write_data(struct df_part *part, const uint8_t *p, size_t n)
{
	df_hasher_add(part->hasher, p, n);
	for (uint64_t at = part->at; n;) {
		ssize_t w = pwrite(part->temp.fd, p, n, (off_t)at);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? code() : UV_EIO;
		p += w;
		n -= (size_t)w;
		at += (uint64_t)w;
	}
	return 0;
}

/* By hand, where the system can't between those two. */
static ssize_t copy_some(const struct df_part *part, uint64_t from, uint64_t to, uint64_t n)
{
	uint8_t bytes[ROOM];
	off_t in = (off_t)from, out = (off_t)to;
	ssize_t did = copy_file_range(part->base, &in, part->temp.fd, &out, n, 0);

	if (did >= 0 ||
	    (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
		return did;
	did = pread(part->base, bytes, n < ROOM ? n : ROOM, (off_t)from);
	return did > 0 ? pwrite(part->temp.fd, bytes, (size_t)did, (off_t)to) : did;
}

/* What has come to be in our file is what counts, whoever writes to the other one. */
static int copy(struct df_part *part, uint64_t from, uint64_t n)
{
	if (part->base < 0)
		return -ESTALE;
	for (uint64_t did = 0; did < n;) {
		ssize_t some = copy_some(part, from + did, part->at + did, n - did);
		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			return some < 0 ? code() : -ESTALE;
		did += (uint64_t)some;
	}
	return hash_file(part, part->at, n);
}

static int leave_hole(struct df_part *part, uint64_t n)
{
	static const uint8_t zeros[ROOM];

	for (uint64_t left = n; left;) {
		size_t some = left < ROOM ? left : ROOM;
		df_hasher_add(part->hasher, zeros, some);
		left -= some;
	}
	return ftruncate(part->temp.fd, (off_t)(part->at + n)) == 0 ? 0 : code();
}

struct piece {
	uint64_t at, from, n;
	const uint8_t *data;
};

static bool get(const struct df_part *part, uint8_t type, struct df_reader *r, struct piece *p)
{
	*p = (struct piece){ .at = df_get_number(r) };
	if (type == DF_DATA) {
		p->n = (uint64_t)(r->end - r->p);
		p->data = r->p;
	} else {
		p->from = type == DF_COPY ? df_get_number(r) : 0;
		p->n = df_get_number(r);
	}
	uint64_t most = type == DF_DATA ? DF_PIECE : type == DF_COPY ? DF_COPY_MOST : DF_HOLE_MOST;
	bool fits = p->at == part->at || (p->at == 0 && part->resumed);
	return !r->bad && fits && p->n <= most && p->n <= part->size - p->at &&
	       p->from <= INT64_MAX - DF_COPY_MOST;
}

int df_part_skip(struct df_part *part, uint8_t type, struct df_reader *r)
{
	struct piece p;

	if (!get(part, type, r, &p))
		return ERR_PROTO;
	part->at = p.at + p.n;
	part->resumed = false;
	return 0;
}

int df_part_take(struct df_part *part, uint8_t type, struct df_reader *r)
{
	struct piece p;
	int rc = 0;

	if (!get(part, type, r, &p))
		return ERR_PROTO;
	if (part->resumed && p.at == 0) {
		begin_anew(part);
		if (ftruncate(part->temp.fd, 0) != 0)
			return code();
	}
	part->resumed = false;
	if (type == DF_DATA)
		rc = write_data(part, p.data, (size_t)p.n);
	else
		rc = type == DF_COPY ? copy(part, p.from, p.n) : leave_hole(part, p.n);
	part->at += p.n;
	return rc;
}

bool df_part_is(struct df_part *part, const uint8_t hash[DF_HASH])
{
	uint8_t own[DF_HASH];

	df_hasher_get(part->hasher, own);
	return part->at == part->size && memcmp(own, hash, DF_HASH) == 0;
}

/* ---- what was left ------------------------------------------------------------------------- */

/* The oldest one, and how many there are. */
static int oldest(struct df_root *r, char name[24], time_t *when)
{
	int fd = openat(r->tmp, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC), n = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, DF_PART_PREFIX, strlen(DF_PART_PREFIX)) != 0 ||
		    strlen(e->d_name) >= 24 ||
		    fstatat(r->tmp, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (n++ && st.st_mtime >= *when)
			continue;
		*when = st.st_mtime;
		strcpy(name, e->d_name);
	}
	if (d)
		closedir(d);
	return n;
}

void df_part_trim(struct df_root *r)
{
	char name[24];
	time_t when = 0;

	for (int n; (n = oldest(r, name, &when)) > 0;)
		if (when + (n > KEPT ? MINUTE : DAY) > time(NULL) || unlinkat(r->tmp, name, 0) != 0)
			break;
}
