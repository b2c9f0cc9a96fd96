import test from 'ava';
import { loss, type LossOptions } from '../../cli/loss.ts';
import { deadLetters } from '../../eventlog/dead-letter.ts';
import type { LogRecord } from '../../eventlog/event-log.ts';
import type { Gap } from '../../schemas/generated.ts';
import { coverageSink } from '../../sink/clickhouse.ts';
import { sampleBootNs, sampleCoverage } from '../support/coverage.ts';
import { rowsOf, startTestEngine, testUser, type TestEngine } from '../support/engine.ts';
import { store } from '../support/store.ts';

const second = 1_000_000_000n;

interface Answer {
  readonly complete: boolean;
  readonly nodes: readonly string[];
  readonly unknown: readonly { node: string; from: string; to: string; reason: string; lost: number | null }[];
}

/** Seconds after the boot of the samples, as the command is asked and answers. */
async function asked(
  engine: TestEngine,
  from: number | undefined,
  to: number | undefined,
  options: Partial<LossOptions> = {},
): Promise<{ readonly code: number; readonly complete: boolean; readonly unknown: readonly string[] }> {
  let text = '';
  const code = await loss({
    dataDirectory: engine.dataDirectory,
    runAs: testUser(),
    fromNs: from === undefined ? undefined : sampleBootNs + BigInt(from) * second,
    toNs: to === undefined ? undefined : sampleBootNs + BigInt(to) * second,
    nodes: [],
    nowMs: Number(sampleBootNs / 1_000_000n) + 110_000,
    json: true,
    write: (more) => (text += more),
    ...options,
  });
  const answer = JSON.parse(text) as Answer;
  const seconds = (time: string): number => (Date.parse(time) - Number(sampleBootNs / 1_000_000n)) / 1000;
  const unknown = answer.unknown.map(
    (each) => `${each.node} ${seconds(each.from)} to ${seconds(each.to)} ${each.reason} ${String(each.lost)}`,
  );
  return { code, complete: answer.complete, unknown };
}

function gap(reason: Gap['reason'], from: number, to: number, lost: number | null = null): Gap {
  return { reason, fromTimeNs: BigInt(from) * second, toTimeNs: BigInt(to) * second, lost, detail: 'why' };
}

test.serial('where nothing was ever watched, nothing is complete', async (t) => {
  await using engine = await startTestEngine();
  t.deepEqual(await asked(engine, 0, 100), { code: 1, complete: false, unknown: [] });
  const rows = await rowsOf<{ readonly node_id: string }>(engine.reader, 'SELECT node_id FROM loss');
  t.deepEqual(rows, [{ node_id: '' }], 'and the view has a row that touches every span');
  await store(coverageSink(engine.owner), [sampleCoverage(10, 20, { origin: 'recording' })]);
  t.false((await asked(engine, 11, 19)).complete, 'a recording proves nothing of this machine');
});

test.serial('a span is complete where coverage reaches over all of it, whatever the wall clock did', async (t) => {
  await using engine = await startTestEngine();
  await store(coverageSink(engine.owner), [
    sampleCoverage(10, 11),
    sampleCoverage(11, 40, { wallClockOffsetNs: sampleBootNs + 300n }),
    sampleCoverage(40, 100, { wallClockOffsetNs: sampleBootNs - 300n }),
  ]);
  t.deepEqual(await asked(engine, 12, 99), { code: 0, complete: true, unknown: [] });
  const whole = await asked(engine, undefined, undefined, {
    nowMs: Number(sampleBootNs / 1_000_000n) + 109_000,
  });
  t.deepEqual(whole, { code: 0, complete: true, unknown: [] }, 'from the first coverage to ten seconds ago');
  t.deepEqual(
    (await asked(engine, 10, 50)).unknown,
    ['node-1 10 to 11 notCovered null'],
    'a session takes a moment to begin',
  );
  const late = await asked(engine, 50, 105);
  t.is(late.code, 1);
  t.deepEqual(late.unknown, ['node-1 99.999 to 105 notCovered null'], 'what has not come yet is not known');
});

test.serial('each gap has its reason, and is told once', async (t) => {
  await using engine = await startTestEngine();
  await store(coverageSink(engine.owner), [
    sampleCoverage(10, 11),
    sampleCoverage(11, 30, { gaps: [gap('ringFull', 20, 22, 7)] }),
    // Killed at 30; the next one watches from 45 on, and says so in its first record.
    sampleCoverage(42, 46, { session: 42n * second, gaps: [gap('monitorAway', 30, 45)] }),
    sampleCoverage(46, 60, { session: 42n * second }),
    // A record that is missing.
    sampleCoverage(70, 100, { session: 42n * second }),
  ]);
  t.deepEqual((await asked(engine, 12, 90)).unknown, [
    'node-1 20 to 22 ringFull 7',
    'node-1 30 to 45 monitorAway null',
    'node-1 60 to 70 notCovered null',
  ]);
  t.true((await asked(engine, 46, 60)).complete, 'what only touches a gap is complete');
  t.deepEqual((await asked(engine, 40, 41)).unknown, ['node-1 40 to 41 monitorAway null'], 'cut to what was asked');
});

test.serial('every expected node must reach the end', async (t) => {
  await using engine = await startTestEngine();
  await store(coverageSink(engine.owner), [
    sampleCoverage(10, 11),
    sampleCoverage(11, 100),
    sampleCoverage(10, 11, { nodeId: 'node-2' }),
    sampleCoverage(11, 50, { nodeId: 'node-2', sessionEnded: true }),
    // After a reboot: its clock began anew.
    sampleCoverage(10, 11, { nodeId: 'node-2', bootId: 'boot-2', wallClockOffsetNs: sampleBootNs + 60n * second }),
    sampleCoverage(11, 40, { nodeId: 'node-2', bootId: 'boot-2', wallClockOffsetNs: sampleBootNs + 60n * second }),
  ]);
  t.deepEqual((await asked(engine, 20, 90)).unknown, ['node-2 50 to 71 notCovered null']);
  t.true((await asked(engine, 20, 90, { nodes: ['node-1'] })).complete);
  t.true((await asked(engine, 80, 90)).complete);
  const stranger = await asked(engine, 20, 90, { nodes: ['node-1', "o'node\\"] });
  t.deepEqual(stranger.unknown, ["o'node\\ 20 to 90 notCovered null"], 'a node that is expected and not there');
});

test.serial('a record that could not be read makes unknown all up to when the log had taken it', async (t) => {
  await using engine = await startTestEngine();
  const record: LogRecord = {
    topic: 'raw-events',
    partition: 0,
    offset: 7,
    key: 'node-1',
    value: undefined,
    timestampMs: Number(sampleBootNs / 1_000_000n) + 50_000,
    tablePositions: {},
  };
  const letters = deadLetters(record, { stage: 'enricher', reason: 'cut off', bytes: Buffer.of(1) });
  const lost = letters.flatMap((each) => (each.topic === 'coverage' && 'value' in each ? (each.value ?? []) : []));
  t.is(lost.length, 1);
  await store(coverageSink(engine.owner), [sampleCoverage(10, 11), sampleCoverage(11, 100), ...lost]);
  t.deepEqual((await asked(engine, 20, 90)).unknown, ['node-1 20 to 50 deadLetter null']);
  t.true((await asked(engine, 51, 90)).complete);
});
