import { readdirSync, readFileSync } from 'node:fs';
import { stringify, parse } from 'yaml';
import { z } from 'zod';
import { fallsToPosture, protocolNamesOf } from '../../matcher/socket-act.ts';
import type { Act, ActResource, PathAct } from '../../policy/act.ts';
import { builtinDefaults } from '../../policy/model.ts';
import type { Policy, Postures } from '../../policy/model.ts';
import { canonicalDomain } from '../../policy/named.ts';
import { isPolicy, parsePolicy } from '../../policy/parse.ts';
import type { RootLink, SocketAddress } from '../../schemas/generated.ts';

const path = z.string().startsWith('/');

/** One event and what is to come of it. */
const eventSchema = z.strictObject({
  operation: z.enum(['read', 'write', 'exec', 'socket', 'connect', 'accept', 'lookup', 'capability']).default('read'),
  /** As the kernel has it: the file, or the program (a script itself). */
  path: z.string().default('/etc/passwd'),
  /** In the place of `path`, where it is no text. */
  pathBytes: z.array(z.number()).optional(),
  /** Only the end of a longer path. */
  truncated: z.boolean().default(false),
  /** exec: by which name the program was called, where that is another. */
  calledName: path.optional(),
  /** exec of a script: what runs it. */
  interpreters: z.array(path).default([]),
  /** socket, connect, accept. */
  socket: z
    .strictObject({
      family: z.enum(['inet', 'inet6', 'unix', 'netlink', 'packet', 'vsock']),
      type: z.enum(['stream', 'dgram', 'raw', 'seqpacket', 'dccp']),
      /** IPPROTO_*. */
      protocol: z.number().default(0),
    })
    .default({ family: 'inet', type: 'stream', protocol: 6 }),
  /** lookup: the name as it was asked for. */
  domain: z.string().default('example.com'),
  /** capability: which one. */
  capability: z.string().default('net_raw'),
  /** The acting process's executable; for an exec what the caller ran. */
  source: path.default('/bin/cat'),
  type: z.enum(['file', 'directory', 'unknown']).default('file'),
  /** The caller's fsuid. */
  uid: z.number().default(0),
  /** Of the file; `caller`: it does not exist yet. */
  owner: z.union([z.number(), z.literal('caller'), z.literal('unknown')]).default(0),
  terminal: z.boolean().default(false),
  /** After argv[0]. */
  arguments: z.array(z.string()).default([]),
  argumentsTruncated: z.boolean().default(false),
  /** What the kernel answered; no enforcer of ours has reported it. */
  result: z.enum(['passed', 'EACCES', 'EPERM', 'ENOENT']).default('passed'),
  /** What KubeArmor makes of it, where that is something else. */
  kubearmor: z.string().optional(),
  expect: z.strictObject({
    /** By the rules and the posture, whatever the kernel answered. */
    verdict: z.enum(['permit', 'deny']),
    /** `p1 file.matchPaths[0]`: that rule of the second policy, whether it gives an alert or permits; `DefaultPosture`; `none`. */
    by: z.string(),
    /** The alert's action; `none`: no alert. */
    alert: z.enum(['none', 'Audit', 'Block', 'Audit (Block)']),
    /** The alert's `enforcement`. */
    enforcement: z.enum(['none', 'notEnforced', 'deniedBySomethingElse']).default('none'),
    /** The path in the form of the rule; not compared where it is left out. */
    matchedPath: z.string().optional(),
  }),
});

const caseSchema = z.strictObject({
  /** A title; no two cases have the same. */
  case: z.string(),
  /** By name p0, p1, …; kind KubeArmorPolicy and an empty selector where they are left out. */
  policies: z.array(
    z.strictObject({ kind: z.string().default('KubeArmorPolicy'), spec: z.record(z.string(), z.unknown()) }),
  ),
  postures: z
    .strictObject({
      process: z.enum(['audit', 'block']).optional(),
      file: z.enum(['audit', 'block']).optional(),
      network: z.enum(['audit', 'block']).optional(),
    })
    .default({}),
  /** `/bin -> /usr/bin`; left out: not known. */
  rootLinks: z.array(z.string()).optional(),
  events: z.array(eventSchema).min(1),
});

export type CaseEvent = z.infer<typeof eventSchema>;

/** A case, its policies parsed. All select every container of the namespace `ns`. */
export interface PolicyCase {
  readonly title: string;
  readonly policies: readonly Policy[];
  /** The same as text, for who takes them from the topic. */
  readonly documents: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly text: string;
  }[];
  readonly rootLinks: readonly RootLink[] | null;
  readonly postures: Postures;
  readonly events: readonly CaseEvent[];
}

/** The namespace of the container that the events happen in. */
export const caseNamespace = 'ns';

/** All cases of test/policy/cases. Tests run in the package's root. */
export function loadCases(): readonly PolicyCase[] {
  const folder = 'test/policy/cases';
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
  return files.sort().flatMap((file) => {
    const read: unknown = parse(readFileSync(`${folder}/${file}`, 'utf8'));
    return z
      .array(caseSchema)
      .parse(read)
      .map((one): PolicyCase => {
        const documents = one.policies.map(({ kind, spec }, place) => documentOf(kind, `p${place}`, spec));
        return {
          title: `${file}: ${one.case}`,
          documents,
          policies: documents.map((document) => policyOf(document.text)),
          rootLinks: one.rootLinks?.map(linkOf) ?? null,
          postures: {
            ...builtinDefaults.containerPostures,
            process: one.postures.process ?? 'audit',
            file: one.postures.file ?? 'audit',
            network: one.postures.network ?? 'audit',
            dns: one.postures.network ?? 'audit',
          },
          events: one.events,
        };
      });
  });
}

function documentOf(kind: string, name: string, spec: unknown): PolicyCase['documents'][number] {
  const namespace = kind === 'KubeArmorPolicy' ? caseNamespace : '';
  const metadata = { name, ...(namespace === '' ? {} : { namespace }) };
  const text = stringify({ apiVersion: 'security.kubearmor.com/v1', kind, metadata, spec });
  return { kind, namespace, name, text };
}

function policyOf(text: string): Policy {
  const { policy, issues } = parsePolicy({ text, file: 'case.yaml', firstLine: 1 });
  if (policy === undefined || !isPolicy(policy)) {
    throw new Error(`${JSON.stringify(issues)}\n${text}`);
  }
  return policy;
}

function linkOf(link: string): RootLink {
  const [from = '', to = ''] = link.split(' -> ');
  return { path: Buffer.from(from), target: Buffer.from(to) };
}

const families = { inet: 2, inet6: 10, unix: 1, netlink: 16, packet: 17, vsock: 40 } as const;
const types = { stream: 1, dgram: 2, raw: 3, seqpacket: 5, dccp: 6 } as const;

/** The socket of an event, as a node tells it. */
export function socketOf({ socket: { family, type, protocol } }: CaseEvent): SocketAddress {
  const address = Buffer.alloc(family === 'inet' ? 4 : family === 'inet6' ? 16 : 0, 1);
  return { family: families[family], socketType: types[type], protocol, address, port: 443, source: 'object' };
}

/** The act that an event is, as the matcher would make it. */
export function actOf(event: CaseEvent): Act {
  const who = { source: Buffer.from(event.source), hasTerminal: event.terminal };
  switch (event.operation) {
    case 'socket':
    case 'connect':
    case 'accept': {
      const socket = socketOf(event);
      return { dimension: 'network', names: protocolNamesOf(socket), fallsToPosture: fallsToPosture(socket), ...who };
    }
    case 'lookup':
      return { dimension: 'dns', names: [canonicalDomain(event.domain)], fallsToPosture: true, ...who };
    case 'capability':
      return { dimension: 'capabilities', names: [event.capability], fallsToPosture: true, ...who };
    case 'read':
    case 'write':
    case 'exec':
      return pathActOf(event);
  }
}

function pathActOf(event: CaseEvent): PathAct {
  const owner = event.owner === 'caller' ? undefined : event.owner === 'unknown' ? -1 : event.owner;
  const resource = (bytes: Uint8Array): ActResource => ({
    path: bytes,
    isDirectory: event.type === 'unknown' ? undefined : event.type === 'directory',
    ownerUid: owner,
    truncated: event.truncated,
  });
  const first = resource(event.pathBytes === undefined ? Buffer.from(event.path) : Buffer.from(event.pathBytes));
  return {
    dimension: event.operation === 'exec' ? 'process' : 'file',
    resources: [
      event.calledName === undefined ? first : { ...first, calledName: Buffer.from(event.calledName) },
      ...event.interpreters.map((interpreter) => resource(Buffer.from(interpreter))),
    ],
    source: Buffer.from(event.source),
    write: event.operation === 'write',
    fsuid: event.uid,
    hasTerminal: event.terminal,
    arguments: event.arguments.map((argument) => Buffer.from(argument)),
    argumentsTruncated: event.argumentsTruncated,
  };
}
