import type { RuleReference } from '../schemas/generated.ts';
import type { Act, NamedAct, PathAct } from './act.ts';
import { findApplicable, findNamed, sourceNumberOf } from './applicable-rules.ts';
import type { ApplicableRule } from './applicable-rules.ts';
import { actionNumbers } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledRules, NamedRule } from './compiled-policy.ts';
import { byteStringOf, bytesOf } from './root-links.ts';
import { pathInRuleForm } from './rule-form.ts';
import type { MatchedRule, Verdict } from './verdict.ts';

/** No rule applies, and none would have to: the verdict of nearly every act, made once. */
const noVerdict: Verdict = Object.freeze({
  decision: 'permit',
  decidedBy: 'none',
  action: undefined,
  rule: undefined,
  resource: 0,
  missedAllowList: false,
  overruled: Object.freeze([]),
});

/**
 * Decides one act by the rules of its target, as docs/policies.md says under "Deciding". Synchronous and without memory: the
 * same act gets the same verdict. Takes time proportional to the act's paths and to the rules that name them, whatever the
 * number of rules.
 */
export function judge(compiled: CompiledPolicy, act: Act): Verdict {
  const rules = compiled[act.dimension];
  if (rules.rules.named.length === 0) return noVerdict;
  const sourceNumber = sourceNumberOf(rules, act.source);
  const applicable: ApplicableRule[] = [];
  let block: ApplicableRule | undefined;
  let missed = -1;
  if (isNamed(act)) {
    findNamed(rules, act, sourceNumber, applicable);
    block = denyingBlock(rules, applicable, 0);
    if (rules.isAllowList && act.fallsToPosture && !isDecided(rules, applicable, 0)) missed = 0;
  } else {
    for (let resource = 0; resource < act.resources.length; resource++) {
      const start = applicable.length;
      findApplicable(rules, act, resource, sourceNumber, applicable);
      block = moreSpecific(rules, block, denyingBlock(rules, applicable, start));
      if (missed === -1 && rules.isAllowList && !isDecided(rules, applicable, start)) missed = resource;
    }
  }
  if (applicable.length === 0 && missed === -1) return noVerdict;

  const missedAllowList = missed !== -1;
  if (block !== undefined) return ruleVerdict(compiled, act, applicable, block, missedAllowList);
  if (missedAllowList && rules.posture === 'block') return postureVerdict(rules, applicable, missed);
  const audit = mostSpecific(rules, applicable, actionNumbers.Audit);
  if (audit !== undefined) return ruleVerdict(compiled, act, applicable, audit, missedAllowList);
  if (missedAllowList) return postureVerdict(rules, applicable, missed);
  // Here every Block has an Allow as its exception, so there is an Allow.
  const allow = mostSpecific(rules, applicable, actionNumbers.Allow);
  return allow === undefined ? noVerdict : ruleVerdict(compiled, act, applicable, allow, missedAllowList);
}

function isNamed(act: Act): act is NamedAct {
  return act.dimension !== 'process' && act.dimension !== 'file';
}

/**
 * The most specific Block that denies a resource: one to which no Allow that applies too is a true exception. `applicable`
 * from `start` on are the rules of that resource, found under the present stamp.
 */
function denyingBlock(
  rules: CompiledRules,
  applicable: readonly ApplicableRule[],
  start: number,
): ApplicableRule | undefined {
  const { actions, classes, liftStarts, lifts } = rules.rules;
  const { liftedAt, stamp } = rules.scratch;
  for (let at = start; at < applicable.length; at++) {
    const rule = applicable[at]?.rule ?? 0;
    if (actions[rule] !== actionNumbers.Allow) continue;
    const allowClass = classes[rule] ?? 0;
    const end = liftStarts[allowClass + 1] ?? 0;
    for (let place = liftStarts[allowClass] ?? 0; place < end; place++) liftedAt[lifts[place] ?? 0] = stamp;
  }
  let block: ApplicableRule | undefined;
  for (let at = start; at < applicable.length; at++) {
    const rule = applicable[at]?.rule ?? 0;
    if (actions[rule] !== actionNumbers.Block || liftedAt[classes[rule] ?? 0] === stamp) continue;
    block = moreSpecific(rules, block, applicable[at]);
  }
  return block;
}

/** Whether an Allow or a Block is among the rules from `start` on: then the posture has no say. */
function isDecided(rules: CompiledRules, applicable: readonly ApplicableRule[], start: number): boolean {
  for (let at = start; at < applicable.length; at++) {
    if (rules.rules.actions[applicable[at]?.rule ?? 0] !== actionNumbers.Audit) return true;
  }
  return false;
}

/** Among matches of one rule that are equally specific the first resource is named, its path before its called name. */
function moreSpecific(
  { rules: { namingRanks } }: CompiledRules,
  one: ApplicableRule | undefined,
  other: ApplicableRule | undefined,
): ApplicableRule | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return (namingRanks[other.rule] ?? 0) < (namingRanks[one.rule] ?? 0) ? other : one;
}

function mostSpecific(
  rules: CompiledRules,
  applicable: readonly ApplicableRule[],
  action: number,
): ApplicableRule | undefined {
  let found: ApplicableRule | undefined;
  for (const one of applicable) if (rules.rules.actions[one.rule] === action) found = moreSpecific(rules, found, one);
  return found;
}

function ruleVerdict(
  compiled: CompiledPolicy,
  act: Act,
  applicable: readonly ApplicableRule[],
  match: ApplicableRule,
  missedAllowList: boolean,
): Verdict {
  const rules = compiled[act.dimension];
  const named = rules.rules.named[match.rule];
  if (named === undefined) throw new Error('a match names a rule of its own tables');
  const { rule, reference } = named;
  return {
    decision: rule.action === 'Block' ? 'deny' : 'permit',
    decidedBy: 'rule',
    action: rule.action,
    rule: {
      reference,
      severity: rule.severity,
      tags: rule.tags,
      message: rule.message,
      resource: match.resource,
      ...(isNamed(act)
        ? { matchedPath: Buffer.from(named.name), matchedBy: 'name' as const }
        : matchedPathOf(compiled, act, named, match)),
    },
    resource: match.resource,
    missedAllowList,
    overruled: overruledBy(rules, applicable, reference),
  };
}

function matchedPathOf(
  compiled: CompiledPolicy,
  act: PathAct,
  { rule: { subject }, pattern }: NamedRule,
  match: ApplicableRule,
): Pick<MatchedRule, 'matchedPath' | 'matchedBy'> {
  const resource = act.resources[match.resource];
  if (resource === undefined) throw new Error('a match names a resource of its own act');
  const path = match.byCalledName ? (resource.calledName ?? resource.path) : resource.path;
  // The end of a path has no other form: which link it goes through is not known.
  const isEnd = resource.truncated && !match.byCalledName;
  return {
    matchedPath: isEnd ? path : bytesOf(pathInRuleForm({ subject, pattern }, byteStringOf(path), compiled.links)),
    matchedBy: match.byCalledName ? 'calledName' : 'path',
  };
}

function postureVerdict(rules: CompiledRules, applicable: readonly ApplicableRule[], resource: number): Verdict {
  const blocks = rules.posture === 'block';
  return {
    decision: blocks ? 'deny' : 'permit',
    decidedBy: 'posture',
    action: blocks ? 'Block' : 'Audit',
    rule: undefined,
    resource,
    missedAllowList: true,
    overruled: overruledBy(rules, applicable, undefined),
  };
}

/** All rules that applied but the one named, each once however many of its pieces did, most specific first. */
function overruledBy(
  rules: CompiledRules,
  applicable: readonly ApplicableRule[],
  named: RuleReference | undefined,
): readonly RuleReference[] {
  const references = new Set<RuleReference>();
  for (const number of applicable.map(({ rule }) => rule).sort((one, other) => one - other)) {
    const reference = rules.rules.named[number]?.reference;
    if (reference !== undefined && reference !== named) references.add(reference);
  }
  return [...references];
}
