import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import type { Socket } from 'node:net';
import path from 'node:path';
import { printable } from '../runtime/printable.ts';
import {
  isEngineMessage,
  type Confinement,
  type ConnectionMessage,
  type EngineFailure,
  type EngineMessage,
  type StartMessage,
} from './engine/protocol.ts';
import { EngineError } from './sink-error.ts';

/** One life of the engine's process, serving. */
export interface EngineProcess {
  readonly pid: number;
  readonly confinement: Confinement;
  /** Resolves when it has ended, with how, in words. */
  readonly ended: Promise<string>;
  /** Hands an accepted connection over; this process is then done with it. */
  give(socket: Socket): void;
  /** Asks it to end, and after `stopTimeoutMs` makes it. */
  stop(): Promise<void>;
}

export type EngineStart =
  | { readonly kind: 'running'; readonly process: EngineProcess }
  | { readonly kind: 'failed'; readonly reason: EngineFailure; readonly error: EngineError };

/** 0.5 s on an idle machine; a loaded one, and a large data directory, take longer. */
const startTimeoutMs = 60_000;

/** The engine gives what is running 4 s of its own. */
const stopTimeoutMs = 5_000;

/** What is kept of the engine's last words: a native library prints its reasons there, and nowhere else. */
const maxLastWords = 4_096;

/**
 * Starts the process and waits until it serves. It gets no environment but a path and a time zone, what it needs comes
 * over the channel, and its standard input is its life line: a pipe that closes when we die, however we die. `onSpawned` is
 * told its pid before it has done anything.
 */
export async function startEngineProcess(
  options: Omit<StartMessage, 'kind'>,
  onSpawned: (pid: number) => void,
): Promise<EngineStart> {
  const child = spawnEngine(options.directory);
  if (child.pid !== undefined) onSpawned(child.pid);
  const lastWords = collectLastWords(child);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('exit', (code, signal) => {
      resolve(signal ?? `exit code ${code ?? -1}`);
    });
  });
  // The channel and the pipe break when the engine dies; that it died is told by `ended`.
  child.stdin?.on('error', () => undefined);
  child.on('error', () => undefined);
  const first = new Promise<EngineMessage>((resolve) => {
    child.on('message', (message) => {
      if (isEngineMessage(message)) resolve(message);
    });
  });
  child.send({ kind: 'start', ...options } satisfies StartMessage);
  const answer = await Promise.race([first, ended, timeout(startTimeoutMs)]);
  if (typeof answer === 'object' && answer.kind === 'ready' && child.pid !== undefined)
    return { kind: 'running', process: runningProcess(child, child.pid, answer.confinement, ended) };
  child.kill('SIGKILL');
  const how = await ended;
  const failed = typeof answer === 'object' && answer.kind === 'failed' ? answer : undefined;
  const reason = failed?.reason ?? 'other';
  const said = printable((failed?.message ?? lastWords()).trim());
  const message = `Starting the ClickHouse engine on ${options.directory} failed: ${said === '' ? how : said}.`;
  return {
    kind: 'failed',
    reason,
    error: new EngineError(withRemedy(message, reason), { retriable: reason === 'locked' }),
  };
}

function withRemedy(message: string, reason: string): string {
  return reason === 'inaccessible'
    ? `${message} Give every folder on the way the permission x for others, or choose another data directory.`
    : message;
}

/** What the engine reads besides its own folder: itself, libraries, the loader's cache, what the kernel tells of the machine. */
const readable = ['/usr', '/lib', '/lib64', '/etc/ld.so.cache', '/etc/localtime', '/proc', '/sys', '/dev/urandom'];

function spawnEngine(directory: string): ChildProcess {
  const main = path.join(import.meta.dirname, 'engine', 'main.js');
  const [command = process.execPath, ...args] = confined(directory, [process.execPath, '--enable-source-maps', main]);
  return spawn(command, args, {
    stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
    // Node reads OpenSSL's configuration before anything else, and ends where it may not; the engine speaks no TLS.
    env: { PATH: '/usr/bin:/bin', TZ: 'UTC', LANG: 'C.UTF-8', OPENSSL_CONF: '/dev/null' },
    cwd: '/',
    // A process group of its own: Ctrl-C in the terminal is for us, and we still drain into it.
    detached: true,
  });
}

/**
 * The command behind what confines it: the native build's program (native/confine.cc), else util-linux's setpriv, which
 * Debian has everywhere and which only forbids new privileges. `engineStatus` says what came of it.
 */
function confined(directory: string, command: readonly string[]): readonly string[] {
  const root = path.dirname(findPackageJSON('..', import.meta.url) ?? import.meta.dirname);
  const confine = path.join(root, 'native/build/confine');
  if (existsSync(confine)) {
    const code = [path.dirname(import.meta.dirname), path.join(root, 'node_modules'), path.join(root, 'package.json')];
    const reads = [...readable, ...code, process.execPath].flatMap((file) => ['--read', file]);
    return [confine, ...reads, '--write', directory, '--write', '/dev/null', '--', ...command];
  }
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file));
  return setpriv === undefined ? command : [setpriv, '--no-new-privs', ...command];
}

function collectLastWords(child: ChildProcess): () => string {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-maxLastWords);
  });
  return () => words;
}

function runningProcess(
  child: ChildProcess,
  pid: number,
  confinement: Confinement,
  ended: Promise<string>,
): EngineProcess {
  // Both processes have the socket until the engine says that it has it. One that it never got is closed here: its
  // client then knows, and tries again.
  const given = new Map<number, Socket>();
  let lastId = 0;
  const drop = (id: number) => {
    given.get(id)?.destroy();
    given.delete(id);
  };
  child.on('message', (message) => {
    if (isEngineMessage(message) && message.kind === 'accepted') drop(message.id);
  });
  void ended.then(() => {
    for (const id of given.keys()) drop(id);
  });
  return {
    pid,
    confinement,
    ended,
    give(socket) {
      const id = ++lastId;
      given.set(id, socket);
      if (!child.connected) {
        drop(id);
        return;
      }
      child.send({ kind: 'connection', id } satisfies ConnectionMessage, socket, { keepOpen: true }, (error) => {
        if (error !== null) drop(id);
      });
    },
    async stop() {
      child.stdin?.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

function timeout(milliseconds: number): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, `no answer within ${milliseconds} ms`).unref();
  });
}
