/*
 * df_index - what a share is, as far as we know: a tree of nodes in LMDB.
 *
 *	nodes    id -> parent, name, numbers, what the disk says of it, its entry
 *	names    parent, name -> id              a folder's move is one row, whatever is in it
 *	tombs    parent, name -> number, id      what is gone, or where it has gone; one for each
 *place order    number -> id, or the place of a tomb inodes   device, inode -> id, several of one
 *inode theirs   peer, its id -> id              what a peer has told of wants    peer, parent, name
 *what is not as it has told any more peers    name -> which index of ours they know, and up to
 *which number
 *
 * Each change gets the next number and takes the node's old one out of the order: who walks the
 * order from where a peer is sees each node once, as it is now. Nothing is ever replayed.
 *
 * One transaction is open at a time; df_index_commit ends it, and nobody is told of what is not
 * committed. The file is not synced: a process that is killed loses nothing that was committed, and
 * after a crash of the whole machine (the boot id is another one) the index is not trusted: it is
 * made anew, as another epoch, from a scan.
 *
 * All of it is of one thread. What is returned by pointer holds until the next change.
 */
#pragma once

#include <sys/types.h>

#include "roles/dfsd/df_entry.h"

struct df_index;
struct err;

typedef uint64_t df_id;

enum { DF_ROOT = 1, DF_NOBODY = 0 }; /* ids */

/* An origin: made of what we and a peer had, so that each is told of it. */
static const uint32_t DF_OF_BOTH = UINT32_MAX;

struct df_node {
	df_id id, parent;
	uint64_t seq;     /* of its last change */
	uint64_t born;    /* its first one */
	uint64_t content; /* the last one of its content */
	df_id their;      /* what it is called by `peer`, 0: it never told of it */
	uint64_t dev, ino;
	int64_t ctime;   /* ns; with size and mtime of the entry: whether the disk's is another */
	uint32_t origin; /* the peer that it is from, 0: it is ours */
	uint32_t peer;
	uint32_t seen; /* the round in which it was last met */
	bool racy;     /* it may have changed since, within one tick of the file system's clock */
	struct df_bytes name;
	struct df_entry entry;
};

/* state: a folder for the files; made when it is not there. map: bytes that it may grow to. */
int df_index_open(struct df_index **out, const char *state, size_t map, struct err *err);
void df_index_close(struct df_index *x);

const uint8_t *df_index_epoch(const struct df_index *x); /* 16 bytes */
uint64_t df_index_last(const struct df_index *x);        /* number; 0: it is empty */
uint64_t df_index_count(const struct df_index *x);       /* nodes, without the root */

/* Whether there is something to commit. A failure (the disk is full) has undone all since the last
 * one: the share has to be scanned again. */
bool df_index_is_dirty(const struct df_index *x);
int df_index_commit(struct df_index *x, struct err *err);

/* ---- finding ------------------------------------------------------------------------------- */

bool df_index_get(struct df_index *x, df_id id, struct df_node *n); /* what is gone, too */
bool df_index_child(struct df_index *x, df_id parent, struct df_bytes name, struct df_node *n);
bool df_index_find(struct df_index *x, const char *path, struct df_node *n);

/* path: DF_PATH bytes. false: it is nowhere, or too deep. */
bool df_index_path(struct df_index *x, df_id id, char path[DF_PATH]);
bool df_index_place(struct df_index *x, df_id parent, struct df_bytes name, char path[DF_PATH]);

/* What the peer of that number calls `their`. */
bool df_index_of_peer(struct df_index *x, uint32_t peer, df_id their, struct df_node *n);

/* The nodes of one inode; after: the id to go on behind, DF_NOBODY: the first. */
bool df_index_twin(struct df_index *x, uint64_t dev, uint64_t ino, df_id after, struct df_node *n);

/* What is there, or was: of type DF_GONE. Only a share that several write to keeps those. */
bool df_index_was(struct df_index *x, const char *path, struct df_node *n);

/* Another one that is, or was, of that inode, with that size and time. */
bool df_index_like(struct df_index *x, const struct df_node *now, struct df_node *n);

/* The children of a folder in the order of their names; after: n 0 for the first. */
bool df_index_next(struct df_index *x, df_id parent, struct df_bytes after, struct df_node *n);

/* ---- changing ------------------------------------------------------------------------------ */

/* Several write to it: each node has a version, and what is gone stays as DF_GONE until
 * df_index_forget. node: what we are called. Before anything is put. */
void df_index_share(struct df_index *x, const char *node);

/* What came to be, or is another by now, at n->parent and n->name: id DF_NOBODY for a new one. The
 * numbers are set here; and its version, when it is ours (origin 0). content: it is not the one it
 * was. A tomb of its place stays. */
void df_index_put(struct df_index *x, struct df_node *n, bool content);

/* The same without a number: only what the disk says of it is another, or `seen`. */
void df_index_note(struct df_index *x, const struct df_node *n);

/* To another place, with all that is in it. What was there is forgotten (a folder gets a tomb), and
 * its old place gets one. n is as it is then. */
void df_index_move(struct df_index *x, struct df_node *n, df_id parent, struct df_bytes name);

/* It is gone, with all that was in it; its place gets a tomb, when `tomb`. Returns how many nodes.
 */
uint64_t df_index_drop(struct df_index *x, df_id id, bool tomb);

/* An inode that has lost a name with one of those, and has another one: device and inode; each is
 * told once. */
bool df_index_take_lost(struct df_index *x, uint64_t inode[2]);

/* ---- the order ----------------------------------------------------------------------------- */

struct df_change {
	uint64_t seq;
	df_id id; /* DF_NOBODY: a tomb, of: */
	df_id parent;
	struct df_bytes name;
};

/* The first with a number above seq. */
bool df_index_after(struct df_index *x, uint64_t seq, struct df_change *c);

struct df_tomb {
	uint64_t seq; /* 0: there is none */
	df_id moved;  /* what stood there and is elsewhere now, DF_NOBODY: it is gone */
};

/* The tomb of a place. */
struct df_tomb df_index_tomb(struct df_index *x, df_id parent, struct df_bytes name);

/* Tombs, and what is gone, up to that number: everybody knows. Some of them, in each call. */
void df_index_forget(struct df_index *x, uint64_t upto);

/* ---- peers --------------------------------------------------------------------------------- */

struct df_known {
	uint8_t epoch[16]; /* of the other side's index */
	uint64_t theirs;   /* up to which number of theirs we have all */
	uint64_t ours;     /* up to which number of ours they have all */
	uint32_t origin;   /* what stands for it in df_node.origin, from 1 */
	uint32_t round;    /* the last whole listing that we had of it, see df_node.seen */
};

/* All 0 but the origin for one that is new. */
void df_index_peer(struct df_index *x, const char *name, struct df_known *k);
void df_index_set_peer(struct df_index *x, const char *name, const struct df_known *k);

/* It has another index now: what it calls by which id is forgotten. */
void df_index_forget_peer(struct df_index *x, uint32_t peer);

/* What it is to tell of once more; *their: the one before, 0: none. */
void df_index_want(struct df_index *x, uint32_t peer, df_id their);
void df_index_have(struct df_index *x, uint32_t peer, df_id their);
bool df_index_next_want(struct df_index *x, uint32_t peer, df_id *their);
