import type { Act, ActResource, NamedAct, PathAct } from '../../policy/act.ts';
import type { Policy, Postures, Rule, Subject } from '../../policy/model.ts';
import type { MatchedRule, Verdict } from '../../policy/verdict.ts';
import type { RootLink, RuleReference } from '../../schemas/generated.ts';
import { matchesDirectory, matchesPath, slowGlobs } from './slow-globs.ts';
import type { SlowGlob } from './slow-globs.ts';
import { universeOf } from './universe.ts';

// What docs/policies.md says, written down once more without a table, a mask, a class or a rank: every rule is looked at for
// every act, every pair of rules is compared. The oracle of the compiled rules; it shares nothing with them but the model.

export interface InterpreterContext {
  readonly rootLinks: readonly RootLink[] | null;
  readonly postures: Postures;
  /** Paths enough to tell any two patterns apart; made of the policies' own where they are left out. */
  readonly universe?: readonly string[];
}

interface Applied {
  readonly policy: Policy;
  readonly rule: Rule;
  readonly piece: Piece;
  readonly resource: number;
  readonly by: MatchedRule['matchedBy'];
}

/** What is compared by itself: a subject, or one alternative of its pattern, or one element of its comma list. */
type Piece =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'directory'; readonly directory: string; readonly recursive: boolean }
  | { readonly kind: 'pattern'; readonly glob: SlowGlob }
  | { readonly kind: 'word'; readonly of: 'protocol' | 'domain' | 'capability'; readonly word: string };

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
  const pieces = ofDimension.flatMap(({ policy, rule }) =>
    piecesOf(rule.subject, links).map((piece) => ({ policy, rule, piece })),
  );
  const universe = context.universe ?? universeOf(ofDimension.map(({ rule }) => rule.subject));
  const applied: Applied[] = [];
  const denying: Applied[] = [];
  const missed: number[] = [];
  const parts: readonly (ActResource | undefined)[] = isPathAct(act) ? act.resources : [undefined];
  for (const [place, resource] of parts.entries()) {
    const here: Applied[] = [];
    for (const { policy, rule, piece } of pieces) {
      const by =
        resource === undefined ? appliesByName(rule, piece, act, links) : appliesBy(rule, piece, act, resource, links);
      if (by !== undefined) here.push({ policy, rule, piece, resource: place, by });
    }
    const allows = here.filter(({ rule }) => rule.action === 'Allow');
    const blocks = here.filter(({ rule }) => rule.action === 'Block');
    denying.push(
      ...blocks.filter((block) => !allows.some((allow) => isTrueException(allow, block, { links, universe }))),
    );
    const allowList = ofDimension.some(({ rule }) => rule.action === 'Allow');
    const falls = isPathAct(act) || act.fallsToPosture;
    if (allowList && falls && allows.length === 0 && blocks.length === 0) missed.push(place);
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

function isPathAct(act: Act): act is PathAct {
  return act.dimension === 'process' || act.dimension === 'file';
}

function piecesOf(subject: Subject, links: readonly Link[]): readonly Piece[] {
  switch (subject.kind) {
    case 'path':
      return [{ kind: 'path', path: canonical(utf8(subject.path), links) }];
    case 'name':
      return [{ kind: 'name', name: utf8(subject.name) }];
    case 'directory':
      return [{ ...subject, directory: canonical(utf8(subject.directory), links) }];
    case 'pattern':
      return slowGlobs(subject.pattern).map((glob) =>
        glob.literal === undefined || glob.directoriesOnly
          ? { kind: 'pattern', glob }
          : { kind: 'path', path: canonical(glob.literal, links) },
      );
    case 'protocol':
    case 'domain':
    case 'capability':
      return subject.names.map((word) => ({ kind: 'word', of: subject.kind, word }));
  }
}

// Which rules apply.

function appliesByName(rule: Rule, piece: Piece, act: Act, links: readonly Link[]): 'name' | undefined {
  if (isPathAct(act) || piece.kind !== 'word') return undefined;
  if (!sourceHolds(rule, act, links) || (rule.terminalOnly && !act.hasTerminal)) return undefined;
  return coversName(piece, act) ? 'name' : undefined;
}

function coversName({ of, word }: Piece & { kind: 'word' }, act: NamedAct): boolean {
  return act.names.some((name) => name === word || (of === 'domain' && name.endsWith(`.${word}`)));
}

function appliesBy(
  rule: Rule,
  piece: Piece,
  act: Act,
  resource: ActResource,
  links: readonly Link[],
): 'path' | 'calledName' | undefined {
  if (!isPathAct(act) || !sourceHolds(rule, act, links) || !conditionsHold(rule, act, resource)) return undefined;
  const path = text(resource.path);
  if (resource.truncated) {
    if (rule.action !== 'Allow' && someCompletionIsCovered(rule, piece, resource, path, links)) return 'path';
  } else if (isCovered(rule, piece, resource, path, links)) {
    return 'path';
  }
  if (resource.calledName !== undefined && rule.action !== 'Allow') {
    if (isCovered(rule, piece, resource, text(resource.calledName), links)) return 'calledName';
  }
  return undefined;
}

function sourceHolds(rule: Rule, act: Act, links: readonly Link[]): boolean {
  if (rule.sources.length === 0) return true;
  const source = canonical(text(act.source), links);
  return rule.sources.some((named) => canonical(utf8(named), links) === source);
}

function conditionsHold(rule: Rule, act: PathAct, resource: ActResource): boolean {
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

function isCovered(rule: Rule, piece: Piece, resource: ActResource, path: string, links: readonly Link[]): boolean {
  const forms = comparedForms(piece, path, links);
  if (forms.some((form) => lies(form, piece))) return true;
  const isDirectory = resource.isDirectory ?? rule.action === 'Block';
  return isDirectory && forms.some((form) => isTheDirectory(form, piece));
}

/** A pattern may name a link by a wildcard, so it is compared with every form; a name is one of the path as it stands. */
function comparedForms(piece: Piece, path: string, links: readonly Link[]): readonly string[] {
  if (piece.kind === 'name') return [path];
  return piece.kind === 'pattern' ? formsOf(path, links) : [path, canonical(path, links)];
}

/** The path, what it is behind the links, and each other name that leads there. */
function formsOf(path: string, links: readonly Link[]): readonly string[] {
  const target = canonical(path, links);
  const others = links.flatMap(({ from, to }) => (below(target, to) ? [from + target.slice(to.length)] : []));
  return [path, target, ...others];
}

/** Tries every beginning that could matter: those of the rule's own directory or path, in every form. */
function someCompletionIsCovered(
  rule: Rule,
  piece: Piece,
  resource: ActResource,
  path: string,
  links: readonly Link[],
): boolean {
  const suffix = path.startsWith('/') ? path : `/${path}`;
  if (piece.kind === 'pattern') return someCompletionMatches(piece.glob, rule, resource, suffix, links);
  const written = piece.kind === 'path' ? piece.path : piece.kind === 'directory' ? piece.directory : '/';
  const forms = [written, ...formsOf(written, links)];
  for (const { from } of links) forms.push(`${from}/`, from);
  const beginnings = forms.flatMap((form) => Array.from({ length: form.length + 1 }, (_, end) => form.slice(0, end)));
  return [...beginnings, `${written.replace(/\/$/, '')}/some/where`].some((beginning) =>
    isCovered(rule, piece, resource, (beginning + suffix).replaceAll(/\/{2,}/g, '/'), links),
  );
}

/** The end of a path matches an end of the pattern; or its first names are the end of a link, whose other side begins the path. */
function someCompletionMatches(
  glob: SlowGlob,
  rule: Rule,
  resource: ActResource,
  suffix: string,
  links: readonly Link[],
): boolean {
  const isDirectory = resource.isDirectory ?? rule.action === 'Block';
  const end = glob.directoriesOnly ? `${suffix}/` : suffix;
  if (glob.directoriesOnly && !isDirectory) return false;
  if (glob.ends.some((expression) => expression.test(end))) return true;
  const sides = links.flatMap(({ from, to }) => [
    [from, to],
    [to, from],
  ]);
  return sides.some(([one = '', other = '']) =>
    Array.from({ length: one.length }, (_, cut) => one.slice(cut)).some(
      (tail) => below(suffix, tail) && glob.whole.test(other + end.slice(tail.length)),
    ),
  );
}

// Paths.

function lies(path: string, piece: Piece): boolean {
  switch (piece.kind) {
    case 'path':
      return path === piece.path;
    case 'name':
      return path.slice(path.lastIndexOf('/') + 1) === piece.name;
    case 'directory': {
      if (!path.startsWith(piece.directory)) return false;
      const rest = path.slice(piece.directory.length);
      return rest !== '' && (piece.recursive || !rest.includes('/'));
    }
    case 'pattern':
      return matchesPath(piece.glob, path);
    case 'word':
      return false;
  }
}

function isTheDirectory(path: string, piece: Piece): boolean {
  if (piece.kind === 'pattern') return matchesDirectory(piece.glob, path);
  return piece.kind === 'directory' && (path === '/' ? '/' : `${path}/`) === piece.directory;
}

/** Whether every path that lies in `inner` lies in `outer`, the directories themselves left aside. */
export function liesWithin(inner: Piece, outer: Piece): boolean {
  switch (outer.kind) {
    case 'path':
      return inner.kind === 'path' && inner.path === outer.path;
    case 'name':
      if (inner.kind === 'path') return lies(inner.path, outer);
      return inner.kind === 'name' && inner.name === outer.name;
    case 'directory':
      if (inner.kind === 'path') return lies(inner.path, outer);
      if (inner.kind === 'name') return outer.recursive && outer.directory === '/';
      if (inner.kind !== 'directory') return false;
      if (!outer.recursive) return !inner.recursive && inner.directory === outer.directory;
      return inner.directory.startsWith(outer.directory);
    case 'pattern':
    case 'word':
      return inner.kind === 'word' && outer.kind === 'word' && wordsWithin(inner, outer);
  }
}

/** The words that a socket of a protocol also is, by hand: TCP is a stream of a family that `all` has. */
const alsoNamed: Readonly<Record<string, readonly string[]>> = {
  tcp: ['stream', 'all'],
  udp: ['dgram', 'all'],
  ...Object.fromEntries(['sctp', 'dccp', 'icmp', 'icmpv6', 'raw', 'packet'].map((name) => [name, ['all']])),
};

function wordsWithin(inner: Piece & { kind: 'word' }, outer: Piece & { kind: 'word' }): boolean {
  if (inner.word === outer.word) return true;
  if (inner.of === 'domain') return inner.word.endsWith(`.${outer.word}`);
  return inner.of === 'protocol' && (alsoNamed[inner.word] ?? []).includes(outer.word);
}

/** What patterns cover is compared path by path: a file, and a directory, at each place there could be one. */
function coversWithin(inner: Piece, outer: Piece, { links, universe }: Containment): boolean {
  if (inner.kind !== 'pattern' && outer.kind !== 'pattern') return liesWithin(inner, outer);
  const [one, other] = [coverage(inner, links, universe), coverage(outer, links, universe)];
  return one.every((how, place) => how === 0 || other[place] === 2 || (how === 1 && other[place] === 1));
}

interface Containment {
  readonly links: readonly Link[];
  readonly universe: readonly string[];
}

const coverages = new WeakMap<readonly string[], Map<string, Uint8Array>>();

/** For each path 2: covered, 1: covered if it is a directory, 0: not. A directory's own path is not counted. */
function coverage(piece: Piece, links: readonly Link[], universe: readonly string[]): Uint8Array {
  const known = coverages.get(universe) ?? new Map<string, Uint8Array>();
  coverages.set(universe, known);
  const key = JSON.stringify([piece.kind === 'pattern' ? piece.glob.whole.source : piece, links]);
  const found =
    known.get(key) ??
    Uint8Array.from(universe, (path) => {
      const forms = comparedForms(piece, path, links);
      if (forms.some((form) => lies(form, piece))) return 2;
      return piece.kind === 'pattern' && forms.some((form) => matchesDirectory(piece.glob, form)) ? 1 : 0;
    });
  known.set(key, found);
  return found;
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

function isTrueException(allow: Applied, block: Applied, containment: Containment): boolean {
  if (block.policy.kind === 'KubeArmorClusterPolicy' && allow.policy.kind === 'KubeArmorPolicy') return false;
  if (!coversWithin(allow.piece, block.piece, containment)) return false;
  // Both apply, so a rule that names sources names this act's: its piece is that source alone.
  const allowAnySource = allow.rule.sources.length === 0;
  const blockAnySource = block.rule.sources.length === 0;
  if (allowAnySource && !blockAnySource) return false;
  const fewerPaths = !coversWithin(block.piece, allow.piece, containment);
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
  const lists = [
    'matchPaths',
    'matchDirectories',
    'matchPatterns',
    'matchProtocols',
    'matchDNSQueries',
    'matchCapabilities',
  ];
  return (
    Number(one.rule.sources.length === 0) - Number(other.rule.sources.length === 0) ||
    kindOf(one.piece) - kindOf(other.piece) ||
    literalLength(other.piece, links) - literalLength(one.piece, links) ||
    widthOf(one.piece) - widthOf(other.piece) ||
    alphabetically(one.policy.namespace, other.policy.namespace) ||
    alphabetically(one.policy.name, other.policy.name) ||
    alphabetically(one.policy.kind, other.policy.kind) ||
    lists.indexOf(one.rule.list) - lists.indexOf(other.rule.list) ||
    one.rule.index - other.rule.index
  );
}

function kindOf(piece: Piece): number {
  if (piece.kind !== 'word') return { path: 0, name: 1, directory: 2, pattern: 2 }[piece.kind];
  if (piece.word === 'all') return 2;
  return ['stream', 'dgram', 'rdm', 'seqpacket', 'raw'].includes(piece.word) ? 1 : 0;
}

function literalLength(piece: Piece, links: readonly Link[]): number {
  if (piece.kind === 'directory') return piece.directory.length;
  if (piece.kind === 'word') return piece.of === 'domain' ? piece.word.length : 0;
  if (piece.kind !== 'pattern') return 0;
  const { literalPrefix } = piece.glob;
  const link = links.find(({ from }) => literalPrefix.startsWith(`${from}/`));
  return literalPrefix.length + (link === undefined ? 0 : link.to.length - link.from.length);
}

function widthOf(piece: Piece): number {
  if (piece.kind === 'pattern') return 2;
  return piece.kind === 'directory' && piece.recursive ? 1 : 0;
}

function alphabetically(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function matchOf(one: Applied, act: Act, links: readonly Link[]): MatchedRule {
  const { rule, piece, resource: place, by } = one;
  const matched = (matchedPath: string): MatchedRule => ({
    reference: referenceOf(one),
    severity: rule.severity,
    tags: rule.tags,
    message: rule.message,
    resource: place,
    matchedPath: Buffer.from(matchedPath, 'latin1'),
    matchedBy: by,
  });
  if (!isPathAct(act)) return matched(piece.kind === 'word' ? piece.word : '');
  const resource = act.resources[place];
  const path = text((by === 'path' ? resource?.path : resource?.calledName) ?? new Uint8Array());
  if (resource?.truncated === true && by === 'path') return matched(path);
  const written = piecesOf(rule.subject, []);
  const covered = formsOf(path, links).find((form) =>
    written.some((asWritten) => lies(form, asWritten) || isTheDirectory(form, asWritten)),
  );
  return matched(covered ?? path);
}

function referenceOf({ policy, rule }: Pick<Applied, 'policy' | 'rule'>): RuleReference {
  return {
    policyKind: policy.kind,
    policyNamespace: policy.namespace,
    policyName: policy.name,
    action: rule.action,
    block: rule.block,
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
