import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventPathSource } from '../../collector/event-layout.ts';
import { openCapture } from './kernel-capture.ts';
import type { KernelString } from './kernel-event.ts';
import { testProgram } from './programs.ts';
import { plainEvent, wholeOf, type WholeEvent } from './whole-event.ts';

/** A directory with a file, an empty and a full directory, and a link to the full one. Gone when the test ends. */
export function namesDirectory(t: ExecutionContext): string {
  const made = realpathSync(mkdtempSync('/tmp/palisade-names-'));
  chmodSync(made, 0o755);
  t.teardown(() => {
    rmSync(made, { recursive: true });
  });
  writeFileSync(join(made, 'file'), '');
  mkdirSync(join(made, 'empty'));
  mkdirSync(join(made, 'full/inner'), { recursive: true });
  writeFileSync(join(made, 'full/inner/file'), '');
  symlinkSync('full', join(made, 'link'));
  return made;
}

/** Of the system calls. */
const numbers = { unlink: 87n, unlinkat: 263n, rmdir: 84n, rename: 82n, renameat: 264n, renameat2: 316n } as const;
const baseAndText = BigInt(eventPathSource.baseAndText);

/** A system call that `test/programs/names.c` makes. */
export type NameCall = keyof typeof numbers;

/** One call, and what is told of it. */
export interface NameCase {
  readonly title: string;
  /** Of test/programs/names.c; `TOP` stands for the test's directory. */
  readonly args: readonly string[];
  /** Default: the test's directory. */
  readonly cwd?: string;
  readonly uid?: number;
  readonly result: bigint;
  readonly event: Partial<WholeEvent>;
  /** With TOP again. */
  readonly strings: Partial<Record<KernelString, string>>;
}

/** What is the same in every call by this name. */
export function callByName(name: NameCall, more: Partial<WholeEvent> = {}): Partial<WholeEvent> {
  const operation = name.startsWith('unlink') ? 'unlink' : name === 'rmdir' ? 'rmdir' : 'rename';
  return {
    operation,
    syscall: numbers[name],
    pathSource: baseAndText,
    ...(operation === 'rename' ? { secondSource: baseAndText } : {}),
    ...(name.includes('at') ? { fileDescriptor: -100n } : {}),
    ...more,
  };
}

/** The call that a case makes, also where it is made the 32-bit way. */
function callOf({ args }: NameCase): string {
  return args[0]?.replace('compat-', '') ?? '';
}

/** Makes the calls by this name, each in a directory of its own, and holds every field of what is told of them. */
export async function holdsOfCases(t: ExecutionContext, name: NameCall, cases: readonly NameCase[]): Promise<void> {
  const capture = openCapture(t);
  const program = testProgram('names');
  const chosen = cases.filter((other) => callOf(other) === name);
  t.true(chosen.length > 0);
  for (const one of chosen) {
    const top = namesDirectory(t);
    const here = (text: string): string =>
      text.replace('TOPNAME', top.slice(top.lastIndexOf('/') + 1)).replace('TOP', top);
    const cwd = here(one.cwd ?? 'TOP');
    const run = await capture.run(program, one.args.map(here), {
      cwd,
      ...(one.uid === undefined ? {} : { uid: one.uid }),
    });
    t.is(BigInt(run.stdout), one.result, one.title);
    const [, event] = run.events;
    t.deepEqual(
      run.events.map(({ operation }) => operation),
      ['exec', one.event.operation, 'exit'],
      `${one.title}: and nothing else came`,
    );
    if (event === undefined) throw new Error('no event');
    const plain = plainEvent(capture, run, program, cwd);
    const strings = Object.fromEntries(Object.entries(one.strings).map(([string, text]) => [string, here(text)]));
    t.deepEqual(
      wholeOf(event),
      { ...plain, ...one.event, strings: { ...plain.strings, ...strings } } as WholeEvent,
      one.title,
    );
  }
}
