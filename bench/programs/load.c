// SPDX-License-Identifier: Apache-2.0
/*
 * Opens files, and now and then runs a program, at a steady rate, so that what the pipeline makes of it can be
 * measured.
 *
 *   load RATE SECONDS QUIET_FILE ALERT_FILE ALERT_EVERY PROGRAM EXEC_EVERY
 *
 * RATE is in acts a second. Of every ALERT_EVERY acts one opens ALERT_FILE in the place of QUIET_FILE; of the others
 * every EXEC_EVERY-th runs PROGRAM (0: none). Acts come in slices of a millisecond, since a sleep is no finer than that
 * on a busy machine. Prints one JSON object: what was done and how long it took.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void open_once(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
}

static void run_once(char *program)
{
	char *arguments[] = {program, NULL};
	pid_t child;
	int status;
	int error = posix_spawn(&child, program, NULL, NULL, arguments, environ);
	if (error != 0) {
		errno = error;
		perror(program);
		exit(1);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
}

int main(int count, char **values)
{
	if (count != 8) {
		fprintf(stderr, "usage: load RATE SECONDS QUIET_FILE ALERT_FILE ALERT_EVERY PROGRAM EXEC_EVERY\n");
		return 2;
	}
	uint64_t rate = strtoull(values[1], NULL, 10);
	double seconds = strtod(values[2], NULL);
	uint64_t alert_every = strtoull(values[5], NULL, 10);
	uint64_t exec_every = strtoull(values[7], NULL, 10);
	uint64_t total = (uint64_t)((double)rate * seconds);
	uint64_t opens = 0, alerts = 0, execs = 0;
	uint64_t start = now_ns();

	for (uint64_t act = 1; act <= total; act++) {
		uint64_t due = start + act * 1000000000u / rate;
		uint64_t now = now_ns();
		if (now + 1000000u < due) {
			struct timespec pause = {0, 1000000};
			nanosleep(&pause, NULL);
		}
		if (alert_every != 0 && act % alert_every == 0) {
			open_once(values[4]);
			alerts++;
		} else if (exec_every != 0 && act % exec_every == 0) {
			run_once(values[6]);
			execs++;
		} else {
			open_once(values[3]);
			opens++;
		}
	}
	printf("{\"opens\":%llu,\"alerts\":%llu,\"execs\":%llu,\"seconds\":%.3f}\n", (unsigned long long)opens,
		(unsigned long long)alerts, (unsigned long long)execs, (double)(now_ns() - start) / 1e9);
	return 0;
}
