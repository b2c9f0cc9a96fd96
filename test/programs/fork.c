/* fork fork|vfork|thread: makes one child that ends with 7, or a thread; prints the child's pid. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *argument)
{
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	pid_t child = 0;

	(void)argc;
	if (!strcmp(argv[1], "thread")) {
		pthread_create(&thread, NULL, nothing, NULL);
		pthread_join(thread, NULL);
	} else {
		if (!strcmp(argv[1], "vfork"))
			child = vfork();
		else
			child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		if (child == 0)
			_exit(7);
		waitpid(child, NULL, 0);
	}
	printf("%d\n", child);
	return 0;
}
