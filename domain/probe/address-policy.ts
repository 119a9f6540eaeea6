import { BlockList, isIP } from 'node:net';
import { ipOctets } from '../x509/ip-address.ts';

// Made when an address is first judged: a start need not wait for lists that few of its requests look into.
// Reached by no challenge, whatever a profile says (RFC 6890, RFC 4291).
const never = madeOnce([
  '0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', '255.255.255.255/32',
  '::/128', '::1/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::254/128', 'fec0::/10', '100::/64',
]); // prettier-ignore
// Reached only where the profile lists the range.
const privately = madeOnce([
  '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '192.0.0.0/24', '198.18.0.0/15',
  '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '192.88.99.0/24', 'fc00::/7', '2001:db8::/32', '2001::/23', '3fff::/20',
]); // prettier-ignore

/** Whether a challenge may connect to an address. */
export type AddressVerdict = 'allowed' | 'forbidden';

/**
 * Judges the address that a name resolved to. Forms that carry an IPv4 address inside (mapped, compatible, 6to4, NAT64, Teredo)
 * are judged by it too.
 *
 * @param allowedCidrs private ranges that the profile permits; they never permit loopback, link-local or metadata addresses
 */
export function judgeAddress(address: string, allowedCidrs: readonly string[]): AddressVerdict {
  const family = isIP(address);
  if (family === 0) return 'forbidden';
  const inner = family === 6 ? embeddedIpv4(address) : [];
  if (inner.some((ipv4) => judgeAddress(ipv4, allowedCidrs) === 'forbidden')) return 'forbidden';
  if (inner.length > 0) return 'allowed';
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  if (never().check(address, kind)) return 'forbidden';
  if (!privately().check(address, kind)) return 'allowed';
  return blockList(allowedCidrs).check(address, kind) ? 'allowed' : 'forbidden';
}

function madeOnce(cidrs: readonly string[]): () => BlockList {
  let made: BlockList | undefined;
  return () => (made ??= blockList(cidrs));
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', prefix = ''] = cidr.split('/');
    const family = isIP(network);
    const bits = Number(prefix || (family === 6 ? 128 : 32));
    if (family !== 0 && Number.isInteger(bits)) list.addSubnet(network, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** IPv4 addresses inside an IPv6 one (RFC 4291 §2.5.5, RFC 3056, RFC 6052, RFC 8215, RFC 4380). */
function embeddedIpv4(address: string): readonly string[] {
  const octets = ipOctets(address.split('%')[0] ?? '');
  const at = (group: number): number => octets.readUInt16BE(group * 2);
  const ipv4 = (high: number, low: number): string => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  const zeros = (from: number, to: number): boolean => octets.subarray(from * 2, to * 2).every((octet) => octet === 0);
  if (zeros(0, 5) && at(5) === 0xffff) return [ipv4(at(6), at(7))];
  if (zeros(0, 4) && at(4) === 0xffff && at(5) === 0) return [ipv4(at(6), at(7))];
  if (zeros(0, 6) && !(at(6) === 0 && at(7) <= 1)) return [ipv4(at(6), at(7))];
  if (at(0) === 0x2002) return [ipv4(at(1), at(2))];
  if (at(0) === 0x64 && at(1) === 0xff9b) return at(2) === 1 ? ['0.0.0.0'] : [ipv4(at(6), at(7))];
  if (at(0) === 0x2001 && at(1) === 0) return [ipv4(at(2), at(3)), ipv4(at(6) ^ 0xffff, at(7) ^ 0xffff)];
  return [];
}
