/* exit CODE | exit signal N | exit leader CODE: the last ends the first thread early, and the process by the second
 * one. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int code;

static void *second(void *nothing)
{
	(void)nothing;
	usleep(50000);
	syscall(SYS_exit_group, code);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc == 2)
		_exit(atoi(argv[1]));
	if (!strcmp(argv[1], "signal")) {
		kill(getpid(), atoi(argv[2]));
		pause();
	}
	code = atoi(argv[2]);
	pthread_create(&thread, NULL, second, NULL);
	syscall(SYS_exit, 0);
	return 1;
}
