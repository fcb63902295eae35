/* The index against a model of it: random changes, then all that can be asked; and what is left of
 * it after a kill. */
#include "roles/dfsd/df_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

enum { NODES = 4000, SEQS = 20000, NAMES = 12, INODES = 30, PEERS = 2, THEIRS = 40 };

/* What a number stands for: a node, or the tomb of a place. */
struct slot {
	df_id id, parent, moved;
	int name; /* of a tomb */
	bool tomb;
};

struct model_node {
	df_id parent; /* 0: it is not there */
	int name;
	bool folder;
	uint64_t seq, born, content, ino, size;
	uint32_t peer;
	df_id their;
};

static struct model {
	struct model_node nodes[NODES];
	struct slot order[SEQS];
	df_id of_peer[PEERS + 1][THEIRS];
	uint64_t last, count;
	df_id last_id;
} m;

static struct df_index *x;
static char state[64];
static uint64_t dice;

static uint64_t roll(uint64_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % below;
}

static struct df_bytes name_of(int name)
{
	static char names[NAMES][DF_NAME];

	snprintf(names[name], DF_NAME, "%c%d", name % 2 ? 'z' : 'a', name);
	if (name == 0)
		memset(names[0], 'x', DF_NAME);
	return (struct df_bytes){ names[name], name ? strlen(names[name]) : DF_NAME };
}

static void open_index(void)
{
	struct err err = { .text = "" };

	cr_assert(df_index_open(&x, state, 1 << 28, &err) == 0, "%s", err.text);
}

static void set_up(void)
{
	alarm(120);
	strcpy(state, "/tmp/test_index.XXXXXX");
	cr_assert(mkdtemp(state) != NULL);
	memset(&m, 0, sizeof(m));
	m.last_id = DF_ROOT;
	m.nodes[DF_ROOT] = (struct model_node){ .parent = DF_ROOT, .folder = true };
	open_index();
}

static void tear_down(void)
{
	char command[128];

	df_index_close(x);
	snprintf(command, sizeof(command), "rm -rf %s", state);
	check_int(system(command), 0);
}

TestSuite(df_index, .init = set_up, .fini = tear_down);

/* ---- the model ----------------------------------------------------------------------------- */

static df_id model_child(df_id parent, int name)
{
	for (df_id id = DF_ROOT + 1; id <= m.last_id; id++)
		if (m.nodes[id].parent == parent && m.nodes[id].name == name)
			return id;
	return DF_NOBODY;
}

static struct slot *model_tomb(df_id parent, int name)
{
	for (uint64_t seq = 1; seq <= m.last; seq++)
		if (m.order[seq].tomb && m.order[seq].parent == parent && m.order[seq].name == name)
			return &m.order[seq];
	return NULL;
}

static void model_number(df_id id)
{
	struct model_node *n = &m.nodes[id];

	n->seq = ++m.last;
	m.order[n->seq].id = id;
}

static void model_forget(uint64_t seq)
{
	m.order[seq] = (struct slot){ .id = DF_NOBODY };
}

static void model_put(df_id id, bool content)
{
	struct model_node *n = &m.nodes[id];

	if (n->seq != n->content || content)
		model_forget(n->seq);
	if (content)
		model_forget(n->content);
	model_number(id);
	if (content)
		n->content = n->seq;
}

static void model_bury(df_id parent, int name, df_id moved)
{
	struct slot *old = model_tomb(parent, name);

	if (old)
		*old = (struct slot){ .id = DF_NOBODY };
	m.order[++m.last] =
		(struct slot){ .tomb = true, .parent = parent, .name = name, .moved = moved };
}

static uint64_t model_drop_all(df_id id)
{
	struct model_node *n = &m.nodes[id];
	uint64_t dropped = 1;

	for (df_id child = DF_ROOT + 1; child <= m.last_id; child++)
		if (m.nodes[child].parent == id)
			dropped += model_drop_all(child);
	for (uint64_t seq = 1; seq <= m.last; seq++)
		if (m.order[seq].tomb && m.order[seq].parent == id)
			model_forget(seq);
	model_forget(n->seq);
	model_forget(n->content);
	if (n->their && m.of_peer[n->peer][n->their] == id)
		m.of_peer[n->peer][n->their] = DF_NOBODY;
	n->parent = DF_NOBODY;
	m.count--;
	return dropped;
}

static void model_move(df_id id, df_id parent, int name)
{
	struct model_node *n = &m.nodes[id];
	df_id from = n->parent, there = model_child(parent, name);
	int old = n->name;

	if (n->seq != n->content)
		model_forget(n->seq);
	model_number(id);
	n->parent = parent;
	n->name = name;
	if (there != DF_NOBODY && there != id) {
		bool folder = m.nodes[there].folder;
		model_drop_all(there);
		if (folder)
			model_bury(parent, name, DF_NOBODY);
	}
	if (m.nodes[from].parent != DF_NOBODY)
		model_bury(from, old, id);
}

/* ---- the same changes in both ---------------------------------------------------------------- */

static df_id some_node(bool folder)
{
	for (int tries = 0; tries < 100; tries++) {
		df_id id = 1 + roll(m.last_id);
		if (m.nodes[id].parent && (!folder || m.nodes[id].folder))
			return id;
	}
	return DF_ROOT;
}

static bool model_is_in(df_id id, df_id above)
{
	for (; id != DF_ROOT; id = m.nodes[id].parent)
		if (id == above)
			return true;
	return above == DF_ROOT;
}

static void fill(struct df_node *n, df_id id)
{
	const struct model_node *mn = &m.nodes[id];

	n->dev = 8;
	n->ino = mn->ino;
	n->peer = n->origin = mn->peer;
	n->their = mn->their;
	n->entry = (struct df_entry){ .type = mn->folder ? DF_DIR : DF_FILE, .size = mn->size };
}

static void name_it(df_id id)
{
	struct model_node *n = &m.nodes[id];
	uint32_t peer = 1 + (uint32_t)roll(PEERS);
	df_id their = 1 + roll(THEIRS - 1);

	if (n->peer == peer && n->their == their) /* it stays what it is, whoever has the name */
		return;
	if (n->their && m.of_peer[n->peer][n->their] == id)
		m.of_peer[n->peer][n->their] = DF_NOBODY;
	n->peer = peer;
	n->their = their;
	m.of_peer[peer][their] = id;
}

static void put_new(void)
{
	df_id parent = some_node(true);
	int name = (int)roll(NAMES);

	if (m.last_id + 1 >= NODES || model_child(parent, name) != DF_NOBODY)
		return;
	df_id id = ++m.last_id;
	m.count++;
	m.nodes[id] = (struct model_node){ .parent = parent,
					   .name = name,
					   .folder = roll(3) == 0,
					   .ino = 1 + roll(INODES),
					   .size = roll(1000) };
	name_it(id);
	model_number(id);
	m.nodes[id].born = m.nodes[id].content = m.nodes[id].seq;
	struct df_node n = { .parent = parent, .name = name_of(name) };
	fill(&n, id);
	df_index_put(x, &n, roll(2));
	check_int(n.id, id);
}

static void put_again(bool note)
{
	df_id id = some_node(false);
	struct df_node n;

	if (id == DF_ROOT)
		return;
	cr_assert(df_index_get(x, id, &n));
	m.nodes[id].ino = 1 + roll(INODES);
	m.nodes[id].size = roll(1000);
	if (!note)
		name_it(id);
	fill(&n, id);
	if (note) {
		df_index_note(x, &n);
		return;
	}
	bool content = roll(2);
	model_put(id, content);
	df_index_put(x, &n, content);
}

static void move(df_id id, df_id parent, int name)
{
	struct df_node n;

	if (id == DF_ROOT || model_is_in(parent, id) || model_child(parent, name) == id ||
	    (model_child(parent, name) != DF_NOBODY &&
	     model_is_in(parent, model_child(parent, name))))
		return;
	cr_assert(df_index_get(x, id, &n));
	model_move(id, parent, name);
	df_index_move(x, &n, parent, name_of(name));
	check_int(n.seq, m.nodes[id].seq);
}

/* Onto a folder that it stands in, however deep. */
static void move_up(void)
{
	df_id id = some_node(false), above = m.nodes[id].parent;

	while (id != DF_ROOT && above != DF_ROOT && roll(2) && m.nodes[above].parent != DF_ROOT)
		above = m.nodes[above].parent;
	if (id != DF_ROOT && above != DF_ROOT)
		move(id, m.nodes[above].parent, m.nodes[above].name);
}

static void drop(void)
{
	df_id id = some_node(false);

	if (id == DF_ROOT || (m.nodes[id].folder && roll(3)))
		return;
	df_id parent = m.nodes[id].parent;
	int name = m.nodes[id].name;
	bool tomb = roll(4) != 0;
	uint64_t n = model_drop_all(id);
	if (tomb)
		model_bury(parent, name, DF_NOBODY);
	check_int(df_index_drop(x, id, tomb), n);
}

static void forget_tombs(void)
{
	uint64_t upto = roll(m.last + 1);

	for (uint64_t seq = 1; seq <= upto; seq++)
		if (m.order[seq].tomb)
			model_forget(seq);
	df_index_forget(x, upto);
}

static void change(void)
{
	uint64_t what = roll(100);

	if (m.last + 10 > SEQS)
		return;
	if (what < 45)
		put_new();
	else if (what < 65)
		put_again(false);
	else if (what < 70)
		put_again(true);
	else if (what < 82)
		move(some_node(false), some_node(true), (int)roll(NAMES));
	else if (what < 87)
		move_up();
	else if (what < 99)
		drop();
	else
		forget_tombs();
}

/* ---- all that can be asked ------------------------------------------------------------------- */

static void check_node(df_id id)
{
	const struct model_node *want = &m.nodes[id];
	struct df_node n, child;
	char path[DF_PATH];

	if (!want->parent) {
		check_true(!df_index_get(x, id, &n));
		return;
	}
	cr_assert(df_index_get(x, id, &n), "node %d", (int)id);
	check_true(n.parent == want->parent && n.seq == want->seq && n.born == want->born);
	check_true(n.content == want->content && n.ino == want->ino);
	check_true(n.entry.size == want->size && (n.entry.type == DF_DIR) == want->folder);
	check_true(df_index_child(x, want->parent, name_of(want->name), &child) && child.id == id);
	check_true(df_index_path(x, id, path) && df_index_find(x, path, &child) && child.id == id);
}

static void check_order(void)
{
	struct df_change c = { .seq = 0 };

	for (uint64_t seq = 1; seq <= m.last; seq++) {
		const struct slot *want = &m.order[seq];
		if (!want->tomb && want->id == DF_NOBODY)
			continue;
		cr_assert(df_index_after(x, c.seq, &c) && c.seq == seq, "number %d, not %d",
			  (int)seq, (int)c.seq);
		check_int(c.id, want->id);
		if (!want->tomb)
			continue;
		struct df_bytes name = name_of(want->name);
		check_true(c.parent == want->parent && c.name.n == name.n &&
			   memcmp(c.name.p, name.p, name.n) == 0);
		struct df_tomb tomb = df_index_tomb(x, want->parent, name);
		check_true(tomb.seq == seq && tomb.moved == want->moved);
	}
	check_true(!df_index_after(x, c.seq, &c));
}

static void check_twins(void)
{
	struct df_node n;

	for (uint64_t ino = 1; ino <= INODES; ino++) {
		df_id after = DF_NOBODY;
		for (df_id id = DF_ROOT + 1; id <= m.last_id; id++) {
			if (!m.nodes[id].parent || m.nodes[id].ino != ino)
				continue;
			check_true(df_index_twin(x, 8, ino, after, &n) && n.id == id);
			after = id;
		}
		check_true(!df_index_twin(x, 8, ino, after, &n));
	}
}

static void check_children(df_id parent)
{
	struct df_bytes after = { NULL, 0 };
	char last[DF_NAME];
	struct df_node n;
	int found = 0, want = 0;

	for (int name = 0; name < NAMES; name++)
		want += model_child(parent, name) != DF_NOBODY;
	while (df_index_next(x, parent, after, &n)) {
		size_t both = n.name.n < after.n ? n.name.n : after.n;
		int cmp = both ? memcmp(last, n.name.p, both) : -1;
		check_true(!after.n || cmp < 0 || (cmp == 0 && after.n < n.name.n));
		memcpy(last, n.name.p, n.name.n);
		after = (struct df_bytes){ last, n.name.n };
		check_int(n.parent, parent);
		found++;
	}
	check_int(found, want);
}

static void check_all(void)
{
	struct df_node n;

	check_int(df_index_last(x), m.last);
	check_int(df_index_count(x), m.count);
	check_order();
	check_twins();
	for (df_id id = DF_ROOT + 1; id <= m.last_id; id++) {
		check_node(id);
		if (m.nodes[id].parent && m.nodes[id].folder)
			check_children(id);
	}
	check_children(DF_ROOT);
	for (uint32_t peer = 1; peer <= PEERS; peer++)
		for (df_id their = 1; their < THEIRS; their++) {
			df_id want = m.of_peer[peer][their];
			check_int(df_index_of_peer(x, peer, their, &n), want != DF_NOBODY);
			check_true(want == DF_NOBODY || n.id == want);
		}
}

static void changes(int n)
{
	while (n-- > 0)
		change();
}

static void commit(void)
{
	struct err err = { .text = "" };

	check_int(df_index_commit(x, &err), 0);
	check_true(!df_index_is_dirty(x));
}

/* ---- tests --------------------------------------------------------------------------------- */

Test(df_index, random_changes_are_as_the_model_says)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		dice = seed * 0x9e3779b97f4a7c15u;
		for (int i = 0; i < 5; i++) {
			changes(200);
			check_all();
			commit();
		}
		tear_down();
		set_up();
	}
}

Test(df_index, it_is_the_same_when_it_is_opened_again)
{
	uint8_t epoch[16];

	dice = 7;
	changes(500);
	memcpy(epoch, df_index_epoch(x), 16);
	df_index_close(x); /* that commits */
	open_index();
	check_all();
	check_int(memcmp(epoch, df_index_epoch(x), 16), 0);
}

static struct shared {
	struct model m;
	uint64_t dice;
} * shared;

/* Commits, says how it was then, goes on, and dies. */
static void die_in_a_transaction(void)
{
	open_index();
	changes(100);
	if (df_index_commit(x, NULL) != 0)
		_exit(1);
	shared->m = m;
	shared->dice = dice;
	changes(100);
	_exit(df_index_is_dirty(x) ? 0 : 2);
}

Test(df_index, a_kill_takes_what_was_not_committed)
{
	uint8_t epoch[16];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cr_assert(shared != MAP_FAILED);
	memcpy(epoch, df_index_epoch(x), 16);
	dice = 99;
	for (int round = 0; round < 5; round++) {
		int status = -1;
		df_index_close(x);
		x = NULL;
		pid_t pid = fork();
		if (pid == 0)
			die_in_a_transaction();
		check_int(waitpid(pid, &status, 0), pid);
		check_int(status, 0);
		m = shared->m;
		dice = shared->dice;
		open_index();
		check_all();
	}
	check_int(memcmp(epoch, df_index_epoch(x), 16), 0);
	munmap(shared, sizeof(*shared));
}

Test(df_index, after_a_crash_of_the_machine_it_is_another_one)
{
	char path[100];
	uint8_t epoch[16];

	dice = 5;
	changes(50);
	memcpy(epoch, df_index_epoch(x), 16);
	df_index_close(x);
	snprintf(path, sizeof(path), "%s/open", state);
	check_int(access(path, F_OK), -1);
	FILE *f = fopen(path, "w"); /* it was open while another kernel ran */
	fputs("00000000-0000-0000-0000-000000000000", f);
	fclose(f);
	open_index();
	check_true(memcmp(epoch, df_index_epoch(x), 16) != 0);
	check_int(df_index_last(x), 0);
	check_int(df_index_count(x), 0);
}

static df_id put_one(df_id parent, int name, bool folder)
{
	df_id id = ++m.last_id;
	struct df_node n = { .parent = parent, .name = name_of(name) };

	m.nodes[id] =
		(struct model_node){ .parent = parent, .name = name, .folder = folder, .ino = id };
	m.count++;
	model_number(id);
	m.nodes[id].born = m.nodes[id].content = m.nodes[id].seq;
	fill(&n, id);
	df_index_put(x, &n, true);
	return id;
}

Test(df_index, a_node_takes_the_place_of_the_folder_that_it_stood_in)
{
	df_id outer = put_one(DF_ROOT, 1, true), inner = put_one(outer, 2, true);
	df_id leaf = put_one(inner, 3, false), below = put_one(inner, 4, true);
	df_id kid = put_one(below, 5, false);

	move(below, DF_ROOT, 1);
	check_all();
	check_true(m.nodes[below].parent == DF_ROOT && m.nodes[kid].parent == below);
	check_true(!m.nodes[outer].parent && !m.nodes[inner].parent && !m.nodes[leaf].parent);
	check_int(df_index_count(x), 2);
}

Test(df_index, an_inode_that_loses_one_of_its_names_is_told_once)
{
	uint64_t inode[2];
	df_id one = put_one(DF_ROOT, 1, false), two = put_one(DF_ROOT, 2, false);
	struct df_node n;

	cr_assert(df_index_get(x, two, &n));
	n.ino = one;
	df_index_note(x, &n);
	check_true(!df_index_take_lost(x, inode));
	df_index_drop(x, one, true);
	check_true(df_index_take_lost(x, inode) && inode[0] == 8 && inode[1] == one);
	check_true(!df_index_take_lost(x, inode));
	df_index_drop(x, two, true);
	check_true(!df_index_take_lost(x, inode));
}

Test(df_index, peers_and_what_is_wanted_of_them)
{
	struct df_known a, b, again;
	df_id their = 0;
	struct df_node n;

	df_index_peer(x, "a", &a);
	df_index_peer(x, "b", &b);
	check_true(a.origin == 1 && b.origin == 2 && !a.ours && !a.theirs && !a.round);
	a.theirs = 77;
	df_index_set_peer(x, "a", &a);
	df_index_peer(x, "a", &again);
	check_int(memcmp(&a, &again, sizeof(a)), 0);
	static const df_id wants[] = { 300, 5, 70000 }, sorted[] = { 5, 300, 70000 };
	for (int i = 0; i < 3; i++)
		df_index_want(x, 1, wants[i]);
	df_index_want(x, 2, 6);
	for (int i = 0; i < 3; i++)
		check_true(df_index_next_want(x, 1, &their) && their == sorted[i]);
	check_true(!df_index_next_want(x, 1, &their));
	df_index_have(x, 1, 300);
	df_index_have(x, 1, 301);
	their = 5;
	check_true(df_index_next_want(x, 1, &their) && their == 70000);
	n = (struct df_node){ .parent = DF_ROOT, .name = name_of(1), .peer = 1, .their = 9 };
	n.entry.type = DF_FILE;
	df_index_put(x, &n, true);
	check_true(df_index_of_peer(x, 1, 9, &n) && !df_index_of_peer(x, 2, 9, &n));
	df_index_forget_peer(x, 1);
	check_true(!df_index_of_peer(x, 1, 9, &n));
}

Test(df_index, a_full_map_undoes_all_since_the_last_commit)
{
	struct err err = { .text = "" };
	char value[4000];

	df_index_close(x);
	check_int(df_index_open(&x, state, 1 << 19, &err), 0);
	put_one(DF_ROOT, 1, true);
	commit();
	memset(value, 'x', sizeof(value));
	for (int i = 0; i < 300; i++) {
		char name[20];
		snprintf(name, sizeof(name), "f%d", i);
		struct df_node n = { .parent = DF_ROOT, .name = { name, strlen(name) } };
		n.entry =
			(struct df_entry){ .type = DF_SYMLINK, .target = { value, sizeof(value) } };
		df_index_put(x, &n, true);
	}
	check_true(df_index_commit(x, &err) != 0 && strstr(err.text, "can't be written"));
	check_all();
	put_one(DF_ROOT, 2, false);
	commit();
	check_all();
}
