/**
 * A monitor in a process (or worker thread) of its own, which reads blocks and gives none back: to be killed.
 * Arguments: pin directory. Prints one line of JSON: the session, and what it had read, as cpu:sequence.
 */
import { spawnSync } from 'node:child_process';
import { parentPort, workerData } from 'node:worker_threads';
import { openMonitor } from '../../native/monitor.ts';
import { testHierarchy } from './kernel-capture.ts';
import { decodeBlock } from './kernel-event.ts';

/** Events that are read before the line is printed. */
const enough = 200;

const directory = parentPort === null ? process.argv[2] : (workerData as string);
if (directory === undefined) throw new Error('usage: monitor-process PIN_DIRECTORY');
const monitor = openMonitor({ pinDirectory: directory, ringBytes: 8 << 20, hierarchy: testHierarchy() });
const read: string[] = [];
let told = false;
for (let turn = 0; turn < 20; turn++) spawnSync('/bin/ls', ['/']);
for await (const block of monitor.blocks(new AbortController().signal)) {
  for (const { cpu, sequence } of decodeBlock(block.bytes)) read.push(`${cpu}:${sequence}`);
  if (told || read.length < enough) continue;
  told = true;
  const line = JSON.stringify({ session: String(monitor.session), read });
  if (parentPort === null) process.stdout.write(`${line}\n`);
  else parentPort.postMessage(line);
}
