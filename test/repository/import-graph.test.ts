import test from 'ava';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { packageRoot } from '../../cli/package-root.ts';

/** Folder → what it may import, from the table of ARCHITECTURE.md. */
function tableOfArchitecture(): ReadonlyMap<string, readonly string[]> {
  const text = readFileSync(path.join(packageRoot(), 'ARCHITECTURE.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z]+)\/`\s*\|[^|]*\|([^|]*)\|$/gmu)];
  return new Map(
    rows.map(([, folder = '', allowed = '']) => [
      folder,
      allowed
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ]),
  );
}

/** Every relative import of a file, static, dynamic or type-only. */
function relativeImports(file: string): readonly string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(path.join(packageRoot(), file), 'utf8'), true, true);
  return importedFiles.map((imported) => imported.fileName).filter((name) => name.startsWith('.'));
}

const table = tableOfArchitecture();
const sources = globSync('{' + [...table.keys()].join(',') + '}/**/*.ts', { cwd: packageRoot() });

test('the table of ARCHITECTURE.md names every folder that is compiled', (t) => {
  const config = JSON.parse(readFileSync(path.join(packageRoot(), 'tsconfig.json'), 'utf8')) as { include: string[] };
  t.deepEqual(
    config.include.filter((folder) => !table.has(folder)),
    [],
  );
});

test('no folder imports what the table of ARCHITECTURE.md does not allow it', (t) => {
  t.true(sources.length > 10, 'the sources are found');
  const offences = sources.flatMap((file) => {
    const [folder = ''] = file.split(path.sep);
    return relativeImports(file)
      .map((imported) => path.normalize(path.join(path.dirname(file), imported)))
      .filter((target) => {
        const [other = ''] = target.split(path.sep);
        return other !== folder && table.get(folder)?.includes(other) !== true;
      })
      .map((target) => `${file} imports ${target}`);
  });
  t.deepEqual(offences, []);
});

test('no two files import each other in a circle of values', (t) => {
  const graph = new Map(
    sources.map((file) => {
      const source = ts.createSourceFile(
        file,
        readFileSync(path.join(packageRoot(), file), 'utf8'),
        ts.ScriptTarget.ES2023,
      );
      const targets = source.statements.flatMap((statement) => {
        if (!ts.isImportDeclaration(statement) || statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
          return [];
        const bindings = statement.importClause?.namedBindings;
        if (
          bindings !== undefined &&
          ts.isNamedImports(bindings) &&
          bindings.elements.every((element) => element.isTypeOnly)
        )
          return [];
        const name = (statement.moduleSpecifier as ts.StringLiteral).text;
        return name.startsWith('.') ? [path.normalize(path.join(path.dirname(file), name))] : [];
      });
      return [file, targets] as const;
    }),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) circles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
    else if (!done.has(file)) {
      for (const target of graph.get(file) ?? []) visit(target, [...trail, file]);
      done.add(file);
    }
  };
  for (const file of graph.keys()) visit(file, []);
  t.deepEqual(circles, []);
});
