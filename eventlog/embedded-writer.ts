import assert from 'node:assert';
import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { printable } from '../runtime/printable.ts';
import type { TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import { readClocks } from './log-time.ts';
import type { Retention } from './retention.ts';
import { databasePath, openForWriting, type Durability } from './sqlite-layout.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import { storageError } from './storage-error.ts';
import {
  packFailure,
  type PackedRequest,
  type WriteOutcome,
  type WriterCommand,
  type WriterNotice,
} from './write-protocol.ts';

/** What the writer's thread is started with. */
export interface WriterOptions {
  readonly directory: string;
  readonly durability: Durability;
  readonly retention: Retention;
}

/** A transaction takes this many requests at most, so that the first of them is not kept waiting. */
const maxRequests = 256;
/** And about this many bytes of values, for the same reason: some ten milliseconds. */
const maxBytes = 8 << 20;
/** From the first unsynced transaction to the fdatasync of the WAL, with durability `group`. */
const syncEveryMs = 50;

const writing = 'writing to the event log failed';

interface Waiting {
  readonly port: MessagePort;
  readonly request: PackedRequest;
}

/** The writer's loop: all that waits goes into one transaction; what comes meanwhile goes into the next. */
class WriterLoop {
  readonly #owner: MessagePort;
  readonly #options: WriterOptions;
  readonly #database: Database.Database;
  readonly #writer: SqliteWriter;
  readonly #queue: Waiting[] = [];
  readonly #ports = new Set<MessagePort>();
  #retentionTimer: NodeJS.Timeout | undefined;
  #walDescriptor: number | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #drainScheduled = false;
  #trimScheduled = false;

  constructor(owner: MessagePort, options: WriterOptions) {
    this.#owner = owner;
    this.#options = options;
    this.#database = openForWriting(options.directory, options.durability);
    this.#writer = new SqliteWriter(this.#database);
    owner.on('message', (command: WriterCommand) => {
      if (command.kind === 'serve') this.#serve(command.port);
      else this.#close();
    });
  }

  #serve(port: MessagePort): void {
    // Not before: what fails earlier would be told while the owner does not listen yet.
    this.#retentionTimer ??= setInterval(() => {
      this.#scheduleTrim();
    }, this.#options.retention.checkEveryMs);
    this.#ports.add(port);
    port.on('close', () => {
      this.#ports.delete(port);
    });
    port.on('message', (request: PackedRequest) => {
      this.#queue.push({ port, request });
      this.#scheduleDrain();
    });
  }

  #scheduleDrain(): void {
    if (this.#drainScheduled) return;
    this.#drainScheduled = true;
    // After the messages that are there already: they go into the same transaction.
    setImmediate(() => {
      this.#drainScheduled = false;
      this.#drain();
    });
  }

  #drain(): void {
    let bytes = 0;
    let count = 0;
    while (count < Math.min(this.#queue.length, maxRequests) && bytes < maxBytes) {
      bytes += this.#queue[count]?.request.values.length ?? 0;
      count += 1;
    }
    const batch = this.#queue.splice(0, count);
    if (batch.length > 0) this.#write(batch);
    if (this.#queue.length > 0) this.#scheduleDrain();
  }

  #write(batch: readonly Waiting[]): void {
    let errors: readonly (EventLogError | undefined)[];
    try {
      errors = this.#writer
        .write(batch.map(({ request }) => request))
        .map((error) => (error === undefined ? undefined : this.#failure(error, writing)));
    } catch (error) {
      const failure = this.#failure(error, writing);
      errors = batch.map(() => failure);
    }
    if (this.#options.durability === 'group') this.#sync(batch.some(({ request }) => request.durable));
    this.#answer(batch, errors);
  }

  #answer(batch: readonly Waiting[], errors: readonly (EventLogError | undefined)[]): void {
    const outcomes = new Map<MessagePort, { ids: number[]; failed: WriteOutcome['failed'][number][] }>();
    const topics = new Set<TopicName>();
    for (const [place, { port, request }] of batch.entries()) {
      const outcome = outcomes.get(port) ?? { ids: [], failed: [] };
      outcomes.set(port, outcome);
      const error = errors[place];
      if (error === undefined) {
        outcome.ids.push(request.id);
        for (const { topic } of request.records) topics.add(topic);
      } else {
        outcome.failed.push({ id: request.id, failure: packFailure(error) });
      }
    }
    for (const [port, outcome] of outcomes) port.postMessage(outcome satisfies WriteOutcome);
    if (topics.size > 0) this.#owner.postMessage({ kind: 'changed', topics: [...topics] } satisfies WriterNotice);
  }

  /** Durability `group`: `now` before the answer, else within `syncEveryMs`, beside the loop. */
  #sync(now: boolean): void {
    this.#walDescriptor ??= openSync(`${databasePath(this.#options.directory)}-wal`, 'r');
    const descriptor = this.#walDescriptor;
    try {
      if (now) fdatasyncSync(descriptor);
    } catch (error) {
      this.#end(this.#unsynced(error));
    }
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      fdatasync(descriptor, (error) => {
        if (error !== null) this.#end(this.#unsynced(error));
      });
    }, syncEveryMs);
  }

  #scheduleTrim(): void {
    if (this.#trimScheduled) return;
    this.#trimScheduled = true;
    setImmediate(() => {
      this.#trimScheduled = false;
      // One small transaction, then whatever waits; a transaction that fails is tried again at the next look.
      if (this.#tryTrim()) this.#scheduleTrim();
    });
  }

  #tryTrim(): boolean {
    try {
      return this.#writer.trim(this.#options.retention, readClocks());
    } catch (error) {
      const failure = this.#failure(error, 'trimming the event log failed');
      if (!failure.retriable) this.#end(failure);
      return false;
    }
  }

  /**
   * What was acknowledged may not be on the disk, and a second fsync that succeeds would not say that it is (fsync(2), "Errors").
   * Nothing here can repair that: also where there is no room, nobody may try again.
   */
  #unsynced(cause: unknown): EventLogError {
    const path = databasePath(this.#options.directory);
    const answer = cause instanceof Error ? cause.message : String(cause);
    return new EventLogError(
      'EVENT_LOG_FAILED',
      `what was written to the event log may not be on the disk: ${printable(path)}: ${answer}. Look after the disk, then start again: ` +
        'what a power failure would have cost is lost at most',
      { cause, path },
    );
  }

  #failure(error: unknown, doing: string): EventLogError {
    return storageError(error, databasePath(this.#options.directory), doing);
  }

  /** The log can't go on: whoever waits for it, or comes to it, gets this error. */
  #end(failure: EventLogError): void {
    // On the ports themselves: what the owner is told may come later than that a port was closed.
    const outcome: WriteOutcome = { ids: [], failed: [], ended: packFailure(failure) };
    for (const port of this.#ports) port.postMessage(outcome);
    this.#owner.postMessage({ kind: 'failed', failure: packFailure(failure) } satisfies WriterNotice);
    this.#database.close();
    process.exit();
  }

  #close(): void {
    clearInterval(this.#retentionTimer);
    clearTimeout(this.#syncTimer);
    this.#trimScheduled = true;
    while (this.#queue.length > 0) this.#drain();
    try {
      if (this.#walDescriptor !== undefined) {
        fdatasyncSync(this.#walDescriptor);
        closeSync(this.#walDescriptor);
      }
    } catch (error) {
      this.#end(this.#unsynced(error));
    }
    try {
      this.#database.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      const failure = this.#failure(error, 'folding what was written last into the event log failed');
      // What may pass is left to the next start: all of it is in the WAL, and synced.
      if (!failure.retriable) this.#end(failure);
    }
    this.#database.close();
    process.exit();
  }
}

// This file is the entry of a thread: eventlog/embedded-store.ts starts it.
assert(parentPort !== null, 'embedded-writer runs in a worker thread');
const owner = parentPort;
const options = workerData as WriterOptions;
try {
  new WriterLoop(owner, options);
  owner.postMessage({ kind: 'ready' } satisfies WriterNotice);
} catch (error) {
  const failure = storageError(error, databasePath(options.directory), 'cannot open the event log');
  owner.postMessage({ kind: 'failed', failure: packFailure(failure) } satisfies WriterNotice);
}
