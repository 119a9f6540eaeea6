import { cursor, DerError, oidText, Tag, type Element } from '../../asn1/der.ts';
import { attributeText } from '../name.ts';
import { Oid } from '../oids.ts';
import { canonicalName, type CanonicalName } from './distinguished-name.ts';

/** A name in the form that name constraints are applied to (RFC 5280 §4.2.1.10). */
export type FormedName =
  | { readonly form: 'dns' | 'email' | 'uri' | 'upn'; readonly value: string }
  | { readonly form: 'ip'; readonly octets: Buffer }
  | { readonly form: 'directory'; readonly name: CanonicalName }
  /** A form that nobody here can compare; `kind` tells one from another. */
  | { readonly form: 'other'; readonly kind: string };

/** Reads a GeneralName; an iPAddress may have 4 or 16 octets, or twice as many in a constraint. @throws {DerError} */
export function readFormedName(element: Element): FormedName {
  switch (element.tag) {
    case 0xa0:
      return readOtherName(element);
    case 0x81:
      return { form: 'email', value: ia5(element) };
    case 0x82:
      return { form: 'dns', value: ia5(element) };
    case 0xa4: {
      const parts = cursor(element);
      const name = canonicalName(parts.next(Tag.sequence));
      parts.end();
      return { form: 'directory', name };
    }
    case 0x86:
      return { form: 'uri', value: ia5(element) };
    case 0x87:
      return { form: 'ip', octets: element.content };
    case 0xa3:
    case 0xa5:
    case 0x88:
      return { form: 'other', kind: `[${element.tag & 0x1f}]` };
    default:
      throw new DerError('a GeneralName of no known form');
  }
}

function readOtherName(element: Element): FormedName {
  const parts = cursor(element);
  const type = oidText(parts.next(Tag.oid));
  const inner = cursor(parts.next(0xa0));
  const value = inner.next();
  inner.end();
  parts.end();
  if (type === Oid.userPrincipalName) return { form: 'upn', value: attributeText(value) };
  // Constraints on mailboxes hold for those with a local part beyond ASCII as well (RFC 9598 §6).
  if (type === Oid.smtpUtf8Mailbox) return { form: 'email', value: attributeText(value) };
  return { form: 'other', kind: type };
}

function ia5(element: Element): string {
  const text = element.content.toString('latin1');
  if (!/^[\x20-\x7e]*$/.test(text)) throw new DerError('a name that is not printable IA5');
  return text;
}
