import { oneOf } from './query-rows.ts';
import type { ShownAlert } from './alert-columns.ts';

/** An id of a container is usually given by its beginning; fewer characters than these, which `docker ps` shows, are a name. */
const minIdCharacters = 12;

/** What alerts may have in `operation`, by KubeArmor's names. */
export const alertOperations = ['Process', 'File', 'Network'] as const;
/** What alerts may have in `action`: a Block that was not enforced is an Audit. */
export const alertActions = ['Block', 'Audit', 'Audit (Block)'] as const;

/** Which alerts are wanted. Of one list any value will do, and every list that is not empty must have one. */
export interface AlertFilter {
  readonly policy: readonly string[];
  readonly namespace: readonly string[];
  /** Names, or ids from their first twelve characters on. */
  readonly container: readonly string[];
  /** Of `alertActions`, in any case. */
  readonly action: readonly string[];
  /** Of `alertOperations`, in any case. */
  readonly operation: readonly string[];
  readonly node: readonly string[];
  /** This severity or a higher one, 1 to 10. An alert without one is below all. */
  readonly severity: number | undefined;
  /** Unix ns, from this moment on. */
  readonly sinceNs: bigint | undefined;
  /** Unix ns, before this moment. */
  readonly untilNs: bigint | undefined;
}

/** Whether an alert is wanted. */
export function isWanted(alert: ShownAlert, filter: AlertFilter): boolean {
  const { severity, sinceNs, untilNs } = filter;
  return (
    isOneOf(alert.policyName, filter.policy) &&
    isOneOf(alert.namespaceName, filter.namespace) &&
    isOneOf(alert.action.toLowerCase(), filter.action.map(lower)) &&
    isOneOf(alert.operation.toLowerCase(), filter.operation.map(lower)) &&
    isOneOf(alert.nodeId, filter.node) &&
    (filter.container.length === 0 || filter.container.some((given) => isContainer(alert, given))) &&
    (severity === undefined || Number(alert.severity) >= severity) &&
    (sinceNs === undefined || alert.timeUnixNs >= sinceNs) &&
    (untilNs === undefined || alert.timeUnixNs < untilNs)
  );
}

function isOneOf(value: string, wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.includes(value);
}

function isContainer({ containerName, containerId }: ShownAlert, given: string): boolean {
  if (containerName === given || containerId === given) return true;
  return given.length >= minIdCharacters && containerId.startsWith(given);
}

const lower = (text: string): string => text.toLowerCase();

/** The same in SQL, for `alerts`. What a person gave is in parameters alone. */
export function conditionOf(filter: AlertFilter): {
  readonly condition: string;
  readonly parameters: Readonly<Record<string, string>>;
} {
  const lists = [
    listCondition('policy_name', 'policy', filter.policy),
    listCondition('namespace_name', 'namespace', filter.namespace),
    listCondition('lower(action)', 'action', filter.action.map(lower)),
    listCondition('lower(operation)', 'operation', filter.operation.map(lower)),
    listCondition('node_id', 'node', filter.node),
    containerCondition(filter.container),
  ];
  const conditions = lists.map(({ condition }) => condition);
  const parameters: Record<string, string> = {};
  for (const list of lists) Object.assign(parameters, list.parameters);
  if (filter.severity !== undefined) {
    conditions.push('toInt32OrZero(severity) >= {severity:Int32}');
    parameters['severity'] = String(filter.severity);
  }
  if (filter.sinceNs !== undefined) {
    conditions.push('time_unix_ns >= {since:Int64}');
    parameters['since'] = filter.sinceNs.toString();
  }
  if (filter.untilNs !== undefined) {
    conditions.push('time_unix_ns < {until:Int64}');
    parameters['until'] = filter.untilNs.toString();
  }
  return { condition: conditions.filter((each) => each !== '').join(' AND ') || 'true', parameters };
}

function listCondition(column: string, prefix: string, values: readonly string[]): ReturnType<typeof oneOf> {
  return values.length === 0 ? { condition: '', parameters: {} } : oneOf(column, prefix, values);
}

function containerCondition(values: readonly string[]): ReturnType<typeof oneOf> {
  if (values.length === 0) return { condition: '', parameters: {} };
  const names = oneOf('container_name', 'container', values);
  const ids = values.map((value, place) => {
    const parameter = `{container${place}:String}`;
    return value.length < minIdCharacters ? `container_id = ${parameter}` : `startsWith(container_id, ${parameter})`;
  });
  return { condition: `(${[names.condition, ...ids].join(' OR ')})`, parameters: names.parameters };
}
