import test from 'ava';
import { BatchRows } from '../../cli/demo/batch-rows.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { avroTypeNamed } from '../../schemas/avro-types.ts';
import { TestNode } from '../support/raw-batch.ts';

/** By record: the fields that are numbers, and those that are places in a dictionary. */
const known: Readonly<Record<string, { readonly numbers: readonly string[]; readonly indexes: readonly string[] }>> = {
  RawEvent: {
    numbers: ['cpu', 'syscall', 'hostTid', 'tid', 'mode', 'childHostPid', 'fileDescriptor'],
    indexes: ['process', 'file', 'typedPath', 'address', 'exec', 'newFile', 'newTypedPath', 'localAddress'],
  },
  ProcessContext: {
    numbers: ['hostPid', 'hostPpid', 'pid', 'ppid'],
    indexes: ['tty', 'comm', 'executable', 'parentExecutable', 'cwd'],
  },
  FileObject: { numbers: ['inodeMode'], indexes: ['path'] },
  SocketAddress: { numbers: ['family', 'socketType', 'protocol', 'port'], indexes: [] },
  ExecDetail: { numbers: [], indexes: ['calledName', 'interpreterFile', 'callerExecutable'] },
};

/** A batch whose every dictionary has entries that no event uses ahead of those that the one event does. */
function batchOfAllIndexes(): RawEventBatch {
  const node = new TestNode();
  node.exec(node.process({ executable: '/bin/sh', tty: 'pts1', cwd: '/srv' }), '/srv/script', {
    arguments: ['script', 'all'],
    calledName: './script',
    interpreter: '/bin/dash',
  });
  const batch = node.batch();
  const [event] = batch.events;
  const [file] = batch.files;
  if (event === undefined || file === undefined) throw new Error('the node did nothing');
  const address = {
    family: 2,
    socketType: 1,
    protocol: 6,
    address: Buffer.from([127, 0, 0, 1]),
    source: 'object' as const,
  };
  const strings = [...batch.strings, Buffer.from('old'), Buffer.from('new')];
  return {
    ...batch,
    strings,
    files: [...batch.files, { ...file, path: strings.length - 1 }],
    addresses: [
      { ...address, port: 80 },
      { ...address, port: 81 },
    ],
    events: [
      {
        ...event,
        typedPath: strings.length - 2,
        newFile: batch.files.length,
        newTypedPath: strings.length - 1,
        address: 1,
        localAddress: 0,
      },
    ],
  };
}

/** A batch as if before everything else there was one more entry in each dictionary. */
function shifted(batch: RawEventBatch): RawEventBatch {
  const move = <Row extends object>(record: string, row: Row): Row => {
    const indexes = known[record]?.indexes ?? [];
    const moved = Object.entries(row).map(([name, value]: [string, unknown]) => [
      name,
      indexes.includes(name) && typeof value === 'number' && value >= 0 ? value + 1 : value,
    ]);
    return Object.fromEntries(moved) as Row;
  };
  const withOneMore = <Row extends object>(record: string, rows: readonly Row[]): Row[] =>
    [rows[0], ...rows].flatMap((row) => row ?? []).map((row) => move(record, row));
  return {
    ...batch,
    strings: [Buffer.from('unused'), ...batch.strings],
    processes: withOneMore('ProcessContext', batch.processes),
    files: withOneMore('FileObject', batch.files),
    addresses: withOneMore('SocketAddress', batch.addresses),
    execs: withOneMore('ExecDetail', batch.execs).map((exec) => ({
      ...exec,
      arguments: exec.arguments.map((index) => index + 1),
    })),
    events: batch.events.map((event) => move('RawEvent', event)),
  };
}

function rowsOf(batch: RawEventBatch): unknown {
  const rows = new BatchRows();
  for (const event of batch.events) rows.add(batch, event);
  const { strings, addresses, ...rest } = rows.parts();
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    ...rest,
    strings: strings.map(hex),
    addresses: addresses.map((address) => ({ ...address, address: hex(address.address) })),
  };
}

test('of every whole number of the schema it is known whether it is an index', (t) => {
  for (const [record, { numbers, indexes }] of Object.entries(known)) {
    const { fields } = JSON.parse(JSON.stringify(avroTypeNamed(record).schema())) as {
      readonly fields: readonly { readonly name: string; readonly type: unknown }[];
    };
    const whole = fields.filter(({ type }) => type === 'int').map(({ name }) => name);
    t.deepEqual(
      whole.sort(),
      [...numbers, ...indexes].sort(),
      `${record}: is the new one an index? Then BatchRows places it`,
    );
  }
});

test('rows are the same wherever the dictionaries of their batch have their entries', (t) => {
  const batch = batchOfAllIndexes();
  const [event] = batch.events;
  for (const index of known['RawEvent']?.indexes ?? [])
    t.true(Number(event?.[index as keyof typeof event]) >= 0, index);
  t.deepEqual(rowsOf(shifted(batch)), rowsOf(batch));
});

test('an index that leads nowhere is refused', (t) => {
  const batch = batchOfAllIndexes();
  t.throws(() => rowsOf({ ...batch, files: [] }), { instanceOf: RangeError });
});
