import type { LogRecord, OutputRecord } from '../eventlog/event-log.ts';
import type { Processor, ProcessorStage } from '../eventlog/stage.ts';
import type { ContainerDescriptor, Gap, RawEventBatch } from '../schemas/generated.ts';
import { withWorkload } from './container-table.ts';
import { BatchEnrichment } from './batch-enrichment.ts';
import { NodeState } from './node-state.ts';

/**
 * Raw events become enriched events: rows that are a repeat left out, and by process the container and the ancestry that
 * were true at this place of the stream. Exactly one enriched batch and one state record for each raw batch, and a coverage
 * record where a batch has counters or gaps or shows some.
 *
 * `policies` is a table here only so that its positions are stamped on what follows: the matcher judges an event by the
 * policies that were in force when the enricher saw it.
 */
export function enricherStage({ keepsState = true }: EnricherOptions = {}): ProcessorStage {
  return {
    name: 'enricher',
    inputs: ['raw-events'],
    tables: ['workloads', 'policies'],
    outputs: ['enriched-events', 'coverage', 'enricher-state'],
    state: ['enricher-state'],
    createProcessor: () => new Enricher(keepsState),
  };
}

export interface EnricherOptions {
  /**
   * Whether it writes state records, which a restart needs. Not so in a replay, which begins anew; they would be a third of
   * its work. Nothing else depends on it. Default true.
   */
  readonly keepsState?: boolean;
}

class Enricher implements Processor {
  readonly #keepsState: boolean;
  readonly #nodes = new Map<string, NodeState>();
  /** By the key of the topic: node id/container id. */
  readonly #workloads = new Map<string, ContainerDescriptor>();

  constructor(keepsState: boolean) {
    this.#keepsState = keepsState;
  }

  restore(record: LogRecord): void {
    if (record.topic !== 'enricher-state' || record.value === undefined) return;
    this.#node(record.value.nodeId).restore(record.value);
  }

  update(record: LogRecord): void {
    if (record.topic !== 'workloads') return;
    if (record.value === undefined) this.#workloads.delete(record.key);
    else this.#workloads.set(record.key, record.value);
  }

  process(record: LogRecord): readonly OutputRecord[] {
    if (record.topic !== 'raw-events' || record.value === undefined) return [];
    const nodeId = record.key;
    const node = this.#node(nodeId);
    const told = record.value;
    // A node may lie about itself and about nobody else: the key is what the log lets it write under.
    const batch: RawEventBatch = told.nodeId === nodeId ? told : { ...told, nodeId, events: [], containers: [] };
    const gaps: Gap[] = told.nodeId === nodeId ? [] : [refused(batch, told.nodeId)];
    if (node.beginBatch(batch).twoBoots) gaps.push(twoBoots(batch));

    const session = node.session(batch.bootId, batch.session);
    for (const descriptor of batch.containers) node.containers.put(batch.session, descriptor);
    const enrichment = new BatchEnrichment(batch, { node, session, workload: this.#workload(nodeId) });
    const enriched = enrichment.run();
    node.tree.trim();
    node.containers.trim(() => node.tree.containerCgroupIds());

    const outputs: OutputRecord[] = [];
    gaps.push(...session.close(batch));
    if (batch.counters.length > 0 || batch.gaps.length > 0 || gaps.length > 0 || batch.sessionEnded) {
      const value = session.report(batch, {
        gaps,
        eventTimeNs: enriched.eventTimeNs,
        evictedProcesses: node.tree.evicted,
        evictedContainers: node.containers.evicted,
      });
      outputs.push({ topic: 'coverage', key: nodeId, value });
    }
    if (this.#keepsState) {
      const state = node.takeState();
      outputs.push({ topic: 'enricher-state', key: `${nodeId}/${state.slot}`, value: state });
    } else {
      node.forgetChanges();
    }
    // Last: much may follow from it, and the rest holds in any case.
    outputs.push({ topic: 'enriched-events', key: nodeId, value: enriched });
    return outputs;
  }

  #node(nodeId: string): NodeState {
    let node = this.#nodes.get(nodeId);
    if (node === undefined) {
      node = new NodeState(nodeId);
      this.#nodes.set(nodeId, node);
    }
    return node;
  }

  #workload(nodeId: string): (descriptor: ContainerDescriptor) => ContainerDescriptor {
    return (descriptor) => withWorkload(descriptor, this.#workloads.get(`${nodeId}/${descriptor.containerId}`));
  }
}

function refused(batch: RawEventBatch, claimed: string): Gap {
  return {
    reason: 'unknown',
    fromTimeNs: batch.baseTimeNs,
    toTimeNs: batch.baseTimeNs,
    lost: null,
    detail: `a batch under this node's key says it is of node ${claimed}: its rows are left out`,
  };
}

function twoBoots(batch: RawEventBatch): Gap {
  return {
    reason: 'unknown',
    fromTimeNs: batch.baseTimeNs,
    toTimeNs: batch.baseTimeNs,
    lost: null,
    detail: `boot ${batch.bootId} goes on after a later boot of the same node began: two machines may share a node id`,
  };
}
