import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { textOf } from './toy.ts';

/* A process that reads the log of the directory given, which another one owns: a table, then events as they come. */
const log = EmbeddedEventLog.openReadOnly({ directory: process.argv[2] ?? '' });
const { position } = await log.table('policies');
process.stdout.write(`${position} policies\n`);
const signal = new AbortController().signal;
for await (const record of log.read({ topics: ['coverage'], from: 'start', follow: true, signal })) {
  process.stdout.write(`${textOf(record)}\n`);
}
