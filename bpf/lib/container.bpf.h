/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which container a process belongs to: by its cgroup in the deciding hierarchy, and nothing else. Where a process goes
 * by its own doing, or by that of another one in a container, changes nothing: so what it belongs to is kept with the
 * process
 * (`belongings`), inherited by fork, and only a move made from the host changes it. Who makes and moves:
 * monitor/cgroup.bpf.h.
 */
#ifndef PALISADE_CONTAINER_BPF_H
#define PALISADE_CONTAINER_BPF_H

#include "../container.h"
#include "errors.bpf.h"
#include "flavors.bpf.h"

/*
 * Levels looked through, from the root down: a container lies near it (systemd and Kubernetes nest some six), and what
 * it makes beneath itself, however deep, cannot push it out of sight.
 */
#define CGROUP_LEVELS 32

/* Set before load: whether the unified hierarchy decides, else v1's pids controller. */
const volatile bool unified_hierarchy = true;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PALISADE_CONTAINERS_MAX);
	__type(key, __u64); /* cgroup id in the deciding hierarchy */
	__type(value, struct palisade_container);
} containers SEC(".maps");

/* The same, kept after the cgroup's end, so that the collector can still describe a container that lived 20 ms. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PALISADE_CONTAINERS_MAX);
	__type(key, __u64);
	__type(value, struct palisade_container);
} container_paths SEC(".maps");

/* What a process belongs to, kept with its thread group's leader: only where a container has to do with it. */
struct belonging {
	__u64 container; /* cgroup id; 0: the host, in whatever cgroup it finds itself */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct belonging);
} belongings SEC(".maps");

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

/* Whether the cgroup is of the deciding hierarchy: ids repeat across hierarchies. */
static __always_inline bool cgroup_decides(struct cgroup *cgroup)
{
	__u32 pids = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	struct cgroup_root *root = BPF_CORE_READ(cgroup, root);
	int hierarchy = BPF_CORE_READ(root, hierarchy_id);

	if (unified_hierarchy)
		return hierarchy == 0;
	return hierarchy != 0 && (BPF_CORE_READ(root, subsys_mask) & (1u << pids));
}

static __always_inline __u64 cgroup_id(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, kn, id);
}

/* Id of the cgroup's ancestor at a level from 1 to the cgroup's own. */
static __always_inline __u64 ancestor_id(struct cgroup *cgroup, int level)
{
	struct cgroup *ancestor = NULL;
	__u64 id = 0;

	if (bpf_core_field_exists(cgroup->ancestors)) {
		COUNTED(bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
			(void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) + level * sizeof(ancestor)));
		return cgroup_id(ancestor);
	}
	COUNTED(bpf_probe_read_kernel(&id, sizeof(id),
		(void *)cgroup + bpf_core_field_offset(struct cgroup___v6_0, ancestor_ids) + level * sizeof(id)));
	return id;
}

/* Id of the outermost container that the cgroup is or lies in; 0: none. */
static __always_inline __u64 container_of_cgroup(struct cgroup *cgroup)
{
	int depth = BPF_CORE_READ(cgroup, level), level;
	__u64 id;

	for (level = 1; level <= CGROUP_LEVELS; level++) { /* the root, level 0, is nobody's container */
		if (level > depth)
			break;
		id = ancestor_id(cgroup, level);
		if (bpf_map_lookup_elem(&containers, &id))
			return id;
	}
	return 0;
}

/* Cgroup id of the outermost container that the task's process belongs to; 0: the host. */
static __always_inline __u64 container_of_task(struct task_struct *task)
{
	struct belonging *kept = bpf_task_storage_get(&belongings, task->group_leader, NULL, 0);

	if (kept)
		return kept->container;
	return container_of_cgroup(cgroup_of_task(task));
}

static __always_inline void keep_belonging(struct task_struct *leader, __u64 container)
{
	struct belonging *kept = bpf_task_storage_get(&belongings, leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (kept)
		kept->container = container;
	else
		COUNTED(-12); /* ENOMEM: the process's cgroup goes on telling */
}

/*
 * A task is about to exec. Where it is not its process's leader it becomes that, and the leader is gone with what was
 * kept (fs/exec.c, de_thread): so it takes that over beforehand. Where the exec fails, nobody asks what another thread
 * keeps.
 */
static __always_inline void follow_thread(struct task_struct *task)
{
	struct belonging *kept;

	if (task->pid == task->tgid)
		return;
	kept = bpf_task_storage_get(&belongings, task->group_leader, NULL, 0);
	if (kept)
		keep_belonging(task, kept->container);
	else
		bpf_task_storage_delete(&belongings, task);
}

#endif
