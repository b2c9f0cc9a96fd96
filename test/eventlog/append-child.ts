import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import type { Durability } from '../../eventlog/sqlite-layout.ts';
import { event } from './toy.ts';

/* Appends one event after the other, each when the one before is acknowledged: directory, durability, how many. */
const [directory = '', durability = 'group', count = '0'] = process.argv.slice(2);
await using log = await EmbeddedEventLog.open({ directory, durability: durability as Durability });
for (let place = 0; place < Number(count); place++) await log.append([event('a', String(place))]);
