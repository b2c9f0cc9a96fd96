import type { Alert } from '../schemas/generated.ts';
import { columnOf } from '../sink/column-type.ts';

const texts = [
  'id',
  'clusterName',
  'hostName',
  'namespaceName',
  'ownerRef',
  'ownerName',
  'ownerNamespace',
  'podName',
  'labels',
  'containerId',
  'containerName',
  'containerImage',
  'parentProcessName',
  'processName',
  'policyName',
  'severity',
  'message',
  'type',
  'source',
  'operation',
  'resource',
  'data',
  'enforcer',
  'action',
  'result',
  'cwd',
  'tty',
  'nodeId',
  'origin',
  'enforcement',
  'eventOperation',
  'oldPath',
  'newPath',
] as const satisfies readonly (keyof Alert)[];
const numbers = ['hostPpid', 'hostPid', 'ppid', 'pid', 'uid'] as const satisfies readonly (keyof Alert)[];

/** What of an alert is shown, to people and as KubeArmor's JSON. */
export type ShownAlert = Pick<Alert, (typeof texts)[number] | (typeof numbers)[number] | 'timeUnixNs' | 'tags'> & {
  readonly rule: { readonly file: string; readonly line: number } | null;
};

/** What to select of `alerts`, for `shownAlertOf`. */
export const shownAlertColumns = [
  ...[...texts, ...numbers].map(columnOf),
  'toString(time_unix_ns) AS time_text',
  'tags',
  'rule_file',
  'rule_line',
].join(', ');

/** The inverse of the sink's rows. A row is of `shownAlertColumns`, as JSON has them. */
export function shownAlertOf(row: Readonly<Record<string, unknown>>): ShownAlert {
  const line = Number(row['rule_line']);
  const fields: Record<string, unknown> = {
    timeUnixNs: BigInt(String(row['time_text'])),
    tags: row['tags'],
    // Where no rule decided, the sink writes a line 0.
    rule: line === 0 ? null : { file: row['rule_file'], line },
  };
  for (const field of texts) fields[field] = row[columnOf(field)];
  for (const field of numbers) fields[field] = Number(row[columnOf(field)]);
  return fields as unknown as ShownAlert;
}
