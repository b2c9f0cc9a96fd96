/* exec execve|execveat PATH [ARGUMENT…]: replaces itself; prints the error where that fails. execveat: PATH's directory
 * by descriptor. exec memfd PATH: a copy of it that is in no directory. exec thread
 * PATH: by a thread that is not the first. exec as UID PATH: the same as execve after setresuid, so that a set-uid
 * program shows whose credentials are whose. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *execute(void *arguments)
{
	char **argv = arguments, *environment[] = {NULL};

	execve(argv[0], argv, environment);
	return NULL;
}

int main(int argc, char **argv)
{
	char *environment[] = {NULL}, *call = argv[1], directory[4096];
	pthread_t thread;
	int fd;

	(void)argc;
	if (!strcmp(call, "as")) {
		uid_t uid = atoi(argv[2]);

		if (setresuid(uid, uid, uid))
			return 3;
		execve(argv[3], argv + 3, environment);
	} else if (!strcmp(call, "execveat")) {
		strcpy(directory, argv[2]);
		fd = open(dirname(directory), O_PATH | O_DIRECTORY);
		syscall(SYS_execveat, fd, basename(argv[2]), argv + 2, environment, 0);
	} else if (!strcmp(call, "thread")) {
		pthread_create(&thread, NULL, execute, argv + 2);
		pthread_join(thread, NULL);
	} else if (!strcmp(call, "memfd")) {
		fd = memfd_create("copy", 0);
		sendfile(fd, open(argv[2], O_RDONLY), NULL, 1 << 24);
		syscall(SYS_execveat, fd, "", argv + 2, environment, AT_EMPTY_PATH);
	} else {
		execve(argv[2], argv + 2, environment);
	}
	printf("%d\n", -errno);
	return 0;
}
