import { printable } from '../runtime/printable.ts';
import type { ShownAlert } from './alert-columns.ts';

/** Text of one field on a terminal: an attacker's 4 KiB path must not push the rest off the screen. */
const fieldLengthMax = 160;

/** What KubeArmor, and we after it, give as namespace of a container that no Kubernetes runs. Its pod is then the container. */
const namespaceWithoutKubernetes = 'container_namespace';

/** Terminal colors, or empty strings where output is not a terminal. */
export interface Palette {
  readonly strong: string;
  readonly dim: string;
  readonly block: string;
  readonly audit: string;
  readonly reset: string;
}

/** Colors on a terminal, unless NO_COLOR is set (no-color.org). */
export function paletteFor(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): Palette {
  return isTerminal && (environment['NO_COLOR'] ?? '') === ''
    ? { strong: '\u001b[1m', dim: '\u001b[2m', block: '\u001b[31;1m', audit: '\u001b[33m', reset: '\u001b[0m' }
    : { strong: '', dim: '', block: '', audit: '', reset: '' };
}

/**
 * An alert in two lines for people: what happened where, then which rule says so and what came of it. Every field that
 * could hold an attacker's bytes is `printable` and bounded, so no alert can forge another one.
 */
export function alertText(alert: ShownAlert, palette: Palette): string {
  const { strong, dim, reset } = palette;
  const color = alert.action.includes('Block') ? palette.block : palette.audit;
  const severity = alert.severity === '' ? '' : `  severity ${field(alert.severity)}`;
  const origin = alert.origin === 'recording' ? `  ${strong}[recording]${reset}` : '';
  const first = `${timeText(alert.timeUnixNs)}  ${color}${field(alert.action)}${reset}${severity}  ${strong}${target(alert)}${reset}  ${act(alert)}${origin}`;
  const message = alert.message === '' ? '' : `  “${field(alert.message)}”`;
  return `${first}\n              ${dim}${decision(alert)}; ${outcome(alert)}${reset}${message}\n`;
}

function field(text: string): string {
  const safe = printable(text);
  return safe.length <= fieldLengthMax ? safe : `${safe.slice(0, fieldLengthMax)}…`;
}

function target(alert: ShownAlert): string {
  if (alert.containerId === '') return `host ${field(alert.hostName)}`;
  if (alert.podName !== '' && alert.namespaceName !== namespaceWithoutKubernetes)
    return `pod ${field(alert.namespaceName)}/${field(alert.podName)}/${field(alert.containerName)}`;
  return `container ${field(alert.containerName === '' ? alert.containerId.slice(0, 12) : alert.containerName)}`;
}

function act(alert: ShownAlert): string {
  if (alert.operation === 'Process') return `${field(alert.parentProcessName)} ran ${field(alert.resource)}`;
  if (alert.operation === 'File') return `${field(alert.processName)} ${fileAct(alert)}`;
  return `${field(alert.processName)} ${field(alert.operation)} ${field(alert.resource)}`;
}

function fileAct(alert: ShownAlert): string {
  switch (alert.eventOperation) {
    case 'unlink':
      return `removed ${field(alert.resource)}`;
    case 'rmdir':
      return `removed the directory ${field(alert.resource)}`;
    case 'rename':
      return `renamed ${field(alert.oldPath)} to ${field(alert.newPath)}`;
    default:
      return `opened ${field(alert.resource)}`;
  }
}

function decision(alert: ShownAlert): string {
  if (alert.rule === null) return `policy ${field(alert.policyName)}`;
  return `policy ${field(alert.policyName)} (${field(alert.rule.file)}:${alert.rule.line})`;
}

function outcome(alert: ShownAlert): string {
  switch (alert.enforcement) {
    case 'notEnforced':
      return `${field(alert.result)}, not enforced`;
    case 'enforced':
      return `${field(alert.result)}, enforced by ${field(alert.enforcer)}`;
    case 'deniedBySomethingElse':
      return `${field(alert.result)}, denied by something else`;
    default:
      return field(alert.result);
  }
}

/** Local time with milliseconds: what a person at this terminal compares with their watch. */
function timeText(unixNs: bigint): string {
  const time = new Date(Number(unixNs / 1_000_000n));
  const digits = (value: number, width: number): string => String(value).padStart(width, '0');
  return `${digits(time.getHours(), 2)}:${digits(time.getMinutes(), 2)}:${digits(time.getSeconds(), 2)}.${digits(time.getMilliseconds(), 3)}`;
}
