import { EventDecoder } from '../collector/event-decoder.ts';
import { eventOperation } from '../collector/event-layout.ts';
import { RawBatchEncoder, type RawBatchHeader } from '../collector/raw-batch.ts';
import { avroTypeOf } from '../schemas/avro-types.ts';
import { kernelBlock, kernelEvent } from './event-bytes.ts';
import { quantile, type Report } from './report.ts';

const trials = 9;
const batchesPerTrial = 100;
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

function medianNs(act: () => void): number {
  const times = Array.from({ length: trials }, () => {
    const start = process.hrtime.bigint();
    for (let batch = 0; batch < batchesPerTrial; batch++) act();
    return Number(process.hrtime.bigint() - start) / (batchesPerTrial * eventsPerBatch);
  });
  return quantile(times, 0.5);
}

/** What an event costs from the kernel's bytes to Avro bytes, against avsc's encoding of the finished objects alone. */
export function decode(report: Report): Promise<void> {
  const block = blockOf();
  const decoder = new EventDecoder(() => undefined);
  const encoder = new RawBatchEncoder();
  const encode = (): Uint8Array => {
    decoder.add(block, 0, { events: eventsPerBatch, bytes: Number.MAX_SAFE_INTEGER });
    return encoder.encode(header, decoder);
  };
  const type = avroTypeOf('raw-events');
  const bytes = encode();
  const batch = type.decode(bytes);
  const baseline = medianNs(() => type.encode(batch));
  const value = medianNs(encode);
  report.figure({ bench: 'decode', figure: 'kernel bytes to a raw batch', value, unit: 'ns/event', baseline });
  const size = bytes.length / eventsPerBatch;
  report.figure({
    bench: 'decode',
    figure: 'size in a raw batch',
    value: size,
    unit: 'bytes/event',
    baseline: block.length / eventsPerBatch,
  });
  return Promise.resolve();
}
