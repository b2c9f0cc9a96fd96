import type { LogRecord } from '../eventlog/event-log.ts';
import { avroTypeNamed } from '../schemas/avro-types.ts';
import type { AvroInput } from './avro-input.ts';
import { columnOf, fieldNamesOf, fieldsOf } from './column-type.ts';
import { Int32Column, Int64Column, type Column, type FieldReader, type NamedColumn } from './column.ts';
import { NativeBlock } from './native-block.ts';
import { RawBytesColumn } from './raw-bytes-column.ts';

/** Rows of one insert, in the making. */
export interface TableRows {
  readonly block: NativeBlock;
  /** Takes a record, and its value as Avro binary that was checked. */
  add(record: LogRecord, encodedValue: Uint8Array): void;
}

/** Begins rows of `alerts_stored`: the fields of an alert, but for those that have another form in a table. */
export function beginAlerts(): TableRows {
  const type = avroTypeNamed('Alert');
  const columns = begun(type, ['rule', 'rawBytes']);
  const rule = begun(avroTypeNamed('RuleReference'));
  // Where there is no rule: no list has a place -1. It keeps its place among the columns.
  rule.set('index', new Int32Column(-1));
  const rawBytes = new RawBytesColumn();
  const ruleInOrder = inOrder(avroTypeNamed('RuleReference'), rule);
  const readers = new Map<string, FieldReader>([...columns, ['rawBytes', rawBytes], ['rule', partsOf(ruleInOrder)]]);
  const block = new NativeBlock(
    [...named(columns), ...named(rule, 'rule_'), { name: 'raw_bytes_hex', column: rawBytes }],
    inOrder(type, readers),
  );
  return {
    block,
    add: (_record, encodedValue) => {
      block.add(encodedValue);
    },
  };
}

/** Begins rows of `coverage_stored`: the fields of a coverage record, and its place in the topic. */
export function beginCoverage(): TableRows {
  const type = avroTypeNamed('Coverage');
  const columns = begun(type);
  const partitions = new Int64Column();
  const offsets = new Int64Column();
  const block = new NativeBlock(
    [...named(columns), { name: 'log_partition', column: partitions }, { name: 'log_offset', column: offsets }],
    inOrder(type, columns),
  );
  return {
    block,
    add: ({ partition, offset }, encodedValue) => {
      block.add(encodedValue);
      partitions.take(partition);
      offsets.take(offset);
    },
  };
}

type AvroRecord = ReturnType<typeof avroTypeNamed>;

function begun(record: AvroRecord, except: readonly string[] = []): Map<string, Column> {
  return new Map(fieldsOf(record, except).map(({ name, begin }) => [name, begin()]));
}

function named(columns: ReadonlyMap<string, Column>, prefix = ''): readonly NamedColumn[] {
  return [...columns].map(([field, column]) => ({ name: `${prefix}${columnOf(field)}`, column }));
}

function inOrder<Reader extends FieldReader>(
  record: AvroRecord,
  readers: ReadonlyMap<string, Reader>,
): readonly Reader[] {
  return fieldNamesOf(record).map((field) => {
    const reader = readers.get(field);
    if (reader === undefined) throw new Error(`nothing takes the field ${field}`);
    return reader;
  });
}

/** Of a record that may be absent, whose fields are columns of their own. */
function partsOf(fields: readonly Column[]): FieldReader {
  return {
    read: (input: AvroInput) => {
      const isAbsent = input.int() === 0;
      for (const field of fields) {
        if (isAbsent) field.readNone();
        else field.read(input);
      }
    },
  };
}
