import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { dataLayout, makeDataDirectory } from '../../cli/data-directory.ts';
import { recordingFile } from '../../cli/demo/recording.ts';
import { packageRoot } from '../../cli/package-root.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { PalisadeError } from '../../runtime/errors.ts';
import { eventually } from '../support/eventually.ts';
import { PalisadeHome } from '../support/palisade-process.ts';
import { hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

async function openLog(home: PalisadeHome): Promise<EmbeddedEventLog> {
  const layout = dataLayout(home.dataDirectory);
  await makeDataDirectory(layout);
  return await EmbeddedEventLog.open({ directory: layout.log });
}

/** A batch with `bytes` that do not compress. */
async function appendBatch(log: EmbeddedEventLog, bytes = 100): Promise<void> {
  const value = new TestNode().batch({ containers: [hostDescriptor({ cgroupPath: randomBytes(bytes) })] });
  await log.append([{ topic: 'raw-events', key: value.nodeId, value }]);
}

/** How many records a capture has, to its end. */
async function recordsOf(file: string): Promise<number> {
  await using capture = await CaptureEventLog.open(file);
  let count = 0;
  for await (const captured of capture.progress(new AbortController().signal)) if (captured.endPosition > 0) count += 1;
  return count;
}

/** Where an earlier capture is, in a folder of its own. */
function earlierCapture(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'story.avro');
  copyFileSync(recordingFile(), file);
  return file;
}

function isEarlier(t: ExecutionContext, file: string): void {
  t.deepEqual(readFileSync(file), readFileSync(recordingFile()), 'the earlier capture is as it was');
}

test('an earlier capture is there until the new one is whole, and a killed record leaves both', async (t) => {
  await using home = new PalisadeHome();
  const folder = path.join(home.dataDirectory, 'captures');
  const file = earlierCapture(folder);
  const partial = `${file}.partial`;
  await using log = await openLog(home);
  const recording = home.start(['record', '-o', file, '--from-log', '--for', '1h']);
  await eventually('the recording has begun', () => (existsSync(partial) ? true : undefined));
  t.is(statSync(partial).mode & 0o777, 0o600);
  await eventually('a block is written', async () => {
    // Two of them are more than a block holds; it may have begun to read at any of them.
    await appendBatch(log, 200_000);
    try {
      return (await recordsOf(partial)) > 0 ? true : undefined;
    } catch (error) {
      // Its header or a block is being written just now.
      if (!(error instanceof PalisadeError)) throw error;
      return undefined;
    }
  });
  recording.kill('SIGKILL');
  await recording.ended;
  isEarlier(t, file);
  t.true((await recordsOf(partial)) > 0, 'what the killed one had written can be read');
  const refused = await home.run(['record', '-o', file, '--from-log']);
  t.is(refused.code, 1);
  t.regex(refused.errors, /story\.avro\.partial is there\. A record that was stopped at once has left it/u);
  t.notRegex(refused.errors, /\n./u, 'one line');
  isEarlier(t, file);
  t.true((await recordsOf(partial)) > 0, 'and is not lost to the next one');

  rmSync(partial);
  const { code, errors } = await home.run(['record', '-o', file, '--from-log']);
  t.is(code, 0, errors);
  t.true((await recordsOf(file)) >= 2);
  t.is(statSync(file).mode & 0o777, 0o600);
  t.deepEqual(readdirSync(folder), ['story.avro']);
});

test('a record that finds nothing to record changes nothing', async (t) => {
  await using home = new PalisadeHome();
  const folder = path.join(home.dataDirectory, 'captures');
  const file = earlierCapture(folder);
  const none = await home.run(['record', '-o', file, '--from-log']);
  t.is(none.code, 1, 'there is no log');
  await (await openLog(home))[Symbol.asyncDispose]();
  const empty = await home.run(['record', '-o', file, '--from-log']);
  t.is(empty.code, 1);
  t.regex(empty.output, /^Nothing was recorded, so \S+story\.avro is neither made nor changed\.$/mu);
  isEarlier(t, file);
  t.deepEqual(readdirSync(folder), ['story.avro']);
});

test('of a link, what it leads to is replaced', async (t) => {
  await using home = new PalisadeHome();
  const file = earlierCapture(path.join(home.dataDirectory, 'captures'));
  const link = path.join(home.dataDirectory, 'link.avro');
  symlinkSync(file, link);
  {
    await using log = await openLog(home);
    await appendBatch(log);
  }
  t.is((await home.run(['record', '-o', link, '--from-log'])).code, 0);
  t.true(lstatSync(link).isSymbolicLink());
  t.is(await recordsOf(file), 1);
});

test('a capture into a pipe is whole, and the messages beside it go to standard error', async (t) => {
  await using home = new PalisadeHome();
  {
    await using log = await openLog(home);
    await appendBatch(log);
  }
  const main = path.join(packageRoot(), 'dist/cli/main.js');
  const [data, piped] = [home.dataDirectory, path.join(home.dataDirectory, 'piped.avro')];
  const command = '"$0" "$1" record --from-log --data-directory "$2" -o /dev/stdout | cat > "$3"';
  const { stderr } = spawnSync('sh', ['-c', command, process.execPath, main, data, piped], { encoding: 'utf8' });
  t.regex(stderr, /Recorded 0 events and 0 changes of policies in 1 records\./u);
  t.is(await recordsOf(piped), 1);
});

test('where a capture can not be made, one line says why', async (t) => {
  await using home = new PalisadeHome();
  {
    await using log = await openLog(home);
    await appendBatch(log);
  }
  const folder = path.join(home.dataDirectory, 'captures');
  mkdirSync(folder);
  for (const [file, why] of [
    [folder, /captures: EISDIR/u],
    [path.join(folder, 'none', 'x.avro'), /none\/x\.avro\.partial: ENOENT/u],
    [path.join(folder, 'x'.repeat(250)), /ENAMETOOLONG/u],
    ['/dev/full', /the disk is full: \/dev\/full/u],
  ] as const) {
    const { code, errors } = await home.run(['record', '-o', file, '--from-log']);
    t.is(code, 1);
    t.regex(errors, why);
    t.notRegex(errors, /\n./u, 'one line');
  }
  t.deepEqual(readdirSync(folder), []);
});

const noDisk = whyNoSmallDisk();
if (noDisk !== undefined) console.log(`skipped: ${noDisk}`);
const diskTest = noDisk === undefined ? test : test.skip;

diskTest('where the disk fills up, the earlier capture stays and the new one is beside it', async (t) => {
  await using home = new PalisadeHome();
  const disk = smallDisk(t, 1 << 20);
  const file = earlierCapture(disk.path);
  {
    await using log = await openLog(home);
    for (let count = 0; count < 20; count++) await appendBatch(log, 100_000);
  }
  const { code, output, errors } = await home.run(['record', '-o', file, '--from-log']);
  t.is(code, 1);
  t.regex(errors, /story\.avro\.partial cannot grow.*\[DISK_FULL\]\n$/u);
  t.regex(output, /story\.avro\.partial has what was recorded up to here/u);
  isEarlier(t, file);
  t.true((await recordsOf(`${file}.partial`)) > 0);
});

diskTest('a disk without room for one block keeps the earlier capture, and nothing is left beside it', async (t) => {
  await using home = new PalisadeHome();
  const disk = smallDisk(t, 1 << 20);
  const file = earlierCapture(disk.path);
  {
    await using log = await openLog(home);
    await appendBatch(log, 200_000);
  }
  disk.fill(40_000);
  const { code, errors } = await home.run(['record', '-o', file, '--from-log']);
  t.is(code, 1);
  t.regex(errors, /\[DISK_FULL\]\n$/u);
  isEarlier(t, file);
  t.false(existsSync(`${file}.partial`));
});
