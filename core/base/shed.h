/*
 * shed - gives back what only the beginning needed.
 *
 * Start-up runs through most of the program and its libraries once: 4 MB of their pages are then
 * ours for good, though hardly any is needed again, and the allocator keeps what was freed. Both go
 * back to the kernel; a page that is wanted again comes from its cache.
 */
#pragma once

/* About 0.1 ms, and as much again in page faults of whoever goes on. */
void shed_memory(void);

/* The pages only: for a process that allocates nothing. */
void shed_pages(void);
