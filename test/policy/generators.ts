import fc from 'fast-check';
import type { Act, ActResource, NamedAct, PathAct } from '../../policy/act.ts';
import type { Dimension, Policy, Postures, Rule, RuleList, Subject } from '../../policy/model.ts';
import type { RootLink } from '../../schemas/generated.ts';
import { pathsOf } from './universe.ts';

// Policies and acts over so few names that they meet, among them those that root links have.

const component = fc.constantFrom('usr', 'bin', 'usr', 'bin', 'a', 'run', 'var', 'ü', 'b');
const components = fc.array(component, { minLength: 1, maxLength: 3 });
const path = components.map((parts) => `/${parts.join('/')}`);
const directory = fc.oneof(
  { weight: 2, arbitrary: fc.constant('/') },
  { weight: 5, arbitrary: path.map((one) => `${one}/`) },
);

/** Few enough that what each covers is worked out once. */
export const patterns = [
  ...['**', '*', '/*', '/**', '/usr/**', '/usr/*', '/bin/*', '/bin/**', '/usr/bin/*', '/b*/**', '/b*', '/u*r/bin/*'],
  ...['/**/a', '**/a', 'a', '/**/bin', '/**/bin/**', '/**/bin/*', '/*/bin', '/*/a', '/**/b*', '*n', '/**/usr/**/a'],
  ...[
    '/{usr,bin}/a',
    '/usr/{a,bin/a}',
    '/usr/bin/[ab]',
    '/[ab]',
    '/[^ab]*',
    '/usr/?',
    '/**/?',
    '/usr/bin/a',
    '/usr/**/a',
  ],
  ...[
    '/usr/',
    '/usr/*/',
    '/**/bin/',
    '/**/',
    '/',
    '/{,usr/}bin/a',
    '/run/**',
    '/var/run/*',
    '/var/*/a',
    '/*/*',
    '/*/*/*',
  ],
];

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Paths that tell any two of these patterns, and of the other subjects here, apart. */
export const universe = pathsOf(['usr', 'bin', 'a', 'b', 'run', 'var', 'ur', 'zz', 'c', latin1('ü')], 4);

const subject: fc.Arbitrary<Subject> = fc.oneof(
  { weight: 2, arbitrary: path.map((one): Subject => ({ kind: 'path', path: one })) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('directory' as const), directory, recursive: fc.boolean() }) },
  { weight: 3, arbitrary: fc.constantFrom(...patterns).map((pattern): Subject => ({ kind: 'pattern', pattern })) },
);

const name: fc.Arbitrary<Subject> = component.map((one): Subject => ({ kind: 'name', name: one }));
const source = fc.constantFrom('/bin/a', '/usr/bin/a', '/usr/bin/b', '/a');
const argument = fc.constantFrom('-a', '-b');
const rarely = fc.boolean().chain((one) => (one ? fc.boolean() : fc.constant(false)));

const protocol = fc.constantFrom('tcp', 'udp', 'icmp', 'raw', 'stream', 'dgram', 'all');
const domain = fc.constantFrom('com', 'a.com', 'b.a.com', 'aa.com', 'org');
const capability = fc.constantFrom('net_raw', 'sys_admin');
const named = (kind: 'protocol' | 'domain' | 'capability', names: fc.Arbitrary<string>): fc.Arbitrary<Subject> =>
  fc.uniqueArray(names, { minLength: 1, maxLength: 2 }).map((some): Subject => ({ kind, names: some }));

const subjects: Readonly<Record<Dimension, fc.Arbitrary<Subject>>> = {
  process: fc.oneof({ weight: 4, arbitrary: subject }, { weight: 1, arbitrary: name }),
  file: subject,
  network: named('protocol', protocol),
  dns: named('domain', domain),
  capabilities: named('capability', capability),
};

const lists: Readonly<Record<Subject['kind'], RuleList>> = {
  path: 'matchPaths',
  name: 'matchPaths',
  directory: 'matchDirectories',
  pattern: 'matchPatterns',
  protocol: 'matchProtocols',
  domain: 'matchDNSQueries',
  capability: 'matchCapabilities',
};

const rule = (dimension: Dimension): fc.Arbitrary<Omit<Rule, 'index' | 'list'>> =>
  fc.record({
    dimension: fc.constant(dimension),
    block: fc.constant(dimension === 'dns' ? 'network' : dimension),
    line: fc.constant(1),
    column: fc.constant(1),
    subject: subjects[dimension],
    sources: fc.oneof(fc.constant([]), fc.uniqueArray(source, { maxLength: 3 })),
    ownerOnly: dimension === 'file' || dimension === 'process' ? rarely : fc.constant(false),
    readOnly: dimension === 'file' ? rarely : fc.constant(false),
    terminalOnly: dimension === 'dns' || dimension === 'capabilities' ? fc.constant(false) : rarely,
    allowedArguments:
      dimension === 'process'
        ? fc.option(fc.array(argument, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 3 })
        : fc.constant(undefined),
    severity: fc.integer({ min: 1, max: 10 }),
    tags: fc.constant(['tag']),
    message: fc.constant('message'),
    action: fc.constantFrom('Allow' as const, 'Audit' as const, 'Block' as const),
  });

const anyRule = fc.oneof(
  { weight: 3, arbitrary: rule('file') },
  { weight: 3, arbitrary: rule('process') },
  { weight: 2, arbitrary: rule('network') },
  rule('dns'),
  rule('capabilities'),
);

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
        list: lists[draft.subject.kind],
      })),
      unjudged: [],
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

export const pathAct: fc.Arbitrary<PathAct> = fc.record({
  dimension: fc.constantFrom('file' as const, 'process' as const),
  resources: fc.array(resource, { minLength: 1, maxLength: 3 }),
  source: fc.oneof(source, path).map(bytes),
  write: fc.boolean(),
  fsuid: uid,
  hasTerminal: fc.boolean(),
  arguments: fc.array(fc.constantFrom('-a', '-b', '-c').map(bytes), { maxLength: 2 }),
  argumentsTruncated: rarely,
});

/** Of a socket all words that it is. */
const names = {
  network: fc.constantFrom(
    ['tcp', 'stream', 'all'],
    ['stream'],
    ['udp', 'dgram', 'all'],
    ['icmp', 'raw', 'all'],
    ['all'],
  ),
  dns: fc.oneof(domain, fc.constant('x.b.a.com')).map((one) => [one]),
  capabilities: capability.map((one) => [one]),
};

const namedAct: fc.Arbitrary<NamedAct> = fc
  .constantFrom('network' as const, 'dns' as const, 'capabilities' as const)
  .chain((dimension) =>
    fc.record({
      dimension: fc.constant(dimension),
      names: names[dimension],
      fallsToPosture: fc.boolean(),
      source: fc.oneof(source, path).map(bytes),
      hasTerminal: fc.boolean(),
    }),
  );

export const act: fc.Arbitrary<Act> = fc.oneof({ weight: 3, arbitrary: pathAct }, { weight: 1, arbitrary: namedAct });

const posture = fc.constantFrom('audit' as const, 'block' as const);
export const postures: fc.Arbitrary<Postures> = fc.record({
  process: posture,
  file: posture,
  network: posture,
  dns: posture,
  capabilities: posture,
});

const link = (from: string, to: string): RootLink => ({ path: bytes(from), target: bytes(to) });
export const rootLinks: fc.Arbitrary<readonly RootLink[] | null> = fc.constantFrom<readonly RootLink[] | null>(
  null,
  [],
  [link('/bin', '/usr/bin')],
  [link('/bin', '/usr/bin'), link('/var/run', '/run')],
  [link('/a', '/usr/b')],
);
