import { DerError, der, implicit, type Element } from '../asn1/der.ts';
import { ipOctets, ipText } from './ip-address.ts';

/** A subject alternative name (RFC 5280 §4.2.1.6). An ip value is canonical text; what we do not read stays DER. */
export type GeneralName =
  { readonly type: 'dns' | 'ip' | 'email' | 'uri'; readonly value: string } | { readonly type: 'other'; readonly der: Uint8Array };

const tags = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;

export function readGeneralName(element: Element): GeneralName {
  switch (element.tag) {
    case tags.dns:
      return { type: 'dns', value: ia5(element) };
    case tags.email:
      return { type: 'email', value: ia5(element) };
    case tags.uri:
      return { type: 'uri', value: ia5(element) };
    case tags.ip: {
      const value = ipText(element.content);
      if (value === undefined) throw new DerError('an iPAddress of neither 4 nor 16 octets');
      return { type: 'ip', value };
    }
    default:
      return { type: 'other', der: element.raw };
  }
}

export function writeGeneralName(name: GeneralName): Uint8Array {
  if (name.type === 'other') return name.der;
  if (name.type === 'ip') return der(tags.ip, ipOctets(name.value));
  return implicit(tags[name.type] & 0x1f, Buffer.from(name.value, 'latin1'));
}

function ia5(element: Element): string {
  const text = element.content.toString('latin1');
  if (!/^[\x20-\x7e]*$/.test(text)) throw new DerError('a name that is not printable IA5');
  return text;
}
