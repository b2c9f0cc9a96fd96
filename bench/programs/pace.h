/* SPDX-License-Identifier: Apache-2.0 */
/* A steady rate of acts, from one CPU, for a number of seconds. */
#ifndef PACE_H
#define PACE_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Later than this, the acts that are due are not made up for: a burst would measure the machine's other work. */
#define PACE_LATE_NS 5000000u

struct pace {
	uint64_t rate; /* acts a second; 0: as fast as it goes */
	uint64_t start;
	uint64_t end;
	uint64_t due; /* of the next act */
};

static inline uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline void stay_on_cpu(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static inline struct pace begin_pace(uint64_t rate, double seconds)
{
	uint64_t now = now_ns();
	return (struct pace){rate, now, now + (uint64_t)(seconds * 1e9), now};
}

/* Waits until `acts` more are due; returns whether there is still time for them. */
static inline int keep_pace(struct pace *pace, uint64_t acts)
{
	uint64_t now = now_ns();
	if (pace->rate != 0) {
		while (now < pace->due) {
			/* Shorter waits than a sleep can be are spun. */
			if (pace->due - now > 200000u) {
				struct timespec pause = {0, 100000};
				nanosleep(&pause, NULL);
			}
			now = now_ns();
		}
		if (now - pace->due > PACE_LATE_NS)
			pace->due = now;
		pace->due += acts * 1000000000u / pace->rate;
	}
	return now < pace->end;
}

static inline double paced_seconds(const struct pace *pace)
{
	return (double)(now_ns() - pace->start) / 1e9;
}

#endif
