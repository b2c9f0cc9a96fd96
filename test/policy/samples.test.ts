import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { compile } from '../../policy/compile.ts';
import { builtinDefaults } from '../../policy/model.ts';
import type { Policy } from '../../policy/model.ts';
import { isDocumentKind, isPolicy, parsePolicy } from '../../policy/parse.ts';
import { ruleStatuses } from '../../policy/rule-status.ts';
import { splitDocuments } from '../../policy/split-documents.ts';
import type { DocumentPiece } from '../../policy/split-documents.ts';

const folder = 'test/policy/samples';
const golden = 'test/golden/policy/samples.txt';

function documents(): readonly DocumentPiece[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.ya?ml$/.test(name));
  return files
    .sort()
    .flatMap((file) => splitDocuments(readFileSync(`${folder}/${file}`, 'utf8'), file).documents)
    .filter(({ kind }) => isDocumentKind(kind));
}

/** One line for a policy that loads, with the rules that have no effect here; for one that is refused every error. */
function becameOf(piece: DocumentPiece): string {
  const { policy, issues } = parsePolicy(piece);
  const where = `${piece.file}:${piece.firstLine}`;
  if (policy === undefined || !isPolicy(policy)) {
    const errors = issues.filter(({ severity }) => severity === 'error');
    return `${where}: refused\n${errors.map(({ line, field, message }) => `    ${line} ${field}: ${message}\n`).join('')}`;
  }
  const statuses = ruleStatuses(policy);
  const without = statuses
    .filter(({ state }) => state !== 'loaded')
    .map(({ place, state }) => `${state} ${place.line}`);
  const warnings = issues.map(({ line }) => `warning ${line}`);
  return `${[`${where}: ${statuses.length} rules`, ...without, ...warnings].join(', ')}\n`;
}

test('policies that others wrote are loaded, or refused for what is wrong in them', (t) => {
  const printed = documents().map(becameOf).join('');
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, printed);
  t.is(printed, readFileSync(golden, 'utf8'));
});

test('no rule of a policy that is loaded is dropped', (t) => {
  let loaded = 0;
  for (const piece of documents()) {
    const { policy, droppedRules } = parsePolicy(piece);
    if (policy === undefined || !isPolicy(policy)) continue;
    loaded += 1;
    t.is(droppedRules, 0, piece.file);
    // Each rule of these files has one of these fields of its own, as it has no other that nests in a list.
    const written = piece.text.match(
      /^\s*(- )?\s*(path|dir|pattern|execname|protocol|domain|capability|syscall|apparmor)\s*:/gm,
    );
    const sources = policy.rules.reduce((count, rule) => count + rule.sources.length, 0);
    const presets = policy.unjudged.filter(({ block }) => block === 'presets').length;
    t.true(policy.rules.length + policy.unjudged.length >= (written?.length ?? 0) - sources - presets, piece.file);
  }
  t.true(loaded > 250);
});

test('all policies that others wrote compile for one target together', (t) => {
  const all = documents().flatMap((piece): readonly Policy[] => {
    const { policy } = parsePolicy(piece);
    return policy !== undefined && isPolicy(policy) ? [policy] : [];
  });
  const compiled = compile(all, { rootLinks: null, postures: builtinDefaults.hostPostures });
  t.deepEqual(compiled.file.undecided, []);
  t.deepEqual(compiled.process.undecided, []);
  t.true(compiled.file.globs.length + compiled.process.globs.length < 20);
});
