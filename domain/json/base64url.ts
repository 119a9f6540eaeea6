import { CaError } from '../error.ts';

/**
 * Decodes base64url without padding, and only that (RFC 7515 §2): what Node's decoder would forgive is refused.
 *
 * @throws {CaError} `malformed`, naming `what`
 */
export function decodeBase64url(text: unknown, what: string): Buffer {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) {
    throw new CaError('malformed', `${what} is not base64url without padding`);
  }
  const bytes = Buffer.from(text, 'base64url');
  // The unused low bits of the last character must be zero, or two texts would mean one value.
  if (text.length % 4 !== 0 && bytes.toString('base64url') !== text) throw new CaError('malformed', `${what} is not canonical base64url`);
  return bytes;
}
