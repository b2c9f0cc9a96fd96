// SPDX-License-Identifier: Apache-2.0
/*
 * What a system call takes, as its caller sees it.
 *
 *   syscall-cost NAME SLICES CALLS FOLDER CPU
 *
 * Makes SLICES times CALLS calls and prints the nanoseconds of one call in the median slice: a slice is short, a
 * tenth of a millisecond or so, and one in which the machine did something else is not the median. FOLDER is for files
 * of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pace.h"

#define SLICES_MAX 1000

extern char **environ;

static char *self;
static int socket_fd;

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

/* With the close, of which no monitor is told. */
static void call_open(void)
{
	int fd = open("file", O_RDONLY | O_CLOEXEC);
	check(fd, "open");
	close(fd);
}

/* Fork, exec, exit and the wait for it. */
static void call_exec(void)
{
	char *arguments[] = {self, "nothing", NULL};
	pid_t child;
	check(-posix_spawn(&child, self, NULL, NULL, arguments, environ), "posix_spawn");
	check(waitpid(child, NULL, 0), "waitpid");
}

/* Of a datagram socket: it notes the peer and sends nothing. */
static void call_connect(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	check(connect(socket_fd, (struct sockaddr *)&address, sizeof(address)), "connect");
}

/* With the link that makes what it removes, of which no monitor is told. */
static void call_unlink(void)
{
	check(link("file", "link"), "link");
	check(unlink("link"), "unlink");
}

/* With the close. */
static void call_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(fd, "socket");
	close(fd);
}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {{"open", call_open}, {"exec", call_exec}, {"connect", call_connect}, {"unlink", call_unlink},
	{"socket", call_socket}};

static int by_value(const void *first, const void *second)
{
	double difference = *(const double *)first - *(const double *)second;
	return (difference > 0) - (difference < 0);
}

int main(int count, char **values)
{
	double slices[SLICES_MAX];
	void (*call)(void) = NULL;

	if (count == 2)
		return 0; /* The program that call_exec() runs. */
	if (count != 6) {
		fprintf(stderr, "usage: syscall-cost NAME SLICES CALLS FOLDER CPU\n");
		return 2;
	}
	for (size_t place = 0; place < sizeof(calls) / sizeof(calls[0]); place++)
		if (strcmp(calls[place].name, values[1]) == 0)
			call = calls[place].call;
	int slice_count = atoi(values[2]), call_count = atoi(values[3]);
	if (!call || slice_count < 1 || slice_count > SLICES_MAX || call_count < 1) {
		fprintf(stderr, "syscall-cost: no such call, or no such number of slices or calls\n");
		return 2;
	}
	self = realpath("/proc/self/exe", NULL);
	check(chdir(values[4]), values[4]);
	int fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	check(fd, "file");
	close(fd);
	socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(socket_fd, "socket");
	stay_on_cpu(atoi(values[5]));
	for (int slice = 0; slice < slice_count; slice++) {
		uint64_t start = now_ns();
		for (int place = 0; place < call_count; place++)
			call();
		slices[slice] = (double)(now_ns() - start) / call_count;
	}
	qsort(slices, (size_t)slice_count, sizeof(slices[0]), by_value);
	printf("%.1f\n", slices[slice_count / 2]);
	return 0;
}
