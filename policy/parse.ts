import type { PolicyDocument } from '../schemas/generated.ts';
import type { Issue } from './issue.ts';
import { builtinDefaults, containerNamespace, defaultsKind, policyKinds } from './model.ts';
import type { PalisadeDefaults, Policy, PolicyKind, Posture, Postures } from './model.ts';
import { nearestName } from './nearest.ts';
import { parseRules, parseUnjudged } from './parse-rules.ts';
import { parseSelector } from './parse-selector.ts';
import { documentKinds, documentShape } from './policy-schema.ts';
import type { DocumentKind } from './policy-schema.ts';
import { postureWords } from './schema-parts.ts';
import { checkShape, fieldOf, IssueList, textOfField, textsOf } from './shape.ts';
import type { Shape } from './shape.ts';
import { findSlips } from './slips.ts';
import { wordOf } from './text-rules.ts';
import { readYaml } from './yaml-tree.ts';
import type { DocumentText, YamlNode } from './yaml-tree.ts';

/** What became of one document. Without `policy` it is refused, and an issue says why. */
export interface ParsedPolicy {
  readonly policy?: Policy | PalisadeDefaults;
  /** In the order in which they were found; `renderIssues` sorts them by place. */
  readonly issues: readonly Issue[];
  /** Rules of `policy`'s text that are not in it, because their list has a name that nobody knows: an issue tells each list. */
  readonly droppedRules: number;
}

/**
 * Reads one policy, or PalisadeDefaults. Everything wrong with it is reported at once; one error refuses it whole, as the
 * API server would, so that no half of a policy is ever in force. Returns for any text whatever, in time linear in it.
 */
export function parsePolicy(document: Pick<PolicyDocument, keyof DocumentText>): ParsedPolicy {
  const { root, issues: yamlIssues } = readYaml(document);
  const issues = new IssueList(document.file);
  if (root === undefined || yamlIssues.length > 0) {
    const whole = { line: document.firstLine, column: 1, width: 1 };
    if (yamlIssues.length === 0) issues.add('error', whole, '', 'The document is empty.');
    return refusal([...yamlIssues, ...issues.issues]);
  }
  const kind = kindOf(root, issues);
  if (kind === undefined) return refusal(issues.issues);
  checkShape(root, documentShape(kind), '', issues);
  if (hasErrors(issues.issues)) return refusal(issues.issues);
  const spec = fieldOf(root, 'spec');
  if (kind === defaultsKind) return { policy: parseDefaults(root, spec), issues: issues.issues, droppedRules: 0 };
  const { namespace, name } = identityOf(root);
  const policy: Policy = {
    kind,
    namespace,
    name,
    file: document.file,
    selector: parseSelector(kind, spec, issues),
    rules: parseRules(spec, issues),
    unjudged: parseUnjudged(spec),
  };
  if (policy.rules.length + policy.unjudged.length === 0 && spec !== undefined) {
    issues.add('warning', { ...spec.place, width: 1 }, 'spec', 'The policy has no rules.');
  }
  findSlips(policy, issues);
  if (hasErrors(issues.issues)) return refusal(issues.issues);
  return { policy, issues: issues.issues, droppedRules: countDroppedRules(spec, documentShape(kind).fields['spec']) };
}

function refusal(issues: readonly Issue[]): ParsedPolicy {
  return { issues, droppedRules: 0 };
}

/** Elements of lists under fields that are not known, in the spec and its blocks. */
function countDroppedRules(node: YamlNode | undefined, shape: Shape | undefined): number {
  if (node?.kind !== 'mapping' || shape?.type !== 'mapping') return 0;
  let dropped = 0;
  for (const [key, { value }] of node.entries) {
    if (Object.hasOwn(shape.fields, key)) dropped += countDroppedRules(value, shape.fields[key]);
    else if (value.kind === 'sequence') dropped += value.items.length;
    else if (value.kind === 'mapping') dropped += countDroppedRules(value, { type: 'mapping', fields: {} });
  }
  return dropped;
}

/** By what a document is known, in the log and to people. */
export interface DocumentIdentity {
  /** Empty where it can't be read, as are the others. */
  readonly kind: string;
  /** Empty for the kinds of cluster and host; `container_namespace` for a KubeArmorPolicy that names none. */
  readonly namespace: string;
  readonly name: string;
}

/** The identity of a document that may be anything. */
export function identityOf(root: YamlNode | undefined): DocumentIdentity {
  const metadata = fieldOf(root, 'metadata');
  const kind = textOfField(root, 'kind') ?? '';
  const named = textOfField(metadata, 'namespace');
  return {
    kind,
    namespace: kind === 'KubeArmorPolicy' ? (named ?? containerNamespace) : '',
    name: textOfField(metadata, 'name') ?? '',
  };
}

/** Whether a document of this kind is for `parsePolicy`: one of a folder's others, a Deployment say, is not. */
export function isDocumentKind(kind: string): kind is DocumentKind {
  return documentKinds.includes(kind as DocumentKind);
}

function kindOf(root: YamlNode, issues: IssueList): DocumentKind | undefined {
  const node = fieldOf(root, 'kind');
  const kind = textOfField(root, 'kind');
  if (kind !== undefined && isDocumentKind(kind)) return kind;
  const expected = [...policyKinds, defaultsKind].join(', ');
  if (kind === undefined) {
    const place = node?.place ?? { ...root.place, width: 1 };
    issues.add('error', place, 'kind', `\`kind\` is missing or no text; expected one of ${expected}.`, { expected });
    return undefined;
  }
  const suggestion = nearestName(kind, documentKinds);
  const hint = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
  issues.add('error', node?.place ?? root.place, 'kind', `Expected one of ${expected}, got "${kind}".${hint}`, {
    expected,
    got: kind,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
  return undefined;
}

function hasErrors(issues: readonly Issue[]): boolean {
  return issues.some(({ severity }) => severity === 'error');
}

function parseDefaults(root: YamlNode, spec: YamlNode | undefined): PalisadeDefaults {
  const posture = (field: string, otherwise: Posture): Posture =>
    wordOf(postureWords, textOfField(spec, field) ?? '') ?? otherwise;
  const postures = (prefix: 'd' | 'hostD', builtin: Postures): Postures => {
    const file = posture(`${prefix}efaultFilePosture`, builtin.file);
    const network = posture(`${prefix}efaultNetworkPosture`, builtin.network);
    const capabilities = posture(`${prefix}efaultCapabilitiesPosture`, builtin.capabilities);
    return { process: file, file, network, dns: network, capabilities };
  };
  return {
    kind: defaultsKind,
    name: identityOf(root).name,
    clusterName: textOfField(spec, 'cluster') ?? builtinDefaults.clusterName,
    containerPostures: postures('d', builtinDefaults.containerPostures),
    hostPostures: postures('hostD', builtinDefaults.hostPostures),
    untrackedNamespaces: textsOf(spec, 'untrackedNs'),
  };
}

/** The kinds that `parsePolicy` makes a Policy of. */
export function isPolicy(parsed: Policy | PalisadeDefaults): parsed is Policy {
  return policyKinds.includes(parsed.kind as PolicyKind);
}
