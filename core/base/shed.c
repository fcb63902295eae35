#include "core/base/shed.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PARTS_MOST = 256 };

struct parts {
	struct {
		uintptr_t from;
		size_t n;
	} all[PARTS_MOST];
	size_t count;
	uintptr_t page;
};

/* What is never written is as it is in the file, whenever it is read. */
static int add_object(struct dl_phdr_info *object, size_t size, void *data)
{
	struct parts *parts = data;

	(void)size;
	for (int i = 0; i < object->dlpi_phnum && parts->count < PARTS_MOST; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t from = (object->dlpi_addr + part->p_vaddr) & ~(parts->page - 1);
		uintptr_t to = object->dlpi_addr + part->p_vaddr + part->p_filesz;

		if (part->p_type != PT_LOAD || part->p_flags & PF_W)
			continue;
		parts->all[parts->count].from = from;
		parts->all[parts->count++].n = to - from;
	}
	return 0;
}

/* First all are found: the headers that tell them are in pages that go, too. */
void shed_pages(void)
{
	struct parts parts = { .page = (uintptr_t)sysconf(_SC_PAGESIZE) };

	dl_iterate_phdr(add_object, &parts);
	for (size_t i = 0; i < parts.count; i++)
		madvise((void *)parts.all[i].from, parts.all[i].n, MADV_DONTNEED);
}

void shed_memory(void)
{
	malloc_trim(0);
	shed_pages();
}
