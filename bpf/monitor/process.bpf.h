/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fork, exec (that succeeded, and that failed), exit. */
#ifndef PALISADE_MONITOR_PROCESS_BPF_H
#define PALISADE_MONITOR_PROCESS_BPF_H

#include "../lib/filter.bpf.h"
#include "../lib/flavors.bpf.h"
#include "../lib/syscall.bpf.h"

/* ---- fork: a new process, told by its maker. Threads are none. ---- */

#define CLONE_VM 0x00000100
#define CLONE_FS 0x00000200
#define CLONE_FILES 0x00000400
#define CLONE_PARENT 0x00008000
#define CLONE_NEWNS 0x00020000
#define CLONE_NEWPID 0x20000000

/* The flags it was made with, as far as they have left a trace by now (CLONE_VFORK leaves its own later). */
static __always_inline __u64 clone_flags(struct task_struct *parent, struct task_struct *child)
{
	__u64 flags = 0;

	if (parent->mm == child->mm)
		flags |= CLONE_VM;
	if (parent->fs == child->fs)
		flags |= CLONE_FS;
	if (parent->files == child->files)
		flags |= CLONE_FILES;
	if (child->real_parent->tgid != parent->tgid)
		flags |= CLONE_PARENT;
	if (parent->nsproxy->mnt_ns != child->nsproxy->mnt_ns)
		flags |= CLONE_NEWNS;
	if (parent->thread_pid->level != child->thread_pid->level)
		flags |= CLONE_NEWPID;
	return flags;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct scratch *scratch;

	if (child->pid != child->tgid)
		return 0;
	scratch = begin_event(PALISADE_OPERATION_FORK, parent, OWN_COUNTS);
	if (!scratch)
		return 0;
	scratch->event.child_host_tgid = child->tgid;
	scratch->event.child_start_time_ns = child->start_boottime;
	scratch->event.flags = clone_flags(parent, child);
	submit_event(scratch, PALISADE_OPERATION_FORK);
	return 0;
}

/* ---- exec: what the caller was is kept when it calls, for the event when the new program is in place. ---- */

struct caller {
	__u32 uid;
	__u32 euid;
	__u32 fsuid;
	__u32 gid;
	__s32 number;	 /* of the call, in the 64-bit table */
	__s32 directory; /* execveat's; else -1 */
	__u32 length;
	__u32 truncated;
	char executable[PALISADE_PATH_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct caller);
} callers SEC(".maps");

/* Under sched_process_exec a set-uid program already has its new credentials, and the caller's executable is gone. */
SEC("tp_btf/sys_enter")
int BPF_PROG(exec_enter, struct pt_regs *regs, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 cpu = bpf_get_smp_processor_id(), length;
	const struct cred *cred;
	struct scratch *scratch;
	struct caller *caller;
	struct file *file;
	bool compat = is_compat(task);

	if (compat) {
		if (number != NR32_EXECVE && number != NR32_EXECVEAT)
			return 0;
	} else if (number != NR_EXECVE && number != NR_EXECVEAT) {
		return 0;
	}
	follow_thread(task);
	if (operations_off & (1 << PALISADE_OPERATION_EXEC))
		return 0;
	caller = bpf_task_storage_get(&callers, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!caller) {
		COUNTED(-12); /* ENOMEM */
		return 0;
	}
	cred = task->cred;
	caller->uid = cred->uid.val;
	caller->euid = cred->euid.val;
	caller->fsuid = cred->fsuid.val;
	caller->gid = cred->gid.val;
	caller->number = syscall_number(regs, compat);
	caller->directory = caller->number == NR_EXECVEAT ? (__s32)syscall_argument(regs, compat, 0) : -1;
	caller->length = 0;
	caller->truncated = 0;
	scratch = bpf_map_lookup_elem(&scratches, &cpu);
	file = task->mm->exe_file;
	if (!scratch || scratch->busy || !file)
		return 0;
	begin_walk(&scratch->walk, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt), task->fs);
	length = walk_path(&scratch->walk);
	if (length > PALISADE_PATH_MAX ||
		COUNTED(bpf_probe_read_kernel(caller->executable, length, walked_path(&scratch->walk))))
		return 0;
	caller->length = length;
	caller->truncated = scratch->walk.truncated;
	return 0;
}

static __always_inline void add_caller(struct palisade_event *event, struct caller *caller)
{
	event->syscall = caller->number;
	event->file_descriptor = caller->directory;
	event->caller_uid = caller->uid;
	event->caller_euid = caller->euid;
	event->caller_fsuid = caller->fsuid;
	event->caller_gid = caller->gid;
}

static __always_inline void add_caller_executable(struct scratch *scratch, struct caller *caller)
{
	__u32 length = caller->length;

	if (length > PALISADE_PATH_MAX ||
		COUNTED(bpf_probe_read_kernel(next_string(scratch), length, caller->executable)))
		return;
	if (caller->truncated)
		scratch->event.truncated |= 1 << PALISADE_STRING_CALLER_EXECUTABLE;
	end_string(scratch, PALISADE_STRING_CALLER_EXECUTABLE, length);
}

#define FMODE_EXEC 0x20 /* __FMODE_EXEC in f_flags: opened by exec; open() cannot set it (build_open_flags) */
#define WORKS_MAX 64

/*
 * The script's file. exec has closed it by now (fs/exec.c, exec_binprm), but the last close waits in the task's works
 * until the return to user space. Newest first: the oldest that exec opened is the script; later ones are its
 * interpreters, the loader and the old program. NULL where it is not found: more than WORKS_MAX files were closed on
 * exec. A work that is no file is told by itself: its inode would have to be its dentry's. (Comparing its function
 * would need /proc/kallsyms, which costs 0.1 s at each start.)
 */
static __always_inline struct file *script_file(struct task_struct *task)
{
	struct callback_head *work = task->task_works;
	struct file *file, *found = NULL;
	struct inode *inode;
	int place;

	for (place = 0; place < WORKS_MAX && work; place++) {
		file = (struct file *)file_of_work((__u64)work);
		inode = BPF_CORE_READ(file, f_inode);
		if (inode && (BPF_CORE_READ(file, f_flags) & FMODE_EXEC) &&
			BPF_CORE_READ(file, f_path.dentry, d_inode) == inode)
			found = file;
		work = BPF_CORE_READ(work, next);
	}
	return work ? NULL : found;
}

static __always_inline bool is_set_id(struct file *file)
{
	__u32 mode = BPF_CORE_READ(file, f_inode, i_mode);

	if (BPF_CORE_READ(file, f_path.mnt, mnt_flags) & 1) /* MNT_NOSUID */
		return false;
	return (mode & S_ISUID) || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
}

/* argv as the new program finds it on its stack: one piece, NULs and all. */
static __always_inline void add_arguments(struct scratch *scratch, struct task_struct *task)
{
	__u64 start = task->mm->arg_start;
	__u64 bytes = task->mm->arg_end - start;

	if (bytes > PALISADE_ARGUMENTS_MAX) {
		bytes = PALISADE_ARGUMENTS_MAX;
		scratch->event.truncated |= 1 << PALISADE_STRING_ARGUMENTS;
	}
	if (COUNTED(bpf_probe_read_user(next_string(scratch), bytes, (void *)start)))
		return;
	end_string(scratch, PALISADE_STRING_ARGUMENTS, bytes);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, pid_t old_tid, struct linux_binprm *binprm)
{
	struct scratch *scratch = begin_event(PALISADE_OPERATION_EXEC, task, OWN_COUNTS);
	struct file *file = binprm->file, *script = NULL;
	bool is_script = binprm->interp != binprm->filename;
	struct fs_struct *fs = task->fs;
	struct caller *caller = bpf_task_storage_get(&callers, task, NULL, 0);

	if (!scratch)
		goto out;
	scratch->event.flags = is_set_id(file) ? PALISADE_EXEC_SET_ID : 0;
	if (caller)
		add_caller(&scratch->event, caller);
	if (is_script) {
		/* With binfmt_misc's flag O the file stays open for its interpreter, as this descriptor
		 * (fs/binfmt_misc.c). */
		script = BPF_CORE_READ_BITFIELD_PROBED(binprm, have_execfd) ? file_of_descriptor(task, binprm->execfd)
									    : script_file(task);
		scratch->event.second_source = PALISADE_PATH_OBJECT;
		describe_inode(&scratch->event.second, file);
	}
	if (is_script && !script) {
		scratch->event.path_source = PALISADE_PATH_BASE_AND_TEXT;
		add_kernel_text(scratch, PALISADE_STRING_TYPED_PATH, binprm->filename);
	} else {
		scratch->event.path_source = PALISADE_PATH_OBJECT;
		describe_inode(&scratch->event.file, script ? script : file);
		add_file_path(scratch, PALISADE_STRING_PATH, script ? script : file, fs);
	}
	if (is_script)
		add_file_path(scratch, PALISADE_STRING_INTERPRETER, file, fs);
	add_kernel_text(scratch, PALISADE_STRING_CALLED_NAME, binprm->filename);
	if (caller)
		add_caller_executable(scratch, caller);
	add_arguments(scratch, task);
	submit_event(scratch, PALISADE_OPERATION_EXEC);
out:
	if (caller)
		bpf_task_storage_delete(&callers, task);
	return 0;
}

/* ---- exec that failed: told when the call returns, for the caller goes on. ---- */

#define ARGUMENTS_COUNT_MAX 64

/* Adds the argument that scratch->argument points to, and moves on. Returns 0 where there may be another. A global
 * function, as walk_step(): the verifier goes through it once. */
__noinline int add_typed_argument(struct scratch *scratch)
{
	__u64 text = 0;
	long bytes;

	if (!scratch)
		return 1;
	if (COUNTED(bpf_probe_read_user(&text, scratch->argument_bytes == 4 ? 4 : 8, (void *)scratch->argument)))
		return 1;
	if (!text) {
		scratch->argument = 0; /* The end: all are there. */
		return 1;
	}
	scratch->argument += scratch->argument_bytes;
	if (scratch->used - scratch->arguments_start > PALISADE_ARGUMENTS_MAX - PALISADE_PATH_MAX)
		return 1; /* It might not fit. */
	bytes = COUNTED(bpf_probe_read_user_str(next_string(scratch), PALISADE_PATH_MAX, (void *)text));
	if (bytes <= 0)
		return 1;
	scratch->used += bytes;
	return bytes == PALISADE_PATH_MAX;
}

/* argv of a call: pointers to text. */
static __always_inline void add_typed_arguments(struct scratch *scratch, __u64 arguments, bool compat)
{
	int place;

	if (!arguments) /* Linux takes it for no arguments. */
		return;
	scratch->argument = arguments;
	scratch->argument_bytes = compat ? 4 : 8;
	scratch->arguments_start = scratch->used;
	for (place = 0; place < ARGUMENTS_COUNT_MAX; place++) {
		if (add_typed_argument(scratch))
			break;
	}
	if (scratch->argument)
		scratch->event.truncated |= 1 << PALISADE_STRING_ARGUMENTS;
	scratch->event.lengths[PALISADE_STRING_ARGUMENTS] = scratch->used - scratch->arguments_start;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_exec, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	__s32 number = syscall_number(regs, compat);
	struct scratch *scratch;
	struct caller *caller;
	__s32 directory = AT_FDCWD;
	__u64 path, arguments;

	if (result >= 0)
		return 0; /* process_exec has told it. */
	caller = bpf_task_storage_get(&callers, task, NULL, 0);
	if (is_interrupted(result)) { /* It ran nothing, and comes again. */
		filter_event(PALISADE_OPERATION_EXEC);
		goto out;
	}
	scratch = begin_event(PALISADE_OPERATION_EXEC, task, OWN_COUNTS);
	if (!scratch)
		goto out;
	path = syscall_argument(regs, compat, 0);
	arguments = syscall_argument(regs, compat, 1);
	if (number == NR_EXECVEAT) {
		directory = path;
		path = arguments;
		arguments = syscall_argument(regs, compat, 2);
	}
	scratch->event.return_value = visible_result(result);
	if (caller)
		add_caller(&scratch->event, caller);
	add_typed_path(scratch, task, directory, (const char *)path);
	if (caller)
		add_caller_executable(scratch, caller);
	add_typed_arguments(scratch, arguments, compat);
	submit_event(scratch, PALISADE_OPERATION_EXEC);
out:
	if (caller)
		bpf_task_storage_delete(&callers, task);
	return 0;
}

/* ---- exit: of a process, when its last thread ends. ---- */

#define SIGNAL_GROUP_EXIT 0x00000004

/* Processes that ended lately: two last threads that end at once both find that no thread lives. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);   /* start time of the leader */
	__type(value, __u32); /* its tgid */
} ended SEC(".maps");

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct signal_struct *signal = task->signal;
	__u64 key = ((__u64)task->tgid << 40) ^ leader->start_boottime;
	__u32 tgid = task->tgid;
	struct scratch *scratch;

	/* do_exit() has counted this thread out before it comes here, in every version since 2.6. */
	if (signal->live.counter != 0 || bpf_map_update_elem(&ended, &key, &tgid, BPF_NOEXIST))
		return 0;
	scratch = begin_event(PALISADE_OPERATION_EXIT, task, OWN_COUNTS);
	if (!scratch)
		return 0;
	/* As wait() tells it (kernel/exit.c, wait_task_zombie). */
	scratch->event.return_value = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
	submit_event(scratch, PALISADE_OPERATION_EXIT);
	return 0;
}

#endif
