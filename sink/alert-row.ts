import type { Alert, Coverage, RuleReference } from '../schemas/generated.ts';

/** A value that JSON can carry to ClickHouse. 64-bit numbers go as strings: a JSON number would lose them past 2^53. */
export type Cell = string | number | boolean | null | readonly Cell[] | { readonly [name: string]: Cell };

/** A row, by column: what JSONEachRow takes. */
export type Row = Readonly<Record<string, Cell>>;

/** `podName` → `pod_name`: a topic's field is a column under the same name in ClickHouse's casing. */
export function columnOf(field: string): string {
  return field.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}

/** Where a rule's numbers are absent: no list has a place -1, no file a line 0. */
const noRule = { index: -1, line: 0, column: 0 } as const satisfies Partial<RuleReference>;

/** What the generated types hold, bytes apart. Interfaces have no index signature, hence `object` and one cast below. */
type Field = string | number | bigint | boolean | null | readonly Field[] | object;

/** Makes rows. Remembers the names of columns, of which there are as many as fields: naming them anew took half the time. */
export class RowWriter {
  readonly #columns = new Map<string, string>();

  /** The columns of `alerts_stored` for an alert. */
  alert(alert: Alert): Row {
    const { rule, rawBytes, ...fields } = alert;
    const row = this.#cellsOf(fields);
    row['rule_policy_kind'] = rule?.policyKind ?? '';
    row['rule_policy_namespace'] = rule?.policyNamespace ?? '';
    row['rule_policy_name'] = rule?.policyName ?? '';
    row['rule_action'] = rule?.action ?? '';
    row['rule_block'] = rule?.block ?? '';
    row['rule_list'] = rule?.list ?? '';
    row['rule_index'] = rule?.index ?? noRule.index;
    row['rule_file'] = rule?.file ?? '';
    row['rule_line'] = rule?.line ?? noRule.line;
    row['rule_column'] = rule?.column ?? noRule.column;
    row['raw_bytes_hex'] = Object.fromEntries(
      rawBytes.map(({ field, bytes }) => [this.#columnOf(field), Buffer.from(bytes).toString('hex').toUpperCase()]),
    );
    return row;
  }

  /** The columns of `coverage_stored` for a record of the coverage topic and its place there. */
  coverage(coverage: Coverage, place: { readonly partition: number; readonly offset: number }): Row {
    const row = this.#cellsOf(coverage);
    row['log_partition'] = place.partition;
    row['log_offset'] = place.offset;
    return row;
  }

  #columnOf(field: string): string {
    const known = this.#columns.get(field);
    if (known !== undefined) return known;
    const column = columnOf(field);
    this.#columns.set(field, column);
    return column;
  }

  #cellsOf(record: object): Record<string, Cell> {
    const fields = record as Readonly<Record<string, Field>>;
    const cells: Record<string, Cell> = {};
    for (const [name, value] of Object.entries(fields)) cells[this.#columnOf(name)] = this.#cellOf(value);
    return cells;
  }

  #cellOf(value: Field): Cell {
    if (typeof value === 'bigint') return value.toString();
    if (typeof value !== 'object' || value === null) return value;
    return isArray(value) ? value.map((item) => this.#cellOf(item)) : this.#cellsOf(value);
  }
}

/** `Array.isArray` alone narrows to `any[]`. */
function isArray(value: object): value is readonly Field[] {
  return Array.isArray(value);
}
