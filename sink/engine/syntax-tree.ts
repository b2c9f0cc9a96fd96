import { allowedSystemTables, allowedTableFunctions, database, type AllowedFunctions } from './allowed-names.ts';

/** One line of EXPLAIN AST: `  Function file (alias f) (children 1)`. */
interface TreeNode {
  readonly depth: number;
  readonly kind: string;
  /** What follows the kind, up to the alias and the number of children. */
  readonly text: string;
}

/**
 * Kinds of node that a person's query may be made of. What is missing is refused: `Set` (SETTINGS),
 * `ColumnsApplyTransformer`, which calls a function by a name that the tree does not show, and whatever a later engine adds.
 */
const allowedKinds = new Set([
  'ArrayJoin',
  'Asterisk',
  'ColumnsExceptTransformer',
  'ColumnsListMatcher',
  'ColumnsRegexpMatcher',
  'ColumnsReplaceTransformer',
  'ColumnsReplaceTransformer::Replacement',
  'ColumnsTransformerList',
  'ExpressionList',
  'Function',
  'Identifier',
  'InterpolateElement',
  'Literal',
  'OrderByElement',
  'QualifiedAsterisk',
  'QueryParameter',
  'SampleRatio',
  'SelectIntersectExceptQuery',
  'SelectQuery',
  'SelectWithUnionQuery',
  'Subquery',
  'TableExpression',
  'TableIdentifier',
  'TableJoin',
  'TablesInSelectQuery',
  'TablesInSelectQueryElement',
  'WindowDefinition',
  'WindowListElement',
  'WithElement',
]);

/** Words for kinds that people do write. */
const inWords: Readonly<Record<string, string>> = {
  Set: 'SETTINGS',
  ColumnsApplyTransformer: 'APPLY',
};

/** What the check needs to know. */
export interface NameRules {
  readonly functions: AllowedFunctions;
  /**
   * Functions of the engine that are not allowed, in lower case. They may not appear as a bare name either: a
   * higher-order function takes one as its argument (`arrayMap(file, …)`), and the tree shows it as an identifier.
   */
  readonly forbiddenFunctions: ReadonlySet<string>;
}

/**
 * Why a query may not run, judged by the lines of its EXPLAIN AST, or `undefined` where it may. An identifier with a line
 * break in it can add lines to the tree but take none away, so it can only be refused for more.
 */
export function refusalOf(lines: readonly string[], rules: NameRules): string | undefined {
  const parents: TreeNode[] = [];
  for (const line of lines.flatMap((row) => row.split('\n'))) {
    if (line === '') continue;
    const node = parseNode(line);
    if (node === undefined) return 'it could not be read back';
    while ((parents.at(-1)?.depth ?? -1) >= node.depth) parents.pop();
    const refusal = refusalOfNode(node, parents.at(-1), rules);
    if (refusal !== undefined) return refusal;
    parents.push(node);
  }
  return parents.length === 0 ? 'it could not be read back' : undefined;
}

function refusalOfNode(node: TreeNode, parent: TreeNode | undefined, rules: NameRules): string | undefined {
  if (!allowedKinds.has(node.kind)) return `${inWords[node.kind] ?? node.kind} is not available here`;
  switch (node.kind) {
    case 'Function':
      if (parent?.kind === 'TableExpression')
        return allowedTableFunctions.has(node.text)
          ? undefined
          : `the table function ${node.text}() is not available here`;
      return rules.functions.isAllowed(node.text) ? undefined : `the function ${node.text}() is not available here`;
    case 'TableIdentifier':
      return refusalOfTable(node.text);
    case 'Identifier':
      return refusalOfIdentifier(node.text, rules);
    default:
      return undefined;
  }
}

/** A column, an alias, a table after IN, or a function given to another: the tree has one kind for all of them. */
function refusalOfIdentifier(name: string, rules: NameRules): string | undefined {
  const parts = name.split('.');
  const [first = '', second = ''] = parts;
  if (parts.length === 1 && rules.forbiddenFunctions.has(name.toLowerCase()))
    return `${name} is the name of a function that is not available here`;
  if (/^(?:system|information_schema)$/iu.test(first)) return refusalOfTable(`${first}.${second}`);
  return undefined;
}

function refusalOfTable(name: string): string | undefined {
  // The engine takes the name of a table that it does not have for a path, and opens the file (StorageFile).
  if (name.includes('/')) return `the file ${name} is not available here`;
  const parts = name.split('.');
  if (parts.length === 1 || parts[0] === database || allowedSystemTables.has(name)) return undefined;
  return `the table ${name} is not available here`;
}

function parseNode(line: string): TreeNode | undefined {
  const match = /^( *)([A-Za-z:]+)(?: (.*))?$/u.exec(line);
  const [, indent, kind, rest = ''] = match ?? [];
  if (indent === undefined || kind === undefined) return undefined;
  return { depth: indent.length, kind, text: rest.replace(/(?:^| )\((?:alias |children ).*$/u, '') };
}
