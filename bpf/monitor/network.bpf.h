/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* connect: told when the call returns, also while the connection is still being made (EINPROGRESS). */
#ifndef PALISADE_MONITOR_NETWORK_BPF_H
#define PALISADE_MONITOR_NETWORK_BPF_H

#include "../lib/filter.bpf.h"
#include "../lib/syscall.bpf.h"

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define UNIX_PATH_MAX 108

/* A path ends at its NUL, wherever the caller says that it ends; an abstract name has its first NUL and all that
 * follows. */
static __always_inline void add_unix_name(struct scratch *scratch, const void *name, __u32 bytes)
{
	char *to = next_string(scratch);
	long result;

	if (bytes > UNIX_PATH_MAX)
		bytes = UNIX_PATH_MAX;
	/* Not a byte more than the caller gave, which may be the last that can be read. */
	if (COUNTED(bpf_probe_read_user(to, bytes, name)))
		return;
	to[bytes] = '\0';
	if (to[0] != '\0') {
		result = COUNTED(bpf_probe_read_kernel_str(to, bytes + 1, to));
		if (result > 1)
			bytes = result - 1;
	}
	end_string(scratch, PALISADE_STRING_ADDRESS, bytes);
}

/* Family, port and address from user memory; `bytes` is what the caller says the address has. */
static __always_inline void add_address(struct scratch *scratch, const void *address, __u32 bytes)
{
	struct palisade_event *event = &scratch->event;
	__u16 family = 0, port = 0;
	__u32 length = 0, offset = 0;

	if (!address || bytes < sizeof(family) || COUNTED(bpf_probe_read_user(&family, sizeof(family), address)))
		return;
	event->address_family = family;
	event->address_source = PALISADE_ADDRESS_ARGUMENT;
	if (family == AF_INET && bytes >= sizeof(struct sockaddr_in)) {
		offset = offsetof(struct sockaddr_in, sin_addr);
		length = 4;
	} else if (family == AF_INET6 && bytes >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		offset = offsetof(struct sockaddr_in6, sin6_addr);
		length = 16;
	} else if (family == AF_UNIX && bytes > sizeof(family)) {
		add_unix_name(scratch, address + sizeof(family), bytes - sizeof(family));
		return;
	}
	if (family == AF_INET || family == AF_INET6) {
		/* In both families the port follows the family. */
		COUNTED(bpf_probe_read_user(&port, sizeof(port), address + sizeof(family)));
		event->port = bpf_ntohs(port);
	}
	length &= PALISADE_ADDRESS_MAX - 1;
	if (!length || COUNTED(bpf_probe_read_user(next_string(scratch), length, address + offset)))
		return;
	end_string(scratch, PALISADE_STRING_ADDRESS, length);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_connect, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	struct scratch *scratch = begin_event(PALISADE_OPERATION_CONNECT, task, OWN_IS_NOISE);
	struct socket *socket = NULL;
	struct file *file;

	if (!scratch)
		return 0;
	scratch->event.syscall = NR_CONNECT;
	scratch->event.return_value = visible_result(result);
	scratch->event.file_descriptor = syscall_argument(regs, compat, 0);
	file = file_of_descriptor(task, scratch->event.file_descriptor);
	if (file && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK)
		socket = BPF_CORE_READ(file, private_data); /* NULL where a socket's name was opened by O_PATH */
	if (socket) {
		scratch->event.socket_type = BPF_CORE_READ(socket, type);
		scratch->event.protocol = BPF_CORE_READ(socket, sk, sk_protocol);
	}
	add_address(scratch, (const void *)syscall_argument(regs, compat, 1), syscall_argument(regs, compat, 2));
	submit_event(scratch, PALISADE_OPERATION_CONNECT);
	return 0;
}

#endif
