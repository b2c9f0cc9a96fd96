import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../../cli/package-root.ts';
import { combineReadings, policyTextOf, readPolicyText } from '../../../matcher/policy-scan.ts';
import { PolicyTable } from '../../../matcher/policy-table.ts';
import { compile } from '../../../policy/compile.ts';
import { renderIssues } from '../../../policy/issue.ts';
import { isDocumentKind } from '../../../policy/parse.ts';
import { inputBytesMax, mutateBytes } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from '../target.ts';

/** A policy file → what is in force: from its bytes to compiled rules, as `palisade up` and `policy check` take it. */
export const policy: FuzzTargetKind = {
  name: 'policy',
  isGuided: true,
  cpuMsMax: 1000,
  open: () => Promise.resolve(new PolicyTarget(seeds())),
};

const seedFolders = ['cli/demo/policies', 'test/policy/samples', 'test/policy/issues'];
/** Printed characters that need care: C0, DEL, C1 and what turns text around; the line's own end is no part of it. */
const unprintable = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;

class PolicyTarget implements FuzzTarget {
  readonly seeds: readonly Uint8Array[];
  readonly #words: readonly string[];

  constructor(seeds: readonly Uint8Array[]) {
    this.seeds = seeds;
    const words = new Set(
      seeds.flatMap(
        (seed) =>
          Buffer.from(seed)
            .toString()
            .match(/[\w./*-]+:?/gu) ?? [],
      ),
    );
    this.#words = [...words, ...yamlWords];
  }

  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
    if (random.oneIn(6)) return mutateBytes(random, input, other);
    const text = Buffer.from(input).toString('latin1');
    return Buffer.from(mutateLines(random, text, this.#words), 'latin1').subarray(0, inputBytesMax);
  }

  run(input: Uint8Array): void {
    const text = policyTextOf('fuzz.yaml', input);
    const reading = readPolicyText(text);
    const { documents, refusedKeys, issues } = combineReadings([reading], 'fuzz');
    const lines = text.text.split('\n');
    for (const { line, column, width, message } of issues) {
      expect(line >= 1 && line <= Math.max(lines.length, 1), `an issue is about line ${line} of ${lines.length}`);
      expect(column >= 1 && width >= 1, `an issue is about column ${column}, ${width} wide`);
      expect(message.length > 0, 'an issue says nothing');
    }
    for (const line of renderIssues(issues, (_, number) => lines[number - 1]).split('\n')) {
      expect(!unprintable.test(line), `what is printed of an issue has control characters: ${JSON.stringify(line)}`);
    }
    const vanished = reading.documents.filter(
      ({ piece }) => isDocumentKind(piece.kind) && !documents.has(keyOf(piece)),
    );
    expect(vanished.length === 0 || issues.length > 0, 'a policy vanished without a word');
    const table = new PolicyTable();
    for (const [key, document] of documents) {
      expect(!refusedKeys.has(key), 'a document is both refused and in force');
      table.update(key, document);
    }
    compile(
      table.policies.map((loaded) => loaded.policy),
      { rootLinks: null, postures: table.defaults.hostPostures },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function keyOf({
  kind,
  namespace,
  name,
}: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string {
  return `${kind}/${namespace}/${name}`;
}

/** What YAML gives a meaning to, and values of the wrong type. */
const yamlWords = [
  '- ',
  ': ',
  '? ',
  '| ',
  '> ',
  '|2-',
  '>+',
  '& ',
  '&a ',
  '*a',
  '<<: *a',
  '!!str ',
  '!!binary ',
  '!local ',
  '%YAML 1.1',
  '---',
  '...',
  '#',
  '"',
  "'",
  '[',
  ']',
  '{',
  '}',
  ',',
  '{ }',
  '[ ]',
  '[[[[',
  '{{{{',
  '\t',
  '\r',
  '\u0085',
  '\0',
  '\x1b[31m',
  '\xef\xbb\xbf',
  '\xe2\x80\xae',
  '\\',
  '"\\u0000"',
  '"\\ud800"',
  '~',
  'null',
  'true',
  'no',
  '0x10',
  '1e999',
  '.nan',
  '-0',
  '2026-11-24',
  '__proto__',
  'constructor',
  'toString',
  '/',
  '//',
  '/../',
  '*',
  '**',
  '?',
];

/** Changes whole lines, words and indents: what is changed stays nearly YAML. */
function mutateLines(random: Random, text: string, words: readonly string[]): string {
  const lines = text.split('\n');
  for (let change = random.below(3); change >= 0; change--) {
    const place = random.below(lines.length);
    const line = lines[place] ?? '';
    const at = random.below(line.length + 1);
    switch (random.below(9)) {
      case 0:
        lines.splice(place, random.length(8));
        break;
      case 1:
        lines.splice(random.below(lines.length), 0, ...lines.slice(place, place + random.length(8)));
        break;
      case 2:
        lines[place] = `${' '.repeat(random.below(8))}${line.trimStart()}`;
        break;
      case 3:
        lines[place] = line.slice(0, at) + random.of(words) + line.slice(at);
        break;
      case 4:
        lines[place] = line.replace(/[^\s:]+\s*$/u, () => random.of(words));
        break;
      case 5:
        lines[place] = line.replace(/[\w-]+(?=:)/u, () => random.of(words));
        break;
      case 6:
        lines.splice(place, 0, random.of(['---', '...', `${' '.repeat(random.below(8))}${random.of(words)}`]));
        break;
      case 7:
        lines[place] = line + random.of(words).repeat(random.length(4096));
        break;
      default:
        if (random.oneIn(4)) lines.splice(place, 0, ...aliases(random));
    }
  }
  return lines.join('\n');
}

/** Lists of aliases of lists of aliases: few bytes that mean many. */
function aliases(random: Random): readonly string[] {
  const width = random.length(16);
  return Array.from(
    { length: 1 + random.below(12) },
    (_, level) =>
      `a${level}: &a${level} [${Array.from({ length: width }, () => (level === 0 ? 'x' : `*a${level - 1}`)).join(', ')}]`,
  );
}

function seeds(): readonly Uint8Array[] {
  return seedFolders.flatMap((folder) => {
    const whole = path.join(packageRoot(), folder);
    return readdirSync(whole, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => readFileSync(path.join(whole, name)));
  });
}
