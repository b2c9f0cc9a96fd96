/**
 * `npm run fuzz -- [TARGET | CRASH FILE] [--seconds N] [--seed S]`: attacks all targets, each for its share of the time, or one
 * of them; a crash file is run alone. Ends with 1 where an input broke something; it is then a file of test/fuzz/crashes.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../cli/package-root.ts';
import { attack, type CrashFound } from './attack.ts';
import { crashFolder, targetOfCrash } from './crash-files.ts';
import { fuzzTargets } from './targets.ts';

const usage = 64;
const module = new URL('targets.js', import.meta.url).href;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
// Another run tries other inputs; the seed that is printed plays it again, as far as the time goes.
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const seconds = Number(values.seconds);
const [what] = positionals;

function refuse(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = usage;
}

function keep(target: string, { input, reason }: CrashFound): void {
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const file = path.join(crashFolder, `${target}-${hash}`);
  writeFileSync(file, input);
  const shown = path.relative(packageRoot(), file);
  process.stdout.write(`${target}: CRASH\n${reason}\n  the input is ${shown}; again: npm run fuzz -- ${shown}\n`);
  process.exitCode = 1;
}

async function attackAll(targets: readonly string[]): Promise<void> {
  process.stdout.write(`seed ${seed}\n`);
  const share = seconds / targets.length;
  for (const target of targets) {
    const startedMs = performance.now();
    const attacked = await attack({ module, target, seed, seconds: share });
    if (attacked.kind === 'crash') {
      keep(target, attacked);
      continue;
    }
    const { inputs, corpus, blocks } = attacked.result;
    const rate = Math.round((inputs * 1000) / (performance.now() - startedMs));
    const guided = blocks === 0 ? '' : `, ${blocks} blocks of code, ${corpus} inputs kept`;
    process.stdout.write(`${target}: ${inputs} inputs, ${rate}/s${guided}\n`);
  }
}

async function runAgain(file: string): Promise<void> {
  const target = targetOfCrash(path.basename(file));
  if (target === undefined) {
    refuse(`There is no target ${file}, and no crash file of that name. Targets: ${names.join(', ')}.`);
    return;
  }
  const attacked = await attack({ module, target, seed, seconds: 0, input: readFileSync(file) });
  if (attacked.kind === 'crash') {
    process.stdout.write(`${target}: CRASH\n${attacked.reason}\n`);
    process.exitCode = 1;
  } else process.stdout.write(`${target}: ${path.basename(file)} breaks nothing\n`);
}

const names = fuzzTargets.map(({ name }) => name);
if (positionals.length > 1) refuse('Give one target or none.');
else if (!Number.isSafeInteger(seed) || !(seconds > 0)) refuse('--seed is a whole number, --seconds a positive one.');
else if (what === undefined) await attackAll(names);
else if (names.includes(what)) await attackAll([what]);
else await runAgain(what);
