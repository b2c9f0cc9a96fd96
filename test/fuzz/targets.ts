import { blockDecoder } from './targets/block-decoder.ts';
import { capture } from './targets/capture.ts';
import { engineHttp } from './targets/engine-http.ts';
import { engineSql } from './targets/engine-sql.ts';
import { policy } from './targets/policy.ts';
import { wireFormat } from './targets/wire-format.ts';
import type { FuzzTargetKind } from './target.ts';

/** Everything that is attacked. Their names begin the names of crash files. */
export const fuzzTargets: readonly FuzzTargetKind[] = [
  blockDecoder,
  wireFormat,
  capture,
  policy,
  engineHttp,
  engineSql,
];
