import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What is kept of a server's output, bytes, to tell why it did not start. */
const maxLastWords = 4000;

export interface JavaServerOptions {
  readonly workingDirectory: string;
  /** How long it may take to answer, milliseconds. */
  readonly startMs: number;
  readonly answers: () => Promise<boolean>;
}

/** Starts a server with Java, which dies with this process. Resolves to it when it answers, else to what became of it. */
export async function startJavaServer(
  javaArguments: readonly string[],
  { workingDirectory, startMs, answers }: JavaServerOptions,
): Promise<ChildProcess | string> {
  // A start in half the time; throughput is not what these servers are for.
  const java = ['java', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...javaArguments];
  // The kernel ends it when we die, however we die (prctl(2), PR_SET_PDEATHSIG).
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file));
  const [program = 'java', ...args] = setpriv === undefined ? java : [setpriv, '--pdeathsig', 'KILL', ...java];
  const child = spawn(program, args, { cwd: workingDirectory, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      words = (words + chunk).slice(-maxLastWords);
    });
  }
  let ended: string | undefined;
  child.on('error', (error) => {
    ended = error.message;
  });
  child.on('close', (code, signal) => {
    ended ??= `it ended with ${signal ?? String(code)}: ${words}`;
  });
  const untilMs = performance.now() + startMs;
  while (ended === undefined && performance.now() < untilMs) {
    if (await answers()) return child;
    await delay(100);
  }
  if (ended !== undefined) return ended;
  await endServer(child);
  return `it did not answer in ${startMs / 1000} s: ${words}`;
}

/** Ends it at once; resolves when it is gone. */
export async function endServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}
