/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fills the monitor's ring through the monitor's own lib/ring.bpf.h, with events as open(2) makes them but without an
 * open: what is measured is then the ring and what reads it, and not the kernel's walk along paths. ring-load.c hands
 * it the ring and the counters of a running monitor, and runs it.
 */
#include "vmlinux/x86_64.h"
#include <bpf/bpf_helpers.h>

#include "event.h"
#include "lib/ring.bpf.h"
#include "../bench/programs/ring-load.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NR_OPENAT 257
#define AT_FDCWD -100
#define O_CLOEXEC 02000000
#define S_IFREG_0644 0100644

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOAD_PROCESSES);
	__type(key, __u32);
	__type(value, struct load_process);
} load_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load: number of paths */
	__type(key, __u32);
	__type(value, struct load_path);
} load_paths SEC(".maps");

static __always_inline void add_text(
	struct scratch *scratch, enum palisade_string string, const char *text, __u32 length)
{
	length &= LOAD_TEXT_MAX - 1;
	COUNTED(bpf_probe_read_kernel(next_string(scratch), length, text));
	end_string(scratch, string, length);
}

static long submit_one(__u32 index, struct load_run *run)
{
	struct palisade_counters *cell = counters_of_cpu();
	struct load_process *process;
	struct load_path *path;
	struct scratch *scratch;
	__u32 place;

	/* Numerical Recipes' generator: its upper bits are good enough to mix paths and processes. */
	run->random = run->random * 1664525u + 1013904223u;
	place = (run->random >> 28) & (LOAD_PROCESSES - 1);
	process = bpf_map_lookup_elem(&load_processes, &place);
	place = (run->random >> 8 & 0xfffff) % run->paths;
	path = bpf_map_lookup_elem(&load_paths, &place);
	if (!cell || !process || !path)
		return 1;
	COUNT(cell, seen, PALISADE_OPERATION_OPEN);
	scratch = reserve_event(cell, PALISADE_OPERATION_OPEN);
	if (!scratch)
		return 0;
	scratch->event.session = run->session;
	scratch->event.start_time_ns = process->start_time_ns;
	scratch->event.host_tgid = scratch->event.tgid = process->tgid;
	scratch->event.host_tid = scratch->event.tid = process->tgid;
	scratch->event.host_ppid = scratch->event.ppid = 1;
	scratch->event.cgroup_id = 1;
	scratch->event.syscall = NR_OPENAT;
	scratch->event.flags = O_CLOEXEC;
	scratch->event.return_value = 3;
	scratch->event.file_descriptor = AT_FDCWD;
	scratch->event.path_source = PALISADE_PATH_OBJECT;
	scratch->event.file.inode = 1000 + place;
	scratch->event.file.device = 8 << 20 | 1;
	scratch->event.file.mode = S_IFREG_0644;
	scratch->event.file.owner_uid = 0;
	scratch->event.file.owner_gid = 0;
	add_text(scratch, PALISADE_STRING_COMM, process->comm, process->comm_bytes);
	add_text(scratch, PALISADE_STRING_EXECUTABLE, process->executable, process->executable_bytes);
	add_text(scratch, PALISADE_STRING_PARENT_EXECUTABLE, process->parent, process->parent_bytes);
	add_text(scratch, PALISADE_STRING_CWD, process->cwd, process->cwd_bytes);
	add_text(scratch, PALISADE_STRING_PATH, path->text, path->bytes);
	add_text(scratch, PALISADE_STRING_TYPED_PATH, path->text, path->bytes);
	submit_event(scratch, PALISADE_OPERATION_OPEN);
	return 0;
}

SEC("syscall")
int ring_load(struct load_run *run)
{
	struct load_run state = *run;

	bpf_loop(run->events & 0xffff, submit_one, &state, 0);
	run->random = state.random;
	return 0;
}
