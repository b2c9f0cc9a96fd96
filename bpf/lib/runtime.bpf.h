/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a process is a container runtime: by its name, or by the device and inode of its executable. */
#ifndef PALISADE_RUNTIME_BPF_H
#define PALISADE_RUNTIME_BPF_H

#include "container.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PALISADE_RUNTIMES_MAX);
	__type(key, struct palisade_executable);
	__type(value, __u8);
} runtimes SEC(".maps");

/* Names of executables, padded with zeros; a longer name is compared by its first 31 bytes. */
struct runtime_name {
	char text[PALISADE_RUNTIME_NAME_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PALISADE_RUNTIMES_MAX);
	__type(key, struct runtime_name);
	__type(value, __u8);
} runtime_names SEC(".maps");

/* Processes that ran a registered executable last: what they run next may be their own copy of it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);   /* start time of the process */
	__type(value, __u32); /* its tgid */
} runtime_processes SEC(".maps");

/* Such copies: unlinked files, as crun and runc make them (memfd) so that a container cannot overwrite the runtime. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, struct palisade_executable);
	__type(value, __u8);
} runtime_copies SEC(".maps");

static __always_inline struct palisade_executable executable_of(struct file *file)
{
	struct palisade_executable executable = {};

	executable.inode = BPF_CORE_READ(file, f_inode, i_ino);
	executable.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	return executable;
}

static __always_inline bool is_runtime_file(struct file *file)
{
	struct palisade_executable executable = executable_of(file);
	struct runtime_name name = {};

	if (bpf_map_lookup_elem(&runtimes, &executable) || bpf_map_lookup_elem(&runtime_copies, &executable))
		return true;
	COUNTED(bpf_probe_read_kernel_str(
		name.text, sizeof(name.text), BPF_CORE_READ(file, f_path.dentry, d_name.name)));
	return bpf_map_lookup_elem(&runtime_names, &name) != NULL;
}

static __always_inline bool is_runtime(struct task_struct *task)
{
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct runtime_name name = {};

	if (file && is_runtime_file(file))
		return true;
	/* Started through /proc/self/exe or a link of another name: the leader's comm. */
	COUNTED(bpf_probe_read_kernel_str(name.text, sizeof(task->comm), &task->group_leader->comm));
	return bpf_map_lookup_elem(&runtime_names, &name) != NULL;
}

/* Root in the initial user namespace: what an unprivileged user's runtime makes are processes of the host. */
static __always_inline bool is_host_root(struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);

	return BPF_CORE_READ(cred, euid.val) == 0 && BPF_CORE_READ(cred, user_ns, level) == 0;
}

/* Called when a process has executed `file`. */
static __always_inline void follow_runtime(struct task_struct *task, struct file *file)
{
	__u64 start = BPF_CORE_READ(task, group_leader, start_boottime);
	struct palisade_executable executable;
	__u32 tgid = task->tgid, *was;
	__u8 one = 1;

	was = bpf_map_lookup_elem(&runtime_processes, &start);
	if (was && *was == tgid) {
		if (BPF_CORE_READ(file, f_inode, i_nlink) == 0) {
			executable = executable_of(file);
			COUNTED(bpf_map_update_elem(&runtime_copies, &executable, &one, BPF_ANY));
			return;
		}
		bpf_map_delete_elem(&runtime_processes, &start);
	}
	if (is_host_root(task) && is_runtime_file(file) && container_of_task(task) == 0)
		COUNTED(bpf_map_update_elem(&runtime_processes, &start, &tgid, BPF_ANY));
}

#endif
