#include "core/store/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"

enum { HEAD = 4, FIRST = 4096 - HEAD }; /* in marks */

static const uint64_t magic = 0x316b72616d727440;

struct marks {
	int fd;
	uint64_t *map; /* HEAD words, then the marks */
	uint32_t n;    /* marks that the file has room for */
	uint32_t *free_at;
	uint32_t n_free;
	uint64_t *left;
	size_t n_left;
};

static size_t bytes(uint32_t n)
{
	return ((size_t)n + HEAD) * sizeof(uint64_t);
}

/* Where the kernel doesn't tell it is always the same boot. */
static void read_boot(char boot[16])
{
	char text[37] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = '\0';
		close(fd);
	}
	memset(boot, 0, 16);
	for (int i = 0, at = 0; text[i]; i++)
		if (text[i] != '-' && at < 32) {
			boot[at / 2] = (char)(boot[at / 2] * 31 + text[i]);
			at++;
		}
}

/* The first n marks are in use, or not ours to give. */
static void add_free(struct marks *m, uint32_t from)
{
	m->free_at = mem_resize(m->free_at, m->n * sizeof(uint32_t));
	for (uint32_t i = m->n; i > from; i--)
		m->free_at[m->n_free++] = i - 1;
}

static int map(struct marks *m, struct err *err)
{
	struct stat st;

	if (fstat(m->fd, &st) != 0)
		return err_set(err, -errno, "%s", strerror(errno));
	m->n = FIRST;
	if (st.st_size > (off_t)bytes(FIRST) && st.st_size <= (off_t)bytes(1u << 24))
		m->n = (uint32_t)((size_t)st.st_size / sizeof(uint64_t) - HEAD);
	int rc = posix_fallocate(m->fd, 0, (off_t)bytes(m->n));
	if (rc != 0)
		return err_set(err, -rc, "%s", strerror(rc));
	m->map = mmap(NULL, bytes(m->n), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (m->map == MAP_FAILED)
		return err_set(err, -errno, "%s", strerror(errno));
	return 0;
}

static void take_left(struct marks *m)
{
	char boot[16];

	read_boot(boot);
	if (m->map[0] == magic && memcmp(&m->map[1], boot, sizeof(boot)) == 0) {
		m->left = mem_new(bytes(m->n));
		for (uint32_t i = 0; i < m->n; i++)
			if (m->map[HEAD + i])
				m->left[m->n_left++] = m->map[HEAD + i];
	}
	memset(m->map, 0, bytes(m->n));
	m->map[0] = magic;
	memcpy(&m->map[1], boot, sizeof(boot));
}

int marks_open(struct marks **out, const char *path, struct err *err)
{
	struct marks *m = mem_new(sizeof(*m));

	m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = m->fd < 0 ? err_set(err, -errno, "%s", strerror(errno)) : map(m, err);
	if (rc != 0) {
		if (m->fd >= 0)
			close(m->fd);
		free(m);
		return err_wrap(err, rc, "%s", path);
	}
	take_left(m);
	add_free(m, 0);
	*out = m;
	return 0;
}

const uint64_t *marks_left(const struct marks *m, size_t *n)
{
	*n = m->n_left;
	return m->left;
}

static int grow(struct marks *m)
{
	uint32_t n = m->n * 2 + HEAD;

	if (n > 1u << 24 || posix_fallocate(m->fd, 0, (off_t)bytes(n)) != 0)
		return UV_ENOSPC;
	void *more = mremap(m->map, bytes(m->n), bytes(n), MREMAP_MAYMOVE);
	if (more == MAP_FAILED)
		return UV_ENOMEM;
	uint32_t before = m->n;
	m->map = more;
	m->n = n;
	add_free(m, before);
	return 0;
}

uint32_t marks_set(struct marks *m, uint64_t id)
{
	if (!m->n_free && grow(m) != 0)
		return MARKS_NONE;
	uint32_t at = m->free_at[--m->n_free];
	__atomic_store_n(&m->map[HEAD + at], id, __ATOMIC_RELAXED);
	return at;
}

void marks_clear(struct marks *m, uint32_t at)
{
	if (at == MARKS_NONE)
		return;
	__atomic_store_n(&m->map[HEAD + at], 0, __ATOMIC_RELAXED);
	m->free_at[m->n_free++] = at;
}

void marks_close(struct marks *m)
{
	memset(m->map + HEAD, 0, bytes(m->n) - HEAD * sizeof(uint64_t));
	munmap(m->map, bytes(m->n));
	close(m->fd);
	free(m->free_at);
	free(m->left);
	free(m);
}
