import type { Issue } from '../policy/issue.ts';
import { maxPatternsPerDimension, pieceCountOf } from '../policy/canonical-subject.ts';
import { maxRulesPerDimension } from '../policy/compile.ts';
import { builtinDefaults, defaultsKind, type Dimension, type PalisadeDefaults, type Policy } from '../policy/model.ts';
import { isPolicy, parsePolicy } from '../policy/parse.ts';
import { ruleStatuses } from '../policy/rule-status.ts';
import type { PolicyDocument, PolicyIssue, PolicyStatus } from '../schemas/generated.ts';

/** One version of one policy, as it is in force. */
export interface LoadedPolicy {
  readonly key: string;
  /** Tells versions apart: another for each document that was loaded. */
  readonly version: number;
  readonly policy: Policy;
}

/**
 * The policies in force. A document that is refused leaves the version before it in force; after a restart that is found
 * again because the table is replayed from its topic, which keeps earlier versions for at least as long as raw events. After
 * that a policy whose last version is malformed is in force nowhere, and its status says refused.
 *
 * Together they may have as many rules of a dimension as one target may: then no target can have more. Those beyond, in the
 * order of their keys, are refused.
 */
export class PolicyTable {
  readonly #parsed = new Map<string, LoadedPolicy>();
  readonly #defaults = new Map<string, PalisadeDefaults>();
  readonly #statuses = new Map<string, PolicyStatus>();
  #inForce: InForce | undefined;
  #version = 0;

  /** Rises with every change. */
  get version(): number {
    return this.#version;
  }

  /** Those in force, sorted by key. */
  get policies(): readonly LoadedPolicy[] {
    return this.#settle().policies;
  }

  /** What became of each document of the table; a key that is gone has none. */
  get statuses(): ReadonlyMap<string, PolicyStatus> {
    return this.#settle().statuses;
  }

  /** Of several defaults the one with the lowest key holds, whatever the order in which they came. */
  get defaults(): PalisadeDefaults {
    return this.#settle().defaults;
  }

  /** Takes over a change of the table. */
  update(key: string, document: PolicyDocument | undefined): void {
    this.#version += 1;
    this.#inForce = undefined;
    if (document === undefined) {
      this.#parsed.delete(key);
      this.#defaults.delete(key);
      this.#statuses.delete(key);
      return;
    }
    const { policy, issues } = parsePolicy(document);
    if (policy?.kind === defaultsKind) this.#defaults.set(key, policy);
    else if (policy !== undefined) this.#parsed.set(key, { key, version: this.#version, policy });
    this.#statuses.set(key, statusOf(document, policy, issues));
  }

  #settle(): InForce {
    if (this.#inForce !== undefined) return this.#inForce;
    const room = new Room();
    const policies: LoadedPolicy[] = [];
    const statuses = new Map(this.#statuses);
    for (const loaded of [...this.#parsed.values()].sort(byKey)) {
      if (room.take(loaded.policy)) {
        policies.push(loaded);
      } else {
        const status = statuses.get(loaded.key);
        if (status !== undefined) statuses.set(loaded.key, withoutRoom(status, loaded.policy));
      }
    }
    const [lowest] = [...this.#defaults].sort(([first], [second]) => (first < second ? -1 : 1));
    this.#inForce = { policies, statuses, defaults: lowest?.[1] ?? builtinDefaults };
    return this.#inForce;
  }
}

interface InForce {
  readonly policies: readonly LoadedPolicy[];
  readonly statuses: ReadonlyMap<string, PolicyStatus>;
  readonly defaults: PalisadeDefaults;
}

/** How many rules more there may be. */
class Room {
  readonly #rules = new Map<Dimension, number>();
  readonly #patterns = new Map<Dimension, number>();

  /** Whether the rules of `policy` have room beside those before; only then they take it. */
  take(policy: Policy): boolean {
    const [rules, patterns] = [new Map(this.#rules), new Map(this.#patterns)];
    for (const rule of policy.rules) {
      const pieces = pieceCountOf(rule.subject);
      const counts = rule.subject.kind === 'pattern' ? [rules, patterns] : [rules];
      for (const of of counts) of.set(rule.dimension, (of.get(rule.dimension) ?? 0) + pieces);
    }
    if ([...rules.values()].some((count) => count > maxRulesPerDimension)) return false;
    if ([...patterns.values()].some((count) => count > maxPatternsPerDimension)) return false;
    for (const [dimension, count] of rules) this.#rules.set(dimension, count);
    for (const [dimension, count] of patterns) this.#patterns.set(dimension, count);
    return true;
  }
}

function withoutRoom(status: PolicyStatus, policy: Policy): PolicyStatus {
  const message =
    `All policies together may have ${maxRulesPerDimension} rules of a kind, and ${maxPatternsPerDimension} patterns; ` +
    'with this one there would be more.';
  const issue: PolicyIssue = { severity: 'error', field: '', file: policy.file, line: 1, column: 1, message };
  return { ...status, state: 'refused', issues: [issue, ...status.issues] };
}

function byKey(first: LoadedPolicy, second: LoadedPolicy): number {
  return first.key < second.key ? -1 : 1;
}

function statusOf(
  { kind, namespace, name, contentHash }: PolicyDocument,
  policy: Policy | PalisadeDefaults | undefined,
  issues: readonly Issue[],
): PolicyStatus {
  const rules = policy === undefined || !isPolicy(policy) ? [] : ruleStatuses(policy);
  return {
    kind,
    namespace,
    name,
    contentHash,
    state: policy === undefined ? 'refused' : 'loaded',
    issues: issues.map(({ severity, field, file, line, column, message }) => {
      return { severity, field, file, line, column, message };
    }),
    ruleCount: rules.length,
    rules: rules
      .filter(({ state, reason }) => state !== 'loaded' || reason !== '')
      .map(({ place: { block, list, index, line, column }, state, reason }) => {
        return { block, list, index, line, column, state, reason };
      }),
  };
}
