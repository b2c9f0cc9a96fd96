import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../cli/package-root.ts';
import { eventually } from '../support/eventually.ts';

const patienceMs = 120_000;

/** A run with a folder of its own for what is temporary, that has killed something already. */
async function startedChaos(t: ExecutionContext): Promise<{ readonly chaos: ChildProcess; readonly folder: string }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'palisade-test-'));
  // The engine's user has to pass.
  chmodSync(folder, 0o711);
  const main = path.join(packageRoot(), 'dist/test/chaos/main.js');
  const chaos = spawn(process.execPath, [main, '--seed', '1', '--kills', '10000'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(async () => {
    chaos.kill('SIGKILL');
    await eventually('its processes are gone', () => (processesOf(folder).length === 0 ? true : undefined), patienceMs);
    rmSync(folder, { recursive: true, force: true });
  });
  const lines = readline.createInterface({ input: chaos.stdout })[Symbol.asyncIterator]();
  const first: unknown = (await lines.next()).value;
  t.regex(String(first), /^kill 1: the (?:stages'|engine's) process, /u);
  return { chaos, folder };
}

/** Pids of the processes that name a folder in their command line, as the stages do, or have a file in it open, as the engine. */
function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/u.test(pid)) return false;
    try {
      const files = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8'), ...files].some((text) => text.includes(folder));
    } catch {
      // It has ended between two looks.
      return false;
    }
  });
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // Closed between two looks.
    return '';
  }
}

test('SIGINT ends a chaos run with all its processes, and nothing of it is left', async (t) => {
  const { chaos, folder } = await startedChaos(t);
  t.true(processesOf(folder).length > 1);
  const ended = once(chaos, 'exit');
  chaos.kill('SIGINT');
  t.deepEqual(await ended, [130, null]);
  t.deepEqual(processesOf(folder), []);
  t.deepEqual(readdirSync(folder), []);
});

test('the processes of a chaos run that is killed itself end by themselves', async (t) => {
  const { chaos, folder } = await startedChaos(t);
  chaos.kill('SIGKILL');
  await eventually('their end', () => (processesOf(folder).length === 0 ? true : undefined), patienceMs);
  t.pass();
});
