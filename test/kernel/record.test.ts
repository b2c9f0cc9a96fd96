import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { recordingFile } from '../../cli/demo/recording.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import { PalisadeHome } from '../support/palisade-process.ts';
import { eventually } from '../support/eventually.ts';

test('record writes what the kernel tells, policies ahead of it, and leaves nothing behind', async (t) => {
  await using home = new PalisadeHome();
  const file = path.join(home.dataDirectory, 'live.avro');
  const marked = path.join(home.dataDirectory, 'marked-by-a-test');
  writeFileSync(marked, '');
  const recording = home.start(['record', '-o', file, '--for', '1h']);
  const pins = `${home.pinDirectory}-recording`;
  await eventually('the monitor is pinned', () => (existsSync(pins) ? true : undefined));
  // Opens it until events are recorded, which it says every five seconds: there is no other sign that the hooks are in place.
  await eventually('events are recorded', () => {
    spawnSync('cat', [marked]);
    return /^[1-9][\d,]* events · /mu.test(recording.output + recording.errors) ? true : undefined;
  });
  for (let place = 0; place < 30; place++) spawnSync('cat', [marked]);
  recording.kill('SIGINT');
  const { code, errors, output } = await recording.ended;
  t.is(code, 0, errors);
  t.regex(output, /Recorded [\d,]+ events and 9 changes of policies in \d+ records\./u);
  t.false(existsSync(pins));
  t.false(existsSync(path.join(home.dataDirectory, 'recording')));

  await using capture = await CaptureEventLog.open(file);
  const topics: string[] = [];
  let opened = 0;
  let ended = false;
  const operations = new Set<string>();
  for await (const { record } of capture.progress(new AbortController().signal)) {
    if (topics.at(-1) !== record.topic) topics.push(record.topic);
    if (record.topic !== 'raw-events' || record.value === undefined) continue;
    const { events, files, strings, sessionEnded } = record.value;
    ended ||= sessionEnded;
    for (const event of events) {
      operations.add(event.operation);
      const name = strings[files[event.file]?.path ?? -1];
      if (event.operation === 'open' && name !== undefined && Buffer.from(name).toString() === marked) opened += 1;
    }
  }
  t.deepEqual(topics, ['policies', 'raw-events']);
  t.true(opened >= 30, `${opened} of the last 30 opens were recorded`);
  t.true(operations.has('existing') && operations.has('exec') && operations.has('exit'));
  t.true(ended, 'its session is at an end: nothing is in the ring any more');
});

test('the time of a record is told from when the kernel is watched', async (t) => {
  await using home = new PalisadeHome();
  const file = path.join(home.dataDirectory, 'timed.avro');
  const { code, errors } = await home.run(['record', '-o', file, '--for', '3s']);
  t.is(code, 0, errors);
  await using capture = await CaptureEventLog.open(file);
  const times: bigint[] = [];
  for await (const { record } of capture.progress(new AbortController().signal))
    if (record.topic === 'raw-events' && record.value !== undefined) times.push(record.value.baseTimeNs);
  // An empty batch with the time comes once a second.
  const spanNs = (times.at(-1) ?? 0n) - (times[0] ?? 0n);
  t.true(spanNs >= 2_000_000_000n, `${spanNs} ns between the first batch and the last`);
});

test('a record whose monitor cannot start leaves an earlier capture as it is, and nothing beside it', async (t) => {
  await using home = new PalisadeHome();
  const folder = path.join(home.dataDirectory, 'captures');
  mkdirSync(folder);
  const file = path.join(folder, 'story.avro');
  copyFileSync(recordingFile(), file);
  // A BPF file system has no names with a dot (kernel/bpf/inode.c, bpf_lookup): nothing but making the folder tells.
  const pins = `${home.pinDirectory}.dot`;
  const { code, errors } = await home.run(['record', '-o', file, '--pin-directory', pins]);
  t.is(code, 69);
  t.regex(errors, /^palisade: .*make the pin directory .*\.dot-recording.*no names with a dot/u);
  t.notRegex(errors, /\n./u, 'one line');
  t.deepEqual(readFileSync(file), readFileSync(recordingFile()));
  t.deepEqual(readdirSync(folder), ['story.avro']);
});
