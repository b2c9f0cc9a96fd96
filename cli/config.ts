import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { nearestName } from '../policy/nearest.ts';
import { PalisadeError } from '../runtime/errors.ts';
import { kafkaKeys } from './kafka-settings.ts';
import { packageRoot } from './package-root.ts';
import { parseDuration, parseSize } from './units.ts';

/** A configuration that can't be used. Carries the key and where its value came from; the process exits with 78. */
export class ConfigError extends PalisadeError {
  readonly key: string;
  /** `flag --ring-size`, `environment PALISADE_RING_SIZE` or `FILE:LINE`. */
  readonly source: string;

  constructor(key: string, source: string, problem: string, options: { readonly cause?: unknown } = {}) {
    super('CONFIG_INVALID', `${source}: ${key} ${problem}`, options);
    this.key = key;
    this.source = source;
  }
}

const size = (lowest: number, highest: number, range: string) =>
  z.string().transform((text, context) => {
    const bytes = parseSize(text);
    if (bytes !== undefined && bytes >= lowest && bytes <= highest) return bytes;
    context.addIssue(`must be a size with KiB, MiB or GiB, ${range}`);
    return z.NEVER;
  });
const duration = (lowest: number, highest: number, range: string) =>
  z.string().transform((text, context) => {
    const milliseconds = parseDuration(text);
    if (milliseconds !== undefined && milliseconds >= lowest && milliseconds <= highest) return milliseconds;
    context.addIssue(`must be a duration with ms, s, m, h or d, ${range}`);
    return z.NEVER;
  });
const folder = z.string().refine((text) => path.isAbsolute(text), 'must be an absolute path');
const mebibyte = 2 ** 20;
const day = 86_400_000;
/** Of events, wherever they are kept. */
export const defaultRetentionAge = '7d';

/** Every setting there is. docs/configuration.md is made from this. */
export const configSchema = {
  dataDirectory: folder.meta({
    description: 'Where the event log, the ClickHouse data and the node id live.',
    default: '`/var/lib/palisade` as root, else `$XDG_STATE_HOME/palisade`, else `~/.local/state/palisade`',
  }),
  nodeId: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u, 'must be 1 to 63 letters, digits, dots, dashes or underscores')
    .optional()
    .meta({
      description: 'Name of this node in keys and alerts. Never give one to two nodes.',
      default: 'made once, kept in the data directory',
    }),
  policies: z
    .array(z.string().min(1, 'must name files or folders'))
    .min(1, 'must name files or folders')
    .max(64, 'must name 64 files or folders at most')
    .meta({
      description:
        'Files or folders with KubeArmor policies; watched while running. In the environment separated by `:`.',
      default: 'the sample policies in `cli/demo/policies`',
    }),
  pinDirectory: folder.meta({
    description: 'Folder on a BPF file system that holds the pinned ring, counters and session between two runs.',
    default: '`/sys/fs/bpf/palisade`',
  }),
  ringSize: size(4096, 256 * mebibyte, '4KiB to 256MiB')
    .refine((bytes) => Number.isInteger(Math.log2(bytes)), 'must be a power of two')
    .meta({
      description:
        'Ring buffer between kernel and collector. It holds what is in flight; when it is full the kernel drops events and counts them.',
      default: '`8MiB`',
    }),
  retentionSize: size(16 * mebibyte, 1024 * 1024 * mebibyte, '16MiB to 1024GiB').meta({
    description: 'Bytes that each topic of events keeps. What a group has not read is never trimmed.',
    default: '`1GiB`',
  }),
  retentionAge: duration(60_000, 3650 * day, '1m to 3650d').meta({
    description: 'Age up to which each topic of events keeps its records.',
    default: '`7d`',
  }),
  durability: z.enum(['group', 'commit'], 'must be group or commit').meta({
    description:
      'When an append counts as done. `group`: written, and fsynced every 50 ms; a kill loses nothing, a power cut at most the last 100 ms. `commit`: fsynced.',
    default: '`group`',
  }),
} as const;

export type ConfigKey = keyof typeof configSchema;
export const configKeys = Object.keys(configSchema) as readonly ConfigKey[];

/** What a file or the environment may have: one of them serves every command, also those that need only a part of it. */
const everyKey: readonly string[] = [...configKeys, ...kafkaKeys];

/** Settings by their keys; `meta` has description and default in words, and `secret` of what no message may show. */
export type SettingSchema = Readonly<Record<string, z.ZodType>>;

/** The settings in force, parsed: sizes in bytes, durations in milliseconds. */
export type Settings<Schema extends SettingSchema> = { readonly [Key in keyof Schema]: z.output<Schema[Key]> };
export type Config = Settings<typeof configSchema>;

/** What a person gave, from the strongest to the weakest source. */
export interface ConfigSources {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A YAML file, from `--config` or PALISADE_CONFIG. */
  readonly file?: string | undefined;
}

/** `ringSize` → `--ring-size`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `ringSize` → `PALISADE_RING_SIZE`. */
export function environmentVariableOf(key: string): string {
  return `PALISADE_${key.replace(/[A-Z]/gu, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Where state lives by default: as root in /var/lib, else by the XDG base directory specification. */
export function defaultDataDirectory(environment: ConfigSources['environment'], isRoot: boolean): string {
  if (isRoot) return '/var/lib/palisade';
  const state = environment['XDG_STATE_HOME'];
  // The specification says that a relative path in the variable is invalid and to be ignored.
  return path.join(
    state !== undefined && path.isAbsolute(state) ? state : path.join(os.homedir(), '.local/state'),
    'palisade',
  );
}

/** The settings of a node. Throws ConfigError, also for keys that do not exist. */
export function resolveConfig(sources: ConfigSources, isRoot: boolean): Config {
  return resolveSettings(configSchema, sources, {
    dataDirectory: defaultDataDirectory(sources.environment, isRoot),
    policies: [path.join(packageRoot(), 'cli/demo/policies')],
    pinDirectory: '/sys/fs/bpf/palisade',
    ringSize: '8MiB',
    retentionSize: '1GiB',
    retentionAge: defaultRetentionAge,
    durability: 'group',
  });
}

/**
 * The settings of `schema`: flags over environment over file over `defaults`. Throws ConfigError, also for keys of file and
 * environment that no command has.
 */
export function resolveSettings<Schema extends SettingSchema>(
  schema: Schema,
  sources: ConfigSources,
  defaults: Readonly<Partial<Record<keyof Schema, unknown>>>,
): Settings<Schema> {
  const keys = Object.keys(schema);
  const given = new Map<string, { readonly value: unknown; readonly source: string }>();
  for (const key of keys) given.set(key, { value: defaults[key], source: 'default' });
  if (sources.file !== undefined) for (const [key, entry] of readConfigFile(sources.file)) given.set(key, entry);
  for (const [key, entry] of readEnvironment(sources.environment)) given.set(key, entry);
  for (const key of keys) {
    const value = sources.flags[key];
    if (value !== undefined) given.set(key, { value, source: `flag ${flagOf(key)}` });
  }
  const settings: Record<string, unknown> = {};
  for (const key of keys) {
    const { value, source } = given.get(key) ?? { value: undefined, source: 'default' };
    const result = schema[key]?.safeParse(value);
    if (result?.success === false) {
      const problem = [...new Set(result.error.issues.map(messageOf))].join('; ');
      const shown = schema[key]?.meta()?.['secret'] === true ? '' : ` (got ${JSON.stringify(value)})`;
      throw new ConfigError(key, source, `${problem}${shown}`, { cause: result.error });
    }
    settings[key] = result?.data;
  }
  // Each key went through its own type; the compiler cannot see that of a loop.
  return settings as Settings<Schema>;
}

/** Of a union zod says “Invalid input”; what the text was wrong for says more. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return issue.message;
  return issue.errors
    .flat()
    .map(({ message }) => message)
    .join(', or ');
}

function* readConfigFile(file: string): Generator<[string, { value: unknown; source: string }]> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError('file', file, `can't be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [problem] = document.errors;
  if (problem !== undefined)
    throw new ConfigError('file', `${file}:${lines.linePos(problem.pos[0]).line}`, `is not YAML: ${problem.message}`, {
      cause: problem,
    });
  const content: unknown = document.toJS();
  if (content === null) return;
  if (typeof content !== 'object' || Array.isArray(content))
    throw new ConfigError('file', file, 'must be a mapping of keys to values');
  for (const [key, value] of Object.entries(content)) {
    const place = new RegExp(`^["']?${key.replace(/[^A-Za-z0-9]/gu, '.')}["']?\\s*:`, 'mu').exec(text)?.index ?? 0;
    const source = `${file}:${lines.linePos(place).line}`;
    yield [knownKey(key, (known) => known, source), { value, source }];
  }
}

function* readEnvironment(
  environment: ConfigSources['environment'],
): Generator<[string, { value: unknown; source: string }]> {
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('PALISADE_') || name === 'PALISADE_CONFIG' || text === undefined) continue;
    const key = knownKey(name, environmentVariableOf, 'environment');
    yield [key, { value: key === 'policies' ? text.split(':') : text, source: `environment ${name}` }];
  }
}

function knownKey(given: string, spell: (key: string) => string, source: string): string {
  const exact = everyKey.find((key) => spell(key) === given);
  if (exact !== undefined) return exact;
  const nearest = nearestName(given, everyKey.map(spell));
  const suggestion = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  throw new ConfigError(given, source, `is no setting${suggestion}`);
}
