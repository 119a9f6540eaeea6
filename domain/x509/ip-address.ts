import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';

/** Canonical text of an address (RFC 5952); undefined when it is none. */
export function canonicalIp(text: string): string | undefined {
  const family = isIP(text);
  if (family === 0 || text.includes('%')) return undefined;
  return new SocketAddress({ address: text, family: family === 4 ? 'ipv4' : 'ipv6' }).address;
}

/** The octets of an iPAddress (RFC 5280 §4.2.1.6). */
export function ipOctets(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  const plain = text.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a: string, b: string, c: string, d: string) =>
      `${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`,
  );
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  const octets = Buffer.alloc(16);
  [...left, ...gap, ...right].forEach((group, index) => octets.writeUInt16BE(Number.parseInt(group, 16), index * 2));
  return octets;
}

/** The text of 4 or 16 octets; undefined for another number. */
export function ipText(octets: Uint8Array): string | undefined {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => (((octets[i * 2] ?? 0) << 8) | (octets[i * 2 + 1] ?? 0)).toString(16));
  return canonicalIp(groups.join(':'));
}

/** The name under which DNS keeps an address, without a trailing dot (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(text: string): string {
  const octets = ipOctets(text);
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa`;
  return `${Array.from(octets.toString('hex')).reverse().join('.')}.ip6.arpa`;
}

/** Whether a range such as `10.0.0.0/8` holds an address of its own family; what is no range holds nothing. */
export function rangeHolds(range: string, address: string): boolean {
  const [network = '', bits = ''] = range.split('/');
  const family = isIP(network);
  if (family === 0 || bits === '' || family !== isIP(address)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** Whether a range such as `10.0.0.0/8` names the network itself: no bit beyond the prefix is set. */
export function isNetwork(cidr: string): boolean {
  const [address = '', prefix = ''] = cidr.split('/');
  return ipOctets(address).every((octet, index) => (octet & (0xff >> Math.min(8, Math.max(0, Number(prefix) - 8 * index)))) === 0);
}
