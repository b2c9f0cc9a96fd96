import type { Act, ActResource } from '../../policy/act.ts';
import type { Policy, Postures, Rule, Subject } from '../../policy/model.ts';
import type { MatchedRule, Verdict } from '../../policy/verdict.ts';
import type { RootLink, RuleReference } from '../../schemas/generated.ts';

// What docs/policies.md says, written down once more without a table, a mask, a class or a rank: every rule is looked at for
// every act, every pair of rules is compared. The oracle of the compiled rules; it shares nothing with them but the model.

export interface InterpreterContext {
  readonly rootLinks: readonly RootLink[] | null;
  readonly postures: Postures;
}

interface Applied {
  readonly policy: Policy;
  readonly rule: Rule;
  readonly resource: number;
  readonly by: 'path' | 'calledName';
}

interface Link {
  readonly from: string;
  readonly to: string;
}

const usualLinks: readonly Link[] = [
  ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].map((name) => ({ from: `/${name}`, to: `/usr/${name}` })),
  { from: '/var/run', to: '/run' },
  { from: '/var/lock', to: '/run/lock' },
];

/** The verdict on one act, by reading the policies. */
export function interpret(policies: readonly Policy[], context: InterpreterContext, act: Act): Verdict {
  const links = linksOf(context.rootLinks);
  const all = policies.flatMap((policy) => policy.rules.map((rule) => ({ policy, rule })));
  const ofDimension = all.filter(({ rule }) => rule.dimension === act.dimension);
  const applied: Applied[] = [];
  const denying: Applied[] = [];
  const missed: number[] = [];
  for (const [place, resource] of act.resources.entries()) {
    const here: Applied[] = [];
    for (const { policy, rule } of ofDimension) {
      const by = appliesBy(rule, act, resource, links);
      if (by !== undefined) here.push({ policy, rule, resource: place, by });
    }
    const allows = here.filter(({ rule }) => rule.action === 'Allow');
    const blocks = here.filter(({ rule }) => rule.action === 'Block');
    denying.push(...blocks.filter((block) => !allows.some((allow) => isTrueException(allow, block, links))));
    const allowList = ofDimension.some(({ rule }) => rule.action === 'Allow');
    if (allowList && allows.length === 0 && blocks.length === 0) missed.push(place);
    applied.push(...here);
  }
  const mostSpecific = (among: readonly Applied[]): Applied | undefined =>
    [...among].sort((one, other) => compareSpecificity(one, other, links) || one.resource - other.resource)[0];
  const references = (without: Rule | undefined): readonly RuleReference[] => {
    const distinct = [...applied]
      .sort((one, other) => compareSpecificity(one, other, links))
      .filter((one, place, sorted) => sorted.findIndex(({ rule }) => rule === one.rule) === place);
    return distinct.filter(({ rule }) => rule !== without).map(referenceOf);
  };
  const byRule = (one: Applied): Verdict => ({
    decision: one.rule.action === 'Block' ? 'deny' : 'permit',
    decidedBy: 'rule',
    action: one.rule.action,
    rule: matchOf(one, act, links),
    resource: one.resource,
    missedAllowList: missed.length > 0,
    overruled: references(one.rule),
  });
  const byPosture = (decision: 'permit' | 'deny'): Verdict => ({
    decision,
    decidedBy: 'posture',
    action: decision === 'deny' ? 'Block' : 'Audit',
    rule: undefined,
    resource: missed[0] ?? 0,
    missedAllowList: true,
    overruled: references(undefined),
  });
  const block = mostSpecific(denying);
  if (block !== undefined) return byRule(block);
  const posture = context.postures[act.dimension];
  if (missed.length > 0 && posture === 'block') return byPosture('deny');
  const audit = mostSpecific(applied.filter(({ rule }) => rule.action === 'Audit'));
  if (audit !== undefined) return byRule(audit);
  if (missed.length > 0) return byPosture('permit');
  const allow = mostSpecific(applied.filter(({ rule }) => rule.action === 'Allow'));
  if (allow !== undefined) return byRule(allow);
  return {
    decision: 'permit',
    decidedBy: 'none',
    action: undefined,
    rule: undefined,
    resource: 0,
    missedAllowList: false,
    overruled: [],
  };
}

// Which rules apply.

function appliesBy(
  rule: Rule,
  act: Act,
  resource: ActResource,
  links: readonly Link[],
): 'path' | 'calledName' | undefined {
  if (!sourceHolds(rule, act, links) || !conditionsHold(rule, act, resource)) return undefined;
  const path = text(resource.path);
  if (resource.truncated) {
    if (rule.action !== 'Allow' && someCompletionIsCovered(rule, resource, path, links)) return 'path';
  } else if (isCovered(rule, resource, path, links)) {
    return 'path';
  }
  if (resource.calledName !== undefined && rule.action !== 'Allow') {
    if (isCovered(rule, resource, text(resource.calledName), links)) return 'calledName';
  }
  return undefined;
}

function sourceHolds(rule: Rule, act: Act, links: readonly Link[]): boolean {
  if (rule.sources.length === 0) return true;
  const source = canonical(text(act.source), links);
  return rule.sources.some((named) => canonical(utf8(named), links) === source);
}

function conditionsHold(rule: Rule, act: Act, resource: ActResource): boolean {
  if (rule.terminalOnly && !act.hasTerminal) return false;
  const owner = resource.ownerUid === undefined || resource.ownerUid === act.fsuid;
  if (rule.allowedArguments !== undefined) {
    const allowed = rule.allowedArguments.map(utf8);
    const within = !act.argumentsTruncated && act.arguments.every((argument) => allowed.includes(text(argument)));
    if (rule.action === 'Allow' ? !within : within) return false;
  }
  return accessHolds(rule, { write: act.write, owner });
}

function accessHolds(rule: Rule, how: { readonly write: boolean; readonly owner: boolean }): boolean {
  const readingIfAsked = !rule.readOnly || !how.write;
  const ownerIfAsked = !rule.ownerOnly || how.owner;
  if (rule.action === 'Allow') return readingIfAsked && ownerIfAsked;
  const exempts = (rule.readOnly || rule.ownerOnly) && readingIfAsked && ownerIfAsked;
  return !exempts;
}

function isCovered(rule: Rule, resource: ActResource, path: string, links: readonly Link[]): boolean {
  const subject = canonicalSubject(rule.subject, links);
  const forms = subject.kind === 'name' ? [path] : [path, canonical(path, links)];
  if (forms.some((form) => lies(form, subject))) return true;
  const isDirectory = resource.isDirectory ?? rule.action === 'Block';
  return isDirectory && forms.some((form) => isTheDirectory(form, subject));
}

/** Tries every beginning that could matter: those of the rule's own directory or path, in every form. */
function someCompletionIsCovered(rule: Rule, resource: ActResource, path: string, links: readonly Link[]): boolean {
  const suffix = path.startsWith('/') ? path : `/${path}`;
  const written = writtenPath(rule.subject);
  const forms = [written, canonical(written, links)];
  for (const { from, to } of links) {
    const target = canonical(written, links);
    if (below(target, to)) forms.push(from + target.slice(to.length));
    forms.push(`${from}/`, from);
  }
  const beginnings = forms.flatMap((form) => Array.from({ length: form.length + 1 }, (_, end) => form.slice(0, end)));
  return [...beginnings, `${written.replace(/\/$/, '')}/some/where`].some((beginning) =>
    isCovered(rule, resource, (beginning + suffix).replaceAll(/\/{2,}/g, '/'), links),
  );
}

function writtenPath(subject: Subject): string {
  if (subject.kind === 'name') return '/';
  return utf8(subject.kind === 'path' ? subject.path : subject.directory);
}

// Paths.

function lies(path: string, subject: Subject): boolean {
  switch (subject.kind) {
    case 'path':
      return path === subject.path;
    case 'name':
      return path.slice(path.lastIndexOf('/') + 1) === subject.name;
    case 'directory': {
      if (!path.startsWith(subject.directory)) return false;
      const rest = path.slice(subject.directory.length);
      return rest !== '' && (subject.recursive || !rest.includes('/'));
    }
  }
}

function isTheDirectory(path: string, subject: Subject): boolean {
  return subject.kind === 'directory' && (path === '/' ? '/' : `${path}/`) === subject.directory;
}

/** Whether every path that lies in `inner` lies in `outer`, the directories themselves left aside. */
export function liesWithin(inner: Subject, outer: Subject): boolean {
  switch (outer.kind) {
    case 'path':
      return inner.kind === 'path' && inner.path === outer.path;
    case 'name':
      if (inner.kind === 'path') return lies(inner.path, outer);
      return inner.kind === 'name' && inner.name === outer.name;
    case 'directory':
      if (inner.kind === 'path') return lies(inner.path, outer);
      if (inner.kind === 'name') return outer.recursive && outer.directory === '/';
      if (!outer.recursive) return !inner.recursive && inner.directory === outer.directory;
      return inner.directory.startsWith(outer.directory);
  }
}

function canonicalSubject(subject: Subject, links: readonly Link[]): Subject {
  switch (subject.kind) {
    case 'path':
      return { kind: 'path', path: canonical(utf8(subject.path), links) };
    case 'name':
      return { kind: 'name', name: utf8(subject.name) };
    case 'directory':
      return { ...subject, directory: canonical(utf8(subject.directory), links) };
  }
}

function canonical(path: string, links: readonly Link[]): string {
  const link = links.find(({ from }) => below(path, from));
  return link === undefined ? path : link.to + path.slice(link.from.length);
}

function below(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function linksOf(rootLinks: readonly RootLink[] | null): readonly Link[] {
  return rootLinks?.map(({ path, target }) => ({ from: text(path), to: text(target) })) ?? usualLinks;
}

// Which Allow is a true exception to which Block, where both apply to the same act.

function isTrueException(allow: Applied, block: Applied, links: readonly Link[]): boolean {
  if (block.policy.kind === 'KubeArmorClusterPolicy' && allow.policy.kind === 'KubeArmorPolicy') return false;
  const inner = canonicalSubject(allow.rule.subject, links);
  const outer = canonicalSubject(block.rule.subject, links);
  if (!liesWithin(inner, outer)) return false;
  // Both apply, so a rule that names sources names this act's: its piece is that source alone.
  const allowAnySource = allow.rule.sources.length === 0;
  const blockAnySource = block.rule.sources.length === 0;
  if (allowAnySource && !blockAnySource) return false;
  const fewerPaths = !liesWithin(outer, inner);
  const fewerSources = !allowAnySource && blockAnySource;
  return fewerPaths || fewerSources || coversLessOfConditions(allow.rule, block.rule);
}

function coversLessOfConditions(allow: Rule, block: Rule): boolean {
  if (allow.allowedArguments !== undefined) return true;
  for (const write of [false, true]) {
    for (const owner of [false, true]) {
      for (const terminal of [false, true]) {
        const holds = (rule: Rule): boolean => accessHolds(rule, { write, owner }) && (!rule.terminalOnly || terminal);
        if (holds(block) && !holds(allow)) return true;
      }
    }
  }
  return false;
}

// Who is named.

function compareSpecificity(one: Applied, other: Applied, links: readonly Link[]): number {
  const [first, second] = [canonicalSubject(one.rule.subject, links), canonicalSubject(other.rule.subject, links)];
  const kinds = ['path', 'name', 'directory'];
  const prefix = (subject: Subject): number => (subject.kind === 'directory' ? subject.directory.length : 0);
  const recursive = (subject: Subject): boolean => subject.kind === 'directory' && subject.recursive;
  const lists = ['matchPaths', 'matchDirectories'];
  return (
    Number(one.rule.sources.length === 0) - Number(other.rule.sources.length === 0) ||
    kinds.indexOf(first.kind) - kinds.indexOf(second.kind) ||
    prefix(second) - prefix(first) ||
    Number(recursive(first)) - Number(recursive(second)) ||
    alphabetically(one.policy.namespace, other.policy.namespace) ||
    alphabetically(one.policy.name, other.policy.name) ||
    alphabetically(one.policy.kind, other.policy.kind) ||
    lists.indexOf(one.rule.list) - lists.indexOf(other.rule.list) ||
    one.rule.index - other.rule.index
  );
}

function alphabetically(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function matchOf(one: Applied, act: Act, links: readonly Link[]): MatchedRule {
  const { rule, resource: place, by } = one;
  const resource = act.resources[place];
  const bytes = (by === 'path' ? resource?.path : resource?.calledName) ?? new Uint8Array();
  const path = text(bytes);
  const target = canonical(path, links);
  const forms = [
    path,
    target,
    ...links.flatMap(({ from, to }) => (below(path, to) ? [from + path.slice(to.length)] : [])),
  ];
  const written = { ...rule.subject };
  const covered = forms.find((form) => lies(form, utf8Subject(written)) || isTheDirectory(form, utf8Subject(written)));
  return {
    reference: referenceOf(one),
    severity: rule.severity,
    tags: rule.tags,
    message: rule.message,
    resource: place,
    matchedPath: Buffer.from(resource?.truncated === true && by === 'path' ? path : (covered ?? path), 'latin1'),
    matchedBy: by,
  };
}

function utf8Subject(subject: Subject): Subject {
  return canonicalSubject(subject, []);
}

function referenceOf({ policy, rule }: Pick<Applied, 'policy' | 'rule'>): RuleReference {
  return {
    policyKind: policy.kind,
    policyNamespace: policy.namespace,
    policyName: policy.name,
    action: rule.action,
    block: rule.dimension,
    list: rule.list,
    index: rule.index,
    file: policy.file,
    line: rule.line,
    column: rule.column,
  };
}

/** Bytes as text, one character a byte. */
function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function utf8(written: string): string {
  return Buffer.from(written, 'utf8').toString('latin1');
}
