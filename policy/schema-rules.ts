import { fromSource, flag, inherited, listOf, misplacedBlocks } from './schema-parts.ts';
import type { MappingShape } from './shape.ts';
import { directory, executableName, freeText, pattern, rulePath } from './text-rules.ts';

// The blocks whose rules are judged.

/** KubeArmor's limit of `allowedArgs` (maxItems in its CRD). */
const maxAllowedArguments = 20;

const onlyForFiles = {
  readOnly: {
    severity: 'warning',
    message: '`readOnly` is for `file` rules; running a program is neither reading nor writing, so it has no effect.',
  },
} as const;

const notAPattern: MappingShape['misplaced'] = {
  path: { severity: 'error', message: 'Elements of `matchPatterns` have `pattern` in the place of `path`.' },
  dir: { severity: 'error', message: 'Elements of `matchPatterns` have `pattern` in the place of `dir`.' },
};

const notADirectory: MappingShape['misplaced'] = {
  path: {
    severity: 'error',
    message: 'Elements of `matchDirectories` have `dir`, which ends in /, in the place of `path`.',
  },
};

const notAPath: MappingShape['misplaced'] = {
  dir: { severity: 'error', message: 'Elements of `matchPaths` have `path`; directories stand in `matchDirectories`.' },
  recursive: { severity: 'warning', message: '`recursive` is for `matchDirectories`; a path is one file.' },
  pattern: { severity: 'error', message: 'Elements of `matchPaths` have `path`; patterns stand in `matchPatterns`.' },
};

/** The block `process`. */
export const processBlock: MappingShape = {
  type: 'mapping',
  fields: {
    matchPaths: listOf({
      type: 'mapping',
      fields: {
        path: rulePath,
        execname: executableName,
        ownerOnly: flag,
        pts: flag,
        allowedArgs: listOf(freeText, maxAllowedArguments),
        fromSource,
        ...inherited,
      },
      requiredOneOf: ['path', 'execname'],
      misplaced: { ...notAPath, ...onlyForFiles },
    }),
    matchDirectories: listOf({
      type: 'mapping',
      fields: { dir: directory, recursive: flag, ownerOnly: flag, pts: flag, fromSource, ...inherited },
      required: ['dir'],
      misplaced: { ...notADirectory, ...onlyForFiles },
    }),
    matchPatterns: listOf({
      type: 'mapping',
      fields: { pattern, ownerOnly: flag, ...inherited },
      required: ['pattern'],
      misplaced: { ...notAPattern, ...onlyForFiles },
    }),
    ...inherited,
  },
  misplaced: misplacedBlocks('process'),
};

/** The block `file`. */
export const fileBlock: MappingShape = {
  type: 'mapping',
  fields: {
    matchPaths: listOf({
      type: 'mapping',
      fields: { path: rulePath, readOnly: flag, ownerOnly: flag, pts: flag, fromSource, ...inherited },
      required: ['path'],
      misplaced: {
        ...notAPath,
        execname: { severity: 'error', message: '`execname` is for `process` rules; a `file` rule has `path`.' },
      },
    }),
    matchDirectories: listOf({
      type: 'mapping',
      fields: { dir: directory, recursive: flag, readOnly: flag, ownerOnly: flag, pts: flag, fromSource, ...inherited },
      required: ['dir'],
      misplaced: notADirectory,
    }),
    matchPatterns: listOf({
      type: 'mapping',
      fields: { pattern, readOnly: flag, ownerOnly: flag, ...inherited },
      required: ['pattern'],
      misplaced: notAPattern,
    }),
    ...inherited,
  },
  misplaced: misplacedBlocks('file'),
};
