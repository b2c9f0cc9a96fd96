/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* open, openat, openat2, creat: one act, told when the call returns. */
#ifndef PALISADE_MONITOR_FILE_BPF_H
#define PALISADE_MONITOR_FILE_BPF_H

#include "../lib/filter.bpf.h"
#include "../lib/syscall.bpf.h"

#define O_WRONLY 01
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_PATH 010000000
#define RESOLVE_IN_ROOT 0x10 /* uapi/linux/openat2.h */
/* No kernel takes flags beyond 32 bits (fs/open.c, build_open_flags), and user space keeps numbers exact below 2^53: a
 * call that fails for such flags is told by those that fit. */
#define OPEN_FLAGS_TOLD ((1ull << 52) - 1)

struct open_call {
	__s32 directory;
	const char *path;
	struct open_how how;
};

static __always_inline void read_open_call(struct open_call *call, struct pt_regs *regs, bool compat, __s32 number)
{
	call->directory = AT_FDCWD;
	if (number == NR_OPENAT || number == NR_OPENAT2) {
		call->directory = syscall_argument(regs, compat, 0);
		call->path = (const char *)syscall_argument(regs, compat, 1);
		if (number == NR_OPENAT2) {
			COUNTED(bpf_probe_read_user(
				&call->how, sizeof(call->how), (void *)syscall_argument(regs, compat, 2)));
			call->how.flags &= OPEN_FLAGS_TOLD;
			return;
		}
		call->how.flags = (__u32)syscall_argument(regs, compat, 2);
		call->how.mode = (__u32)syscall_argument(regs, compat, 3);
		return;
	}
	call->path = (const char *)syscall_argument(regs, compat, 0);
	if (number == NR_CREAT) {
		call->how.flags = O_CREAT | O_WRONLY | O_TRUNC;
		call->how.mode = (__u32)syscall_argument(regs, compat, 1);
		return;
	}
	call->how.flags = (__u32)syscall_argument(regs, compat, 1);
	call->how.mode = (__u32)syscall_argument(regs, compat, 2);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_open, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	__s32 number = syscall_number(regs, compat);
	struct open_call call = {};
	struct scratch *scratch;
	struct file *file;

	read_open_call(&call, regs, compat, number);
	/*
	 * A descriptor by O_PATH reads and writes nothing. A call that a signal ended has opened nothing: either it
	 * comes again, and would be told twice, or its caller gets EINTR.
	 */
	if ((call.how.flags & O_PATH) || is_interrupted(result)) {
		filter_event(PALISADE_OPERATION_OPEN);
		return 0;
	}
	scratch = begin_event(PALISADE_OPERATION_OPEN, task, OWN_IS_NOISE);
	if (!scratch)
		return 0;
	scratch->event.syscall = number;
	scratch->event.return_value = visible_result(result);
	scratch->event.flags = call.how.flags;
	scratch->event.mode = call.how.mode;
	if (number == NR_OPENAT || number == NR_OPENAT2)
		scratch->event.file_descriptor = call.directory;
	file = file_of_descriptor(task, result);
	if (file) {
		scratch->event.path_source = PALISADE_PATH_OBJECT;
		describe_inode(&scratch->event.file, file);
		add_file_path(scratch, PALISADE_STRING_PATH, file, task->fs);
		add_user_text(scratch, PALISADE_STRING_TYPED_PATH, call.path);
	} else {
		add_typed_path(scratch, task, call.directory, call.path);
		if (call.how.resolve & RESOLVE_IN_ROOT) /* Not what the text says: its '/' is the directory. */
			scratch->event.path_source = PALISADE_PATH_TEXT;
	}
	submit_event(scratch, PALISADE_OPERATION_OPEN);
	return 0;
}

#endif
