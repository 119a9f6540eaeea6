import { cursor, der, DerError, oid, oidText, sequence, setOf, Tag, children, type Element } from '../asn1/der.ts';
import { Oid } from './oids.ts';

/** A Name of the attributes that our own certificates use, each a set of one (RFC 5280 §4.1.2.4). */
export function writeName(attributes: { readonly commonName?: string; readonly organization?: string }): Buffer {
  const rdn = (type: string, value: string | undefined): Buffer[] =>
    value === undefined ? [] : [setOf(sequence(oid(type), der(Tag.utf8String, Buffer.from(value))))];
  return sequence(...rdn(Oid.organization, attributes.organization), ...rdn(Oid.commonName, attributes.commonName));
}

/** The common names in a Name, in order. */
export function commonNamesOf(name: Element): string[] {
  const found: string[] = [];
  for (const rdn of children(checked(name, Tag.sequence))) {
    for (const attribute of children(checked(rdn, Tag.set))) {
      const parts = cursor(attribute, Tag.sequence);
      const type = oidText(parts.next(Tag.oid));
      const value = parts.next();
      parts.end();
      if (type === Oid.commonName) found.push(text(value));
    }
  }
  return found;
}

function checked(element: Element, tag: number): Element {
  if (element.tag !== tag) throw new DerError('a malformed Name');
  return element;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function text(value: Element): string {
  switch (value.tag) {
    case Tag.utf8String:
      try {
        return utf8.decode(value.content);
      } catch {
        throw new DerError('a name that is not UTF-8');
      }
    case Tag.printableString:
    case Tag.ia5String:
    case Tag.teletexString:
      return value.content.toString('latin1');
    case Tag.bmpString:
      if (value.content.length % 2 !== 0) throw new DerError('a malformed BMPString');
      return Buffer.from(value.content).swap16().toString('utf16le');
    default:
      throw new DerError('a name of an unknown string type');
  }
}
