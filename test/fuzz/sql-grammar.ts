import { allowedFormats, allowedFunctions, allowedTableFunctions } from '../../sink/engine/allowed-names.ts';
import type { Random } from './random.ts';

/** What would read, write, connect or wait, were it allowed. */
const forbiddenCalls = [
  "file('{{file}}')",
  'filesystemAvailable()',
  'sleep(1)',
  'hostName()',
  "getSetting('readonly')",
  "catboostEvaluate('{{file}}', 1)",
  "dictGet('{{file}}', 'a', 1)",
  "arrayReduce('flameGraph', [1])",
  "hasColumnInTable('127.0.0.1:{{listener}}', 'a', 'b', 'c')",
  'throwIf(1)',
];
const forbiddenTables = [
  "file('{{file}}', 'LineAsString')",
  "file('{{file}}')",
  "url('http://127.0.0.1:{{listener}}/', 'LineAsString')",
  "s3('http://127.0.0.1:{{listener}}/x', 'LineAsString')",
  "remote('127.0.0.1:{{listener}}', 'system', 'one')",
  "executable('id', 'TSV', 'a String')",
  "sqlite('{{file}}', 't')",
  '`{{file}}`',
  '"{{file}}"',
  'system.processes',
  'system.stack_trace',
  "python('x')",
  "input('a String')",
];
const endings = [
  '',
  '',
  '',
  '',
  " INTO OUTFILE '{{out}}/x'",
  " INTO OUTFILE '{{out}}/x' TRUNCATE FORMAT CSV",
  ' SETTINGS readonly = 0',
  ' SETTINGS max_threads = 1',
  '; SELECT 2',
  ' -- x',
  ' /* x',
  ')',
  ' FORMAT JSONEachRow',
  ' WITH TOTALS',
  ' LIMIT 1 WITH TIES',
  ' UNION ALL SELECT 2',
  ' EXCEPT SELECT 1',
];
const others = [
  "CREATE TABLE x (a Int8) ENGINE = File(CSV, '{{out}}/x')",
  "INSERT INTO FUNCTION file('{{out}}/x', 'CSV') SELECT 1",
  'DROP TABLE alerts_stored',
  'TRUNCATE TABLE alerts_stored',
  "INSERT INTO alerts_stored (id) VALUES ('x')",
  'SYSTEM SHUTDOWN',
  'SET readonly = 0',
  'KILL QUERY WHERE 1',
  "BACKUP TABLE alerts_stored TO File('{{out}}/x')",
  'ATTACH TABLE x',
  'CREATE FUNCTION x AS (a) -> file(a)',
  'OPTIMIZE TABLE alerts_stored FINAL',
  'ALTER TABLE alerts_stored DELETE WHERE 1',
  'SHOW TABLES',
  'SHOW CREATE TABLE alerts_stored',
  'DESCRIBE alerts',
  'EXISTS alerts',
];
const literals = [
  '0',
  '1',
  '-1',
  '255',
  '9223372036854775807',
  '-9223372036854775808',
  '1e308',
  'nan',
  'inf',
  '0.1',
  "''",
  "'a'",
  "'/'",
  String.raw`'\0'`,
  String.raw`'\xff'`,
  "'{{file}}'",
  'NULL',
  '[]',
  '[1, 2]',
  '()',
  '(1, 2)',
  "map('a', 1)",
  'INTERVAL 1 DAY',
  "DATE '2026-01-01'",
  '*',
  'true',
];
const columns = [
  'number',
  'id',
  'time',
  'resource',
  'ancestry',
  'raw_bytes_hex',
  'a',
  'b',
  '`a b`',
  'n.number',
  'file',
  'x',
];
const types = [
  'String',
  'Int8',
  'UInt64',
  'Array(String)',
  'Nullable(Int32)',
  'DateTime64(9)',
  'Decimal(38, 10)',
  'FixedString(3)',
  'IPv6',
  'JSON',
];
const operators = [
  '+',
  '-',
  '*',
  '/',
  '%',
  '=',
  '<',
  'AND',
  'OR',
  'LIKE',
  'IN',
  'NOT IN',
  '||',
  'IS NOT DISTINCT FROM',
  '.',
];

/** Queries that a person could write, and some that nobody would. */
export class SqlGrammar {
  readonly #functions = allowedFunctions().names;
  readonly #tableFunctions = [...allowedTableFunctions];
  readonly #formats = [...allowedFormats, 'Template', 'Avro', 'ORC', 'SQLInsert'];

  statement(random: Random): string {
    if (random.oneIn(12)) return random.of(others);
    const explained = random.oneIn(16)
      ? random.of(['EXPLAIN ', 'EXPLAIN AST ', 'EXPLAIN PIPELINE ', 'EXPLAIN ESTIMATE ', 'DESCRIBE '])
      : '';
    const format = random.oneIn(6) ? ` FORMAT ${random.of(this.#formats)}` : '';
    return `${explained}${this.#select(random, 3)}${random.of(endings)}${format}`;
  }

  #select(random: Random, depth: number): string {
    const list = this.#list(random, depth);
    const maybe = (clause: () => string): string => (random.oneIn(4) ? clause() : '');
    const value = (): string => this.#expression(random, depth - 1);
    return [
      maybe(() => `WITH ${random.oneIn(2) ? `${value()} AS a` : `x AS (${this.#select(random, depth - 1)})`} `),
      `SELECT ${random.oneIn(8) ? 'DISTINCT ' : ''}${list}`,
      random.oneIn(4) ? '' : ` FROM ${this.#table(random, depth)}`,
      maybe(() => ` ARRAY JOIN [${value()}, ${value()}] AS b`),
      maybe(() => ` WHERE ${value()}`),
      maybe(() => ` GROUP BY ${random.of([value(), 'ALL', `ROLLUP(${value()})`, 'GROUPING SETS ((1), ())'])}`),
      maybe(() => ` HAVING ${value()}`),
      maybe(() => ` QUALIFY ${value()}`),
      maybe(() => ` ORDER BY ${value()} ${random.of(['', 'DESC NULLS FIRST', 'WITH FILL TO 3', "COLLATE 'en'"])}`),
      ` LIMIT ${random.of(['1', '10', '0', value()])}`,
    ].join('');
  }

  #table(random: Random, depth: number): string {
    if (depth > 0 && random.oneIn(4)) return `(${this.#select(random, depth - 1)})`;
    if (random.oneIn(5)) return random.of(forbiddenTables);
    if (depth > 0 && random.oneIn(5)) {
      const join = random.of(['CROSS JOIN', 'LEFT JOIN', 'ASOF JOIN', 'PASTE JOIN', 'ANTI JOIN']);
      return `${this.#table(random, 0)} AS n ${join} ${this.#table(random, 0)} AS m ${random.of(['', 'USING number', 'ON n.number = m.number'])}`;
    }
    return random.of([
      'numbers(3)',
      'alerts',
      'coverage',
      'loss',
      'system.one',
      'system.tables',
      'x',
      `${random.of(this.#tableFunctions)}(${this.#list(random, 0)})`,
    ]);
  }

  #list(random: Random, depth: number): string {
    return Array.from({ length: 1 + random.below(3) }, () => this.#expression(random, depth)).join(', ');
  }

  #expression(random: Random, depth: number): string {
    if (depth <= 0) return random.of(random.oneIn(2) ? literals : columns);
    const inner = (): string => this.#expression(random, depth - 1);
    switch (random.below(12)) {
      case 0:
        return random.of(forbiddenCalls);
      case 1:
        return `${inner()} ${random.of(operators)} ${inner()}`;
      case 2:
        return `CAST(${inner()} AS ${random.of(types)})`;
      case 3:
        return `(${this.#select(random, depth - 1)})`;
      case 4:
        return `CASE WHEN ${inner()} THEN ${inner()} ELSE ${inner()} END`;
      case 5:
        return `arrayMap(${random.of(['x -> x', 'x -> file(x)', 'file', '(x, y) -> x', 'toString'])}, [${inner()}])`;
      case 6:
        return `${random.of(this.#functions)}(${this.#list(random, depth - 1)}) OVER (ORDER BY ${inner()})`;
      case 7:
        return `${random.of(this.#functions)}(${this.#list(random, 0)})(${this.#list(random, depth - 1)})`;
      default:
        return `${random.of(this.#functions)}(${this.#list(random, depth - 1)})`;
    }
  }
}
