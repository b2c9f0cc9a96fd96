/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What other kernels than that of vmlinux.h call otherwise. A suffix says the last version that has it.
 */
#ifndef PALISADE_FLAVORS_BPF_H
#define PALISADE_FLAVORS_BPF_H

/*
 * Where a file is queued for its last close (fs/file_table.c, fput): found by which member this kernel has.
 * f_u.fu_rcuhead until 5.19, f_rcuhead until 6.4, f_task_work after.
 */
struct file___v5_19 {
	union {
		struct callback_head fu_rcuhead;
	} f_u;
} __attribute__((preserve_access_index));

struct file___v6_4 {
	struct callback_head f_rcuhead;
} __attribute__((preserve_access_index));

static __always_inline __u64 file_of_work(__u64 work)
{
	if (bpf_core_field_exists(struct file, f_task_work))
		return work - bpf_core_field_offset(struct file, f_task_work);
	if (bpf_core_field_exists(struct file___v6_4, f_rcuhead))
		return work - bpf_core_field_offset(struct file___v6_4, f_rcuhead);
	return work - bpf_core_field_offset(struct file___v5_19, f_u.fu_rcuhead);
}

/*
 * Until 6.0 a cgroup has its ancestors' ids, from 6.1 pointers to them: 7f203bc89eb6 ("cgroup: Replace
 * cgroup->ancestor_ids[] with ->ancestors[]").
 */
struct cgroup___v6_0 {
	u64 ancestor_ids[0];
} __attribute__((preserve_access_index));

#endif
