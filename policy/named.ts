/**
 * KubeArmor's words for what a socket is, with the words that cover every socket which one covers: TCP is a stream of IPv4
 * or IPv6, so `tcp` lies within `stream` and `all`. SCTP has two types of socket and lies in neither. `stream` and its like
 * are of any family, AF_UNIX too, and so lie in nothing.
 */
const protocolsWithin = {
  tcp: ['stream', 'all'],
  udp: ['dgram', 'all'],
  sctp: ['all'],
  dccp: ['all'],
  icmp: ['all'],
  icmpv6: ['all'],
  raw: ['all'],
  packet: ['all'],
  stream: [],
  dgram: [],
  rdm: [],
  seqpacket: [],
  all: [],
} as const satisfies Record<string, readonly string[]>;

/** A word that `protocol` may have. */
export type ProtocolName = keyof typeof protocolsWithin;

/** Every {@link ProtocolName}. */
export const protocolNames = Object.keys(protocolsWithin) as readonly ProtocolName[];

/** Words that name a type of socket, whatever protocol it speaks. */
const socketTypeNames: readonly string[] = ['raw', 'stream', 'dgram', 'rdm', 'seqpacket'];

/** How special a word is, 0 the most: a named protocol, a type of socket, `all`. */
export function protocolRank(name: string): number {
  return name === 'all' ? 2 : socketTypeNames.includes(name) ? 1 : 0;
}

/** The words other than `name` that cover all that it covers. */
export function protocolsContaining(name: string): readonly string[] {
  return Object.hasOwn(protocolsWithin, name) ? protocolsWithin[name as ProtocolName] : [];
}

/** Linux's capabilities (include/uapi/linux/capability.h, v6.1), without `cap_`; a capability's place is its number. */
export const capabilityNames: readonly string[] = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service ' +
  'net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin ' +
  'sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override ' +
  'mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

/** A domain and every domain above it, itself first: `a.b.c`, `b.c`, `c`. */
export function domainAndParents(domain: string): readonly string[] {
  const domains: string[] = [];
  for (let rest = domain; rest !== '';) {
    domains.push(rest);
    const dot = rest.indexOf('.');
    rest = dot === -1 ? '' : rest.slice(dot + 1);
  }
  return domains;
}

/** A domain as it is compared: in lower case, without a final dot. */
export function canonicalDomain(domain: string): string {
  return domain.toLowerCase().replace(/\.$/, '');
}
