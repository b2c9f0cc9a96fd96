import { EventDecoder } from '../collector/event-decoder.ts';
import { eventOperation } from '../collector/event-layout.ts';
import { RawBatchEncoder, type RawBatchHeader } from '../collector/raw-batch.ts';
import { avroTypeOf } from '../schemas/avro-types.ts';
import { kernelBlock, kernelEvent } from './event-bytes.ts';
import type { Benchmark, Measurements } from './benchmark.ts';
import { quantile } from './report.ts';

const rounds = 9;
const batchesPerRound = 100;
const eventsPerBatch = 1000;
const header: RawBatchHeader = {
  nodeId: 'bench',
  bootId: '8a624aa5-ef7d-4627-9233-4fd0f2bf2b4a',
  session: 1n,
  batch: 1,
  wallClockOffsetNs: 0n,
  containers: [],
  counters: [],
  helperFailures: [],
  gaps: [],
  sessionEnded: false,
};

/** Opens of 64 files by 16 processes, one exec in 50: about what a busy container does. */
function blockOf(): Uint8Array {
  const text = (value: string): Uint8Array => Buffer.from(value);
  return kernelBlock(
    Array.from({ length: eventsPerBatch }, (_, place) => {
      const isExec = place % 50 === 0;
      return kernelEvent({
        numbers: {
          operation: isExec ? eventOperation.exec : eventOperation.open,
          timeNs: 10n ** 15n + BigInt(place) * 20_000n,
          sequence: place + 1,
          startTimeNs: 10n ** 14n + BigInt(place % 16),
          hostTgid: 4000 + (place % 16),
          hostTid: 4000 + (place % 16),
          cgroupId: 7000n,
          containerCgroupId: 7000n,
          syscall: isExec ? 59 : 257,
          flags: 0x88000,
          returnValue: 3,
          fileDescriptor: -100,
          pathSource: 1,
          fileInode: 90_000n + BigInt(place % 64),
          fileMode: 0o100644,
        },
        strings: {
          comm: text('worker'),
          executable: text('/usr/lib/jvm/java-21-openjdk-amd64/bin/java'),
          parentExecutable: text('/usr/bin/containerd-shim-runc-v2'),
          cwd: text('/srv/application'),
          path: text(`/srv/application/data/segment-${place % 64}/index.db`),
          typedPath: text(`data/segment-${place % 64}/index.db`),
          ...(isExec ? { arguments: text('/bin/ls\0-l\0/srv\0'), calledName: text('/bin/ls') } : {}),
        },
      });
    }),
  );
}

/** Median time of `act` for one event, in nanoseconds, once it is warm. */
function medianNs(act: () => void): number {
  const times = Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    for (let batch = 0; batch < batchesPerRound; batch++) act();
    return Number(process.hrtime.bigint() - start) / (batchesPerRound * eventsPerBatch);
  });
  return quantile(times, 0.5);
}

function encodingOf(block: Uint8Array): () => Uint8Array {
  const decoder = new EventDecoder(() => undefined);
  const encoder = new RawBatchEncoder();
  return () => {
    decoder.add(block, 0, { events: eventsPerBatch, bytes: Number.MAX_SAFE_INTEGER });
    return encoder.encode(header, decoder);
  };
}

function kernelBytesToBatch(): Promise<Measurements> {
  const block = blockOf();
  const encode = encodingOf(block);
  return Promise.resolve({
    ns: medianNs(encode),
    batchBytes: encode().length / eventsPerBatch,
    ringBytes: block.length / eventsPerBatch,
  });
}

function finishedObjects(): Promise<Measurements> {
  const type = avroTypeOf('raw-events');
  const batch = type.decode(encodingOf(blockOf())());
  return Promise.resolve({ ns: medianNs(() => type.encode(batch)) });
}

/** What an event costs from the kernel's bytes to Avro bytes, against avsc's encoding of the finished objects alone. */
export const decode: Benchmark = {
  trials: 5,
  variants: { kernelBytesToBatch, finishedObjects },
  figures: (results) => [
    {
      figure: 'kernel bytes to a raw batch',
      unit: 'ns/event',
      values: results('kernelBytesToBatch', 'ns'),
      baseline: results('finishedObjects', 'ns'),
    },
    {
      figure: 'size in a raw batch',
      unit: 'bytes/event',
      values: results('kernelBytesToBatch', 'batchBytes'),
      baseline: results('kernelBytesToBatch', 'ringBytes'),
    },
  ],
};
