/**
 * Runs every check and suite in order, fast ones first, with the seconds of each, and ends with one line
 * `N passed, N failed[, N skipped]`. `npm test`; with names (`npm test -- unit kernel`) only those parts.
 *
 * Counts come from AVA's TAP; a part fails by its exit code too, because a crash can follow the last test.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { missingForBroker } from './kafka/broker-files.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Part {
  readonly name: string;
  /** Program and arguments, from the root of the project. */
  readonly command: readonly string[];
  /** An AVA configuration prints TAP, whose tests are counted; anything else counts as one check. */
  readonly tap: boolean;
  /** What is missing to run it, in words, or `undefined` where it can run. */
  readonly missing?: string | undefined;
}

const root = path.dirname(import.meta.dirname);
const node = process.execPath;
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name);
const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot ? undefined : 'needs root (eBPF programs and containers): run it as root';

function ava(name: string, config: string, missing?: string): Part {
  return { name, command: [bin('ava'), '--tap', '--config', config], tap: true, missing };
}

const parts: readonly Part[] = [
  { name: 'generated files', command: ['npm', 'run', '--silent', 'generate:check'], tap: false },
  {
    name: 'event layout',
    command: [node, 'native/generate-layout.ts', '--check'],
    tap: false,
    missing: existsSync(path.join(root, 'native/build/monitor.bpf.o'))
      ? undefined
      : 'needs the BPF object: `npm run setup` says what it lacks',
  },
  { name: 'types', command: [bin('tsc'), '--build'], tap: false },
  { name: 'lint', command: [bin('eslint'), '.'], tap: false },
  { name: 'format', command: [bin('prettier'), '--check', '--log-level', 'warn', '.'], tap: false },
  {
    name: 'C format',
    command: [
      'clang-format',
      '--dry-run',
      '-Werror',
      ...globSync('{bpf,native,test/asan,test/programs,bench/programs}/**/*.{c,h,cc}', {
        cwd: root,
        exclude: (name) => name.includes('vmlinux') || name.endsWith('native/build'),
      }),
    ],
    tap: false,
    missing:
      spawnSync('clang-format', ['--version']).error === undefined
        ? undefined
        : 'needs clang-format (Debian: clang-format)',
  },
  ava('unit', 'ava.config.js'),
  // A seed of its own each time would let one run fail by luck; `npm run fuzz` takes another one each time.
  { name: 'fuzz', command: [node, 'dist/test/fuzz/main.js', '--seed', '1', '--seconds', '60'], tap: false },
  ava('engine', 'ava.engine.config.js'),
  ava('kernel', 'ava.kernel.config.js', needsRoot),
  {
    name: 'kafka',
    command: [node, '--enable-source-maps', 'dist/test/kafka/main.js', '--tap'],
    tap: true,
    missing: process.env['KAFKA_BROKERS'] === undefined ? missingForBroker() : undefined,
  },
  ava('flow', 'ava.flow.config.js', needsRoot),
  {
    name: 'chaos',
    command: [node, '--enable-source-maps', 'dist/test/chaos/main.js', '--seed', '1', '--kills', '50', '--json'],
    tap: false,
  },
];

/** Runs one part; prints what is not a passed test. */
async function run(part: Part): Promise<Counts> {
  const [program = node, ...parameters] = part.command;
  const child = spawn(program, parameters, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const exit = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => {
      resolve(error.message);
    });
    child.on('close', (code, signal) => {
      resolve(code === 0 ? undefined : `ended with ${signal ?? String(code)}`);
    });
  });
  for await (const line of readline.createInterface({ input: child.stdout })) {
    if (!part.tap) {
      process.stdout.write(`  ${line}\n`);
      continue;
    }
    // TAP 13: `ok N - title`, `ok N - title # SKIP`, `not ok N - title`, then an indented YAML block on failure.
    if (/^ok \d+.*# (?:SKIP|TODO)/u.test(line)) {
      counts.skipped += 1;
      process.stdout.write(`  skipped: ${line.replace(/^ok \d+ - /u, '')}\n`);
    } else if (/^ok \d/u.test(line)) counts.passed += 1;
    else if (/^not ok \d/u.test(line)) {
      counts.failed += 1;
      process.stdout.write(`  ${line}\n`);
    } else if (!/^(?:TAP version|\d+\.\.\d+|# |\s*$)/u.test(line)) process.stdout.write(`  ${line}\n`);
  }
  const failure = await exit;
  if (failure !== undefined) {
    process.stdout.write(`  ${part.name} ${failure}\n`);
    if (counts.failed === 0) counts.failed = 1;
  } else if (!part.tap) counts.passed = 1;
  else if (counts.passed + counts.skipped + counts.failed === 0) {
    process.stdout.write(`  ${part.name} ran no test\n`);
    counts.failed = 1;
  }
  return counts;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !parts.some((part) => part.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `No such part: ${unknown.join(', ')}. There are: ${parts.map((part) => part.name).join(', ')}.\n`,
  );
  process.exit(64);
}
const total = { passed: 0, failed: 0, skipped: 0 };
for (const part of parts.filter((candidate) => wanted.length === 0 || wanted.includes(candidate.name))) {
  if (part.missing !== undefined) {
    // Nobody knows how many tests a suite has that did not run: its files are counted, a check as one.
    const count = part.tap ? globSync(`test/${part.name}/**/*.test.ts`, { cwd: root }).length : 1;
    process.stdout.write(`${part.name}: ${count} skipped, ${part.missing}\n`);
    total.skipped += count;
    continue;
  }
  process.stdout.write(`${part.name} …\n`);
  const startedMs = performance.now();
  const counts = await run(part);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `${part.name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${seconds} s\n`,
  );
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}
process.exitCode = total.failed > 0 ? 1 : 0;
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
