/**
 * Runs the toy stages on Kafka until it is told to end on standard input, or is killed:
 * `run-stages BROKERS PREFIX SESSION_TIMEOUT_MS`. Says `up` when it has begun.
 */
import process from 'node:process';
import { KafkaEventLog } from '../../eventlog/kafka.ts';
import { runStages } from '../../eventlog/runner.ts';
import { judge, quietly, tagger } from '../eventlog/toy.ts';
import { testTuning } from './kafka-log.ts';

const [, , brokers = '', prefix = '', sessionTimeoutMs = ''] = process.argv;
await using log = new KafkaEventLog({
  brokers: brokers.split(','),
  clientId: `run-stages-${process.pid}`,
  prefix,
  producer: 'run-stages/0',
  tuning: { ...testTuning, sessionTimeoutMs: Number(sessionTimeoutMs) },
});
const stop = new AbortController();
process.stdin.on('end', () => {
  stop.abort();
});
process.stdin.resume();
process.stdout.write('up\n');
await runStages([tagger, judge], log, quietly(), stop.signal);
