import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { connectClickHouse } from '../../sink/clickhouse-client.ts';
import { findEngineAddress } from '../../sink/engine-address.ts';
import { rowsOf } from './engine.ts';
import { eventually } from './eventually.ts';
import { PalisadeHome, type PalisadeProcess, type StartOptions } from './palisade-process.ts';

/** A rule of a policy's `file.matchDirectories`. */
export interface DirectoryPolicy {
  readonly directory: string;
  readonly action?: 'Audit' | 'Block';
  readonly severity?: number;
  readonly message?: string;
}

/**
 * A home with policies of a test's own: every file act in `acts` is audited by the policy `acts`, and in `marks` by `marks`. A
 * mark that has arrived in ClickHouse proves that all before it were judged and stored: the ring, the log and the sink keep the
 * order of a node.
 */
export class FlowHome extends PalisadeHome {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'palisade-flow-'));
  readonly policies = path.join(this.folder, 'policies');
  readonly acts = path.join(this.folder, 'acts');
  readonly #marks = path.join(this.folder, 'marks');
  #lastMark = 0;

  constructor() {
    super();
    for (const folder of [this.policies, this.acts, this.#marks]) mkdirSync(folder);
    this.writePolicy('acts', { directory: `${this.acts}/` });
    this.writePolicy('marks', { directory: `${this.#marks}/` });
  }

  /** Writes, or replaces, a policy of the host about one directory and what is below. */
  writePolicy(name: string, { directory, action = 'Audit', severity = 5, message = name }: DirectoryPolicy): void {
    const policy = {
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorHostPolicy',
      metadata: { name },
      spec: {
        nodeSelector: { matchLabels: { 'kubearmor.io/hostname': '*' } },
        severity,
        message,
        file: { matchDirectories: [{ dir: directory, recursive: true }] },
        action,
      },
    };
    // JSON is YAML.
    this.writePolicyText(`${name}.yaml`, `${JSON.stringify(policy, undefined, 2)}\n`);
  }

  /** Writes, or replaces, a policy file. */
  writePolicyText(file: string, text: string): void {
    writeFileSync(path.join(this.policies, file), text);
  }

  /** Does one act that the policy `acts` audits, and returns the path. */
  act(name: string): string {
    const file = path.join(this.acts, name);
    writeFileSync(file, '');
    return file;
  }

  /** Starts `palisade up` with these policies; does not wait. `--json` unless it is in a terminal. */
  startUp(options: StartOptions = {}): PalisadeProcess {
    const json = options.terminal === true ? [] : ['--json'];
    return this.start(['up', ...json, '--policies', this.policies], options);
  }

  /** Starts `palisade up` and waits until it watches this machine. */
  async up(options: StartOptions = {}): Promise<PalisadeProcess> {
    const up = this.startUp(options);
    await up.says(/Watching this machine/u);
    return up;
  }

  /** Rows of a query on the engine of the running `up`. */
  async rows<Row>(query: string): Promise<readonly Row[]> {
    const client = this.reader();
    try {
      return await rowsOf<Row>(client, query);
    } finally {
      await client.close();
    }
  }

  /** A client for people's queries on the engine of the running `up`. */
  reader(): ClickHouseClient {
    const address = findEngineAddress(this.dataDirectory);
    if (address === undefined) throw new Error('no engine is running');
    return connectClickHouse(address);
  }

  /** Rows of a query by `palisade sql`, as a user would ask. */
  async sql<Row>(query: string): Promise<readonly Row[]> {
    const { code, output, errors } = await this.run(['sql', '--json', query]);
    if (code !== 0) throw new Error(`sql ended with ${String(code)}: ${errors}`);
    return output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row);
  }

  /** Waits until everything that happened before this call is judged, and its alerts are in ClickHouse. */
  async settled(): Promise<void> {
    this.#lastMark += 1;
    const mark = path.join(this.#marks, String(this.#lastMark));
    writeFileSync(mark, '');
    await eventually(`an alert of ${mark}`, async () => {
      // While the engine is between two lives nobody answers: the mark is not there yet.
      const [row] = await this.rows<{ readonly times: number }>(
        `SELECT count() AS times FROM alerts WHERE resource = '${mark}'`,
      ).catch(() => []);
      return Number(row?.times) > 0 ? true : undefined;
    });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
