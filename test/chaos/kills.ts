import { setTimeout as delay } from 'node:timers/promises';
import { findEngineAddress } from '../../sink/engine-address.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { committed, isAtEnd, type LogState } from './log-watch.ts';
import { StagesProcess } from './stages-process.ts';

/** Records that are committed between two kills, before the delay: the range of the seed's choice at least. */
const leastMaxRecords = 12;
/** The longest delay after them: about one batch for half of the kills, and several writes of a sink for the others. */
const maxDelaysMs = [12, 150] as const;
/** Kills that may be made for one that counts. */
const attemptsPerKill = 6;

export type Target = 'stages' | 'engine';

/** A moment, as the seed gives it. */
export interface Moment {
  readonly target: Target;
  /** Records of raw events that are judged and committed since the last kill before the delay begins. */
  readonly records: number;
  readonly delayMs: number;
}

/** A kill that counted, and what the log said of it; offsets, each the next one. */
export interface Kill extends Moment {
  readonly kill: number;
  readonly judged: number;
  readonly appended: number;
  /** Alerts that were in the log before the kill. */
  readonly published: number;
  /** Alerts whose place in ClickHouse was committed. */
  readonly stored: number;
  /** First and last offset of the alerts that were being inserted. */
  readonly inserting: readonly [number, number] | null;
  /** Alerts that were published, and whose insert had not begun. */
  readonly waiting: number;
}

/**
 * Most records between two kills, such that `kills` of them lie spread over the whole story: on average what each has to
 * pass, and what goes by in delays and restarts comes on top.
 */
export function maxRecordsFor(kills: number, storyLength: number): number {
  return Math.max(leastMaxRecords, 2 * Math.ceil(storyLength / kills));
}

/** The moments of a seed, without an end. */
export function* momentsOf(seed: number, maxRecords: number): Generator<Moment, never, undefined> {
  const random = seededRandom(seed);
  for (;;) {
    const target = random() < 0.5 ? 'stages' : 'engine';
    const records = 1 + Math.floor(random() * maxRecords);
    const maxDelayMs = maxDelaysMs[random() < 0.5 ? 0 : 1];
    yield { target, records, delayMs: Math.floor(random() * maxDelayMs) };
  }
}

/** What a kill is by what the log says: before it, where the target is the engine, and after it. */
export function killOf(kill: number, moment: Moment, before: LogState, after: LogState): Kill {
  const { published } = before.alerts;
  const { stored, intended } = after.alerts;
  const begun = Math.max(stored, intended === undefined ? 0 : intended.last + 1);
  return {
    kill,
    ...moment,
    judged: after.judged,
    appended: after.appended,
    published,
    stored,
    inserting: intended === undefined ? null : [intended.first, intended.last],
    waiting: Math.max(0, published - begun),
  };
}

export interface KillsOptions {
  readonly dataDirectory: string;
  /** What is fed to the stages, and how many records it has. */
  readonly capture: string;
  readonly storyLength: number;
  readonly seed: number;
  readonly kills: number;
  readonly onKill: (kill: Kill) => void;
  readonly signal: AbortSignal;
}

/** A third, rounded up: of so many kills it is required that they fall between a publish and its insert. */
export function requiredBetween(kills: number): number {
  return Math.ceil(kills / 3);
}

/**
 * Kills the stages' process or the engine's until as many kills have counted as are wanted, and starts what it has killed. A
 * kill counts only if positions were committed since the last one that counted and work remained; and where those that are
 * left are all needed for a third of them to fall between a publish and its insert, only if it did. Throws where too many do
 * not count.
 */
export async function killAgainAndAgain(options: KillsOptions): Promise<void> {
  const { dataDirectory, capture, kills, signal } = options;
  const moments = momentsOf(options.seed, maxRecordsFor(kills, options.storyLength));
  let counted = 0;
  let between = 0;
  let last: LogState | undefined;
  let life = await StagesProcess.start(dataDirectory, capture, signal);
  try {
    for (let attempts = 1; counted < kills; attempts++) {
      if (attempts > kills * attemptsPerKill) {
        throw new Error(
          `only ${counted} of ${attempts - 1} kills counted, ${between} of them between a publish and its insert`,
        );
      }
      const moment = moments.next().value;
      const { before, after } = await killAt(life, moment, last ?? life.watch.state(), signal);
      const kill = killOf(counted + 1, moment, before, after);
      const moved = last === undefined || committed(after) > committed(last);
      const mayMiss = kills - counted > requiredBetween(kills) - between;
      if (moved && !isAtEnd(after) && (kill.waiting > 0 || mayMiss)) {
        counted += 1;
        if (kill.waiting > 0) between += 1;
        options.onKill(kill);
      }
      last = after;
      if (moment.target === 'engine') continue;
      life.stopWatching();
      life = await StagesProcess.start(dataDirectory, capture, signal);
    }
    await life.stop();
  } finally {
    await life[Symbol.asyncDispose]();
  }
}

async function killAt(
  life: StagesProcess,
  { target, records, delayMs }: Moment,
  last: LogState,
  signal: AbortSignal,
): Promise<{ readonly before: LogState; readonly after: LogState }> {
  const { watch } = life;
  await life.until(
    `${records} records are committed`,
    signal,
    () => watch.state().judged >= last.judged + records || undefined,
  );
  await delay(delayMs, undefined, { signal });
  if (target === 'stages') {
    await life.kill();
    // Nobody writes any more.
    const after = watch.state();
    return { before: after, after };
  }
  // Where the engine is between two lives, the moment is that of the next one.
  const before = await life.until('an engine to kill', signal, () => {
    const state = watch.state();
    return life.killEngine() ? state : undefined;
  });
  await life.engineIsDead();
  return { before, after: watch.state() };
}

/** Runs the stages without a feed until all that is in the log is judged and stored; then calls `ask`, and ends them. */
export async function bringToEnd<Answer>(
  dataDirectory: string,
  signal: AbortSignal,
  ask: (state: LogState) => Promise<Answer>,
): Promise<Answer> {
  await using life = await StagesProcess.start(dataDirectory, undefined, signal);
  const { watch } = life;
  const state = await life.until('all is stored', signal, () => {
    const now = watch.state();
    return isAtEnd(now) ? now : undefined;
  });
  await life.until(
    'its engine answers',
    signal,
    () => findEngineAddress(dataDirectory)?.ownerPid === life.pid || undefined,
  );
  const answer = await ask(state);
  await life.stop();
  return answer;
}
