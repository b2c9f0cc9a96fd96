import type { Rule } from './model.ts';

/**
 * What a rule's conditions on access, owner and terminal come to, as a mask over 8 cells: bit
 * `(write ? 1 : 0) + (owner ? 2 : 0) + (terminal ? 4 : 0)`. An act on a resource is in one cell.
 */
export type ConditionMask = number;

const cells = [0, 1, 2, 3, 4, 5, 6, 7];

/** The cell, 0 to 7, of an act on one resource. */
export function cellOf(act: { readonly write: boolean; readonly owner: boolean; readonly terminal: boolean }): number {
  return (act.write ? 1 : 0) + (act.owner ? 2 : 0) + (act.terminal ? 4 : 0);
}

/** For an Allow the cells that `readOnly` and `ownerOnly` name together; for Block and Audit all but these. */
export function conditionMaskOf(rule: Rule): ConditionMask {
  let mask = 0;
  for (const cell of cells) {
    const write = (cell & 1) !== 0;
    const owner = (cell & 2) !== 0;
    const terminal = (cell & 4) !== 0;
    if (rule.terminalOnly && !terminal) continue;
    const named = (!rule.readOnly || !write) && (!rule.ownerOnly || owner);
    const conditional = rule.readOnly || rule.ownerOnly;
    if (rule.action === 'Allow' ? named : !conditional || !named) mask |= 1 << cell;
  }
  return mask;
}
