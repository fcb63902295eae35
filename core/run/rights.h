/* rights - what the process may do: the number of files, and whose rights it has. */
#pragma once

struct err;
struct settings;

/* The soft limit of open files becomes the hard one. */
void rights_raise_files(void);

/* Becomes [troupe] user and group, for good. Nothing when not root or not asked for. */
int rights_drop(const struct settings *s, struct err *err);
