import type fc from 'fast-check';
import type { Kafka } from 'kafkajs';
import type { AssignedPartition, ConsumeOptions, EventLog, OutputRecord } from '../../../eventlog/event-log.ts';
import { kafkaDefaults } from '../../../eventlog/kafka-config.ts';
import { consumeKafka } from '../../../eventlog/kafka-consumer.ts';
import { KafkaFetcher } from '../../../eventlog/kafka-fetcher.ts';
import { KafkaLookups } from '../../../eventlog/kafka-lookups.ts';
import { MessageMaker } from '../../../eventlog/kafka-record.ts';
import type { KafkaServices } from '../../../eventlog/kafka-services.ts';
import { runStages } from '../../../eventlog/runner.ts';
import { storable } from '../../../eventlog/storable.ts';
import { createSingleObjectFormat } from '../../../eventlog/wire-format.ts';
import { neverMs, settled, type Step, type SteppedTime } from '../model/stepped-time.ts';
import { event, policy, quietly, tagger } from '../toy.ts';
import { BrokenKafkaLaw, brokenKafkaLaws, type Appended, type KafkaOutcome } from './kafka-laws.ts';
import type { KafkaCommand, KafkaStory } from './kafka-story.ts';
import { ModelBroker } from './model-broker.ts';
import { ModelProcess } from './model-process.ts';

/** The two processes that run the stage; the group gives its partition to one of them. */
const slots = [0, 1] as const;
type Slot = (typeof slots)[number];

/** The protocol with one step left out: what stands around the real code's client, or in the place of its lookups. */
export interface KafkaOmission {
  /** `number`: from 1, of the process. */
  readonly kafka?: (kafka: Kafka, number: number) => Kafka;
  readonly lookups?: (kafka: Kafka, process: ModelProcess, closing: AbortSignal) => KafkaLookups;
}

/** More than a story of 20 turns takes ten times over: what never comes to rest is an error. */
const maxSteps = 20_000;
/** Long polls that end and heartbeats without anything happening, until what goes on by them has done so; a few are needed. */
const maxIdleRounds = 60;

/**
 * Lets two processes live through `story`, in the order that `scheduler` chooses; then one runs undisturbed to its end. The laws
 * that do not hold then.
 */
export async function liveKafka(
  story: KafkaStory,
  scheduler: fc.Scheduler,
  { time, omission = {} }: { readonly time: SteppedTime; readonly omission?: KafkaOmission },
): Promise<readonly BrokenKafkaLaw[]> {
  const step: Step = async (label) => {
    await scheduler.schedule(Promise.resolve(), label);
  };
  time.orderBy(step);
  const world = new World(step, omission, story);
  let stepsLeft = maxSteps;
  const run = async (isOver: () => boolean): Promise<void> => {
    for (let round = 0; round < maxIdleRounds; round++) {
      await settled();
      for (; scheduler.count() > 0 && stepsLeft > 0; stepsLeft--) {
        await scheduler.waitNext(1);
        await settled();
      }
      if (isOver()) return;
      world.idle();
    }
  };
  for (const each of slots) world.start(each);
  let isTold = false;
  scheduler.scheduleSequence([
    ...story.turns.flatMap(({ happens, steps }) => [
      {
        label: JSON.stringify(happens),
        builder: () => {
          world.obey(happens);
          return Promise.resolve();
        },
      },
      ...Array.from({ length: steps }, () => ({ label: 'time passes', builder: () => Promise.resolve() })),
    ]),
    {
      label: 'the end',
      builder: () => {
        isTold = true;
        return Promise.resolve();
      },
    },
  ]);
  await run(() => isTold);
  world.stop();
  await run(() => world.hasEnded());
  world.start(0, neverMs);
  world.rebalance(0);
  await run(() => false);
  world.stop();
  await run(() => world.hasEnded());
  const unended = stepsLeft === 0 ? new Error('they do not come to rest') : world.failure();
  world.killAll();
  await run(() => scheduler.count() === 0);
  const ended = unended === undefined ? [] : [new BrokenKafkaLaw('no instance fails, and all come to an end', unended)];
  return [...brokenKafkaLaws(world.outcome()), ...ended];
}

function other(slot: Slot): Slot {
  return slot === 0 ? 1 : 0;
}

/** One life of a process. */
interface Life {
  readonly process: ModelProcess;
  readonly stop: AbortController;
  isOver: boolean;
}

/** The log as a processor stage uses it. */
class ConsumedLog implements EventLog {
  readonly #services: KafkaServices;
  readonly #batchBytes: number;

  constructor(services: KafkaServices, batchBytes: number) {
    this.#services = services;
    this.#batchBytes = batchBytes;
  }

  consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    return consumeKafka(this.#services, { ...options, batchBytes: this.#batchBytes }, own);
  }

  append(): never {
    throw new Error('a processor appends nothing');
  }

  read(): never {
    throw new Error('a processor reads nothing');
  }

  table(): never {
    throw new Error('a processor asks for no table');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

class World {
  readonly #broker: ModelBroker;
  readonly #step: Step;
  readonly #omission: KafkaOmission;
  readonly #story: KafkaStory;
  readonly #format = createSingleObjectFormat();
  readonly #maker = new MessageMaker('model');
  readonly #appended: Appended[] = [];
  readonly #policies: { readonly name: string; readonly text: string }[] = [];
  readonly #lives = new Map<Slot, Life>();
  readonly #failures: unknown[] = [];
  #owner: Slot = 0;
  #started = 0;

  constructor(step: Step, omission: KafkaOmission, story: KafkaStory) {
    this.#step = step;
    this.#omission = omission;
    this.#story = story;
    this.#broker = new ModelBroker((label, action) => void step(label).then(action));
  }

  /** Starts the process of `slot`, where none runs. Its drain ends early at any time, but for one of `neverMs`. */
  start(at: Slot, drainMs = 1000): void {
    if (this.#lives.get(at)?.isOver === false) return;
    const process = new ModelProcess(this.#broker, this.#step, this.#story.delays);
    process.assign(this.#owner === at);
    const life: Life = { process, stop: new AbortController(), isOver: false };
    this.#lives.set(at, life);
    const log = new ConsumedLog(this.#services(process, ++this.#started), this.#story.batchBytes);
    runStages([tagger], log, { ...quietly(), drainMs }, life.stop.signal).then(
      () => {
        life.isOver = true;
      },
      (error: unknown) => {
        life.isOver = true;
        this.#failures.push(error);
      },
    );
  }

  obey(next: KafkaCommand): void {
    switch (next.kind) {
      case 'event':
        this.#happen(next.node, next.text);
        break;
      case 'the last event again': {
        const last = this.#appended.at(-1);
        if (last === undefined) break;
        if (this.#story.numbered) this.#appendEvent(last);
        else this.#happen(last.node, last.text);
        break;
      }
      case 'policy':
        this.#policies.push({ name: next.name, text: next.text });
        this.#append(policy(next.name, next.text));
        break;
      case 'rebalance':
        this.rebalance(other(this.#owner));
        break;
      case 'pause the owner and rebalance':
        this.#lives.get(this.#owner)?.process.pause();
        this.rebalance(other(this.#owner));
        break;
      case 'kill the owner and rebalance':
        this.#crash();
        this.rebalance(other(this.#owner));
        break;
      case 'crash':
        this.#crash();
        break;
      case 'pause':
        this.#lives.get(this.#owner)?.process.pause();
        break;
      case 'resume':
        for (const { process } of this.#lives.values()) process.resume();
        break;
      case 'cut':
        this.#lives.get(this.#owner)?.process.cut(next.arrives);
        break;
      case 'heartbeats':
        this.idle();
        break;
      case 'compaction':
        for (const topic of ['policies', 'policy-status']) this.#broker.compact(topic);
        break;
      case 'new leader of the table':
        this.#broker.elect('policies', next.behind, next.steps);
        break;
    }
  }

  /** Each member hears of it some time, and none waits for the other. */
  rebalance(to: Slot): void {
    this.#owner = to;
    for (const [at, { process }] of this.#lives) process.assign(at === to);
  }

  /** What comes to pass by time alone. */
  idle(): void {
    this.#broker.answerWaiting();
    for (const { process } of this.#lives.values()) process.heartbeat();
  }

  /** Tells every process that runs to end, paused ones when they go on, which they do. */
  stop(): void {
    for (const { process, stop } of this.#lives.values()) {
      stop.abort();
      process.resume();
    }
  }

  killAll(): void {
    for (const { process } of this.#lives.values()) process.kill();
  }

  hasEnded(): boolean {
    return [...this.#lives.values()].every(({ isOver }) => isOver);
  }

  failure(): unknown {
    if (this.#failures.length > 0) return this.#failures[0];
    return this.hasEnded() ? undefined : new Error('a process does not end');
  }

  outcome(): KafkaOutcome {
    const outputs = this.#broker.readable('workloads');
    return { appended: this.#appended, policies: this.#policies, outputs, format: this.#format };
  }

  /** The owner dies, and a new process begins in its place. */
  #crash(): void {
    this.#lives.get(this.#owner)?.process.kill();
    this.#lives.delete(this.#owner);
    this.start(this.#owner);
  }

  #happen(node: string, text: string): void {
    const before = this.#appended.filter((each) => each.node === node);
    this.#appendEvent({ node, number: Math.max(0, ...before.map(({ number }) => number)) + 1, text });
  }

  #appendEvent(one: Appended): void {
    this.#appended.push(one);
    this.#append(event(one.node, one.text, this.#story.numbered ? one.number : 0));
  }

  #append(record: OutputRecord): void {
    this.#broker.append(record.topic, this.#maker.message(storable(record, {}, this.#format), 1));
  }

  #services(process: ModelProcess, number: number): KafkaServices {
    const closing = new AbortController().signal;
    const kafka = this.#omission.kafka?.(process.kafka, number) ?? process.kafka;
    const tuning = kafkaDefaults;
    const format = this.#format;
    return {
      kafka,
      prefix: '',
      tuning,
      format,
      maker: this.#maker,
      lookups: this.#omission.lookups?.(kafka, process, closing) ?? new KafkaLookups(kafka, '', closing),
      fetcher: new KafkaFetcher(kafka, { prefix: '', bytes: tuning.fetchBytes, format, signal: closing }),
      logger: undefined,
      closing,
    };
  }
}
