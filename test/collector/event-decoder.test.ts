import test from 'ava';
import fc from 'fast-check';
import { EventDecoder } from '../../collector/event-decoder.ts';
import { eventConstant, eventOffset as at, eventOperation } from '../../collector/event-layout.ts';
import { RawBatchEncoder, type RawBatchHeader } from '../../collector/raw-batch.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { kernelBlock, kernelEvent } from '../../bench/event-bytes.ts';
import { decodeSlowly, type PlainEvent, type PlainFile } from './slow-decoder.ts';

const noLimits = { events: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER };
const header: RawBatchHeader = {
  nodeId: 'node-é',
  bootId: 'boot',
  session: 2n ** 40n,
  batch: 7,
  wallClockOffsetNs: -1n,
  containers: [],
  counters: [],
  helperFailures: [],
  gaps: [],
  sessionEnded: false,
};

function decodeBatch(decoder: EventDecoder, fields: Partial<RawBatchHeader> = {}): RawEventBatch {
  const bytes = new RawBatchEncoder().encode({ ...header, ...fields }, decoder);
  return avroTypeOf('raw-events').decode(bytes);
}

/** The batch's rows with everything they point at in place. */
function plainEvents(batch: RawEventBatch): PlainEvent[] {
  const latin1 = (index: number): string => Buffer.from(batch.strings[index] ?? []).toString('latin1');
  const file = (index: number): PlainFile | undefined => {
    const found = batch.files[index];
    return found === undefined ? undefined : { ...found, path: latin1(found.path) };
  };
  const address = (index: number): PlainEvent['address'] => {
    const found = batch.addresses[index];
    return found === undefined ? undefined : { ...found, address: Buffer.from(found.address).toString('latin1') };
  };
  return batch.events.map((event) => {
    const process = batch.processes[event.process];
    const exec = batch.execs[event.exec];
    if (process === undefined) throw new Error('a row points at no process');
    return {
      ...event,
      timeNs: batch.baseTimeNs + BigInt(event.timeNs),
      childStartTimeNs: event.operation === 'fork' ? batch.baseTimeNs + BigInt(event.childStartTimeNs) : 0n,
      process: {
        ...process,
        tty: process.tty < 0 ? undefined : latin1(process.tty),
        comm: latin1(process.comm),
        executable: latin1(process.executable),
        parentExecutable: latin1(process.parentExecutable),
        cwd: latin1(process.cwd),
      },
      file: file(event.file),
      typedPath: event.typedPath < 0 ? undefined : latin1(event.typedPath),
      newFile: file(event.newFile),
      newTypedPath: event.newTypedPath < 0 ? undefined : latin1(event.newTypedPath),
      address: address(event.address),
      localAddress: address(event.localAddress),
      exec:
        exec === undefined
          ? undefined
          : {
              arguments: exec.arguments.map(latin1),
              argumentsTruncated: exec.argumentsTruncated,
              calledName: latin1(exec.calledName),
              interpreterFile: file(exec.interpreterFile),
              callerExecutable: latin1(exec.callerExecutable),
              caller: [exec.callerUid, exec.callerEuid, exec.callerFsuid, exec.callerGid],
            },
    };
  });
}

const u32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const safe = fc.bigInt({ min: -(2n ** 52n), max: 2n ** 52n });
const timeNs = fc.bigInt({ min: 10n ** 15n, max: 10n ** 15n + 10n ** 12n });
const component = fc.constantFrom('', '.', '..', 'a', 'bin', 'é', '\xff\xfe', 'sh');
const path = fc
  .tuple(fc.constantFrom('', '/'), fc.array(component, { maxLength: 5 }))
  .map(([start, components]) => Buffer.from(start + components.join('/'), 'latin1'));
const bytes = fc.uint8Array({ maxLength: 12 });
const kernelEvents = fc
  .record({
    numbers: fc.record({
      operation: fc.integer({ min: 2, max: eventOperation.count - 1 }),
      timeNs,
      childStartTimeNs: timeNs,
      sequence: fc.bigInt({ min: 1n, max: 2n ** 52n }),
      startTimeNs: fc.constantFrom(1n, 2n ** 60n),
      parentStartTimeNs: fc.constantFrom(0n, 5n),
      cgroupId: i64,
      containerCgroupId: fc.constantFrom(0n, 2n ** 63n - 1n, 77n),
      flags: safe,
      returnValue: safe,
      fileInode: i64,
      fileDevice: u32,
      fileMode: u32,
      fileOwnerUid: u32,
      fileOwnerGid: fc.constantFrom(0, -1, 1000),
      secondInode: i64,
      secondMode: u32,
      cpu: fc.integer({ min: 0, max: 3 }),
      syscall: u32,
      hostTgid: fc.constantFrom(1, 4_000_000),
      hostTid: u32,
      hostPpid: u32,
      tgid: u32,
      tid: u32,
      ppid: u32,
      uid: u32,
      loginUid: fc.constant(-1),
      pidNamespace: u32,
      mountNamespace: u32,
      callerUid: u32,
      childHostTgid: u32,
      mode: u32,
      fileDescriptor: u32,
      addressFamily: fc.integer({ min: 1, max: 40 }),
      socketType: u16,
      protocol: u16,
      port: u16,
      pathSource: fc.integer({ min: 0, max: 3 }),
      secondSource: fc.integer({ min: 0, max: 3 }),
      addressSource: fc.integer({ min: 0, max: 2 }),
      localPort: u16,
      truncated: u16,
    }),
    strings: fc.record({
      comm: bytes,
      executable: path,
      parentExecutable: path,
      cwd: path,
      tty: fc.constantFrom(new Uint8Array(0), Buffer.from('pts0')),
      path,
      base: path,
      typedPath: path,
      newBase: path,
      newTypedPath: path,
      interpreter: path,
      calledName: path,
      callerExecutable: path,
      arguments: bytes,
      address: bytes,
      localAddress: bytes,
    }),
  })
  .map(kernelEvent);

test('what a batch says is what the slow decoder reads in the kernel bytes', (t) => {
  fc.assert(
    fc.property(fc.array(kernelEvents, { minLength: 1, maxLength: 12 }), (events) => {
      const decoder = new EventDecoder(() => undefined);
      const block = kernelBlock([...events, ...events]);
      t.is(decoder.add(block, 0, noLimits), block.length);
      t.is(decoder.invalidCount, 0);
      const batch = decodeBatch(decoder);
      t.deepEqual(plainEvents(batch), [...events, ...events].map(decodeSlowly));
      // Dictionaries hold each thing once.
      for (const strings of [batch.strings.map((entry) => Buffer.from(entry).toString('latin1'))]) {
        t.is(new Set(strings).size, strings.length);
      }
      const keyed = (values: readonly object[]): string[] =>
        values.map((value) =>
          JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}` : part)),
        );
      for (const dictionary of [batch.processes, batch.files, batch.addresses]) {
        t.is(new Set(keyed(dictionary)).size, dictionary.length);
      }
    }),
    { numRuns: 150 },
  );
});

test('a decoder that is used again knows nothing of the batch before', (t) => {
  fc.assert(
    fc.property(fc.array(kernelEvents, { minLength: 2, maxLength: 6 }), (events) => {
      const decoder = new EventDecoder(() => undefined);
      for (const event of events) {
        decoder.add(event, 0, noLimits);
        t.deepEqual(plainEvents(decodeBatch(decoder)), [decodeSlowly(event)]);
      }
    }),
    { numRuns: 50 },
  );
});

test('any bytes at all make a batch that can be read, or are noted as invalid', (t) => {
  const damaged = fc
    .tuple(
      fc.array(kernelEvents, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 8 }),
    )
    .map(([events, changes]) => {
      const block = Uint8Array.from(kernelBlock(events));
      for (const [place, value] of changes) block[place % block.length] = value;
      return block;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 800 }), damaged), (block) => {
      const decoder = new EventDecoder(() => undefined);
      t.is(decoder.add(block, 0, noLimits), block.length);
      const { eventCount } = decoder;
      t.is(decodeBatch(decoder).events.length, eventCount);
    }),
    { numRuns: 300 },
  );
});

test('an event with a wrong version is left out with its position, those around it stay', (t) => {
  const event = (sequence: number, version: number): Uint8Array =>
    kernelEvent({ numbers: { operation: eventOperation.open, sequence, version, timeNs: 5n }, strings: {} });
  const block = kernelBlock([event(1, eventConstant.eventVersion), event(2, 99), event(3, eventConstant.eventVersion)]);
  const decoder = new EventDecoder(() => undefined);
  decoder.add(block, 0, noLimits);
  t.is(decoder.invalidCount, 1);
  t.is(decoder.invalid[0]?.code, 'KERNEL_EVENT_INVALID');
  t.is(decoder.invalid[0]?.positionBytes, block.length / 3);
  t.regex(decoder.invalid[0]?.message ?? '', /version 99/);
  t.deepEqual(
    decodeBatch(decoder).events.map((row) => row.sequence),
    [1, 3],
  );
});

test('a size that is none ends the block, and what stood before it is kept', (t) => {
  const whole = kernelEvent({ numbers: { operation: eventOperation.exit, sequence: 1, timeNs: 5n }, strings: {} });
  const block = Uint8Array.from(kernelBlock([whole, whole, whole]));
  new DataView(block.buffer).setUint32(whole.length + at.size, 12, true);
  const decoder = new EventDecoder(() => undefined);
  t.is(decoder.add(block, 0, noLimits), block.length);
  t.true(decoder.invalid[0]?.endsBlock);
  t.is(decodeBatch(decoder).events.length, 1);
});

test('a batch closes at its limit of events and goes on at the next event', (t) => {
  const events = Array.from({ length: 10 }, (_, index) =>
    kernelEvent({ numbers: { operation: eventOperation.open, sequence: index + 1, timeNs: 5n }, strings: {} }),
  );
  const block = kernelBlock(events);
  const decoder = new EventDecoder(() => undefined);
  const sequences: number[][] = [];
  for (let position = 0; position < block.length;) {
    position = decoder.add(block, position, { events: 4, bytes: Number.MAX_SAFE_INTEGER });
    sequences.push(decodeBatch(decoder).events.map((row) => row.sequence));
  }
  t.deepEqual(sequences, [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
    [9, 10],
  ]);
});

test('each container of a batch is told of once, with a process of it', (t) => {
  const seen: [bigint, number][] = [];
  const decoder = new EventDecoder((container, hostPid) => seen.push([container, hostPid]));
  const event = (containerCgroupId: bigint, hostTgid: number): Uint8Array =>
    kernelEvent({ numbers: { operation: eventOperation.open, containerCgroupId, hostTgid, timeNs: 5n }, strings: {} });
  decoder.add(kernelBlock([event(0n, 1), event(9n, 2), event(9n, 2), event(8n, 3)]), 0, noLimits);
  t.deepEqual(seen, [
    [9n, 2],
    [8n, 3],
  ]);
});

test('times are relative to the highest one before the batch, and may be negative', (t) => {
  const decoder = new EventDecoder(() => undefined);
  const event = (timeNs: bigint): Uint8Array =>
    kernelEvent({ numbers: { operation: eventOperation.open, timeNs }, strings: {} });
  decoder.add(event(2n ** 60n), 0, noLimits);
  t.is(decodeBatch(decoder).baseTimeNs, 2n ** 60n);
  decoder.add(kernelBlock([event(2n ** 60n - 5n), event(2n ** 60n + 7n)]), 0, noLimits);
  const batch = decodeBatch(decoder);
  t.is(batch.baseTimeNs, 2n ** 60n);
  t.deepEqual(
    batch.events.map((row) => row.timeNs),
    [-5, 7],
  );
  decoder.advanceTime(2n ** 60n + 100n);
  t.is(decodeBatch(decoder).baseTimeNs, 2n ** 60n + 100n);
});

test('what of each CPU is in a batch is told by range and number', (t) => {
  const decoder = new EventDecoder(() => undefined);
  const event = (cpu: number, sequence: number): Uint8Array =>
    kernelEvent({ numbers: { operation: eventOperation.open, cpu, sequence, timeNs: 5n }, strings: {} });
  decoder.add(kernelBlock([event(3, 10), event(0, 2), event(3, 9), event(3, 12)]), 0, noLimits);
  t.deepEqual(
    decodeBatch(decoder).sequences.map((entry) => ({ ...entry })),
    [
      { cpu: 0, first: 2, last: 2, count: 1 },
      { cpu: 3, first: 9, last: 12, count: 3 },
    ],
  );
  t.deepEqual(decodeBatch(decoder).sequences, []);
});

/** What tells processes of one pid apart: all that a process's row has but its pid. */
const processNumbers = [
  'startTimeNs',
  'parentStartTimeNs',
  'cgroupId',
  'containerCgroupId',
  'hostPpid',
  'tgid',
  'ppid',
  'uid',
  'euid',
  'fsuid',
  'gid',
  'loginUid',
  'pidNamespace',
  'mountNamespace',
] as const;
const processStrings = ['comm', 'executable', 'parentExecutable', 'cwd', 'tty'] as const;

test('events of one pid are of one process where everything about it is the same, and of another where anything is not', (t) => {
  const text = Buffer.from('/some/text');
  const strings = Object.fromEntries(processStrings.map((name) => [name, text]));
  const event = (number?: string, string?: string): Uint8Array =>
    kernelEvent({
      numbers: {
        operation: eventOperation.exit,
        hostTgid: 9,
        timeNs: 5n,
        ...(number === undefined ? {} : { [number]: 1 }),
      },
      strings: { ...strings, ...(string === undefined ? {} : { [string]: Buffer.from('/some/tex_') }) },
    });
  const others = [
    ...processNumbers.map((name) => event(name)),
    ...processStrings.map((name) => event(undefined, name)),
  ];
  for (const other of others) {
    const decoder = new EventDecoder(() => undefined);
    decoder.add(kernelBlock([event(), event(), other, event(), other]), 0, noLimits);
    const processes = decodeBatch(decoder).events.map(({ process }) => process);
    t.deepEqual(processes, [0, 0, 1, 0, 1]);
  }
});

test('memory that holds another block by now is looked at anew', (t) => {
  const event = (uid: number): Uint8Array =>
    kernelEvent({ numbers: { operation: eventOperation.exit, hostTgid: 9, timeNs: 5n, uid }, strings: {} });
  const memory = Uint8Array.from(event(1));
  const decoder = new EventDecoder(() => undefined);
  decoder.add(memory, 0, noLimits);
  memory.set(event(2));
  decoder.add(memory, 0, noLimits);
  t.deepEqual(
    decodeBatch(decoder).processes.map(({ uid }) => uid),
    [1, 2],
  );
});
