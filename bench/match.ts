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

function judged(count: number): Measurements {
  const policy = policyOf(rulesOf(count));
  const start = process.hrtime.bigint();
  const compiled = compile([policy], { rootLinks: null, postures: builtinDefaults.hostPostures });
  const compileMs = Number(process.hrtime.bigint() - start) / 1e6;
  const acts = pathsOf(count).map(actOf);
  const actNs = measure(actsPerRound, (place) => judge(compiled, acts[place % acts.length] ?? actOf('/')));
  return { actNs, compileMs, tableBytes: sizeOf(compiled).tableBytes };
}

function scanned(count: number): Measurements {
  const rules = rulesOf(count);
  const paths = pathsOf(count);
  return { actNs: measure(scannedPerRound, (place) => scan(rules, paths[place % paths.length] ?? '')) };
}

const judgedName = (count: number): string => `${count} rules, judged`;
const scannedName = (count: number): string => `${count} rules, one by one`;

/** What judging one act costs for more and more rules, against looking at every rule in turn. */
export const match: Benchmark = {
  trials: 5,
  variants: Object.fromEntries(
    ruleCounts.flatMap((count) => [
      [judgedName(count), () => Promise.resolve(judged(count))],
      [scannedName(count), () => Promise.resolve(scanned(count))],
    ]),
  ),
  figures: (results) => [
    ...ruleCounts.flatMap((count) => {
      const of = (measurement: string): readonly number[] => results(judgedName(count), measurement);
      const scannedNs = results(scannedName(count), 'actNs');
      return [
        { figure: `act, ${count} rules`, unit: 'ns/event', values: of('actNs'), baseline: scannedNs },
        { figure: `compile, ${count} rules`, unit: 'ms', values: of('compileMs'), baseline: null },
        { figure: `tables, ${count} rules`, unit: 'bytes', values: of('tableBytes'), baseline: null },
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
