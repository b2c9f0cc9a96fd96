import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { dataLayout } from '../../cli/data-directory.ts';
import { removeEngineFolder } from '../../cli/engine-folder.ts';
import { captureFile } from './capture-file.ts';
import { bringToEnd, killAgainAndAgain, type Kill } from './kills.ts';
import { LogWatch } from './log-watch.ts';
import { storedIn, verdictOf, type Verdict } from './stored.ts';
import { ChaosStream } from './stream.ts';

/** What a run has to meet, or it proves little and fails. */
export const leastOf = { alerts: 10_000, policyChanges: 3, arrivals: 20 } as const;

export interface ChaosRunOptions {
  readonly seed: number;
  readonly kills: number;
  readonly onKill: (kill: Kill) => void;
  /** Told what is done now, as a sentence. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Feeds the capture to the ordinary stages, kills them and the engine again and again, lets them come to the end, and compares
 * what is stored with what an undisturbed run over the same records stores. Leaves nothing behind. Throws where the run itself
 * fails, and at an abort.
 */
export async function chaosRun({ seed, kills, onKill, onStep, signal }: ChaosRunOptions): Promise<Verdict> {
  const capture = captureFile();
  const stream = await ChaosStream.read(capture);
  const { storyLength, policyChanges, arrivals } = stream;
  await using folder = await temporaryFolder();
  const disturbed = await folder.dataDirectory('disturbed');
  const undisturbed = await folder.dataDirectory('undisturbed');

  onStep(
    `a story of ${storyLength} records, with ${policyChanges} changes of policies and ${arrivals} containers that come while it goes on, is told until ${kills} kills count`,
  );
  // The log is there before anybody looks into it.
  await stream.fill(dataLayout(disturbed).log, 0, 1);
  await killAgainAndAgain({ dataDirectory: disturbed, capture, storyLength, seed, kills, onKill, signal });
  const fed = fedTo(dataLayout(disturbed).log);
  onStep(`${fed} records were fed meanwhile; bringing the killed run to its end`);
  const length = Math.max(fed, storyLength);
  await stream.fill(dataLayout(disturbed).log, fed, length);
  const stored = await bringToEnd(disturbed, signal, (state) => storedIn(disturbed, state));
  onStep(`running undisturbed over the same ${length} records`);
  await stream.fill(dataLayout(undisturbed).log, 0, length);
  const expected = await bringToEnd(undisturbed, signal, (state) => storedIn(undisturbed, state));

  const verdict = verdictOf(expected, stored);
  const short = shortfallsOf({ alerts: verdict.expected, policyChanges, arrivals });
  return { ...verdict, problems: [...short, ...verdict.problems] };
}

/** What a run has not met, each as a sentence. */
export function shortfallsOf(met: Readonly<Record<keyof typeof leastOf, number>>): readonly string[] {
  return (Object.keys(leastOf) as (keyof typeof leastOf)[])
    .filter((what) => met[what] < leastOf[what])
    .map((what) => `only ${met[what]} ${what} were expected, less than ${leastOf[what]}`);
}

function fedTo(log: string): number {
  using watch = new LogWatch(log);
  return watch.state().fed;
}

interface TemporaryFolder extends AsyncDisposable {
  dataDirectory(name: string): Promise<string>;
}

/** Gone at the end, with what the engine's user has made in it. */
async function temporaryFolder(): Promise<TemporaryFolder> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'palisade-chaos-'));
  // For the engine's user to pass.
  await chmod(root, 0o711);
  const made: string[] = [];
  return {
    async dataDirectory(name) {
      const directory = path.join(root, name);
      await mkdir(directory, { mode: 0o711 });
      made.push(directory);
      return directory;
    },
    async [Symbol.asyncDispose]() {
      for (const directory of made) await removeEngineFolder(dataLayout(directory).engine);
      await rm(root, { recursive: true, force: true });
    },
  };
}
