import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { captureInfo } from '../../cli/capture-info.ts';
import { CaptureWriter } from '../../eventlog/capture-writer.ts';

test('a capture that was killed before its first block is said to have no records', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'palisade-capture-info-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'begun.avro');
  const writer = await CaptureWriter.create(file);
  await writer[Symbol.asyncDispose]();
  let text = '';
  const code = await captureInfo({
    file,
    json: false,
    write: (part) => {
      text += part;
    },
  });
  t.is(code, 0);
  t.regex(text, /^records {5}none$/mu);
});
