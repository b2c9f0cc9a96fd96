import { EngineAttack } from '../engine-attack.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { SqlGrammar } from '../sql-grammar.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from '../target.ts';

/** A person's query → the confinement and the engine behind it: sink/engine/person-query.ts, in a real engine's process. */
export const engineSql: FuzzTargetKind = {
  name: 'engine-sql',
  isGuided: false,
  cpuMsMax: 1000,
  open: async () => new EngineSqlTarget(await EngineAttack.start()),
};

class EngineSqlTarget implements FuzzTarget {
  readonly seeds = [
    'SELECT 1',
    'SELECT policy_name, count() FROM alerts GROUP BY policy_name',
    "SELECT file('{{file}}')",
    "SELECT * FROM file('{{file}}', 'LineAsString')",
    "SELECT 1 INTO OUTFILE '{{out}}/x'",
    "SELECT * FROM url('http://127.0.0.1:{{listener}}/', 'LineAsString')",
    'SELECT * FROM `{{file}}`',
    "INSERT INTO FUNCTION file('{{out}}/x', 'CSV') SELECT 1",
    'SELECT 1 FORMAT Parquet',
  ].map((text) => Buffer.from(text));
  readonly #attack: EngineAttack;
  readonly #grammar = new SqlGrammar();

  constructor(attack: EngineAttack) {
    this.#attack = attack;
  }

  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
    const query = random.oneIn(8) ? input : Buffer.from(this.#grammar.statement(random));
    return random.oneIn(4) ? mutateBytes(random, query, other) : query;
  }

  async run(input: Uint8Array): Promise<void> {
    const head =
      'POST / HTTP/1.1\r\nHost: 127.0.0.1:{{port}}\r\nAuthorization: Basic {{reader}}\r\nConnection: close\r\n';
    const body = this.#attack.filledIn(input);
    const request = this.#attack.filledIn(Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`));
    const { statuses, text } = await this.#attack.send(Buffer.concat([request, body]), true);
    expect(statuses.length > 0, 'a query has no answer');
    if (statuses[0] !== 200) {
      expect(/^Code: \d+\. /mu.test(text), `an error without a code: ${text.slice(0, 400)}`);
    }
    await this.#attack.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#attack[Symbol.asyncDispose]();
  }
}
