#include "core/proc/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/proc/procstat.h"
#include "core/proc/reap.h"

enum { SEEDS_MOST = 16384, CGROUP_DEPTH = 8, ROUTE_MOST = 1024 };

/* ---- members ------------------------------------------------------------------- */

static void add(struct tree *t, pid_t pid, uint64_t born, bool alive)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 4;
		t->members = mem_resize(t->members, t->cap * sizeof(*t->members));
	}
	t->members[t->n++] = (struct tree_member){ .pid = pid, .born = born, .alive = alive };
}

void tree_init(struct tree *t, pid_t root, uint64_t born)
{
	*t = (struct tree){ .root = root, .spare_root = root == getpid() };
	t->born = born ? born : procstat_born(root);
	add(t, root, t->born, true);
}

void tree_fini(struct tree *t)
{
	free(t->members);
	*t = (struct tree){ 0 };
}

static bool is_known(const struct tree *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->members[i].pid == pid)
			return true;
	return false;
}

static bool is_spared(const struct tree *t, pid_t pid)
{
	return t->spare_root && pid == t->root;
}

const struct tree_member *tree_alive(const struct tree *t, size_t i)
{
	for (size_t k = 0; k < t->n; k++) {
		const struct tree_member *m = &t->members[k];
		if (m->alive && !is_spared(t, m->pid) && i-- == 0)
			return m;
	}
	return NULL;
}

/* ---- a look --------------------------------------------------------------------- */

/* Those that we knew: who is still there, and still the same? */
static void look_again(struct tree *t, struct procs *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->all[i].member = false;
	for (size_t i = 0; i < t->n; i++) {
		struct tree_member *m = &t->members[i];
		struct proc *q = procs_find(p, m->pid);
		m->alive = q && q->born == m->born && !q->dead;
		if (m->alive)
			q->member = true;
	}
}

/* A member whose number nobody else can have now: one that lives, or is not buried yet. */
static const struct proc *find_member(const struct procs *p, const struct tree_member *m)
{
	const struct proc *q = procs_find(p, m->pid);

	return q && q->born == m->born ? q : NULL;
}

/* A session or group by the number of a member, that another member still is in. */
static bool is_claimed(const struct tree *t, const struct procs *p, const struct proc *q)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_member *m = &t->members[i];
		const struct proc *other = find_member(p, m);
		if (!other || is_spared(t, m->pid))
			continue;
		if (q->session == other->session && is_known(t, q->session) &&
		    !is_spared(t, q->session))
			return true;
		if (q->group == other->group && is_known(t, q->group) && !is_spared(t, q->group))
			return true;
	}
	return false;
}

/* Only an orphan has a parent that is no member and older than the tree. */
static bool is_marked(struct tree *t, const struct procs *p, struct proc *q)
{
	const struct proc *parent = procs_find(p, q->ppid);

	if (!t->mark || q->born < t->born || (parent && parent->born > t->born))
		return false;
	bool marked = strcmp(procs_mark(q), t->mark) == 0;
	t->unsure = t->unsure || q->blank;
	return marked;
}

static bool belongs(struct tree *t, const struct procs *p, struct proc *q)
{
	const struct proc *parent = procs_find(p, q->ppid);

	if (parent && parent->member && parent->born <= q->born)
		return true;
	return is_claimed(t, p, q) || is_marked(t, p, q);
}

static void take_in(struct tree *t, struct proc *q)
{
	q->member = true;
	add(t, q->pid, q->born, true);
}

/* Each one that is found may lead to others. */
static void look_for_more(struct tree *t, struct procs *p)
{
	size_t before;

	do {
		before = t->n;
		for (size_t i = 0; i < p->n; i++) {
			struct proc *q = &p->all[i];
			if (!q->member && !q->dead && q->pid != getpid() && belongs(t, p, q))
				take_in(t, q);
		}
	} while (t->n > before);
}

/* One that is dead is remembered as long as somebody is in the session or group of its number. */
static bool still_counts(const struct tree *t, const struct procs *p, pid_t number)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_member *m = &t->members[i];
		const struct proc *q = find_member(p, m);
		if (q && (q->session == number || q->group == number))
			return true;
	}
	return false;
}

static void forget(struct tree *t, const struct procs *p)
{
	size_t kept = 1; /* the root is */

	for (size_t i = 1; i < t->n; i++) {
		struct tree_member m = t->members[i];
		if (m.alive || still_counts(t, p, m.pid))
			t->members[kept++] = m;
	}
	t->n = kept;
}

/* ---- cgroup --------------------------------------------------------------------- */

static void look_in_file(struct tree *t, struct procs *p, const char *path)
{
	FILE *f = fopen(path, "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1) {
		struct proc *q = procs_find(p, pid);
		if (q && !q->member && !q->dead && pid != getpid())
			take_in(t, q);
	}
	if (f)
		fclose(f);
}

/* Below it there may be more of them. */
static void look_in_cgroup(struct tree *t, struct procs *p, const char *folder, int depth)
{
	char path[ROUTE_MOST];
	DIR *dir = opendir(folder);

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	look_in_file(t, p, path);
	for (const struct dirent *e; dir && depth > 0 && (e = readdir(dir));) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) < ROUTE_MOST)
			look_in_cgroup(t, p, path, depth - 1);
	}
	if (dir)
		closedir(dir);
}

size_t tree_look(struct tree *t, struct procs *p)
{
	size_t alive = 0;

	t->unsure = false;
	look_again(t, p);
	if (t->cgroup)
		look_in_cgroup(t, p, t->cgroup, CGROUP_DEPTH);
	look_for_more(t, p);
	forget(t, p);
	for (size_t i = 0; i < t->n; i++)
		alive += t->members[i].alive && !is_spared(t, t->members[i].pid);
	return alive;
}

/* ---- reading --------------------------------------------------------------------- */

/* Our children that are nobody's, that is, the orphans. */
static size_t add_strays(const struct tree *t, pid_t *seeds, size_t n)
{
	int got = procs_children(getpid(), seeds + n, SEEDS_MOST - n);
	size_t end = n + (got > 0 ? (size_t)got : 0), kept = n;

	if (end > SEEDS_MOST)
		end = SEEDS_MOST;
	for (size_t i = n; i < end; i++)
		if (!reap_knows(t->reap, seeds[i]))
			seeds[kept++] = seeds[i];
	return kept;
}

/* All in the cgroup; the kernel gives their numbers. */
static size_t add_cgroup(const struct tree *t, pid_t *seeds, size_t n)
{
	char path[ROUTE_MOST];
	int pid;

	if (!t->cgroup)
		return n;
	snprintf(path, sizeof(path), "%s/cgroup.procs", t->cgroup);
	FILE *f = fopen(path, "re");
	while (f && n < SEEDS_MOST && fscanf(f, "%d", &pid) == 1)
		seeds[n++] = pid;
	if (f)
		fclose(f);
	return n;
}

int tree_read(const struct tree *t, struct procs *p)
{
	if (!t->reap || t->n > SEEDS_MOST / 4)
		return procs_look(p);
	pid_t *seeds = mem_new(SEEDS_MOST * sizeof(*seeds));
	size_t n = 0;
	for (; n < t->n; n++)
		seeds[n] = t->members[n].pid;
	n = add_cgroup(t, seeds, n);
	int rc = procs_look_from(p, seeds, add_strays(t, seeds, n));
	free(seeds);
	return rc == UV_ENOTSUP ? procs_look(p) : rc;
}

/* ---- signals --------------------------------------------------------------------- */

/* The fd first, then a look whether it is the one: so no other can be hit. */
static bool signal_one(const struct tree_member *m, int sig)
{
	int fd = pidfd_open(m->pid, 0);

	if (fd < 0) /* before Linux 5.3, or valgrind: as well as it can be done there */
		return errno == ENOSYS && procstat_born(m->pid) == m->born &&
		       kill(m->pid, sig) == 0;
	bool sent = procstat_born(m->pid) == m->born && pidfd_send_signal(fd, sig, NULL, 0) == 0;
	close(fd);
	return sent;
}

static void kill_cgroup(const struct tree *t)
{
	char path[ROUTE_MOST];

	snprintf(path, sizeof(path), "%s/cgroup.kill", t->cgroup);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1) /* one by one, then */
		errno = 0;
	close(fd);
}

size_t tree_signal(struct tree *t, int sig)
{
	size_t sent = 0;
	const struct tree_member *m;

	for (size_t i = 0; (m = tree_alive(t, i)); i++)
		sent += signal_one(m, sig);
	if (t->cgroup && sig == SIGKILL)
		kill_cgroup(t);
	t->signalled = uv_hrtime();
	return sent;
}

size_t tree_signal_beside(struct tree *t, int sig, pid_t group)
{
	size_t sent = 0;
	const struct tree_member *m;

	for (size_t i = 0; (m = tree_alive(t, i)); i++)
		if (getpgid(m->pid) != group)
			sent += signal_one(m, sig);
	t->signalled = uv_hrtime();
	return sent;
}

/* ---- kill ------------------------------------------------------------------------- */

enum { FIRST_PAUSE = 1, LAST_PAUSE = 50, EMPTY_LOOKS = 2, UNSURE_LOOKS = 7 };

static void on_timer_closed(uv_handle_t *h)
{
	struct tree_kill *k = h->data;

	procs_fini(&k->own);
	k->done(k, k->left);
}

static void finish(struct tree_kill *k)
{
	if (!uv_is_closing((uv_handle_t *)&k->timer))
		uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}

/* A shared reading will do when it was made after our last signal. */
static int read_for(struct tree_kill *k)
{
	const struct tree *t = k->tree;

	if (t->reap || !k->procs)
		return tree_read(t, &k->own);
	if (k->procs->when > k->started && k->procs->when > t->signalled)
		return 0;
	return procs_look(k->procs);
}

static void on_timer(uv_timer_t *timer)
{
	struct tree_kill *k = timer->data;
	struct tree *t = k->tree;

	if (read_for(k) == 0)
		k->left = tree_look(t, t->reap || !k->procs ? &k->own : k->procs);
	bool unsure = t->unsure && ++k->looks < UNSURE_LOOKS;
	k->empty = k->left > 0 || unsure ? 0 : k->empty + 1;
	if (k->empty >= EMPTY_LOOKS || uv_now(timer->loop) >= k->deadline) {
		finish(k);
		return;
	}
	tree_signal(t, SIGKILL);
	uv_timer_start(timer, on_timer, k->pause, 0);
	if (k->pause < LAST_PAUSE)
		k->pause *= 2;
}

int tree_kill_start(struct tree_kill *k, uv_loop_t *loop, struct tree *t, uint64_t timeout,
		    tree_kill_done done)
{
	int rc = uv_timer_init(loop, &k->timer);

	if (rc)
		return rc;
	k->timer.data = k;
	k->tree = t;
	k->done = done;
	k->started = uv_hrtime();
	k->deadline = uv_now(loop) + timeout;
	k->pause = FIRST_PAUSE;
	k->left = 0;
	k->empty = k->looks = 0;
	procs_init(&k->own);
	return uv_timer_start(&k->timer, on_timer, 0, 0);
}

void tree_kill_cancel(struct tree_kill *k)
{
	finish(k);
}
