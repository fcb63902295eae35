/* df_attr - owners, permissions, times and extended attributes of what is in a root. */
#pragma once

struct df_entry;
struct df_root;

void df_attr_open(struct df_root *r);
void df_attr_close(struct df_root *r);

/* Adds names and attributes of dir/name to what its stat has told. */
int df_attr_look(struct df_root *r, int dir, const char *name, struct df_entry *e);

/* All that e says of it but its content. The second: of what can't be opened, a link or a fifo. */
int df_attr_set_fd(struct df_root *r, int fd, const struct df_entry *e);
int df_attr_set(struct df_root *r, int dir, const char *name, const struct df_entry *e);
