#include "roles/supervisor/sv_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/shed.h"

enum {
	MOST = 40000,          /* descriptors */
	LAST_MS = 3600 * 1000, /* all writers are gone, and nobody comes for what they wrote */
	LOOK_MS = 1000,
	QUIET_MS = 2000, /* nothing more is to be expected */
};

enum verb { KEEP = 'K', DROP = 'D', QUIT = 'Q', LAST = 'L' };

struct message {
	char verb;
	char id[SV_KEEPER_ID];
};

/* ---- messages ------------------------------------------------------------------------ */

/* fd -1: without one. */
static bool send_message(int link, const struct message *m, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (void *)m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = room;
		msg.msg_controllen = sizeof(room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(link, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*m);
}

/* false: the other side is gone. *fd is -1 where none came. */
static bool take_message(int link, struct message *m, int *fd)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = sizeof(room) };
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(link, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	m->id[SV_KEEPER_ID - 1] = '\0';
	return n == (ssize_t)sizeof(*m);
}

static struct message message(enum verb verb, const char *id)
{
	struct message m = { .verb = (char)verb };

	snprintf(m.id, sizeof(m.id), "%s", id);
	return m;
}

/* ---- the keeper ---------------------------------------------------------------------- */

struct keeper {
	struct sv_kept *kept; /* room for MOST, touched as far as it is used */
	int count;
	int link, listener;
	char path[108];   /* of the listener */
	struct stat born; /* what stood there then */
	int alone;        /* ms without a link and without a writer */
	bool quiet;       /* nothing came for a while */
};

static void drop(struct keeper *k, const char *id)
{
	for (int i = 0; i < k->count; i++)
		if (strcmp(k->kept[i].id, id) == 0) {
			close(k->kept[i].fd);
			k->kept[i] = k->kept[--k->count];
			return;
		}
}

static void keep(struct keeper *k, const char *id, int fd)
{
	drop(k, id);
	if (k->count == MOST) {
		close(fd);
		return;
	}
	strcpy(k->kept[k->count].id, id);
	k->kept[k->count++].fd = fd;
}

static void hear(struct keeper *k)
{
	struct message m = { .verb = 0 };
	int fd;

	if (!take_message(k->link, &m, &fd)) {
		close(k->link);
		k->link = -1;
	} else if (m.verb == QUIT) {
		_exit(0);
	} else if (m.verb == KEEP && fd >= 0) {
		keep(k, m.id, fd);
	} else if (m.verb == DROP) {
		drop(k, m.id);
	}
}

/* Only our own user may have them. */
static bool is_ours(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid == geteuid();
}

static void hand_over(struct keeper *k)
{
	int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC);
	bool well = fd >= 0 && is_ours(fd);

	for (int i = 0; well && i < k->count; i++) {
		struct message m = message(KEEP, k->kept[i].id);
		well = send_message(fd, &m, k->kept[i].fd);
	}
	struct message last = message(LAST, "");
	if (well && send_message(fd, &last, -1)) {
		k->link = fd;
		k->alone = 0;
	} else if (fd >= 0) {
		close(fd);
	}
}

/* Is there a pipe that somebody still writes to? */
static bool has_writer(const struct keeper *k)
{
	for (int i = 0; i < k->count; i++) {
		struct pollfd p = { .fd = k->kept[i].fd };
		if (k->kept[i].id[0] == SV_INFLIGHT_KEPT)
			continue;
		if (poll(&p, 1, 0) == 0 || !(p.revents & (POLLHUP | POLLERR)))
			return true;
	}
	return false;
}

/* Another listens at our path, or nobody can: then nobody will come any more. */
static bool is_lost(const struct keeper *k)
{
	struct stat now;

	return lstat(k->path, &now) != 0 || now.st_ino != k->born.st_ino ||
	       now.st_dev != k->born.st_dev;
}

static void look_around(struct keeper *k)
{
	if (k->count == 0 || (k->count == 1 && k->kept[0].id[0] == SV_INFLIGHT_KEPT))
		_exit(0);
	k->alone = has_writer(k) ? 0 : k->alone + LOOK_MS;
	if (k->alone >= LAST_MS || (k->alone && is_lost(k)))
		_exit(0);
}

/* What we had allocated before the fork is none of the keeper's business, which allocates nothing.
 */
static void shed_heap(void)
{
	static char maps[64 * 1024];
	int fd = open("/proc/self/maps", O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, maps, sizeof(maps) - 1) : 0;
	const char *heap = n > 0 ? strstr(maps, "[heap]") : NULL;
	unsigned long from, to;

	while (heap && heap > maps && heap[-1] != '\n')
		heap--;
	if (heap && sscanf(heap, "%lx-%lx", &from, &to) == 2)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

static void serve(struct keeper *k)
{
	struct pollfd p = { .fd = k->link >= 0 ? k->link : k->listener, .events = POLLIN };
	int n = poll(&p, 1, k->link < 0 ? LOOK_MS : k->quiet ? -1 : QUIET_MS);

	if (n == 0 && !k->quiet)
		shed_pages();
	k->quiet = n == 0;
	if (n > 0 && k->link >= 0)
		hear(k);
	else if (n > 0)
		hand_over(k);
	if (k->link < 0 && n == 0)
		look_around(k);
}

static void be_keeper(int link, int listener, const char *path)
{
	struct keeper k = { .link = link, .listener = listener };
	int null = open("/dev/null", O_RDWR);

	strcpy(k.path, path); /* bound, so it has room */
	lstat(path, &k.born);
	setsid();
	prctl(PR_SET_NAME, "troupe-keeper");
	for (int sig = 1; sig < 32; sig++)
		signal(sig, sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT ||
					    sig == SIGPIPE || sig == SIGUSR1 || sig == SIGUSR2
				    ? SIG_IGN
				    : SIG_DFL);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	k.link = dup2(link, 3);
	k.listener = dup2(listener, 4);
	close_range(5, ~0u, 0);
	k.kept = mmap(NULL, MOST * sizeof(*k.kept), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	shed_heap();
	while (k.kept != MAP_FAILED)
		serve(&k);
	_exit(1);
}

/* ---- our side ------------------------------------------------------------------------ */

static int address(struct sockaddr_un *at, const char *path)
{
	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at->sun_path))
		return UV_ENAMETOOLONG;
	strcpy(at->sun_path, path);
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un at;
	int rc = address(&at, path);
	int fd = rc ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return rc ? rc : uv_translate_sys_error(errno);
	unlink(path);
	mode_t mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4) == 0
		     ? fd
		     : uv_translate_sys_error(errno);
	umask(mask);
	if (rc < 0)
		close(fd);
	return rc;
}

int sv_keeper_start(struct sv_keeper *k, const char *path, struct err *err)
{
	int ends[2], listener = listen_at(path);

	if (listener < 0)
		return err_set(err, listener, "%s: %s", path, uv_strerror(listener));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		close(listener);
		return err_set(err, uv_translate_sys_error(errno), "socketpair: %s",
			       strerror(errno));
	}
	pid_t pid = fork();
	if (pid == 0)
		be_keeper(ends[1], listener, path);
	close(ends[1]);
	close(listener);
	if (pid < 0) {
		close(ends[0]);
		return err_set(err, uv_translate_sys_error(errno), "fork: %s", strerror(errno));
	}
	k->link = ends[0];
	k->pid = pid;
	snprintf(k->path, sizeof(k->path), "%s", path);
	return 0;
}

/* All that it sends, until the last. Returns the number, or a code. */
static int take_all(int link, struct sv_kept **kept)
{
	struct message m = { .verb = 0 };
	int n = 0, fd;

	for (;;) {
		if (!take_message(link, &m, &fd))
			return UV_EOF;
		if (m.verb == LAST)
			return n;
		if (fd < 0)
			continue;
		*kept = mem_resize(*kept, (size_t)(n + 1) * sizeof(**kept));
		memcpy((*kept)[n].id, m.id, SV_KEEPER_ID);
		(*kept)[n++].fd = fd;
	}
}

int sv_keeper_join(struct sv_keeper *k, const char *path, struct sv_kept **kept)
{
	const struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_un at;
	struct ucred who;
	socklen_t len = sizeof(who);
	int rc = address(&at, path);
	int fd = rc ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	*kept = NULL;
	if (fd < 0)
		return rc ? rc : uv_translate_sys_error(errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	rc = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? take_all(fd, kept) : UV_ENOENT;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	k->link = fd;
	k->pid = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ? who.pid : 0;
	snprintf(k->path, sizeof(k->path), "%s", path);
	return rc;
}

void sv_keeper_keep(struct sv_keeper *k, const char *id, int fd)
{
	struct message m = message(KEEP, id);

	if (k->link >= 0 && fd >= 0 && !send_message(k->link, &m, fd)) {
		close(k->link);
		k->link = -1;
	}
}

void sv_keeper_drop(struct sv_keeper *k, const char *id)
{
	struct message m = message(DROP, id);

	if (k->link >= 0)
		send_message(k->link, &m, -1);
}

void sv_keeper_end(struct sv_keeper *k)
{
	struct message m = message(QUIT, "");

	if (k->link < 0)
		return;
	send_message(k->link, &m, -1);
	close(k->link);
	k->link = -1;
	unlink(k->path);
}
