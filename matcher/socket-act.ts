import type { ProtocolName } from '../policy/named.ts';
import type { SocketAddress } from '../schemas/generated.ts';
import { ipAddressText } from './ip-address-text.ts';

/** include/linux/socket.h, v6.1. */
const families = { unix: 1, inet: 2, inet6: 10, netlink: 16, packet: 17 } as const;

/** include/linux/net.h. */
const types = { stream: 1, datagram: 2, raw: 3, reliable: 4, seqpacket: 5, dccp: 6 } as const;

/** include/uapi/linux/in.h. */
const protocols = { icmp: 1, tcp: 6, udp: 17, dccp: 33, icmpv6: 58, sctp: 132, mptcp: 262 } as const;

/** A socket in the words of rules: every one that it is. */
export function protocolNamesOf(socket: SocketAddress): readonly ProtocolName[] {
  const { family, protocol } = socket;
  const type = socket.socketType === 0 ? usualTypeOf(protocol) : socket.socketType;
  const names: ProtocolName[] = [];
  if (family === families.inet || family === families.inet6) {
    const isDefault = protocol === 0;
    const isTcp = protocol === protocols.tcp || protocol === protocols.mptcp;
    if (type === types.stream && (isDefault || isTcp)) names.push('tcp');
    if (type === types.datagram && (isDefault || protocol === protocols.udp)) names.push('udp');
    // A raw socket sees packets of a protocol and does not speak it, but for the one of ICMP, which has no other.
    if (type !== types.raw && protocol === protocols.sctp) names.push('sctp');
    if (type === types.dccp || (type !== types.raw && protocol === protocols.dccp)) names.push('dccp');
    const speaksIcmp = type === types.raw || type === types.datagram;
    if (speaksIcmp && family === families.inet && protocol === protocols.icmp) names.push('icmp');
    if (speaksIcmp && family === families.inet6 && protocol === protocols.icmpv6) names.push('icmpv6');
    if (type === types.raw) names.push('raw');
  }
  if (family === families.packet) names.push('packet', ...(type === types.raw ? (['raw'] as const) : []));
  if (type === types.stream) names.push('stream');
  if (type === types.datagram) names.push('dgram');
  if (type === types.reliable) names.push('rdm');
  if (type === types.seqpacket) names.push('seqpacket');
  if (fallsToPosture(socket)) names.push('all');
  return names;
}

/** Whether the default posture has a say: sockets between processes of one machine, and to its kernel, are left to rules. */
export function fallsToPosture({ family }: SocketAddress): boolean {
  return family !== families.unix && family !== families.netlink;
}

function usualTypeOf(protocol: number): number {
  if (protocol === protocols.tcp || protocol === protocols.mptcp) return types.stream;
  return protocol === protocols.udp ? types.datagram : 0;
}

const familyNames: Readonly<Record<number, string>> = {
  1: 'AF_UNIX',
  2: 'AF_INET',
  10: 'AF_INET6',
  16: 'AF_NETLINK',
  17: 'AF_PACKET',
  29: 'AF_CAN',
  31: 'AF_BLUETOOTH',
  38: 'AF_ALG',
  40: 'AF_VSOCK',
  44: 'AF_XDP',
};

const typeNames: Readonly<Record<number, string>> = {
  1: 'SOCK_STREAM',
  2: 'SOCK_DGRAM',
  3: 'SOCK_RAW',
  4: 'SOCK_RDM',
  5: 'SOCK_SEQPACKET',
  6: 'SOCK_DCCP',
  10: 'SOCK_PACKET',
};

const protocolTexts: Readonly<Record<number, string>> = {
  0: 'IP',
  1: 'ICMP',
  2: 'IGMP',
  6: 'TCP',
  17: 'UDP',
  33: 'DCCP',
  58: 'ICMPv6',
  132: 'SCTP',
  136: 'UDPLITE',
  255: 'RAW',
  262: 'MPTCP',
};

/** `AF_INET`; the number where it has no name here. */
export function familyText(family: number): string {
  return familyNames[family] ?? String(family);
}

/** KubeArmor's Resource of a socket that is made: `domain=AF_INET type=SOCK_STREAM protocol=TCP`. */
export function socketText(socket: SocketAddress): string {
  const { family, socketType, protocol } = socket;
  return `domain=${familyText(family)} type=${typeNames[socketType] ?? socketType} protocol=${protocolText(socket, protocol)}`;
}

/** KubeArmor's Resource of a peer: `remoteip=10.0.0.1 port=443 protocol=TCP`; as of a socket where the family has no addresses of this kind. */
export function peerText(peer: SocketAddress): string {
  const ip = ipAddressText(peer.address);
  return ip === undefined
    ? socketText(peer)
    : `remoteip=${ip} port=${peer.port} protocol=${protocolText(peer, peer.protocol)}`;
}

/** What is asked for with 0 is the family's usual one of the type. */
function protocolText(socket: SocketAddress, protocol: number): string {
  if (protocol === 0) {
    const names = protocolNamesOf(socket);
    if (names.includes('tcp')) return 'TCP';
    if (names.includes('udp')) return 'UDP';
  }
  return protocolTexts[protocol] ?? String(protocol);
}
