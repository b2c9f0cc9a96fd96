/* connect inet|inet6|unix|edge|abstract|unspec|bad stream|dgram|nonblock ADDRESS [PORT]: connects once and prints the
 * result. edge: as unix, but the path ends without a NUL where readable memory does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *family = argv[1], *text = argc > 3 ? argv[3] : "";
	int type = !strcmp(argv[2], "dgram") ? SOCK_DGRAM
					     : SOCK_STREAM | (!strcmp(argv[2], "nonblock") ? SOCK_NONBLOCK : 0);
	int port = argc > 4 ? atoi(argv[4]) : 0, fd;
	struct sockaddr_storage address = {};
	struct sockaddr_in *in = (void *)&address;
	struct sockaddr_in6 *in6 = (void *)&address;
	struct sockaddr_un *un = (void *)&address;
	socklen_t bytes = sizeof(*in);

	if (!strcmp(family, "inet6")) {
		bytes = sizeof(*in6);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &in6->sin6_addr);
	} else if (!strcmp(family, "unix") || !strcmp(family, "abstract")) {
		int abstract = family[0] == 'a';

		un->sun_family = AF_UNIX;
		strcpy(un->sun_path + abstract, text);
		bytes = offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1;
	} else if (!strcmp(family, "edge")) {
		char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(pages + 4096, 4096);
		bytes = offsetof(struct sockaddr_un, sun_path) + strlen(text);
		un = (void *)(pages + 4096 - bytes);
		un->sun_family = address.ss_family = AF_UNIX;
		memcpy(un->sun_path, text, strlen(text));
	} else if (!strcmp(family, "unspec")) {
		in->sin_family = AF_UNSPEC;
	} else {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		inet_pton(AF_INET, text, &in->sin_addr);
	}
	fd = socket(!strcmp(family, "unspec") ? AF_INET : address.ss_family, type, 0);
	if (!strcmp(family, "bad"))
		fd = 999;
	printf("%d\n", connect(fd, (void *)un, bytes) ? -errno : 0);
	return 0;
}
