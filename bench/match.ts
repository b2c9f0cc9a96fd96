import type { Act } from '../policy/act.ts';
import { compile } from '../policy/compile.ts';
import { sizeOf } from '../policy/compiled-policy.ts';
import { judge } from '../policy/judge.ts';
import type { Policy, Rule } from '../policy/model.ts';
import { quantile, type Report } from './report.ts';

const ruleCounts = [10, 100, 1000, 10_000];
const trials = 7;
const actsPerTrial = 20_000;
/** Rule by rule is slow: as many acts as give a stable figure. */
const scannedPerTrial = 300;

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
  return { kind: 'KubeArmorPolicy', namespace: 'ns', name: 'bench', file: 'bench.yaml', selector, rules };
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
  const times = Array.from({ length: trials }, () => {
    const start = process.hrtime.bigint();
    for (let place = 0; place < calls; place++) call(place);
    return Number(process.hrtime.bigint() - start) / calls;
  });
  return quantile(times, 0.5);
}

/** What judging one act costs for more and more rules, against looking at every rule in turn. */
export function match(report: Report): Promise<void> {
  for (const count of ruleCounts) {
    const rules = rulesOf(count);
    const start = process.hrtime.bigint();
    const compiled = compile([policyOf(rules)], { rootLinks: null, postures: { process: 'audit', file: 'audit' } });
    const compileMs = Number(process.hrtime.bigint() - start) / 1e6;
    // Every second path is one that no rule names, as nearly all of a real system are.
    const paths = Array.from({ length: 512 }, (_, place) =>
      place % 2 === 0 ? `${directoryOf(place % count)}f` : `/usr/lib/x86_64-linux-gnu/lib${place}.so.6`,
    );
    const acts = paths.map(actOf);
    const scanned = measure(scannedPerTrial, (place) => scan(rules, paths[place % paths.length] ?? ''));
    const judged = measure(actsPerTrial, (place) => judge(compiled, acts[place % acts.length] ?? actOf('/')));
    const about = { bench: 'match', baseline: null };
    report.figure({ ...about, figure: `act, ${count} rules`, value: judged, unit: 'ns', baseline: scanned });
    report.figure({ ...about, figure: `compile, ${count} rules`, value: compileMs, unit: 'ms' });
    report.figure({ ...about, figure: `tables, ${count} rules`, value: sizeOf(compiled).tableBytes, unit: 'bytes' });
  }
  return Promise.resolve();
}
