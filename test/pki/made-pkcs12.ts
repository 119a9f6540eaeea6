import { createCipheriv, createHmac, pbkdf2Sync } from 'node:crypto';
import { children, explicit, implicit, integer, nothing, octetString, oid, readDer, sequence, Tag } from '#domain/asn1/der.ts';

const data = '1.2.840.113549.1.7.1';
const bag = (number: number, value: Buffer): Buffer => sequence(oid(`1.2.840.113549.1.12.10.1.${number}`), explicit(0, value));
const hmacSha256 = sequence(oid('1.2.840.113549.2.9'), nothing);
const salt = Buffer.from('salt of a test');

/** Bags of a PKCS#12 file (RFC 7292 §4.2). */
export const keyBag = (pkcs8: Buffer): Buffer => bag(1, pkcs8);
export const certificateBag = (der: Buffer): Buffer => bag(3, sequence(oid('1.2.840.113549.1.9.22.1'), explicit(0, octetString(der))));
export const nestedBag = (...bags: readonly Buffer[]): Buffer => bag(6, sequence(...bags));

const content = (type: string, value: Buffer): Buffer => sequence(oid(type), explicit(0, value));
const kdf = (iterations: number, ...keyLength: readonly Buffer[]): Buffer =>
  sequence(oid('1.2.840.113549.1.5.12'), sequence(octetString(salt), integer(iterations), ...keyLength, hmacSha256));

/** Contents in the clear. */
export const plainContent = (...bags: readonly Buffer[]): Buffer => content(data, octetString(sequence(...bags)));

/** Contents under PBES2 with AES-256. @param said iterations that it claims, where it was made with others */
export function lockedContent(password: string, bags: readonly Buffer[], said = 10): Buffer {
  const iv = Buffer.alloc(16, 7);
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync(password, salt, 10, 32, 'sha256'), iv);
  const encrypted = Buffer.concat([cipher.update(sequence(...bags)), cipher.final()]);
  const scheme = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(iv));
  const algorithm = sequence(oid('1.2.840.113549.1.5.13'), sequence(kdf(said), scheme));
  return content('1.2.840.113549.1.7.6', sequence(integer(0), sequence(oid(data), algorithm, implicit(0, encrypted))));
}

/** A PFX, as DER or as NSS and others write it; with a MAC of PBMAC1 (RFC 9579) where a password is given for it. */
export function madePkcs12(
  contents: readonly Buffer[],
  { ber = false, macPassword }: { ber?: boolean; macPassword?: string } = {},
): Buffer {
  const shape = (der: Buffer): Buffer => (ber ? asBer(der) : der);
  const safe = shape(sequence(...contents));
  const mac = (password: string): Buffer => {
    const digest = createHmac('sha256', pbkdf2Sync(password, salt, 10, 32, 'sha256'))
      .update(safe)
      .digest();
    const algorithm = sequence(oid('1.2.840.113549.1.5.14'), sequence(kdf(10, integer(32)), hmacSha256));
    return sequence(sequence(algorithm, octetString(digest)), octetString(salt), integer(1));
  };
  return shape(sequence(integer(3), content(data, octetString(safe)), ...(macPassword === undefined ? [] : [mac(macPassword)])));
}

const endOfContents = Buffer.of(0, 0);

/** DER with lengths that are indefinite and strings in two pieces (X.690 §8); strings that hold a SEQUENCE hold it so, too. */
export function asBer(der: Buffer): Buffer {
  const element = readDer(der);
  const { tag } = element;
  if (tag === Tag.octetString || tag === 0x80) {
    const half = element.content.length >> 1;
    const pieces = [element.content.subarray(0, half), element.content.subarray(half)].map(octetString);
    return Buffer.concat([Buffer.of(tag | 0x20, 0x80), ...pieces, endOfContents]);
  }
  if ((tag & 0x20) === 0) return der;
  return Buffer.concat([Buffer.of(tag, 0x80), ...children(element).map(({ raw }) => asBer(raw)), endOfContents]);
}
