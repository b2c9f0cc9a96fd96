/* names CALL ARGUMENTS: makes one call that removes or renames, by number so that libc chooses nothing; prints its
 * result. A directory is "cwd", "none" for a descriptor that is not open, or a path, which is opened with O_PATH: no
 * act. A name "unreadable" is an address where nothing is. CALL may begin with "compat-": the same in the 32-bit way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct call {
	const char *name;
	long number, compat_number;
	const char *arguments; /* d: a directory, n: a name, f: flags */
} calls[] = {
	{"unlink", SYS_unlink, 10, "n"},
	{"unlinkat", SYS_unlinkat, 301, "dnf"},
	{"rmdir", SYS_rmdir, 40, "n"},
	{"rename", SYS_rename, 38, "nn"},
	{"renameat", SYS_renameat, 302, "dndn"},
	{"renameat2", SYS_renameat2, 353, "dndnf"},
};

static long directory_of(const char *text)
{
	if (!strcmp(text, "cwd"))
		return AT_FDCWD;
	if (!strcmp(text, "none"))
		return 999;
	return open(text, O_PATH | O_DIRECTORY);
}

/* A copy below 4 GiB, which 32-bit calls can name. */
static long name_of(const char *text)
{
	char *low;

	if (!strcmp(text, "unreadable"))
		return 8;
	low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	return (long)strcpy(low, text);
}

static long compat(long number, const long *a)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

int main(int argc, char **argv)
{
	int is_compat = argc > 1 && !strncmp(argv[1], "compat-", 7);
	const char *name = argc > 1 ? argv[1] + (is_compat ? 7 : 0) : "";
	long arguments[5] = {0}, result = -EINVAL;
	unsigned int place;
	int kind;

	for (place = 0; place < sizeof(calls) / sizeof(calls[0]); place++) {
		if (strcmp(calls[place].name, name))
			continue;
		for (kind = 0; calls[place].arguments[kind] && kind + 2 < argc; kind++) {
			const char *text = argv[kind + 2];

			if (calls[place].arguments[kind] == 'd')
				arguments[kind] = directory_of(text);
			else if (calls[place].arguments[kind] == 'n')
				arguments[kind] = name_of(text);
			else
				arguments[kind] = (long)strtoul(text, NULL, 0);
		}
		if (is_compat)
			result = compat(calls[place].compat_number, arguments);
		else
			result = syscall(calls[place].number, arguments[0], arguments[1], arguments[2], arguments[3],
				arguments[4]);
		if (!is_compat && result < 0)
			result = -errno;
	}
	printf("%ld\n", result);
	return 0;
}
