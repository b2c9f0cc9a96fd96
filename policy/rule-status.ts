import type { Policy, RulePlace, UnjudgedRule } from './model.ts';

/**
 * What becomes of a rule. loaded: acts are judged by it. notObserved: nobody here sees such acts. notEnforceable: it is for an
 * enforcer that is not here. shadowed: another rule of the policy says the same and is always named before it. neverApplies:
 * no act can be one that it is about.
 */
export type RuleState = 'loaded' | 'notObserved' | 'notEnforceable' | 'shadowed' | 'neverApplies';

/** A rule and what becomes of it. */
export interface RuleStatus {
  readonly place: RulePlace;
  readonly state: RuleState;
  /** A sentence, empty where the rule is loaded. */
  readonly reason: string;
}

/** What becomes of each rule of a policy, in the order of its text. */
export function ruleStatuses(policy: Policy): readonly RuleStatus[] {
  const judged = policy.rules.map((rule): RuleStatus => {
    if (rule.dimension === 'dns') return notObserved(rule, 'Nobody here sees what names are looked up.');
    if (rule.dimension === 'capabilities') return notObserved(rule, 'Nobody here sees when capabilities are used.');
    return { place: rule, state: 'loaded', reason: '' };
  });
  const unjudged = policy.unjudged.map((rule): RuleStatus => {
    return { place: rule, state: rule.reason, reason: unjudgedReasons[rule.block] ?? '' };
  });
  return [...judged, ...unjudged].sort(byPlace);
}

/** By block. */
const unjudgedReasons: Readonly<Record<string, string>> = {
  syscalls: 'Nobody here sees system calls as such.',
  device: 'Nobody here sees USB devices come.',
  presets: 'Nobody here sees what the preset is about.',
  ingress: 'Peers and ports of connections are not compared here.',
  egress: 'Peers and ports of connections are not compared here.',
  apparmor: 'These lines are for AppArmor, which nothing here is enforced by.',
};

function notObserved(place: RulePlace, reason: string): RuleStatus {
  return { place, state: 'notObserved', reason };
}

function byPlace({ place: one }: RuleStatus, { place: other }: RuleStatus): number {
  return one.line - other.line || one.column - other.column;
}

/** `spec.file.matchPaths[0]`, as people write it. */
export function fieldOfRule({ block, list, index }: Pick<UnjudgedRule, 'block' | 'list' | 'index'>): string {
  if (block === 'apparmor') return 'spec.apparmor';
  return block === list ? `spec.${block}[${index}]` : `spec.${block}.${list}[${index}]`;
}
