/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether: operations and targets switched off, and the pipeline's own noise. Everything left out is counted. */
#ifndef PALISADE_FILTER_BPF_H
#define PALISADE_FILTER_BPF_H

#include "ring.bpf.h"
#include "task.bpf.h"

/* Containers switched off at one time. */
#define TARGETS_OFF_MAX 1024
/* The pipeline's own processes: the roles' and their helpers'. */
#define REGISTERED_MAX 64

/* Written by user space at any time. Bit n: operation n is switched off. */
volatile __u32 operations_off = 0;
/* Number of entries of targets_off: no lookup while it is zero. */
volatile __u32 targets_off_count = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TARGETS_OFF_MAX);
	__type(key, __u64); /* container cgroup id; 0: the host */
	__type(value, __u8);
} targets_off SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REGISTERED_MAX);
	__type(key, __u32);   /* tgid in the initial pid namespace */
	__type(value, __u64); /* start time of its leader in clock ticks since boot, as /proc/PID/stat has it: pids come
				 again */
} registered SEC(".maps");

/* Nanoseconds of one tick of /proc/PID/stat: USER_HZ is 100 on every architecture that Linux supports today. */
#define TICK_NS 10000000ull

/* Whether the task's process, itself and not a parent, registered as part of the pipeline. */
static __always_inline bool is_own(struct task_struct *task)
{
	__u32 tgid = task->tgid;
	__u64 *start_ticks = bpf_map_lookup_elem(&registered, &tgid);

	return start_ticks && *start_ticks == task->group_leader->start_boottime / TICK_NS;
}

/* What a program does with own processes: file and network acts are noise, the life of a process is not. */
enum own { OWN_COUNTS, OWN_IS_NOISE };

/*
 * Counts an act of the current task as seen, and begins its event; NULL where it is left out or dropped, which is
 * counted too. After it, add strings and call submit_event() on every way.
 */
static __always_inline struct scratch *begin_event(
	enum palisade_operation operation, struct task_struct *task, enum own own)
{
	struct palisade_counters *cell = counters_of_cpu();
	struct scratch *scratch;
	__u64 container = 0;

	if (!cell)
		return NULL;
	COUNT(cell, seen, operation);
	if (operations_off & (1 << operation))
		goto filtered;
	if (own == OWN_IS_NOISE && is_own(task))
		goto filtered;
	container = container_of_task(task);
	if (targets_off_count && bpf_map_lookup_elem(&targets_off, &container))
		goto filtered;
	scratch = reserve_event(cell, operation);
	if (scratch)
		add_task(scratch, task, container);
	return scratch;
filtered:
	COUNT(cell, filtered, operation);
	return NULL;
}

/* Counts an act that is none for us, such as an open with O_PATH. */
static __always_inline void filter_event(enum palisade_operation operation)
{
	struct palisade_counters *cell = counters_of_cpu();

	if (!cell)
		return;
	COUNT(cell, seen, operation);
	COUNT(cell, filtered, operation);
}

#endif
