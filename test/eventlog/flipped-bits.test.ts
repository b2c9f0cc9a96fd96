import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { deadLetters } from '../../eventlog/dead-letter.ts';
import { EmbeddedEventLog, type EventLogReader } from '../../eventlog/embedded.ts';
import { EventLogError, RecordError } from '../../eventlog/errors.ts';
import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { databasePath } from '../../eventlog/sqlite-layout.ts';
import { storable } from '../../eventlog/storable.ts';
import { createSingleObjectFormat } from '../../eventlog/wire-format.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { event, policy, recordsOf } from './toy.ts';

const places = [0, 1, 2, 3, 4, 5, 6];
/** The one whose row is damaged. */
const damagedPlace = 2;

/** Any two differ in two bits or more: one that becomes another is an older version of that, and a table does not show those. */
const keyOf = (place: number): string => `the key ${place}${place}`;

/** Around a row's key in the file: what SQLite writes ahead of a row, the columns before the key, and the beginning of the value. */
const bytesBefore = 19;
const bytesBehind = 20;

/** What was read of a log, and how each record that cannot be read says so. */
interface Found {
  readonly readable: readonly string[];
  readonly unreadable: readonly (readonly [LogRecord, RecordError])[];
}

function found(records: readonly LogRecord[]): Found {
  const readable: string[] = [];
  const unreadable: [LogRecord, RecordError][] = [];
  for (const record of records) {
    try {
      readable.push(
        shown(
          record,
          JSON.stringify(record.value, (_, value: unknown) => String(value)),
        ),
      );
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      unreadable.push([record, error]);
    }
  }
  return { readable, unreadable };
}

function shown({ offset, key, timestampMs, tablePositions }: LogRecord, value: string): string {
  return `${offset} ${key} ${timestampMs} ${JSON.stringify(tablePositions)} ${value}`;
}

/** All that can be read of `topic`, and of it as a table; `undefined` where the log is refused as damaged. */
async function readAll(directory: string, topic: 'coverage' | 'policies'): Promise<readonly Found[] | undefined> {
  let log: EventLogReader | undefined;
  try {
    log = EmbeddedEventLog.openReadOnly({ directory });
    return [found(await recordsOf(log, [topic])), found((await log.table(topic)).records)];
  } catch (error) {
    if (error instanceof EventLogError && error.code === 'EVENT_LOG_DAMAGED') return undefined;
    throw error;
  } finally {
    await log?.[Symbol.asyncDispose]();
  }
}

/** A dead letter of it, and the gap that a lost alert makes, are records that the log takes. */
function assertHasDeadLetter(t: ExecutionContext, record: LogRecord, error: RecordError): void {
  const format = createSingleObjectFormat();
  const { partition, offset, key, timestampMs, tablePositions } = record;
  const lost = { topic: 'alerts', partition, offset, key, timestampMs, tablePositions, value: undefined } as const;
  const letters = deadLetters(lost, { stage: 's', reason: error.message, bytes: error.bytes });
  t.is(letters.length, 2);
  for (const letter of letters) storable(letter, {}, format);
}

const rows: readonly ['coverage' | 'policies', string, (key: string) => OutputRecord][] = [
  ['coverage', 'a topic', (key) => event(key, 'x'.repeat(200))],
  ['policies', 'a table', (key) => policy(key, 'x'.repeat(200))],
];
for (const [topic, kind, make] of rows) {
  test(`whichever bit flips in a row of ${kind}: it is told, and its neighbors are read, each once and as they were`, async (t) => {
    const directory = temporaryDirectory(t);
    {
      await using log = await EmbeddedEventLog.open({ directory });
      for (const place of places) await log.append([make(keyOf(place))]);
    }
    const [intact] = (await readAll(directory, topic)) ?? [];
    t.is(intact?.readable.length, places.length);
    const neighbors = intact?.readable.filter((_, place) => place !== damagedPlace);
    const path = databasePath(directory);
    const bytes = readFileSync(path);
    const key = bytes.indexOf(keyOf(damagedPlace));
    let told = 0;
    for (let place = key - bytesBefore; place < key + bytesBehind; place++) {
      for (let bit = 0; bit < 8; bit++) {
        put(path, place, (bytes[place] ?? 0) ^ (1 << bit));
        for (const { readable, unreadable } of (await readAll(directory, topic)) ?? []) {
          const what = `bit ${bit} of byte ${place - key} from the key`;
          if (unreadable.length === 0) {
            // What SQLite does not look at, and nothing else.
            t.deepEqual(readable, intact?.readable, what);
            continue;
          }
          t.deepEqual(readable, neighbors, what);
          for (const [record, error] of unreadable) assertHasDeadLetter(t, record, error);
          told += 1;
        }
        put(path, place, bytes[place] ?? 0);
      }
    }
    t.true(told > (bytesBefore + bytesBehind) * 8, `${told} of ${2 * (bytesBefore + bytesBehind) * 8} readings`);
  });
}

function put(path: string, place: number, byte: number): void {
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, Uint8Array.of(byte), 0, 1, place);
  closeSync(descriptor);
}
