import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs, retry } from '../runtime/retry.ts';
import type { ClickHouseAddress } from './clickhouse-client.ts';
import { ConnectionGate } from './connection-gate.ts';
import { publishEngineAddress, withdrawEngineAddress } from './engine-address.ts';
import { engineLockHolder, prepareEngineDirectory, type EngineUser } from './engine-directory.ts';
import { startEngineProcess, type EngineProcess, type EngineStart } from './engine-process.ts';
import type { Confinement } from './engine/protocol.ts';
import { EngineError } from './sink-error.ts';

export interface EmbeddedClickHouseOptions {
  /** Palisade's data directory. The engine's is `clickhouse` in it, its address `clickhouse-address.json`. */
  readonly dataDirectory: string;
  /** Whom the engine runs as; `undefined`: as this process's user, which the status then says. Needs root. */
  readonly runAs: EngineUser | undefined;
  /** How long to wait where another process has the data open, in milliseconds. */
  readonly lockTimeoutMs?: number;
  /** Told of what happens to the engine, from its first process on. */
  readonly report?: (event: EngineEvent) => void;
}

export type EngineEvent =
  /** A process of the engine exists, the first one or a later one, and has done nothing yet. */
  | { readonly kind: 'spawned'; readonly pid: number }
  | { readonly kind: 'died'; readonly pid: number; readonly how: string; readonly restartInMs: number }
  | { readonly kind: 'restarted'; readonly pid: number }
  | { readonly kind: 'restartFailed'; readonly error: unknown; readonly restartInMs: number };

/** What holds of the engine at the moment. */
export interface EngineStatus {
  readonly state: 'running' | 'restarting' | 'stopped';
  /** Of the engine's process; `undefined` while it isn't running. */
  readonly pid: number | undefined;
  /** As the process read it from the kernel after it was confined. */
  readonly confinement: Confinement;
}

/** A running engine. Disposing of it stops the process and waits until the data is free. */
export interface EmbeddedClickHouse extends AsyncDisposable {
  /** For the sink and the migrations: may do everything. Stays the same when the engine is restarted. */
  readonly owner: ClickHouseAddress;
  /** For people's queries: confined, and limited in time, rows and memory. */
  readonly reader: ClickHouseAddress;
  engineStatus(): EngineStatus;
}

/** `up` and `sql` may want the data at one moment; a query takes 30 s at most, and closing a little. */
const defaultLockTimeoutMs = 40_000;
const lockPollMs = 200;

/** The first death is followed by a start at once, since that is what a stray kill looks like; then never a busy loop. */
const restartBackoff = { firstDelayMs: 250, maxDelayMs: 10_000 } as const;
/** An engine that ran this long was well: the next death starts the backoff anew. */
const wellAfterMs = 60_000;

/**
 * Starts the embedded ClickHouse on a data directory as a process of its own, and keeps it running. The listening socket
 * is this process's: connections that come while the engine is restarted wait for it, and nobody else can take the port.
 * Throws EngineError; retriable where another process, which it names, still has the data open.
 */
export async function startEmbeddedClickHouse(options: EmbeddedClickHouseOptions): Promise<EmbeddedClickHouse> {
  const directory = path.join(options.dataDirectory, 'clickhouse');
  await prepareEngineDirectory(directory, options.runAs);
  const token = randomBytes(32).toString('base64url');
  const readerToken = randomBytes(32).toString('base64url');
  const gate = await ConnectionGate.listen();
  const report = options.report ?? (() => undefined);
  const start = {
    directory,
    runAs: options.runAs === undefined ? undefined : { uid: options.runAs.uid, gid: options.runAs.gid },
    port: gate.port,
    token,
    readerToken,
  };
  const startProcess = () =>
    startEngineProcess(start, (pid) => {
      report({ kind: 'spawned', pid });
    });
  try {
    const first = await startWhenFree(directory, startProcess, options.lockTimeoutMs ?? defaultLockTimeoutMs);
    const url = `http://127.0.0.1:${gate.port}`;
    const engine = new SupervisedEngine(first, gate, startProcess, report);
    await publishEngineAddress(options.dataDirectory, { url, readerToken, landlock: first.confinement.landlock });
    return {
      owner: { url, user: 'palisade', token },
      reader: { url, user: 'reader', token: readerToken },
      engineStatus: () => engine.status(),
      [Symbol.asyncDispose]: async () => {
        await withdrawEngineAddress(options.dataDirectory);
        await engine.stop();
      },
    };
  } catch (error) {
    gate.close();
    throw error;
  }
}

async function startWhenFree(
  directory: string,
  startProcess: () => Promise<EngineStart>,
  timeoutMs: number,
): Promise<EngineProcess> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    // Asked of the kernel first: a try costs half a second of a core.
    const holder = engineLockHolder(directory);
    if (holder === undefined) {
      const attempt = await startProcess();
      if (attempt.kind === 'running') return attempt.process;
      if (attempt.reason !== 'locked') throw attempt.error;
    }
    if (performance.now() >= deadlineMs)
      throw new EngineError(
        `Opening the ClickHouse data in ${directory} failed: process ${engineLockHolder(directory) ?? holder ?? 'unknown'} has it open.`,
        { retriable: true },
      );
    await sleep(lockPollMs);
  }
}

type Restart = () => Promise<EngineStart>;

/** One engine process after the other, behind one gate. */
class SupervisedEngine {
  #current: EngineProcess | undefined;
  #confinement: Confinement;
  readonly #gate: ConnectionGate;
  readonly #stopping = new AbortController();
  readonly #supervision: Promise<void>;

  constructor(first: EngineProcess, gate: ConnectionGate, restart: Restart, report: (event: EngineEvent) => void) {
    this.#gate = gate;
    this.#confinement = first.confinement;
    this.#open(first);
    this.#supervision = this.#supervise(first, restart, report);
  }

  status(): EngineStatus {
    const state = this.#current === undefined ? (this.#stopping.signal.aborted ? 'stopped' : 'restarting') : 'running';
    return { state, pid: this.#current?.pid, confinement: this.#confinement };
  }

  /** Asked anew after every wait. */
  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#gate.close();
    await this.#current?.stop();
    await this.#supervision;
  }

  #open(engine: EngineProcess): void {
    this.#current = engine;
    this.#confinement = engine.confinement;
    this.#gate.open((socket) => {
      engine.give(socket);
    });
  }

  async #supervise(first: EngineProcess, restart: Restart, report: (event: EngineEvent) => void): Promise<void> {
    const { signal } = this.#stopping;
    let engine = first;
    let deaths = 0;
    for (;;) {
      const startedMs = performance.now();
      const how = await engine.ended;
      this.#current = undefined;
      this.#gate.hold();
      if (signal.aborted) return;
      deaths = performance.now() - startedMs > wellAfterMs ? 1 : deaths + 1;
      const restartInMs = deaths === 1 ? 0 : backoffMs(deaths, restartBackoff);
      report({ kind: 'died', pid: engine.pid, how, restartInMs });
      const next = await this.#restart(restart, restartInMs, report);
      if (next === undefined) return;
      engine = next;
      this.#open(engine);
      report({ kind: 'restarted', pid: engine.pid });
    }
  }

  /** Tries until there is an engine again; `undefined` when nobody wants one any more. */
  async #restart(
    restart: Restart,
    firstMs: number,
    report: (event: EngineEvent) => void,
  ): Promise<EngineProcess | undefined> {
    const { signal } = this.#stopping;
    const attempt = async () => {
      const started = await restart();
      if (started.kind === 'running') return started.process;
      // It could start before: whatever keeps it now may pass.
      throw new EngineError(started.error.message, { cause: started.error, retriable: true });
    };
    try {
      await sleep(firstMs, undefined, { signal });
      const engine = await retry(attempt, {
        ...restartBackoff,
        maxAttempts: Infinity,
        signal,
        onRetry: (error, _attempt, delayMs) => {
          report({ kind: 'restartFailed', error, restartInMs: delayMs });
        },
      });
      if (!this.#isStopping()) return engine;
      await engine.stop();
      return undefined;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }
}
