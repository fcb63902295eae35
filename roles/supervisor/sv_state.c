#include "roles/supervisor/sv_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"

enum { FIRST = 64, NONE = -1, HEAD = 4096 };

static const struct sv_state_head ours = { { 't', 'r', 'o', 'u', 'p', 'e', 's', 'v' },
					   SV_STATE_VERSION,
					   sizeof(struct sv_slot) };

_Static_assert(sizeof(struct sv_slot) <= 1024, "a slot is a quarter of a page at most");

static int map(struct sv_state *s, size_t count)
{
	size_t size = HEAD + count * sizeof(struct sv_slot);

	int rc = posix_fallocate(s->fd, 0, (off_t)size); /* a hole of a full disk would kill us */
	if (rc)
		return uv_translate_sys_error(rc);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (at == MAP_FAILED)
		return uv_translate_sys_error(errno);
	if (s->head)
		munmap(s->head, HEAD + s->count * sizeof(struct sv_slot));
	s->head = at;
	s->slots = (struct sv_slot *)((char *)at + HEAD);
	s->count = count;
	return 0;
}

int sv_state_refuse(const char *path, struct err *err)
{
	struct sv_state_head head = { .version = 0 };
	char aside[4096 + 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, &head, sizeof(head)) : 0;

	if (fd >= 0)
		close(fd);
	if (n == 0 || (n == sizeof(head) && memcmp(&head, &ours, sizeof(head)) == 0))
		return 0;
	snprintf(aside, sizeof(aside), "%s.refused", path);
	if (rename(path, aside) != 0)
		unlink(path);
	if (n < (ssize_t)sizeof(head) || memcmp(head.magic, ours.magic, sizeof(head.magic)) != 0)
		return err_set(err, UV_EPROTO, "%s is no state of a supervisor", path);
	return err_set(err, UV_EPROTO, "%s is of version %u, ours is %u", path, head.version,
		       ours.version);
}

int sv_state_open(struct sv_state *s, const char *path, struct err *err)
{
	struct stat st = { 0 };

	*s = (struct sv_state){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) };
	snprintf(s->path, sizeof(s->path), "%s", path);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
	size_t count = st.st_size > HEAD ? ((size_t)st.st_size - HEAD) / sizeof(struct sv_slot) : 0;
	int rc = map(s, count < FIRST ? FIRST : count);
	if (rc)
		return err_set(err, rc, "%s: %s", path, uv_strerror(rc));
	*s->head = ours;
	return 0;
}

size_t sv_state_take(struct sv_state *s)
{
	size_t i = s->free;

	if (!s->slots)
		return (size_t)NONE;
	while (i < s->count && s->slots[i].use != SV_SLOT_FREE)
		i++;
	if (i == s->count && map(s, s->count * 2) != 0)
		return (size_t)NONE;
	s->free = i + 1;
	s->slots[i] = (struct sv_slot){ .use = SV_SLOT_FREE };
	return i;
}

struct sv_slot *sv_state_slot(const struct sv_state *s, size_t i)
{
	return s->slots && i < s->count ? &s->slots[i] : NULL;
}

void sv_state_give(struct sv_state *s, size_t i)
{
	struct sv_slot *slot = sv_state_slot(s, i);

	if (!slot)
		return;
	__atomic_store_n(&slot->use, SV_SLOT_FREE, __ATOMIC_RELEASE);
	if (i < s->free)
		s->free = i;
}

void sv_state_close(struct sv_state *s, bool remove)
{
	if (!s->slots)
		return;
	if (remove)
		unlink(s->path);
	munmap(s->head, HEAD + s->count * sizeof(struct sv_slot));
	close(s->fd);
	s->head = NULL;
	s->slots = NULL;
}
