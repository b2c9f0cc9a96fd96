import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { FuzzLoopResult } from './fuzz-loop.ts';
import type { FuzzReport } from './fuzz-process.ts';
import { readInputFile } from './input-file.ts';

export interface AttackOptions {
  /** URL of the module that exports `fuzzTargets`. */
  readonly module: string;
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  /** This input alone, instead of any that are made. */
  readonly input?: Uint8Array;
  /** CPU time after which an input is one that does not end; default 20 s. Those that merely take long the process finds itself. */
  readonly endlessCpuMs?: number;
  /** Resident memory of the process that no input may lead to; default 1 GiB: a capture's two blocks may have 64 MiB each. */
  readonly memoryBytesMax?: number;
}

export interface CrashFound {
  readonly input: Uint8Array;
  readonly reason: string;
}

/** What an attack came to. */
export type AttackResult =
  { readonly kind: 'done'; readonly result: FuzzLoopResult } | ({ readonly kind: 'crash' } & CrashFound);

/** Between two looks at the process. */
const lookMs = 200;
/** Clock ticks of /proc/PID/stat in a second: USER_HZ, 100 on every architecture that Linux supports. */
const ticksPerSecond = 100;

/** Attacks one target in a process of its own, which it watches: an input may end it, hold it for ever or fill its memory. */
export async function attack(options: AttackOptions): Promise<AttackResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'palisade-fuzz-state-'));
  try {
    return await watched(options, path.join(folder, 'input'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function watched(options: AttackOptions, stateFile: string): Promise<AttackResult> {
  const { endlessCpuMs = 20_000, memoryBytesMax = 2 ** 30 } = options;
  writeFileSync(stateFile, '');
  const program = path.join(import.meta.dirname, 'fuzz-process.js');
  const alone = options.input === undefined ? [] : [Buffer.from(options.input).toString('base64')];
  const { module, target, seed, seconds } = options;
  const args = ['--enable-source-maps', program, module, target, String(seed), String(seconds), stateFile, ...alone];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4096)));
  let end: string | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      end = signal ?? `exit code ${String(code)}`;
      resolve();
    });
  });

  let reason: string | undefined;
  let number = 0;
  let cpuMsBefore = 0;
  while (end === undefined && reason === undefined) {
    await Promise.race([ended, delay(lookMs)]);
    const usage = usageOf(child.pid ?? 0);
    if (usage === undefined) continue;
    const at = readInputFile(readFileSync(stateFile)).number;
    if (at !== number || at === 0) {
      number = at;
      cpuMsBefore = usage.cpuMs;
    }
    if (usage.cpuMs - cpuMsBefore > endlessCpuMs) reason = `the input does not end: ${endlessCpuMs} ms of CPU`;
    if (usage.memoryBytes > memoryBytesMax) reason = `the input takes ${usage.memoryBytes} bytes of memory`;
  }
  if (reason !== undefined) child.kill('SIGKILL');
  await ended;
  const { input } = readInputFile(readFileSync(stateFile));
  if (reason !== undefined) return { kind: 'crash', input: Uint8Array.from(input), reason };
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  if (end !== 'exit code 0' || last === '') {
    return { kind: 'crash', input: Uint8Array.from(input), reason: `the process ended with ${String(end)}\n${errors}` };
  }
  const report = JSON.parse(last) as FuzzReport;
  return report.kind === 'done' ? report : { ...report, input: Buffer.from(report.input, 'base64') };
}

/** `undefined` where the process has ended. */
function usageOf(pid: number): { readonly cpuMs: number; readonly memoryBytes: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc_pid_stat(5): fields are counted from behind the name; 14 and 15 are CPU time, 24 is resident pages.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const ticks = (fields[11] ?? 0) + (fields[12] ?? 0);
    return { cpuMs: (ticks * 1000) / ticksPerSecond, memoryBytes: (fields[21] ?? 0) * 4096 };
  } catch {
    // It ended; how is told by `close`.
    return undefined;
  }
}
