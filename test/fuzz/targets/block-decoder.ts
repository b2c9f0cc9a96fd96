import { CaptureEventLog } from '../../../eventlog/capture.ts';
import { EventDecoder } from '../../../collector/event-decoder.ts';
import { eventHeaderBytes, eventOffset, eventOperation, eventString } from '../../../collector/event-layout.ts';
import { RawBatchEncoder, type RawBatchHeader } from '../../../collector/raw-batch.ts';
import { kernelBlock, kernelEvent } from '../../../bench/event-bytes.ts';
import { recordingFile } from '../../../cli/demo/recording.ts';
import { createSingleObjectFormat } from '../../../eventlog/wire-format.ts';
import type { RawEventBatch } from '../../../schemas/generated.ts';
import { edgeNumber, inputBytesMax, mutateBytes } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from '../target.ts';

/** Kernel bytes → rows: collector/event-decoder.ts, at the collector's own limits of a batch. */
export const blockDecoder: FuzzTargetKind = {
  name: 'block-decoder',
  isGuided: true,
  cpuMsMax: 1000,
  open: async () => new BlockDecoderTarget(await recordedBlocks()),
};

const limits = { events: 1000, bytes: 100_000 };
const header: RawBatchHeader = {
  nodeId: 'node',
  bootId: 'boot',
  session: 1n,
  batch: 1,
  wallClockOffsetNs: 0n,
  containers: [],
  counters: [],
  helperFailures: [],
  gaps: [],
  sessionEnded: false,
};
/** Bytes that stand around a block where it is a part of a larger buffer. */
const surroundings = [0x00, 0xa5] as const;

interface Decoded {
  /** The batches, framed as the log has them. */
  readonly batches: readonly Uint8Array[];
  readonly refused: readonly string[];
}

class BlockDecoderTarget implements FuzzTarget {
  readonly seeds: readonly Uint8Array[];
  readonly #format = createSingleObjectFormat();
  readonly #encoder = new RawBatchEncoder();

  constructor(seeds: readonly Uint8Array[]) {
    this.seeds = seeds;
  }

  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
    return random.oneIn(4) ? mutateBytes(random, input, other) : mutateEvents(random, input, other);
  }

  run(input: Uint8Array): void {
    const alone = this.#decode(Uint8Array.from(input));
    for (const filler of surroundings) {
      const around = new Uint8Array(input.length + 512).fill(filler);
      around.set(input, 256);
      const within = this.#decode(around.subarray(256, 256 + input.length));
      const isSame =
        within.batches.length === alone.batches.length &&
        within.batches.every((batch, place) => Buffer.compare(batch, alone.batches[place] ?? batch.subarray(1)) === 0);
      expect(isSame, 'what is read of a block depends on bytes outside it');
      expect(
        within.refused.join('\n') === alone.refused.join('\n'),
        'what is refused depends on bytes outside the block',
      );
    }
    let rows = 0;
    for (const [offset, batch] of alone.batches.entries()) {
      const { events, strings, processes, files, addresses, execs } = this.#format.decode('raw-events', batch, {
        topic: 'raw-events',
        partition: 0,
        offset,
      });
      rows += events.length;
      for (const event of events) {
        expect(event.process < processes.length && event.file < files.length, 'a row points at what is not there');
        expect(event.address < addresses.length && event.exec < execs.length, 'a row points at what is not there');
        expect(event.typedPath < strings.length, 'a row points at what is not there');
      }
      for (const exec of execs) {
        expect(
          exec.arguments.every((argument) => argument < strings.length),
          'an argument points at what is not there',
        );
      }
    }
    expect(rows * eventHeaderBytes <= input.length, 'there are more rows than the block has room for');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #decode(block: Uint8Array): Decoded {
    const decoder = new EventDecoder(() => undefined);
    const batches: Uint8Array[] = [];
    const refused: string[] = [];
    let position = 0;
    do {
      const next = decoder.add(block, position, limits);
      expect(next > position || block.length === 0, 'the decoder stands still');
      expect(next <= block.length, 'the decoder passes the end of the block');
      position = next;
      for (const error of decoder.invalid) {
        expect(
          error.positionBytes >= 0 && error.positionBytes < block.length,
          'a refusal is about no place in the block',
        );
        refused.push(error.message);
      }
      batches.push(this.#format.frame('raw-events', this.#encoder.encode(header, decoder)));
    } while (position < block.length);
    return { batches, refused };
  }
}

/** Cuts a block where its sizes say, as far as they can be followed. */
function eventsOf(block: Uint8Array): Uint8Array[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const events: Uint8Array[] = [];
  for (let start = 0; start < block.length;) {
    const size = start + 4 <= block.length ? view.getUint32(start, true) : 0;
    const end = size < 8 || start + size > block.length ? block.length : start + size;
    events.push(block.slice(start, end));
    start = end;
  }
  return events;
}

const fields = Object.values(eventOffset);

/** Changes one or more events of a block in ways that leave most of them valid. */
function mutateEvents(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  const events = eventsOf(input);
  const others = eventsOf(other);
  for (let change = random.below(3); change >= 0; change--) {
    const place = random.below(events.length);
    const event = events[place] ?? new Uint8Array(0);
    switch (random.below(8)) {
      case 0:
        events.splice(place, 0, others[random.below(others.length)] ?? event);
        break;
      case 1:
        events.splice(place, 1);
        break;
      case 2:
        events[place] = mutateBytes(random, event, other);
        break;
      case 3:
      case 4:
        events[place] = withString(random, event, random.below(eventString.count));
        break;
      case 5:
        if (event.length >= eventHeaderBytes) {
          const view = new DataView(event.buffer, event.byteOffset);
          view.setUint16(eventOffset.operation, random.below(eventOperation.count + 1), true);
        }
        break;
      default:
        if (event.length >= eventHeaderBytes) {
          const view = new DataView(event.buffer, event.byteOffset);
          const number = edgeNumber(random);
          if (random.oneIn(2)) view.setInt32(random.of(fields), Number(BigInt.asIntN(32, number)), true);
          else view.setBigInt64(Math.min(random.of(fields), eventHeaderBytes - 8), number, true);
        }
    }
  }
  return kernelBlock(events).subarray(0, inputBytesMax);
}

/** The event with another text as one of its strings, and sizes that agree unless chance wants it otherwise. */
function withString(random: Random, event: Uint8Array, string: number): Uint8Array {
  if (event.length < eventHeaderBytes) return event;
  const view = new DataView(event.buffer, event.byteOffset, event.byteLength);
  const lengthAt = (place: number): number => view.getUint16(eventOffset.lengths + 2 * place, true);
  let start = eventHeaderBytes;
  for (let place = 0; place < string; place++) start += lengthAt(place);
  let used = eventHeaderBytes;
  for (let place = 0; place < eventString.count; place++) used += lengthAt(place);
  const end = start + lengthAt(string);
  if (end > event.length || used > event.length) return event;
  const parts = ['/', '..', '.', 'bin', '\0', '\xff\xfe', 'é', 'a'.repeat(random.length(8192)), '//'];
  const text = Array.from({ length: random.below(6) }, () => random.of(parts)).join(random.of(['/', '\0', '']));
  const put = Buffer.from(text, 'latin1').subarray(0, 0xffff);
  const strings = Buffer.concat([event.subarray(eventHeaderBytes, start), put, event.subarray(end, used)]);
  const size = Math.ceil((eventHeaderBytes + strings.length) / 8) * 8;
  const made = new Uint8Array(size);
  made.set(event.subarray(0, eventHeaderBytes));
  made.set(strings, eventHeaderBytes);
  const madeView = new DataView(made.buffer);
  madeView.setUint16(eventOffset.lengths + 2 * string, put.length + (random.oneIn(8) ? 1 : 0), true);
  madeView.setUint32(eventOffset.size, size, true);
  return made;
}

/** What the kernel wrote when the bundled recording was made, as far as rows of it tell: blocks of up to 16 events. */
async function recordedBlocks(): Promise<readonly Uint8Array[]> {
  const blocks: Uint8Array[] = [];
  await using capture = await CaptureEventLog.open(recordingFile());
  const { signal } = new AbortController();
  for await (const record of capture.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic !== 'raw-events' || record.value === undefined) continue;
    const events = kernelEvents(record.value);
    for (let start = 0; start < events.length; start += 16) blocks.push(kernelBlock(events.slice(start, start + 16)));
  }
  // Of each kind there are many: enough to begin with.
  return blocks.slice(0, 64);
}

function kernelEvents(batch: RawEventBatch): readonly Uint8Array[] {
  const string = (index: number): Uint8Array => batch.strings[index] ?? new Uint8Array(0);
  return batch.events.flatMap((event) => {
    const process = batch.processes[event.process];
    if (process === undefined) return [];
    const file = batch.files[event.file];
    const address = batch.addresses[event.address];
    const exec = batch.execs[event.exec];
    return [
      kernelEvent({
        numbers: {
          operation: eventOperation[event.operation],
          sequence: event.sequence,
          timeNs: batch.baseTimeNs + BigInt(event.timeNs),
          childStartTimeNs: batch.baseTimeNs + BigInt(event.childStartTimeNs),
          cpu: event.cpu,
          hostTgid: process.hostPid,
          containerCgroupId: process.containerCgroupId,
          startTimeNs: process.startTimeNs,
          pathSource: file === undefined ? 0 : 1,
          addressFamily: address?.family ?? 0,
          port: address?.port ?? 0,
        },
        strings: {
          comm: string(process.comm),
          executable: string(process.executable),
          parentExecutable: string(process.parentExecutable),
          cwd: string(process.cwd),
          tty: string(process.tty),
          path: string(file?.path ?? -1),
          typedPath: string(event.typedPath),
          calledName: string(exec?.calledName ?? -1),
          arguments: Buffer.concat((exec?.arguments ?? []).flatMap((index) => [string(index), Uint8Array.of(0)])),
          address: address?.address ?? new Uint8Array(0),
        },
      }),
    ];
  });
}
