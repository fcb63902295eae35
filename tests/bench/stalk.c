/*
 * The cheapest client of beanstalkd's protocol.
 *
 *   stalk put  HOST PORT JOBS WINDOW    JOBS puts of 100 bytes on one connection, WINDOW at a time:
 *                                       the next ones when all of these are answered
 *   stalk work HOST PORT JOBS WORKERS   WORKERS connections, each reserves and deletes one job
 * after the other, until JOBS are deleted
 *
 * Prints the seconds. One thread: with one connection it sleeps in read(), with more in
 * epoll_wait(), so that the client takes as little as it can from a core that the server may want.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MOST = 256, WINDOW_MOST = 1024, PAYLOAD = 100 };

struct worker {
	int fd;
	int holds; /* a job that is being deleted */
	size_t len;
	char in[1024];
};

static struct worker workers[WORKERS_MOST];
static long jobs, asked, deleted;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int enter(const char *host, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, host, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void tell(int fd, const char *data, size_t n)
{
	if (write(fd, data, n) != (ssize_t)n)
		die("write");
}

/* ---- put ------------------------------------------------------------------------- */

static void put_all(int fd, int window)
{
	static char out[WINDOW_MOST * 160], in[65536];
	char one[160];
	int n = snprintf(one, sizeof(one), "put 1 0 60 %d\r\n%0*d\r\n", PAYLOAD, PAYLOAD, 7);

	for (int i = 0; i < window; i++)
		memcpy(out + i * n, one, (size_t)n);
	for (long left = jobs; left > 0;) {
		int wait = left < window ? (int)left : window;
		tell(fd, out, (size_t)(wait * n));
		left -= wait;
		while (wait > 0) {
			ssize_t got = read(fd, in, sizeof(in));
			if (got <= 0)
				die("read");
			for (ssize_t i = 0; i < got; i++)
				wait -= in[i] == '\n';
		}
	}
}

/* ---- work ------------------------------------------------------------------------ */

static void reserve(struct worker *w)
{
	if (asked++ < jobs)
		tell(w->fd, "reserve\r\n", 9);
}

/* "RESERVED id bytes", the body, a line's end; "DELETED". */
static void hear(struct worker *w)
{
	char line[64];
	ssize_t n = read(w->fd, w->in + w->len, sizeof(w->in) - 1 - w->len);

	if (n <= 0)
		die("read");
	w->len += (size_t)n;
	w->in[w->len] = '\0';
	char *end = strchr(w->in, '\n');
	if (!end)
		return;
	if (w->holds) {
		if (strcmp(w->in, "DELETED\r\n") != 0)
			die(w->in);
		w->holds = 0;
		w->len = 0;
		deleted++;
		reserve(w);
		return;
	}
	char *id = w->in + 9, *size;
	if (memcmp(w->in, "RESERVED ", 9) != 0)
		die(w->in);
	strtoull(id, &size, 10);
	if (w->len < (size_t)(end + 1 - w->in) + strtoul(size, NULL, 10) + 2)
		return;
	w->holds = 1;
	w->len = 0;
	tell(w->fd, line, (size_t)sprintf(line, "delete %.*s\r\n", (int)(size - id), id));
}

static void work_all(const char *host, const char *port, int count)
{
	int ep = epoll_create1(0);

	for (int i = 0; i < count; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &workers[i] };
		workers[i].fd = enter(host, port);
		epoll_ctl(ep, EPOLL_CTL_ADD, workers[i].fd, &e);
	}
	double start = now();
	for (int i = 0; i < count; i++)
		reserve(&workers[i]);
	while (deleted < jobs) {
		struct epoll_event events[WORKERS_MOST];
		if (count == 1) {
			hear(&workers[0]);
			continue;
		}
		int n = epoll_wait(ep, events, WORKERS_MOST, -1);
		for (int i = 0; i < n; i++)
			hear(events[i].data.ptr);
	}
	printf("%.6f\n", now() - start);
}

int main(int argc, char **argv)
{
	int count = argc == 6 ? atoi(argv[5]) : 0;

	jobs = argc == 6 ? atol(argv[4]) : 0;
	if (jobs > 0 && count > 0 && count <= WORKERS_MOST && strcmp(argv[1], "work") == 0) {
		work_all(argv[2], argv[3], count);
	} else if (jobs > 0 && count > 0 && count <= WINDOW_MOST && strcmp(argv[1], "put") == 0) {
		int fd = enter(argv[2], argv[3]);
		double start = now();
		put_all(fd, count);
		printf("%.6f\n", now() - start);
	} else {
		fprintf(stderr,
			"usage: stalk put HOST PORT JOBS WINDOW | work HOST PORT JOBS WORKERS\n");
		return 2;
	}
	return 0;
}
