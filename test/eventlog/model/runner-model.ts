import fc from 'fast-check';
import { chain } from '../../../eventlog/chain.ts';
import type { AssignedPartition, ConsumeOptions, EventLog } from '../../../eventlog/event-log.ts';
import { LocalEventLog } from '../../../eventlog/local-event-log.ts';
import type { LogStore } from '../../../eventlog/log-store.ts';
import { runStages, type Stage } from '../../../eventlog/runner.ts';
import { isRetriable } from '../../../runtime/errors.ts';
import { garbage, garbagePolicy, judge, policy, quietly, removedPolicy, tagger } from '../toy.ts';
import { Disk, DiskClient } from './disk.ts';
import { brokenLaws, BrokenLaw } from './laws.ts';
import { Destination, destinationSink, poison, Ring, ringSource, sinkName, type Fate } from './outside.ts';
import { neverMs, settled, type SteppedTime } from './stepped-time.ts';

/** What happens to a flow; when, beside everything else, the scheduler says. */
export type Command =
  | { readonly kind: 'event'; readonly node: string; readonly text: string }
  | { readonly kind: 'the producer forgets'; readonly releases: number }
  | { readonly kind: 'policy'; readonly name: string; readonly text: string | undefined }
  | { readonly kind: 'garbage'; readonly topic: 'coverage' | 'policies' }
  | { readonly kind: 'kill'; readonly writesArrived: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'takeover' }
  | { readonly kind: 'start' }
  | { readonly kind: 'disk full'; readonly writes: number }
  | { readonly kind: 'retention' };

/** A flow and what becomes of it. */
export interface Story {
  /** Whether one processor does what two do with a topic between. */
  readonly chained: boolean;
  readonly commands: readonly Command[];
  /** Of the sink's tries, in their order. */
  readonly fates: readonly Fate[];
  /** Where batches are cut: after each record, so that more may wait than one holds, or when all is in that waits. */
  readonly batchBytes: number;
}

const node = fc.constantFrom('a', 'b');
const name = fc.constantFrom('p', 'q');

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('event' as const), node, text: fc.constantFrom('x', 'y', 'z', poison) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('the producer forgets' as const),
      releases: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('policy' as const),
      name,
      text: fc.constantFrom('1', '2', undefined),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('garbage' as const),
      topic: fc.constantFrom('coverage' as const, 'policies' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('kill' as const), writesArrived: fc.nat({ max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('takeover' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('start' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('disk full' as const), writes: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('retention' as const) }) },
);

export const story: fc.Arbitrary<Story> = fc.record({
  chained: fc.nat({ max: 3 }).map((number) => number === 3),
  commands: fc.array(command, { minLength: 1, maxLength: 40, size: 'max' }),
  fates: fc.array(fc.constantFrom<Fate>('stored', 'stored, and the answer is lost', 'lost'), { maxLength: 6 }),
  batchBytes: fc.constantFrom(1, 1 << 20),
});

/** A runner with one step left out: what stands around its store, its log and its stages. */
export interface Omission {
  readonly store?: (store: LogStore) => LogStore;
  readonly log?: (log: EventLog) => EventLog;
  readonly stage?: (stage: Stage) => Stage;
  /** Whether the log, when another owner takes it over, goes on taking what the first one commits. */
  readonly neverFences?: boolean;
}

/** More steps than a story of 40 commands takes ten times over: a flow that never comes to rest is an error. */
const maxSteps = 20_000;

/**
 * Lets the runner live through `story`, in the order that `scheduler` chooses, then once more undisturbed to its end; the
 * laws that do not hold then.
 */
export async function live(
  { chained, commands, fates, batchBytes }: Story,
  scheduler: fc.Scheduler,
  { time, omission = {} }: { readonly time: SteppedTime; readonly omission?: Omission },
): Promise<readonly BrokenLaw[]> {
  const step = async (label: string): Promise<void> => {
    await scheduler.schedule(Promise.resolve(), label);
  };
  time.orderBy(step);
  const world = new World(chained, new Destination(fates), { time, step, omission, batchBytes });
  let stepsLeft = maxSteps;
  const toRest = async (): Promise<void> => {
    for (; stepsLeft > 0; stepsLeft--) {
      await settled();
      if (scheduler.count() === 0) return;
      await scheduler.waitNext(1);
    }
  };
  world.start();
  scheduler.scheduleSequence(
    commands.map((next) => ({
      label: JSON.stringify(next),
      builder: () => {
        world.obey(next);
        return Promise.resolve();
      },
    })),
  );
  await toRest();
  world.disk.fullFor = 0;
  world.stop();
  await toRest();
  world.start(neverMs);
  await toRest();
  world.stop();
  await toRest();
  const unended = stepsLeft === 0 ? new Error('the flow does not come to rest') : world.unended();
  if (unended !== undefined) return [new BrokenLaw('no stage fails, and all come to an end', unended)];
  return brokenLaws({ disk: world.disk, ring: world.ring, destination: world.destination, chained });
}

interface Surroundings {
  readonly time: SteppedTime;
  readonly step: (label: string) => Promise<void>;
  readonly omission: Omission;
  readonly batchBytes: number;
}

/** One life of the process that runs the stages. */
interface Life {
  readonly client: DiskClient;
  readonly log: ModelLog;
  readonly stop: AbortController;
  /** Whether it was told to end, or that another one took its log. */
  isLeaving: boolean;
}

class ModelLog extends LocalEventLog {
  readonly #batchBytes: number;
  readonly #onOwned: (group: string) => void;

  constructor(store: LogStore, batchBytes: number, onOwned: (group: string) => void) {
    super(store);
    this.#batchBytes = batchBytes;
    this.#onOwned = onOwned;
  }

  override consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    return super.consume({ ...options, batchBytes: this.#batchBytes }, (partition) => {
      this.#onOwned(options.group);
      return own(partition);
    });
  }
}

class World {
  readonly disk = new Disk();
  readonly ring = new Ring();
  readonly destination: Destination;
  readonly #chained: boolean;
  readonly #surroundings: Surroundings;
  /** Groups that have had their partition: what is appended before the first time need not be kept for them. */
  readonly #begun = new Set<string>();
  #life: Life | undefined;
  readonly #failures: unknown[] = [];

  constructor(chained: boolean, destination: Destination, surroundings: Surroundings) {
    this.#chained = chained;
    this.destination = destination;
    this.#surroundings = surroundings;
  }

  /** Where no process runs, one is started. Its drain ends early at any time, but for one of `neverMs`. */
  start(drainMs = 1000): void {
    if (this.#life !== undefined) return;
    const { step, omission, batchBytes } = this.#surroundings;
    const client = new DiskClient(this.disk, step);
    const log = new ModelLog(omission.store?.(client) ?? client, batchBytes, (group) => this.#begun.add(group));
    const life: Life = { client, log, stop: new AbortController(), isLeaving: false };
    this.#life = life;
    const around = omission.log?.(log) ?? log;
    const stages = this.#stages(client).map((stage) => omission.stage?.(stage) ?? stage);
    runStages(stages, around, { ...quietly(), drainMs }, life.stop.signal).then(
      () => this.#exit(life),
      (error: unknown) => {
        // A disk that is full at the end is told.
        const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
        const isFullAtEnd = life.stop.signal.aborted && errors.every(isRetriable);
        if (!life.isLeaving && !isFullAtEnd) this.#failures.push(error);
        return this.#exit(life);
      },
    );
  }

  obey(command: Command): void {
    switch (command.kind) {
      case 'event':
        this.ring.add(command.node, command.text);
        break;
      case 'the producer forgets':
        this.ring.forgetReleases(command.releases);
        break;
      case 'policy':
        this.disk.append(command.text === undefined ? removedPolicy(command.name) : policy(command.name, command.text));
        break;
      case 'garbage':
        // Of a name of its own: retention takes the version that another one replaces, whether that can be read or not.
        this.disk.append(command.topic === 'coverage' ? garbage('a') : garbagePolicy('unreadable'));
        break;
      case 'kill':
        this.#life?.client.kill(command.writesArrived);
        this.#life = undefined;
        break;
      case 'stop':
        this.stop();
        break;
      case 'takeover':
        if (this.#life !== undefined) void this.#takeOver(this.#life);
        break;
      case 'start':
        this.start();
        break;
      case 'disk full':
        this.disk.fullFor = command.writes;
        break;
      case 'retention':
        if (this.#groups().every((group) => this.#begun.has(group))) this.#surroundings.time.tick();
        break;
    }
  }

  /** Tells the process that runs to end. */
  stop(): void {
    this.#life?.stop.abort();
  }

  /** Why the stages have not all ended as they should, if so. */
  unended(): unknown {
    if (this.#failures.length > 0) return this.#failures[0];
    return this.#life === undefined ? undefined : new Error('the stages do not end');
  }

  #stages(client: DiskClient): readonly Stage[] {
    const source = ringSource(this.ring, client);
    if (this.#chained) return [source, chain(tagger, judge)];
    return [source, tagger, judge, destinationSink(this.destination, client, this.#surroundings.step)];
  }

  #groups(): readonly string[] {
    return this.#chained ? ['tagger-judge'] : ['tagger', 'judge', sinkName];
  }

  /** The stages have returned: the log is closed and the process ends, with whatever was left behind. */
  async #exit(life: Life): Promise<void> {
    life.isLeaving = true;
    await life.log[Symbol.asyncDispose]();
    life.client.kill(0);
    if (this.#life === life) this.#life = undefined;
  }

  /** The log is taken from the process, which goes on as it can; another one begins. */
  async #takeOver(life: Life): Promise<void> {
    if (life.isLeaving) return;
    life.isLeaving = true;
    if (this.#surroundings.omission.neverFences !== true) await life.log[Symbol.asyncDispose]();
    if (this.#life !== life || life.client.isDead) return;
    this.#life = undefined;
    this.start();
  }
}
