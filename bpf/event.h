/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything kernel and user space share. Included by the BPF object after vmlinux.h, and by the C++ addon; both
 * compilers check the assertions at the end, and the TypeScript side reads offsets from the object's BTF
 * (native/generate-layout.ts).
 *
 * No struct is packed: members stand largest first, padding is explicit and always zero, and every size is a multiple
 * of 8, so that each member is naturally aligned for both sides.
 */
#ifndef PALISADE_EVENT_H
#define PALISADE_EVENT_H

#ifdef __bpf__
#undef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#else
#include <linux/types.h>
#include <stddef.h>
#endif

#ifdef __cplusplus
#define PALISADE_ASSERT(condition, message) static_assert(condition, message)
#else
#define PALISADE_ASSERT(condition, message) _Static_assert(condition, message)
#endif

/* An enum, not macros: so they are in the BTF. */
enum palisade_constant {
	PALISADE_EVENT_VERSION =
		2,		  /* rises with every change of this file; pins left by another version are not read */
	PALISADE_EXEC_SET_ID = 1, /* bit of palisade_event.flags for an exec: a set-uid or set-gid program ran */
	PALISADE_ADDRESS_MAX = 128,    /* sizeof(struct sockaddr_storage) */
	PALISADE_PATH_LEVELS = 200,    /* components and mounts walked for one path */
	PALISADE_PATH_MAX = 4096,      /* bytes of a path: PATH_MAX of the kernel, which counts a NUL */
	PALISADE_ARGUMENTS_MAX = 8192, /* bytes of argv kept, NULs included */
};
#define PALISADE_NO_UID 0xffffffffu /* owner not known; login uid not set */

/* The order of schemas/avro/01-operation.avsc; new ones go to the end. */
enum palisade_operation {
	PALISADE_OPERATION_UNKNOWN = 0,
	PALISADE_OPERATION_EXISTING = 1, /* told at the start of a session, never through the ring; CPU -1 */
	PALISADE_OPERATION_FORK = 2,
	PALISADE_OPERATION_EXEC = 3,
	PALISADE_OPERATION_EXIT = 4,
	PALISADE_OPERATION_OPEN = 5,
	PALISADE_OPERATION_CONNECT = 6,
	PALISADE_OPERATION_UNLINK = 7, /* of what is no directory */
	PALISADE_OPERATION_RMDIR = 8,
	PALISADE_OPERATION_RENAME = 9,
	PALISADE_OPERATION_SOCKET = 10,
	PALISADE_OPERATION_BIND = 11,
	PALISADE_OPERATION_LISTEN = 12,
	PALISADE_OPERATION_ACCEPT = 13,
	PALISADE_OPERATION_COUNT = 14,
};

/* How a path was had; the order of PathSource in schemas/avro/03-raw-event-batch.avsc, which has one more. */
enum palisade_path_source {
	PALISADE_PATH_UNKNOWN = 0, /* the event has no file */
	PALISADE_PATH_OBJECT = 1,  /* PALISADE_STRING_PATH is what was opened or run, from its dentries and mounts */
	PALISADE_PATH_BASE_AND_TEXT = 2, /* PALISADE_STRING_PATH is empty, see PALISADE_STRING_BASE */
	PALISADE_PATH_TEXT = 3,		 /* only PALISADE_STRING_TYPED_PATH */
};

/* How an address was had; the order of AddressSource in schemas/avro/03-raw-event-batch.avsc. */
enum palisade_address_source {
	PALISADE_ADDRESS_UNKNOWN = 0,  /* the event has no address */
	PALISADE_ADDRESS_OBJECT = 1,   /* what the socket itself has */
	PALISADE_ADDRESS_ARGUMENT = 2, /* what the caller passed; user memory, so it may have changed since */
};

/*
 * The strings behind the header, in this order, without NUL (arguments: each one ends with a NUL), without anything
 * between them. Paths are as the process's own root shows them; a path that cannot be reached from that root begins
 * with the root of its mount; what is in no directory is '/' and its name ("/memfd:x", "/pipefs"). A truncated path is
 * a suffix of the whole one: it does not begin with '/'.
 */
enum palisade_string {
	PALISADE_STRING_COMM = 0,
	PALISADE_STRING_EXECUTABLE = 1,
	PALISADE_STRING_PARENT_EXECUTABLE = 2,
	PALISADE_STRING_CWD = 3,
	PALISADE_STRING_TTY = 4, /* such as pts0; empty: no controlling terminal */
	/*
	 * The event's file: the file opened; the program run, or the script where there is an interpreter; the name
	 * removed; the old name of a rename.
	 */
	PALISADE_STRING_PATH = 5,
	/* The directory that a relative typed path is relative to, where it is not the working directory. */
	PALISADE_STRING_BASE = 6,
	PALISADE_STRING_TYPED_PATH = 7,		/* what the caller passed; user memory, so it may have changed since */
	PALISADE_STRING_NEW_BASE = 8,		/* rename: of the new name, as PALISADE_STRING_BASE of the old one */
	PALISADE_STRING_NEW_TYPED_PATH = 9,	/* rename: the new name as the caller passed it */
	PALISADE_STRING_INTERPRETER = 10,	/* exec of a script: its last interpreter, which is what runs */
	PALISADE_STRING_CALLED_NAME = 11,	/* exec: bprm->filename */
	PALISADE_STRING_CALLER_EXECUTABLE = 12, /* exec: what the caller ran before */
	PALISADE_STRING_ARGUMENTS = 13,		/* exec: argv, each argument followed by a NUL */
	/* 4 or 16 bytes in network order; AF_UNIX: path, leading NUL if abstract. connect, accept: the peer's; bind,
	 * listen: the socket's own */
	PALISADE_STRING_ADDRESS = 14,
	PALISADE_STRING_LOCAL_ADDRESS = 15, /* accept, connect: of the socket's own end, always from the object */
	PALISADE_STRING_COUNT = 16,	    /* as many as palisade_event.truncated has bits */
};

/* A file's inode, as it was when the event happened. */
struct palisade_inode {
	__u64 inode;
	__u32 device;	 /* the kernel's dev_t: major << 20 | minor */
	__u32 mode;	 /* i_mode: type and permission bits; 0: not known */
	__u32 owner_uid; /* in the initial user namespace, as all ids here; PALISADE_NO_UID: not known */
	__u32 owner_gid;
};

/* One record of the ring. `size` bytes in all: this header, then the strings, then zeros up to a multiple of 8. */
struct palisade_event {
	__u32 size;
	__u16 version;	     /* PALISADE_EVENT_VERSION */
	__u16 operation;     /* enum palisade_operation */
	__u64 session;	     /* CLOCK_BOOTTIME ns at which this life of the monitor began */
	__u64 time_ns;	     /* CLOCK_BOOTTIME */
	__u64 sequence;	     /* of this CPU in this session, from 1; a dropped event used one up too */
	__u64 start_time_ns; /* of the process: its group leader's, CLOCK_BOOTTIME */
	__u64 parent_start_time_ns;
	__u64 cgroup_id;	   /* in the deciding hierarchy */
	__u64 container_cgroup_id; /* of the outermost container; 0: the host */
	__u64 child_start_time_ns; /* fork; else 0 */
	__u64 flags;		   /* open: O_*, below 2^52; fork: CLONE_*, as far as parent and child tell; exec:
				      PALISADE_EXEC_SET_ID; unlinkat: AT_*; renameat2: RENAME_*; socket, accept4:
				      SOCK_NONBLOCK, SOCK_CLOEXEC; listen: the backlog */
	__s64 return_value;	   /* of the system call; exit: the wait status; fork: 0; exec that succeeded: 0 */
	struct palisade_inode file;
	struct palisade_inode second; /* exec of a script: its interpreter */
	__u32 cpu;
	__s32 syscall; /* number on this architecture, also for calls of its 32-bit twin; -1: none */
	__u32 host_tgid;
	__u32 host_tid;
	__u32 host_ppid;
	__u32 tgid; /* in the process's own pid namespace, as the two that follow */
	__u32 tid;
	__u32 ppid; /* 0: the parent is outside of that namespace */
	__u32 uid;
	__u32 euid;
	__u32 fsuid;
	__u32 gid;
	__u32 login_uid;       /* PALISADE_NO_UID: none */
	__u32 pid_namespace;   /* inode number */
	__u32 mount_namespace; /* inode number */
	__u32 caller_uid; /* exec: the credentials before it; where no call made it (the kernel did): PALISADE_NO_UID */
	__u32 caller_euid;
	__u32 caller_fsuid;
	__u32 caller_gid;
	__u32 child_host_tgid; /* fork; else 0 */
	__u32 mode;	       /* open: creation mode as passed */
	__s32 file_descriptor; /* openat, unlinkat, renameat: dirfd (of the old name); connect, bind, listen, accept:
				  the socket; else -1 */
	__u16 address_family;  /* AF_*; 0 also where there is none */
	__u16 socket_type;     /* SOCK_*; 0: not known */
	__u16 protocol;	       /* IPPROTO_* */
	__u16 port;	       /* host order */
	__u8 path_source;      /* enum palisade_path_source of the event's file */
	__u8 second_source;  /* the same of the interpreter (object, or unknown where there is none), and of a new name
			      */
	__u8 address_source; /* enum palisade_address_source of PALISADE_STRING_ADDRESS */
	__u8 padding;
	__u16 local_port; /* accept, connect: of PALISADE_STRING_LOCAL_ADDRESS */
	__u16 truncated;  /* bit n: string n is not whole */
	__u16 lengths[PALISADE_STRING_COUNT];
};

/*
 * One CPU's cell. Everything rises only. seen = filtered + submitted + dropped, by operation. Counting comes before the
 * reservation, so that a full ring cannot hide anything.
 */
struct palisade_counters {
	__u64 sequence; /* numbers given out: submitted + dropped over all operations */
	__u64 seen[PALISADE_OPERATION_COUNT];
	__u64 filtered[PALISADE_OPERATION_COUNT];
	__u64 submitted[PALISADE_OPERATION_COUNT];
	__u64 dropped[PALISADE_OPERATION_COUNT];
};

PALISADE_ASSERT(sizeof(struct palisade_inode) == 24, "palisade_inode");
PALISADE_ASSERT(offsetof(struct palisade_event, session) == 8, "session");
PALISADE_ASSERT(offsetof(struct palisade_event, file) == 88, "file");
PALISADE_ASSERT(offsetof(struct palisade_event, cpu) == 136, "cpu");
PALISADE_ASSERT(offsetof(struct palisade_event, address_family) == 224, "address_family");
PALISADE_ASSERT(offsetof(struct palisade_event, lengths) == 240, "lengths");
PALISADE_ASSERT(sizeof(struct palisade_event) == 272, "palisade_event");
PALISADE_ASSERT(sizeof(struct palisade_event) % 8 == 0, "records are aligned to 8 bytes");
PALISADE_ASSERT(sizeof(struct palisade_counters) == 8 * (1 + 4 * PALISADE_OPERATION_COUNT), "palisade_counters");

#endif
