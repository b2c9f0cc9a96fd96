import fc from 'fast-check';
import type { Act, ActResource } from '../../policy/act.ts';
import type { Policy, Postures, Rule, Subject } from '../../policy/model.ts';
import type { RootLink } from '../../schemas/generated.ts';

// Policies and acts over so few names that they meet, among them those that root links have.

const component = fc.constantFrom('usr', 'bin', 'usr', 'bin', 'a', 'run', 'var', 'ü');
const components = fc.array(component, { minLength: 1, maxLength: 3 });
const path = components.map((parts) => `/${parts.join('/')}`);
const directory = fc.oneof(
  { weight: 2, arbitrary: fc.constant('/') },
  { weight: 5, arbitrary: path.map((one) => `${one}/`) },
);

const subject: fc.Arbitrary<Subject> = fc.oneof(
  path.map((one): Subject => ({ kind: 'path', path: one })),
  fc.record({ kind: fc.constant('directory' as const), directory, recursive: fc.boolean() }),
);

const name: fc.Arbitrary<Subject> = component.map((one): Subject => ({ kind: 'name', name: one }));
const source = fc.constantFrom('/bin/a', '/usr/bin/a', '/usr/bin/b', '/a');
const argument = fc.constantFrom('-a', '-b');
const rarely = fc.boolean().chain((one) => (one ? fc.boolean() : fc.constant(false)));

const rule = (dimension: Rule['dimension']): fc.Arbitrary<Omit<Rule, 'index'>> =>
  fc.record({
    dimension: fc.constant(dimension),
    list: fc.constant('matchPaths' as const),
    line: fc.constant(1),
    column: fc.constant(1),
    subject:
      dimension === 'process' ? fc.oneof({ weight: 4, arbitrary: subject }, { weight: 1, arbitrary: name }) : subject,
    sources: fc.oneof(fc.constant([]), fc.uniqueArray(source, { maxLength: 3 })),
    ownerOnly: rarely,
    readOnly: dimension === 'file' ? rarely : fc.constant(false),
    terminalOnly: rarely,
    allowedArguments:
      dimension === 'process'
        ? fc.option(fc.array(argument, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 3 })
        : fc.constant(undefined),
    severity: fc.integer({ min: 1, max: 10 }),
    tags: fc.constant(['tag']),
    message: fc.constant('message'),
    action: fc.constantFrom('Allow' as const, 'Audit' as const, 'Block' as const),
  });

const anyRule = fc.oneof(rule('file'), rule('process'));

/** One to four policies of distinct identities, for one container. */
export const policies: fc.Arbitrary<readonly Policy[]> = fc
  .array(fc.record({ cluster: fc.boolean(), rules: fc.array(anyRule, { minLength: 1, maxLength: 6 }) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((drafts) =>
    drafts.map(({ cluster, rules }, place): Policy => ({
      kind: cluster ? 'KubeArmorClusterPolicy' : 'KubeArmorPolicy',
      namespace: cluster ? '' : 'ns',
      name: `policy-${place}`,
      file: 'policies.yaml',
      selector: { matchLabels: new Map(), matchExpressions: [], containerNames: undefined, hostNames: [] },
      rules: rules.map((draft, index): Rule => ({
        ...draft,
        index,
        list: draft.subject.kind === 'directory' ? 'matchDirectories' : 'matchPaths',
      })),
    })),
  );

const bytes = (text: string): Uint8Array => Buffer.from(text);
const uid = fc.constantFrom(0, 1000);

const resource: fc.Arbitrary<ActResource> = fc
  .record({
    path: fc.oneof({ weight: 1, arbitrary: fc.constant('/') }, { weight: 9, arbitrary: path }),
    calledName: fc.option(path, { nil: undefined, freq: 3 }),
    isDirectory: fc.constantFrom(true, false, undefined),
    ownerUid: fc.constantFrom(0, 1000, -1, undefined),
    truncated: fc.integer({ max: 7, min: 0 }).map((one) => one === 0),
    bare: fc.boolean(),
  })
  .map(({ path: one, calledName, isDirectory, ownerUid, truncated, bare }) => {
    const isTail = truncated && one !== '/';
    return {
      path: bytes(isTail && bare ? one.slice(1) : one),
      ...(calledName === undefined ? {} : { calledName: bytes(calledName) }),
      isDirectory,
      ownerUid,
      truncated: isTail,
    };
  });

export const act: fc.Arbitrary<Act> = fc.record({
  dimension: fc.constantFrom('file' as const, 'process' as const),
  resources: fc.array(resource, { minLength: 1, maxLength: 3 }),
  source: fc.oneof(source, path).map(bytes),
  write: fc.boolean(),
  fsuid: uid,
  hasTerminal: fc.boolean(),
  arguments: fc.array(fc.constantFrom('-a', '-b', '-c').map(bytes), { maxLength: 2 }),
  argumentsTruncated: rarely,
});

const posture = fc.constantFrom('audit' as const, 'block' as const);
export const postures: fc.Arbitrary<Postures> = fc.record({ process: posture, file: posture });

const link = (from: string, to: string): RootLink => ({ path: bytes(from), target: bytes(to) });
export const rootLinks: fc.Arbitrary<readonly RootLink[] | null> = fc.constantFrom<readonly RootLink[] | null>(
  null,
  [],
  [link('/bin', '/usr/bin')],
  [link('/bin', '/usr/bin'), link('/var/run', '/run')],
  [link('/a', '/usr/b')],
);
