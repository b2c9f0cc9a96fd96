import { MemoryEventLog } from '../../eventlog/memory.ts';
import { conformance } from './conformance.ts';

conformance('memory', (t, retention = {}) => {
  const log = new MemoryEventLog({ retention });
  t.teardown(() => log[Symbol.asyncDispose]());
  return Promise.resolve(log);
});
