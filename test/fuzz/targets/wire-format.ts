import fc from 'fast-check';
import { recordingFile } from '../../../cli/demo/recording.ts';
import { CaptureEventLog } from '../../../eventlog/capture.ts';
import { RecordError } from '../../../eventlog/errors.ts';
import { fingerprintOf } from '../../../eventlog/fingerprint.ts';
import { createSingleObjectFormat } from '../../../eventlog/wire-format.ts';
import { avroTypeOf, releasedTypesOf } from '../../../schemas/avro-types.ts';
import { topicNames, type TopicName, type TopicValues } from '../../../schemas/topics.ts';
import { valuesOf } from '../../eventlog/avro-arbitrary.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from '../target.ts';

/** A record's bytes as the log has them → its value: eventlog/wire-format.ts. The first byte of an input chooses the topic. */
export const wireFormat: FuzzTargetKind = {
  name: 'wire-format',
  isGuided: true,
  cpuMsMax: 1000,
  open: async () => new WireFormatTarget(await seeds()),
};

/** Mark and fingerprint, after the byte that chooses the topic. */
const headBytes = 11;
/** Values of each topic's schema that are made up. */
const madeUp = 6;
/** Of the recording: some thousand would be alike. */
const recordedMax = 64;

class WireFormatTarget implements FuzzTarget {
  readonly seeds: readonly Uint8Array[];
  readonly #format = createSingleObjectFormat();

  constructor(seeds: readonly Uint8Array[]) {
    this.seeds = seeds;
  }

  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
    if (random.oneIn(16)) return mutateBytes(random, input, other);
    const value = mutateBytes(random, input.subarray(headBytes), other.subarray(headBytes));
    return Buffer.concat([input.subarray(0, headBytes), value]);
  }

  run(input: Uint8Array): void {
    const topic = topicNames[(input[0] ?? 0) % topicNames.length] ?? 'raw-events';
    const bytes = input.subarray(1);
    const place = { topic, partition: 0, offset: 7 };
    let value: unknown;
    try {
      value = this.#format.decode(topic, bytes, place);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      const { bytePosition } = error;
      expect(error.offset === 7 && error.topic === topic, 'the error names another record');
      const isInside = bytePosition === undefined || (bytePosition >= 0 && bytePosition <= bytes.length);
      expect(isInside, `the error names byte ${bytePosition ?? ''} of ${bytes.length}`);
      return;
    }
    // Numbers may have more bytes than they need, so the bytes may differ; what they mean may not.
    const { type } = avroTypeOf(topic);
    const again = this.#format.decode(topic, this.#format.encode(topic, value as TopicValues[TopicName]), place);
    expect(
      Buffer.compare(type.toBuffer(again), type.toBuffer(value)) === 0,
      'a value that was read is another one when it is written and read again',
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

async function seeds(): Promise<readonly Uint8Array[]> {
  const format = createSingleObjectFormat();
  const framed = <Topic extends TopicName>(topic: Topic, value: TopicValues[Topic]): Uint8Array =>
    Buffer.concat([Uint8Array.of(topicNames.indexOf(topic)), format.encode(topic, value)]);
  const made = topicNames.flatMap((topic, place) =>
    fc
      .sample(valuesOf(avroTypeOf(topic).type), { numRuns: madeUp, seed: place })
      .map((value) => framed(topic, value as TopicValues[TopicName])),
  );
  const released = topicNames.flatMap((topic, place) =>
    releasedTypesOf(topic).map(({ type }) => {
      const head = Buffer.from([place, 0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeBigUInt64LE(fingerprintOf(type), 3);
      return Buffer.concat([
        head,
        ...fc.sample(valuesOf(type), { numRuns: 1, seed: place }).map((value) => type.toBuffer(value)),
      ]);
    }),
  );
  const recorded: Uint8Array[] = [];
  await using capture = await CaptureEventLog.open(recordingFile());
  for await (const { record } of capture.progress(new AbortController().signal)) {
    if (recorded.length === recordedMax) break;
    if (record.value !== undefined) recorded.push(framed(record.topic, record.value));
  }
  return [...recorded, ...made, ...released];
}
