import { unreadable } from '../eventlog/dead-letter.ts';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { ownerOf } from '../eventlog/ownership.ts';
import { printable } from '../runtime/printable.ts';
import { connectClickHouse } from '../sink/clickhouse-client.ts';
import { shownAlertColumns, shownAlertOf, type ShownAlert } from './alert-columns.ts';
import { conditionOf, isWanted, type AlertFilter } from './alert-filter.ts';
import { dataLayout } from './data-directory.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { queryRows } from './query-rows.ts';
import { createScreen, type Screen } from './screen.ts';
import { StopSignals } from './stop-signals.ts';
import { withEngine, type EngineChoice } from './with-engine.ts';

/** Alerts shown where no number is given: some screens full. */
const defaultAlertLimit = 100;

export interface AlertsOptions extends EngineChoice {
  readonly filter: AlertFilter;
  /** The newest so many; with `follow` it ends after so many. */
  readonly limit: number | undefined;
  /** Go on with those that come, until a signal. */
  readonly follow: boolean;
  /** KubeArmor's JSON, one a line. */
  readonly json: boolean;
}

/** Shows alerts, oldest first: those that are stored, or with `follow` those that come. */
export async function alerts(options: AlertsOptions): Promise<ExitCode> {
  const screen = createScreen(options);
  if (options.follow) return await follow(options, screen);
  const limit = options.limit ?? defaultAlertLimit;
  // One more than is shown tells whether there are more.
  const newest = await storedAlerts(options, options.filter, limit + 1);
  const days = new DayLines(screen);
  for (const alert of newest.slice(0, limit).reverse()) {
    if (!options.json) days.before(alert);
    screen.showAlert(alert);
  }
  if (newest.length > limit)
    process.stderr.write(`These are the newest ${limit}; --limit shows more, --until what was before.\n`);
  else if (newest.length === 0) process.stderr.write('No alerts.\n');
  return exitCodes.done;
}

/** The newest stored alerts that are wanted, newest first. Throws QueryError and SinkError. */
export async function storedAlerts(
  engine: EngineChoice,
  filter: AlertFilter,
  limit: number,
): Promise<readonly ShownAlert[]> {
  const { condition, parameters } = conditionOf(filter);
  const rows = await withEngine(engine, async (address) => {
    const client = connectClickHouse(address);
    try {
      return await queryRows<Readonly<Record<string, unknown>>>(client, address.url, {
        query: `SELECT ${shownAlertColumns} FROM alerts WHERE ${condition} ORDER BY time_unix_ns DESC, id DESC LIMIT ${limit}`,
        query_params: parameters,
      });
    } finally {
      await client.close();
    }
  });
  return rows.map(shownAlertOf);
}

/** From the topic, as anybody could: from the present end on, or where a beginning is given from what the log still has of it. */
async function follow(
  { dataDirectory, filter, limit = Infinity, json }: AlertsOptions,
  screen: Screen,
): Promise<ExitCode> {
  const { log: directory } = dataLayout(dataDirectory);
  if (ownerOf(directory) === undefined) {
    process.stderr.write('`palisade up` is not running: nothing would come.\n');
    return exitCodes.unavailable;
  }
  using signals = new StopSignals(() => undefined);
  await using log = EmbeddedEventLog.openReadOnly({ directory });
  const from = filter.sinceNs === undefined ? 'end' : 'start';
  const days = new DayLines(screen);
  let shown = 0;
  for await (const record of log.read({ topics: ['alerts'], from, follow: true, signal: signals.signal })) {
    const error = unreadable(record);
    if (error !== undefined) process.stderr.write(`${printable(error.message)} [${error.code}]\n`);
    if (
      error !== undefined ||
      record.topic !== 'alerts' ||
      record.value === undefined ||
      !isWanted(record.value, filter)
    )
      continue;
    if (!json) days.before(record.value);
    screen.showAlert(record.value);
    shown += 1;
    if (shown >= limit) break;
  }
  return exitCodes.done;
}

/** Lines that say of which day the times below are, where that is not today. */
class DayLines {
  readonly #screen: Screen;
  #day = new Date().toDateString();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Says it, if the alert is of another day than the one before. */
  before(alert: ShownAlert): void {
    const time = new Date(Number(alert.timeUnixNs / 1_000_000n));
    const day = time.toDateString();
    if (day === this.#day) return;
    this.#day = day;
    this.#screen.terminal.print(`── ${day} ──\n`);
  }
}
