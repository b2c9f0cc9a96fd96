import { spawn } from 'node:child_process';
import process from 'node:process';
import { sanitizerLibrary } from './build.ts';

/** What the sanitizers said of one process. */
export interface WatchedRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  /** The last of what it and the sanitizers said. */
  readonly lastWords: string;
  /** Reports of memory that was misused, and of undefined behavior; none may be. */
  readonly errors: readonly string[];
  /** Allocations that nobody can reach any more, by the stack that made them, in code of ours. */
  readonly leaks: readonly string[];
  /** Of others: Node ends without giving back what the system takes anyway. */
  readonly foreignLeaks: number;
}

/**
 * What a stack has where an allocation is ours: a source or a module of the addon, or a library that it alone calls. A suppression
 * file cannot say this: LeakSanitizer drops a leak with any frame that matches, and Node is at the bottom of every stack of ours.
 */
const ours =
  /\/native\/(?:build\/)?[\w.]+\.(?:cc|h):|\/node-addon-api\/|planted\.cc:|\/palisade-\w+\.node|libbpf|libelf/u;

/** Runs a program of Node under AddressSanitizer, UBSan and LeakSanitizer to its end. */
export async function runWatched(args: readonly string[]): Promise<WatchedRun> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      LD_PRELOAD: sanitizerLibrary(),
      // A leak alone does not end the process badly: whose it is is told from the stacks below.
      ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=77:detect_stack_use_after_return=0',
      LSAN_OPTIONS: 'exitcode=0:max_leaks=0:report_objects=0',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=0',
    },
  });
  let output = '';
  let report = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (report += text));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => {
      resolve(end);
    });
  });
  const leaks = [...report.matchAll(/^(?:Direct|Indirect) leak of [^\n]*\n(?: {4}#[^\n]*\n)*/gmu)].map(
    ([stack]) => stack,
  );
  const errors = [
    ...[...report.matchAll(/^==\d+==ERROR: AddressSanitizer[\s\S]*?(?=^==\d+==ABORTING|\n\n\n|$(?![\s\S]))/gmu)].map(
      ([text]) => text,
    ),
    ...report.split('\n').filter((line) => line.includes('runtime error:')),
  ];
  return {
    code,
    signal,
    output,
    lastWords: report.slice(-4096),
    errors,
    leaks: leaks.filter((stack) => ours.test(stack)),
    foreignLeaks: leaks.filter((stack) => !ours.test(stack)).length,
  };
}
