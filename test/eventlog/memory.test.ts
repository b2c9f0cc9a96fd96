import type { ExecutionContext } from 'ava';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import type { Retention } from '../../eventlog/retention.ts';
import { conformance } from './conformance.ts';
import { retentionConformance } from './retention-conformance.ts';

function open(t: ExecutionContext, retention: Partial<Retention> = {}): Promise<MemoryEventLog> {
  const log = new MemoryEventLog({ retention });
  t.teardown(() => log[Symbol.asyncDispose]());
  return Promise.resolve(log);
}

conformance('memory', (t) => open(t), { oneSequence: true });
retentionConformance('memory', open);
