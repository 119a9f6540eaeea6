import { cursor, der, DerError, oid, oidText, sequence, setOf, Tag, children, type Element } from '../asn1/der.ts';
import { Oid } from './oids.ts';

/** A Name of the attributes that our own certificates use, each a set of one (RFC 5280 §4.1.2.4). */
export function writeName(attributes: { readonly commonName?: string; readonly organization?: string }): Buffer {
  const rdn = (type: string, value: string | undefined): Buffer[] =>
    value === undefined ? [] : [setOf(sequence(oid(type), der(Tag.utf8String, Buffer.from(value))))];
  return sequence(...rdn(Oid.organization, attributes.organization), ...rdn(Oid.commonName, attributes.commonName));
}

/** Attributes of a CA's subject (X.520). */
export interface AuthorityName {
  readonly commonName: string;
  readonly organization?: string;
  readonly organizationalUnit?: string;
  /** ISO 3166, two letters. */
  readonly country?: string;
  readonly locality?: string;
  readonly province?: string;
}

/** A CA's Name, country first, common name last, each attribute a set of one (RFC 5280 §4.1.2.4, §4.1.2.6). */
export function writeAuthorityName(name: AuthorityName): Buffer {
  const attributes: readonly (readonly [type: string, tag: number, value: string | undefined])[] = [
    [Oid.country, Tag.printableString, name.country],
    [Oid.province, Tag.utf8String, name.province],
    [Oid.locality, Tag.utf8String, name.locality],
    [Oid.organization, Tag.utf8String, name.organization],
    [Oid.organizationalUnit, Tag.utf8String, name.organizationalUnit],
    [Oid.commonName, Tag.utf8String, name.commonName],
  ];
  return sequence(
    ...attributes.flatMap(([type, tag, value]) => (value === undefined ? [] : [setOf(sequence(oid(type), der(tag, Buffer.from(value))))])),
  );
}

/** One attribute of a relative distinguished name. */
export interface Attribute {
  /** OBJECT IDENTIFIER, dotted. */
  readonly type: string;
  readonly value: Element;
}

/** A Name's relative distinguished names in order, each its attributes. @throws {DerError} */
export function rdnsOf(name: Element): readonly (readonly Attribute[])[] {
  return children(checked(name, Tag.sequence)).map((rdn) => attributesOf(checked(rdn, Tag.set)));
}

/** The attributes of one relative distinguished name, whatever its tag. @throws {DerError} */
export function attributesOf(rdn: Element): readonly Attribute[] {
  return children(rdn).map((attribute) => {
    const parts = cursor(attribute, Tag.sequence);
    const type = oidText(parts.next(Tag.oid));
    const value = parts.next();
    parts.end();
    return { type, value };
  });
}

/** The common names in a Name, in order. */
export function commonNamesOf(name: Element): string[] {
  return rdnsOf(name)
    .flat()
    .filter(({ type }) => type === Oid.commonName)
    .map(({ value }) => attributeText(value));
}

function checked(element: Element, tag: number): Element {
  if (element.tag !== tag) throw new DerError('a malformed Name');
  return element;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a DirectoryString or IA5String (RFC 5280 §4.1.2.4). @throws {DerError} for another type */
export function attributeText(value: Element): string {
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
    case Tag.universalString: {
      const { content } = value;
      if (content.length % 4 !== 0) throw new DerError('a malformed UniversalString');
      const points = Array.from({ length: content.length / 4 }, (_, index) => content.readUInt32BE(index * 4));
      if (points.some((point) => point > 0x10ffff)) throw new DerError('a malformed UniversalString');
      return String.fromCodePoint(...points);
    }
    case Tag.bmpString:
      if (value.content.length % 2 !== 0) throw new DerError('a malformed BMPString');
      return Buffer.from(value.content).swap16().toString('utf16le');
    default:
      throw new DerError('a name of an unknown string type');
  }
}
