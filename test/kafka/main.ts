/**
 * Runs the Kafka suite: `npm run test:kafka`, or `node dist/test/kafka/main.js [AVA's arguments]` after `tsc --build` for
 * one file. Against the brokers of `KAFKA_BROKERS`, else against one that is fetched at the first time, started for this
 * run and ended with it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { packageRoot } from '../../cli/package-root.ts';
import { startBroker } from './broker.ts';

const given = process.env['KAFKA_BROKERS'];
const broker = given === undefined ? await startBroker() : undefined;
// AVA would set NODE_ENV to `test`, where kafkajs waits less between attempts than anywhere else.
const env = { ...process.env, NODE_ENV: 'production', KAFKA_BROKERS: given ?? broker?.address ?? '' };
const ava = spawn(
  path.join(packageRoot(), 'node_modules/.bin/ava'),
  ['--config', 'ava.kafka.config.js', ...process.argv.slice(2)],
  { cwd: packageRoot(), stdio: 'inherit', env },
);
// The terminal's Ctrl-C reaches AVA as well; here it must not end the broker before AVA has ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ava.kill(signal));
const [code] = (await once(ava, 'close')) as [number | null];
await broker?.[Symbol.asyncDispose]();
process.exitCode = code ?? 1;
