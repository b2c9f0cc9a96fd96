/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What ring-load.c tells ring-load.bpf.c. */
#ifndef RING_LOAD_H
#define RING_LOAD_H

#define LOAD_PROCESSES 16 /* a power of two: a mask chooses */
#define LOAD_TEXT_MAX 256 /* a power of two; texts are shorter */

struct load_process {
	__u64 start_time_ns;
	__u32 tgid;
	__u32 comm_bytes;
	__u32 executable_bytes;
	__u32 parent_bytes;
	__u32 cwd_bytes;
	__u32 padding;
	char comm[16];
	char executable[LOAD_TEXT_MAX];
	char parent[LOAD_TEXT_MAX];
	char cwd[LOAD_TEXT_MAX];
};

struct load_path {
	__u32 bytes;
	char text[LOAD_TEXT_MAX];
};

/* One run of the program. */
struct load_run {
	__u64 session; /* of the monitor whose ring it is */
	__u32 events;
	__u32 paths;
	__u32 random; /* the generator's state, before and afterwards */
	__u32 padding;
};

#endif
