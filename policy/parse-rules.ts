import type { Action, Dimension, Inherited, Rule, RuleList, RulePlace, Subject, UnjudgedReason } from './model.ts';
import type { UnjudgedRule } from './model.ts';
import { maxPatternsPerDimension, piecesOf } from './canonical-subject.ts';
import { buildGlobAutomaton, lonePatternLimits } from './glob-automaton.ts';
import { canonicalDomain } from './named.ts';
import { fieldOfRule } from './rule-place.ts';
import { usualRootLinks } from './root-links.ts';
import { actionWords } from './schema-parts.ts';
import { fieldOf, flagOf, itemsOf, numberOf, textOfField, textsOf } from './shape.ts';
import type { IssueList } from './shape.ts';
import { cleanPath, wordOf } from './text-rules.ts';
import type { YamlNode } from './yaml-tree.ts';

/** Where a spec gives no severity: the lowest, as KubeArmor has it (KubeArmor/core/kubeUpdate.go). */
const defaultSeverity = 1;

/** Where a spec gives no action: KubeArmor's default, in the same place. */
const defaultAction: Action = 'Block';

/** Where judged rules stand. */
const ruleLists: readonly { readonly block: string; readonly list: RuleList; readonly dimension: Dimension }[] = [
  { block: 'process', list: 'matchPaths', dimension: 'process' },
  { block: 'process', list: 'matchDirectories', dimension: 'process' },
  { block: 'process', list: 'matchPatterns', dimension: 'process' },
  { block: 'file', list: 'matchPaths', dimension: 'file' },
  { block: 'file', list: 'matchDirectories', dimension: 'file' },
  { block: 'file', list: 'matchPatterns', dimension: 'file' },
  { block: 'network', list: 'matchProtocols', dimension: 'network' },
  { block: 'network', list: 'matchDNSQueries', dimension: 'dns' },
  { block: 'capabilities', list: 'matchCapabilities', dimension: 'capabilities' },
];

/** The rules that acts are judged by, of a spec whose shape was checked, each with what it inherits. */
export function parseRules(spec: YamlNode | undefined, issues: IssueList): readonly Rule[] {
  const rules: Rule[] = [];
  for (const { block: blockName, list, dimension } of ruleLists) {
    const block = fieldOf(spec, blockName);
    for (const [index, node] of itemsOf(block, list).entries()) {
      if (textOfField(node, 'path') !== undefined && textOfField(node, 'execname') !== undefined) {
        const field = `spec.${blockName}.${list}[${index}]`;
        issues.add('warning', node.place, field, '`execname` wins over `path`, so the path has no effect.');
      }
      rules.push({
        dimension,
        ...placeOf({ block: blockName, list, index }, node),
        list,
        subject: parseSubject(list, node),
        sources: itemsOf(node, 'fromSource').map((source) => cleanPath(textOfField(source, 'path') ?? '')),
        ownerOnly: flagOf(node, 'ownerOnly') ?? false,
        readOnly: dimension === 'file' && (flagOf(node, 'readOnly') ?? false),
        terminalOnly: flagOf(node, 'pts') === false,
        allowedArguments: parseAllowedArguments(dimension, node),
        ...parseInherited([node, block, spec]),
      });
    }
  }
  limitPatterns(rules, issues);
  return rules;
}

/**
 * Steps that all patterns of one policy may take to compile, each by itself: 40 at the limit of one. It bounds the time that a
 * document takes to read, and so what all of them take to compile.
 */
const maxPatternSteps = 40 * lonePatternLimits.steps;

/** Refuses patterns that no target could have: at the first rule that passes a limit. */
function limitPatterns(rules: readonly Rule[], issues: IssueList): void {
  let count = 0;
  let stepsLeft = maxPatternSteps;
  for (const rule of rules) {
    if (rule.subject.kind !== 'pattern') continue;
    // With the forms that most roots give them, so that no target's compilation meets one that does not fit.
    const pieces = piecesOf(rule.subject, usualRootLinks);
    const forms = pieces.flatMap((piece) => (piece.kind === 'pattern' ? piece.forms : []));
    const valued = forms.map((glob) => ({ glob, value: 0 }));
    const allowed = Math.min(lonePatternLimits.steps, stepsLeft);
    const { automaton, steps } = buildGlobAutomaton(valued, { ...lonePatternLimits, steps: allowed });
    count += pieces.length;
    stepsLeft -= steps;
    const message = patternProblem({ count, fits: automaton !== undefined, stepsLeft }, rule.subject.pattern);
    if (message === undefined) continue;
    issues.add('error', { line: rule.line, column: rule.column, width: 1 }, `${fieldOfRule(rule)}.pattern`, message);
    return;
  }
}

function patternProblem(
  { count, fits, stepsLeft }: { readonly count: number; readonly fits: boolean; readonly stepsLeft: number },
  pattern: string,
): string | undefined {
  if (count > maxPatternsPerDimension) {
    return `Their alternatives written out, the policy has more than ${maxPatternsPerDimension} patterns.`;
  }
  if (stepsLeft <= 0)
    return 'Up to this one, the patterns of the policy take too long to compile: write them in more policies.';
  if (fits) return undefined;
  return (
    `To tell what "${pattern}" matches takes more than ${lonePatternLimits.states} states: a \`*\` or \`**\` is followed by too ` +
    'many places that could be several things. Write it in more patterns, or a wider one.'
  );
}

function parseSubject(list: RuleList, node: YamlNode): Subject {
  switch (list) {
    case 'matchPaths': {
      const name = textOfField(node, 'execname');
      return name === undefined
        ? { kind: 'path', path: cleanPath(textOfField(node, 'path') ?? '') }
        : { kind: 'name', name };
    }
    case 'matchDirectories': {
      const directory = cleanPath(textOfField(node, 'dir') ?? '/');
      return { kind: 'directory', directory, recursive: flagOf(node, 'recursive') ?? false };
    }
    case 'matchPatterns':
      return { kind: 'pattern', pattern: textOfField(node, 'pattern') ?? '' };
    case 'matchProtocols':
      return { kind: 'protocol', names: elementsOf(node, 'protocol') };
    case 'matchDNSQueries':
      return { kind: 'domain', names: elementsOf(node, 'domain').map(canonicalDomain) };
    case 'matchCapabilities': {
      const names = elementsOf(node, 'capability').map((name) => name.replace(/^cap_/, ''));
      return { kind: 'capability', names: [...new Set(names)] };
    }
  }
}

/** The elements of a comma list in lower case, each once. */
function elementsOf(node: YamlNode, field: string): readonly string[] {
  const elements = (textOfField(node, field) ?? '').split(',').map((element) => element.trim().toLowerCase());
  return [...new Set(elements)];
}

/** Where unjudged rules stand; a block without lists is one itself. */
const unjudgedLists: readonly { readonly block: string; readonly list?: string; readonly reason: UnjudgedReason }[] = [
  { block: 'syscalls', list: 'matchSyscalls', reason: 'notObserved' },
  { block: 'syscalls', list: 'matchPaths', reason: 'notObserved' },
  { block: 'device', list: 'matchDevice', reason: 'notObserved' },
  { block: 'presets', reason: 'notObserved' },
  { block: 'ingress', reason: 'notObserved' },
  { block: 'egress', reason: 'notObserved' },
];

/** The rules that nothing here is judged by, of a spec whose shape was checked. Raw AppArmor lines are one together. */
export function parseUnjudged(spec: YamlNode | undefined): readonly UnjudgedRule[] {
  const rules: UnjudgedRule[] = [];
  for (const { block: blockName, list, reason } of unjudgedLists) {
    const block = fieldOf(spec, blockName);
    for (const [index, node] of itemsOf(list === undefined ? spec : block, list ?? blockName).entries()) {
      const inherited = parseInherited(list === undefined ? [node, spec] : [node, block, spec]);
      // Rules about system calls always act as Audit, as KubeArmor has it: nothing enforces them.
      const action = blockName === 'syscalls' ? 'Audit' : inherited.action;
      const place = placeOf({ block: blockName, list: list ?? blockName, index }, node);
      rules.push({ ...place, ...inherited, action, reason });
    }
  }
  const lines = fieldOf(spec, 'apparmor');
  if (lines !== undefined) {
    const place = placeOf({ block: 'apparmor', list: 'apparmor', index: 0 }, lines);
    rules.push({ ...place, ...parseInherited([spec]), reason: 'notEnforceable' });
  }
  return rules;
}

function placeOf(rule: Pick<RulePlace, 'block' | 'list' | 'index'>, { place }: YamlNode): RulePlace {
  return { ...rule, line: place.line, column: place.column };
}

/** An empty list is no condition: KubeArmor's CRD can't tell it from an absent one. */
function parseAllowedArguments(dimension: Dimension, node: YamlNode): readonly string[] | undefined {
  const allowed = textsOf(node, 'allowedArgs');
  return dimension === 'process' && allowed.length > 0 ? allowed : undefined;
}

/** Each of the four from the first of rule, block and spec that has it; 0, an empty list and an empty text are as good as absent. */
function parseInherited(levels: readonly (YamlNode | undefined)[]): Inherited {
  const first = <Value>(read: (node: YamlNode | undefined) => Value | undefined): Value | undefined =>
    levels.map(read).find((value) => value !== undefined);
  return {
    severity: first((node) => presentOrAbsent(numberOf(node, 'severity'), 0)) ?? defaultSeverity,
    tags: first((node) => (itemsOf(node, 'tags').length === 0 ? undefined : textsOf(node, 'tags'))) ?? [],
    message: first((node) => presentOrAbsent(textOfField(node, 'message'), '')) ?? '',
    action: first((node) => wordOf(actionWords, textOfField(node, 'action') ?? '')) ?? defaultAction,
  };
}

function presentOrAbsent<Value>(value: Value | undefined, absent: Value): Value | undefined {
  return value === absent ? undefined : value;
}
