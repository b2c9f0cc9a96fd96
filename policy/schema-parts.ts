import type { MappingShape, Shape } from './shape.ts';
import { freeText, sourcePath, word } from './text-rules.ts';

// What several blocks of a policy are made of.

/** Most elements of one list; the largest seen has 120. */
const maxListItems = 10_000;

/** As `action` is written. */
export const actionWords = ['Allow', 'Audit', 'Block'] as const;
/** As a posture is written. */
export const postureWords = ['audit', 'block'] as const;

/** A list whose elements are all of one shape. */
export function listOf(of: Shape, max = maxListItems): Shape {
  return { type: 'list', of, max };
}

/** true or false. */
export const flag: Shape = { type: 'flag' };
const action = word(actionWords);

/** What each of rule, block and spec may have, inherited one by one. */
export const inherited = {
  severity: { type: 'integer', min: 0, max: 10 },
  tags: listOf(freeText),
  message: freeText,
  action,
} as const satisfies Record<string, Shape>;

/** `fromSource` of every rule but those of system calls. */
export const fromSource = listOf({
  type: 'mapping',
  fields: { path: sourcePath },
  required: ['path'],
  misplaced: {
    dir: { severity: 'error', message: 'A source is one executable: `fromSource` takes `path`, no directory.' },
    recursive: { severity: 'warning', message: 'A source is one executable, so `recursive` has no effect.' },
  },
});

const blockNames = ['process', 'file', 'network', 'capabilities', 'syscalls'];
const listNames = [
  ...['matchPaths', 'matchDirectories', 'matchPatterns'],
  ...['matchProtocols', 'matchDNSQueries', 'matchCapabilities', 'matchSyscalls'],
];

/** Blocks that people indent once too often, and lists of another block: their rules would be lost. */
export function misplacedBlocks(inside: string): NonNullable<MappingShape['misplaced']> {
  return Object.fromEntries([
    ...blockNames.map((block) => [block, lost(block, inside, 'move it up to `spec`')] as const),
    ...misplacedLists(inside),
  ]);
}

/** Lists of rules that stand where none are read. */
export function misplacedLists(inside: string): readonly (readonly [string, Lost])[] {
  return listNames.map((list) => [list, lost(list, inside, 'move it into its block')]);
}

type Lost = NonNullable<MappingShape['misplaced']>[string];

function lost(field: string, inside: string, remedy: string): Lost {
  const message = `\`${field}\` stands inside \`${inside}\`, where its rules would be lost: ${remedy}.`;
  return { severity: 'error', message };
}
