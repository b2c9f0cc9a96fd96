import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';
import { KernelTrace, whyNoKernelTrace } from '../support/kernel-trace.ts';
import { testProgram } from '../support/programs.ts';
import { SteadyOpens } from '../support/steady-opens.ts';

const reason = whyNoKernelTrace();
const traceTest = reason === undefined ? test : test.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

/** Acts of each program in a burst: the ring, which is one page, holds a handful of events. */
const actsEach = 2500;
const programsAtOnce = 2;
/** Other acts meanwhile, a second. */
const loadPerSecond = 500;

/** Half a minute on an idle machine, three or more starts on one that is not. */
const timeoutMs = 900_000;

/** Directories that were removed, as the programs that did it counted. */
class Acts {
  readonly #home: FlowHome;
  /** By the programs' pids: what each was told to do. */
  readonly ordered = new Map<number, number>();
  total = 0;

  constructor(home: FlowHome) {
    this.#home = home;
  }

  /** Lets programs act at the same time, `each` so often, until they have ended. */
  async happen(each = actsEach): Promise<void> {
    const run = promisify(execFile);
    const started = Array.from({ length: programsAtOnce }, () =>
      run(testProgram('acts'), [this.#home.acts, String(each)]),
    );
    for (const { child } of started) {
      const pid = child.pid ?? 0;
      // Pids come again.
      this.ordered.set(pid, (this.ordered.get(pid) ?? 0) + each);
    }
    for (const { stdout } of await Promise.all(started)) this.total += Number(stdout);
  }
}

interface Balance {
  readonly seen: string;
  readonly filtered: string;
  readonly dropped: string;
  readonly received: string;
  readonly rows: string;
}

/**
 * What became of all acts of one operation, over all sessions: the last figures of each session (they count from its beginning),
 * and the alerts of some processes.
 */
function balanceQuery(operation: string, pids: readonly number[]): string {
  return `
    SELECT
      sum(o.seen) AS seen, sum(o.filtered) AS filtered, sum(o.dropped) AS dropped, sum(o.received) AS received,
      (SELECT count() FROM alerts WHERE event_operation = '${operation}' AND host_pid IN (${pids.join(', ')})) AS rows
    FROM
    (
      SELECT argMax(operations, to_time_ns) AS last
      FROM coverage
      WHERE origin = 'live' AND session != 0
      GROUP BY node_id, boot_id, session
    )
    ARRAY JOIN last AS o
    WHERE o.operation = '${operation}'`;
}

function sumOf(counts: Iterable<number>): number {
  return [...counts].reduce((sum, count) => sum + count, 0);
}

async function allEnded(home: FlowHome): Promise<boolean> {
  const sessions = await home.sql<{ readonly ended: boolean }>(
    "SELECT argMax(session_ended, to_time_ns) AS ended FROM coverage WHERE origin = 'live' AND session != 0 GROUP BY session",
  );
  return sessions.length > 0 && sessions.every(({ ended }) => ended);
}

/*
 * The kernel does not count by process, so drops are known by operation alone: the operation is one that hardly anybody uses, and
 * the kernel's own trace, which shares nothing with ours, says how many such calls others made meanwhile. With N acts of the
 * programs and M of others while anything of Palisade ran:
 *
 *     N <= rows(pids of the programs) + filtered + dropped <= N + M,        and with M = 0 it is N, to the unit
 *
 * Acts happen only while the programs of the monitor are attached: what happens in between is the gap "monitor away", which
 * restart.test.ts and kill.test.ts look at.
 */
traceTest(
  'with a ring of one page under load, the collector stopped and killed, what programs did is stored, filtered or dropped, to the unit',
  async (t) => {
    t.timeout(timeoutMs);
    await using home = new FlowHome();
    using trace = new KernelTrace({ rmdir: '', unlinkat: 'flag & 512' });
    const acts = new Acts(home);
    const onePage = { environment: { PATH: process.env['PATH'] ?? '', PALISADE_RING_SIZE: '4KiB' } };

    const first = await home.up(onePage);
    const load = new SteadyOpens({ directory: home.folder, perSecond: loadPerSecond });
    await acts.happen();
    // Nobody reads the ring: it fills, and the kernel drops.
    first.kill('SIGSTOP');
    await acts.happen();
    await load.stop();
    first.kill('SIGKILL');
    await first.ended;

    // The next one reads what the ring holds, and begins a session of its own.
    let up = await home.up(onePage);
    await acts.happen();
    // A burst may find the ring full from its first act to its last: single ones go on until one was told.
    await eventually('an alert of an act', async () => {
      await acts.happen(1);
      const [alerts] = await home.rows<{ readonly rows: string }>(
        "SELECT count() AS rows FROM alerts WHERE event_operation = 'rmdir'",
      );
      return Number(alerts?.rows) > 0 || undefined;
    });
    up.kill('SIGTERM');
    let { code } = await up.ended;
    // A drain that takes too long on a busy machine leaves the rest to the next start.
    for (let start = 0; start < 5 && !(code === 0 && (await allEnded(home))); start++) {
      up = await home.up(onePage);
      up.kill('SIGTERM');
      ({ code } = await up.ended);
    }
    t.is(code, 0, up.errors);
    t.true(await allEnded(home), 'each session is told to its end');

    const traced = trace.counts();
    const others = [...traced].filter(([pid]) => !acts.ordered.has(pid));
    const ofOthers = sumOf(others.map(([, count]) => count));
    for (const [pid, count] of acts.ordered) t.is(traced.get(pid), count, 'the trace and the orders agree');
    t.is(acts.total, sumOf(acts.ordered.values()), 'and the programs with them');

    const [found] = await home.sql<Balance>(balanceQuery('rmdir', [...acts.ordered.keys()]));
    if (found === undefined) return t.fail('no coverage');
    const [seen, filtered, dropped, received, rows] = [
      Number(found.seen),
      Number(found.filtered),
      Number(found.dropped),
      Number(found.received),
      Number(found.rows),
    ];
    t.log(`${acts.total} acts, ${ofOthers} of others: ${rows} rows, ${filtered} filtered, ${dropped} dropped`);
    t.true(dropped > 0, 'the ring overflowed');
    t.true(rows > 0, 'and not all the time');
    const accounted = rows + filtered + dropped;
    t.true(accounted >= acts.total && accounted <= acts.total + ofOthers, `${accounted} of ${acts.total}`);
    t.is(seen, filtered + dropped + received);
    t.true(seen >= acts.total && seen <= acts.total + ofOthers, `${seen} seen of ${acts.total}`);
  },
);
