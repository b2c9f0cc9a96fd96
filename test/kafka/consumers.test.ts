import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { connectAdmin, createTopics } from '../../eventlog/kafka-admin.ts';
import { KafkaEventLog } from '../../eventlog/kafka.ts';
import { createSingleObjectFormat } from '../../eventlog/wire-format.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { Alert } from '../../schemas/generated.ts';
import { selfContainedSchema } from '../../schemas/self-contained.ts';
import { valuesOf } from '../eventlog/avro-arbitrary.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { randomPrefix, testConnection } from './topics.ts';

// The examples of docs/consumers.md, as they stand there.

const page = readFileSync('docs/consumers.md', 'utf8');

function example(language: string): string {
  const code = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'u').exec(page)?.[1];
  if (code === undefined) throw new Error(`docs/consumers.md has no example in ${language}`);
  return code;
}

const type = avroTypeOf('alerts').type;
const [made] = fc.sample(valuesOf(type), { numRuns: 1, seed: 7 });
const [first, second] = [alertOf('first'), alertOf('second')];

function alertOf(policyName: string): Alert {
  const ours = { policyName, resource: '/etc/shädow', nodeId: 'n1', timeUnixNs: 1_795_000_000_123_456_789n };
  return { ...(made as Alert), ...ours };
}

test('the consumer with kafkajs reads what the log on Kafka wrote, committed and compressed', async (t) => {
  const prefix = randomPrefix();
  const topic = `${prefix}alerts`;
  {
    await using admin = await connectAdmin(testConnection());
    await createTopics(admin, [{ topic, numPartitions: 1, replicationFactor: 1 }]);
  }
  t.teardown(async () => {
    await using admin = await connectAdmin(testConnection());
    await admin.deleteTopics({ topics: [topic] });
  });
  {
    await using log = new KafkaEventLog({ ...testConnection(), prefix, producer: 'palisade-test/0' });
    await log.append([first, second].map((value) => ({ topic: 'alerts', key: 'n1', value }) as const));
  }
  const arguments_ = [selfContainedSchema('alerts'), testConnection().brokers.join(','), topic];
  const child = spawn(process.execPath, ['--input-type=module', '-e', example('js'), ...arguments_]);
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaints += chunk));
  await eventually('both alerts are shown, or the example has ended', () =>
    said.includes('second') || child.exitCode !== null ? true : undefined,
  );
  t.is(said, 'n1 first: /etc/shädow\nn1 second: /etc/shädow\n', complaints);
});

const hasFastavro = spawnSync('python3', ['-c', 'import fastavro']).status === 0;
(hasFastavro ? test : test.skip)('the decoder in Python reads values in either frame (needs python3-fastavro)', (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'alerts.py'), example('python'));
  writeFileSync(join(folder, 'alert.avsc'), selfContainedSchema('alerts'));
  const ofRegistry = Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), type.toBuffer(second)]);
  const values = [createSingleObjectFormat().encode('alerts', first), ofRegistry];
  const input = Buffer.concat(
    values.flatMap((value) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(value.length);
      return [length, value];
    }),
  );
  // What kcat gives for a tombstone.
  const tombstone = Buffer.from([0xff, 0xff, 0xff, 0xff]);
  const { stdout, stderr } = spawnSync('python3', [join(folder, 'alerts.py'), join(folder, 'alert.avsc')], {
    input: Buffer.concat([tombstone, input]),
    encoding: 'utf8',
    env: { ...process.env, PYTHONIOENCODING: 'utf8' },
  });
  t.is(stdout, 'n1 first: /etc/shädow\nn1 second: /etc/shädow\n', stderr);
});
