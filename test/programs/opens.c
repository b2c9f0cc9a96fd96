/*
 * opens DIRECTORY PER_SECOND: creates DIRECTORY/alert-000001 and so on at a steady rate until SIGTERM. After each open
 * a line: its number, and CLOCK_BOOTTIME in ns before and after the call, so that who reads it knows what must have
 * been seen.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop};
	long long step_ns, next_ns;

	if (argc != 3)
		return 2;
	sigaction(SIGTERM, &action, NULL);
	step_ns = 1000000000LL / strtol(argv[2], NULL, 10);
	next_ns = now_ns();
	for (unsigned int number = 1; !stopped; number++) {
		struct timespec next = {next_ns / 1000000000LL, next_ns % 1000000000LL};
		char path[PATH_MAX];
		long long before_ns, after_ns;
		int file;

		clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &next, NULL);
		if (stopped)
			break;
		snprintf(path, sizeof(path), "%s/alert-%06u", argv[1], number);
		before_ns = now_ns();
		file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		after_ns = now_ns();
		if (file < 0)
			return 1;
		close(file);
		printf("%u %lld %lld\n", number, before_ns, after_ns);
		fflush(stdout);
		next_ns += step_ns;
	}
	return 0;
}
