import { existsSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import type { LogRecord, OffsetRange } from '../../eventlog/event-log.ts';
import { runStages } from '../../eventlog/runner.ts';
import { createLogger } from '../../runtime/logger.ts';
import { Metrics } from '../../runtime/metrics.ts';
import { textOf } from '../../runtime/printable.ts';
import { avroTypeNamed } from '../../schemas/avro-types.ts';
import type { Alert, Coverage } from '../../schemas/generated.ts';
import { alertsSink, coverageSink, maxRowsPerInsert } from '../../sink/clickhouse.ts';
import { columnOf } from '../../sink/column-type.ts';
import { migrate } from '../../sink/migrate.ts';
import { SinkError } from '../../sink/sink-error.ts';
import { beginAlerts, beginCoverage } from '../../sink/table-columns.ts';
import { valuesOf } from '../eventlog/avro-arbitrary.ts';
import { sampleAlert } from '../support/alert.ts';
import { alertBlock } from '../support/alert-block.ts';
import { written } from '../support/store.ts';
import { migrationsDirectory, rowsOf, startTestEngine } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';

const repeated = 'SELECT id, count() FROM alerts GROUP BY id HAVING count() > 1';

function alerts(first: number, last: number): readonly Alert[] {
  return Array.from({ length: last - first + 1 }, (_, index) =>
    sampleAlert({ id: `id-${first + index}`, timeUnixNs: 1_765_000_000_000_000_000n + BigInt(first + index) }),
  );
}

function alertRecords(values: readonly Alert[], firstOffset = 0): readonly LogRecord[] {
  return values.map((value, index) => ({
    topic: 'alerts',
    partition: 0,
    offset: firstOffset + index,
    key: value.nodeId,
    value,
    timestampMs: 0,
    tablePositions: {},
  }));
}

function rangeOf(records: readonly LogRecord[]): OffsetRange {
  const first = records[0]?.offset ?? 0;
  return { topic: records[0]?.topic ?? 'alerts', partition: 0, first, last: records.at(-1)?.offset ?? first };
}

const coverage: Coverage = {
  nodeId: 'node-1',
  bootId: 'boot-1',
  session: 9_007_199_254_740_993n,
  origin: 'live',
  fromTimeNs: 1_000_000_000n,
  toTimeNs: 2_000_000_000n,
  wallClockOffsetNs: 1_765_000_000_000_000_000n,
  firstBatch: 1,
  lastBatch: 7,
  cpus: [{ cpu: 0, highestSequence: 10, received: 9, repeated: 0, missing: 1 }],
  operations: [{ operation: 'open', seen: 12, filtered: 1, collapsed: 0, submitted: 10, dropped: 1, received: 9 }],
  gaps: [
    { reason: 'ringFull', fromTimeNs: 1_000_000_000n, toTimeNs: 1_500_000_000n, lost: 1, detail: "it's\nfull" },
    { reason: 'monitorAway', fromTimeNs: 0n, toTimeNs: 1_000_000_000n, lost: null, detail: '' },
  ],
  sessionEnded: true,
  evictedProcesses: 3,
  evictedContainers: 0,
  helperFailures: [],
};

test.serial(
  'every field of an alert is a column under its name in snake_case, and no column is without one',
  async (t) => {
    await using engine = await startTestEngine();
    const columns = await rowsOf<{ readonly name: string }>(engine.owner, 'DESCRIBE alerts_stored');
    const expected = beginAlerts().block.columnNames;
    t.deepEqual(
      columns
        .map(({ name }) => name)
        .filter((name) => name !== 'time')
        .sort(),
      expected.toSorted(),
    );
    const inCoverage = await rowsOf<{ readonly name: string }>(engine.owner, 'DESCRIBE coverage_stored');
    t.deepEqual(
      inCoverage
        .map(({ name }) => name)
        .filter((name) => name !== 'from_time' && name !== 'to_time')
        .sort(),
      beginCoverage().block.columnNames.toSorted(),
    );
  },
);

/** As the engine's JSON has it, with all numbers as text: 64-bit ones are quoted there. */
function asJson(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(asJson);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [columnOf(name), asJson(inner)]));
}

function rowOf({ rule, rawBytes, ...fields }: Alert): Readonly<Record<string, unknown>> {
  const none = { policyKind: '', policyNamespace: '', policyName: '', action: '', block: '', list: '', index: -1 };
  const reference = Object.entries(rule ?? { ...none, file: '', line: 0, column: 0 });
  const hexadecimal = rawBytes.map(({ field, bytes }) => [columnOf(field), Buffer.from(bytes).toString('hex')]);
  return {
    ...(asJson(fields) as object),
    ...Object.fromEntries(reference.map(([name, value]) => [`rule_${columnOf(name)}`, asJson(value)])),
    raw_bytes_hex: Object.fromEntries(hexadecimal.map(([field, bytes]) => [field, bytes?.toUpperCase()])),
  };
}

test.serial('any alerts come out of the engine as they went in, many texts and few, in one insert', async (t) => {
  await using engine = await startTestEngine();
  const sink = alertsSink(engine.owner);
  const any = valuesOf(avroTypeNamed('Alert')) as fc.Arbitrary<Alert>;
  let run = 0;
  // More than 256 rows, some of whose texts are all different.
  const inserts = fc.array(any, { minLength: 250, maxLength: 300, size: 'max' });
  await fc.assert(
    fc.asyncProperty(inserts, async (drawn) => {
      run += 1;
      const values = drawn.map((alert, index) => ({ ...alert, id: `${run}-${index}` }));
      const records = alertRecords(values);
      await written(sink, records, rangeOf(records));
      const rows = await rowsOf<{ readonly id: string }>(
        engine.owner,
        `SELECT * FROM alerts_stored WHERE startsWith(id, '${run}-')`,
      );
      const byId = new Map(rows.map((row) => [row.id, asJson(row)]));
      t.is(byId.size, values.length);
      for (const alert of values) t.deepEqual(byId.get(alert.id), rowOf(alert));
    }),
    { numRuns: 8 },
  );
});

test.serial('rows in the format Native need the names of their columns, and leave no file', async (t) => {
  await using engine = await startTestEngine();
  const insert = (query: string, body: Buffer) =>
    engine.owner.exec({ query, values: Readable.from([body], { objectMode: false }) });
  const body = alertBlock(...alerts(1, 3));
  const names = beginAlerts().block.columnNames;
  await t.throwsAsync(insert('INSERT INTO alerts_stored FORMAT Native', body), { message: /has to name its columns/u });
  const hostile = 'id; SELECT 1 --';
  await t.throwsAsync(insert(`INSERT INTO alerts_stored (${hostile}) FORMAT Native`, body), {
    message: /has to name/u,
  });
  for (const damaged of [body.subarray(0, -1), body.subarray(5), Buffer.from('no block at all')]) {
    await t.throwsAsync(insert(`INSERT INTO alerts_stored (${names.join(', ')}) FORMAT Native`, damaged));
  }
  t.deepEqual(await rowsOf(engine.owner, 'SELECT count() AS rows FROM alerts_stored'), [{ rows: '0' }]);
  t.false(existsSync(path.join(engine.dataDirectory, 'clickhouse/insert.native')));
});

test.serial('an alert comes out of SQL as it went in, with 64-bit numbers whole', async (t) => {
  await using engine = await startTestEngine();
  const alert = sampleAlert({
    session: 9_223_372_036_854_775_807n,
    cgroupId: 9_007_199_254_740_993n,
    loginUid: 4_294_967_295,
    ancestry: [{ hostPid: 1, startTimeNs: 9_007_199_254_740_995n, executable: '/sbin/init' }],
    overruled: [
      {
        policyKind: 'KubeArmorPolicy',
        policyNamespace: 'a',
        policyName: 'b',
        action: 'Allow',
        block: 'file',
        list: 'matchDirectories',
        index: 2,
        file: 'x.yaml',
        line: 3,
        column: 4,
      },
    ],
  });
  const records = alertRecords([alert]);
  await written(alertsSink(engine.owner), records, rangeOf(records));
  const [row] = await rowsOf<Record<string, unknown>>(engine.reader, 'SELECT * FROM alerts');
  t.is(row?.['time'], '2025-12-16 05:37:19.127331000');
  t.like(row, {
    session: '9223372036854775807',
    cgroup_id: '9007199254740993',
    login_uid: '4294967295',
    policy_name: 'block-ls-from-dash',
    tags: ['T1', 'T2'],
    ancestry: [{ host_pid: 1, start_time_ns: '9007199254740995', executable: '/sbin/init' }],
    rule_file: 'ls-from-dash.yaml',
    rule_line: 15,
    container_known: true,
  });
  t.like((row?.['overruled'] as readonly unknown[])[0], { policy_name: 'b', list: 'matchDirectories', index: 2 });
});

test.serial('where a posture decided there is no rule: its columns are empty and its place is -1', async (t) => {
  await using engine = await startTestEngine();
  const records = alertRecords([sampleAlert({ decidedBy: 'posture', rule: null })]);
  await written(alertsSink(engine.owner), records, rangeOf(records));
  t.deepEqual(
    await rowsOf(engine.reader, 'SELECT decided_by, rule_policy_name, rule_file, rule_index, rule_line FROM alerts'),
    [{ decided_by: 'posture', rule_policy_name: '', rule_file: '', rule_index: -1, rule_line: 0 }],
  );
});

test.serial(
  'hostile file names come out right in SQL and JSON, and two that differ in invalid bytes stay two',
  async (t) => {
    await using engine = await startTestEngine();
    const names = [
      Buffer.from('/tmp/new\nline'),
      Buffer.from(`/tmp/it's "quoted" \\ and \`so\``),
      Buffer.from("/tmp/'); DROP TABLE alerts_stored; --"),
      Buffer.from('/tmp/\u001b[31mred\u001b[0m\u009b'),
      Buffer.from('/tmp/nul\0tab\t'),
      Buffer.from('/tmp/\u202etxt.exe'),
      Buffer.from('/tmp/\u{1f512}'),
      Buffer.from([...Buffer.from('/tmp/bad'), 0xff]),
      Buffer.from([...Buffer.from('/tmp/bad'), 0xfe]),
      // Valid text that looks as the first of the two invalid ones is shown.
      Buffer.from('/tmp/bad\\xff'),
    ];
    const values = names.map((name, index) => {
      const { text, valid } = textOf(name);
      const rawBytes = valid ? [] : [{ field: 'resource', bytes: name }];
      return sampleAlert({ id: `name-${index}`, timeUnixNs: BigInt(index), resource: text, rawBytes });
    });
    const records = alertRecords(values);
    await written(alertsSink(engine.owner), records, rangeOf(records));
    // The bytes as they were, whether the text could carry them or not.
    const exact = "if(mapContains(raw_bytes_hex, 'resource'), raw_bytes_hex['resource'], hex(resource))";
    const rows = await rowsOf<{ readonly resource: string; readonly bytes: string }>(
      engine.reader,
      `SELECT resource, ${exact} AS bytes FROM alerts ORDER BY time`,
    );
    t.deepEqual(
      rows.map((row) => row.resource),
      values.map((value) => value.resource),
    );
    t.deepEqual(
      rows.map((row) => Buffer.from(row.bytes, 'hex')),
      names,
    );
    t.deepEqual(await rowsOf(engine.reader, `SELECT uniqExact(${exact}) AS names FROM alerts`), [
      { names: String(names.length) },
    ]);
    t.deepEqual(
      await rowsOf(
        engine.reader,
        "SELECT id FROM alerts WHERE unhex(raw_bytes_hex['resource']) = unhex('2F746D702F626164FE')",
      ),
      [{ id: 'name-8' }],
    );
  },
);

test.serial('times at the ends of 64 bits and wild numbers are stored, not refused', async (t) => {
  await using engine = await startTestEngine();
  const times = [-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n];
  const records = alertRecords(times.map((timeUnixNs, index) => sampleAlert({ id: `t${index}`, timeUnixNs })));
  await written(alertsSink(engine.owner), records, rangeOf(records));
  const rows = await rowsOf<{ readonly time_unix_ns: string }>(
    engine.reader,
    'SELECT time_unix_ns FROM alerts ORDER BY id',
  );
  t.deepEqual(
    rows.map((row) => BigInt(row.time_unix_ns)),
    times,
  );
});

test.serial('a range that is written again leaves no trace: the token drops it', async (t) => {
  await using engine = await startTestEngine();
  const sink = alertsSink(engine.owner);
  const records = alertRecords(alerts(1, 100));
  await written(sink, records, rangeOf(records));
  await written(sink, records, rangeOf(records));
  t.deepEqual(await rowsOf(engine.owner, 'SELECT count() AS rows FROM alerts_stored'), [{ rows: '100' }]);
  t.deepEqual(await rowsOf(engine.reader, repeated), []);
});

test.serial('the view shows each alert once also when the deduplication window is over', async (t) => {
  await using engine = await startTestEngine();
  await engine.owner.command({ query: 'SYSTEM STOP MERGES alerts_stored' });
  await engine.owner.command({
    query: 'ALTER TABLE alerts_stored MODIFY SETTING non_replicated_deduplication_window = 0',
  });
  const sink = alertsSink(engine.owner);
  const records = alertRecords(alerts(1, 10));
  await written(sink, records, rangeOf(records));
  await written(sink, records, rangeOf(records));
  t.deepEqual(await rowsOf(engine.owner, 'SELECT count() AS rows FROM alerts_stored'), [{ rows: '20' }]);
  t.deepEqual(await rowsOf(engine.reader, repeated), []);
  t.deepEqual(await rowsOf(engine.reader, 'SELECT count() AS rows FROM alerts'), [{ rows: '10' }]);
});

test.serial('ranges cut differently after a crash show each alert once', async (t) => {
  await using engine = await startTestEngine();
  const sink = alertsSink(engine.owner);
  const records = alertRecords(alerts(1, 3));
  await written(sink, records.slice(0, 2), rangeOf(records.slice(0, 2)));
  await written(sink, records, rangeOf(records));
  t.deepEqual(await rowsOf(engine.reader, 'SELECT count() AS rows FROM alerts'), [{ rows: '3' }]);
  t.deepEqual(await rowsOf(engine.reader, repeated), []);
});

test.serial('a log that was begun anew is not taken for a repetition of the old one', async (t) => {
  await using engine = await startTestEngine();
  const sink = alertsSink(engine.owner);
  const before = alertRecords(alerts(1, 5));
  const after = alertRecords(alerts(101, 105));
  t.deepEqual(rangeOf(before), rangeOf(after));
  await written(sink, before, rangeOf(before));
  await written(sink, after, rangeOf(after));
  t.deepEqual(await rowsOf(engine.reader, 'SELECT count() AS rows FROM alerts'), [{ rows: '10' }]);
});

test.serial(
  'a range of more rows than one insert takes is written whole, and dropped whole when it comes again',
  async (t) => {
    await using engine = await startTestEngine();
    const sink = alertsSink(engine.owner);
    const count = maxRowsPerInsert + 1;
    const records = alertRecords(alerts(1, count));
    await written(sink, records, rangeOf(records));
    await written(sink, records, rangeOf(records));
    t.deepEqual(await rowsOf(engine.owner, 'SELECT count() AS rows FROM alerts_stored'), [{ rows: String(count) }]);
  },
);

test.serial('coverage comes out once, with its gaps as rows', async (t) => {
  await using engine = await startTestEngine();
  const record: LogRecord = {
    topic: 'coverage',
    partition: 0,
    offset: 4,
    key: 'node-1',
    value: coverage,
    timestampMs: 0,
    tablePositions: {},
  };
  const sink = coverageSink(engine.owner);
  await written(sink, [record], rangeOf([record]));
  await written(sink, [record], rangeOf([record]));
  const [row] = await rowsOf<Record<string, unknown>>(engine.reader, 'SELECT * FROM coverage');
  t.like(row, {
    node_id: 'node-1',
    session: '9007199254740993',
    from_time: '2025-12-06 05:46:41.000000000',
    last_batch: '7',
    session_ended: true,
    log_offset: '4',
  });
  t.deepEqual(await rowsOf(engine.reader, 'SELECT count() AS rows FROM coverage'), [{ rows: '1' }]);
  t.deepEqual(await rowsOf(engine.reader, 'SELECT reason, lost, detail FROM coverage_gaps ORDER BY reason DESC'), [
    { reason: 'ringFull', lost: '1', detail: "it's\nfull" },
    { reason: 'monitorAway', lost: null, detail: '' },
  ]);
});

test.serial('migrations are applied once, and an edited or unknown one is refused', async (t) => {
  await using engine = await startTestEngine();
  t.deepEqual(await migrate(engine.owner, migrationsDirectory), []);
  const write = (version: number) =>
    engine.owner.insert({
      table: 'palisade_migrations',
      values: [{ version, file: `000${version}-other.sql`, digest: 'other' }],
      format: 'JSONEachRow',
    });
  await write(9);
  await t.throwsAsync(migrate(engine.owner, migrationsDirectory), { code: 'SINK_REFUSED', message: /does not know/u });
  await engine.owner.command({ query: 'TRUNCATE TABLE palisade_migrations' });
  await write(1);
  await t.throwsAsync(migrate(engine.owner, migrationsDirectory), {
    code: 'SINK_REFUSED',
    message: /another wording/u,
  });
});

test.serial('a missing table is an error that will not pass, a dead engine one that will', async (t) => {
  const records = alertRecords([sampleAlert()]);
  await using engine = await startTestEngine();
  const sink = alertsSink(engine.owner);
  await engine.owner.command({ query: 'DROP TABLE alerts_stored' });
  const missing = await t.throwsAsync<SinkError>(written(sink, records, rangeOf(records)), {
    instanceOf: SinkError,
    code: 'SINK_REFUSED',
    message: /1 rows into alerts_stored/u,
  });
  t.like(missing, { retriable: false, status: 'UNKNOWN_TABLE', rows: 1 });
  await engine.engine[Symbol.asyncDispose]();
  const dead = await t.throwsAsync<SinkError>(written(sink, records, rangeOf(records)), { instanceOf: SinkError });
  t.like(dead, { retriable: true, status: undefined });
});

test.serial('kill -9 of the engine while alerts flow: each one once at any moment, and all in the end', async (t) => {
  await using engine = await startTestEngine();
  const log = new MemoryEventLog();
  const stop = new AbortController();
  const logger = createLogger({ level: 'silent' });
  const running = runStages([alertsSink(engine.owner)], log, { logger, metrics: new Metrics() }, stop.signal);
  const total = 2_000;
  const kills: number[] = [];
  try {
    for (let first = 1; first <= total; first += 50) {
      await log.append(
        alerts(first, first + 49).map((value) => ({ topic: 'alerts' as const, key: value.nodeId, value })),
      );
      // Wherever it meets the engine: between two inserts, in one, or before one was answered.
      if (first % 400 === 1) {
        const pid = await eventually('an engine', () => engine.engine.engineStatus().pid);
        process.kill(pid, 'SIGKILL');
        kills.push(pid);
      }
      await sleep(50);
    }
    await eventually('all alerts', async () => {
      const stored = await rowsOf<{ readonly rows: string }>(engine.reader, 'SELECT count() AS rows FROM alerts').catch(
        () => [],
      );
      if (stored[0]?.rows === String(total)) return true;
      // Whatever is there by now is there once; while the engine is restarted there is nobody to ask.
      t.deepEqual(await rowsOf(engine.reader, repeated).catch(() => []), []);
      return undefined;
    });
    t.deepEqual(await rowsOf(engine.reader, 'SELECT count() AS rows, uniqExact(id) AS ids FROM alerts'), [
      { rows: String(total), ids: String(total) },
    ]);
    t.deepEqual(await rowsOf(engine.reader, repeated), []);
    t.true(new Set(kills).size >= 2, `${kills.length} kills`);
  } finally {
    stop.abort();
    await running;
    await log[Symbol.asyncDispose]();
  }
});
