import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { alertJsonLine } from '../../cli/alert-json.ts';
import { readRecording, rebased, recordingFile } from '../../cli/demo/recording.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { connectAdmin } from '../../eventlog/kafka-admin.ts';
import { isLasting } from '../../eventlog/kafka-errors.ts';
import { KafkaEventLog } from '../../eventlog/kafka.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { recordsAfter, writeCapture } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';
import { PalisadeProcess } from '../support/palisade-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { declaredTopics, startRole } from './run-role.ts';
import { randomPrefix, testConnection } from './topics.ts';

/*
 * The roles as processes of their own over a real broker, with the bundled recording as it happened on several nodes, several
 * times. What must come of it is what `palisade replay` makes of a capture of the same records, in one process without Kafka.
 */

const partitions = 3;
/** More than partitions, so that one has several. */
const nodes = ['n1', 'n2', 'n3', 'n4', 'n5'];
const never = new AbortController().signal;

/** The recorded policies. */
async function recordedPolicies(): Promise<readonly OutputRecord[]> {
  await using capture = await CaptureEventLog.open(recordingFile());
  const policies: OutputRecord[] = [];
  for await (const record of capture.read({ topics: ['policies'], from: 'start', follow: false, signal: never })) {
    if (record.topic === 'policies') policies.push({ topic: 'policies', key: record.key, value: record.value });
  }
  return policies;
}

/** The recorded batches in the `round`th session of every node. */
async function eventsOf(round: number): Promise<readonly OutputRecord[]> {
  const sessionNs = BigInt(round) * 1_000_000_000_000n;
  const records: OutputRecord[] = [];
  let firstTimeNs: bigint | undefined;
  for await (const batch of readRecording(recordingFile())) {
    firstTimeNs ??= batch.baseTimeNs;
    for (const nodeId of nodes) {
      const playing = {
        nodeId,
        bootId: `boot-of-${nodeId}`,
        session: sessionNs,
        startTimeNs: sessionNs,
        wallClockOffsetNs: 0n,
      };
      records.push({ topic: 'raw-events', key: nodeId, value: rebased(batch, firstTimeNs, playing) });
    }
  }
  return records;
}

/** Lines of alerts by node, as `palisade replay --out` writes them of a capture of these records. */
async function replayed(
  t: ExecutionContext,
  appends: readonly (readonly OutputRecord[])[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'capture.avro');
  const out = path.join(directory, 'alerts.jsonl');
  await writeCapture(file, await recordsAfter(appends));
  const replay = new PalisadeProcess(['replay', file, '--out', out, '--data-directory', path.join(directory, 'data')]);
  t.teardown(() => replay.end());
  const { code, output, errors } = await replay.ended;
  t.is(code, 0, output + errors);
  const byNode = new Map<string, string[]>(nodes.map((node) => [node, []]));
  for (const line of readFileSync(out, 'utf8').split('\n')) {
    if (line === '') continue;
    const { NodeID } = JSON.parse(line) as { readonly NodeID: string };
    byNode.get(NodeID)?.push(line);
  }
  return byNode;
}

async function recordsIn(log: KafkaEventLog, topic: TopicName): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of log.read({ topics: [topic], from: 'start', follow: false, signal: never }))
    records.push(record);
  return records;
}

/** Lines of what the topic has, by node, in the order of the partition. */
async function alertsIn(log: KafkaEventLog): Promise<ReadonlyMap<string, readonly string[]>> {
  const byNode = new Map<string, string[]>(nodes.map((node) => [node, []]));
  for (const record of await recordsIn(log, 'alerts')) {
    if (record.topic === 'alerts' && record.value !== undefined)
      byNode.get(record.key)?.push(alertJsonLine(record.value));
  }
  return byNode;
}

/** Resolves when `group` has committed all that `topic` has now. What follows from it is then there as well. */
async function caughtUp(log: KafkaEventLog, prefix: string, group: string, topic: TopicName): Promise<void> {
  const last = new Map<number, number>();
  for (const { partition, offset } of await recordsIn(log, topic)) last.set(partition, offset);
  await using admin = await connectAdmin(testConnection());
  await eventually(`${group} has read ${topic}`, async () => {
    const asked = admin.fetchOffsets({ groupId: prefix + group, topics: [prefix + topic] });
    const [found] = await asked.catch((error: unknown) => {
      // A coordinator that has just come to the group's partition of offsets says so, once.
      if (isLasting(error)) throw error;
      return [];
    });
    const committed = new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    return [...last].every(([partition, offset]) => (committed.get(partition) ?? 0) > offset) ? true : undefined;
  });
}

function openLog(t: ExecutionContext, prefix: string): KafkaEventLog {
  const log = new KafkaEventLog({ ...testConnection(), prefix, producer: 'palisade-test/0' });
  t.teardown(() => log[Symbol.asyncDispose]());
  return log;
}

/** Holds that the topic has each node's alerts in order, each once, and all of them. */
async function assertAlerts(
  t: ExecutionContext,
  log: KafkaEventLog,
  expected: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  t.true([...expected.values()].every((lines) => lines.length > 0));
  t.deepEqual(await alertsIn(log), expected);
}

test('the pipeline gives the alerts of a replay, byte for byte, though it is killed in the midst of it and another one goes on', async (t) => {
  const prefix = await declaredTopics(t, partitions);
  const log = openLog(t, prefix);
  const policies = await recordedPolicies();
  const rounds = await Promise.all([1, 2, 3, 4].map(eventsOf));
  const expected = await replayed(t, [policies, ...rounds]);

  await log.append(policies);
  const first = startRole(t, 'pipeline', { prefix });
  for (const round of rounds.slice(0, 2)) await log.append(round);
  await eventually('alerts of the first', async () => ((await recordsIn(log, 'alerts')).length > 0 ? true : undefined));
  await log.append(rounds[2] ?? []);
  first.kill('SIGKILL');
  await first.ended;
  await log.append(rounds[3] ?? []);
  const second = startRole(t, 'pipeline', { prefix });
  await caughtUp(log, prefix, 'enricher-matcher', 'raw-events');
  await assertAlerts(t, log, expected);
  const statuses = await log.table('policy-status');
  t.deepEqual(statuses.records.map(({ key }) => key).toSorted(), policies.map(({ key }) => key).toSorted());

  second.kill('SIGTERM');
  const { code, errors, output } = await second.ended;
  t.is(code, 0, errors);
  t.is(output, '');
  t.regex(errors, /"msg":"stopped; what is left is for whoever goes on"/u);
});

test('enricher and matcher apart, two of each, give the same as a replay', async (t) => {
  const prefix = await declaredTopics(t, partitions);
  const log = openLog(t, prefix);
  const policies = await recordedPolicies();
  const rounds = await Promise.all([1, 2].map(eventsOf));
  const expected = await replayed(t, [policies, ...rounds]);

  await log.append(policies);
  const enrichers = [startRole(t, 'enricher', { prefix }), startRole(t, 'enricher', { prefix })];
  const matchers = [startRole(t, 'matcher', { prefix }), startRole(t, 'matcher', { prefix })];
  for (const round of rounds) await log.append(round);
  await caughtUp(log, prefix, 'enricher', 'raw-events');
  await caughtUp(log, prefix, 'matcher', 'enriched-events');
  await assertAlerts(t, log, expected);
  for (const role of [...enrichers, ...matchers]) {
    role.kill('SIGTERM');
    const { code, errors } = await role.ended;
    t.is(code, 0, errors);
  }
});

test('the sink stores each alert once, though it is killed and another one goes on', async (t) => {
  const prefix = await declaredTopics(t, partitions);
  const log = openLog(t, prefix);
  const policies = await recordedPolicies();
  const rounds = await Promise.all([1, 2].map(eventsOf));
  await log.append([...policies, ...(rounds[0] ?? [])]);
  startRole(t, 'pipeline', { prefix });
  const flags = ['--data-directory', temporaryDirectory(t)];
  const first = startRole(t, 'sink', { prefix, flags });
  await eventually('an alert', async () => ((await recordsIn(log, 'alerts')).length > 0 ? true : undefined));
  await first.says(/"stages":\["clickhouse-alerts","clickhouse-coverage"\]/u);
  // Wherever it is just now: the engine is its child, and ends with it.
  await first.end();

  await log.append(rounds[1] ?? []);
  await caughtUp(log, prefix, 'enricher-matcher', 'raw-events');
  const second = startRole(t, 'sink', { prefix, flags });
  await caughtUp(log, prefix, 'clickhouse-alerts', 'alerts');
  const query = 'SELECT node_id, count() AS stored, uniqExact(id) AS ids FROM alerts GROUP BY node_id ORDER BY node_id';
  const sql = new PalisadeProcess(['sql', query, '--json', ...flags]);
  const { code, output, errors } = await sql.ended;
  t.is(code, 0, errors);
  const alerts = await alertsIn(log);
  t.deepEqual(
    output
      .trim()
      .split('\n')
      .map((line) => {
        const row = JSON.parse(line) as { readonly node_id: string; readonly stored: string; readonly ids: string };
        return [row.node_id, Number(row.stored), Number(row.ids)];
      }),
    [...alerts].map(([node, lines]) => [node, lines.length, lines.length]),
  );
  second.kill('SIGTERM');
  const ended = await second.ended;
  t.is(ended.code, 0, ended.errors);
});

test('topics that are missing end the start with one line that names the command to make them', async (t) => {
  const { code, errors } = await startRole(t, 'matcher', { prefix: randomPrefix() }).ended;
  t.is(code, 69);
  t.regex(
    errors,
    /^palisade: Kafka has no topics \S+enriched-events, .*`palisade topics apply`.* \[EVENT_LOG_FAILED\]$/mu,
  );
});

test('a cluster that is away is waited for, and told of; a signal ends the wait', async (t) => {
  const waiting = startRole(t, 'pipeline', { prefix: '', brokers: '127.0.0.1:1' });
  await waiting.says(/Kafka does not answer and is tried again: connecting to Kafka at 127\.0\.0\.1:1 failed/u);
  waiting.kill('SIGTERM');
  const { code, errors } = await waiting.ended;
  t.is(code, 0, errors);
});
