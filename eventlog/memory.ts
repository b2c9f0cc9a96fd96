import { LocalEventLog } from './local-event-log.ts';
import { MemoryStore } from './memory-store.ts';
import { defaultRetention, type Retention } from './retention.ts';

export interface MemoryEventLogOptions {
  readonly retention?: Partial<Retention>;
}

/** A log that ends with the process: for tests, and for what follows a replay. Values are encoded as in every log. */
export class MemoryEventLog extends LocalEventLog {
  constructor(options: MemoryEventLogOptions = {}) {
    super(new MemoryStore({ ...defaultRetention, ...options.retention }));
  }
}
