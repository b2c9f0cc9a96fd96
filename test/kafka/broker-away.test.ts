import test from 'ava';
import { connectAdmin, createTopics } from '../../eventlog/kafka-admin.ts';
import { KafkaEventLog } from '../../eventlog/kafka.ts';
import { runStages } from '../../eventlog/runner.ts';
import { retry } from '../../runtime/retry.ts';
import { event, judge, policy, quietly, recordsOf, tagger, textOf } from '../eventlog/toy.ts';
import { eventually } from '../support/eventually.ts';
import { missingForBroker } from './broker-files.ts';
import { startBroker } from './broker.ts';
import { testTuning } from './kafka-log.ts';

const missing = missingForBroker();
const withBroker = missing === undefined ? test : test.skip;

withBroker(
  `a broker that is killed and comes back loses and doubles nothing${missing === undefined ? '' : `: ${missing}`}`,
  async (t) => {
    await using broker = await startBroker();
    const connection = { brokers: [broker.address], clientId: 'broker-away' };
    {
      await using admin = await connectAdmin(connection);
      const names = ['coverage', 'policies', 'policy-status', 'workloads', 'dead-letters'];
      await createTopics(
        admin,
        names.map((topic) => ({ topic, numPartitions: 1 })),
      );
    }
    await using log = new KafkaEventLog({ ...connection, prefix: '', producer: 'test/0', tuning: testTuning });
    const stop = new AbortController();
    const patience = { firstDelayMs: 50, maxDelayMs: 1000, maxAttempts: Infinity, signal: stop.signal };
    const running = runStages([tagger, judge], log, quietly(), stop.signal);
    let number = 0;
    const append = (): Promise<void> => {
      number += 1;
      const next = event('a', String(number), number);
      // One that failed may have been written: the stage leaves out a repeat by its number.
      return retry(() => log.append([next]), patience);
    };
    const judged = async (): Promise<readonly string[]> => (await recordsOf(log, ['dead-letters'])).map(textOf);

    await log.append([policy('p', 'x')]);
    for (let place = 0; place < 20; place++) await append();
    await eventually('20 verdicts', async () => ((await judged()).length >= 20 ? true : undefined));
    for (let kills = 0; kills < 2; kills++) {
      const appending = (async () => {
        for (let place = 0; place < 10; place++) await append();
      })();
      await broker.kill();
      await broker.restart();
      await appending;
    }
    await eventually('40 verdicts', async () => ((await judged()).length >= 40 ? true : undefined), 300_000);
    t.deepEqual(
      await judged(),
      Array.from({ length: 40 }, (_, place) => `${place + 1} ${place + 1} [p=x] judged by [p=x]`),
    );
    stop.abort();
    t.true(await running);
  },
);
