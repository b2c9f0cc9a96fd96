import type { Action, Dimension, Rule, Subject } from './model.ts';
import { actionWords } from './schema-parts.ts';
import { fieldOf, flagOf, itemsOf, numberOf, textOfField, textsOf } from './shape.ts';
import type { IssueList } from './shape.ts';
import { cleanPath, wordOf } from './text-rules.ts';
import type { YamlNode } from './yaml-tree.ts';

/** Where a spec gives no severity: the lowest, as KubeArmor has it (KubeArmor/core/kubeUpdate.go). */
const defaultSeverity = 1;

/** Where a spec gives no action: KubeArmor's default, in the same place. */
const defaultAction: Action = 'Block';

/** The process and file rules of a spec whose shape was checked, each with what it inherits. */
export function parseRules(spec: YamlNode | undefined, issues: IssueList): readonly Rule[] {
  const rules: Rule[] = [];
  for (const dimension of ['process', 'file'] as const) {
    const block = fieldOf(spec, dimension);
    for (const list of ['matchPaths', 'matchDirectories'] as const) {
      for (const [index, node] of itemsOf(block, list).entries()) {
        const field = `spec.${dimension}.${list}[${index}]`;
        const levels = [node, block, spec];
        if (textOfField(node, 'path') !== undefined && textOfField(node, 'execname') !== undefined) {
          issues.add('warning', node.place, field, '`execname` wins over `path`, so the path has no effect.');
        }
        rules.push({
          dimension,
          list,
          index,
          line: node.place.line,
          column: node.place.column,
          subject: parseSubject(list, node),
          sources: itemsOf(node, 'fromSource').map((source) => cleanPath(textOfField(source, 'path') ?? '')),
          ownerOnly: flagOf(node, 'ownerOnly') ?? false,
          readOnly: dimension === 'file' && (flagOf(node, 'readOnly') ?? false),
          terminalOnly: flagOf(node, 'pts') === false,
          allowedArguments: parseAllowedArguments(dimension, node),
          ...parseInherited(levels),
        });
      }
    }
  }
  if (rules.length === 0 && spec !== undefined && !issues.issues.some(({ severity }) => severity === 'notSupported')) {
    issues.add('warning', { ...spec.place, width: 1 }, 'spec', 'The policy has no rules.');
  }
  return rules;
}

function parseSubject(list: Rule['list'], node: YamlNode): Subject {
  if (list === 'matchDirectories') {
    const directory = cleanPath(textOfField(node, 'dir') ?? '/');
    return { kind: 'directory', directory, recursive: flagOf(node, 'recursive') ?? false };
  }
  const name = textOfField(node, 'execname');
  return name === undefined
    ? { kind: 'path', path: cleanPath(textOfField(node, 'path') ?? '') }
    : { kind: 'name', name };
}

/** An empty list is no condition: KubeArmor's CRD can't tell it from an absent one. */
function parseAllowedArguments(dimension: Dimension, node: YamlNode): readonly string[] | undefined {
  const allowed = textsOf(node, 'allowedArgs');
  return dimension === 'process' && allowed.length > 0 ? allowed : undefined;
}

/** Each of the four from the first of rule, block and spec that has it; 0, an empty list and an empty text are as good as absent. */
function parseInherited(
  levels: readonly (YamlNode | undefined)[],
): Pick<Rule, 'severity' | 'tags' | 'message' | 'action'> {
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
