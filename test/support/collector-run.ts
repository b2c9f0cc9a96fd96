import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { collectorStage, type CollectorOptions } from '../../collector/collector.ts';
import type { CollectorEvent } from '../../collector/collector-session.ts';
import type { EventLog, OutputRecord } from '../../eventlog/event-log.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { ContainerDescriptor, ProcessContext, RawEvent, RawEventBatch } from '../../schemas/generated.ts';
import { patienceMs } from './eventually.ts';
import { pinDirectory, testRingBytes } from './kernel-capture.ts';

/** A row with what it points at, bytes as latin1. */
export interface CollectedEvent {
  readonly batch: RawEventBatch;
  readonly row: RawEvent;
  readonly process: ProcessContext;
  readonly executable: string;
  readonly parentExecutable: string;
  /** Empty where there is none. */
  readonly path: string;
  readonly arguments: readonly string[];
  /** The newest descriptor of its container that stood ahead of it; `undefined`: none did. */
  readonly container: ContainerDescriptor | undefined;
}

export interface CollectorRunOptions extends Partial<CollectorOptions> {
  /** Awaited before each append. */
  readonly beforeAppend?: () => Promise<void>;
}

/** The collector with a log that keeps what it is given. */
export class CollectorRun implements AsyncDisposable {
  readonly batches: RawEventBatch[] = [];
  readonly reports: CollectorEvent[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  /** Every event so far; containers are looked up as a reader of the topic would. */
  readonly events: CollectedEvent[] = [];
  readonly #containers = new Map<bigint, ContainerDescriptor>();

  constructor(options: CollectorOptions, beforeAppend: () => Promise<void>) {
    const type = avroTypeOf('raw-events');
    const append = async (records: readonly OutputRecord[]): Promise<void> => {
      await beforeAppend();
      for (const record of records) {
        if ('encodedValue' in record) this.#take(type.decode(record.encodedValue));
      }
    };
    const stage = collectorStage(options, (event) => this.reports.push(event));
    this.#done = stage.run({ append } as EventLog, this.#stop.signal);
    // Whoever awaits `stop` or `arrived` gets it.
    this.#done.catch(() => undefined);
  }

  /** Waits for an event that `accept` takes. */
  async arrived(accept: (event: CollectedEvent) => boolean): Promise<CollectedEvent> {
    return this.until(() => this.events.find(accept), 'an event');
  }

  /** Waits until `get` gives something. */
  async until<Value>(get: () => Value | undefined, what: string): Promise<Value> {
    const end = performance.now() + patienceMs;
    while (performance.now() < end) {
      const value = get();
      if (value !== undefined) return value;
      // A collector that failed says why.
      await Promise.race([this.#done, sleep(1)]);
      await sleep(10);
    }
    throw new Error(`${what} did not arrive in ${patienceMs} ms; ${this.events.length} events did`);
  }

  /** Until the first batch of this session is there: what happens from now on is seen. */
  async ready(): Promise<void> {
    await this.until(
      () => this.batches.find((batch) => batch.containers.some(({ kind }) => kind === 'host')),
      'a session',
    );
  }

  /** Drains, and returns when everything is appended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The newest version of the descriptor of a container. */
  container(cgroupId: bigint): ContainerDescriptor | undefined {
    return this.#containers.get(cgroupId);
  }

  #take(batch: RawEventBatch): void {
    this.batches.push(batch);
    for (const descriptor of batch.containers) this.#containers.set(descriptor.cgroupId, descriptor);
    const text = (index: number): string => Buffer.from(batch.strings[index] ?? []).toString('latin1');
    for (const row of batch.events) {
      const process = batch.processes[row.process];
      if (process === undefined) throw new Error('a row points at no process');
      this.events.push({
        batch,
        row,
        process,
        executable: text(process.executable),
        parentExecutable: text(process.parentExecutable),
        path: text(batch.files[row.file]?.path ?? -1),
        arguments: batch.execs[row.exec]?.arguments.map(text) ?? [],
        container: this.#containers.get(process.containerCgroupId),
      });
    }
  }
}

/** Options of a collector of this test alone; removed at its end. */
export function collectorOptions(t: ExecutionContext): CollectorOptions {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'palisade-collector-'));
  t.teardown(() => {
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  return { nodeId: 'test-node', dataDirectory, pinDirectory: pinDirectory(t), ringBytes: testRingBytes };
}

/** A collector that sees what happens from now on. */
export async function startCollector(options: CollectorOptions, more: CollectorRunOptions = {}): Promise<CollectorRun> {
  const { beforeAppend, ...rest } = more;
  const collector = new CollectorRun({ ...options, ...rest }, beforeAppend ?? (() => Promise.resolve()));
  await collector.ready();
  return collector;
}
