import path from 'node:path';
import test from 'ava';
import { packageRoot } from '../../cli/package-root.ts';
import { readMigrations, splitStatements } from '../../sink/migrate.ts';

test('a statement ends with a semicolon at the end of a line; whole-line comments are left out', (t) => {
  t.deepEqual(splitStatements("-- a; comment;\nSELECT ';',\n  1;\n\n-- more\nSELECT 2;\n"), [
    "SELECT ';',\n  1",
    'SELECT 2',
  ]);
  t.deepEqual(splitStatements(''), []);
});

test('migrations are numbered from 1 without a gap, and every statement bears repetition', async (t) => {
  const migrations = await readMigrations(path.join(packageRoot(), 'schemas/clickhouse'));
  t.deepEqual(
    migrations.map(({ version }) => version),
    migrations.map((_, index) => index + 1),
  );
  t.true(migrations.length > 0);
  for (const { file, statements } of migrations) {
    t.true(statements.length > 0, file);
    for (const statement of statements)
      t.regex(statement, /IF (?:NOT )?EXISTS|OR REPLACE/u, `${file}: ${statement.slice(0, 60)}`);
  }
});
