/*
 * The cheapest client that hands in tasks: one request after the other on each of N connections.
 *
 *   post http      HOST PORT CONNECTIONS SECONDS [PATH]   POST of a task of 100 bytes
 *   post beanstalk HOST PORT CONNECTIONS SECONDS          put
 *   post gearman   HOST PORT CONNECTIONS SECONDS          SUBMIT_JOB_BG
 *
 * Prints how many were taken, how many were refused, the seconds, and the p50 and p99 of the
 * answer's delay in microseconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MOST = 4096, PAYLOAD = 100, SLOTS = 1 << 20 };

struct link {
	int fd;
	size_t len;
	double since;
	char in[4096];
};

static struct link links[CONNECTIONS_MOST];
static char request[1024];
static size_t request_len;
static uint32_t delays[SLOTS]; /* microseconds -> how many */
static long taken, refused;

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

/* ---- protocols: bytes of a whole answer, or 0; *well: it says yes ------------------ */

static size_t http_answer(const char *in, size_t len, int *well)
{
	const char *end = memmem(in, len, "\r\n\r\n", 4);
	size_t body = 0;

	if (!end)
		return 0;
	for (const char *at = in; at < end; at++)
		if (*at == '\n' && strncasecmp(at + 1, "content-length:", 15) == 0)
			body = strtoul(at + 16, NULL, 10);
	*well = len > 12 && in[9] == '2';
	size_t all = (size_t)(end - in) + 4 + body;
	return len >= all ? all : 0;
}

static size_t beanstalk_answer(const char *in, size_t len, int *well)
{
	const char *end = memchr(in, '\n', len);

	*well = len > 8 && memcmp(in, "INSERTED", 8) == 0;
	return end ? (size_t)(end - in) + 1 : 0;
}

static size_t gearman_answer(const char *in, size_t len, int *well)
{
	uint32_t type, size;

	if (len < 12)
		return 0;
	memcpy(&type, in + 4, 4);
	memcpy(&size, in + 8, 4);
	*well = ntohl(type) == 8; /* JOB_CREATED */
	return len >= 12 + (size_t)ntohl(size) ? 12 + (size_t)ntohl(size) : 0;
}

static const struct protocol {
	const char *name;
	size_t (*answer)(const char *in, size_t len, int *well);
} protocols[] = {
	{ "http", http_answer },
	{ "beanstalk", beanstalk_answer },
	{ "gearman", gearman_answer },
};

static void make_request(const struct protocol *p, const char *path)
{
	char payload[PAYLOAD + 1];

	memset(payload, 'x', PAYLOAD);
	payload[PAYLOAD] = '\0';
	if (p->answer == http_answer) {
		char body[256];
		int n = snprintf(body, sizeof(body), "{\"topic\":\"bench\",\"payload\":\"%s\"}",
				 payload);
		request_len = (size_t)snprintf(
			request, sizeof(request),
			"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
			"Content-Length: %d\r\n\r\n%s",
			path, n, body);
	} else if (p->answer == beanstalk_answer) {
		request_len = (size_t)snprintf(request, sizeof(request), "put 1 0 60 %d\r\n%s\r\n",
					       PAYLOAD, payload);
	} else {
		uint32_t head[3] = { 0, htonl(18),
				     htonl(6 + 1 + PAYLOAD) }; /* function, no unique id, data */
		memcpy(head, "\0REQ", 4);
		memcpy(request, head, 12);
		memcpy(request + 12, "bench\0\0", 7);
		memcpy(request + 19, payload, PAYLOAD);
		request_len = 19 + PAYLOAD;
	}
}

/* ---- the loop ------------------------------------------------------------------------ */

static void ask(struct link *l)
{
	l->since = now();
	if (write(l->fd, request, request_len) != (ssize_t)request_len)
		die("write");
}

static void hear(struct link *l, const struct protocol *p)
{
	int well = 0;
	ssize_t n = read(l->fd, l->in + l->len, sizeof(l->in) - l->len);

	if (n <= 0)
		die("read");
	l->len += (size_t)n;
	size_t all = p->answer(l->in, l->len, &well);
	if (all == 0)
		return;
	double us = (now() - l->since) * 1e6;
	delays[us < SLOTS ? (uint32_t)us : SLOTS - 1]++;
	taken += well;
	refused += !well;
	memmove(l->in, l->in + all, l->len - all);
	l->len -= all;
	ask(l);
}

static long percentile(double share)
{
	long left = (long)((double)(taken + refused) * share), i = 0;

	while (i < SLOTS - 1 && (left -= delays[i]) > 0)
		i++;
	return i;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct protocol *p = NULL;
	int one = 1, ep = epoll_create1(0);

	for (size_t i = 0; argc > 5 && i < sizeof(protocols) / sizeof(*protocols); i++)
		if (strcmp(argv[1], protocols[i].name) == 0)
			p = &protocols[i];
	int count = argc > 5 ? atoi(argv[4]) : 0;
	if (!p || count < 1 || count > CONNECTIONS_MOST) {
		fprintf(stderr, "usage: post http|beanstalk|gearman HOST PORT CONNECTIONS SECONDS "
				"[PATH]\n");
		return 2;
	}
	make_request(p, argc > 6 ? argv[6] : "/v1/tasks");
	inet_pton(AF_INET, argv[2], &to.sin_addr);
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	for (int i = 0; i < count; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &links[i] };
		links[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(links[i].fd, (struct sockaddr *)&to, sizeof(to)))
			die("connect");
		setsockopt(links[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		epoll_ctl(ep, EPOLL_CTL_ADD, links[i].fd, &e);
	}
	double start = now(), until = start + atof(argv[5]);
	for (int i = 0; i < count; i++)
		ask(&links[i]);
	while (now() < until) {
		struct epoll_event events[256];
		int n = epoll_wait(ep, events, 256, 100);
		for (int i = 0; i < n; i++)
			hear(events[i].data.ptr, p);
	}
	printf("%ld %ld %.6f %ld %ld\n", taken, refused, now() - start, percentile(0.5),
	       percentile(0.99));
	return 0;
}
