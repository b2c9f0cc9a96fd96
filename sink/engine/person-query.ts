import type { AllowedFunctions } from './allowed-names.ts';
import { accessDenied } from './exception.ts';
import { refusalOf, type NameRules } from './syntax-tree.ts';

/** Values of `{name:Type}` in a query. */
export type QueryParameters = Readonly<Record<string, string | null>>;

/** Runs one statement on the readers' connection and returns the first column of its rows. Throws what the engine throws. */
export type AskEngine = (sql: string, parameters: QueryParameters) => Promise<readonly string[]>;

/** A query that may run as it stands here. */
export interface AdmittedQuery {
  readonly sql: string;
  /** The format that the query itself asked for. */
  readonly format: string | undefined;
}

/** Longest query. ClickHouse's own `max_query_size` is 256 KiB, and ours grows a little by being formatted and wrapped. */
export const maxQueryCharacters = 64 * 1024;

/** A table's name as the engine prints it: at most a database before it, no quoting. */
const tableName = String.raw`(?:default\.)?[A-Za-z_][A-Za-z0-9_]*`;
const stringLiteral = String.raw`'(?:[^'\\]|\\.)*'`;

/** SHOW and DESCRIBE, by the engine's own spelling of them: everything that may vary is a table's name or a pattern. */
const plainStatements: readonly RegExp[] = [
  new RegExp(`^DESCRIBE TABLE ${tableName}$`, 'u'),
  new RegExp(`^SHOW CREATE (?:TABLE|VIEW) ${tableName}$`, 'u'),
  new RegExp(`^SHOW TABLES(?: FROM default)?(?: (?:NOT )?I?LIKE ${stringLiteral})?$`, 'u'),
  /^SHOW DATABASES$/u,
  new RegExp(`^EXISTS (?:TABLE|VIEW) ${tableName}$`, 'u'),
];

/** EXPLAIN of a SELECT. Its settings are numbers, and change what is printed. */
const explain =
  /^EXPLAIN((?: (?:AST|SYNTAX|QUERY TREE|PLAN|PIPELINE|ESTIMATE))?(?: [a-z_]+ = \d+,?)*) ((?:SELECT|WITH|\()[\s\S]*)$/u;

/**
 * Decides what of a person's text the engine runs. The text first reaches it as a value, of a function that refuses
 * several statements; what that function prints is wrapped as a subquery, where neither INTO OUTFILE nor a second
 * statement can stand; and the tree of exactly that text is judged by allow-lists. The engine's `readonly` is no sandbox:
 * with it, INTO OUTFILE still writes and the function file() still reads.
 */
export class PersonQueries {
  readonly #ask: AskEngine;
  readonly #rules: NameRules;

  private constructor(ask: AskEngine, rules: NameRules) {
    this.#ask = ask;
    this.#rules = rules;
  }

  /** Asks the engine which functions it has, to know the names that may not be mentioned. */
  static async open(ask: AskEngine, functions: AllowedFunctions): Promise<PersonQueries> {
    const known = await ask('SELECT name FROM system.functions', {});
    const forbidden = known.filter((name) => !functions.isAllowed(name)).map((name) => name.toLowerCase());
    return new PersonQueries(ask, { functions, forbiddenFunctions: new Set(forbidden) });
  }

  /** Throws EngineException: ACCESS_DENIED where the query is refused, the engine's own where it is no query at all. */
  async admit(text: string, parameters: QueryParameters): Promise<AdmittedQuery> {
    if (text.length > maxQueryCharacters)
      throw accessDenied(`A query may have ${maxQueryCharacters} characters; this one has ${text.length}.`);
    const { statement, format } = splitFormat(await this.#singleLine(text));
    if (/^(?:SELECT|WITH|\()/u.test(statement)) return { sql: await this.#admitSelect(statement, parameters), format };
    const [, kind, explained] = explain.exec(statement) ?? [];
    if (kind !== undefined && explained !== undefined)
      return { sql: `EXPLAIN${kind} ${await this.#admitSelect(explained, parameters)}`, format };
    if (plainStatements.some((plain) => plain.test(statement))) return { sql: statement, format };
    throw accessDenied(
      'Only SELECT, EXPLAIN of a SELECT, DESCRIBE, SHOW TABLES, SHOW DATABASES, SHOW CREATE and EXISTS are available here.',
    );
  }

  async #admitSelect(statement: string, parameters: QueryParameters): Promise<string> {
    if (withoutLiterals(statement).includes(' INTO OUTFILE '))
      throw accessDenied('INTO OUTFILE is not available here: take the output where you read it.');
    const wrapped = `SELECT * FROM (${statement})`;
    // Printed again it must still be one statement that is a subquery and nothing more: had the printing above lost a
    // quote or a bracket, something could follow.
    const again = await this.#singleLine(wrapped);
    if (!again.startsWith('SELECT * FROM (') || !again.endsWith(')'))
      throw accessDenied('The query could not be confined: it is no plain SELECT.');
    const refusal = refusalOf(await this.#ask(`EXPLAIN AST ${wrapped}`, parameters), this.#rules);
    if (refusal !== undefined) throw accessDenied(`The query was not run: ${refusal}.`);
    return wrapped;
  }

  /** The engine's own spelling of a single statement, on one line, without comments. */
  async #singleLine(text: string): Promise<string> {
    const [line = ''] = await this.#ask('SELECT formatQuerySingleLine({palisade_query:String})', {
      palisade_query: text,
    });
    return line;
  }
}

/** Takes the FORMAT clause off. The engine prints it last, and a bare word at the end can be nothing else after FORMAT. */
export function splitFormat(line: string): { readonly statement: string; readonly format: string | undefined } {
  const match = /^([\s\S]*) FORMAT ([A-Za-z0-9]+)$/u.exec(line);
  const [, statement, format] = match ?? [];
  return statement === undefined ? { statement: line, format: undefined } : { statement, format };
}

/** For words in messages only: what is decided is decided on the tree. */
function withoutLiterals(statement: string): string {
  return statement.replace(/'(?:[^'\\]|\\.)*'/gu, "''");
}
