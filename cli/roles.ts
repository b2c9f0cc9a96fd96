import type { ClickHouseClient } from '@clickhouse/client';
import { enricherStage, type EnricherOptions } from '../enricher/enricher.ts';
import { chain } from '../eventlog/chain.ts';
import type { Stage } from '../eventlog/runner.ts';
import type { ProcessorStage, SinkStage, SourceStage } from '../eventlog/stage.ts';
import { matcherStage } from '../matcher/matcher.ts';
import { policyFilesSource, type ToldIssues } from '../matcher/policy-files-source.ts';
import type { Logger } from '../runtime/logger.ts';
import { alertsSink, coverageSink } from '../sink/clickhouse.ts';

/** Raw events in, alerts and coverage out: enricher and matcher as one processor, so that enriched events cross no log. */
export function pipeline(options: EnricherOptions = {}): ProcessorStage {
  return chain(enricherStage(options), matcherStage());
}

export interface UpStagesOptions {
  /** Where raw events come from: the kernel, or a recording. */
  readonly events: SourceStage;
  readonly policies: PolicySourceOptions;
  readonly client: ClickHouseClient;
}

export interface PolicySourceOptions {
  readonly paths: readonly string[];
  readonly sourceId: string;
  readonly logger: Logger;
  readonly told: ToldIssues;
}

/** Everything that `palisade up` runs on one log. */
export function upStages({ events, policies, client }: UpStagesOptions): readonly Stage[] {
  return [policyFilesSource(policies), events, ...flowStages(client)];
}

/** What follows from the records of the sources, down to ClickHouse. */
export function flowStages(client: ClickHouseClient): readonly [ProcessorStage, SinkStage, SinkStage] {
  return [pipeline(), ...sinks(client)];
}

/** All that goes to ClickHouse. */
export function sinks(client: ClickHouseClient): readonly [SinkStage, SinkStage] {
  return [alertsSink(client), coverageSink(client)];
}
