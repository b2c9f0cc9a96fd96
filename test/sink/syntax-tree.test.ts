import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { allowedFunctions } from '../../sink/engine/allowed-names.ts';
import { splitFormat } from '../../sink/engine/person-query.ts';
import { refusalOf, type NameRules } from '../../sink/engine/syntax-tree.ts';

const rules: NameRules = { functions: allowedFunctions(), forbiddenFunctions: new Set(['file', 'sleep']) };

const select = ['SelectWithUnionQuery (children 1)', ' ExpressionList (children 1)', '  SelectQuery (children 1)'];
const judge = (...lines: readonly string[]) => refusalOf([...select, ...lines.map((line) => `   ${line}`)], rules);

const admitted = (t: ExecutionContext, ...lines: readonly string[]): void => {
  t.is(judge(...lines), undefined);
};
const refused = (t: ExecutionContext, why: RegExp, ...lines: readonly string[]): void => {
  t.regex(judge(...lines) ?? 'admitted', why);
};

test('a column is admitted', admitted, 'Identifier time');
test('an allowed function is admitted, in any case, with an alias', admitted, 'Function COUNT (alias c) (children 1)');
test('an aggregate with combinators is admitted', admitted, 'Function sumMapIfOrNull (children 1)');
test('a combinator on what is no aggregate is refused', refused, /fileIf/u, 'Function fileIf (children 1)');
test('a function that is not listed is refused', refused, /file\(\)/u, 'Function file (alias upper) (children 1)');
test(
  'a table function is refused where only functions are listed',
  refused,
  /upper/u,
  'TableExpression (children 1)',
  ' Function upper (children 1)',
);
test(
  'an allowed table function is admitted as a source',
  admitted,
  'TableExpression (children 1)',
  ' Function numbers (children 1)',
);
test('an allowed table function is no function', refused, /numbers/u, 'Function numbers (children 1)');
test('a bare name of a forbidden function is refused', refused, /name of a function/u, 'Identifier FILE');
test('a column of a table may be named like one', admitted, 'Identifier a.file');
test('a table is admitted', admitted, 'TableIdentifier alerts (alias a)');
test('a table of the one database is admitted', admitted, 'TableIdentifier default.alerts');
test('a table of another database is refused', refused, /other\.t/u, 'TableIdentifier other.t');
test('a system table is refused', refused, /system\.users/u, 'TableIdentifier system.users (alias alerts)');
test('a listed system table is admitted', admitted, 'TableIdentifier system.tables');
test('a system table is refused as an identifier too', refused, /SYSTEM\.users/u, 'Identifier SYSTEM.users');
test('a column of a listed system table is admitted', admitted, 'Identifier system.tables.name');
test('an unknown kind of node is refused', refused, /NewThing/u, 'NewThing (children 1)');
test('SETTINGS are refused by their word', refused, /^SETTINGS/u, 'Set');
test('a line that is no node is refused', refused, /read back/u, '(((');
test('no tree at all is refused', (t) => {
  t.regex(refusalOf([], rules) ?? '', /read back/u);
  t.regex(refusalOf([''], rules) ?? '', /read back/u);
});
test('a line break in an identifier can forge lines, which refuse, but hide none', (t) => {
  t.regex(judge('Identifier a\nFunction sleep (children 1)') ?? '', /sleep/u);
  t.regex(judge('Identifier a\n   TableExpression', 'Function file (children 1)') ?? '', /file/u);
});
test('adding any lines to a refused tree leaves it refused', (t) => {
  const line = fc.constantFrom(
    'Identifier x',
    'TableExpression (children 1)',
    'Function count',
    'Literal 1',
    'Function numbers',
  );
  const added = fc.array(fc.tuple(fc.nat({ max: 8 }), line), { maxLength: 6 });
  fc.assert(
    fc.property(added, added, (before, after) => {
      const lines = (rows: typeof before) => rows.map(([depth, text]) => ' '.repeat(depth) + text);
      return judge(...lines(before), 'Function file (children 1)', ...lines(after)) !== undefined;
    }),
  );
  t.pass();
});

test('the format is taken off the end, and only there', (t) => {
  t.deepEqual(splitFormat('SELECT 1 FORMAT JSON'), { statement: 'SELECT 1', format: 'JSON' });
  t.deepEqual(splitFormat("SELECT ' FORMAT JSON'"), { statement: "SELECT ' FORMAT JSON'", format: undefined });
  t.deepEqual(splitFormat("SELECT 1 FORMAT TSV INTO OUTFILE 'x'").format, undefined);
});
