import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { capturedTopics } from '../../cli/captured-records.ts';

/** Records appended in one transaction where nobody is to be disturbed by it: some hundred kilobytes. */
const recordsPerFill = 64;

/**
 * The capture's topics, again and again without an end: each time as another node, so that none is a repeat. The story leaves
 * no policy of its own behind, hence each time its policies change as they did the first time.
 */
export class ChaosStream {
  /** How many records the story has once. */
  readonly storyLength: number;
  /** Changes of policies that come after the first event. */
  readonly policyChanges: number;
  /** Containers that come after it. */
  readonly arrivals: number;
  readonly #story: readonly LogRecord[];

  private constructor(story: readonly LogRecord[]) {
    this.#story = story;
    this.storyLength = story.length;
    const later = story.slice(story.findIndex(({ topic }) => topic === 'raw-events') + 1);
    this.policyChanges = later.filter(({ topic }) => topic === 'policies').length;
    const containers = later.flatMap((record) =>
      record.topic === 'raw-events' ? (record.value?.containers ?? []) : [],
    );
    this.arrivals = new Set(containers.flatMap(({ kind, containerId }) => (kind === 'host' ? [] : [containerId]))).size;
  }

  /** Throws `CAPTURE_UNREADABLE`. */
  static async read(file: string): Promise<ChaosStream> {
    await using capture = await CaptureEventLog.open(file);
    const { signal } = new AbortController();
    const story: LogRecord[] = [];
    for await (const record of capture.read({ topics: capturedTopics, from: 'start', follow: false, signal })) {
      story.push(record);
    }
    if (!story.some(({ topic }) => topic === 'raw-events')) throw new Error(`there is no event in ${file}`);
    return new ChaosStream(story);
  }

  /** The record at `place`, from 0. */
  at(place: number): OutputRecord {
    const record = this.#story[place % this.storyLength];
    if (record === undefined) throw new RangeError(`no stream has a place ${place}`);
    const telling = Math.floor(place / this.storyLength);
    if (record.topic !== 'raw-events' || record.value === undefined) {
      // `topic` and `value` come from one record, where they belong together.
      return { topic: record.topic, key: record.key, value: record.value } as OutputRecord;
    }
    const nodeId = `${record.value.nodeId}-${telling}`;
    return { topic: 'raw-events', key: nodeId, value: { ...record.value, nodeId } };
  }

  /** Appends places `from` to before `to` to the log of `directory`, which nobody may own meanwhile. */
  async fill(directory: string, from: number, to: number): Promise<void> {
    await using log = await EmbeddedEventLog.open({ directory });
    for (let place = from; place < to; place += recordsPerFill) {
      const places = Array.from({ length: Math.min(recordsPerFill, to - place) }, (_, index) => place + index);
      await log.append(places.map((one) => this.at(one)));
    }
  }
}
