/*
 * df_root - a tree on the disk, and nothing outside of it.
 *
 * Every path is opened beneath the root's descriptor by the kernel (openat2: no way up, through a
 * link or a mount of /proc), so that no name from a peer and no link that somebody puts in our way
 * leads elsewhere. What is written comes to be in .troupe/tmp, on the same file system, with all
 * its metadata, and takes its place by a rename: half of a file is never seen.
 *
 * Errors are libuv's codes. Calls block as long as the file system does.
 */
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include "roles/dfsd/df_entry.h"

/* What stays in .troupe/tmp when the share is opened again begins with that: see df_part. */
#define DF_PART_PREFIX "p"

struct err;

enum df_owner { DF_OWNER_NAME, DF_OWNER_ID, DF_OWNER_NONE };

struct df_names;

struct df_root {
	int fd, tmp; /* the root, and .troupe/tmp in it */
	uint64_t dev;
	enum df_owner owner;
	bool xattrs, acls;
	bool root;              /* we may give files away */
	struct df_names *names; /* of users and groups, by number and back */
	uint64_t temps;         /* so many had a name */
	int dir;                /* the folder that was asked for last, -1: none */
	char dir_path[DF_PATH];
	char *list; /* room for the names of attributes, and their values */
	uint8_t *values;
};

/* What was seen of a path, with room for what its entry points to. */
struct df_seen {
	struct df_entry entry;
	uint64_t dev, ino;
	int64_t ctime;
	uint32_t links;
	char target[DF_PATH];
};

/* The folder must be there; .troupe is made in it, and what an earlier one left there goes. One
 * process at a time: UV_EBUSY. */
int df_root_open(struct df_root *r, const char *path, struct err *err);
void df_root_close(struct df_root *r);

/* Nothing is to be changed in it, and nothing made. */
int df_root_open_to_read(struct df_root *r, const char *path, struct err *err);

/* .troupe goes, when nothing is in it; before the close. */
void df_root_leave(struct df_root *r);

/* Descriptors that are kept between calls may lead elsewhere by now: after each turn of the loop.
 */
void df_root_forget(struct df_root *r);

/* ---- looking ------------------------------------------------------------------------------- */

/* A folder, for reading its names: closed by the caller. "" is the root. */
int df_root_list(struct df_root *r, const char *path, DIR **out);

/* What is there; UV_ENOENT: nothing, UV_ENOTDIR: not even the folder. Attributes are kept until the
 * next call. */
int df_root_look(struct df_root *r, const char *path, struct df_seen *s);

/* Whether that inode is there. What was looked at last is kept. */
bool df_root_is(struct df_root *r, const char *path, uint64_t dev, uint64_t ino);

/* For reading: a descriptor. */
int df_root_read(struct df_root *r, const char *path);

/* ---- changing ------------------------------------------------------------------------------ */

struct df_temp {
	int fd;
	char name[24];
};

int df_root_temp(struct df_root *r, struct df_temp *t);
void df_root_drop_temp(struct df_root *r, struct df_temp *t);

/* It becomes the file at `path`, with all that e says. The descriptor is closed in any case. */
int df_root_place(struct df_root *r, struct df_temp *t, const char *path, const struct df_entry *e);

/* Whatever is not a file: folders (one that is there stays), links, fifos, devices. */
int df_root_make(struct df_root *r, const char *path, const struct df_entry *e);

/* All but the content, of what is there. UV_ENOENT: that is of another type. */
int df_root_dress(struct df_root *r, const char *path, const struct df_entry *e);

/* From one place to another one, in place of what is there. */
int df_root_rename(struct df_root *r, const char *from, const char *to);
int df_root_twin(struct df_root *r, const char *old, const char *path); /* a second name */

/* With all that is in it. What is not there is gone. */
int df_root_remove(struct df_root *r, const char *path);

/* The same, of what is no folder or an empty one; else UV_ENOTEMPTY. */
int df_root_remove_one(struct df_root *r, const char *path);

/* The content of a file, with all that e says. */
int df_root_copy(struct df_root *r, const char *from, const char *to, const struct df_entry *e);

/* The folders on the way to it, in place of whatever else stands there. */
int df_root_way(struct df_root *r, const char *path);
