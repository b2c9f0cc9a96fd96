/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a cgroup's path has a shape that is known as a container's. The rows come from the collector. */
#ifndef PALISADE_LAYOUT_BPF_H
#define PALISADE_LAYOUT_BPF_H

#include "container.bpf.h"

#define CGROUP_NAME_MAX 256 /* NAME_MAX and a NUL */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PALISADE_CONTAINER_LAYOUTS_MAX);
	__type(key, __u32);
	__type(value, struct palisade_layout);
} container_layouts SEC(".maps");

/* Names of a cgroup and of those above it; lengths without the NUL. */
struct cgroup_names {
	__u32 length;
	__u32 parent_length;
	__u32 grandparent_length;
	__u32 padding;
	/* A masked start plus the longest text stays inside. */
	char name[CGROUP_NAME_MAX + PALISADE_LAYOUT_TEXT_MAX + 64];
	char parent[CGROUP_NAME_MAX];
	char grandparent[CGROUP_NAME_MAX];
};

/* Hooks of cgroups hold the kernel's trace_cgroup_path_lock (kernel/cgroup/cgroup-internal.h): one at a time. */
struct cgroup_scratch {
	struct cgroup_names names;
	struct palisade_container container;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_scratch);
} cgroup_scratches SEC(".maps");

static __always_inline struct cgroup *parent_of_cgroup(struct cgroup *cgroup)
{
	return (struct cgroup *)BPF_CORE_READ(cgroup, self.parent, cgroup);
}

static __always_inline __u32 read_name(char *into, struct cgroup *cgroup)
{
	long bytes;

	if (!cgroup || BPF_CORE_READ(cgroup, level) == 0)
		return 0;
	bytes = COUNTED(bpf_probe_read_kernel_str(into, CGROUP_NAME_MAX, BPF_CORE_READ(cgroup, kn, name)));
	return bytes > 0 ? bytes - 1 : 0;
}

/*
 * Whether an unprivileged user can make cgroups beneath this one or give one of them its name: it owns it, or one
 * above, or may write there. Deeper than CGROUP_LEVELS counts as so.
 */
static __always_inline bool is_delegated(struct cgroup *cgroup)
{
	struct kernfs_node *node;
	struct kernfs_iattrs *attributes;
	__u32 mode, uid, gid;
	int level;

	for (level = 0; level < CGROUP_LEVELS; level++) {
		node = BPF_CORE_READ(cgroup, kn);
		attributes = BPF_CORE_READ(node, iattr); /* NULL: root's, as made */
		uid = attributes ? BPF_CORE_READ(attributes, ia_uid.val) : 0;
		gid = attributes ? BPF_CORE_READ(attributes, ia_gid.val) : 0;
		mode = BPF_CORE_READ(node, mode);
		if (uid != 0 || (mode & 0002) || ((mode & 0020) && gid != 0))
			return true;
		if (BPF_CORE_READ(cgroup, level) == 0)
			return false;
		cgroup = parent_of_cgroup(cgroup);
	}
	return true;
}

static __always_inline bool is_lower_hex(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

static __always_inline bool has_text(const char *name, const char *text, __u32 length)
{
	int place;

	for (place = 0; place < PALISADE_LAYOUT_TEXT_MAX; place++) {
		if (place >= length)
			break;
		if (name[place] != text[place])
			return false;
	}
	return true;
}

/* A function of its own, so that the verifier walks it once and not once a row. */
__noinline int layout_fits(const struct palisade_layout *row, const struct cgroup_names *names)
{
	__u32 length, id, before, after;
	int place;

	if (!row || !names || row->id == 0)
		return 0;
	length = names->length;
	before = row->before_length;
	after = row->after_length;
	if (row->id == PALISADE_LAYOUT_ID_HEX64) {
		if (length < before + 64 + after)
			return 0;
		id = length - after - 64;
		if (!row->before_is_infix && id != before)
			return 0;
	} else {
		if (length <= before + after)
			return 0;
		id = before;
	}
	if (!has_text(&names->name[(id - before) & (CGROUP_NAME_MAX - 1)], row->before, before))
		return 0;
	if (!has_text(&names->name[(length - after) & (CGROUP_NAME_MAX - 1)], row->after, after))
		return 0;
	if (row->id == PALISADE_LAYOUT_ID_HEX64) {
		for (place = 0; place < 64; place++)
			if (!is_lower_hex(names->name[(id & (CGROUP_NAME_MAX - 1)) + place]))
				return 0;
	}
	if (row->parent_length) {
		if (row->parent_is_prefix ? names->parent_length < row->parent_length
					  : names->parent_length != row->parent_length)
			return 0;
		if (!has_text(names->parent, row->parent, row->parent_length))
			return 0;
	}
	if (row->grandparent_length) {
		if (names->grandparent_length != row->grandparent_length)
			return 0;
		if (!has_text(names->grandparent, row->grandparent, row->grandparent_length))
			return 0;
	}
	return 1;
}

/* Whether the layouts take this cgroup, which lies in no container, for a container's. */
static __always_inline bool has_container_layout(struct cgroup *cgroup, struct cgroup_names *names)
{
	struct cgroup *parent = parent_of_cgroup(cgroup), *grandparent = parent_of_cgroup(parent);
	struct palisade_layout *row;
	__u32 place;

	names->length = read_name(names->name, cgroup);
	names->parent_length = read_name(names->parent, parent);
	names->grandparent_length = read_name(names->grandparent, grandparent);
	for (place = 0; place < PALISADE_CONTAINER_LAYOUTS_MAX; place++) {
		row = bpf_map_lookup_elem(&container_layouts, &place);
		if (!row || row->id == 0)
			break;
		if (layout_fits(row, names))
			return row->is_container && !is_delegated(parent);
	}
	return false;
}

#endif
