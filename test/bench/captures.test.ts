import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { buildCaptureFile } from '../../bench/captures/bundled.ts';
import { joinBatches } from '../../bench/captures/join-batches.ts';
import { readRecording, recordingFile } from '../../cli/demo/recording.ts';
import { story } from '../../cli/demo/story.ts';
import type { RawEvent, RawEventBatch } from '../../schemas/generated.ts';
import { PalisadeProcess } from '../support/palisade-process.ts';
import { live, steps } from '../support/random-node.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** An event without places in dictionaries. */
interface Act {
  readonly operation: string;
  readonly executable: string;
  readonly path: string;
  readonly address: string;
  readonly returnValue: number;
}

function actOf(batch: RawEventBatch, event: RawEvent): Act {
  const text = (index: number | undefined): string => Buffer.from(batch.strings[index ?? -1] ?? []).toString();
  const address = batch.addresses[event.address];
  return {
    operation: event.operation,
    executable: text(batch.processes[event.process]?.executable),
    path: text(batch.files[event.file]?.path),
    address: address === undefined ? '' : `${address.address.join('.')}:${address.port}`,
    returnValue: event.returnValue,
  };
}

async function actsOf(file: string): Promise<readonly Act[]> {
  const acts: Act[] = [];
  for await (const batch of readRecording(file)) acts.push(...batch.events.map((event) => actOf(batch, event)));
  return acts;
}

/** Policies of the alerts that a replay with the recorded policies gives. */
async function alertsOf(t: ExecutionContext, file: string): Promise<readonly string[]> {
  const out = path.join(temporaryDirectory(t), 'alerts.jsonl');
  const { code, errors } = await new PalisadeProcess(['replay', file, '--out', out]).ended;
  t.is(code, 0, errors);
  const lines = readFileSync(out, 'utf8').trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { readonly PolicyName: string }).PolicyName);
}

function share(acts: readonly Act[], operations: readonly string[]): number {
  return acts.filter(({ operation }) => operations.includes(operation)).length / acts.length;
}

test('the recording tells the whole story: shell, package manager, credentials, a connection outward', async (t) => {
  const acts = await actsOf(recordingFile());
  const has = (act: Partial<Act>): void => {
    const found = acts.some((other) =>
      Object.entries(act).every(([name, value]) => other[name as keyof Act] === value),
    );
    t.true(found, JSON.stringify(act));
  };
  // The page is a script; what runs it is the shell.
  has({ operation: 'exec', executable: '/usr/bin/dash', path: '/srv/www/cgi-bin/status' });
  has({ operation: 'exec', executable: '/usr/bin/dpkg' });
  has({ operation: 'open', executable: '/usr/bin/cat', path: '/etc/shadow', returnValue: 3 });
  has({ operation: 'open', path: '/run/secrets/kubernetes.io/serviceaccount/token', returnValue: 3 });
  has({ operation: 'connect', executable: '/usr/bin/wget', address: '198.51.100.7:80', returnValue: -101 });
  has({ operation: 'exec', executable: '/tmp/.kworker' });
  // What makes the way in and covers the tracks.
  for (const operation of ['socket', 'bind', 'listen', 'accept']) has({ operation, executable: '/usr/sbin/httpd' });
  has({ operation: 'rename', executable: '/usr/bin/mv', path: '/tmp/stage2' });
  has({ operation: 'unlink', executable: '/usr/bin/rm', path: '/tmp/.kworker' });
  const alerts = await alertsOf(t, recordingFile());
  t.deepEqual(
    alerts,
    story.map(({ policy }) => policy),
  );
  t.true(alerts.length / acts.length >= 0.01);
});

test('the capture of a build is made of processes by at least 30 %, and one event in a hundred alerts', async (t) => {
  const acts = await actsOf(buildCaptureFile());
  t.true(share(acts, ['fork', 'exec', 'exit']) >= 0.3);
  t.true(share(acts, ['unlink', 'rename']) > 0);
  t.true(acts.length >= 20_000 && acts.length <= 60_000, `${acts.length} events`);
  t.true(statSync(buildCaptureFile()).size < 3e6);
  t.true((await alertsOf(t, buildCaptureFile())).length / acts.length >= 0.01);
});

test('joined batches have the same events in the same order, and are few', (t) => {
  fc.assert(
    fc.property(steps, (taken) => {
      const batches = live(
        'node',
        taken.filter(({ do: what }) => what !== 'session' && what !== 'again'),
      );
      const joined = joinBatches(batches);
      t.deepEqual(joined.flatMap(timedActs), batches.flatMap(timedActs));
      const events = batches.reduce((sum, batch) => sum + batch.events.length, 0);
      t.true(joined.length <= 1 + Math.ceil(events / 500));
      t.deepEqual(
        joined.map(({ batch }) => batch),
        joined.map((_, place) => place + 1),
      );
      t.deepEqual(
        joined.flatMap(({ containers }) => containers.map(({ containerId }) => containerId)),
        batches.flatMap(({ containers }) => containers.map(({ containerId }) => containerId)),
      );
    }),
  );
});

function timedActs(batch: RawEventBatch): readonly object[] {
  return batch.events.map((event) => ({
    ...actOf(batch, event),
    cpu: event.cpu,
    sequence: event.sequence,
    timeNs: batch.baseTimeNs + BigInt(event.timeNs),
    childStartTimeNs: event.operation === 'fork' ? batch.baseTimeNs + BigInt(event.childStartTimeNs) : 0n,
    startTimeNs: batch.processes[event.process]?.startTimeNs,
  }));
}
