/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Begin, count, number and submit: the only code that touches the ring and its counters.
 *
 *   begin_event() ──▶ scratch of this CPU, header filled ──▶ add strings ──▶ submit_event()
 *
 * An event is built in memory of this CPU and copied into the ring at its real size, since a reservation must have a
 * constant one.
 */
#ifndef PALISADE_RING_BPF_H
#define PALISADE_RING_BPF_H

#include "errors.bpf.h"

/* Room for all strings at their largest: 10 paths, arguments, comm, tty, addresses: 49,500 bytes; a power of two, for a
 * mask. */
#define STRINGS_BYTES 65536
/* The largest single string, so that a masked start plus a string stays inside. */
#define STRING_MAX PALISADE_ARGUMENTS_MAX

/* A path being walked from its end: see path.bpf.h. */
struct walk {
	__u64 dentry;
	__u64 mount;
	__u64 root_dentry;
	__u64 root_mount;
	__u64 mount_root; /* the dentry at which walk->mount begins */
	__u32 start;	  /* bytes[start] is the first byte of what is known */
	__u32 truncated;
	char bytes[PALISADE_PATH_MAX + 256]; /* a masked start plus a component's 255 bytes stays inside */
};

struct scratch {
	__u64 busy;
	__u64 used;	       /* bytes of strings */
	__u64 argument;	       /* exec that failed: where the next pointer of argv is */
	__u64 argument_bytes;  /* of such a pointer */
	__u64 arguments_start; /* what `used` was before the first */
	struct walk walk;
	struct palisade_event event;
	char strings[STRINGS_BYTES + STRING_MAX]; /* directly behind the event: one piece for the ring */
};
_Static_assert(__builtin_offsetof(struct scratch, strings) ==
		       __builtin_offsetof(struct scratch, event) + sizeof(struct palisade_event),
	"strings follow the event");

/* Set before load: CLOCK_BOOTTIME ns of this life of the monitor. */
const volatile __u64 session;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* set before load */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct palisade_counters);
} counters SEC(".maps");

/* By CPU. Not a per-CPU array: its values end at 32 KiB (PCPU_MIN_UNIT_SIZE). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load: possible CPUs */
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct palisade_counters *counters_of_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* One of the counters' arrays by operation. The operation is a constant at each call. */
#define COUNT(cell, what, operation) __sync_fetch_and_add(&(cell)->what[operation], 1)

/* The CPU's scratch with a fresh header, or NULL where it is in use: a program that was interrupted has it. */
static __always_inline struct scratch *take_scratch(enum palisade_operation operation)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &cpu);

	if (!scratch || scratch->busy)
		return NULL;
	scratch->busy = 1;
	scratch->used = 0;
	__builtin_memset(&scratch->event, 0, sizeof(scratch->event));
	scratch->event.version = PALISADE_EVENT_VERSION;
	scratch->event.operation = operation;
	scratch->event.session = session;
	scratch->event.time_ns = bpf_ktime_get_boot_ns();
	scratch->event.cpu = cpu;
	scratch->event.syscall = -1;
	scratch->event.file_descriptor = -1;
	scratch->event.file.owner_uid = PALISADE_NO_UID;
	scratch->event.file.owner_gid = PALISADE_NO_UID;
	scratch->event.second.owner_uid = PALISADE_NO_UID;
	scratch->event.second.owner_gid = PALISADE_NO_UID;
	scratch->event.caller_uid = PALISADE_NO_UID;
	scratch->event.caller_euid = PALISADE_NO_UID;
	scratch->event.caller_fsuid = PALISADE_NO_UID;
	scratch->event.caller_gid = PALISADE_NO_UID;
	return scratch;
}

/* A scratch with a numbered event; where there is none the event is a dropped one. To be followed by submit_event() on
 * every way. */
static __always_inline struct scratch *reserve_event(struct palisade_counters *cell, enum palisade_operation operation)
{
	__u64 sequence = __sync_fetch_and_add(&cell->sequence, 1) + 1;
	struct scratch *scratch = take_scratch(operation);

	if (scratch)
		scratch->event.sequence = sequence;
	else
		COUNT(cell, dropped, operation);
	return scratch;
}

/* Closes the event: its size, which is returned, and the zeros up to it. */
static __always_inline __u64 end_event(struct scratch *scratch)
{
	__u64 used = scratch->used, size;

	/* At most 7 zeros up to the next multiple of 8; the strings' end has room for them. */
	*(__u64 *)&scratch->strings[(used & (STRINGS_BYTES - 1))] = 0;
	size = (sizeof(struct palisade_event) + (used & (STRINGS_BYTES - 1)) + 7) & ~7ull;
	scratch->event.size = size;
	return size;
}

/* Hands the event to user space, or counts it as dropped. The scratch is free afterwards. */
static __always_inline void submit_event(struct scratch *scratch, enum palisade_operation operation)
{
	struct palisade_counters *cell = counters_of_cpu();
	__u64 used = scratch->used, size;
	long result;

	/* At most 7 of these zeros reach the ring: up to the next multiple of 8. */
	*(__u64 *)&scratch->strings[used & (STRINGS_BYTES - 1)] = 0;
	size = (sizeof(struct palisade_event) + (used & (STRINGS_BYTES - 1)) + 7) & ~7ull;
	scratch->event.size = size;
	/* User space looks every few milliseconds: a wake-up an event would cost more than the event. */
	result = bpf_ringbuf_output(&ring, &scratch->event, size, BPF_RB_NO_WAKEUP);
	scratch->busy = 0;
	if (!cell)
		return;
	if (result)
		COUNT(cell, dropped, operation);
	else
		COUNT(cell, submitted, operation);
}

/* Where the next string goes: STRING_MAX bytes are free there. */
static __always_inline void *next_string(struct scratch *scratch)
{
	return &scratch->strings[scratch->used & (STRINGS_BYTES - 1)];
}

/* What was written at next_string() is string number `string`. Strings are added in the order of the enum. */
static __always_inline void end_string(struct scratch *scratch, enum palisade_string string, __u32 length)
{
	scratch->event.lengths[string] = length;
	scratch->used += length;
}

#endif
