import type { Verdict } from '../policy/verdict.ts';
import type { Enforcement } from '../schemas/generated.ts';
import { errno, firstRestartCode } from './linux-names.ts';

/** What an alert says of rule and kernel together. */
export interface Outcome {
  readonly action: 'Block' | 'Audit' | 'Audit (Block)';
  readonly enforcement: Enforcement;
}

/**
 * What the rules say against what the kernel answered; `undefined`: no alert. No enforcer of ours exists yet, so what was
 * denied was denied by something else. An act that a Block covers and that failed by itself was neither denied nor done:
 * the attempt is told, as one of an Audit rule is.
 */
export function outcomeOf(verdict: Verdict, returnValue: number): Outcome | undefined {
  const { action } = verdict;
  if (action === undefined || action === 'Allow') return undefined;
  if (returnValue === -errno.ENOENT || returnValue === -errno.EINPROGRESS) return undefined;
  if (returnValue <= -firstRestartCode) return undefined;
  if (action === 'Audit') return { action: 'Audit', enforcement: 'none' };
  if (returnValue >= 0) return { action: 'Audit (Block)', enforcement: 'notEnforced' };
  if (returnValue === -errno.EPERM || returnValue === -errno.EACCES) {
    return { action: 'Block', enforcement: 'deniedBySomethingElse' };
  }
  return { action: 'Audit (Block)', enforcement: 'none' };
}
