/*
 * The cheapest MySQL client that logs in: raw sockets, native password.
 *
 *   client cycle HOST PORT USER PASSWORD THREADS SECONDS   connect, query, quit, in a loop
 *   client idle  HOST PORT USER PASSWORD COUNT             COUNT logins, then waits for end of
 * input
 *
 * `cycle` prints how many cycles ended well, how many failed, and the seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CAPS                                                                                       \
	0x0008a285u /* long password, long flag, local files, 4.1, transactions, secure, plugin    \
		       auth */

static struct sockaddr_in to;
static const char *user, *password;
static atomic_long done, failed;
static double until;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_all(int fd, unsigned char *to_here, size_t n)
{
	while (n) {
		ssize_t got = read(fd, to_here, n);
		if (got <= 0)
			return -1;
		to_here += got;
		n -= (size_t)got;
	}
	return 0;
}

/* The payload of one packet, at most `max` bytes: its length, or -1. */
static int packet(int fd, unsigned char *payload, size_t max)
{
	unsigned char head[4];
	size_t n;

	if (read_all(fd, head, 4))
		return -1;
	n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
	if (n > max || read_all(fd, payload, n))
		return -1;
	return (int)n;
}

static void scramble(const unsigned char *salt, unsigned char *out)
{
	unsigned char one[20], two[20], mixed[40];

	SHA1((const unsigned char *)password, strlen(password), one);
	SHA1(one, 20, two);
	memcpy(mixed, salt, 20);
	memcpy(mixed + 20, two, 20);
	SHA1(mixed, 40, out);
	for (int i = 0; i < 20; i++)
		out[i] ^= one[i];
}

static int login(int fd)
{
	unsigned char in[512], out[512] = { 0 }, salt[20];
	unsigned caps = CAPS;
	size_t at, n;
	int got = packet(fd, in, sizeof(in) - 1);

	if (got < 50 || in[0] != 10)
		return -1;
	in[got] = 0;
	at = 1 + strlen((char *)in + 1) + 1 + 4;
	memcpy(salt, in + at, 8);
	memcpy(salt + 8, in + at + 8 + 1 + 18, 12);
	out[3] = 1;
	memcpy(out + 4, &caps, 4);
	out[11] = 1; /* the largest packet: 16 MiB */
	out[12] = 45;
	at = 36;
	n = strlen(user) + 1;
	memcpy(out + at, user, n);
	at += n;
	out[at++] = 20;
	scramble(salt, out + at);
	at += 20;
	n = sizeof("mysql_native_password");
	memcpy(out + at, "mysql_native_password", n);
	at += n;
	out[0] = (unsigned char)(at - 4);
	if (write(fd, out, at) != (ssize_t)at || packet(fd, in, sizeof(in)) < 1)
		return -1;
	return in[0] == 0 ? 0 : -1;
}

static int enter(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) || login(fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ask(int fd)
{
	static const unsigned char query[] = "\11\0\0\0\3select 1", quit[] = "\1\0\0\0\1";
	unsigned char in[512];

	if (write(fd, query, sizeof(query) - 1) < 0)
		return -1;
	for (int i = 0; i < 5; i++) /* count, column, EOF, row, EOF */
		if (packet(fd, in, sizeof(in)) < 1)
			return -1;
	return write(fd, quit, sizeof(quit) - 1) < 0 ? -1 : 0;
}

static void *cycle(void *unused)
{
	(void)unused;
	while (now() < until) {
		int fd = enter();
		if (fd < 0 || ask(fd))
			atomic_fetch_add(&failed, 1);
		else
			atomic_fetch_add(&done, 1);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static int run_cycle(int threads, double seconds)
{
	pthread_t *all = calloc((size_t)threads, sizeof(*all));
	double start = now();

	until = start + seconds;
	for (int i = 0; i < threads; i++)
		pthread_create(&all[i], NULL, cycle, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	printf("%ld %ld %.6f\n", done, failed, now() - start);
	free(all);
	return 0;
}

static int run_idle(int count)
{
	struct rlimit files;
	char byte;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < count; i++) {
		if (enter() < 0) {
			printf("failed after %d: %s\n", i, strerror(errno));
			return 1;
		}
	}
	printf("ready %d\n", count);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 7)
		return 2;
	to.sin_family = AF_INET;
	to.sin_port = htons((unsigned short)atoi(argv[3]));
	inet_pton(AF_INET, argv[2], &to.sin_addr);
	user = argv[4];
	password = argv[5];
	if (!strcmp(argv[1], "idle"))
		return run_idle(atoi(argv[6]));
	return argc == 8 ? run_cycle(atoi(argv[6]), atof(argv[7])) : 2;
}
