import { BatchRows } from '../../cli/demo/batch-rows.ts';
import type { ContainerDescriptor, RawEventBatch } from '../../schemas/generated.ts';

/** The collector's own limit (collector-session.ts). */
const eventsMax = 1000;

/**
 * The same events in the same order in as few batches as a collector would need whose batches close because they are full and
 * not because 20 ms have passed: what a node writes that is as fast as a bench replays. Only for excerpts: counters, gaps and
 * helper failures are not joined. Batches must be of one session. Throws RangeError where an index leads nowhere.
 */
export function joinBatches(batches: readonly RawEventBatch[]): readonly RawEventBatch[] {
  const joined: RawEventBatch[] = [];
  let waiting: RawEventBatch[] = [];
  let events = 0;
  for (const batch of batches) {
    if (events > 0 && events + batch.events.length > eventsMax) {
      joined.push(joinedInOne(waiting, joined.length + 1));
      waiting = [];
      events = 0;
    }
    waiting.push(batch);
    events += batch.events.length;
  }
  if (waiting.length > 0) joined.push(joinedInOne(waiting, joined.length + 1));
  return joined;
}

function joinedInOne(batches: readonly RawEventBatch[], number: number): RawEventBatch {
  const [first] = batches;
  if (first === undefined) throw new RangeError('there is no batch to join');
  const rows = new BatchRows();
  const containers: ContainerDescriptor[] = [];
  for (const batch of batches) {
    containers.push(...batch.containers);
    const laterNs = Number(batch.baseTimeNs - first.baseTimeNs);
    for (const event of batch.events) {
      const childStartTimeNs = event.operation === 'fork' ? event.childStartTimeNs + laterNs : event.childStartTimeNs;
      rows.add(batch, { ...event, timeNs: event.timeNs + laterNs, childStartTimeNs });
    }
  }
  return { ...first, ...rows.parts(), batch: number, containers };
}
