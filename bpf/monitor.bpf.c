/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The monitor object: what processes do, told from tracepoints alone. Layers, each including only those above it:
 *
 *   event.h                            what user space sees
 *   lib/errors, flavors                failures counted; kernels that differ
 *   lib/ring                           begin, count, number, submit
 *   lib/path, container, task          what, which container, who
 *   lib/filter, syscall                whether; arguments
 *   lib/socket                         sockets and their addresses, for monitor/network
 *   lib/layout, runtime                which cgroups are containers, for monitor/cgroup
 *   monitor/                           one section an operation
 *
 * To add an operation: its number in event.h, a program in the fitting file under monitor/, and, where it is a system
 * call, a line in each table below. Programs named call_* are not attached: the dispatcher calls them by the tables.
 */
#include "vmlinux/x86_64.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "event.h"
#include "monitor/cgroup.bpf.h"
#include "monitor/existing.bpf.h"
#include "monitor/file.bpf.h"
#include "monitor/network.bpf.h"
#include "monitor/process.bpf.h"
#include "monitor/remove.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Which program tells of a call, by its number. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SYSCALLS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} calls SEC(".maps") = {
	.values =
		{
			[NR_OPEN] = (void *)&call_open,
			[NR_CREAT] = (void *)&call_open,
			[NR_OPENAT] = (void *)&call_open,
			[NR_OPENAT2] = (void *)&call_open,
			[NR_UNLINK] = (void *)&call_unlink,
			[NR_UNLINKAT] = (void *)&call_unlink,
			[NR_RMDIR] = (void *)&call_unlink,
			[NR_RENAME] = (void *)&call_rename,
			[NR_RENAMEAT] = (void *)&call_rename,
			[NR_RENAMEAT2] = (void *)&call_rename,
			[NR_SOCKET] = (void *)&call_socket,
			[NR_CONNECT] = (void *)&call_connect,
			[NR_ACCEPT] = (void *)&call_accept,
			[NR_ACCEPT4] = (void *)&call_accept,
			[NR_BIND] = (void *)&call_bind,
			[NR_LISTEN] = (void *)&call_listen,
			[NR_EXECVE] = (void *)&call_exec,
			[NR_EXECVEAT] = (void *)&call_exec,
		},
};

/* The same for calls made the 32-bit way. socketcall(2), the older way to all that is done to sockets, is not among
 * them. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SYSCALLS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} calls32 SEC(".maps") = {
	.values =
		{
			[NR32_OPEN] = (void *)&call_open,
			[NR32_CREAT] = (void *)&call_open,
			[NR32_OPENAT] = (void *)&call_open,
			[NR32_OPENAT2] = (void *)&call_open,
			[NR32_UNLINK] = (void *)&call_unlink,
			[NR32_UNLINKAT] = (void *)&call_unlink,
			[NR32_RMDIR] = (void *)&call_unlink,
			[NR32_RENAME] = (void *)&call_rename,
			[NR32_RENAMEAT] = (void *)&call_rename,
			[NR32_RENAMEAT2] = (void *)&call_rename,
			[NR32_SOCKET] = (void *)&call_socket,
			[NR32_BIND] = (void *)&call_bind,
			[NR32_CONNECT] = (void *)&call_connect,
			[NR32_LISTEN] = (void *)&call_listen,
			[NR32_ACCEPT4] = (void *)&call_accept,
			[NR32_EXECVE] = (void *)&call_exec,
			[NR32_EXECVEAT] = (void *)&call_exec,
		},
};

/* A call that no table has falls through: that is the whole cost of a call nobody watches. */
SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_exit, struct pt_regs *regs, long result)
{
	__u64 number = regs->orig_ax;

	if (number >= SYSCALLS_MAX)
		return 0;
	if (is_compat(bpf_get_current_task_btf()))
		bpf_tail_call(ctx, &calls32, number);
	else
		bpf_tail_call(ctx, &calls, number);
	return 0;
}

/* So that these are in the BTF, from which the TypeScript side takes its numbers. */
const volatile enum palisade_constant constant_in_btf;
const volatile enum palisade_string string_in_btf;
const volatile enum palisade_path_source path_source_in_btf;
const volatile enum palisade_address_source address_source_in_btf;
const volatile enum palisade_operation operation_in_btf;
const volatile enum palisade_container_constant container_constant_in_btf;
const volatile enum palisade_container_source container_source_in_btf;
const volatile enum palisade_layout_id layout_id_in_btf;
