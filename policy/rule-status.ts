import { parseGlob } from './glob.ts';
import { piecesOf, subjectKey } from './canonical-subject.ts';
import { compile } from './compile.ts';
import { conditionMaskOf } from './conditions.ts';
import { builtinDefaults } from './model.ts';
import type { Policy, Rule, RulePlace } from './model.ts';
import { labelsThatDoNotCount } from './select.ts';

/**
 * What becomes of a rule. loaded: acts are judged by it. notObserved: nobody here sees such acts. notEnforceable: it is for an
 * enforcer that is not here. shadowed: an earlier rule of the policy says the same. neverApplies:
 * no act can be one that it is about.
 */
export type RuleState = 'loaded' | 'notObserved' | 'notEnforceable' | 'shadowed' | 'neverApplies';

/** A rule and what becomes of it. */
export interface RuleStatus {
  readonly place: RulePlace;
  readonly state: RuleState;
  /** A sentence; where the rule is loaded it is empty, or about what it does not do. */
  readonly reason: string;
}

/** What becomes of each rule of a policy, in the order of its text. Judged by the policy alone: others may shadow it too. */
export function ruleStatuses(policy: Policy): readonly RuleStatus[] {
  const selectsNobody = reasonToSelectNobody(policy);
  const shadows = shadowsOf(policy);
  const undecided = undecidedOf(policy);
  const judged = policy.rules.map((rule): RuleStatus => {
    const never = selectsNobody ?? reasonToNeverApply(rule);
    const unseen = unseenReasons[rule.dimension];
    const shadow = shadows.get(rule);
    if (never !== undefined) return { place: rule, state: 'neverApplies', reason: never };
    if (unseen !== undefined) return { place: rule, state: 'notObserved', reason: unseen };
    if (shadow !== undefined) {
      return { place: rule, state: 'shadowed', reason: `The rule at line ${shadow.line} says the same.` };
    }
    return { place: rule, state: 'loaded', reason: undecided.get(rule.line) ?? '' };
  });
  const unjudged = policy.unjudged.map((rule): RuleStatus => {
    return selectsNobody === undefined
      ? { place: rule, state: rule.reason, reason: unjudgedReasons[rule.block] ?? '' }
      : { place: rule, state: 'neverApplies', reason: selectsNobody };
  });
  return [...judged, ...unjudged].sort(byPlace);
}

/** By dimension. */
const unseenReasons: Readonly<Partial<Record<Rule['dimension'], string>>> = {
  dns: 'Nobody here sees what names are looked up.',
  capabilities: 'Nobody here sees when capabilities are used.',
};

/** By block. */
const unjudgedReasons: Readonly<Record<string, string>> = {
  syscalls: 'Nobody here sees system calls as such.',
  device: 'Nobody here sees USB devices come.',
  presets: 'Nobody here sees what the preset is about.',
  ingress: 'Peers and ports of connections are not compared here.',
  egress: 'Peers and ports of connections are not compared here.',
  apparmor: 'These lines are for AppArmor, which nothing here is enforced by.',
};

function reasonToSelectNobody({ selector }: Policy): string | undefined {
  const label = [...selector.matchLabels.keys()].find((key) => labelsThatDoNotCount.has(key));
  if (label !== undefined) return `The policy selects nobody: the label ${label} does not count.`;
  const isEmpty = selector.matchExpressions.some(({ operator, values }) => operator === 'In' && values.length === 0);
  return isEmpty ? 'The policy selects nobody: an expression asks for one of no values.' : undefined;
}

function reasonToNeverApply({ dimension, subject }: Rule): string | undefined {
  if (dimension !== 'process' || subject.kind !== 'pattern') return undefined;
  const parsed = parseGlob(subject.pattern);
  const ofDirectories =
    'globs' in parsed &&
    parsed.globs.every((glob) => {
      const last = glob.at(-1);
      return last?.kind === 'byte' && last.bytes[0] === 0x2f;
    });
  return ofDirectories ? 'Nobody runs a directory, which is all that a pattern with a final / covers.' : undefined;
}

/** Rules that say what an earlier one says, piece by piece and condition by condition, each with that one. */
function shadowsOf(policy: Policy): ReadonlyMap<Rule, Rule> {
  const first = new Map<string, Rule>();
  const shadows = new Map<Rule, Rule>();
  for (const rule of policy.rules) {
    const key = JSON.stringify([
      rule.dimension,
      rule.action,
      piecesOf(rule.subject, []).map(subjectKey).sort(),
      [...rule.sources].sort(),
      conditionMaskOf(rule),
      rule.allowedArguments === undefined ? null : [...rule.allowedArguments].sort(),
    ]);
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, rule);
    else shadows.set(rule, earlier);
  }
  return shadows;
}

/** By line, Allows of which the policy's own Blocks leave it open whether they are exceptions. */
function undecidedOf(policy: Policy): ReadonlyMap<number, string> {
  const reasons = new Map<number, string>();
  if (
    !policy.rules.some(({ action }) => action === 'Allow') ||
    !policy.rules.some(({ subject }) => subject.kind === 'pattern')
  ) {
    return reasons;
  }
  const ofPaths = policy.rules.filter(({ dimension }) => dimension === 'file' || dimension === 'process');
  const compiled = compile([{ ...policy, rules: ofPaths }], {
    rootLinks: null,
    postures: builtinDefaults.containerPostures,
  });
  for (const { allow, block } of [...compiled.file.undecided, ...compiled.process.undecided]) {
    const reason = `Whether it lies within the Block at line ${block.line} takes too long to decide: it is no exception to it.`;
    reasons.set(allow.line, reason);
  }
  return reasons;
}

function byPlace({ place: one }: RuleStatus, { place: other }: RuleStatus): number {
  return one.line - other.line || one.column - other.column;
}
