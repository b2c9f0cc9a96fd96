/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* unlink, unlinkat, rmdir, rename, renameat, renameat2: told when the call returns. */
#ifndef PALISADE_MONITOR_REMOVE_BPF_H
#define PALISADE_MONITOR_REMOVE_BPF_H

#include "../lib/filter.bpf.h"
#include "../lib/syscall.bpf.h"

#define AT_REMOVEDIR 0x200

/*
 * By now the name is gone: what is left is the directory, by the descriptor or the working directory, and the text.
 * Where the text is one name in that directory nothing is guessed, since none of these calls follows its last
 * component; the collector tells that apart (directoryAndName).
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(call_unlink, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	__s32 number = syscall_number(regs, compat), directory = AT_FDCWD;
	enum palisade_operation operation = number == NR_RMDIR ? PALISADE_OPERATION_RMDIR : PALISADE_OPERATION_UNLINK;
	__u64 path = syscall_argument(regs, compat, 0);
	struct scratch *scratch;
	__u32 flags = 0;

	if (number == NR_UNLINKAT) {
		directory = path;
		path = syscall_argument(regs, compat, 1);
		flags = syscall_argument(regs, compat, 2);
		if (flags & AT_REMOVEDIR)
			operation = PALISADE_OPERATION_RMDIR;
	}
	scratch = begin_event(operation, task, OWN_IS_NOISE);
	if (!scratch)
		return 0;
	scratch->event.syscall = number;
	scratch->event.return_value = visible_result(result);
	scratch->event.flags = flags;
	if (number == NR_UNLINKAT)
		scratch->event.file_descriptor = directory;
	add_typed_path(scratch, task, directory, (const char *)path);
	submit_event(scratch, operation);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_rename, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	__s32 number = syscall_number(regs, compat), directory = AT_FDCWD, new_directory = AT_FDCWD;
	__u64 path = syscall_argument(regs, compat, 0), new_path = syscall_argument(regs, compat, 1);
	struct scratch *scratch = begin_event(PALISADE_OPERATION_RENAME, task, OWN_IS_NOISE);

	if (!scratch)
		return 0;
	if (number != NR_RENAME) {
		directory = path;
		path = new_path;
		new_directory = syscall_argument(regs, compat, 2);
		new_path = syscall_argument(regs, compat, 3);
		scratch->event.file_descriptor = directory;
	}
	if (number == NR_RENAMEAT2)
		scratch->event.flags = (__u32)syscall_argument(regs, compat, 4);
	scratch->event.syscall = number;
	scratch->event.return_value = visible_result(result);
	add_typed_path(scratch, task, directory, (const char *)path);
	add_new_typed_path(scratch, task, new_directory, (const char *)new_path);
	submit_event(scratch, PALISADE_OPERATION_RENAME);
	return 0;
}

#endif
