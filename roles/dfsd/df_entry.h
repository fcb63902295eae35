/*
 * df_entry - what is known of one path, as bytes and as a struct.
 *
 * An entry says how a path is to be, never what happened to it; DF_GONE is one, too. The same bytes
 * stand in the index and on the wire:
 *
 *	has, type, mode, uid, gid, mtime, size, then what `has` names, in the order of its bits
 *
 * Numbers are LEB128, signed ones zigzag; texts and blobs have their length before them. A reader
 * that meets a bit it does not know refuses the entry: versions are agreed on before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stat;

enum df_type { DF_GONE, DF_FILE, DF_DIR, DF_SYMLINK, DF_FIFO, DF_SOCKET, DF_CHAR, DF_BLOCK };

enum { DF_PATH = 4096, DF_NAME = 255, DF_XATTRS = 256 * 1024, DF_HASH = 16, DF_NODE_NAME = 64 };

/* Not owned: they point into what the entry was read from. */
struct df_bytes {
	const void *p;
	size_t n;
};

struct df_entry {
	enum df_type type;
	uint32_t mode; /* permissions, 07777 */
	uint32_t uid, gid;
	int64_t mtime; /* ns since 1970 */
	uint64_t size; /* of a file */
	uint64_t rdev; /* of a device */
	uint64_t twin; /* the inode, of a file with several names; else 0 */
	bool hashed;
	uint8_t hash[DF_HASH];       /* XXH3, 128 bits, of a file's content */
	struct df_bytes user, group; /* names; n 0: not known */
	struct df_bytes target;      /* of a symbolic link */
	struct df_bytes xattrs;      /* see df_xattr_next */
	struct df_bytes version;     /* of shares that several nodes write to: see df_version */
	struct df_bytes by;          /* the same: the node that wrote last */
};

/* Bytes that df_entry_put writes at most. */
size_t df_entry_room(const struct df_entry *e);
uint8_t *df_entry_put(uint8_t *p, const struct df_entry *e);

/* Reads one from the front: bytes read, 0: that is not one. Its texts point into p. */
size_t df_entry_get(struct df_entry *e, const void *p, size_t n);

/* All but xattrs, names, target, hash. */
void df_entry_of_stat(struct df_entry *e, const struct stat *st);

/* Whether a file's or link's content is the same, as far as that can be told without reading it;
 * whether all else is. */
bool df_entry_same_content(const struct df_entry *a, const struct df_entry *b);
bool df_entry_same_rest(const struct df_entry *a, const struct df_entry *b);

/* ---- extended attributes: a name with its 0, a value, and so on, each with its length
 * ------------------------------ */

struct df_xattr {
	const char *name;
	struct df_bytes value;
};

/* The one at *at, which moves on; false at the end. A blob from a peer is checked first. */
bool df_xattr_next(struct df_bytes xattrs, size_t *at, struct df_xattr *x);
bool df_xattrs_are_well(struct df_bytes xattrs);

/* ---- paths ------------------------------------------------------------------------------- */

/* "a/b", relative to the root: no empty name, no "." or "..", nothing of ours (.troupe), no NUL,
 * names of up to DF_NAME bytes. */
bool df_path_is_well(struct df_bytes path);

/* Whether `path` is `above`, or below it. */
bool df_path_is_in(const char *path, const char *above);

/* ---- numbers ------------------------------------------------------------------------------- */

enum { DF_NUMBER = 10 }; /* bytes of one, at most */

uint8_t *df_put_number(uint8_t *p, uint64_t n);
uint8_t *df_put_bytes(uint8_t *p, struct df_bytes b);

struct df_reader {
	const uint8_t *p, *end;
	bool bad; /* it was over too soon; all that was read since is 0 */
};

uint64_t df_get_number(struct df_reader *r);
struct df_bytes df_get_bytes(struct df_reader *r, size_t most);
