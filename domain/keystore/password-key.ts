import { hash, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { cursor, DerError, oidText, smallInteger, Tag, type Element } from '../asn1/der.ts';
import { KeystoreError, spend, type Budget } from './keystore.ts';

/** How a password becomes octets: `text` for PKCS#5, `bmp` for PKCS#12. */
export type PasswordEncoding = 'text' | 'bmp';

/** Of a digest: the octets that it gives, and those that it takes at a time. */
const sizes = { sha1: [20, 64], sha224: [28, 64], sha256: [32, 64], sha384: [48, 128], sha512: [64, 128] } as const;
export type Digest = keyof typeof sizes;

/** How a key is made of a password. */
export interface Derivation {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly digest: Digest;
}

/** What a derived key is for (RFC 7292 Appendix B.3). */
export const Purpose = { key: 1, iv: 2, mac: 3 } as const;

const maxSalt = 1024;
/** Octets that a digest gives. */
export const digestSize = (digest: Digest): number => sizes[digest][0];

const asynchronousPbkdf2 = promisify(pbkdf2);
// It is made here and not by OpenSSL: that much slower.
const slowness = 4;
// So often other work of the process has its turn: a few milliseconds.
const turn = 2000;

export const digestOid: Readonly<Record<string, Digest>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

export const hmacOid: Readonly<Record<string, Digest>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

/**
 * A password as the octets that keys are derived from. For PKCS#12 the empty one is two: with the end mark that RFC 7292 Appendix B.1 wants, and of no octet at
 * all, for programs write either.
 */
export function encodings(password: string, encoding: PasswordEncoding): Buffer[] {
  if (encoding === 'text') return [Buffer.from(password, 'utf8')];
  const bmp = Buffer.from(`${password}\0`, 'utf16le').swap16();
  return password === '' ? [bmp, Buffer.alloc(0)] : [bmp];
}

/** A salt and a number of iterations, as they are written one after the other. @throws {DerError} */
export function saltAndIterations(salt: Element, iterations: Element): { readonly salt: Buffer; readonly iterations: number } {
  if (salt.tag !== Tag.octetString || salt.content.length > maxSalt) throw new DerError('a salt that is none');
  const count = smallInteger(iterations);
  if (count < 1) throw new DerError('a number of iterations below one');
  return { salt: salt.content, iterations: count };
}

/**
 * The parameters of PBKDF2 (RFC 8018 Appendix A.2).
 *
 * @param algorithm AlgorithmIdentifier
 * @returns with the length of the key in octets, where it says one
 * @throws {DerError} @throws {KeystoreError} `unknown`
 */
export function pbkdf2Of(algorithm: Element): Derivation & { readonly keyLength: number | undefined } {
  const fields = cursor(algorithm, Tag.sequence);
  const name = oidText(fields.next(Tag.oid));
  if (name !== '1.2.840.113549.1.5.12') throw new KeystoreError('unknown', `its passwords are derived by ${name}, which is not read`);
  const parameters = cursor(fields.next(Tag.sequence));
  const numbers = saltAndIterations(parameters.next(Tag.octetString), parameters.next(Tag.integer));
  const length = parameters.maybe(Tag.integer);
  const prf = parameters.maybe(Tag.sequence);
  return {
    ...numbers,
    digest: prf === undefined ? 'sha1' : hmacOf(prf),
    keyLength: length === undefined ? undefined : smallInteger(length),
  };
}

/** @param algorithm AlgorithmIdentifier of an HMAC @throws {DerError} @throws {KeystoreError} `unknown` */
export function hmacOf(algorithm: Element): Digest {
  const name = oidText(cursor(algorithm, Tag.sequence).next(Tag.oid));
  const digest = hmacOid[name];
  if (digest === undefined) throw new KeystoreError('unknown', `it wants the HMAC ${name}, which is not read`);
  return digest;
}

/** PBKDF2 (RFC 8018 §5.2). @param length octets @throws {KeystoreError} `costly` */
export async function pbkdf2Key(
  { salt, iterations, digest }: Derivation,
  password: Buffer,
  length: number,
  budget: Budget,
): Promise<Buffer> {
  spend(budget, iterations * Math.ceil(length / digestSize(digest)));
  return asynchronousPbkdf2(password, salt, iterations, length, digest);
}

/** The derivation of PKCS#12 itself (RFC 7292 Appendix B.2). @param password `bmp` @param length octets @throws {KeystoreError} `costly` */
export async function pkcs12Key(
  { salt, iterations, digest }: Derivation,
  password: Buffer,
  purpose: (typeof Purpose)[keyof typeof Purpose],
  length: number,
  budget: Budget,
): Promise<Buffer> {
  const [size, block] = sizes[digest];
  const blocks = Math.ceil(length / size);
  spend(budget, iterations * blocks * slowness);
  const whole = (octets: Buffer): Buffer => (octets.length === 0 ? octets : Buffer.alloc(block * Math.ceil(octets.length / block), octets));
  const mark = Buffer.alloc(block, purpose);
  const input = Buffer.concat([whole(salt), whole(password)]);
  const out: Buffer[] = [];
  for (let n = 0; n < blocks; n++) {
    let value = hash(digest, Buffer.concat([mark, input]), 'buffer');
    for (let i = 1; i < iterations; i++) {
      value = hash(digest, value, 'buffer');
      if (i % turn === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    out.push(value);
    const next = Buffer.alloc(block, value);
    for (let at = 0; at < input.length; at += block) addOneMore(input.subarray(at, at + block), next);
  }
  input.fill(0);
  return Buffer.concat(out).subarray(0, length);
}

/** target + addend + 1, modulo 2 to the power of their bits. */
function addOneMore(target: Buffer, addend: Buffer): void {
  let carry = 1;
  for (let i = target.length - 1; i >= 0; i--) {
    carry += (target[i] ?? 0) + (addend[i] ?? 0);
    target[i] = carry & 0xff;
    carry >>= 8;
  }
}
