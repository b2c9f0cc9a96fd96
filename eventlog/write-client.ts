import type { MessagePort } from 'node:worker_threads';
import { EventLogError } from './errors.ts';
import type { WriteRequest } from './log-store.ts';
import { packRequest, unpackFailure, type WriteOutcome } from './write-protocol.ts';

/** Bytes on their way to the writer at most; further requests wait for room, in order. */
const maxBytesUnderway = 32 << 20;

interface Underway {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One thread's way to the writer of an embedded log. */
export class WriteClient {
  readonly #port: MessagePort;
  readonly #underway = new Map<number, Underway>();
  #bytesUnderway = 0;
  #nextId = 0;
  /** Resolves when all earlier requests have been posted. */
  #turn: Promise<void> = Promise.resolve();
  #onSettled: () => void = () => undefined;
  #closed: Error | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (outcome: WriteOutcome) => {
      this.#settle(outcome);
    });
    port.on('close', () => {
      this.fail(new EventLogError('EVENT_LOG_FAILED', 'the event log was closed'));
    });
    // An idle port must not keep a process alive; one that waits for an answer must.
    port.unref();
  }

  /** Resolves when written. In the order of the calls. */
  async write(request: WriteRequest): Promise<void> {
    const before = this.#turn;
    let posted: () => void = () => undefined;
    this.#turn = new Promise((resolve) => {
      posted = resolve;
    });
    await before;
    while (this.#bytesUnderway >= maxBytesUnderway) await this.#settled();
    try {
      const written = this.#post(request);
      posted();
      await written;
    } finally {
      // Also where the request could not be posted.
      posted();
    }
  }

  /** Rejects what is underway and whatever comes. */
  fail(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#underway.values()) reject(this.#closed);
    this.#underway.clear();
    this.#bytesUnderway = 0;
    this.#onSettled();
  }

  /** Waits for what is underway, then closes the port. Resolves to whether it had failed before. */
  async close(): Promise<boolean> {
    await this.#turn;
    while (this.#underway.size > 0) await this.#settled();
    const hadFailed = this.#closed !== undefined;
    this.#closed ??= new EventLogError('EVENT_LOG_FAILED', 'the event log was closed');
    this.#port.close();
    return hadFailed;
  }

  #post(request: WriteRequest): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const packed = packRequest(this.#nextId++, request);
    const bytes = packed.values.length;
    this.#port.ref();
    // The values are ours alone, and are gone from this thread afterwards.
    this.#port.postMessage(packed, [packed.values.buffer]);
    this.#bytesUnderway += bytes;
    return new Promise((resolve, reject) => {
      this.#underway.set(packed.id, { bytes, resolve, reject });
    });
  }

  #settle({ ids, failed, ended }: WriteOutcome): void {
    for (const { id, failure } of failed) this.#take(id)?.reject(unpackFailure(failure));
    for (const id of ids) this.#take(id)?.resolve();
    if (ended !== undefined) this.fail(unpackFailure(ended));
    if (this.#underway.size === 0) this.#port.unref();
    this.#onSettled();
  }

  #take(id: number): Underway | undefined {
    const request = this.#underway.get(id);
    this.#underway.delete(id);
    this.#bytesUnderway -= request?.bytes ?? 0;
    return request;
  }

  /** Resolves when something underway has been settled. Of those who wait, each wakes those before it. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#onSettled;
      this.#onSettled = () => {
        this.#onSettled = () => undefined;
        before();
        resolve();
      };
    });
  }
}
