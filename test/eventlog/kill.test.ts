import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { runStages } from '../../eventlog/runner.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { quietly, recordsOf, tagger, textOf } from './toy.ts';

const rounds = 8;

test('killed at any moment, a flow loses nothing acknowledged, doubles nothing, and repeats a write exactly', async (t) => {
  const directory = temporaryDirectory(t);
  const acknowledged: number[] = [];
  for (let round = 0; round < rounds; round++) acknowledged.push(...(await killedRun(directory)));

  await using log = await EmbeddedEventLog.open({ directory });
  await runStages([tagger], log, quietly(), AbortSignal.abort());
  const events = (await recordsOf(log, ['coverage'])).map(textOf);
  t.true(events.length > rounds, `only ${events.length} events in ${rounds} rounds`);
  for (const number of acknowledged) t.true(events.includes(String(number)), `event ${number} was acknowledged`);
  t.is(new Set(events).size, events.length, 'an event is there twice');

  // Each event is tagged once, in order, with a count that has no gap: outputs, offsets and state moved together.
  const tagged = (await recordsOf(log, ['workloads'])).map(textOf);
  t.deepEqual(
    tagged,
    events.map((text, place) => `${place + 1} ${text} []`),
  );

  // What the sink was given: a range that came again was the same, and what was committed is there without a hole.
  const writes = readFileSync(join(directory, 'written'), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .flatMap(writeOf);
  const texts = new Map<number, string>();
  let expected = 0;
  let repeated = 0;
  for (const [place, { first, last, written }] of writes.entries()) {
    const before = writes[place - 1];
    if (first === before?.first) {
      t.deepEqual({ first, last, written }, before);
      repeated += 1;
    } else {
      t.is(first, expected);
    }
    expected = last + 1;
    for (const [offset, text] of written) texts.set(offset, text);
  }
  t.deepEqual([...texts.values()], tagged.slice(0, expected));
  t.log(`${events.length} events, ${writes.length} writes, ${repeated} of them repeated, ${rounds} kills`);
});

/** One line of what the sink of kill-child.ts wrote. */
interface Write {
  readonly first: number;
  readonly last: number;
  readonly written: readonly (readonly [number, string])[];
}

/** Nothing of a line that a kill has cut, which is no JSON: as if that write had not been begun. */
function writeOf(line: string): readonly Write[] {
  return line.endsWith(']]}') ? [JSON.parse(line) as Write] : [];
}

/** Runs the child until it has done something, and some random time longer; the events that it knew to be appended. */
async function killedRun(directory: string): Promise<readonly number[]> {
  const script = fileURLToPath(new URL(`./kill-child${extname(import.meta.url)}`, import.meta.url));
  const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  await once(child.stdout, 'data');
  await delay(Math.random() * 150);
  child.kill('SIGKILL');
  await once(child, 'close');
  // The last line may be cut.
  return printed.split('\n').slice(0, -1).map(Number);
}
