#include "roles/supervisor/sv_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"

enum { FIRST = 64, NONE = -1 };

_Static_assert(sizeof(struct sv_slot) <= 1024, "a slot is a quarter of a page at most");

static int map(struct sv_state *s, size_t count)
{
	size_t size = count * sizeof(struct sv_slot);

	if (ftruncate(s->fd, (off_t)size) != 0)
		return uv_translate_sys_error(errno);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (at == MAP_FAILED)
		return uv_translate_sys_error(errno);
	if (s->slots)
		munmap(s->slots, s->count * sizeof(struct sv_slot));
	s->slots = at;
	s->count = count;
	return 0;
}

int sv_state_open(struct sv_state *s, const char *path, struct err *err)
{
	struct stat st = { 0 };

	*s = (struct sv_state){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) };
	snprintf(s->path, sizeof(s->path), "%s", path);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
	size_t count = (size_t)st.st_size / sizeof(struct sv_slot);
	int rc = map(s, count < FIRST ? FIRST : count);
	return rc ? err_set(err, rc, "%s: %s", path, uv_strerror(rc)) : 0;
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
	munmap(s->slots, s->count * sizeof(struct sv_slot));
	close(s->fd);
	s->slots = NULL;
}
