/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What: paths as the process's own root shows them, and the objects behind them. */
#ifndef PALISADE_PATH_BPF_H
#define PALISADE_PATH_BPF_H

#include "ring.bpf.h"

#define S_IFMT 00170000
#define S_IFSOCK 0140000
#define S_ISUID 0004000
#define S_ISGID 0002000
#define S_IXGRP 00010

/* What a step of the walk needs of a dentry. */
struct dentry_link {
	struct dentry *parent;
	__u64 hash_and_length; /* struct qstr: the length is the upper half (little endian) */
	const unsigned char *name;
};

/* One read where the two members stand side by side, as in every kernel whose structs are not shuffled. */
static __always_inline long read_link(struct dentry_link *link, struct dentry *dentry)
{
	if (bpf_core_field_offset(struct dentry, d_name) ==
		bpf_core_field_offset(struct dentry, d_parent) + sizeof(void *))
		return bpf_probe_read_kernel(link, sizeof(*link), &dentry->d_parent);
	link->parent = BPF_CORE_READ(dentry, d_parent);
	return bpf_probe_read_kernel(&link->hash_and_length, sizeof(struct qstr), &dentry->d_name);
}

/*
 * The path of what is in no directory, such as a memfd, a pipe or a socket: '/' and its name, as the kernel's own
 * d_path() has it without what that adds; where it has no name, the file system's.
 */
static __always_inline void take_lone_name(struct walk *walk, struct dentry *dentry, const unsigned char *name)
{
	long bytes = COUNTED(bpf_probe_read_kernel_str(walk->bytes, 256, name)); /* NAME_MAX and a NUL */
	__u32 start;

	if (bytes == 1)
		bytes = COUNTED(bpf_probe_read_kernel_str(walk->bytes, 256, BPF_CORE_READ(dentry, d_sb, s_type, name)));
	if (bytes <= 1 || bytes > 256 || walk->bytes[0] == '/') /* '/': the root of a file system */
		return;
	start = PALISADE_PATH_MAX - bytes;
	if (COUNTED(bpf_probe_read_kernel(&walk->bytes[(start & (PALISADE_PATH_MAX - 1)) + 1], bytes - 1, walk->bytes)))
		return;
	walk->bytes[start & (PALISADE_PATH_MAX - 1)] = '/';
	walk->start = start;
}

/*
 * One step of the walk towards the root: a component, or a mount crossed. Returns 0 where the walk goes on. A global
 * function with its state in memory, so that the verifier goes through it once, and not 200 times.
 */
__noinline int walk_step(struct walk *walk)
{
	struct dentry *dentry, *parent;
	struct mount *mount, *parent_mount;
	struct dentry_link link;
	__u32 length, start;

	if (!walk)
		return 1;
	dentry = (struct dentry *)walk->dentry;
	mount = (struct mount *)walk->mount;
	if (!dentry || (walk->dentry == walk->root_dentry && walk->mount == walk->root_mount)) {
		walk->truncated = 0;
		return 1;
	}
	if (COUNTED(read_link(&link, dentry)))
		return 1;
	parent = link.parent;
	if (walk->dentry == walk->mount_root || dentry == parent) {
		parent_mount = BPF_CORE_READ(mount, mnt_parent);
		if (walk->dentry != walk->mount_root || parent_mount == mount || !parent_mount) {
			/* Root of everything, of a mount that was taken away, or of what no mount shows. */
			if (walk->dentry != walk->mount_root && walk->start == PALISADE_PATH_MAX)
				take_lone_name(walk, dentry, link.name);
			walk->truncated = 0;
			return 1;
		}
		walk->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = (__u64)parent_mount;
		walk->mount_root = (__u64)BPF_CORE_READ(parent_mount, mnt.mnt_root);
		return 0;
	}
	length = (__u32)(link.hash_and_length >> 32) & 255; /* NAME_MAX */
	start = walk->start;
	if (length + 1 > start)
		return 1;
	start -= length + 1;
	walk->bytes[start & (PALISADE_PATH_MAX - 1)] = '/';
	if (COUNTED(bpf_probe_read_kernel(&walk->bytes[(start & (PALISADE_PATH_MAX - 1)) + 1], length, link.name)))
		return 1;
	walk->start = start;
	walk->dentry = (__u64)parent;
	return 0;
}

/*
 * Walks from walk->dentry in walk->mount towards the root, adding components in front of those already there:
 *
 *   bytes: [ free ........ | /usr/bin/dash ]
 *                          ^ start         ^ PALISADE_PATH_MAX
 *
 * Ends at the root given, or at the root of the outermost mount. Returns the bytes.
 */
__noinline int walk_path(struct walk *walk)
{
	struct mount *mount;
	int level;

	if (!walk)
		return 0;
	walk->start = PALISADE_PATH_MAX;
	walk->truncated = 1;
	mount = (struct mount *)walk->mount;
	walk->mount_root = (__u64)BPF_CORE_READ(mount, mnt.mnt_root);
	for (level = 0; level < PALISADE_PATH_LEVELS; level++) {
		if (walk_step(walk))
			break;
	}
	if (walk->start == PALISADE_PATH_MAX && !walk->truncated) {
		walk->start = PALISADE_PATH_MAX - 1;
		walk->bytes[PALISADE_PATH_MAX - 1] = '/';
	} else if (walk->start < PALISADE_PATH_MAX && walk->truncated) {
		walk->start++; /* A truncated path does not begin with '/'. */
	}
	return PALISADE_PATH_MAX - walk->start;
}

static __always_inline __u64 mount_of(struct vfsmount *vfsmount)
{
	return (__u64)vfsmount - bpf_core_field_offset(struct mount, mnt);
}

/* From where, and up to the root of whom. */
static __always_inline void begin_walk(
	struct walk *walk, struct dentry *dentry, struct vfsmount *vfsmount, struct fs_struct *fs)
{
	walk->dentry = (__u64)dentry;
	walk->mount = mount_of(vfsmount);
	walk->root_dentry = (__u64)fs->root.dentry;
	walk->root_mount = mount_of(fs->root.mnt);
}

/* The result of walk_path(). */
static __always_inline const char *walked_path(struct walk *walk)
{
	return &walk->bytes[walk->start & (PALISADE_PATH_MAX - 1)];
}

/* Adds the path of `dentry` in `vfsmount`, as a task with this `fs` sees it, as string number `string`. */
static __always_inline void add_path(struct scratch *scratch, enum palisade_string string, struct dentry *dentry,
	struct vfsmount *vfsmount, struct fs_struct *fs)
{
	struct walk *walk = &scratch->walk;
	__u32 length;

	if (!dentry || !vfsmount)
		return;
	begin_walk(walk, dentry, vfsmount, fs);
	length = walk_path(walk);
	if (length > PALISADE_PATH_MAX ||
		COUNTED(bpf_probe_read_kernel(next_string(scratch), length, walked_path(walk))))
		return;
	if (walk->truncated)
		scratch->event.truncated |= 1 << string;
	end_string(scratch, string, length);
}

static __always_inline void add_file_path(
	struct scratch *scratch, enum palisade_string string, struct file *file, struct fs_struct *fs)
{
	add_path(scratch, string, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt), fs);
}

/* Adds text from user space, such as a path as it was typed. A truncated one is a prefix of the whole. */
static __always_inline void add_user_text(struct scratch *scratch, enum palisade_string string, const char *text)
{
	long bytes;

	if (!text)
		return;
	bytes = COUNTED(bpf_probe_read_user_str(next_string(scratch), PALISADE_PATH_MAX, text));
	if (bytes <= 0)
		return;
	if (bytes == PALISADE_PATH_MAX)
		scratch->event.truncated |= 1 << string;
	end_string(scratch, string, bytes - 1);
}

static __always_inline void add_kernel_text(struct scratch *scratch, enum palisade_string string, const char *text)
{
	long bytes;

	if (!text)
		return;
	bytes = COUNTED(bpf_probe_read_kernel_str(next_string(scratch), PALISADE_PATH_MAX, text));
	if (bytes <= 0)
		return;
	if (bytes == PALISADE_PATH_MAX)
		scratch->event.truncated |= 1 << string;
	end_string(scratch, string, bytes - 1);
}

static __always_inline void copy_inode(struct palisade_inode *to, struct inode *inode)
{
	to->inode = BPF_CORE_READ(inode, i_ino);
	to->device = BPF_CORE_READ(inode, i_sb, s_dev);
	to->mode = BPF_CORE_READ(inode, i_mode);
	to->owner_uid = BPF_CORE_READ(inode, i_uid.val);
	to->owner_gid = BPF_CORE_READ(inode, i_gid.val);
}

static __always_inline void describe_inode(struct palisade_inode *to, struct file *file)
{
	copy_inode(to, BPF_CORE_READ(file, f_inode));
}

/* The file behind one of the current task's descriptors, or NULL. */
static __always_inline struct file *file_of_descriptor(struct task_struct *task, __s64 descriptor)
{
	struct fdtable *table = task->files->fdt;
	struct file **files = table->fd;
	struct file *file = NULL;

	if (descriptor < 0 || descriptor >= table->max_fds)
		return NULL;
	COUNTED(bpf_probe_read_kernel(&file, sizeof(file), &files[descriptor]));
	return file;
}

#define AT_FDCWD -100

/* What add_typed_path() does for one name: adds its two strings, and returns how its path is had. */
static __always_inline enum palisade_path_source add_typed_name(struct scratch *scratch, struct task_struct *task,
	__s32 directory, const char *text, enum palisade_string base_string, enum palisade_string typed_string)
{
	enum palisade_path_source source = PALISADE_PATH_BASE_AND_TEXT;
	struct file *base;
	char first = 0;

	COUNTED(bpf_probe_read_user(&first, sizeof(first), text));
	if (first != '/' && directory != AT_FDCWD) {
		base = file_of_descriptor(task, directory);
		if (base)
			add_file_path(scratch, base_string, base, task->fs);
		else
			source = PALISADE_PATH_TEXT;
	}
	add_user_text(scratch, typed_string, text);
	return source;
}

/*
 * A file that is known by what was typed alone: the text, and the directory that it is relative to where that is not
 * the working directory. User space puts the two together.
 */
static __always_inline void add_typed_path(
	struct scratch *scratch, struct task_struct *task, __s32 directory, const char *text)
{
	scratch->event.path_source =
		add_typed_name(scratch, task, directory, text, PALISADE_STRING_BASE, PALISADE_STRING_TYPED_PATH);
}

/* The same for the new name of a rename. */
static __always_inline void add_new_typed_path(
	struct scratch *scratch, struct task_struct *task, __s32 directory, const char *text)
{
	scratch->event.second_source = add_typed_name(
		scratch, task, directory, text, PALISADE_STRING_NEW_BASE, PALISADE_STRING_NEW_TYPED_PATH);
}

#endif
