import type { Alert, Coverage, RuleReference } from '../schemas/generated.ts';

/** A value that JSON can carry to ClickHouse. 64-bit numbers go as strings: a JSON number would lose them past 2^53. */
export type Cell = string | number | boolean | null | readonly Cell[] | { readonly [name: string]: Cell };

/** A row, by column: what JSONEachRow takes. */
export type Row = Readonly<Record<string, Cell>>;

/** `podName` → `pod_name`: a topic's field is a column under the same name in ClickHouse's casing. */
export function columnOf(field: string): string {
  return field.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}

/** The columns of `alerts_stored` for an alert. */
export function alertRow(alert: Alert): Row {
  const { rule, rawBytes, ...fields } = alert;
  return {
    ...cellsOf(fields),
    rule_policy_kind: rule?.policyKind ?? '',
    rule_policy_namespace: rule?.policyNamespace ?? '',
    rule_policy_name: rule?.policyName ?? '',
    rule_action: rule?.action ?? '',
    rule_block: rule?.block ?? '',
    rule_list: rule?.list ?? '',
    rule_index: rule?.index ?? noRule.index,
    rule_file: rule?.file ?? '',
    rule_line: rule?.line ?? noRule.line,
    rule_column: rule?.column ?? noRule.column,
    raw_bytes_hex: Object.fromEntries(
      rawBytes.map(({ field, bytes }) => [columnOf(field), Buffer.from(bytes).toString('hex').toUpperCase()]),
    ),
  };
}

/** Where a rule's numbers are absent: no list has a place -1, no file a line 0. */
const noRule = { index: -1, line: 0, column: 0 } as const satisfies Partial<RuleReference>;

/** The columns of `coverage_stored` for a record of the coverage topic and its place there. */
export function coverageRow(coverage: Coverage, place: { readonly partition: number; readonly offset: number }): Row {
  return { ...cellsOf(coverage), log_partition: place.partition, log_offset: place.offset };
}

/** What the generated types hold, bytes apart. Interfaces have no index signature, hence `object` and one cast below. */
type Field = string | number | bigint | boolean | null | readonly Field[] | object;

function cellsOf(record: object): Record<string, Cell> {
  const fields = Object.entries(record as Readonly<Record<string, Field>>);
  return Object.fromEntries(fields.map(([name, value]) => [columnOf(name), cellOf(value)]));
}

function cellOf(value: Field): Cell {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  return isArray(value) ? value.map(cellOf) : cellsOf(value);
}

/** `Array.isArray` alone narrows to `any[]`. */
function isArray(value: object): value is readonly Field[] {
  return Array.isArray(value);
}
