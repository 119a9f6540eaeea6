import { CaError } from '../error.ts';

const maxContacts = 10;

/**
 * Reads the `contact` member: mailto URLs with one address and no header fields (RFC 8555 §7.3).
 *
 * @throws {CaError} `malformed`, `unsupportedContact` for another scheme, `invalidContact` for a bad address
 */
export function readContacts(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new CaError('malformed', 'contact must be a list');
  if (value.length > maxContacts) throw new CaError('invalidContact', `an account may have at most ${maxContacts} contacts`);
  return value.map(readContact);
}

function readContact(value: unknown): string {
  if (typeof value !== 'string') throw new CaError('malformed', 'a contact is not a string');
  const match = /^([a-z][a-z0-9+.-]*):(.*)$/i.exec(value);
  if (match?.[1]?.toLowerCase() !== 'mailto') throw new CaError('unsupportedContact', 'a contact must be a mailto URL');
  const address = match[2] ?? '';
  if (
    address.length > 254 ||
    !/^[^\s,?#&<>"@\p{Cc}]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u.test(address) ||
    address.includes('..')
  ) {
    throw new CaError('invalidContact', 'a mailto contact must have exactly one address and no header fields');
  }
  return `mailto:${address}`;
}
