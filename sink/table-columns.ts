import { avroTypeNamed } from '../schemas/avro-types.ts';
import type { Alert, Coverage } from '../schemas/generated.ts';
import {
  columnOf,
  fieldsOf,
  int64Type,
  mapType,
  textType,
  valuesOf,
  type ColumnType,
  type TypedField,
} from './column-type.ts';

/** One column of a table, and what it has of each row. */
export interface TableColumn<Row> {
  readonly name: string;
  readonly type: ColumnType;
  readonly valuesOf: (rows: readonly Row[]) => readonly unknown[];
}

/** A record of the coverage topic and its place there. */
export interface CoverageRow {
  readonly coverage: Coverage;
  readonly partition: number;
  readonly offset: number;
}

/** Where a rule's numbers are absent: no list has a place -1, no file a line 0. */
const noRule = {
  policyKind: '',
  policyNamespace: '',
  policyName: '',
  action: '',
  block: '',
  list: '',
  index: -1,
  file: '',
  line: 0,
  column: 0,
} satisfies Readonly<Record<keyof NonNullable<Alert['rule']>, string | number>>;

/** The columns of `alerts_stored`: the fields of an alert, but for those that have another form in a table. */
export function alertColumns(): readonly TableColumn<Alert>[] {
  const rule = fieldsOf(avroTypeNamed('RuleReference')).map((field): TableColumn<Alert> => ({
    ...columnFor(field, (alerts) => alerts.map((alert) => alert.rule ?? noRule)),
    name: `rule_${columnOf(field.name)}`,
  }));
  return [
    ...fieldsOf(avroTypeNamed('Alert'), ['rule', 'rawBytes']).map((field) =>
      columnFor<Alert>(field, (alerts) => alerts),
    ),
    ...rule,
    {
      name: 'raw_bytes_hex',
      type: mapType(textType, textType),
      valuesOf: (alerts) =>
        alerts.map(({ rawBytes }) => rawBytes.map(({ field, bytes }) => [columnOf(field), hex(bytes)])),
    },
  ];
}

/** The columns of `coverage_stored`. */
export function coverageColumns(): readonly TableColumn<CoverageRow>[] {
  return [
    ...fieldsOf(avroTypeNamed('Coverage')).map((field) =>
      columnFor<CoverageRow>(field, (rows) => rows.map(({ coverage }) => coverage)),
    ),
    { name: 'log_partition', type: int64Type, valuesOf: (rows) => rows.map(({ partition }) => partition) },
    { name: 'log_offset', type: int64Type, valuesOf: (rows) => rows.map(({ offset }) => offset) },
  ];
}

function columnFor<Row>(
  { name, type }: TypedField,
  recordsOf: (rows: readonly Row[]) => readonly unknown[],
): TableColumn<Row> {
  return { name: columnOf(name), type, valuesOf: (rows) => valuesOf(recordsOf(rows), name) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase();
}
