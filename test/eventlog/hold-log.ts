import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { event } from './toy.ts';

/* A process that owns the log of the directory given, says so, and keeps it until it is killed. */
const log = await EmbeddedEventLog.open({ directory: process.argv[2] ?? '' });
await log.append([event('a', 'held')]);
process.stdout.write('holding\n');
setInterval(() => undefined, 1000);
