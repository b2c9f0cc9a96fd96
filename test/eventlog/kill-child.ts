import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { SinkStage, SourceStage } from '../../eventlog/stage.ts';
import { event, quietly, recordsOf, tagger, textOf, unprepared } from './toy.ts';

/*
 * A flow in the directory given, to be killed: a source that appends numbered events and prints each number once it is
 * acknowledged, the tagger, and a sink that notes each write in the file `written`, in one system call: a kill
 * within it may leave the beginning of a line, which the next one does not go on with.
 */
const directory = process.argv[2] ?? '';
const log = await EmbeddedEventLog.open({ directory, retention: { checkEveryMs: 5 } });

const numbers: SourceStage = {
  name: 'numbers',
  outputs: ['coverage'],
  run: async (target, signal) => {
    let number = (await recordsOf(target, ['coverage'])).length;
    while (!signal.aborted) {
      const batch = [number, number + 1, number + 2];
      number += batch.length;
      await target.append(batch.map((each) => event('a', String(each))));
      process.stdout.write(batch.map((each) => `${each}\n`).join(''));
    }
  },
};

const file: SinkStage = {
  name: 'file',
  input: 'workloads',
  prepare: unprepared(async (records, { first, last }) => {
    const written = records.map((record) => [record.offset, textOf(record)]);
    appendFileSync(join(directory, 'written'), `\n${JSON.stringify({ first, last, written })}\n`);
    // A destination that is slow to say so: many kills come between its having the records and the commit.
    await delay(30);
  }),
};

await runStages([numbers, tagger, file], log, quietly(), new AbortController().signal);
