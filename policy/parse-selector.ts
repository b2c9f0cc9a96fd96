import { containerNameLabel, hostNameLabel, hostNamePatternLabel } from './model.ts';
import type { Expression, PolicyKind, Selector } from './model.ts';
import { labelsThatDoNotCount } from './select.ts';
import { fieldOf, itemsOf, textOfField } from './shape.ts';
import type { IssueList } from './shape.ts';
import { wordOf } from './text-rules.ts';
import type { YamlNode } from './yaml-tree.ts';

/** The selector of a spec whose shape was checked. */
export function parseSelector(kind: PolicyKind, spec: YamlNode | undefined, issues: IssueList): Selector {
  const ofConnections = kind === 'KubeArmorNetworkPolicy';
  const host = kind === 'KubeArmorHostPolicy' || (ofConnections && fieldOf(spec, 'nodeSelector') !== undefined);
  const field = host ? 'nodeSelector' : 'selector';
  const selector = fieldOf(spec, field);
  const matchLabels = new Map<string, string>();
  const hostNames: (readonly string[])[] = [];
  let containerNames: readonly string[] | undefined;
  const labels = fieldOf(selector, 'matchLabels');
  for (const [key, { keyPlace, value: node }] of labels?.kind === 'mapping' ? labels.entries : []) {
    const value = textOfField(labels, key) ?? '';
    const place = `spec.${field}.matchLabels.${key}`;
    if (labelsThatDoNotCount.has(key)) {
      const message = 'A controller writes this label anew at each rollout, so it does not count: nothing is selected.';
      issues.add('warning', keyPlace, place, message);
    }
    if (host && (key === hostNameLabel || key === hostNamePatternLabel)) hostNames.push(commaListOf(value));
    else if (!host && key === containerNameLabel) containerNames = parseContainerNames(value, node, place, issues);
    else matchLabels.set(key, value);
  }
  const matchExpressions = itemsOf(selector, 'matchExpressions').map((expression, index) =>
    parseExpression(expression, `spec.${field}.matchExpressions[${index}]`, issues),
  );
  return { matchLabels, matchExpressions, containerNames, hostNames };
}

function commaListOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');
}

/** `[a, b]`, or one name. What can't be read selects all containers, which is KubeArmor's choice, with a warning. */
function parseContainerNames(
  value: string,
  node: YamlNode,
  field: string,
  issues: IssueList,
): readonly string[] | undefined {
  const bracketed = value.startsWith('[') && value.endsWith(']');
  const names = commaListOf(bracketed ? value.slice(1, -1) : value);
  const malformed = names.some((name) => /[[\]\s]/.test(name)) || (!bracketed && names.length > 1);
  if (names.length > 0 && !malformed) return names;
  issues.add('warning', node.place, field, `"${value}" names no container, so all containers are selected.`, {
    expected: 'a name, or a list as "[a, b]"',
    got: value,
  });
  return undefined;
}

function parseExpression(node: YamlNode, field: string, issues: IssueList): Expression {
  const key = wordOf(['namespace', 'label'] as const, textOfField(node, 'key') ?? '') ?? 'label';
  const operator = wordOf(['In', 'NotIn'] as const, textOfField(node, 'operator') ?? '') ?? 'In';
  const values: string[] = [];
  const items = itemsOf(node, 'values');
  if (items.length === 0) {
    const what = operator === 'In' ? 'nothing is selected' : 'it holds for all';
    issues.add('warning', node.place, `${field}.values`, `The expression has no values, so ${what}.`);
  }
  for (const [index, item] of items.entries()) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') continue;
    values.push(item.value);
    if (key === 'label' && item.value.indexOf('=') < 1) {
      const message = `Expected a label as key=value, got "${item.value}".`;
      issues.add('error', item.place, `${field}.values[${index}]`, message, { expected: 'key=value', got: item.value });
    }
  }
  return { key, operator, values };
}
