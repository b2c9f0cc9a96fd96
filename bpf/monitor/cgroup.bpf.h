/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which cgroups are containers, as they come and go. Nothing here goes through the ring, so nothing can be lost with
 * it.
 *
 *   made, with a known layout                              → a container
 *   made by a runtime of the host's root                   → a candidate
 *   … which then moves a process into it, or is born there → a container; what it made on the way stays a candidate
 *   removed                                                → no container any more
 *
 * Within a container nothing is registered: the outermost decides. What a process of a container makes or moves changes
 * nothing at all.
 */
#ifndef PALISADE_MONITOR_CGROUP_BPF_H
#define PALISADE_MONITOR_CGROUP_BPF_H

#include "../lib/layout.bpf.h"
#include "../lib/runtime.bpf.h"

/* Cgroups made by a runtime: parents made on the way stay here, so the oldest goes where there are too many. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* cgroup id */
	__type(value, struct palisade_container);
} candidates SEC(".maps");

static __always_inline void register_container(__u64 id, struct palisade_container *container)
{
	COUNTED(bpf_map_update_elem(&container_paths, &id, container, BPF_ANY));
	COUNTED(bpf_map_update_elem(&containers, &id, container, BPF_ANY));
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgroup, const char *path)
{
	struct task_struct *maker = bpf_get_current_task_btf();
	struct palisade_container *container;
	struct cgroup_scratch *scratch;
	__u32 zero = 0;
	__u64 id;
	long bytes;

	if (!cgroup_decides(cgroup) || container_of_cgroup(cgroup) || container_of_task(maker))
		return 0;
	scratch = bpf_map_lookup_elem(&cgroup_scratches, &zero);
	if (!scratch)
		return 0;
	id = cgroup_id(cgroup);
	container = &scratch->container;
	container->made_ns = bpf_ktime_get_boot_ns();
	bytes = COUNTED(bpf_probe_read_kernel_str(container->path, sizeof(container->path), path));
	container->path_length = bytes > 0 ? bytes - 1 : 0;
	if (has_container_layout(cgroup, &scratch->names)) {
		container->source = PALISADE_CONTAINER_LAYOUT;
		register_container(id, container);
	} else if (is_host_root(maker) && is_runtime(maker)) {
		container->source = PALISADE_CONTAINER_RUNTIME;
		COUNTED(bpf_map_update_elem(&candidates, &id, container, BPF_ANY));
	}
	return 0;
}

/* A process of the host put another one into a cgroup. */
static __always_inline void enter_cgroup(struct task_struct *mover, struct task_struct *leader, struct cgroup *cgroup)
{
	struct palisade_container *candidate;
	__u64 id = cgroup_id(cgroup), container = container_of_cgroup(cgroup);

	candidate = bpf_map_lookup_elem(&candidates, &id);
	if (candidate && !container && leader->tgid != mover->tgid && is_host_root(mover) && is_runtime(mover)) {
		register_container(id, candidate);
		bpf_map_delete_elem(&candidates, &id);
		container = id;
	}
	if (container)
		keep_belonging(leader, container);
	else
		bpf_task_storage_delete(&belongings, leader);
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_entered, struct cgroup *cgroup, const char *path, struct task_struct *task, bool threadgroup)
{
	struct task_struct *mover = bpf_get_current_task_btf();
	struct task_struct *leader = task->group_leader;
	struct belonging *kept;

	/* A thread moved alone leaves its process where it is. */
	if (!cgroup_decides(cgroup) || (!threadgroup && task->pid != task->tgid))
		return 0;
	/*
	 * The move is done already. Whoever is in a container has a belonging, so a mover without one is of the host,
	 * also where it has just moved itself.
	 */
	kept = bpf_task_storage_get(&belongings, mover->group_leader, NULL, 0);
	if (!kept || kept->container == 0) {
		enter_cgroup(mover, leader, cgroup);
		return 0;
	}
	/* Moved from within a container: it stays what it was, and without a belonging that was the host. */
	if (!bpf_task_storage_get(&belongings, leader, NULL, 0))
		keep_belonging(leader, 0);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_removed, struct cgroup *cgroup, const char *path)
{
	__u64 id = cgroup_id(cgroup);

	if (!cgroup_decides(cgroup))
		return 0;
	/* Most are in neither. */
	bpf_map_delete_elem(&containers, &id);
	bpf_map_delete_elem(&candidates, &id);
	return 0;
}

/* The child does not run yet. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(cgroup_inherit, struct task_struct *parent, struct task_struct *child)
{
	struct belonging *kept;
	struct cgroup *cgroup;
	__u64 container;

	if (child->pid != child->tgid)
		return 0;
	kept = bpf_task_storage_get(&belongings, parent->group_leader, NULL, 0);
	if (kept) {
		/* A process of a container stays its own, even where clone3() put it elsewhere (CLONE_INTO_CGROUP). */
		keep_belonging(child, kept->container);
		return 0;
	}
	cgroup = cgroup_of_task(child);
	if (cgroup != cgroup_of_task(parent)) {
		enter_cgroup(parent, child, cgroup);
		return 0;
	}
	container = container_of_cgroup(cgroup);
	if (container)
		keep_belonging(child, container);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(runtime_exec, struct task_struct *task, pid_t old_tid, struct linux_binprm *binprm)
{
	follow_runtime(task, BPF_CORE_READ(binprm, file));
	return 0;
}

#endif
