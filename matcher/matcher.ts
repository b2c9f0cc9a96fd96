import type { LogRecord, OutputRecord } from '../eventlog/event-log.ts';
import type { Processor, ProcessorStage } from '../eventlog/stage.ts';
import type { CompiledPolicy } from '../policy/compiled-policy.ts';
import { judge } from '../policy/judge.ts';
import type { EnrichedEventBatch, PolicyStatus, RawEvent } from '../schemas/generated.ts';
import { actOfEvent } from './act-of-event.ts';
import { alertOf } from './alert.ts';
import { Endpoints } from './endpoints.ts';
import { outcomeOf } from './outcome.ts';
import { PolicyTable } from './policy-table.ts';
import { targetOf, type JudgedTarget } from './target.ts';

/**
 * Enriched events are judged by the policies in force at their place and become alerts, at most one an event. What became
 * of each policy goes to `policy-status` with the next batch after it came; that topic is this stage's only state, so that
 * a restart repeats nothing.
 */
export function matcherStage(): ProcessorStage {
  return {
    name: 'matcher',
    inputs: ['enriched-events'],
    tables: ['policies'],
    outputs: ['alerts', 'policy-status'],
    state: ['policy-status'],
    createProcessor: () => new Matcher(),
  };
}

/** A process context's target in one batch, and what judges it. */
interface Endpoint {
  readonly target: JudgedTarget;
  readonly compiled: CompiledPolicy | undefined;
}

class Matcher implements Processor {
  readonly #policies = new PolicyTable();
  readonly #endpoints = new Endpoints(this.#policies);
  /** The statuses that were written, by key. */
  readonly #published = new Map<string, PolicyStatus>();
  #publishedVersion = -1;

  restore(record: LogRecord): void {
    if (record.topic !== 'policy-status') return;
    if (record.value === undefined) this.#published.delete(record.key);
    else this.#published.set(record.key, record.value);
  }

  update(record: LogRecord): void {
    if (record.topic === 'policies') this.#policies.update(record.key, record.value);
  }

  *process(record: LogRecord): Iterable<OutputRecord> {
    if (record.topic !== 'enriched-events' || record.value === undefined) return;
    yield* this.#newStatuses();
    const batch = record.value;
    const endpoints = this.#endpointsOf(batch);
    const hostName = batch.containers.find(({ kind }) => kind === 'host')?.host?.hostName ?? '';
    for (const event of batch.raw.events) {
      const endpoint = endpoints[event.process];
      if (endpoint?.compiled === undefined) continue;
      const value = this.#judge(batch, event, { endpoint, compiled: endpoint.compiled, hostName });
      if (value !== undefined) yield { topic: 'alerts', key: record.key, value };
    }
  }

  #judge(
    batch: EnrichedEventBatch,
    event: RawEvent,
    context: { readonly endpoint: Endpoint; readonly compiled: CompiledPolicy; readonly hostName: string },
  ): ReturnType<typeof alertOf> | undefined {
    const judged = actOfEvent(batch.raw, event);
    if (judged === undefined) return undefined;
    const verdict = judge(context.compiled, judged.act);
    const outcome = outcomeOf(verdict, event.returnValue);
    if (outcome === undefined) return undefined;
    return alertOf({
      batch,
      judged,
      target: context.endpoint.target,
      verdict,
      outcome,
      clusterName: this.#policies.defaults.clusterName,
      hostName: context.hostName,
    });
  }

  /** By process context; contexts of one container share one. */
  #endpointsOf(batch: EnrichedEventBatch): readonly Endpoint[] {
    const descriptors = new Map(batch.containers.map((descriptor) => [descriptor.cgroupId, descriptor]));
    const byCgroup = new Map<bigint, Endpoint>();
    return batch.raw.processes.map(({ containerCgroupId }) => {
      let endpoint = byCgroup.get(containerCgroupId);
      if (endpoint === undefined) {
        const target = targetOf(containerCgroupId, descriptors.get(containerCgroupId));
        endpoint = { target, compiled: this.#endpoints.compiledFor(target) };
        byCgroup.set(containerCgroupId, endpoint);
      }
      return endpoint;
    });
  }

  /** Statuses that are not the ones written last. */
  #newStatuses(): OutputRecord[] {
    if (this.#publishedVersion === this.#policies.version) return [];
    this.#publishedVersion = this.#policies.version;
    const outputs: OutputRecord[] = [];
    const { statuses } = this.#policies;
    for (const key of [...this.#published.keys()].sort()) {
      if (statuses.has(key)) continue;
      this.#published.delete(key);
      outputs.push({ topic: 'policy-status', key, value: undefined });
    }
    for (const [key, value] of [...statuses].sort(([first], [second]) => (first < second ? -1 : 1))) {
      if (JSON.stringify(this.#published.get(key)) === JSON.stringify(value)) continue;
      this.#published.set(key, value);
      outputs.push({ topic: 'policy-status', key, value });
    }
    return outputs;
  }
}
