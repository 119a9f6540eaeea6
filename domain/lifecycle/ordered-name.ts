import { CaError } from '../error.ts';
import { isDnsName } from '../x509/dns-name.ts';
import { canonicalIp } from '../x509/ip-address.ts';

/** A name that a certificate shall have. */
export interface OrderedName {
  readonly type: 'dns' | 'ip' | 'email' | 'uri';
  readonly value: string;
}

/**
 * Reads a name as people write it: `www.example.com`, `*.example.com`, `192.0.2.1`, or with its type in front: `dns:`, `ip:`, `email:`, `uri:`.
 *
 * @throws {CaError} `malformed`
 */
export function orderedName(text: string): OrderedName {
  const [, type, value = ''] = /^(dns|ip|email|uri):(.+)$/.exec(text) ?? [undefined, undefined, text];
  const refuse = (what: string): never => {
    throw new CaError('malformed', `the body: names: ${text.slice(0, 100)} is ${what}`);
  };
  const address = canonicalIp(value);
  if (type === 'ip' || (type === undefined && address !== undefined))
    return address === undefined ? refuse('no address') : { type: 'ip', value: address };
  if (type === 'email') return /^[\x21-\x7e]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(value) ? { type, value } : refuse('no mail address');
  if (type === 'uri') return /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i.test(value) ? { type, value } : refuse('no absolute URI');
  const name = value.toLowerCase();
  return isDnsName(name.startsWith('*.') ? name.slice(2) : name) ? { type: 'dns', value: name } : refuse('no dns name');
}
