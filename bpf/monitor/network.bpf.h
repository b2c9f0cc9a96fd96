/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * socket, bind, listen, accept, accept4, connect: told when the call returns, a connect also while the connection is
 * still being made (EINPROGRESS). Addresses are those that the socket has in the kernel by then; what the caller passed
 * is told where the call failed, for then the socket has nothing of it.
 */
#ifndef PALISADE_MONITOR_NETWORK_BPF_H
#define PALISADE_MONITOR_NETWORK_BPF_H

#include "../lib/filter.bpf.h"
#include "../lib/socket.bpf.h"
#include "../lib/syscall.bpf.h"

#define SOCK_TYPE_MASK 0xf /* include/linux/net.h: what else an argument has are flags */
#define EAGAIN 11
#define EINPROGRESS 115

/* An argument of 32 bits in a member of 16: what does not fit is no family and no protocol, and neither is 65535. */
static __always_inline __u16 told_of(__u32 argument)
{
	return argument > 0xffff ? 0xffff : argument;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_socket, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	struct scratch *scratch = begin_event(PALISADE_OPERATION_SOCKET, task, OWN_IS_NOISE);
	__u32 type = syscall_argument(regs, compat, 1);
	__u16 protocol = told_of(syscall_argument(regs, compat, 2));
	struct socket *socket;

	if (!scratch)
		return 0;
	scratch->event.syscall = NR_SOCKET;
	scratch->event.return_value = visible_result(result);
	scratch->event.flags = type & ~SOCK_TYPE_MASK;
	socket = socket_of_descriptor(task, result);
	if (socket) {
		describe_socket_object(&scratch->event, socket);
		/* Some families keep it elsewhere, such as AF_PACKET; AF_UNIX has none. */
		if (!scratch->event.protocol && scratch->event.address_family != AF_UNIX)
			scratch->event.protocol = protocol;
	} else {
		scratch->event.address_source = PALISADE_ADDRESS_ARGUMENT;
		scratch->event.address_family = told_of(syscall_argument(regs, compat, 0));
		scratch->event.socket_type = type & SOCK_TYPE_MASK;
		scratch->event.protocol = protocol;
	}
	submit_event(scratch, PALISADE_OPERATION_SOCKET);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_bind, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	struct scratch *scratch = begin_event(PALISADE_OPERATION_BIND, task, OWN_IS_NOISE);
	struct address_argument argument;
	struct palisade_event *event;
	struct socket *socket;

	if (!scratch)
		return 0;
	event = &scratch->event;
	event->syscall = NR_BIND;
	event->return_value = visible_result(result);
	event->file_descriptor = syscall_argument(regs, compat, 0);
	socket = socket_of_descriptor(task, event->file_descriptor);
	read_address_argument(&argument, regs, compat);
	if (socket && !result) {
		add_own_end(scratch, socket, task->fs);
		add_typed_socket_path(scratch, &argument);
	} else {
		if (socket)
			describe_socket(event, socket);
		add_typed_socket_path(scratch, &argument);
		add_address_argument(scratch, &argument);
	}
	submit_event(scratch, PALISADE_OPERATION_BIND);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_listen, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	struct scratch *scratch = begin_event(PALISADE_OPERATION_LISTEN, task, OWN_IS_NOISE);
	struct palisade_event *event;
	struct socket *socket;

	if (!scratch)
		return 0;
	event = &scratch->event;
	event->syscall = NR_LISTEN;
	event->return_value = visible_result(result);
	event->file_descriptor = syscall_argument(regs, compat, 0);
	event->flags = (__u32)syscall_argument(regs, compat, 1);
	socket = socket_of_descriptor(task, event->file_descriptor);
	if (socket)
		add_own_end(scratch, socket, task->fs);
	submit_event(scratch, PALISADE_OPERATION_LISTEN);
	return 0;
}

/* accept and accept4: the new socket, its peer and its own end; where it failed the socket that listens. */
SEC("tp_btf/sys_exit")
int BPF_PROG(call_accept, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	__s32 number = syscall_number(regs, compat);
	struct palisade_event *event;
	struct scratch *scratch;
	struct socket *socket;
	bool accepted;

	/* Nobody called: what a server that does not block hears all the time, a timeout, or a signal that came first.
	 */
	if (result == -EAGAIN || is_interrupted(result)) {
		filter_event(PALISADE_OPERATION_ACCEPT);
		return 0;
	}
	scratch = begin_event(PALISADE_OPERATION_ACCEPT, task, OWN_IS_NOISE);
	if (!scratch)
		return 0;
	event = &scratch->event;
	event->syscall = number;
	event->return_value = visible_result(result);
	event->file_descriptor = syscall_argument(regs, compat, 0);
	if (number == NR_ACCEPT4)
		event->flags = (__u32)syscall_argument(regs, compat, 3);
	socket = socket_of_descriptor(task, result);
	accepted = socket != NULL;
	if (!accepted)
		socket = socket_of_descriptor(task, event->file_descriptor);
	if (socket) {
		describe_socket_object(event, socket);
		if (event->address_family == AF_UNIX)
			add_unix_file(scratch, unix_end(socket, OWN_END), task->fs);
		if (accepted)
			add_end(scratch, PALISADE_STRING_ADDRESS, &event->port, socket, PEER_END);
		add_end(scratch, PALISADE_STRING_LOCAL_ADDRESS, &event->local_port, socket, OWN_END);
	}
	submit_event(scratch, PALISADE_OPERATION_ACCEPT);
	return 0;
}

/* Where the kernel, or a program in it that redirects, really connected to. Adds nothing where that is not known. */
static __always_inline bool add_connection(struct scratch *scratch, struct task_struct *task, struct socket *socket,
	const struct address_argument *argument)
{
	struct palisade_event *event = &scratch->event;
	struct unix_sock *peer;

	describe_socket_object(event, socket);
	if (event->address_family == AF_UNIX) {
		peer = unix_end(socket, PEER_END);
		if (!peer)
			return false;
		add_unix_file(scratch, peer, task->fs);
		add_typed_socket_path(scratch, argument);
		add_unix_name(scratch, PALISADE_STRING_ADDRESS, peer);
		return true;
	}
	return add_end(scratch, PALISADE_STRING_ADDRESS, &event->port, socket, PEER_END);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_connect, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	struct scratch *scratch = begin_event(PALISADE_OPERATION_CONNECT, task, OWN_IS_NOISE);
	struct address_argument argument;
	struct palisade_event *event;
	struct socket *socket;
	bool connected;

	if (!scratch)
		return 0;
	event = &scratch->event;
	event->syscall = NR_CONNECT;
	event->return_value = visible_result(result);
	event->file_descriptor = syscall_argument(regs, compat, 0);
	socket = socket_of_descriptor(task, event->file_descriptor);
	read_address_argument(&argument, regs, compat);
	/* AF_UNSPEC ends an association: then there is no peer. A connection that a signal did not wait for goes on. */
	connected =
		socket && (!result || result == -EINPROGRESS || is_interrupted(result)) && argument.family != AF_UNSPEC;
	if (!connected || !add_connection(scratch, task, socket, &argument)) {
		if (socket)
			describe_socket(event, socket);
		add_typed_socket_path(scratch, &argument);
		add_address_argument(scratch, &argument);
	}
	if (event->address_source == PALISADE_ADDRESS_OBJECT)
		add_end(scratch, PALISADE_STRING_LOCAL_ADDRESS, &event->local_port, socket, OWN_END);
	submit_event(scratch, PALISADE_OPERATION_CONNECT);
	return 0;
}

#endif
