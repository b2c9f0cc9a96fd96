import { containerNameLabel, hostNameLabel } from './model.ts';
import type { Expression, Policy, Target } from './model.ts';

/** Labels that a controller writes anew at each rollout: they identify nothing (as KubeArmor has it). */
export const labelsThatDoNotCount: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'pod-template-generation',
  'controller-revision-hash',
]);

/**
 * Whether a policy applies to a target. Namespace and cluster policies apply to containers only, host policies to hosts
 * only. A network policy has rules about connections alone, which nothing is judged by yet, so it applies to nobody. Takes time
 * proportional to the selector.
 */
export function selects(policy: Policy, target: Target): boolean {
  if (policy.kind === 'KubeArmorNetworkPolicy') return false;
  const host = policy.kind === 'KubeArmorHostPolicy';
  if (host !== (target.kind === 'host')) return false;
  if (policy.kind === 'KubeArmorPolicy' && policy.namespace !== target.namespace) return false;
  const { matchLabels, matchExpressions, containerNames, hostNames } = policy.selector;
  for (const [key, value] of matchLabels) {
    if (labelOf(target, key) !== value) return false;
  }
  if (!matchExpressions.every((expression) => holds(expression, target))) return false;
  if (containerNames !== undefined) {
    const name = labelOf(target, containerNameLabel);
    if (name === undefined || !containerNames.includes(name)) return false;
  }
  const hostName = labelOf(target, hostNameLabel);
  if (!hostNames.every((list) => list.some((one) => hostName !== undefined && matchesWithStars(one, hostName)))) {
    return false;
  }
  return true;
}

function holds(expression: Expression, target: Target): boolean {
  const present = expression.values.some((value) => {
    if (expression.key === 'namespace') return value === target.namespace;
    const equals = value.indexOf('=');
    return labelOf(target, value.slice(0, equals)) === value.slice(equals + 1);
  });
  return present === (expression.operator === 'In');
}

function labelOf(target: Target, key: string): string | undefined {
  return labelsThatDoNotCount.has(key) || !Object.hasOwn(target.labels, key) ? undefined : target.labels[key];
}

/** `*` stands for any text. Linear in the text for each star: the leftmost place for each literal piece is enough. */
function matchesWithStars(pattern: string, text: string): boolean {
  const pieces = pattern.split('*');
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first)) return false;
  let position = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, position);
    if (found === -1) return false;
    position = found + piece.length;
  }
  return text.length - last.length >= position && text.endsWith(last);
}
