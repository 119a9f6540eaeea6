import { boolean, cursor, DerError, octetString, oid, oidText, sequence, Tag, children, readDer, type Element } from '../asn1/der.ts';

/** One extension as it was read; value is the DER inside the OCTET STRING. */
export interface Extension {
  readonly id: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

/** Extension, DER (RFC 5280 §4.1); `critical FALSE` is the default and left out. */
export function writeExtension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return critical ? sequence(oid(id), boolean(true), octetString(value)) : sequence(oid(id), octetString(value));
}

/** Reads Extensions. @throws {DerError} when one occurs twice or a default is written out */
export function readExtensions(extensions: Element): readonly Extension[] {
  const found: Extension[] = [];
  for (const element of children(extensions, 100)) {
    const parts = cursor(element, Tag.sequence);
    const id = oidText(parts.next(Tag.oid));
    const flag = parts.maybe(Tag.boolean);
    if (flag?.content[0] === 0) throw new DerError('a default value is written out');
    const value = parts.next(Tag.octetString).content;
    parts.end();
    if (found.some((extension) => extension.id === id)) throw new DerError('an extension occurs twice');
    found.push({ id, critical: flag !== undefined, value });
  }
  return found;
}

/** The DER inside an extension, as an element; read once, however many rules look at it. @throws {DerError} */
export function extensionElement(extension: Extension & { element?: Element }): Element {
  extension.element ??= readDer(extension.value);
  return extension.element;
}
