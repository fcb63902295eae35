/*
 * The cheapest worker: acknowledges every job of TWP/1 at once, with one write for all that one
 * read brought.
 *
 *   worker CREDIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 1 << 20 };

static char in[ROOM], out[ROOM];
static size_t have, made;

static void send_all(void)
{
	for (size_t at = 0; at < made;) {
		ssize_t n = write(3, out + at, made - at);
		if (n <= 0)
			exit(1);
		at += (size_t)n;
	}
	made = 0;
}

/* One line, and the body that it announces: its bytes, or 0 when not all of it is here. */
static size_t take(char *at, size_t len)
{
	char *end = memchr(at, '\n', len), id[128];
	size_t body, line = end ? (size_t)(end - at) + 1 : 0;

	if (!end)
		return 0;
	if (len >= 4 && memcmp(at, "QUIT", 4) == 0)
		exit(0);
	if (memcmp(at, "JOB ", 4) != 0)
		return line;
	*end = '\0';
	int fields = sscanf(at, "JOB %127s %*s %*s %zu", id, &body);
	*end = '\n';
	if (fields != 2)
		exit(1);
	if (len < line + body + 1)
		return 0;
	made += (size_t)sprintf(out + made, "ACK %s\n", id);
	return line + body + 1;
}

int main(int argc, char **argv)
{
	ssize_t n;

	made = (size_t)sprintf(out, "READY %d\n", argc > 1 ? atoi(argv[1]) : 1);
	send_all();
	while ((n = read(0, in + have, ROOM - have)) > 0) {
		size_t at = 0, one;
		have += (size_t)n;
		while ((one = take(in + at, have - at)) > 0)
			at += one;
		memmove(in, in + at, have - at);
		have -= at;
		send_all();
	}
	return 0;
}
