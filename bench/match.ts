import type { Act } from '../policy/act.ts';
import { compile } from '../policy/compile.ts';
import { sizeOf } from '../policy/compiled-policy.ts';
import { judge } from '../policy/judge.ts';
import { builtinDefaults } from '../policy/model.ts';
import type { Policy, Rule } from '../policy/model.ts';
import type { Benchmark, Measurements } from './benchmark.ts';
import { quantile } from './report.ts';

const fewestRules = 10;
const mostRules = 10_000;
const ruleCounts = [fewestRules, 100, 1000, mostRules];
/** Of each, the median is taken; the first ones warm up. */
const rounds = 15;
const actsPerRound = 20_000;
const distinctActs = 20_000;
/** Rule by rule is slow: as many acts as give a stable figure. */
const scannedPerRound = 300;

function directoryOf(rule: number): string {
  return `/srv/app-${rule % 97}/data/unit-${rule}/`;
}

/** Half paths, a quarter directories, a quarter recursive ones; one in four names a source. */
function rulesOf(count: number): readonly Rule[] {
  return Array.from({ length: count }, (_, place): Rule => {
    const directory = directoryOf(place);
    const recursive = place % 4 === 1;
    return {
      dimension: 'file',
      block: 'file',
      list: place % 2 === 0 ? 'matchPaths' : 'matchDirectories',
      index: place,
      line: 1,
      column: 1,
      subject: place % 2 === 0 ? { kind: 'path', path: `${directory}f` } : { kind: 'directory', directory, recursive },
      sources: place % 4 === 0 ? [`/usr/bin/program-${place % 50}`] : [],
      ownerOnly: false,
      readOnly: place % 8 === 3,
      terminalOnly: false,
      allowedArguments: undefined,
      severity: 5,
      tags: [],
      message: '',
      action: (['Audit', 'Block', 'Audit', 'Allow'] as const)[place % 4] ?? 'Audit',
    };
  });
}

/** A quarter names at any depth, a quarter endings, a quarter below a directory, a quarter in somebody's home. */
function patternRulesOf(count: number): readonly Rule[] {
  const forms = [
    (place: number): string => `/**/secret-${place}`,
    (place: number): string => `*.ext${place}`,
    (place: number): string => `/srv/app-${place % 97}/**/*.unit-${place}`,
    (place: number): string => `/home/*/.tool-${place}/**`,
  ];
  return rulesOf(count).map((rule, place): Rule => {
    const pattern = (forms[place % forms.length] ?? String)(place);
    return { ...rule, list: 'matchPatterns', subject: { kind: 'pattern', pattern }, sources: [] };
  });
}

/** A path that the pattern of this place matches. */
function pathOfPattern(place: number): string {
  const paths = [
    `/var/lib/app/secret-${place}`,
    `/usr/share/app/file.ext${place}`,
    `/srv/app-${place % 97}/etc/conf/x.unit-${place}`,
    `/home/worker/.tool-${place}/cache/data`,
  ];
  return paths[place % paths.length] ?? '/';
}

/** The same as a regular expression, by hand for these four forms. */
function expressionOf(pattern: string): RegExp {
  const rooted = pattern.startsWith('/') ? pattern : `/**/${pattern}`;
  const source = rooted
    .replace(/[.]/g, '\\.')
    .replace(/\/\*\*\//g, '/(?:.+/)?')
    .replace(/\*\*$/, '.+')
    .replace(/(?<!\))\*/g, '[^/]*');
  return new RegExp(`^${source}$`);
}

function policyOf(rules: readonly Rule[]): Policy {
  const selector = { matchLabels: new Map(), matchExpressions: [], containerNames: undefined, hostNames: [] };
  return { kind: 'KubeArmorPolicy', namespace: 'ns', name: 'bench', file: 'bench.yaml', selector, rules, unjudged: [] };
}

function actOf(path: string): Act {
  return {
    dimension: 'file',
    resources: [{ path: Buffer.from(path), isDirectory: false, ownerUid: 0, truncated: false }],
    source: Buffer.from('/usr/bin/program-7'),
    write: false,
    fsuid: 0,
    hasTerminal: false,
    arguments: [],
    argumentsTruncated: false,
  };
}

/** Whether some rule covers the path: the least that looking at every rule must do, without conditions or precedence. */
function scan(rules: readonly Rule[], path: string): number {
  let found = 0;
  for (const { subject } of rules) {
    if (subject.kind === 'path') found += path === subject.path ? 1 : 0;
    else if (subject.kind === 'directory' && path.startsWith(subject.directory)) {
      found += subject.recursive || !path.includes('/', subject.directory.length) ? 1 : 0;
    }
  }
  return found;
}

/** Median time of one call in nanoseconds. */
function measure(calls: number, call: (place: number) => unknown): number {
  const times = Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    for (let place = 0; place < calls; place++) call(place);
    return Number(process.hrtime.bigint() - start) / calls;
  });
  return quantile(times, 0.5);
}

/**
 * As many distinct acts for few rules as for many, so that only the rules differ; every rule is hit by some. Every second path
 * is one that no rule names, as nearly all of a real system are.
 */
function pathsOf(count: number): readonly string[] {
  return Array.from({ length: distinctActs }, (_, place) =>
    place % 2 === 0 ? `${directoryOf((place / 2) % count)}f` : `/usr/lib/x86_64-linux-gnu/lib${place}.so.6`,
  );
}

function judged(rules: readonly Rule[], paths: readonly string[]): Measurements {
  const policy = policyOf(rules);
  const start = process.hrtime.bigint();
  const compiled = compile([policy], { rootLinks: null, postures: builtinDefaults.hostPostures });
  const compileMs = Number(process.hrtime.bigint() - start) / 1e6;
  const acts = paths.map(actOf);
  const actNs = measure(actsPerRound, (place) => judge(compiled, acts[place % acts.length] ?? actOf('/')));
  return { actNs, compileMs, tableBytes: sizeOf(compiled).tableBytes };
}

function scanned(count: number): Measurements {
  const rules = rulesOf(count);
  const paths = pathsOf(count);
  return { actNs: measure(scannedPerRound, (place) => scan(rules, paths[place % paths.length] ?? '')) };
}

function scannedPatterns(count: number): Measurements {
  const expressions = patternRulesOf(count).flatMap(({ subject }) =>
    subject.kind === 'pattern' ? [expressionOf(subject.pattern)] : [],
  );
  const paths = patternPathsOf(count);
  const scanOne = (path: string): number => expressions.reduce((sum, one) => sum + (one.test(path) ? 1 : 0), 0);
  return { actNs: measure(scannedPerRound, (place) => scanOne(paths[place % paths.length] ?? '')) };
}

function patternPathsOf(count: number): readonly string[] {
  return pathsOf(count).map((path, place) => (place % 2 === 0 ? pathOfPattern((place / 2) % count) : path));
}

const patternCounts = [10, 100, 1000];
const judgedPatternsName = (count: number): string => `${count} patterns, judged`;
const scannedPatternsName = (count: number): string => `${count} patterns, one by one`;

const judgedName = (count: number): string => `${count} rules, judged`;
const scannedName = (count: number): string => `${count} rules, one by one`;

/** What judging one act costs for more and more rules, and patterns, against looking at every one in turn. */
export const match: Benchmark = {
  trials: 5,
  variants: Object.fromEntries([
    ...ruleCounts.flatMap((count) => [
      [judgedName(count), () => Promise.resolve(judged(rulesOf(count), pathsOf(count)))] as const,
      [scannedName(count), () => Promise.resolve(scanned(count))] as const,
    ]),
    ...patternCounts.flatMap((count) => [
      [judgedPatternsName(count), () => Promise.resolve(judged(patternRulesOf(count), patternPathsOf(count)))] as const,
      [scannedPatternsName(count), () => Promise.resolve(scannedPatterns(count))] as const,
    ]),
  ]),
  figures: (results) => [
    ...[
      ...ruleCounts.map((count) => [`${count} rules`, judgedName(count), scannedName(count)] as const),
      ...patternCounts.map(
        (count) => [`${count} patterns`, judgedPatternsName(count), scannedPatternsName(count)] as const,
      ),
    ].flatMap(([what, judgedVariant, scannedVariant]) => {
      const of = (measurement: string): readonly number[] => results(judgedVariant, measurement);
      return [
        { figure: `act, ${what}`, unit: 'ns/event', values: of('actNs'), baseline: results(scannedVariant, 'actNs') },
        { figure: `compile, ${what}`, unit: 'ms', values: of('compileMs'), baseline: null },
        { figure: `tables, ${what}`, unit: 'bytes', values: of('tableBytes'), baseline: null },
      ];
    }),
    {
      figure: `act, ${mostRules} rules beside ${fewestRules}`,
      unit: 'ns/event',
      values: results(judgedName(mostRules), 'actNs'),
      baseline: results(judgedName(fewestRules), 'actNs'),
    },
  ],
};
