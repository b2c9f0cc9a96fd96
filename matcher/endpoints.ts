import { compile } from '../policy/compile.ts';
import type { CompiledPolicy } from '../policy/compiled-policy.ts';
import type { PalisadeDefaults } from '../policy/model.ts';
import { selects } from '../policy/select.ts';
import type { PolicyTable } from './policy-table.ts';
import type { JudgedTarget } from './target.ts';

/** Compiled sets kept: one for each set of policies × root links, of which a node has a handful. */
export const maxCompiledSets = 256;
/** Targets whose compiled set is remembered; beyond it they are looked up anew. */
export const maxRememberedTargets = 8_192;

/**
 * Which policies apply to which target, as compiled sets. Targets with the same policies and the same root links share one;
 * what is kept and forgotten here changes how long an answer takes and never the answer.
 */
export class Endpoints {
  readonly #table: PolicyTable;
  /** Target → its set; `undefined` inside: nothing applies. */
  readonly #byTarget = new Map<string, { readonly compiled: CompiledPolicy | undefined }>();
  readonly #compiled = new Map<string, CompiledPolicy>();
  #version = -1;

  constructor(table: PolicyTable) {
    this.#table = table;
  }

  /** What judges the acts of `target`; `undefined` where no policy applies to it. */
  compiledFor(target: JudgedTarget): CompiledPolicy | undefined {
    if (this.#version !== this.#table.version) {
      this.#version = this.#table.version;
      this.#byTarget.clear();
    }
    const links = linksKey(target.rootLinks);
    const { kind, namespace, labels } = target.target;
    // Entries, not their text in alerts: the value `1,b=2` of a label is not a second label.
    const key = JSON.stringify([kind, namespace, Object.entries(labels).sort(byName), links]);
    const known = this.#byTarget.get(key);
    if (known !== undefined) return known.compiled;
    const compiled = this.#find(target, links);
    if (this.#byTarget.size >= maxRememberedTargets) this.#byTarget.clear();
    this.#byTarget.set(key, { compiled });
    return compiled;
  }

  #find(target: JudgedTarget, links: string): CompiledPolicy | undefined {
    const { defaults } = this.#table;
    if (target.target.kind === 'container' && defaults.untrackedNamespaces.includes(target.target.namespace)) {
      return undefined;
    }
    const chosen = this.#table.policies.filter(({ policy }) => selects(policy, target.target));
    if (chosen.length === 0) return undefined;
    const postures = posturesOf(defaults, target);
    const versions = chosen.map(({ version }) => version);
    const key = JSON.stringify([versions, Object.entries(postures).sort(byName), links]);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const policies = chosen.map(({ policy }) => policy);
    const compiled = compile(policies, { rootLinks: target.rootLinks, postures });
    if (this.#compiled.size >= maxCompiledSets) this.#compiled.clear();
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

function posturesOf(defaults: PalisadeDefaults, { target }: JudgedTarget): PalisadeDefaults['hostPostures'] {
  return target.kind === 'host' ? defaults.hostPostures : defaults.containerPostures;
}

function byName([first]: readonly [string, string], [second]: readonly [string, string]): number {
  return first < second ? -1 : 1;
}

function linksKey(links: JudgedTarget['rootLinks']): string {
  if (links === null) return 'usual';
  return links.map(({ path, target }) => `${hexadecimal(path)}>${hexadecimal(target)}`).join();
}

function hexadecimal(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
