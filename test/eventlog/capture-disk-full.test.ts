import { statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import { CaptureWriter } from '../../eventlog/capture-writer.ts';
import { EventLogError } from '../../eventlog/errors.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { randomBytes } from 'node:crypto';
import { event, textOf } from './toy.ts';
import { recordsAfter } from '../support/capture.ts';

const reason = whyNoSmallDisk();
if (reason !== undefined) console.log(`skipped: ${reason}`);
const diskTest = reason === undefined ? test : test.skip;

diskTest(
  'a capture whose disk fills up ends with its last whole block, and the error says how far it goes',
  async (t) => {
    const disk = smallDisk(t, 3 << 20);
    const file = join(disk.path, 'capture.avro');
    const texts = Array.from({ length: 100 }, (_, place) => `${place} ${randomBytes(60_000).toString('base64')}`);
    const records = await recordsAfter(texts.map((text) => [event('a', text)]));
    const error = await t.throwsAsync(
      async () => {
        await using writer = await CaptureWriter.create(file);
        for (const record of records) await writer.write(record);
      },
      { instanceOf: EventLogError },
    );
    t.is(error.code, 'DISK_FULL');
    t.is(error.path, file);
    const [, count] =
      /^writing the capture failed after (\d+) records, which it has: the disk is full: /u.exec(error.message) ?? [];
    t.true(Number(count) > 10, error.message);
    const read: string[] = [];
    await using capture = await CaptureEventLog.open(file);
    const { signal } = new AbortController();
    // To the end, without an error: there is no half of a block.
    for await (const { record } of capture.progress(signal)) read.push(textOf(record));
    t.deepEqual(read, texts.slice(0, Number(count)));
    t.true(statSync(file).size < 3 << 20);
  },
);
