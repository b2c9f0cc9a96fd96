/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets: what a descriptor stands for, the addresses that a socket has, and those that a caller passes. */
#ifndef PALISADE_SOCKET_BPF_H
#define PALISADE_SOCKET_BPF_H

#include "path.bpf.h"
#include "syscall.bpf.h"

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_RAW 3
#define UNIX_PATH_MAX 108

/* ---- The socket behind a descriptor. ---- */

static __always_inline struct socket *socket_of_descriptor(struct task_struct *task, __s64 descriptor)
{
	struct file *file = file_of_descriptor(task, descriptor);

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ(file, private_data); /* NULL where a socket's name was opened by O_PATH */
}

/* Type and protocol: those that it has, where the caller's protocol may have been 0, for the usual one. */
static __always_inline void describe_socket(struct palisade_event *event, struct socket *socket)
{
	event->socket_type = BPF_CORE_READ(socket, type);
	event->protocol = BPF_CORE_READ(socket, sk, sk_protocol);
}

/* Its family too: not what the caller said, for socket(AF_INET, SOCK_PACKET) makes one of AF_PACKET. */
static __always_inline void describe_socket_object(struct palisade_event *event, struct socket *socket)
{
	describe_socket(event, socket);
	event->address_family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	event->address_source = PALISADE_ADDRESS_OBJECT;
}

/* ---- Names of AF_UNIX. ---- */

/* A path ends at its NUL, wherever its length says that it ends; an abstract name has its first NUL and all that
 * follows. `name` was copied to `to`, which has room for one byte more than `bytes`. */
static __always_inline __u32 unix_name_bytes(char *to, __u32 bytes)
{
	long result;

	to[bytes] = '\0';
	if (to[0] == '\0')
		return bytes;
	result = COUNTED(bpf_probe_read_kernel_str(to, bytes + 1, to));
	return result > 1 && result <= UNIX_PATH_MAX ? result - 1 : bytes;
}

/* What the caller passed, as string number `string`. Not a byte more than it gave, which may be the last that can be
 * read. */
static __always_inline void add_unix_argument(
	struct scratch *scratch, enum palisade_string string, const void *name, __u32 bytes)
{
	char *to = next_string(scratch);

	if (bytes > UNIX_PATH_MAX)
		bytes = UNIX_PATH_MAX;
	if (COUNTED(bpf_probe_read_user(to, bytes, name)))
		return;
	end_string(scratch, string, unix_name_bytes(to, bytes));
}

/* The name that a socket is bound to, as the caller of bind passed it; none where it is not bound. */
static __always_inline void add_unix_name(
	struct scratch *scratch, enum palisade_string string, struct unix_sock *socket)
{
	struct unix_address *address = BPF_CORE_READ(socket, addr);
	__u32 bytes = address ? BPF_CORE_READ(address, len) : 0;
	char *to = next_string(scratch);

	if (bytes <= offsetof(struct sockaddr_un, sun_path))
		return;
	bytes -= offsetof(struct sockaddr_un, sun_path);
	if (bytes > UNIX_PATH_MAX)
		bytes = UNIX_PATH_MAX;
	if (COUNTED(bpf_probe_read_kernel(to, bytes, &address->name[0].sun_path)))
		return;
	end_string(scratch, string, unix_name_bytes(to, bytes));
}

/* The file that a socket is bound to, if it is, as the event's: wherever its name, which may be relative, was said. */
static __always_inline void add_unix_file(struct scratch *scratch, struct unix_sock *socket, struct fs_struct *fs)
{
	struct dentry *dentry = BPF_CORE_READ(socket, path.dentry);

	if (!dentry)
		return;
	scratch->event.path_source = PALISADE_PATH_OBJECT;
	copy_inode(&scratch->event.file, BPF_CORE_READ(dentry, d_inode));
	add_path(scratch, PALISADE_STRING_PATH, dentry, BPF_CORE_READ(socket, path.mnt), fs);
}

/* ---- Addresses that the kernel has. ---- */

enum socket_end { OWN_END, PEER_END };

static __always_inline struct unix_sock *unix_end(struct socket *socket, enum socket_end end)
{
	struct unix_sock *own = (struct unix_sock *)BPF_CORE_READ(socket, sk);

	return end == OWN_END ? own : (struct unix_sock *)BPF_CORE_READ(own, peer);
}

/* One end's address as string number `string`, with its port; false where the socket has no peer. Families other than
 * these three have no address for us. */
static __always_inline bool add_end(
	struct scratch *scratch, enum palisade_string string, __u16 *port, struct socket *socket, enum socket_end end)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family), number;
	__u32 words[4] = {};
	__u32 *to = next_string(scratch);

	if (family == AF_UNIX) {
		struct unix_sock *unix_socket = unix_end(socket, end);

		if (!unix_socket)
			return false;
		add_unix_name(scratch, string, unix_socket);
		return true;
	}
	if (family == AF_INET) {
		if (end == OWN_END)
			words[0] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		else
			words[0] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	} else if (family == AF_INET6 && bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) { /* CONFIG_IPV6 */
		if (end == OWN_END)
			BPF_CORE_READ_INTO(&words, sk, __sk_common.skc_v6_rcv_saddr);
		else
			BPF_CORE_READ_INTO(&words, sk, __sk_common.skc_v6_daddr);
	} else {
		return true;
	}
	if (end == PEER_END && !(words[0] | words[1] | words[2] | words[3]))
		return false;
	to[0] = words[0];
	to[1] = words[1];
	to[2] = words[2];
	to[3] = words[3];
	/* The port that stays the same when a connection ends at once: skc_num does not. */
	number = end == OWN_END ? BPF_CORE_READ((struct inet_sock *)sk, inet_sport)
				: BPF_CORE_READ(sk, __sk_common.skc_dport);
	/* A raw socket has its protocol there (net/ipv4/af_inet.c, inet_create). */
	*port = BPF_CORE_READ(socket, type) == SOCK_RAW ? 0 : bpf_ntohs(number);
	end_string(scratch, string, family == AF_INET ? 4 : 16);
	return true;
}

/* Of a socket that has no peer, or none that matters: what it is, its file, and its own address as the event's. */
static __always_inline void add_own_end(struct scratch *scratch, struct socket *socket, struct fs_struct *fs)
{
	struct palisade_event *event = &scratch->event;

	describe_socket_object(event, socket);
	if (event->address_family == AF_UNIX)
		add_unix_file(scratch, unix_end(socket, OWN_END), fs);
	add_end(scratch, PALISADE_STRING_ADDRESS, &event->port, socket, OWN_END);
}

/* ---- Addresses that the caller passed. ---- */

struct address_argument {
	const void *address;
	__u32 bytes; /* that it has, as the caller says */
	__u16 family;
};

static __always_inline void read_address_argument(struct address_argument *argument, struct pt_regs *regs, bool compat)
{
	argument->address = (const void *)syscall_argument(regs, compat, 1);
	argument->bytes = syscall_argument(regs, compat, 2);
	argument->family = AF_UNSPEC;
	if (argument->address && argument->bytes >= sizeof(argument->family))
		COUNTED(bpf_probe_read_user(&argument->family, sizeof(argument->family), argument->address));
}

/* The path of AF_UNIX that was passed. Where no file is known by its object, it is that one. */
static __always_inline void add_typed_socket_path(struct scratch *scratch, const struct address_argument *argument)
{
	const void *name = argument->address + offsetof(struct sockaddr_un, sun_path);
	char first = '\0';

	if (argument->family != AF_UNIX || argument->bytes <= offsetof(struct sockaddr_un, sun_path))
		return;
	COUNTED(bpf_probe_read_user(&first, sizeof(first), name));
	if (first == '\0')
		return;
	if (scratch->event.path_source == PALISADE_PATH_UNKNOWN)
		scratch->event.path_source = PALISADE_PATH_BASE_AND_TEXT;
	add_unix_argument(
		scratch, PALISADE_STRING_TYPED_PATH, name, argument->bytes - offsetof(struct sockaddr_un, sun_path));
}

/* Family, port and address, as the event's. */
static __always_inline void add_address_argument(struct scratch *scratch, const struct address_argument *argument)
{
	struct palisade_event *event = &scratch->event;
	const void *address = argument->address;
	__u32 bytes = argument->bytes;
	__u32 length = 0, offset = 0;
	__u16 port = 0;

	event->address_source = PALISADE_ADDRESS_ARGUMENT;
	event->address_family = argument->family;
	if (argument->family == AF_INET && bytes >= sizeof(struct sockaddr_in)) {
		offset = offsetof(struct sockaddr_in, sin_addr);
		length = 4;
	} else if (argument->family == AF_INET6 && bytes >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		offset = offsetof(struct sockaddr_in6, sin6_addr);
		length = 16;
	} else if (argument->family == AF_UNIX && bytes > offsetof(struct sockaddr_un, sun_path)) {
		add_unix_argument(scratch, PALISADE_STRING_ADDRESS, address + offsetof(struct sockaddr_un, sun_path),
			bytes - offsetof(struct sockaddr_un, sun_path));
	}
	if (!length)
		return;
	/* In both families the port follows the family. */
	COUNTED(bpf_probe_read_user(&port, sizeof(port), address + sizeof(argument->family)));
	event->port = bpf_ntohs(port);
	if (COUNTED(bpf_probe_read_user(next_string(scratch), length & 31, address + offset)))
		return;
	end_string(scratch, PALISADE_STRING_ADDRESS, length);
}

#endif
