/*
 * network STEP…: makes calls of sockets by number, so that libc chooses nothing, one a step, and prints each result on
 * a line: the call's, or -errno; of name and peer the address in hexadecimal.
 *
 *   socket:FAMILY:TYPE:PROTOCOL   bind:FD:ADDRESS   listen:FD:BACKLOG   accept:FD   accept4:FD:FLAGS
 *   connect:FD:ADDRESS   name:FD (getsockname)   peer:FD (getpeername)   eventfd (what is no socket)
 *   limit:N (descriptors it may have)   alarms (from here on signals interrupt what waits)
 *
 * compat makes the calls that follow the 32-bit way. ADDRESS: bytes in hexadecimal; with @FD behind them the port is
 * that of another socket; @FD alone is that socket's address, ! none at all. Addresses end where readable memory does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* The end of readable memory, within reach of a 32-bit pointer. */
static unsigned char *edge;
static int is_compat;

static long call(long number, long number32, long first, long second, long third, long fourth)
{
	long result;

	if (!is_compat) {
		result = syscall(number, first, second, third, fourth);
		return result < 0 ? -errno : result;
	}
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number32), "b"(first), "c"(second), "d"(third), "S"(fourth)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static void on_alarm(int signal)
{
	(void)signal;
}

static int set_alarms(int microseconds)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval every = {{0, microseconds}, {0, microseconds}};

	return sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &every, NULL);
}

/* Puts the address that `text` means before the edge; returns where it begins. */
static unsigned char *address_of(const char *text, socklen_t *bytes)
{
	unsigned char made[256];
	const char *other = strchr(text, '@');
	socklen_t length = 0;

	if (!strcmp(text, "!")) {
		*bytes = 16;
		return NULL;
	}
	for (unsigned int byte; length < sizeof(made) && sscanf(text + 2 * length, "%2x", &byte) == 1; length++)
		made[length] = byte;
	if (other) {
		unsigned char name[sizeof(made)];
		socklen_t name_length = sizeof(name);

		if (getsockname(atoi(other + 1), (struct sockaddr *)name, &name_length))
			exit(2);
		if (length) {
			memcpy(made + 2, name + 2, 2); /* In both families the port follows the family. */
		} else {
			memcpy(made, name, name_length);
			length = name_length;
		}
	}
	memcpy(edge - length, made, length);
	*bytes = length;
	return edge - length;
}

static void print_address(int failed, const unsigned char *bytes, socklen_t length)
{
	if (failed)
		printf("%d", -errno);
	for (socklen_t at = 0; !failed && at < length; at++)
		printf("%02x", bytes[at]);
	printf("\n");
}

int main(int argc, char **argv)
{
	unsigned char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (page == MAP_FAILED || munmap(page + 4096, 4096))
		return 2;
	edge = page + 4096;
	for (int place = 1; place < argc; place++) {
		char *step = argv[place], *first = strchr(step, ':');
		char *second = first ? strchr(first + 1, ':') : NULL;
		char *third = second ? strchr(second + 1, ':') : NULL;
		long one = first ? strtol(first + 1, NULL, 0) : 0, two = second ? strtol(second + 1, NULL, 0) : 0;
		unsigned char named[256], *address;
		socklen_t length = sizeof(named);
		int failed;

		if (first)
			*first = '\0';
		if (!strcmp(step, "compat")) {
			is_compat = 1;
		} else if (!strcmp(step, "socket")) {
			printf("%ld\n", call(SYS_socket, 359, one, two, third ? strtol(third + 1, NULL, 0) : 0, 0));
		} else if (!strcmp(step, "bind") && second) {
			address = address_of(second + 1, &length);
			printf("%ld\n", call(SYS_bind, 361, one, (long)address, length, 0));
		} else if (!strcmp(step, "connect") && second) {
			address = address_of(second + 1, &length);
			printf("%ld\n", call(SYS_connect, 362, one, (long)address, length, 0));
		} else if (!strcmp(step, "listen")) {
			printf("%ld\n", call(SYS_listen, 363, one, two, 0, 0));
		} else if (!strcmp(step, "accept")) {
			printf("%ld\n", call(SYS_accept, -1, one, 0, 0, 0));
		} else if (!strcmp(step, "accept4")) {
			printf("%ld\n", call(SYS_accept4, 364, one, 0, 0, two));
		} else if (!strcmp(step, "name")) {
			failed = getsockname(one, (struct sockaddr *)named, &length);
			print_address(failed, named, length);
		} else if (!strcmp(step, "peer")) {
			failed = getpeername(one, (struct sockaddr *)named, &length);
			print_address(failed, named, length);
		} else if (!strcmp(step, "limit")) {
			struct rlimit limit = {one, one};

			printf("%d\n", setrlimit(RLIMIT_NOFILE, &limit));
		} else if (!strcmp(step, "eventfd")) {
			printf("%d\n", eventfd(0, 0));
		} else if (!strcmp(step, "alarms")) {
			printf("%d\n", set_alarms(20000));
		} else {
			return 2;
		}
	}
	return set_alarms(0); /* What is printed must not be interrupted. */
}
