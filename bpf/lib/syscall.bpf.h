/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * System calls: arguments are read when a call returns, from the registers that it was entered with. The kernel keeps
 * them, the user's pages have just been read, and a call that the tracer of a process changed is seen as it was made.
 */
#ifndef PALISADE_SYSCALL_BPF_H
#define PALISADE_SYSCALL_BPF_H

/* Numbers of arch/x86/entry/syscalls/syscall_{64,32}.tbl. */
#define NR_OPEN 2
#define NR_SOCKET 41
#define NR_CONNECT 42
#define NR_ACCEPT 43
#define NR_BIND 49
#define NR_LISTEN 50
#define NR_EXECVE 59
#define NR_RENAME 82
#define NR_RMDIR 84
#define NR_CREAT 85
#define NR_UNLINK 87
#define NR_OPENAT 257
#define NR_UNLINKAT 263
#define NR_RENAMEAT 264
#define NR_ACCEPT4 288
#define NR_RENAMEAT2 316
#define NR_EXECVEAT 322
#define NR_OPENAT2 437
#define NR32_OPEN 5
#define NR32_CREAT 8
#define NR32_UNLINK 10
#define NR32_EXECVE 11
#define NR32_RENAME 38
#define NR32_RMDIR 40
#define NR32_OPENAT 295
#define NR32_UNLINKAT 301
#define NR32_RENAMEAT 302
#define NR32_RENAMEAT2 353
#define NR32_EXECVEAT 358
#define NR32_SOCKET 359
#define NR32_BIND 361
#define NR32_CONNECT 362
#define NR32_LISTEN 363
#define NR32_ACCEPT4 364
#define NR32_OPENAT2 437
/* Calls by number in one table. x32's begin at 0x40000000 and are in none: Debian's kernel has them off by default. */
#define SYSCALLS_MAX 512

#define TS_COMPAT 0x0002 /* arch/x86/include/asm/thread_info.h: entered by the 32-bit way */
#define AT_EMPTY_PATH 0x1000

/* Results of a call that a signal ended: on the way back the kernel starts it again, or makes it EINTR
 * (linux/errno.h). */
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516
#define EINTR 4

static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

/* Argument `place` (from 0, a constant) of the call that has these registers. */
static __always_inline __u64 syscall_argument(struct pt_regs *regs, bool compat, int place)
{
	if (compat) {
		switch (place) {
		case 0:
			return (__u32)regs->bx;
		case 1:
			return (__u32)regs->cx;
		case 2:
			return (__u32)regs->dx;
		case 3:
			return (__u32)regs->si;
		default:
			return (__u32)regs->di;
		}
	}
	switch (place) {
	case 0:
		return regs->di;
	case 1:
		return regs->si;
	case 2:
		return regs->dx;
	case 3:
		return regs->r10;
	default:
		return regs->r8;
	}
}

static __always_inline bool is_interrupted(long result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

/* What the caller gets to see, where the call is not started again. */
static __always_inline long visible_result(long result)
{
	return is_interrupted(result) ? -EINTR : result;
}

/* The number in the 64-bit table of a call of the 32-bit one; -1: not in our tables. A global function, so that the
 * verifier takes the result for any number, and does not go through the whole program once for each. */
__noinline int twin_of_compat(__u64 number)
{
	switch (number) {
	case NR32_OPEN:
		return NR_OPEN;
	case NR32_CREAT:
		return NR_CREAT;
	case NR32_EXECVE:
		return NR_EXECVE;
	case NR32_EXECVEAT:
		return NR_EXECVEAT;
	case NR32_OPENAT:
		return NR_OPENAT;
	case NR32_OPENAT2:
		return NR_OPENAT2;
	case NR32_SOCKET:
		return NR_SOCKET;
	case NR32_BIND:
		return NR_BIND;
	case NR32_CONNECT:
		return NR_CONNECT;
	case NR32_LISTEN:
		return NR_LISTEN;
	case NR32_ACCEPT4:
		return NR_ACCEPT4;
	case NR32_UNLINK:
		return NR_UNLINK;
	case NR32_UNLINKAT:
		return NR_UNLINKAT;
	case NR32_RMDIR:
		return NR_RMDIR;
	case NR32_RENAME:
		return NR_RENAME;
	case NR32_RENAMEAT:
		return NR_RENAMEAT;
	case NR32_RENAMEAT2:
		return NR_RENAMEAT2;
	default:
		return -1;
	}
}

/* The number of the call in the 64-bit table. */
static __always_inline __s32 syscall_number(struct pt_regs *regs, bool compat)
{
	return compat ? twin_of_compat(regs->orig_ax) : (__s32)regs->orig_ax;
}

#endif
