import test, { type ExecutionContext } from 'ava';
import { elapsedMs, readClocks, type ClockReading } from '../../eventlog/log-time.ts';
import type { Retention } from '../../eventlog/retention.ts';
import { openForWriting } from '../../eventlog/sqlite-layout.ts';
import { SqliteReader } from '../../eventlog/sqlite-reader.ts';
import { SqliteWriter } from '../../eventlog/sqlite-writer.ts';
import { packRequest } from '../../eventlog/write-protocol.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const hour = 3_600_000;
const day = 24 * hour;
const year = 365 * day;
const retention: Retention = { bytes: Infinity, ageMs: 7 * day, checkEveryMs: 1000 };

/** A machine whose clocks a test sets. */
class Machine {
  #bootId = 'first';
  #sinceBootMs = 5000;
  #wallMs = Date.UTC(2026, 10, 24);

  clocks(): ClockReading {
    return { bootId: this.#bootId, sinceBootMs: this.#sinceBootMs, wallMs: this.#wallMs };
  }

  passes(ms: number): void {
    this.#sinceBootMs += ms;
    this.#wallMs += ms;
  }

  setClock(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Starts anew after a pause, with the clock as it is told then. */
  reboot(pauseMs: number): void {
    this.#bootId += '+';
    this.#sinceBootMs = 0;
    this.#wallMs += pauseMs;
  }
}

/** A log to which a record is appended, and which looks at its retention, by a machine's clocks. */
function logOn(t: ExecutionContext, machine: Machine) {
  const directory = temporaryDirectory(t);
  let database = openForWriting(directory, 'group');
  let writer = new SqliteWriter(database);
  t.teardown(() => database.close());
  let id = 0;
  return {
    append(topic: 'alerts' | 'policies' = 'alerts'): void {
      const record = {
        topic,
        key: 'a',
        value: Uint8Array.of(1),
        tablePositions: {},
        timestampMs: machine.clocks().wallMs,
      };
      t.deepEqual(writer.write([packRequest(id++, { records: [record] })]), [undefined]);
    },
    look(): void {
      while (writer.trim(retention, machine.clocks())) continue;
    },
    reopen(): void {
      database.close();
      database = openForWriting(directory, 'group');
      writer = new SqliteWriter(database);
    },
    offsets(topic: 'alerts' | 'policies' = 'alerts'): readonly number[] {
      return new SqliteReader(database).fetch(topic, 0, Infinity).records.map(({ offset }) => offset);
    },
    marks(): number {
      return database.prepare<[], number>('SELECT count(*) FROM written').pluck().get() ?? 0;
    },
  };
}

test('records go when they are older than they may be, and not before', (t) => {
  const machine = new Machine();
  const log = logOn(t, machine);
  for (let count = 0; count < 4; count++) {
    log.append();
    log.look();
    machine.passes(3 * day);
  }
  log.look();
  t.deepEqual(log.offsets(), [2, 3]);
});

for (const [what, byMs] of [
  ['a year forward', year],
  ['an hour back', -hour],
  ['a year back', -year],
] as const) {
  test(`a clock that is set ${what} makes no record older or younger than it is`, (t) => {
    const machine = new Machine();
    const log = logOn(t, machine);
    log.append();
    log.append('policies');
    log.append('policies');
    log.look();
    machine.passes(day);
    machine.setClock(byMs);
    log.look();
    log.append();
    log.look();
    log.reopen();
    log.look();
    t.deepEqual(
      [log.offsets(), log.offsets('policies')],
      [
        [0, 1],
        [0, 1],
      ],
    );
    machine.passes(6 * day + hour);
    log.look();
    t.deepEqual([log.offsets(), log.offsets('policies')], [[1], [1]], 'and each goes in its time');
    machine.passes(day);
    log.look();
    t.deepEqual(log.offsets(), []);
  });
}

test('while nothing runs time passes as well, by the clock that nobody sets', (t) => {
  const machine = new Machine();
  const log = logOn(t, machine);
  log.append();
  log.look();
  machine.passes(8 * day);
  log.reopen();
  log.look();
  t.deepEqual(log.offsets(), []);
});

for (const [what, pauseMs] of [
  ['was off for an hour', hour],
  ['comes back with its clock a year ahead', year],
  ['comes back with its clock in 1970', -56 * year],
] as const) {
  test(`a machine that ${what} trims nothing at its start, and on within the age`, (t) => {
    const machine = new Machine();
    const log = logOn(t, machine);
    log.append();
    log.look();
    machine.passes(day);
    machine.reboot(pauseMs);
    log.reopen();
    log.look();
    machine.setClock(-pauseMs);
    machine.passes(4 * day);
    log.append();
    log.look();
    t.deepEqual(log.offsets(), [0, 1]);
    machine.passes(3 * day);
    log.look();
    t.deepEqual(log.offsets(), [1]);
  });
}

test('marks are few: some hundreds for the time that records are kept, none where nothing is written', (t) => {
  const machine = new Machine();
  const log = logOn(t, machine);
  for (let count = 0; count < 1000; count++) {
    log.append();
    log.look();
    machine.passes(hour / 2);
  }
  t.true(log.marks() > 100 && log.marks() < 300, String(log.marks()));
  const before = log.marks();
  for (let count = 0; count < 10; count++) {
    machine.passes(1);
    log.look();
  }
  t.true(log.marks() <= before);
});

test("the system's clocks can be read, and no time passes backward", (t) => {
  const before = readClocks();
  const after = readClocks();
  t.regex(before.bootId, /^[0-9a-f-]{36}$/u);
  t.true(elapsedMs(before, after) >= 0);
  t.is(elapsedMs({ ...before, sinceBootMs: before.sinceBootMs + 5 }, before), 0);
});
