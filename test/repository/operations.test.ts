import test from 'ava';
import { symbolsOfOperation } from '../../schemas/generated.ts';
import { operationCases } from '../kernel/operations/all-cases.ts';

test('every operation that names a file or an address has its rows in docs/operations.md', (t) => {
  const named = new Set<string>(operationCases.map(({ operation }) => operation));
  t.deepEqual(
    symbolsOfOperation.filter((operation) => !named.has(operation)),
    ['unknown', 'existing', 'fork', 'exit'],
  );
});

test('every row of docs/operations.md has an act that proves it', (t) => {
  for (const { operation, when, acts, sources } of operationCases) {
    t.true(Object.keys(acts).length > 0 && Object.keys(sources).length > 0, `${operation} ${when}`);
  }
});
