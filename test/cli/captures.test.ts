import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { dataLayout, makeDataDirectory } from '../../cli/data-directory.ts';
import { databaseNameOf } from '../../cli/replay-database.ts';
import { recordingFile } from '../../cli/demo/recording.ts';
import { story } from '../../cli/demo/story.ts';
import { pipeline } from '../../cli/roles.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { runStages } from '../../eventlog/runner.ts';
import { PalisadeHome, PalisadeProcess } from '../support/palisade-process.ts';
import { policyDocuments, policyKey } from '../support/policy-document.ts';
import { hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { eventually } from '../support/eventually.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { quietly } from '../eventlog/toy.ts';

const policyText = `
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: watch-data
spec:
  nodeSelector:
    matchLabels:
      kubearmor.io/hostname: '*'
  file:
    matchPaths:
      - path: /data/secret
  action: Audit
`;

/** A node that opens the file once a batch. */
class Opener {
  readonly #node = new TestNode();
  readonly #process = this.#node.process({ executable: '/usr/bin/cat' });
  #count = 0;

  async appendTo(log: EmbeddedEventLog): Promise<void> {
    this.#node.open(this.#process, '/data/secret');
    const value = this.#node.batch({ containers: this.#count++ === 0 ? [hostDescriptor()] : [], counters: true });
    await log.append([{ topic: 'raw-events', key: value.nodeId, value }]);
  }
}

async function appendPolicy(log: EmbeddedEventLog): Promise<void> {
  const records = policyDocuments(policyText).map((value) => ({
    topic: 'policies' as const,
    key: policyKey(value),
    value,
  }));
  await log.append(records);
}

async function openLog(home: PalisadeHome): Promise<EmbeddedEventLog> {
  const layout = dataLayout(home.dataDirectory);
  await makeDataDirectory(layout);
  return await EmbeddedEventLog.open({ directory: layout.log });
}

test('the bundled recording is a capture that replays to the alerts of its story, each time the same', async (t) => {
  await using home = new PalisadeHome();
  const files = ['one', 'two'].map((name) => path.join(home.dataDirectory, name));
  for (const out of files) {
    const { code, output, errors } = await home.run(['replay', recordingFile(), '--out', out]);
    t.is(code, 0, errors);
    t.regex(output, /^\d+ events, \d+ alerts in [\d.]+ s \([\d,]+ events\/s\)\nAlerts are in /mu);
  }
  const [first = '', second = ''] = files.map((file) => readFileSync(file, 'utf8'));
  t.is(first, second);
  t.deepEqual(
    first
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { PolicyName: string }).PolicyName),
    story.map(({ policy }) => policy),
  );
});

test('--policies takes the place of the recorded ones, and a path that is not there is an error', async (t) => {
  await using home = new PalisadeHome();
  const policy = path.join(home.dataDirectory, 'mine.yaml');
  writeFileSync(policy, policyText);
  const out = path.join(home.dataDirectory, 'out');
  const { output } = await home.run(['replay', recordingFile(), '--out', out, '--policies', policy]);
  t.regex(output, /\d+ events, 0 alerts/u);
  t.is(readFileSync(out, 'utf8'), '');
  const missing = await home.run(['replay', recordingFile(), '--out', out, '--policies', `${policy}.none`]);
  t.is(missing.code, 78);
  t.regex(missing.errors, /flag --policies: policies can't be read: .*mine\.yaml\.none/u);
});

test('where no policy can be used a replay is refused, and one empty folder among several is told', async (t) => {
  await using home = new PalisadeHome();
  const [empty, mine, out] = ['empty', 'mine', 'out'].map((name) => path.join(home.dataDirectory, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [empty, mine]) mkdirSync(folder);
  writeFileSync(path.join(empty, 'deployment.yaml'), 'apiVersion: apps/v1\nkind: Deployment\n');
  const replayed = ['replay', recordingFile(), '--out', out, '--policies'];
  const none = await home.run([...replayed, empty]);
  t.is(none.code, 78);
  t.regex(none.output, /WARN: no policy in \S+empty: nothing is judged by it\n$/u);
  t.regex(
    none.errors,
    /^palisade: flag --policies: policies must hold a policy that can be used \(got \S+empty\) .*\n$/u,
  );
  t.false(existsSync(out));
  writeFileSync(path.join(mine, 'broken.yaml'), policyText.replace('action: Audit', 'action: Audiit'));
  const broken = await home.run([...replayed, mine]);
  t.is(broken.code, 78, 'none that can be used is none');
  t.regex(broken.output, /broken\.yaml/u);
  writeFileSync(path.join(mine, 'mine.yaml'), policyText.replace('watch-data', 'other'));
  const both = await home.run([...replayed, empty, mine]);
  t.is(both.code, 0, both.errors);
  t.regex(both.output, /no policy in \S+empty: nothing is judged by it/u);
});

test('a replay whose output takes no more ends with one line', async (t) => {
  await using home = new PalisadeHome();
  const { code, output, errors } = await home.run(['replay', recordingFile(), '--out', '/dev/full']);
  t.is(code, 1);
  // A slow machine also sees how far it is.
  t.notRegex(output, /error|^ +at |Alerts are in/imu);
  t.regex(
    errors,
    /^palisade: writing the alerts failed after 0 alerts, .*the disk is full: \/dev\/full .*\[DISK_FULL\]\n$/u,
  );
});

test('what is no regular file is no capture, and nothing waits for it', async (t) => {
  await using home = new PalisadeHome();
  const pipe = path.join(home.dataDirectory, 'pipe');
  t.is(spawnSync('mkfifo', [pipe]).status, 0);
  for (const file of [pipe, home.dataDirectory, '/dev/zero']) {
    const { code, errors } = await new PalisadeProcess(['capture', 'info', file]).ended;
    t.is(code, 1);
    t.regex(errors, /it is no regular file.*\[CAPTURE_UNREADABLE\]\n$/u);
  }
});

test('a replay never writes its alerts over the capture, by whatever name it is called', async (t) => {
  await using home = new PalisadeHome();
  const capture = path.join(home.dataDirectory, 'story.avro');
  copyFileSync(recordingFile(), capture);
  const [hard, soft] = ['hard', 'soft'].map((name) => path.join(home.dataDirectory, name)) as [string, string];
  linkSync(capture, hard);
  symlinkSync(capture, soft);
  for (const out of [capture, hard, soft]) {
    const { code, errors } = await home.run(['replay', capture, '--out', out]);
    t.is(code, 78);
    t.regex(errors, /flag --out: .*is the capture itself/u);
    t.deepEqual(readFileSync(capture), readFileSync(recordingFile()));
  }
});

test('record --from-log writes all that a log has, stopped or running, and replay judges it as the log was judged', async (t) => {
  await using home = new PalisadeHome();
  const [file, out] = ['log.avro', 'out'].map((name) => path.join(home.dataDirectory, name)) as [string, string];
  const opener = new Opener();
  {
    await using log = await openLog(home);
    await opener.appendTo(log);
    await appendPolicy(log);
    await opener.appendTo(log);
    await opener.appendTo(log);
    const recorded = await home.run(['record', '-o', file, '--from-log']);
    t.is(recorded.code, 0, recorded.errors);
    t.regex(recorded.output, /Recorded 3 events and 1 changes of policies in 4 records\./u);
  }
  const running = readFileSync(file);
  t.is((await home.run(['record', '-o', file, '--from-log'])).code, 0);
  t.is(readFileSync(file).length, running.length);
  await home.run(['replay', file, '--out', out]);
  const sequences = readFileSync(out, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { Palisade: { sequence: number } }).Palisade.sequence);
  t.deepEqual(sequences, [2, 3], 'the policy came after the first event');
});

test('record --from-log --for writes what comes from now on, after the state that it meets', async (t) => {
  await using home = new PalisadeHome();
  const [file, out] = ['log.avro', 'out'].map((name) => path.join(home.dataDirectory, name)) as [string, string];
  await using log = await openLog(home);
  const opener = new Opener();
  await appendPolicy(log);
  await opener.appendTo(log);
  await runStages([pipeline()], log, quietly(), AbortSignal.abort());
  const recording = home.start(['record', '-o', file, '--from-log', '--for', '1h']);
  await eventually('the recording has begun', () => (existsSync(`${file}.partial`) ? true : undefined));
  // What comes now and then is what is recorded, from some time on: it says so every five seconds.
  let appended = 0;
  await eventually('events are recorded', async () => {
    await opener.appendTo(log);
    appended += 1;
    return /^[1-9]\d* events · /mu.test(recording.output + recording.errors) ? true : undefined;
  });
  recording.kill('SIGINT');
  t.is((await recording.ended).code, 0);
  const info = JSON.parse((await new PalisadeProcess(['capture', 'info', file, '--json']).ended).output) as {
    readonly records: Readonly<Record<string, number>>;
    readonly events: number;
    readonly policies: readonly string[];
  };
  t.is(info.records['enricher-state'], 1);
  t.is(info.records['policies'], 1);
  t.true(info.events > 0 && info.events <= appended, `${info.events} events`);
  await home.run(['replay', file, '--out', out]);
  const lines = readFileSync(out, 'utf8').trimEnd().split('\n');
  t.is(lines.length, info.events, 'all are judged, as of the host that only the state tells of');
  t.regex(lines[0] ?? '', /"HostName":"test-host"/u);
});

test('where there is no log to record, and where up runs, record says what to do', async (t) => {
  await using home = new PalisadeHome();
  const file = path.join(home.dataDirectory, 'x.avro');
  const none = await home.run(['record', '-o', file, '--from-log']);
  t.is(none.code, 1);
  t.regex(none.errors, /\[EVENT_LOG_FAILED\]/u);
  t.false(existsSync(file), 'nothing is written where there is nothing to write');
  await using log = await openLog(home);
  await appendPolicy(log);
  const busy = await home.run(['record', '-o', file]);
  t.is(busy.code, 75);
  t.regex(busy.errors, /watches this machine already: record what it appends with --from-log/u);
  t.regex((await home.run(['record', '-o', file, '--for', 'soon'])).errors, /flag --for: .*must be a duration/u);
});

test('capture info says what is in a file', async (t) => {
  const { output } = await new PalisadeProcess(['capture', 'info', recordingFile()]).ended;
  t.regex(output, /^records {5}9 policies, \d+ raw-events$/mu);
  t.regex(output, /^events {6}\d+: \d+ open, \d+ exit, \d+ fork, \d+ exec, /mu);
  t.regex(output, /^session {5}recorded-node \d+: \d+ events in \d+ batches; coverage not told \(an excerpt\)$/mu);
  t.regex(output, /^ +palisade-dem palisade-demo$/mu);
  t.regex(output, /^ +KubeArmorPolicy\/container_namespace\/protect-credentials$/mu);
});

test('a damaged capture is shown and judged up to the damage, and the command fails with the place', async (t) => {
  await using home = new PalisadeHome();
  const file = path.join(home.dataDirectory, 'cut.avro');
  writeFileSync(file, readFileSync(recordingFile()));
  truncateSync(file, readFileSync(file).length - 5);
  const out = path.join(home.dataDirectory, 'out');
  const runs = [new PalisadeProcess(['capture', 'info', file]), home.start(['replay', file, '--out', out])];
  for (const { code, errors, output } of await Promise.all(runs.map(({ ended }) => ended))) {
    t.is(code, 1);
    t.regex(
      errors,
      /cannot be read at byte \d+: the file ends in a block, 5 bytes before its end \[CAPTURE_UNREADABLE\]\n$/u,
    );
    t.regex(output, /events/u);
  }
});

const names: readonly (readonly [string, string])[] = [
  ['/x/Web Shell.avro', 'web-shell'],
  ['../../etc/passwd', 'passwd'],
  ['/tmp/..avro', 'replay'],
  ['/tmp/__.avro', 'replay'],
  [`/tmp/${'x'.repeat(200)}.avro`, 'x'.repeat(63)],
];
for (const [file, name] of names) {
  test(`a replay of ${file.slice(0, 30)} goes into the database ${name.slice(0, 30)}`, (t) => {
    t.is(databaseNameOf(file), name);
  });
}

for (const database of ['../live', 'A', '', 'x'.repeat(64)]) {
  test(`no database is named ${JSON.stringify(database.slice(0, 10))}`, async (t) => {
    await using home = new PalisadeHome();
    const { code, errors } = await home.run(['replay', recordingFile(), '--database', database]);
    t.is(code, 78);
    t.regex(errors, /flag --database: .*must be 1 to 63/u);
  });
}

const noDisk = whyNoSmallDisk();
if (noDisk !== undefined) console.log(`skipped: ${noDisk}`);
const diskTest = noDisk === undefined ? test : test.skip;

diskTest('replay into a full disk ends with an error, and the file has whole lines as many as it says', async (t) => {
  await using home = new PalisadeHome();
  const disk = smallDisk(t, 1 << 20);
  const file = path.join(home.dataDirectory, 'many.avro');
  {
    await using log = await openLog(home);
    await appendPolicy(log);
    const opener = new Opener();
    for (let count = 0; count < 1000; count++) await opener.appendTo(log);
  }
  t.is((await home.run(['record', '-o', file, '--from-log'])).code, 0);
  const out = path.join(disk.path, 'alerts.jsonl');
  const { code, output, errors } = await home.run(['replay', file, '--out', out]);
  t.is(code, 1);
  // A slow machine also sees how far it is.
  t.notRegex(output, /error|^ +at |Alerts are in/imu);
  const [, count] =
    /^palisade: writing the alerts failed after (\d+) alerts, which the file has: the disk is full: .*\[DISK_FULL\]\n$/u.exec(
      errors,
    ) ?? [];
  const lines = readFileSync(out, 'utf8').split('\n');
  t.is(lines.pop(), '');
  t.is(lines.length, Number(count));
  for (const line of lines) t.notThrows(() => JSON.parse(line) as unknown);
});

diskTest('record into a full disk ends with an error, and what it has written can be read and replayed', async (t) => {
  await using home = new PalisadeHome();
  const disk = smallDisk(t, 1 << 20);
  const file = path.join(disk.path, 'log.avro');
  {
    await using log = await openLog(home);
    await appendPolicy(log);
    // More than the disk holds, and nothing that compresses well.
    for (let count = 0; count < 40; count++) {
      const value = new TestNode().batch({ containers: [hostDescriptor({ cgroupPath: randomBytes(100_000) })] });
      await log.append([{ topic: 'raw-events', key: value.nodeId, value }]);
    }
  }
  const { code, errors } = await home.run(['record', '-o', file, '--from-log']);
  t.is(code, 1);
  const [, count] =
    /writing the capture failed after (\d+) records, which it has: the disk is full: /u.exec(errors) ?? [];
  t.regex(errors, /log\.avro\.partial cannot grow, \d+ bytes are free there\. Make room .* \[DISK_FULL\]\n$/u);
  t.notRegex(errors, /\n {4}at /u, 'no stack');
  const info = await new PalisadeProcess(['capture', 'info', `${file}.partial`, '--json']).ended;
  t.is(info.code, 0, info.errors);
  t.false(existsSync(file), 'only what is whole has the name that was asked for');
  const { records } = JSON.parse(info.output) as { readonly records: Readonly<Record<string, number>> };
  t.is(
    Object.values(records).reduce((sum, each) => sum + each, 0),
    Number(count),
  );
});
