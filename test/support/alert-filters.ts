import type { AlertFilter } from '../../cli/alert-filter.ts';

/** Wants every alert. */
export const everyAlert: AlertFilter = {
  policy: [],
  namespace: [],
  container: [],
  action: [],
  operation: [],
  node: [],
  severity: undefined,
  sinceNs: undefined,
  untilNs: undefined,
};
