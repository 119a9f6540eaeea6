import { domainToASCII } from 'node:url';
import { cursor, der, DerError, explicit, oid, readDer, sequence, setOf, Tag } from '../../asn1/der.ts';
import { CaError } from '../../error.ts';
import { isDnsName } from '../dns-name.ts';
import { ipOctets, ipText, canonicalIp } from '../ip-address.ts';
import { attributeText, rdnsOf } from '../name.ts';
import { Oid } from '../oids.ts';

import { readSubtree } from './name-constraints.ts';
import type { Subtree } from './subtree.ts';

const attributeTypes = {
  CN: Oid.commonName, O: Oid.organization, OU: Oid.organizationalUnit, C: Oid.country, L: Oid.locality, ST: Oid.province, DC: Oid.domainComponent,
} as const; // prettier-ignore
const attributeNames = new Map<string, string>(Object.entries(attributeTypes).map(([name, type]) => [type, name]));
const tags = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;

/**
 * A subtree from its text: `dns:example.com` (or plainly `example.com`), `email:example.com`, `uri:.example.com`, `ip:192.0.2.0/24`,
 * `dn:O=Example,OU=Unit` (outermost first), `upn:@corp.example`. Hosts are folded to A-labels in lower case.
 *
 * @throws {CaError} `malformed`
 */
export function parseSubtree(text: string): Subtree {
  const [, prefix, value = ''] = /^(?:(dns|email|uri|ip|dn|upn):)?(.*)$/s.exec(text) ?? [];
  const form = prefix ?? 'dns';
  try {
    switch (form) {
      case 'ip':
        return readSubtree(readDer(der(tags.ip, network(value))));
      case 'dn':
        return readSubtree(readDer(der(0xa4, name(value))));
      case 'upn':
        return readSubtree(readDer(der(0xa0, oid(Oid.userPrincipalName), explicit(0, der(Tag.utf8String, Buffer.from(mailbox(value)))))));
      case 'email':
        return readSubtree(readDer(der(tags.email, Buffer.from(mailbox(value)))));
      case 'uri':
        return readSubtree(readDer(der(tags.uri, Buffer.from(host(value)))));
      default:
        // RFC 5280 knows no leading dot in a dNSName: whoever writes one means the domain (§4.2.1.10).
        return readSubtree(readDer(der(tags.dns, Buffer.from(host(value.replace(/^\./, ''))))));
    }
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new CaError('malformed', `${JSON.stringify(text.slice(0, 256))} is no subtree of names`, { cause });
  }
}

/** The text of a subtree, as {@link parseSubtree} reads it; what has none is shown as hex. */
export function subtreeText(subtree: Subtree): string {
  switch (subtree.form) {
    case 'ip': {
      const half = subtree.octets.length / 2;
      const bits = Array.from(subtree.octets.subarray(half), (octet) => octet.toString(2).replace(/0/g, '').length).reduce(
        (a, b) => a + b,
        0,
      );
      return `ip:${ipText(subtree.octets.subarray(0, half)) ?? ''}/${bits}`;
    }
    case 'directory':
      return `dn:${rdnsOf(cursor(readDer(subtree.der)).next(Tag.sequence))
        .map((rdn) => rdn.map(({ type, value }) => `${attributeNames.get(type) ?? type}=${escape(attributeText(value))}`).join('+'))
        .join(',')}`;
    case 'other':
      return `der:${subtree.der.toString('hex')}`;
    default:
      return `${subtree.form}:${subtree.value}`;
  }
}

/** A host or domain in A-labels and lower case, with a leading dot if it had one. */
function host(text: string): string {
  const dot = text.startsWith('.') ? '.' : '';
  const plain = text.slice(dot.length).replace(/\.$/, '');
  if (text === '') return '';
  const ascii = domainToASCII(plain);
  if (!isDnsName(ascii.replace(/_/g, 'a')) || /[^\x21-\x7e]/.test(ascii)) throw new DerError('not a host');
  return dot + ascii;
}

function mailbox(text: string): string {
  const at = text.lastIndexOf('@');
  return at < 0 ? host(text) : `${text.slice(0, at)}@${host(text.slice(at + 1))}`;
}

/** The address and the mask of a CIDR block; bits beyond the prefix must be zero. */
function network(text: string): Buffer {
  const [address = '', prefix = ''] = text.split('/');
  if (canonicalIp(address) === undefined || !/^\d{1,3}$/.test(prefix)) throw new DerError('not a CIDR block');
  const octets = ipOctets(address);
  if (Number(prefix) > octets.length * 8) throw new DerError('not a CIDR block');
  const mask = Buffer.from(octets.map((_, index) => 0xff & ~(0xff >> Math.min(8, Math.max(0, Number(prefix) - index * 8)))));
  if (octets.some((octet, index) => (octet & ~(mask[index] ?? 0)) !== 0)) throw new DerError('an address inside its block');
  return Buffer.concat([octets, mask]);
}

function name(text: string): Buffer {
  const rdns = text.split(/(?<!\\),/).map((part) => {
    const [, type = '', value = ''] = /^\s*([A-Za-z]+)\s*=(.+)$/s.exec(part) ?? [];
    const known = (attributeTypes as Readonly<Record<string, string>>)[type.toUpperCase()];
    if (known === undefined) throw new DerError('not a directory name');
    const tag = known === Oid.country ? Tag.printableString : known === Oid.domainComponent ? Tag.ia5String : Tag.utf8String;
    return setOf(sequence(oid(known), der(tag, Buffer.from(value.trim().replace(/\\(.)/g, '$1')))));
  });
  return sequence(...rdns);
}

function escape(text: string): string {
  return text.replace(/[\\,+]/g, (character) => `\\${character}`);
}
