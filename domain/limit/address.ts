import { isIPv4 } from 'node:net';
import { canonicalIp, ipOctets } from '../x509/ip-address.ts';

/**
 * The bucket of an address: IPv4 whole, IPv6 by its /64, which is what one host has. Undefined when it is no address.
 *
 * @example addressKey('2001:db8:1:2:aaaa::1') // '2001:db8:1:2::/64'
 */
export function addressKey(text: string): string | undefined {
  const address = canonicalIp(text.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, ''));
  if (address === undefined || isIPv4(address)) return address;
  const octets = ipOctets(address);
  return `${Array.from({ length: 4 }, (_, group) => octets.readUInt16BE(group * 2).toString(16)).join(':')}::/64`;
}
