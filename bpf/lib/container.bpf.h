/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which container a task belongs to: by its cgroup in the deciding hierarchy, and nothing else. */
#ifndef PALISADE_CONTAINER_BPF_H
#define PALISADE_CONTAINER_BPF_H

/* Levels of cgroups walked towards the root. systemd and Kubernetes nest some six; the kernel's own limit is far higher. */
#define CGROUP_LEVELS 32
/* Containers of one node; Kubernetes plans for 110 pods a node. */
#define CONTAINERS_MAX 4096

/* Set before load: whether the unified hierarchy decides, else v1's pids controller. */
const volatile bool unified_hierarchy = true;

struct container {
	__u64 first_seen_ns; /* CLOCK_BOOTTIME */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONTAINERS_MAX);
	__type(key, __u64); /* cgroup id in the deciding hierarchy */
	__type(value, struct container);
} containers SEC(".maps");

/* The task's cgroup in the deciding hierarchy. */
static __always_inline struct cgroup *cgroup_of_task(struct task_struct *task)
{
	struct cgroup_subsys_state *state = NULL;
	__u32 pids;

	if (unified_hierarchy)
		return BPF_CORE_READ(task, cgroups, dfl_cgrp);
	pids = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	COUNTED(bpf_probe_read_kernel(&state, sizeof(state), &BPF_CORE_READ(task, cgroups)->subsys[pids]));
	return BPF_CORE_READ(state, cgroup);
}

static __always_inline __u64 cgroup_id(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, kn, id);
}

/* Id of the outermost container's cgroup, 0 for the host. */
static __always_inline __u64 container_of_task(struct task_struct *task)
{
	struct cgroup *cgroup = cgroup_of_task(task);
	struct cgroup_subsys_state *parent;
	__u64 outermost = 0, id;
	int level;

	for (level = 0; level < CGROUP_LEVELS; level++) {
		parent = BPF_CORE_READ(cgroup, self.parent);
		if (!parent)
			break; /* The root is nobody's container. */
		id = cgroup_id(cgroup);
		if (bpf_map_lookup_elem(&containers, &id))
			outermost = id;
		cgroup = BPF_CORE_READ(parent, cgroup);
	}
	return outermost;
}

#endif
