import type {
  AssignedPartition,
  ConsumeOptions,
  InputBatch,
  LogRecord,
  OutputRecord,
  StampedOutput,
} from '../../../eventlog/event-log.ts';
import type { GroupPosition, GroupState, LogStore, UnstoredRecord, WriteRequest } from '../../../eventlog/log-store.ts';
import type { ProcessorStage, SinkStage } from '../../../eventlog/stage.ts';
import { isRetriable } from '../../../runtime/errors.ts';
import type { TopicName } from '../../../schemas/topics.ts';
import { AroundLog, partitionWith, withBatches } from '../around-log.ts';
import type { Law } from './laws.ts';
import { sinkName } from './outside.ts';
import type { Omission } from './runner-model.ts';

/** One step of the runner, or of what it relies on, and the law that stands on it. */
export interface Omitted {
  /** What is left out, in words. */
  readonly step: string;
  /** What then no longer holds. */
  readonly law: Law;
  readonly omission: Omission;
}

/** Topics of the toys that are tables, and those that are state. */
const table: TopicName = 'policies';
const state: TopicName = 'policy-status';

/** A processor's or a sink's commit, and not what a sink intends or where a group begins. */
function isCommit({ group }: WriteRequest): boolean {
  return group !== undefined && 'intended' in group && group.intended === undefined;
}

/** The steps that a runner must not leave out, each as a runner that does. */
export const omitted: readonly Omitted[] = [
  {
    step: 'a batch’s positions are written with its outputs',
    law: 'every input has its effect exactly once',
    omission: writing((request) => (isCommit(request) ? [{ ...request, ...withoutInputs(request) }] : [request])),
  },
  {
    step: 'outputs and positions are one transaction: outputs first',
    law: 'every input has its effect exactly once',
    omission: writing((request) =>
      isCommit(request) ? [{ records: request.records }, { ...request, records: [] }] : [request],
    ),
  },
  {
    step: 'outputs and positions are one transaction: positions first',
    law: 'every input has its effect exactly once',
    omission: writing((request) =>
      isCommit(request) ? [{ ...request, records: [] }, { records: request.records }] : [request],
    ),
  },
  {
    step: 'the state is in the transaction of its outputs',
    law: 'every input has its effect exactly once',
    omission: writing((request) =>
      isCommit(request) ? [withRecords(request, isNoState), { records: request.records.filter(isState) }] : [request],
    ),
  },
  {
    step: 'dead letters are in the transaction of their batch',
    law: 'what cannot be read is one dead letter',
    omission: writing((request) =>
      isCommit(request)
        ? [{ records: request.records.filter(isLetter) }, withRecords(request, (record) => !isLetter(record))]
        : [request],
    ),
  },
  {
    step: 'the state is restored before reading goes on',
    law: 'every input has its effect exactly once',
    omission: {
      log: (log) =>
        new AroundLog(log, (partition) =>
          partitionWith(partition, { restore: (topic) => nothing(partition.restore(topic)) }),
        ),
    },
  },
  {
    step: 'reading goes on at the committed position, not at the end',
    law: 'every input has its effect exactly once',
    omission: beginning((store, { topic, position }) => ({
      topic,
      position: topic === table ? position : store.bounds(topic).next,
    })),
  },
  {
    step: 'a group’s first position is written before it reads',
    law: 'every input has its effect exactly once',
    omission: writing((request) => (request.group !== undefined && !('intended' in request.group) ? [] : [request])),
  },
  {
    step: 'repeats of a producer are told by their number',
    law: 'every input has its effect exactly once',
    omission: { stage: (stage) => ('createProcessor' in stage ? withoutNumbers(stage) : stage) },
  },
  {
    step: 'who has lost the partition commits nothing more',
    law: 'every input has its effect exactly once',
    omission: { neverFences: true },
  },
  {
    step: 'tables are brought to where they were before the first batch',
    law: 'a table change takes effect at its place',
    omission: around((batch) => (batch.records.every(({ topic }) => topic === table) ? [] : [batch])),
  },
  {
    step: 'tables begin where the predecessor had them, not at their end',
    law: 'a table change takes effect at its place',
    omission: beginning((store, { topic, position }) => ({
      topic,
      position: topic === table ? store.bounds(topic).next : position,
    })),
  },
  {
    step: 'the positions of the tables are written on the outputs',
    law: 'a table change takes effect at its place',
    omission: around((batch) => [{ ...batch, commit: (outputs) => batch.commit(outputs.map(unstamped)) }]),
  },
  {
    step: 'what a sink is about to write is written down first',
    law: 'every row is outside exactly once',
    omission: writing((request) => (request.group?.intended === undefined ? [request] : [])),
  },
  {
    step: 'what a predecessor was about to write is written first, as it was',
    law: 'every row is outside exactly once',
    omission: {
      store: (store) =>
        changed(store, { groupState: (group) => ({ ...store.groupState(group), intended: undefined }) }),
    },
  },
  {
    step: 'what is prepared ahead is written down when what was before it is committed',
    law: 'every row is outside exactly once',
    omission: { log: (log) => new EarlyLog(log) },
  },
  {
    step: 'a sink’s position is written after its rows are outside',
    law: 'every row is outside exactly once',
    omission: around((batch) => [
      {
        ...batch,
        intend: async () => {
          const range = await batch.intend();
          await batch.commit([]);
          return range;
        },
      },
    ]),
  },
  {
    step: 'a write that was not answered is tried again',
    law: 'every row is outside exactly once',
    omission: { stage: (stage) => ('prepare' in stage ? triedOnce(stage) : stage) },
  },
  {
    step: 'a block is given back after it is appended',
    law: 'what happened is appended',
    omission: { log: (log) => new HastyLog(log) },
  },
];

/** A store that writes other requests than it is given, one after another. */
function writing(change: (request: WriteRequest) => readonly WriteRequest[]): Omission {
  return {
    store: (store) =>
      changed(store, {
        write: async (request) => {
          for (const next of change(request)) await store.write(next);
        },
      }),
  };
}

/** A store in which groups that have been there begin somewhere else. */
function beginning(change: (store: LogStore, position: GroupPosition) => GroupPosition): Omission {
  return {
    store: (store) =>
      changed(store, {
        groupState: (group): GroupState => {
          const { positions, intended } = store.groupState(group);
          return { positions: positions.map((position) => change(store, position)), intended };
        },
      }),
  };
}

/** A log that hands out other batches. */
function around(change: (batch: InputBatch) => readonly InputBatch[]): Omission {
  return { log: (log) => new AroundLog(log, (partition) => withBatches(partition, change)) };
}

function changed(store: LogStore, instead: Partial<LogStore>): LogStore {
  return {
    write: (request) => store.write(request),
    fetch: (topic, from, maxBytes) => store.fetch(topic, from, maxBytes),
    fetchLatest: (topic, after, maxBytes) => store.fetchLatest(topic, after, maxBytes),
    bounds: (topic) => store.bounds(topic),
    end: () => store.end(),
    changed: (topics, signal) => store.changed(topics, signal),
    groupState: (group) => store.groupState(group),
    close: () => store.close(),
    ...instead,
  };
}

function withoutInputs({ group }: WriteRequest): Pick<WriteRequest, 'group'> {
  return group === undefined
    ? {}
    : { group: { ...group, positions: group.positions.filter(({ topic }) => topic === table) } };
}

function withRecords(request: WriteRequest, keep: (record: UnstoredRecord) => boolean): WriteRequest {
  return { ...request, records: request.records.filter(keep) };
}

function isState({ topic }: UnstoredRecord): boolean {
  return topic === state;
}

function isNoState(record: UnstoredRecord): boolean {
  return !isState(record);
}

/** Verdicts have the key of a node. */
function isLetter({ topic, key }: UnstoredRecord): boolean {
  return topic === 'dead-letters' && key.length > 1;
}

async function* nothing(records: AsyncIterable<LogRecord>): AsyncIterable<LogRecord> {
  for await (const record of records) if (record.offset < 0) yield record;
}

function unstamped({ record }: StampedOutput): StampedOutput {
  return { record, tablePositions: {} };
}

function withoutNumbers(stage: ProcessorStage): ProcessorStage {
  return {
    ...stage,
    createProcessor: (partition) => {
      const processor = stage.createProcessor(partition);
      return {
        restore: (record) => {
          processor.restore(record);
        },
        update: (record) => {
          processor.update(record);
        },
        process: (record) =>
          processor.process(
            record.topic === 'coverage' && record.value !== undefined
              ? { ...record, value: { ...record.value, lastBatch: 0 } }
              : record,
          ),
      };
    },
  };
}

function triedOnce(stage: SinkStage): SinkStage {
  return {
    ...stage,
    prepare: async (records) => {
      const write = await stage.prepare(records);
      return async (...parameters) => {
        try {
          await write(...parameters);
        } catch (error) {
          // The step that is left out.
          if (!isRetriable(error)) throw error;
        }
      };
    },
  };
}

/** Writes down what a sink is about to write as soon as that is read. */
class EarlyLog extends AroundLog {
  override consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    const early = (batch: InputBatch): InputBatch => {
      const intended = batch.intend();
      intended.catch(() => undefined);
      return { ...batch, intend: () => intended.catch(() => batch.intend()) };
    };
    return super.consume(options, (partition) =>
      own(options.group === sinkName ? withBatches(partition, early) : partition),
    );
  }
}

/** Answers an append before it is written. */
class HastyLog extends AroundLog {
  override append(records: readonly OutputRecord[]): Promise<void> {
    super.append(records).catch(() => undefined);
    return Promise.resolve();
  }
}
