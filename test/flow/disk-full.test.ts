import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';
import { smallDiskAt, whyNoSmallDisk } from '../support/small-disk.ts';

const reason = whyNoSmallDisk();
if (reason !== undefined) console.log(`skipped: ${reason}`);
const diskTest = reason === undefined ? test : test.skip;

diskTest(
  '`up` on a disk that fills up says so, loses nothing that it had, and goes on when there is room',
  async (t) => {
    await using home = new FlowHome();
    // Much more than this machine's events need meanwhile.
    using disk = smallDiskAt(home.dataDirectory, 512 << 20, 100_000);
    const up = await home.up();
    const before = home.act('before');
    await home.settled();
    disk.fill(0);
    await up.says(
      /writing to the event log failed: the disk is full: \S+events\.sqlite cannot grow, \d+ bytes are free/u,
    );
    const meanwhile = home.act('meanwhile');
    disk.makeRoom();
    await eventually('acts are seen again', async () => {
      const after = home.act('after');
      const [row] = await home.rows<{ readonly times: string }>(
        `SELECT count() AS times FROM alerts WHERE resource = '${after}'`,
      );
      return Number(row?.times) > 0 ? true : undefined;
    });
    await home.settled();
    up.kill('SIGTERM');
    const { code, output, errors } = await up.ended;
    t.is(code, 0, errors);
    t.regex(`${output}${errors}`, /^Stopped/mu);
    const rows = await home.sql<{ readonly resource: string; readonly times: string; readonly ids: string }>(
      `SELECT resource, count() AS times, uniqExact(id) AS ids FROM alerts WHERE policy_name = 'acts' GROUP BY resource`,
    );
    for (const { times, ids } of rows) t.is(times, ids, 'nothing is doubled');
    t.true(rows.some(({ resource }) => resource === before));
    // What the ring had no room for while nobody could read it is counted.
    if (rows.every(({ resource }) => resource !== meanwhile)) {
      const { code: loss, output: unknown } = await home.run(['loss', '--from', '10m']);
      t.is(loss, 1);
      t.regex(unknown, /the kernel's ring was full/u);
    }
  },
);
