import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { defaultPolicyPace } from '../../matcher/policy-changes-source.ts';
import { policyFilesSource, synchronizePolicyFiles, ToldIssues } from '../../matcher/policy-files-source.ts';
import { createLogger, type Logger } from '../../runtime/logger.ts';
import { eventually } from '../support/eventually.ts';

function policy(name: string, action = 'Audit'): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: ${name} }
spec:
  selector: { matchLabels: {} }
  file: { matchPaths: [{ path: /etc/passwd }] }
  action: ${action}
`;
}

/** Never looks by itself: what is found was told by the file system. */
const toldAlone = { ...defaultPolicyPace, rescanMs: 2 ** 31 - 1 };

interface Setting {
  readonly folder: string;
  readonly log: MemoryEventLog;
  readonly lines: string[];
  readonly logger: Logger;
  readonly write: (file: string, text: string) => Promise<void>;
  /** One look at the files; names of the policies in the table afterwards. */
  readonly look: () => Promise<string[]>;
}

async function setting(t: ExecutionContext): Promise<Setting> {
  const folder = await mkdtemp(path.join(tmpdir(), 'palisade-meaning-'));
  const log = new MemoryEventLog();
  t.teardown(async () => {
    await log[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const logger = createLogger({ level: 'info', destination, pretty: false });
  return {
    folder,
    log,
    lines,
    logger,
    write: async (file, text) => {
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await writeFile(path.join(folder, file), text);
    },
    look: async () => {
      await synchronizePolicyFiles(log, { paths: [folder], sourceId: 'files', logger });
      return await names(log);
    },
  };
}

async function names(log: MemoryEventLog): Promise<string[]> {
  const { records } = await log.table('policies');
  return records.map(({ key }) => key.split('/')[2] ?? '').sort();
}

async function position(log: MemoryEventLog): Promise<number> {
  return (await log.table('policies')).position;
}

test('a folder without a policy is told once, whatever else is in it, and again when its last one has gone', async (t) => {
  const { write, folder, log, logger, lines } = await setting(t);
  const told = (): number =>
    lines.filter((line) => line.includes(`no policy in ${folder}: nothing is judged by it`)).length;
  await synchronizePolicyFiles(log, { paths: [folder], sourceId: 'files', logger });
  t.is(told(), 1);
  await write('deployment.yaml', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\n');
  await synchronizePolicyFiles(log, { paths: [folder], sourceId: 'files', logger });
  t.is(told(), 2);
  await write('a.yaml', policy('a'));
  t.deepEqual(await synchronized(log, folder, logger), ['a']);
  t.is(told(), 2);
  await rm(path.join(folder, 'a.yaml'));
  t.deepEqual(await synchronized(log, folder, logger), [], 'what was deleted is deleted all the same');
  t.is(told(), 3);
});

test('what one look has told, a source that goes on from it does not tell again', async (t) => {
  const { write, folder, log, logger, lines } = await setting(t);
  const paths = ['empty', 'filled'].map((name) => path.join(folder, name));
  for (const each of paths) await mkdir(each);
  await write('filled/a.yaml', policy('a'));
  const options = { paths, sourceId: 'files', logger, told: new ToldIssues(logger), pace: toldAlone };
  await synchronizePolicyFiles(log, options);
  const stop = new AbortController();
  const running = policyFilesSource(options).run(log, stop.signal);
  // That it has come shows that the source has looked at both folders.
  await write('filled/b.yaml', policy('b'));
  await eventually('the source follows the folders', async () => ((await names(log)).length > 1 ? true : undefined));
  stop.abort();
  await running;
  t.is(lines.filter((line) => line.includes('no policy in')).length, 1);
});

test('a policy that is refused is told as that, not as none', async (t) => {
  const { write, folder, log, logger, lines } = await setting(t);
  await write('a.yaml', policy('a', 'Audiit'));
  t.deepEqual(await synchronized(log, folder, logger), []);
  t.true(lines.some((line) => line.includes('a.yaml')));
  t.false(lines.some((line) => line.includes('no policy in')));
});

async function synchronized(log: MemoryEventLog, folder: string, logger: Logger): Promise<string[]> {
  await synchronizePolicyFiles(log, { paths: [folder], sourceId: 'files', logger });
  return await names(log);
}

test('files of a folder and its subfolders become policies, several in a file too', async (t) => {
  const { write, look, log } = await setting(t);
  await write('a.yaml', `${policy('a')}---\n${policy('b')}`);
  await write('deep/er/c.yml', policy('c'));
  await write('deep/.hidden.yaml', policy('hidden'));
  await write('notes.txt', policy('text'));
  await write('deployment.yaml', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\n');
  t.deepEqual(await look(), ['a', 'b', 'c']);
  const { records } = await log.table('policies');
  t.deepEqual(
    records.map((record) => (record.topic === 'policies' ? [record.value?.file, record.value?.firstLine] : [])),
    [
      ['a.yaml', 1],
      ['a.yaml', 8],
      ['deep/er/c.yml', 1],
    ],
  );
});

test('a second look at the same files appends nothing', async (t) => {
  const { write, look, log } = await setting(t);
  await write('a.yaml', policy('a'));
  await look();
  const before = await position(log);
  await look();
  t.is(await position(log), before);
});

test('a policy that is deleted while nobody watches is found gone at the next look', async (t) => {
  const { write, look, folder } = await setting(t);
  await write('a.yaml', policy('a'));
  await write('b.yaml', policy('b'));
  await look();
  await rm(path.join(folder, 'a.yaml'));
  t.deepEqual(await look(), ['b']);
});

test('a policy that becomes malformed stays as it was, is told with its place, and loads again when it is mended', async (t) => {
  const { write, look, lines, log } = await setting(t);
  await write('a.yaml', `${policy('a')}---\n${policy('b')}`);
  await look();
  const before = await position(log);
  await write('a.yaml', `${policy('a', 'Blokc')}---\n${policy('b')}`);
  t.deepEqual(await look(), ['a', 'b']);
  t.is(await position(log), before);
  const told = JSON.parse(lines.findLast((line) => line.includes('"level":40')) ?? '{}') as Record<string, unknown>;
  t.like(told, { severity: 'error', file: 'a.yaml', line: 7, field: 'spec.action' });
  t.regex(String(told['rendered']), /action: Blokc/);
  await write('a.yaml', `${policy('a', 'Block')}---\n${policy('b')}`);
  await look();
  t.is(await position(log), before + 1);
});

test('a file that is no YAML any more deletes nothing of what it held, and spoils no other file', async (t) => {
  const { write, look } = await setting(t);
  await write('a.yaml', policy('a'));
  await write('b.yaml', policy('b'));
  await look();
  await write('a.yaml', 'kind: [\n');
  await write('b.yaml', policy('c'));
  t.deepEqual(await look(), ['a', 'c']);
});

test('a folder that is away deletes nothing, and is told', async (t) => {
  const { write, look, folder, lines } = await setting(t);
  await write('a.yaml', policy('a'));
  await look();
  await rename(folder, `${folder}-away`);
  t.deepEqual(await look(), ['a']);
  t.regex(lines.join(''), /can't be read/);
  await rename(`${folder}-away`, folder);
});

test('of two policies of one name the first file counts, and the other is told', async (t) => {
  const { write, look, lines, log } = await setting(t);
  await write('a.yaml', policy('same'));
  await write('b.yaml', policy('same', 'Block'));
  t.deepEqual(await look(), ['same']);
  const { records } = await log.table('policies');
  t.is(records[0]?.topic === 'policies' ? records[0].value?.file : '', 'a.yaml');
  t.regex(lines.join(''), /KubeArmorPolicy same stands in a\.yaml, line 1, too/);
});

test('a policy of another source is neither replaced nor deleted', async (t) => {
  const { write, look, log, folder, logger, lines } = await setting(t);
  await write('a.yaml', policy('a'));
  await synchronizePolicyFiles(log, { paths: [folder], sourceId: 'kubernetes', logger });
  await write('a.yaml', policy('a', 'Block'));
  const before = await position(log);
  t.deepEqual(await look(), ['a']);
  t.is(await position(log), before);
  t.regex(lines.join(''), /another source has a policy of that name/);
});

test('while it runs, a change of a file is appended without being asked for', async (t) => {
  const { write, folder, log, logger } = await setting(t);
  await write('a.yaml', policy('a'));
  const stop = new AbortController();
  const running = policyFilesSource({ paths: [folder], sourceId: 'files', logger }).run(log, stop.signal);
  await until(async () => (await names(log)).join() === 'a');
  await write('b.yaml', policy('b'));
  await until(async () => (await names(log)).join() === 'a,b');
  await rm(path.join(folder, 'a.yaml'));
  await until(async () => (await names(log)).join() === 'b');
  stop.abort();
  await running;
  t.pass();
});

test('a mounted ConfigMap is read through its links once, and followed when all of it is exchanged', async (t) => {
  const { write, folder, log, logger } = await setting(t);
  await write('..first/a.yaml', policy('a'));
  await write('..first/nested/b.yaml', policy('b'));
  await symlink('..first', path.join(folder, '..data'));
  await symlink('..data/a.yaml', path.join(folder, 'a.yaml'));
  await symlink('..data/nested', path.join(folder, 'nested'));
  // A link that leads back up is no folder below.
  await symlink('..', path.join(folder, '..first/nested/loop'));
  const stop = new AbortController();
  const options = { paths: [folder], sourceId: 'files', logger, pace: toldAlone };
  const running = policyFilesSource(options).run(log, stop.signal);
  await until(async () => (await names(log)).join() === 'a,b');
  await write('..second/a.yaml', policy('c'));
  await write('..second/nested/b.yaml', policy('d'));
  await symlink('..second', path.join(folder, '..data_tmp'));
  await rename(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
  await until(async () => (await names(log)).join() === 'c,d');
  stop.abort();
  await running;
  t.pass();
});

test('a file that is written in steps is read when it is quiet, and deletes nothing in between', async (t) => {
  // Where the machine lets us rest for longer than what counts as quiet, it is quiet: then with more patience, again.
  for (let quietMs = 400; ; quietMs *= 2) {
    const { write, folder, log, logger } = await setting(t);
    await write('a.yaml', policy('a'));
    const stop = new AbortController();
    const pace = { ...toldAlone, quietMs, longestUnrestMs: Infinity };
    const running = policyFilesSource({ paths: [folder], sourceId: 'files', logger, pace }).run(log, stop.signal);
    await until(async () => (await names(log)).join() === 'a');
    const before = await position(log);
    let restedMs = 0;
    let lastMs = performance.now();
    for (let step = 0; step <= 5; step++) {
      if (step > 0) await delay(80);
      await write('a.yaml', step < 5 ? '# being written\n' : policy('a', 'Block'));
      const nowMs = performance.now();
      restedMs = Math.max(restedMs, nowMs - lastMs);
      lastMs = nowMs;
    }
    await until(async () => (await position(log)) > before && (await names(log)).join() === 'a');
    const after = await position(log);
    stop.abort();
    await running;
    if (restedMs >= quietMs) continue;
    t.is(after, before + 1);
    return;
  }
});

test('a policy of the table that nobody can read is written anew, and ends nothing', async (t) => {
  const { write, look, log } = await setting(t);
  const broken = { topic: 'policies', encodedValue: new Uint8Array([0xff]) } as const;
  await log.append(['a', 'gone'].map((name) => ({ ...broken, key: `KubeArmorPolicy/container_namespace/${name}` })));
  await write('a.yaml', policy('a'));
  await look();
  const { records } = await log.table('policies');
  t.is(records.find(({ key }) => key.endsWith('/a'))?.offset, 2);
});

test('a file that is edited by renaming another into its place is followed each time, given alone or by its folder', async (t) => {
  for (const given of ['', 'a.yaml']) {
    const { write, folder, log, logger } = await setting(t);
    await write('a.yaml', policy('a'));
    const stop = new AbortController();
    const paths = [path.join(folder, given)];
    const running = policyFilesSource({ paths, sourceId: 'files', logger, pace: toldAlone }).run(log, stop.signal);
    await until(async () => (await position(log)) === 1);
    for (const edit of [2, 3, 4]) {
      await write('.new', policy('a', edit % 2 === 0 ? 'Block' : 'Audit'));
      await rename(path.join(folder, '.new'), path.join(folder, 'a.yaml'));
      await until(async () => (await position(log)) === edit);
    }
    stop.abort();
    await running;
  }
  t.pass();
});

/** Waits for what is about to be true; the test's own time limit ends it. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20);
}
