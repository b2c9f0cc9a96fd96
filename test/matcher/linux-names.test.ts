import test from 'ava';
import { openFlagsText, resultText, syscallName } from '../../matcher/linux-names.ts';

const flags: readonly (readonly [number, number, string])[] = [
  [0, 257, 'O_RDONLY'],
  [0o2000000, 257, 'O_RDONLY|O_CLOEXEC'],
  [0o1101, 257, 'O_WRONLY|O_CREAT|O_TRUNC'],
  [0o2002, 257, 'O_RDWR|O_APPEND'],
  [0o4010000, 257, 'O_RDONLY|O_SYNC'],
  [0o10000, 257, 'O_RDONLY|O_DSYNC'],
  [0o20200001, 257, 'O_WRONLY|O_TMPFILE'],
  [0o200000, 257, 'O_RDONLY|O_DIRECTORY'],
  [0o40000, 56, 'O_RDONLY|O_DIRECTORY'],
  [0o100000, 257, 'O_RDONLY|O_LARGEFILE'],
  [0o100000, 56, 'O_RDONLY|O_NOFOLLOW'],
  [3, 257, 'O_ACCMODE'],
  [0o40000000 | 0o2000000, 257, 'O_RDONLY|O_CLOEXEC|0x800000'],
];
for (const [value, syscall, text] of flags) {
  test(`flags ${value.toString(8)} of call ${syscall} are ${text}`, (t) => {
    t.is(openFlagsText(value, syscall), text);
  });
}

test('system calls of three architectures have their names', (t) => {
  t.deepEqual(
    [2, 257, 437, 85, 56, 5, 295, -1].map((number) => syscallName('open', number)),
    ['OPEN', 'OPENAT', 'OPENAT2', 'CREAT', 'OPENAT', 'OPEN', 'OPENAT', 'OPEN'].map((name) => `SYS_${name}`),
  );
  t.deepEqual(
    [59, 322, 221, 281, -1].map((number) => syscallName('exec', number)),
    ['EXECVE', 'EXECVEAT', 'EXECVE', 'EXECVEAT', 'EXECVE'].map((name) => `SYS_${name}`),
  );
});

test('calls that remove and rename have their names, on x86-64, i386 and arm64', (t) => {
  const names = (operation: string, numbers: readonly number[]): string[] =>
    numbers.map((number) => syscallName(operation, number));
  t.deepEqual(
    names('unlink', [87, 263, 10, 301, 35, -1]),
    ['UNLINK', 'UNLINKAT', 'UNLINK', 'UNLINKAT', 'UNLINKAT', 'UNLINK'].map((name) => `SYS_${name}`),
  );
  t.deepEqual(
    names('rmdir', [84, 263, 40, 301, 35, -1]),
    ['RMDIR', 'UNLINKAT', 'RMDIR', 'UNLINKAT', 'UNLINKAT', 'RMDIR'].map((name) => `SYS_${name}`),
  );
  t.deepEqual(
    names('rename', [82, 264, 316, 302, 353, 38, 276, -1]),
    ['RENAME', 'RENAMEAT', 'RENAMEAT2', 'RENAMEAT', 'RENAMEAT2', 'RENAMEAT', 'RENAMEAT2', 'RENAME'].map(
      (name) => `SYS_${name}`,
    ),
  );
});

test('a result is the text of its errno, and its number where there is none', (t) => {
  t.deepEqual([0, 7, -13, -1, -9999].map(resultText), [
    'Passed',
    'Passed',
    'Permission denied',
    'Operation not permitted',
    'Error 9999',
  ]);
});
