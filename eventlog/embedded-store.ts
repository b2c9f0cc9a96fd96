import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import type { TopicName } from '../schemas/topics.ts';
import { ChangeNotice } from './change-notice.ts';
import { EventLogError } from './errors.ts';
import type { WriterOptions } from './embedded-writer.ts';
import type { Fetched, GroupState, LogStore, ReadableStore, WriteRequest } from './log-store.ts';
import { Ownership } from './ownership.ts';
import { databasePath, openForReading } from './sqlite-layout.ts';
import { SqliteReader } from './sqlite-reader.ts';
import { WriteClient } from './write-client.ts';
import { unpackFailure, type WriterCommand, type WriterNotice } from './write-protocol.ts';

/** The owner's store: a writer in a thread of its own, and a read-only connection here. */
export class EmbeddedStore implements LogStore {
  /** What a person should know of how the log was found. */
  readonly notices: readonly string[];
  readonly #ownership: Ownership;
  readonly #worker: Worker;
  readonly #client: WriteClient;
  readonly #database: Database.Database;
  readonly #reader: SqliteReader;
  readonly #changes = new ChangeNotice();
  readonly #ended: Promise<void>;
  #isClosing = false;
  /** Why the log could not be closed as it should be. */
  #closingFailure: EventLogError | undefined;

  /** Takes the directory, starts the writer, and waits until it has opened the log. */
  static async open(options: WriterOptions): Promise<EmbeddedStore> {
    const ownership = await Ownership.take(options.directory);
    let worker: Worker | undefined;
    try {
      const notices = ownership.followsKilled ? missingWal(options.directory) : [];
      worker = await startWriter(options);
      return new EmbeddedStore(ownership, worker, openForReading(options.directory, 'thisProcess'), notices);
    } catch (error) {
      await worker?.terminate();
      ownership.release();
      throw error;
    }
  }

  private constructor(ownership: Ownership, worker: Worker, database: Database.Database, notices: readonly string[]) {
    this.notices = notices;
    this.#ownership = ownership;
    this.#worker = worker;
    this.#database = database;
    this.#reader = new SqliteReader(database);
    this.#client = new WriteClient(this.createPort());
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        resolve();
      });
      if (hasEnded(worker)) resolve();
    });
    worker.on('message', (notice: WriterNotice) => {
      if (notice.kind === 'changed') this.#changes.notify(new Set(notice.topics));
      else if (notice.kind === 'failed') this.#fail(unpackFailure(notice.failure));
    });
    worker.on('error', (cause: Error) => {
      this.#fail(new EventLogError('EVENT_LOG_FAILED', `the event log's writer failed: ${cause.message}`, { cause }));
    });
    worker.unref();
  }

  #fail(error: EventLogError): void {
    if (this.#isClosing) this.#closingFailure = error;
    else this.#client.fail(error);
  }

  /** A port through which another thread reaches the writer. */
  createPort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    // What is posted to a thread that has ended goes nowhere, and the port would wait for ever.
    if (hasEnded(this.#worker)) port1.close();
    else this.#worker.postMessage({ kind: 'serve', port: port1 } satisfies WriterCommand, [port1]);
    return port2;
  }

  write(request: WriteRequest): Promise<void> {
    return this.#client.write(request);
  }

  fetch(topic: TopicName, from: number, maxBytes: number): Fetched {
    return this.#reader.fetch(topic, from, maxBytes);
  }

  fetchLatest(topic: TopicName, after: number, maxBytes: number): Fetched {
    return this.#reader.fetchLatest(topic, after, maxBytes);
  }

  bounds(topic: TopicName): { readonly low: number; readonly next: number } {
    return this.#reader.bounds(topic);
  }

  groupState(group: string): GroupState {
    return this.#reader.groupState(group);
  }

  end(): number {
    return this.#reader.end();
  }

  changed(topics: readonly TopicName[], signal: AbortSignal): Promise<void> {
    return this.#changes.wait(topics, signal);
  }

  /** Throws where what was written may not be on the disk. */
  async close(): Promise<void> {
    this.#changes.wakeAll();
    const wasTold = await this.#client.close();
    this.#isClosing = true;
    // A reading connection would keep the WAL from being folded into the file.
    this.#database.close();
    this.#worker.ref();
    this.#worker.postMessage({ kind: 'close' } satisfies WriterCommand);
    await this.#ended;
    this.#ownership.release();
    // The same failure comes twice, to the port and to the owner: who was told by the one is not told by the other.
    if (this.#closingFailure !== undefined && !wasTold) throw this.#closingFailure;
  }
}

/** A store for who does not own the log: in another process, while the owner runs or without one. */
export class ReadOnlyStore implements ReadableStore {
  readonly #database: Database.Database;
  readonly #reader: SqliteReader;
  readonly #changes = new ChangeNotice();
  #polling: NodeJS.Timeout | undefined;
  #version: unknown;

  constructor(directory: string) {
    this.#database = openForReading(directory, 'another');
    this.#reader = new SqliteReader(this.#database);
    this.#version = this.#reader.version();
  }

  fetch(topic: TopicName, from: number, maxBytes: number): Fetched {
    return this.#reader.fetch(topic, from, maxBytes);
  }

  fetchLatest(topic: TopicName, after: number, maxBytes: number): Fetched {
    return this.#reader.fetchLatest(topic, after, maxBytes);
  }

  bounds(topic: TopicName): { readonly low: number; readonly next: number } {
    return this.#reader.bounds(topic);
  }

  end(): number {
    return this.#reader.end();
  }

  /** There is no notice across processes: looks every ten milliseconds, which costs a read of shared memory. */
  async changed(topics: readonly TopicName[], signal: AbortSignal): Promise<void> {
    const woken = this.#changes.wait(topics, signal);
    this.#polling ??= setInterval(() => {
      const version = this.#reader.version();
      if (version === this.#version) return;
      this.#version = version;
      this.#changes.wakeAll();
    }, pollMs);
    await woken;
    if (!this.#changes.isWaitedFor()) {
      clearInterval(this.#polling);
      this.#polling = undefined;
    }
  }

  close(): Promise<void> {
    clearInterval(this.#polling);
    this.#changes.wakeAll();
    this.#database.close();
    return Promise.resolve();
  }
}

const pollMs = 10;

/** What is known of a log whose owner was killed when the file beside it is gone that such an owner always leaves. */
function missingWal(directory: string): readonly string[] {
  const path = databasePath(directory);
  if (!existsSync(path) || existsSync(`${path}-wal`)) return [];
  return [
    `the event log ${path} was not closed at the end of the last run, and ${basename(path)}-wal, which held what that wrote last, ` +
      'is not there: what was in it is lost',
  ];
}

/** A thread that has ended has no id (Node, `worker.threadId`). */
function hasEnded(worker: Worker): boolean {
  return worker.threadId === -1;
}

function startWriter(workerData: WriterOptions): Promise<Worker> {
  // Built or not, the writer lies beside this file with the same extension.
  const worker = new Worker(new URL(`./embedded-writer${extname(import.meta.url)}`, import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (notice: WriterNotice) => {
      worker.off('error', reject);
      if (notice.kind === 'ready') resolve(worker);
      else if (notice.kind === 'failed') reject(unpackFailure(notice.failure));
    });
  });
}
