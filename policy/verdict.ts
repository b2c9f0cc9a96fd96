import type { RuleReference } from '../schemas/generated.ts';

/** A rule that applied to an act, and by what. */
export interface MatchedRule {
  readonly reference: RuleReference;
  /** 1 to 10. */
  readonly severity: number;
  readonly tags: readonly string[];
  readonly message: string;
  /** Index into the act's resources; 0 where it has none. */
  readonly resource: number;
  /**
   * The path that the rule covers, in the rule's own form: the resource's path, or the name by which it was called, or the
   * form of either on the other side of a root link (`/bin/ls` for `/usr/bin/ls`). Of a rule without paths the element of
   * its comma list.
   */
  readonly matchedPath: Uint8Array;
  readonly matchedBy: 'path' | 'calledName' | 'name';
}

/**
 * What the rules of a target say of one act; what the kernel answered is not in it. `action` and `rule` are those of the
 * one alert that the act may give:
 *
 * | action | rule | meaning |
 * | --- | --- | --- |
 * | Block | a Block rule | denied by that rule |
 * | Block | undefined | denied by the default posture: no rule applies and the dimension is an allow-list |
 * | Audit | an Audit rule | permitted, with an alert |
 * | Audit | undefined | permitted by the default posture `audit`, with an alert |
 * | Allow | an Allow rule | permitted, no alert |
 * | undefined | undefined | no rule applies |
 */
export interface Verdict {
  readonly decision: 'permit' | 'deny';
  /** On whose account `action` is. */
  readonly decidedBy: 'rule' | 'posture' | 'none';
  readonly action: 'Allow' | 'Audit' | 'Block' | undefined;
  readonly rule: MatchedRule | undefined;
  /** Index into the act's resources: the one that decided. 0 where none did. */
  readonly resource: number;
  /** Whether some resource of the act is missing from the allow-list, whatever was decided. */
  readonly missedAllowList: boolean;
  /** The other rules that applied and lost, most specific first. */
  readonly overruled: readonly RuleReference[];
}
