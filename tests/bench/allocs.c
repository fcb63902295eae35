/*
 * Counts a program's allocations without touching it: LD_PRELOAD=allocs.so
 * ALLOCS=FILE program; the first 8 bytes of FILE are the count so far.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);

static _Atomic uint64_t before_start, *count = &before_start;

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("ALLOCS");
	int fd = path ? open(path, O_RDWR | O_CREAT, 0644) : -1;

	if (fd < 0)
		return;
	if (ftruncate(fd, 8) == 0) {
		void *map = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED)
			count = map;
	}
	close(fd);
}

void *malloc(size_t n)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	return __libc_realloc(old, n);
}
