import { enricherStage } from '../../enricher/enricher.ts';
import { chain } from '../../eventlog/chain.ts';
import type { OutputRecord } from '../../eventlog/event-log.ts';
import type { Processor } from '../../eventlog/stage.ts';
import { matcherStage } from '../../matcher/matcher.ts';
import type { Alert, PolicyDocument, RawEventBatch } from '../../schemas/generated.ts';
import { policyDocuments, policyKey } from './policy-document.ts';
import { logRecord, valuesOf } from './run-processor.ts';

/** Enricher and matcher as one, fed by hand. */
export class Flow {
  readonly outputs: OutputRecord[] = [];
  readonly #processor: Processor = chain(enricherStage(), matcherStage()).createProcessor(0);

  /** The documents of a YAML text come into force, or one is deleted. */
  policies(yaml: string): void {
    for (const document of policyDocuments(yaml)) this.policy(policyKey(document), document);
  }

  policy(key: string, document: PolicyDocument | undefined): void {
    this.#processor.update(logRecord('policies', key, document));
  }

  /** What follows from one raw batch. */
  batch(batch: RawEventBatch): Alert[] {
    const outputs = [...this.#processor.process(logRecord('raw-events', batch.nodeId, batch))];
    this.outputs.push(...outputs);
    return valuesOf('alerts', outputs);
  }
}

/** The alerts that `batches` give under the policies of a YAML text. */
export function alertsOf(yaml: string, batches: readonly RawEventBatch[]): Alert[] {
  const flow = new Flow();
  flow.policies(yaml);
  return batches.flatMap((batch) => flow.batch(batch));
}
