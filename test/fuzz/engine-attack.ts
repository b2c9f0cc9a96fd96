import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rowsOf, startTestEngine, type TestEngine } from '../support/engine.ts';
import { expect } from './target.ts';

/** Far more than an answer takes: a query has 30 s, and may wait for another. */
const answerMs = 120_000;
/** Silence after which an unfinished request is hung up on. */
const quietMs = 100;
/** Connections that send a byte of a head a second, all the while. */
const slowConnections = 16;

/** What came back on one connection. */
export interface Answer {
  readonly text: string;
  /** Status of each response. */
  readonly statuses: readonly number[];
}

/**
 * A real engine, and baits for it: a file that everybody may read, a folder where everybody may write, a port that takes note of
 * connections. None of them may ever be touched.
 */
export class EngineAttack implements AsyncDisposable {
  readonly #engine: TestEngine;
  readonly #baits = mkdtempSync(path.join(tmpdir(), 'palisade-fuzz-bait-'));
  readonly #secret = `bait-${randomBytes(16).toString('hex')}`;
  readonly #listener: Server;
  readonly #pid: number | undefined;
  readonly #slow = new Set<Socket>();
  readonly #dripping: NodeJS.Timeout;
  #connections = 0;
  #tables = '';

  private constructor(engine: TestEngine, listener: Server) {
    this.#engine = engine;
    this.#listener = listener;
    this.#pid = engine.engine.engineStatus().pid;
    listener.on('connection', (socket) => {
      this.#connections += 1;
      socket.destroy();
    });
    chmodSync(this.#baits, 0o755);
    writeFileSync(path.join(this.#baits, 'file'), this.#secret, { mode: 0o644 });
    mkdirSync(path.join(this.#baits, 'out'));
    chmodSync(path.join(this.#baits, 'out'), 0o777);
    this.#dripping = setInterval(() => {
      this.#drip();
    }, 1000);
  }

  static async start(): Promise<EngineAttack> {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const attack = new EngineAttack(await startTestEngine(), listener);
    attack.#tables = await attack.#state();
    return attack;
  }

  /** Bytes of an input with what differs from run to run in its place: `{{port}}`, `{{reader}}`, `{{file}}` and so on. */
  filledIn(input: Uint8Array): Buffer {
    const { owner, reader } = this.#engine.engine;
    const basic = (user: string, token: string): string => Buffer.from(`${user}:${token}`).toString('base64');
    const address = this.#listener.address();
    const values: Readonly<Record<string, string>> = {
      port: new URL(owner.url).port,
      reader: basic(reader.user, reader.token),
      owner: basic(owner.user, owner.token),
      file: path.join(this.#baits, 'file'),
      out: path.join(this.#baits, 'out'),
      listener: typeof address === 'object' ? String(address?.port) : '',
    };
    const text = Buffer.from(input).toString('latin1');
    return Buffer.from(
      text.replace(/\{\{(\w+)\}\}/gu, (whole, name: string) => values[name] ?? whole),
      'latin1',
    );
  }

  /** Sends bytes, and takes what comes. Hangs up after a while where `isWhole` does not say that there will be an answer. */
  async send(bytes: Uint8Array, isWhole: boolean): Promise<Answer> {
    const socket = connect(Number(new URL(this.#engine.engine.owner.url).port), '127.0.0.1');
    let text = '';
    const isAnswered = await new Promise<boolean>((resolve, reject) => {
      let quiet: NodeJS.Timeout | undefined;
      const late = setTimeout(() => {
        reject(new Error(`no answer and no end within ${answerMs} ms`));
      }, answerMs);
      const finish = (answered: boolean): void => {
        clearTimeout(late);
        clearTimeout(quiet);
        resolve(answered);
      };
      const restart = (): void => {
        clearTimeout(quiet);
        if (!isWhole || text !== '') quiet = setTimeout(finish, quietMs, text !== '');
      };
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
        if (isWhole && isComplete(text)) finish(true);
        else restart();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        finish(text !== '');
      });
      // In two parts: where a request is cut is nobody's business.
      socket.write(bytes.subarray(0, bytes.length / 2));
      socket.write(bytes.subarray(bytes.length / 2));
      restart();
    });
    socket.destroy();
    expect(!isWhole || isAnswered, 'a whole request has no answer');
    expect(text === '' || text.startsWith('HTTP/1.1 '), `an answer begins with ${JSON.stringify(text.slice(0, 40))}`);
    expect(!text.includes(this.#secret), 'a file was read');
    const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gmu)].map(([, status]) => Number(status));
    return { text, statuses };
  }

  /** Throws where the engine is not what it was, or took a bait. */
  async check(): Promise<void> {
    expect(
      this.#engine.events.every(({ kind }) => kind === 'spawned'),
      'the engine died',
    );
    expect(this.#engine.engine.engineStatus().pid === this.#pid, 'the engine is another process');
    expect(readdirSync(path.join(this.#baits, 'out')).length === 0, 'a file was written');
    expect(this.#connections === 0, 'a connection was opened');
    expect((await this.#state()) === this.#tables, 'tables or their rows are not what they were');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#dripping);
    for (const socket of this.#slow) socket.destroy();
    this.#listener.close();
    await this.#engine[Symbol.asyncDispose]();
    rmSync(this.#baits, { recursive: true, force: true });
  }

  /** Answered, so it lives; and what is stored in it. */
  async #state(): Promise<string> {
    const tables = `SELECT name FROM system.tables WHERE database = 'default' ORDER BY name`;
    const rows = await rowsOf<object>(this.#engine.owner, `SELECT groupArray(name) AS names FROM (${tables})`);
    const counts = await rowsOf<object>(this.#engine.reader, 'SELECT count() FROM alerts_stored');
    return JSON.stringify([rows, counts]);
  }

  #drip(): void {
    for (const socket of this.#slow) socket.write('x');
    while (this.#slow.size < slowConnections) {
      const socket = connect(Number(new URL(this.#engine.engine.owner.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('close', () => this.#slow.delete(socket));
      socket.write('GET /ping HTTP/1.1\r\nX: ');
      this.#slow.add(socket);
    }
  }
}

/** Whether a first response is there to its end. */
function isComplete(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const head = text.slice(0, end);
  const length = /^content-length: (\d+)$/imu.exec(head)?.[1];
  if (length !== undefined) return text.length >= end + 4 + Number(length);
  return /^transfer-encoding: chunked$/imu.test(head) && text.endsWith('0\r\n\r\n');
}
