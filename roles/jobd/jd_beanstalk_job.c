/*
 * What the engine does not know of a job: its exact priority, which the engine has in 256 classes,
 * and what happened to it, for stats-job.
 *
 *	pri     0..63: themselves     64..1023: 16 to an octave     from 1024 on: about 6 to one
 *	class   0..63                 64..127                       128..255
 *
 * Numbers of one class are served in the order in which they came. The exact one stands in the
 * job's meta, "beanstalk PRI DELAY TTR"; one that release or bury has set is remembered as long as
 * we run, after that it is the least one of its class.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/jobd/jd_beanstalk_private.h"

enum { EXACT = 64, FIRST = 256 };

/* ---- priority ---------------------------------------------------------------------------- */

int jd_bs_prio_of(uint32_t pri)
{
	if (pri < EXACT)
		return (int)pri;
	int octave = 31 - __builtin_clz(pri);
	if (octave < 10)
		return EXACT + (octave - 6) * 16 + (int)(pri >> (octave - 4) & 15);
	uint32_t part = (uint32_t)(octave - 10) << 10 | (pri >> (octave - 10) & 1023);
	return WORK_PRIO + (int)(part * 128 / (22 << 10));
}

uint32_t jd_bs_pri_of(int prio)
{
	uint64_t low = 0, high = UINT32_MAX;

	while (low < high) {
		uint64_t mid = (low + high) / 2;
		if (jd_bs_prio_of((uint32_t)mid) < prio)
			low = mid + 1;
		else
			high = mid;
	}
	return (uint32_t)low;
}

/* ---- what stands beside its body ------------------------------------------------------------ */

static const char mark[] = "beanstalk ";

static char *put_number(char *p, uint32_t n)
{
	char digits[10];
	int i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		*p++ = digits[--i];
	return p;
}

size_t jd_bs_meta_write(char to[JD_BS_META], const struct jd_bs_facts *f)
{
	char *p = put_number(stpcpy(to, mark), f->pri);

	*p++ = ' ';
	p = put_number(p, f->delay);
	*p++ = ' ';
	return (size_t)(put_number(p, f->ttr) - to);
}

bool jd_bs_meta_read(const void *meta, size_t n, struct jd_bs_facts *f)
{
	char text[JD_BS_META], *end;
	bool fits = n >= sizeof(mark) && n < sizeof(text);

	if (!fits || memcmp(meta, mark, sizeof(mark) - 1) != 0)
		return false;
	memcpy(text, meta, n);
	text[n] = '\0';
	f->pri = (uint32_t)strtoul(text + sizeof(mark) - 1, &end, 10);
	f->delay = (uint32_t)strtoul(end, &end, 10);
	f->ttr = (uint32_t)strtoul(end, &end, 10);
	return true;
}

/* ---- marks --------------------------------------------------------------------------------- */

static struct jd_bs_mark **bucket(struct jd_bs_marks *m, uint64_t id)
{
	return &m->buckets[(id * 0x9e3779b97f4a7c15u >> 32) & m->mask];
}

static void grow(struct jd_bs_marks *m)
{
	struct jd_bs_marks more = { .n = m->n, .mask = m->buckets ? m->mask * 2 + 1 : FIRST - 1 };

	more.buckets = mem_new(((size_t)more.mask + 1) * sizeof(void *));
	for (uint32_t i = 0; m->buckets && i <= m->mask; i++)
		for (struct jd_bs_mark *one = m->buckets[i], *next; one; one = next) {
			struct jd_bs_mark **at = bucket(&more, one->id);
			next = one->next;
			one->next = *at;
			*at = one;
		}
	free(m->buckets);
	m->buckets = more.buckets;
	m->mask = more.mask;
}

struct jd_bs_mark *jd_bs_mark_find(struct jd_bs *bs, uint64_t id)
{
	if (!bs->marks.n)
		return NULL;
	struct jd_bs_mark *one = *bucket(&bs->marks, id);
	while (one && one->id != id)
		one = one->next;
	return one;
}

struct jd_bs_mark *jd_bs_mark_get(struct jd_bs *bs, uint64_t id)
{
	struct jd_bs_marks *m = &bs->marks;
	struct jd_bs_mark *one = jd_bs_mark_find(bs, id);

	if (one)
		return one;
	if (m->n >= JD_BS_MARKS)
		jd_bs_mark_drop(bs, container_of(m->ages.next, struct jd_bs_mark, age)->id);
	if (!m->buckets || m->n > m->mask)
		grow(m);
	one = mem_new(sizeof(*one));
	one->id = id;
	struct jd_bs_mark **at = bucket(m, id);
	one->next = *at;
	*at = one;
	list_append(&m->ages, &one->age);
	m->n++;
	return one;
}

void jd_bs_mark_drop(struct jd_bs *bs, uint64_t id)
{
	struct jd_bs_marks *m = &bs->marks;
	struct jd_bs_mark *one = jd_bs_mark_find(bs, id);

	if (!one)
		return;
	struct jd_bs_mark **at = bucket(m, id);
	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	list_remove(&one->age);
	free(one);
	m->n--;
}

void jd_bs_marks_free(struct jd_bs *bs)
{
	while (bs->marks.n)
		jd_bs_mark_drop(bs, container_of(bs->marks.ages.next, struct jd_bs_mark, age)->id);
	free(bs->marks.buckets);
}
