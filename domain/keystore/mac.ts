import { createHmac, timingSafeEqual } from 'node:crypto';
import { cursor, DerError, oidText, Tag, type Element } from '../asn1/der.ts';
import { KeystoreError, type Budget } from './keystore.ts';
import {
  digestOid,
  digestSize,
  hmacOf,
  pbkdf2Key,
  pbkdf2Of,
  pkcs12Key,
  Purpose,
  saltAndIterations,
  type Digest,
  type PasswordEncoding,
} from './password-key.ts';

/** What protects a file as a whole by a password. */
export interface Mac {
  readonly encoding: PasswordEncoding;
  /** @throws {KeystoreError} `costly` */
  fits(password: Buffer, content: Buffer, budget: Budget): Promise<boolean>;
}

const pbmac1 = '1.2.840.113549.1.5.14';
const maxKey = 1024;

/**
 * MacData (RFC 7292 §4, RFC 9579).
 *
 * @throws {DerError} @throws {KeystoreError} `unknown`
 */
export function macOf(macData: Element): Mac {
  const fields = cursor(macData, Tag.sequence);
  const digestInfo = cursor(fields.next(Tag.sequence));
  const algorithm = digestInfo.next(Tag.sequence);
  const expected = digestInfo.next(Tag.octetString).content;
  const name = oidText(cursor(algorithm).next(Tag.oid));
  if (name === pbmac1) return pbmac1Of(algorithm, expected);
  const digest = digestOid[name];
  if (digest === undefined) throw new KeystoreError('unknown', `it has a MAC of ${name}, which is not read`);
  const salt = fields.next(Tag.octetString);
  const iterations = fields.maybe(Tag.integer);
  const derivation = { salt: salt.content, iterations: 1, ...(iterations !== undefined && saltAndIterations(salt, iterations)), digest };
  return {
    encoding: 'bmp',
    fits: async (password, content, budget) =>
      isMac(digest, await pkcs12Key(derivation, password, Purpose.mac, digestSize(digest), budget), content, expected),
  };
}

/** RFC 9579 §4: the salt and the iterations beside it mean nothing. */
function pbmac1Of(algorithm: Element, expected: Buffer): Mac {
  const fields = cursor(algorithm);
  fields.next(Tag.oid);
  const parameters = cursor(fields.next(Tag.sequence));
  const derivation = pbkdf2Of(parameters.next(Tag.sequence));
  const digest = hmacOf(parameters.next(Tag.sequence));
  const { keyLength = 0 } = derivation;
  if (keyLength < 1 || keyLength > maxKey) throw new DerError('a MAC without the length of its key');
  return {
    encoding: 'text',
    fits: async (password, content, budget) => isMac(digest, await pbkdf2Key(derivation, password, keyLength, budget), content, expected),
  };
}

function isMac(digest: Digest, key: Buffer, content: Buffer, expected: Buffer): boolean {
  const found = createHmac(digest, key).update(content).digest();
  key.fill(0);
  return found.length === expected.length && timingSafeEqual(found, expected);
}
