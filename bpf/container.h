/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kernel and collector share about containers: values of pinned maps. Same rules as event.h, and offsets are read
 * from the BTF likewise (native/generate-layout.ts).
 */
#ifndef PALISADE_CONTAINER_H
#define PALISADE_CONTAINER_H

#include "event.h"

enum palisade_container_constant {
	PALISADE_CONTAINERS_MAX = 4096,	 /* of one node at a time; Kubernetes plans for 110 pods a node */
	PALISADE_CGROUP_PATH_MAX = 1024, /* TRACE_CGROUP_PATH_LEN of the kernel, which counts a NUL */
	PALISADE_CONTAINER_LAYOUTS_MAX = 48,
	PALISADE_LAYOUT_TEXT_MAX = 32,	/* of each text of a layout */
	PALISADE_RUNTIMES_MAX = 256,	/* executables registered, and as many names */
	PALISADE_RUNTIME_NAME_MAX = 32, /* with a NUL; "memfd:crun_cloned:/proc/self/exe" has 32, see runtime.bpf.h */
};

/* Why a cgroup is a container's. */
enum palisade_container_source {
	PALISADE_CONTAINER_UNKNOWN = 0,
	PALISADE_CONTAINER_LAYOUT = 1,	/* made while the monitor ran, with a path that the layouts know */
	PALISADE_CONTAINER_RUNTIME = 2, /* a runtime made it and moved its init into it */
	PALISADE_CONTAINER_FOUND = 3,	/* the collector found it at its start */
};

/* Value of `containers` (key: the cgroup's id), and of `container_paths`, which outlives the cgroup for a while. */
struct palisade_container {
	__u64 made_ns; /* CLOCK_BOOTTIME; 0: before the monitor began */
	__u32 source;  /* enum palisade_container_source */
	__u32 path_length;
	char path[PALISADE_CGROUP_PATH_MAX]; /* in the deciding hierarchy, from its root */
};

enum palisade_layout_id {
	PALISADE_LAYOUT_ID_HEX64 = 1, /* 64 lower-case hexadecimal digits */
	PALISADE_LAYOUT_ID_ANY = 2,   /* at least one byte */
};

/*
 * One known shape of the last components of a cgroup's path: [before][id][after] under a parent and a grandparent. The
 * first row that fits decides. A length of 0 leaves that part open. Written by the collector, from
 * collector/container-layouts.ts.
 */
struct palisade_layout {
	char before[PALISADE_LAYOUT_TEXT_MAX];
	char after[PALISADE_LAYOUT_TEXT_MAX];
	char parent[PALISADE_LAYOUT_TEXT_MAX];
	char grandparent[PALISADE_LAYOUT_TEXT_MAX];
	__u8 before_length;
	__u8 after_length;
	__u8 parent_length;
	__u8 grandparent_length;
	__u8 parent_is_prefix; /* the parent's name only begins so */
	__u8 before_is_infix;  /* something may stand ahead of `before` */
	__u8 id;	       /* enum palisade_layout_id; 0: no row */
	__u8 is_container;     /* 0: this shape looks like one and is none */
};

/* Key of `runtimes`: an executable registered as a container runtime. */
struct palisade_executable {
	__u64 inode;
	__u32 device; /* the kernel's dev_t: major << 20 | minor */
	__u32 padding;
};

PALISADE_ASSERT(sizeof(struct palisade_container) == 16 + PALISADE_CGROUP_PATH_MAX, "palisade_container");
PALISADE_ASSERT(sizeof(struct palisade_layout) == 4 * PALISADE_LAYOUT_TEXT_MAX + 8, "palisade_layout");
PALISADE_ASSERT(sizeof(struct palisade_executable) == 16, "palisade_executable");

#endif
