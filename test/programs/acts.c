/*
 * acts DIRECTORY COUNT: makes and removes a directory COUNT times, each of another name. Prints how many it removed:
 * the kernel's own answers, so that whoever counts what was told of this process knows what there was.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long count, removed = 0;

	if (argc != 3)
		return 2;
	count = strtoul(argv[2], NULL, 10);
	for (unsigned long number = 1; number <= count; number++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%d-%lu", argv[1], (int)getpid(), number);
		if (mkdir(path, 0700) != 0)
			return 1;
		if (rmdir(path) == 0)
			removed++;
	}
	printf("%lu\n", removed);
	return 0;
}
