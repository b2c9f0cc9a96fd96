import test from 'ava';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { configKeys } from '../../cli/config.ts';
import { kafkaKeys } from '../../cli/kafka-settings.ts';
import { exitCodes } from '../../cli/exit-codes.ts';
import { packageRoot } from '../../cli/package-root.ts';
import { errorCodes } from '../../runtime/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = packageRoot();
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
const pages = globSync(['*.md', '*/README.md', 'docs/*.md', 'cli/demo/**/*.md'], { cwd: root }).filter(
  (file) => !file.startsWith('node_modules'),
);

for (const code of errorCodes) {
  test(`docs/errors.md has a section for ${code}`, (t) => {
    t.regex(read('docs/errors.md'), new RegExp(`^## ${code}$`, 'mu'));
  });
}

test('docs/errors.md has no section for a code that does not exist', (t) => {
  const sections = [...read('docs/errors.md').matchAll(/^## ([A-Z_]+)$/gmu)].map(([, code]) => code);
  t.deepEqual(
    sections.filter((code) => !errorCodes.some((known) => known === code)),
    [],
  );
});

test('docs/cli.md lists every exit code', (t) => {
  for (const code of Object.values(exitCodes)) t.regex(read('docs/cli.md'), new RegExp(`^\\| ${code}\\s`, 'mu'));
});

test('docs/configuration.md names every setting', (t) => {
  for (const key of [...configKeys, ...kafkaKeys]) t.true(read('docs/configuration.md').includes(`\`${key}\``), key);
});

for (const page of pages) {
  test(`${page} points only at files that exist`, (t) => {
    const links = [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/gu)].map(
      ([, link = '']) => link,
    );
    t.deepEqual(
      links.filter((link) => !existsSync(path.resolve(root, path.dirname(page), link))),
      [],
    );
  });

  test(`${page} names only npm scripts and palisade commands that exist`, (t) => {
    const text = read(page);
    const npmScripts = [
      ...text.matchAll(/npm (?:run )?((?:test|start|build|setup|lint|format|bench|generate)[a-z:]*)/gu),
    ].map(([, name = '']) => name);
    t.deepEqual(
      npmScripts.filter((name) => !(name in scripts)),
      [],
    );
    const help = ['main', 'questions', 'run-command', 'topics-command'].map((file) => read(`cli/${file}.ts`)).join('');
    const commands = [...text.matchAll(/(?:npx |`|^)palisade ([a-z]+)/gmu)].map(([, name = '']) => name);
    t.deepEqual(
      commands.filter((name) => !new RegExp(`\\bcommand\\('${name}[ ']`, 'u').test(help)),
      [],
    );
  });
}

test('every folder of code has a README of at most a page', (t) => {
  const folders = globSync('*/*.{ts,c,cc,md,avsc}', { cwd: root })
    .map((file) => file.split(path.sep)[0] ?? '')
    .filter((folder) => !['node_modules', 'dist', 'docs'].includes(folder));
  for (const folder of new Set(folders)) {
    const readme = path.join(folder, 'README.md');
    t.true(existsSync(path.join(root, readme)), readme);
    if (existsSync(path.join(root, readme)))
      t.true(read(readme).split('\n').length <= 90, `${readme} is longer than a page`);
  }
});

test('package-lock.json holds everything that package.json asks for', (t) => {
  // In a folder of its own: npm 9.2 empties node_modules also in a dry run.
  const folder = temporaryDirectory(t);
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(path.join(root, file), path.join(folder, file));
  const environment = { ...process.env, npm_config_loglevel: 'error' };
  t.notThrows(() =>
    execFileSync('npm', ['ci', '--dry-run', '--offline', '--ignore-scripts'], { cwd: folder, env: environment }),
  );
});

test('no source file is longer than 500 lines', (t) => {
  const files = globSync(
    '{runtime,schemas,eventlog,native,collector,enricher,policy,matcher,enforcer,sink,cli,bench,bpf}/**/*.{ts,mjs,c,h,cc}',
    {
      cwd: root,
      exclude: ['schemas/generated.ts', 'native/build/**', 'bpf/vmlinux/**'],
    },
  );
  t.deepEqual(
    files.filter((file) => read(file).split('\n').length > 501),
    [],
  );
});
