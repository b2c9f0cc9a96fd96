import type { RulePlace } from './model.ts';

/** `spec.file.matchPaths[0]`, as people write it. */
export function fieldOfRule({ block, list, index }: Pick<RulePlace, 'block' | 'list' | 'index'>): string {
  if (block === 'apparmor') return 'spec.apparmor';
  return block === list ? `spec.${block}[${index}]` : `spec.${block}.${list}[${index}]`;
}
