/* open CALL PATH [FLAGS [DIRECTORY]]: makes one call that opens, by number so that libc chooses nothing; prints its
 * result. What memfd and pipe open has no path: they do it by /proc/self/fd. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

static long again(int descriptor)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	return result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
}

/* The 32-bit way: int $0x80 with numbers and pointers of i386. */
static long compat(long number, const char *path, long flags, long mode)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result;

	strcpy(low, path);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(low), "c"(flags), "d"(mode)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static const char *interrupted_path;
static volatile int alarms;

/* The third time there is a writer, so that the open that is started again finds one. */
static void on_alarm(int signal)
{
	(void)signal;
	if (++alarms == 3)
		syscall(SYS_openat, AT_FDCWD, interrupted_path, O_RDWR, 0);
}

/* Opens a FIFO for reading, which waits for a writer, while signals interrupt it. */
static long interrupted(const char *path)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 20000}, {0, 20000}};
	long result;

	interrupted_path = path;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	result = result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
	return result;
}

int main(int argc, char **argv)
{
	const char *call = argv[1], *path = argv[2];
	long flags = argc > 3 ? (long)strtoul(argv[3], NULL, 0) : O_RDONLY, result = -EINVAL;
	int directory = AT_FDCWD, ends[2];

	if (argc > 4) /* One more open: the caller of this program expects it. */
		directory = open(argv[4], O_RDONLY | O_DIRECTORY);
	if (!strcmp(call, "open"))
		result = result_of(syscall(SYS_open, path, flags, 0640));
	else if (!strcmp(call, "creat"))
		result = result_of(syscall(SYS_creat, path, 0640));
	else if (!strcmp(call, "openat"))
		result = result_of(syscall(SYS_openat, directory, path, flags, 0640));
	else if (!strcmp(call, "openat2")) {
		struct open_how how = {.flags = flags, .mode = flags & O_CREAT ? 0640 : 0};
		result = result_of(syscall(SYS_openat2, directory, path, &how, sizeof(how)));
	} else if (!strcmp(call, "in-root")) {
		struct open_how how = {.flags = flags, .resolve = RESOLVE_IN_ROOT};
		result = result_of(syscall(SYS_openat2, directory, path, &how, sizeof(how)));
	} else if (!strcmp(call, "memfd"))
		result = again(memfd_create(path, 0));
	else if (!strcmp(call, "pipe"))
		result = pipe(ends) ? -errno : again(ends[0]);
	else if (!strcmp(call, "compat"))
		result = compat(5, path, flags, 0640);
	else if (!strcmp(call, "unreadable")) /* No such address. */
		result = result_of(syscall(SYS_openat, directory, (char *)8, flags, 0));
	else if (!strcmp(call, "interrupted"))
		result = interrupted(path);
	printf("%ld\n", result);
	return 0;
}
