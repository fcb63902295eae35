#include "core/proc/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/mem.h"

enum {
	MAGIC = 0x74726631, /* another layout: another number */
	HEAD = 4096,
	AREA = 4096 + 2 * INFLIGHT_REST,
	MORE = 16, /* areas that are added at once */
};

enum { IDLE, READING, TAKEN };

/* An area is nobody's, an earlier process's that nobody asked for yet, or in use. */
enum { FREE, LEFT, USED };

/* Written aside, then made the one that holds. */
struct progress {
	uint64_t done;  /* bytes that are in the file */
	uint64_t piece; /* bytes of the write under way */
	int64_t size;   /* the file's before it; -1: it has none */
	uint64_t dev, ino;
};

struct inflight_head {
	uint32_t magic;
	uint32_t state;
	uint64_t seq; /* of the read */
	uint64_t n;
	char id[INFLIGHT_ID];
	uint64_t unread; /* the first bytes of room before the read */
	uint64_t marks;  /* how many of them */
	uint32_t which;
	struct progress progress[2];
};

struct side {
	uint64_t seq; /* of the read that made it; 0: never */
	uint64_t n;
};

struct inflight_area {
	char id[INFLIGHT_ID]; /* "": free */
	struct side side[2];
};

static void *map(const struct inflight *f, size_t from, size_t n)
{
	return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)from);
}

/* ---- life ---------------------------------------------------------------------- */

static size_t area_at(size_t index)
{
	return HEAD + INFLIGHT_ROOM + index * (size_t)AREA;
}

/* Whose areas there are. */
static void learn_areas(struct inflight *f, size_t size)
{
	f->areas = (size - HEAD - INFLIGHT_ROOM) / AREA;
	if (f->areas == 0)
		return;
	f->uses = mem_resize(NULL, f->areas);
	f->names = mem_resize(NULL, f->areas * sizeof(*f->names));
	for (size_t i = 0; i < f->areas; i++) {
		ssize_t n = pread(f->fd, f->names[i], INFLIGHT_ID, (off_t)area_at(i));
		f->uses[i] = n == INFLIGHT_ID && f->names[i][0] ? LEFT : FREE;
	}
}

/* Size of what fd is, after it was made what it has to be; or a code. */
static ssize_t prepare(int fd, bool fresh)
{
	struct stat st;

	if (fresh && ftruncate(fd, HEAD + INFLIGHT_ROOM) != 0)
		return uv_translate_sys_error(errno);
	if (fstat(fd, &st) != 0)
		return uv_translate_sys_error(errno);
	return st.st_size >= HEAD + INFLIGHT_ROOM ? (ssize_t)st.st_size : UV_EINVAL;
}

static void unmap(struct inflight *f)
{
	if (f->head)
		munmap(f->head, HEAD + INFLIGHT_ROOM);
	*f = (struct inflight){ .fd = -1, .peek = { -1, -1 } };
}

static int map_head(struct inflight *f, bool fresh)
{
	ssize_t size = prepare(f->fd, fresh);
	void *at = size < 0 ? MAP_FAILED : map(f, 0, HEAD + INFLIGHT_ROOM);

	if (at == MAP_FAILED)
		return size < 0 ? (int)size : uv_translate_sys_error(errno);
	f->head = at;
	if (fresh)
		f->head->magic = MAGIC;
	if (f->head->magic != MAGIC)
		return UV_EINVAL;
	if (pipe2(f->peek, O_CLOEXEC | O_NONBLOCK) != 0)
		return uv_translate_sys_error(errno);
	learn_areas(f, (size_t)size);
	f->room = (char *)f->head + HEAD;
	f->marks = uv_hrtime() ^ (uint64_t)getpid() << 48;
	return 0;
}

int inflight_open(struct inflight *f, int fd)
{
	bool fresh = fd < 0;

	if (fresh)
		fd = memfd_create("inflight", MFD_CLOEXEC);
	if (fd < 0)
		return uv_translate_sys_error(errno);
	*f = (struct inflight){ .fd = fd, .peek = { -1, -1 } };
	int rc = map_head(f, fresh);
	if (rc) {
		unmap(f);
		if (fresh)
			close(fd);
	}
	return rc;
}

void inflight_close(struct inflight *f)
{
	if (!f->room)
		return;
	close(f->peek[0]);
	close(f->peek[1]);
	close(f->fd);
	free(f->uses);
	free(f->names);
	unmap(f);
}

int inflight_fd(const struct inflight *f)
{
	return f->fd;
}

/* ---- a read -------------------------------------------------------------------- */

static void set_progress(struct inflight *f, struct progress p)
{
	uint32_t other = 1 - f->head->which;

	f->head->progress[other] = p;
	__atomic_store_n(&f->head->which, other, __ATOMIC_RELEASE);
}

static struct progress progress(const struct inflight *f)
{
	return f->head->progress[f->head->which];
}

static void set_state(struct inflight *f, uint32_t state)
{
	__atomic_store_n(&f->head->state, state, __ATOMIC_RELEASE);
}

/* The first byte of the pipe, which stays there. As read(2) of it. */
static ssize_t peek(struct inflight *f, int fd, char *first)
{
	ssize_t n = tee(fd, f->peek[1], 1, SPLICE_F_NONBLOCK);

	return n > 0 ? read(f->peek[0], first, 1) : n;
}

/* splitmix64: no program guesses it, and none repeats it by chance. */
static uint64_t next_mark(struct inflight *f)
{
	uint64_t x = f->marks += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Room begins with what the pipe doesn't. As read(2) of its first byte. */
static ssize_t mark_room(struct inflight *f, int fd, size_t in_pipe)
{
	struct inflight_head *h = f->head;
	char first = 0;

	h->marks = in_pipe >= sizeof(h->unread) ? sizeof(h->unread) : 1;
	h->unread = next_mark(f);
	if (h->marks == 1) {
		ssize_t n = peek(f, fd, &first);
		if (n <= 0)
			return n;
		first = (char)~first;
		memcpy(&h->unread, &first, 1);
	}
	memcpy(f->room, &h->unread, h->marks);
	return 1;
}

ssize_t inflight_read(struct inflight *f, int fd, const char *id, size_t most)
{
	struct inflight_head *h = f->head;
	int in_pipe = 0;

	set_state(f, IDLE);
	if (ioctl(fd, FIONREAD, &in_pipe) != 0)
		return -1;
	ssize_t n = mark_room(f, fd, (size_t)in_pipe);
	if (n <= 0)
		return n;
	size_t want = in_pipe < 1 ? 1 : (size_t)in_pipe; /* one came meanwhile */
	h->seq++;
	h->n = want < most ? want : most;
	snprintf(h->id, sizeof(h->id), "%s", id);
	set_progress(f, (struct progress){ .done = 0 });
	set_state(f, READING);
	n = read(fd, f->room, h->n);
	if (n <= 0) {
		set_state(f, IDLE);
		return n;
	}
	h->n = (uint64_t)n;
	set_state(f, TAKEN);
	return n;
}

void inflight_done(struct inflight *f)
{
	if (f->room)
		set_state(f, IDLE);
}

void inflight_writing(struct inflight *f, int fd, size_t n)
{
	struct stat st;

	if (!f->room || f->head->state != TAKEN)
		return;
	struct progress p = { .done = progress(f).done, .piece = n, .size = -1 };
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		p.size = st.st_size;
		p.dev = st.st_dev;
		p.ino = st.st_ino;
	}
	set_progress(f, p);
}

void inflight_wrote(struct inflight *f, size_t n)
{
	if (f->room && f->head->state == TAKEN)
		set_progress(f, (struct progress){ .done = progress(f).done + n });
}

/* ---- rests --------------------------------------------------------------------- */

static char *side_data(struct inflight_area *a, int which)
{
	return (char *)a + 4096 + (size_t)which * INFLIGHT_REST;
}

static int newest(const struct inflight_area *a)
{
	return a->side[1].seq > a->side[0].seq;
}

static int add_areas(struct inflight *f)
{
	size_t count = f->areas + MORE;

	if (ftruncate(f->fd, (off_t)area_at(count)) != 0)
		return uv_translate_sys_error(errno);
	f->uses = mem_resize(f->uses, count);
	memset(f->uses + f->areas, FREE, MORE);
	f->areas = count;
	return 0;
}

static int take_area(struct inflight *f, struct inflight_rest *r, const char *id)
{
	size_t i = 0;

	while (i < f->areas && f->uses[i] != FREE)
		i++;
	int rc = i == f->areas ? add_areas(f) : 0;
	if (rc)
		return rc;
	void *at = map(f, area_at(i), AREA);
	if (at == MAP_FAILED)
		return uv_translate_sys_error(errno);
	*r = (struct inflight_rest){ at, i };
	memset(r->area, 0, sizeof(*r->area));
	snprintf(r->area->id, sizeof(r->area->id), "%s", id);
	f->uses[i] = USED;
	return 0;
}

int inflight_rest_put(struct inflight *f, struct inflight_rest *r, const char *id, const void *data,
		      size_t n)
{
	if (!r->area && n == 0)
		return 0;
	int rc = n > INFLIGHT_REST ? UV_E2BIG : r->area ? 0 : take_area(f, r, id);
	if (rc)
		return rc;
	int other = 1 - newest(r->area);
	struct side *s = &r->area->side[other];
	if (n > 0)
		memcpy(side_data(r->area, other), data, n);
	s->n = n;
	__atomic_store_n(&s->seq, f->head->seq, __ATOMIC_RELEASE);
	return 0;
}

static void punch(struct inflight *f, size_t index)
{
	fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)area_at(index), AREA);
	f->uses[index] = FREE;
}

void inflight_rest_free(struct inflight *f, struct inflight_rest *r)
{
	if (!r->area)
		return;
	munmap(r->area, AREA);
	punch(f, r->index);
	r->area = NULL;
}

/* ---- after a crash ------------------------------------------------------------- */

size_t inflight_rest_find(struct inflight *f, struct inflight_rest *r, const char *id,
			  const void **data)
{
	for (size_t i = 0; !r->area && f->names && i < f->areas; i++) {
		if (f->uses[i] != LEFT || strncmp(f->names[i], id, INFLIGHT_ID) != 0)
			continue;
		void *at = map(f, area_at(i), AREA);
		if (at == MAP_FAILED)
			break;
		*r = (struct inflight_rest){ at, i };
		f->uses[i] = USED;
	}
	if (!r->area)
		return 0;
	*data = side_data(r->area, newest(r->area));
	size_t n = r->area->side[newest(r->area)].n;
	return n <= INFLIGHT_REST ? n : 0;
}

/* Of the write under way. */
static uint64_t grown(const struct progress *p, const char *path)
{
	struct stat st;

	if (p->piece == 0 || p->size < 0 || !path || stat(path, &st) != 0 || st.st_dev != p->dev ||
	    st.st_ino != p->ino || st.st_size <= p->size)
		return 0;
	uint64_t more = (uint64_t)(st.st_size - p->size);
	return more < p->piece ? more : p->piece;
}

size_t inflight_left(struct inflight *f, const struct inflight_rest *r, const char *id,
		     const char *path, size_t *written)
{
	struct inflight_head *h = f->head;

	*written = 0;
	if (h->state == IDLE || strncmp(h->id, id, sizeof(h->id)) != 0 || h->n > INFLIGHT_ROOM)
		return 0;
	bool unread = h->state == READING && h->marks <= sizeof(h->unread) &&
		      memcmp(f->room, &h->unread, h->marks) == 0;
	bool finished = r->area && r->area->side[newest(r->area)].seq == h->seq;
	if (unread || finished) {
		set_state(f, IDLE);
		return 0;
	}
	struct progress p = progress(f);
	p.done += grown(&p, path);
	p.piece = 0;
	set_progress(f, p);
	set_state(f, TAKEN);
	*written = p.done;
	return h->n;
}

void inflight_sweep(struct inflight *f)
{
	if (!f->room)
		return;
	set_state(f, IDLE);
	for (size_t i = 0; i < f->areas; i++)
		if (f->uses[i] == LEFT)
			punch(f, i);
	free(f->names);
	f->names = NULL;
}
