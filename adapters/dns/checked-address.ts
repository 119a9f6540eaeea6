import { isIP } from 'node:net';
import { judgeAddress } from '#domain/probe/address-policy.ts';
import { ProbeError } from '#domain/probe/probe.ts';
import type { NameResolver } from './resolver.ts';

/**
 * The one address that a validation may connect to. A name is resolved once; an address stands for itself.
 *
 * @throws {ProbeError} `dns`, `connection`; details name no address
 */
export async function checkedAddress(resolver: NameResolver, host: string, allowedCidrs: readonly string[]): Promise<string> {
  const addresses = isIP(host) === 0 ? await resolver.addresses(host) : [host];
  const allowed = addresses.filter((address) => judgeAddress(address, allowedCidrs) === 'allowed');
  const [address] = allowed;
  // One forbidden address among several is a trap, not an accident.
  if (address === undefined || allowed.length < addresses.length) {
    throw new ProbeError('connection', 'the name leads to an address that validation must not reach', { final: true });
  }
  return address;
}
