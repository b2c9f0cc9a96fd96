import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { QueryError, sinkErrorOf } from '../sink/sink-error.ts';

/** A query of a command's own. */
export interface RowsQuery {
  readonly query: string;
  /** Values of `{name:Type}`, which no text of a person's can leave. */
  readonly query_params?: Readonly<Record<string, string | number>>;
}

/**
 * The rows of a query by a reader, as JSON has them. Throws QueryError where the engine refuses it, as one of an older `up`
 * that lacks a view does, and SinkError where it can't be reached.
 */
export async function queryRows<Row>(
  client: ClickHouseClient,
  url: string,
  { query, query_params = {} }: RowsQuery,
): Promise<readonly Row[]> {
  try {
    const result = await client.query({ query, query_params, format: 'JSONEachRow' });
    return await result.json<Row>();
  } catch (error) {
    if (!(error instanceof ClickHouseError)) throw sinkErrorOf(error, url, 0);
    throw new QueryError(`The engine did not answer: ${error.message}`, { cause: error });
  }
}

/**
 * A condition that holds where `column` equals one of `values`, each a parameter of its own: in one of a composite type the
 * engine's reader can't have a quote. No value: nothing equals it.
 */
export function oneOf(
  column: string,
  prefix: string,
  values: readonly string[],
): { readonly condition: string; readonly parameters: Readonly<Record<string, string>> } {
  if (values.length === 0) return { condition: 'false', parameters: {} };
  const names = values.map((_, place) => `${prefix}${place}`);
  return {
    condition: `(${names.map((name) => `${column} = {${name}:String}`).join(' OR ')})`,
    parameters: Object.fromEntries(values.map((value, place) => [`${prefix}${place}`, value])),
  };
}
