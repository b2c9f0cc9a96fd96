import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { runStages } from '../../eventlog/runner.ts';
import { createLogger } from '../../runtime/logger.ts';
import { Metrics } from '../../runtime/metrics.ts';
import { alertsSink } from '../../sink/clickhouse.ts';
import { sampleAlert } from '../support/alert.ts';
import { rowsOf, startTestEngine } from '../support/engine.ts';
import { eventually, patienceMs } from '../support/eventually.ts';
import { smallDisk, whyNoSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { recordsOf } from '../eventlog/toy.ts';
import { sumOf } from '../runtime/sum-of.ts';

const reason = whyNoSmallDisk();
if (reason !== undefined) console.log(`skipped: ${reason}`);
const diskTest = reason === undefined ? test.serial : test.serial.skip;

const alertsBefore = 50;
const alertsAfter = 500;

interface Fullness {
  readonly what: string;
  readonly fill: (disk: SmallDisk) => void;
  readonly makeRoom: (disk: SmallDisk) => void;
}

const fullnesses: readonly Fullness[] = [
  {
    what: 'has no room for another part',
    fill: (disk) => {
      disk.fill(1 << 19);
    },
    makeRoom: (disk) => {
      disk.makeRoom();
    },
  },
  {
    what: 'has no room even for the rows on their way to it',
    fill: (disk) => {
      disk.fillFiles(0);
    },
    makeRoom: (disk) => {
      disk.makeRoomForFiles();
    },
  },
  {
    what: 'becomes full in the midst of an insert',
    fill: (disk) => {
      disk.fillFiles(2);
    },
    makeRoom: (disk) => {
      disk.makeRoomForFiles();
    },
  },
];

for (const { what, fill, makeRoom } of fullnesses) {
  diskTest(`while the disk of ClickHouse ${what}, alerts wait in the log, and then each is stored once`, async (t) => {
    const disk = smallDisk(t, 128 << 20, 4000);
    const dataDirectory = path.join(disk.path, 'data');
    mkdirSync(dataDirectory, { mode: 0o711 });
    await using engine = await startTestEngine(dataDirectory);
    await using log = await EmbeddedEventLog.open({ directory: temporaryDirectory(t) });
    const append = async (first: number, count: number): Promise<void> => {
      const values = Array.from({ length: count }, (_, place) => sampleAlert({ id: `id-${first + place}` }));
      await log.append(values.map((value) => ({ topic: 'alerts', key: value.nodeId, value })));
    };
    const stored = async (): Promise<number> => {
      const [row] = await rowsOf<{ readonly times: number }>(engine.owner, 'SELECT count() AS times FROM alerts');
      return Number(row?.times);
    };
    const metrics = new Metrics();
    const lines: string[] = [];
    const destination = new PassThrough().on('data', (data: Buffer) => lines.push(String(data)));
    const logger = createLogger({ level: 'warn', destination });
    const stop = new AbortController();
    const running = runStages([alertsSink(engine.owner)], log, { logger, metrics, drainMs: patienceMs }, stop.signal);
    await append(0, alertsBefore);
    await eventually('the first ones are stored', async () => ((await stored()) === alertsBefore ? true : undefined));
    fill(disk);
    await append(alertsBefore, alertsAfter);
    // More than one try.
    const tries = (): number => sumOf(metrics, 'palisade_errors_total', { code: 'SINK_REFUSED' });
    await eventually('some tries are refused', () => (tries() >= 3 ? true : undefined));
    t.is(await stored(), alertsBefore, 'what is stored can be asked for meanwhile');
    makeRoom(disk);
    await eventually('all are stored', async () =>
      (await stored()) === alertsBefore + alertsAfter ? true : undefined,
    );
    stop.abort();
    await running;
    t.deepEqual(await rowsOf(engine.owner, 'SELECT id, count() FROM alerts_stored GROUP BY id HAVING count() > 1'), []);
    t.deepEqual(await recordsOf(log, ['dead-letters']), []);
    t.regex(lines.join(''), /the disk of the ClickHouse data is full: with room on it, it goes on by itself/u);
  });
}
