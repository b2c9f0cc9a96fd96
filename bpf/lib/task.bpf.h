/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who: ids, namespaces, cgroup, credentials, executables of the current task. */
#ifndef PALISADE_TASK_BPF_H
#define PALISADE_TASK_BPF_H

#include "container.bpf.h"
#include "path.bpf.h"

/* Number of `pid` at `level` of the nested pid namespaces, and that namespace. */
static __always_inline struct upid number_at(struct pid *pid, __u32 level)
{
	struct upid number = {};

	COUNTED(bpf_probe_read_kernel(&number, sizeof(number), &pid->numbers[level & 31])); /* MAX_PID_NS_LEVEL is 32 */
	return number;
}

static __always_inline void add_ids(struct palisade_event *event, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct task_struct *parent = task->real_parent;
	struct task_struct *parent_leader = parent->group_leader;
	/* The task's own pid namespace is the innermost of its pid; nsproxy has that of future children. */
	struct pid *pid = task->thread_pid;
	struct pid *parent_pid = parent_leader->thread_pid;
	__u32 level = pid->level;
	struct upid number = number_at(pid, level);
	struct pid_namespace *namespace = number.ns;

	event->host_tgid = task->tgid;
	event->host_tid = task->pid;
	event->host_ppid = parent->tgid;
	event->start_time_ns = leader->start_boottime;
	event->parent_start_time_ns = parent_leader->start_boottime;
	event->tid = number.nr;
	number = number_at(leader->thread_pid, level);
	event->tgid = number.nr;
	if (parent_pid && parent_pid->level >= level) {
		number = number_at(parent_pid, level);
		if (number.ns == namespace)
			event->ppid = number.nr;
	}
	event->pid_namespace = BPF_CORE_READ(namespace, ns.inum); /* a number to the verifier */
	event->mount_namespace = task->nsproxy->mnt_ns->ns.inum;
	event->cgroup_id = cgroup_id(cgroup_of_task(task));
}

static __always_inline void add_credentials(struct palisade_event *event, struct task_struct *task)
{
	const struct cred *cred = task->cred;

	event->uid = cred->uid.val;
	event->euid = cred->euid.val;
	event->fsuid = cred->fsuid.val;
	event->gid = cred->gid.val;
	event->login_uid = PALISADE_NO_UID;
	if (bpf_core_field_exists(struct task_struct, loginuid)) /* CONFIG_AUDIT */
		event->login_uid = task->loginuid.val;
}

/* Everything of an event that is about who did it. The strings are the first ones. */
static __always_inline void add_task(struct scratch *scratch, struct task_struct *task, __u64 container)
{
	struct task_struct *parent = task->real_parent;
	struct fs_struct *fs = task->fs;
	struct fs_struct *parent_fs = parent->fs;
	struct tty_struct *tty = task->signal->tty;

	add_ids(&scratch->event, task);
	add_credentials(&scratch->event, task);
	scratch->event.container_cgroup_id = container;

	add_kernel_text(scratch, PALISADE_STRING_COMM, (const char *)&task->comm);
	add_file_path(scratch, PALISADE_STRING_EXECUTABLE, task->mm->exe_file, fs);
	add_file_path(scratch, PALISADE_STRING_PARENT_EXECUTABLE, parent->mm->exe_file, parent_fs ? parent_fs : fs);
	add_path(scratch, PALISADE_STRING_CWD, fs->pwd.dentry, fs->pwd.mnt, fs);
	if (tty)
		add_kernel_text(scratch, PALISADE_STRING_TTY, (const char *)&tty->name);
}

#endif
