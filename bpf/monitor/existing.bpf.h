/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What already runs when the monitor begins: told on demand, through a reader of its own and not through the ring. */
#ifndef PALISADE_MONITOR_EXISTING_BPF_H
#define PALISADE_MONITOR_EXISTING_BPF_H

#include "../lib/ring.bpf.h"
#include "../lib/task.bpf.h"

/*
 * Run once, when the collector has told of the containers that were there before the monitor: each process learns which
 * one it is in, and is written out as an event without a sequence number. /proc could tell of them too, but has start
 * times in hundredths of a second, and these name a process together with its pid.
 */
SEC("iter/task")
int process_scan(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct scratch *scratch;
	__u64 container;
	long result;

	if (!task || task->pid != task->tgid)
		return 0;
	/* A process of which no thread lives waits for its parent alone; its leader may have ended before the others.
	 */
	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		return 0;
	container = container_of_task(task);
	if (container)
		keep_belonging(task, container);
	scratch = take_scratch(PALISADE_OPERATION_EXISTING);
	if (!scratch)
		return 1; /* in use on this CPU: this task again */
	add_task(scratch, task, container);
	scratch->event.cpu = (__u32)-1;
	result = bpf_seq_write(context->meta->seq, &scratch->event, end_event(scratch));
	scratch->busy = 0;
	/* The buffer is full: the kernel writes it out and comes again with this task (kernel/bpf/bpf_iter.c). */
	return result == -75 /* EOVERFLOW */ ? 0 : COUNTED(result) != 0;
}

#endif
