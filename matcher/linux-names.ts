/** Numbers of system calls that these operations come from: x86-64, i386 (tables of the kernel, v6.1) and arm64. i386's 38 is arm64's renameat. */
const syscallNames: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  exec: { 59: 'EXECVE', 322: 'EXECVEAT', 11: 'EXECVE', 358: 'EXECVEAT', 221: 'EXECVE', 281: 'EXECVEAT' },
  open: { 2: 'OPEN', 257: 'OPENAT', 437: 'OPENAT2', 85: 'CREAT', 5: 'OPEN', 295: 'OPENAT', 8: 'CREAT', 56: 'OPENAT' },
  unlink: { 87: 'UNLINK', 263: 'UNLINKAT', 10: 'UNLINK', 301: 'UNLINKAT', 35: 'UNLINKAT' },
  rmdir: { 84: 'RMDIR', 263: 'UNLINKAT', 40: 'RMDIR', 301: 'UNLINKAT', 35: 'UNLINKAT' },
  rename: {
    82: 'RENAME',
    264: 'RENAMEAT',
    316: 'RENAMEAT2',
    302: 'RENAMEAT',
    353: 'RENAMEAT2',
    38: 'RENAMEAT',
    276: 'RENAMEAT2',
  },
  socket: { 41: 'SOCKET', 198: 'SOCKET' },
  connect: { 42: 'CONNECT', 203: 'CONNECT' },
  accept: { 43: 'ACCEPT', 288: 'ACCEPT4', 364: 'ACCEPT4', 202: 'ACCEPT', 242: 'ACCEPT4' },
};

/** Only arm64 has openat under this number (include/uapi/asm-generic/unistd.h). */
const openatOfArm64 = 56;

/** `SYS_OPENAT` for an operation and the number of its system call; `SYS_OPEN` alone where the number says nothing. */
export function syscallName(operation: string, number: number): string {
  return `SYS_${syscallNames[operation]?.[number] ?? (operation === 'exec' ? 'EXECVE' : operation.toUpperCase())}`;
}

/** include/uapi/asm-generic/fcntl.h, in octal as there. */
export const openFlags = {
  accessMode: 0o3,
  readOnly: 0o0,
  create: 0o100,
  truncate: 0o1000,
  append: 0o2000,
  path: 0o10000000,
} as const;

/** include/uapi/linux/fs.h. */
export const renameFlags = { noReplace: 1, exchange: 2 } as const;

type FlagNames = readonly (readonly [number, string])[];

/** Wider ones first: O_SYNC includes O_DSYNC, O_TMPFILE O_DIRECTORY. */
function flagNames(differing: { direct: number; largeFile: number; directory: number; noFollow: number }): FlagNames {
  return [
    [0o100, 'O_CREAT'],
    [0o200, 'O_EXCL'],
    [0o400, 'O_NOCTTY'],
    [0o1000, 'O_TRUNC'],
    [0o2000, 'O_APPEND'],
    [0o4000, 'O_NONBLOCK'],
    [0o4010000, 'O_SYNC'],
    [0o10000, 'O_DSYNC'],
    [0o20000, 'O_ASYNC'],
    [differing.direct, 'O_DIRECT'],
    [differing.largeFile, 'O_LARGEFILE'],
    [0o20000000 | differing.directory, 'O_TMPFILE'],
    [differing.directory, 'O_DIRECTORY'],
    [differing.noFollow, 'O_NOFOLLOW'],
    [0o1000000, 'O_NOATIME'],
    [0o2000000, 'O_CLOEXEC'],
    [0o10000000, 'O_PATH'],
  ];
}

const flagsOfX86 = flagNames({ direct: 0o40000, largeFile: 0o100000, directory: 0o200000, noFollow: 0o400000 });
/** arch/arm64/include/uapi/asm/fcntl.h. */
const flagsOfArm64 = flagNames({ direct: 0o200000, largeFile: 0o400000, directory: 0o40000, noFollow: 0o100000 });

/** `O_RDONLY|O_CLOEXEC`; bits without a name in hexadecimal at the end. */
export function openFlagsText(flags: number, syscall: number): string {
  const access = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][flags & openFlags.accessMode] ?? '';
  const named = syscall === openatOfArm64 ? flagsOfArm64 : flagsOfX86;
  return [access, ...namesOf(flags & ~openFlags.accessMode, named)].join('|');
}

/** include/uapi/linux/fcntl.h and fs.h. */
const unlinkatFlags: FlagNames = [[0x200, 'AT_REMOVEDIR']];
const renameat2Flags: FlagNames = [
  [renameFlags.noReplace, 'RENAME_NOREPLACE'],
  [renameFlags.exchange, 'RENAME_EXCHANGE'],
  [4, 'RENAME_WHITEOUT'],
];

/** Flags of a call that removes or renames; `undefined`: the call has none. `0` where none is set. */
export function nameFlagsText(name: string, flags: number): string | undefined {
  const named = name === 'SYS_UNLINKAT' ? unlinkatFlags : name === 'SYS_RENAMEAT2' ? renameat2Flags : undefined;
  if (named === undefined) return undefined;
  return flags === 0 ? '0' : namesOf(flags, named).join('|');
}

function namesOf(flags: number, named: FlagNames): string[] {
  const names: string[] = [];
  let rest = flags;
  for (const [bits, name] of named) {
    if ((rest & bits) !== bits) continue;
    names.push(name);
    rest &= ~bits;
  }
  if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`);
  return names;
}

export const errno = { EPERM: 1, ENOENT: 2, EACCES: 13, ENOTDIR: 20, EISDIR: 21, EINPROGRESS: 115 } as const;

/** The kernel's own codes for a call that it restarts (include/linux/errno.h): no answer, the call comes again. */
export const firstRestartCode = 512;

/** As glibc's strerror has them; the usual answers of calls on files. */
const errnoTexts: Readonly<Record<number, string>> = {
  1: 'Operation not permitted',
  2: 'No such file or directory',
  4: 'Interrupted system call',
  5: 'Input/output error',
  6: 'No such device or address',
  7: 'Argument list too long',
  8: 'Exec format error',
  9: 'Bad file descriptor',
  11: 'Resource temporarily unavailable',
  12: 'Cannot allocate memory',
  13: 'Permission denied',
  14: 'Bad address',
  16: 'Device or resource busy',
  17: 'File exists',
  18: 'Invalid cross-device link',
  19: 'No such device',
  20: 'Not a directory',
  21: 'Is a directory',
  22: 'Invalid argument',
  23: 'Too many open files in system',
  24: 'Too many open files',
  26: 'Text file busy',
  27: 'File too large',
  28: 'No space left on device',
  30: 'Read-only file system',
  31: 'Too many links',
  36: 'File name too long',
  39: 'Directory not empty',
  40: 'Too many levels of symbolic links',
  75: 'Value too large for defined data type',
  80: 'Accessing a corrupted shared library',
  95: 'Operation not supported',
  111: 'Connection refused',
  115: 'Operation now in progress',
  116: 'Stale file handle',
  122: 'Disk quota exceeded',
  126: 'Required key not available',
};

/** KubeArmor's Result: `Passed`, or the text of the errno. */
export function resultText(returnValue: number): string {
  if (returnValue >= 0) return 'Passed';
  return errnoTexts[-returnValue] ?? `Error ${-returnValue}`;
}
