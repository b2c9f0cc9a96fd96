import type { Kafka, Producer, ProducerConfig, Transaction } from 'kafkajs';
import { kafkaErrorType } from '../../../eventlog/kafka-errors.ts';
import { KafkaLookups, type CommittedOffset } from '../../../eventlog/kafka-lookups.ts';
import type { TopicName } from '../../../schemas/topics.ts';
import type { KafkaLaw } from './kafka-laws.ts';
import type { KafkaOmission } from './kafka-life.ts';
import type { ModelProcess } from './model-process.ts';

/** One step of the protocol, and a law that stands on it. */
export interface OmittedKafkaStep {
  /** What is left out, in words. */
  readonly step: string;
  /** What then no longer holds. */
  readonly law: KafkaLaw;
  readonly omission: KafkaOmission;
}

const state: TopicName = 'policy-status';

/** The steps that the protocol must not leave out, each as the real code around which it is undone. */
export const omittedKafkaSteps: readonly OmittedKafkaStep[] = [
  {
    step: 'the transactional id is the partition’s, so that taking it locks out whoever had it',
    law: 'every input has its output exactly once, in its node’s order',
    omission: {
      kafka: (kafka, number) =>
        producing(kafka, ({ transactionalId = '', ...config }) =>
          kafka.producer({ ...config, transactionalId: `${transactionalId} of process ${number}` }),
        ),
    },
  },
  {
    step: 'the lock is taken by a transaction before anything is read: connecting takes none',
    law: 'every input has its output exactly once, in its node’s order',
    omission: { kafka: (kafka) => producing(kafka, (config) => lateProducer(kafka.producer(config))) },
  },
  {
    step: 'the state is restored up to the end as of after the lock',
    law: 'the state goes on where the predecessor left it',
    omission: { lookups: (kafka, process, closing) => new EarlyStateEnd(kafka, process, closing) },
  },
  {
    step: 'tables are brought to where the predecessor had them',
    law: 'tables never go back',
    omission: { lookups: (kafka, _process, closing) => new ForgottenTables(kafka, '', closing) },
  },
  {
    step: 'the committed offset is read after the lock was taken',
    law: 'every input has its output exactly once, in its node’s order',
    omission: { lookups: (kafka, process, closing) => new EarlyOffset(kafka, process, closing) },
  },
  {
    step: 'a batch is thrown away with the lock under which it was read',
    law: 'every input has its output exactly once, in its node’s order',
    omission: { kafka: (kafka) => producing(kafka, (config) => stubbornProducer(() => kafka.producer(config))) },
  },
];

type MakeProducer = (config: ProducerConfig) => Producer;

function producing(kafka: Kafka, producer: MakeProducer): Kafka {
  return {
    producer: (config: ProducerConfig) => producer(config),
    consumer: (config: Parameters<Kafka['consumer']>[0]) => kafka.consumer(config),
  } as unknown as Kafka;
}

/** Its first transaction, which is to take the lock, is not begun: the one of the first batch takes it. */
function lateProducer(producer: Producer): Producer {
  let isFirst = true;
  const transaction = (): Promise<Transaction> => {
    if (!isFirst) return producer.transaction();
    isFirst = false;
    const nothing = { abort: () => Promise.resolve(), isActive: () => false };
    return Promise.resolve(nothing as unknown as Transaction);
  };
  return { ...producer, transaction };
}

type Sending = (transaction: Transaction) => Promise<unknown>;

/** Locked out, it takes the lock again and sends once more what it had in hand. */
function stubbornProducer(make: () => Producer): Producer {
  let producer = make();
  const transaction = async (): Promise<Transaction> => {
    const first = await producer.transaction();
    const sent: Sending[] = [];
    const all = async (into: Transaction): Promise<void> => {
      for (const sending of sent) await sending(into);
      await into.commit();
    };
    const kept: Pick<Transaction, 'sendBatch' | 'sendOffsets' | 'commit' | 'abort' | 'isActive'> = {
      isActive: () => first.isActive(),
      abort: () => first.abort(),
      sendBatch: (batch) => {
        sent.push((into) => into.sendBatch(batch));
        return Promise.resolve([]);
      },
      sendOffsets: (offsets) => {
        sent.push((into) => into.sendOffsets(offsets));
        return Promise.resolve();
      },
      commit: async () => {
        try {
          await all(first);
        } catch (error) {
          if (kafkaErrorType(error) !== 'INVALID_PRODUCER_EPOCH') throw error;
          producer = make();
          await all(await producer.transaction());
        }
      },
    };
    return kept as Transaction;
  };
  return { ...producer, transaction };
}

/** Looks up where the state ends before it takes the lock. */
class EarlyStateEnd extends KafkaLookups {
  readonly #process: ModelProcess;

  constructor(kafka: Kafka, process: ModelProcess, closing: AbortSignal) {
    super(kafka, '', closing);
    this.#process = process;
  }

  override end(topic: TopicName, partition: number): Promise<number> {
    if (topic !== state) return super.end(topic, partition);
    return Promise.resolve(this.#process.beforeLock.ends.get(topic) ?? 0);
  }
}

/** Looks up the committed offset before it takes the lock. */
class EarlyOffset extends KafkaLookups {
  readonly #process: ModelProcess;

  constructor(kafka: Kafka, process: ModelProcess, closing: AbortSignal) {
    super(kafka, '', closing);
    this.#process = process;
  }

  override committed(_group: string, topic: TopicName): Promise<CommittedOffset | undefined> {
    const found = this.#process.beforeLock.offsets.get(topic);
    return Promise.resolve(found === undefined ? undefined : { ...found, offset: Number(found.offset) });
  }
}

/** Begins with the tables as it finds them. */
class ForgottenTables extends KafkaLookups {
  override async committed(group: string, topic: TopicName, partition: number): Promise<CommittedOffset | undefined> {
    const found = await super.committed(group, topic, partition);
    return found === undefined ? undefined : { ...found, metadata: '' };
  }
}
