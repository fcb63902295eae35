/* stamp SOCKET ID - says when it began, and sleeps: restart latency is from the kill to here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timespec now;
	char text[128];

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (argc < 3)
		return 2;
	int n = snprintf(text, sizeof(text), "%s %d %lld", argv[2], (int)getpid(),
			 (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", argv[1]);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&at, sizeof(at));
	close(fd);
	for (;;)
		pause();
}
