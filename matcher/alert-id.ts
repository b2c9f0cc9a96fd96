import { createHash } from 'node:crypto';
import type { RuleReference } from '../schemas/generated.ts';

/** What makes an event one among all, and what decided about it. */
export interface AlertIdentity {
  readonly nodeId: string;
  readonly bootId: string;
  readonly session: bigint;
  readonly cpu: number;
  readonly sequence: number;
  /** The deciding rule; `undefined` where the default posture of `dimension` decided. */
  readonly rule: RuleReference | undefined;
  readonly dimension: string;
}

/**
 * An alert's id: the same event and the same rule give the same one whenever and wherever they are judged. Line numbers are
 * not in it, so an edited comment changes no id. The first 128 bits of SHA-256, in hexadecimal.
 */
export function alertId(identity: AlertIdentity): string {
  const { nodeId, bootId, session, cpu, sequence, rule, dimension } = identity;
  const decided =
    rule === undefined
      ? ['posture', dimension]
      : [rule.policyKind, rule.policyNamespace, rule.policyName, rule.block, rule.list, rule.index];
  // As JSON, no part can run into the next.
  const text = JSON.stringify([nodeId, bootId, session.toString(), cpu, sequence, ...decided]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
