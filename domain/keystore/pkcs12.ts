import { definite } from '../asn1/ber.ts';
import { children, cursor, DerError, oidText, readDer, smallInteger, Tag, type Element } from '../asn1/der.ts';
import { encryptionOf, type Encryption } from './encryption.ts';
import { KeystoreError, maxCertificates, type Budget, type Keystore } from './keystore.ts';
import { macOf } from './mac.ts';
import { encodings } from './password-key.ts';

const Content = { data: '1.2.840.113549.1.7.1', encrypted: '1.2.840.113549.1.7.6' } as const;
/** RFC 7292 §4.2. */
const Bag = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
  safeContents: '1.2.840.113549.1.12.10.1.6',
} as const;
const x509Certificate = '1.2.840.113549.1.9.22.1';

const maxContents = 100;
const maxNesting = 4;
/** What the passwords of one file may cost, all of them together: a few seconds. NSS wants 600,000 for each. */
export const maxIterations = 5_000_000;

const versionThree = Buffer.from('020103', 'hex');
const pkcs7 = Buffer.from('06092a864886f70d0107', 'hex');

/** Whether a file begins as a PFX does (RFC 7292 §4): a SEQUENCE of the version 3 and a content of PKCS #7. */
export function isPkcs12(bytes: Buffer): boolean {
  const version = insideSequence(bytes, 0);
  const content = insideSequence(bytes, version + versionThree.length);
  return startsWith(bytes, version, versionThree) && startsWith(bytes, content, pkcs7);
}

function insideSequence(bytes: Buffer, at: number): number {
  const length = bytes[at + 1] ?? 0;
  return bytes[at] === Tag.sequence ? at + 2 + (length > 0x80 ? length - 0x80 : 0) : bytes.length;
}

function startsWith(bytes: Buffer, at: number, wanted: Buffer): boolean {
  return bytes.subarray(at, at + wanted.length).equals(wanted);
}

interface Bags {
  certificates: Buffer[];
  keyPresent: boolean;
}

/** Contents that a password opens, as they lie in the file. */
interface Locked {
  readonly encryption: Encryption;
  readonly content: Buffer;
}

/**
 * The certificates of a PKCS#12 file (RFC 7292), and that keys lie beside them, which are not decrypted. What lies in the clear needs no password; where nothing
 * is encrypted, the MAC is not looked at either. BER is read as well as DER.
 *
 * @param bytes of the whole file; `isPkcs12` says that it is one
 * @param passwords in the order in which they are tried
 * @param iterations that they may cost together
 */
export async function readPkcs12(bytes: Buffer, passwords: readonly string[], iterations = maxIterations): Promise<Keystore> {
  const bags: Bags = { certificates: [], keyPresent: false };
  const copies: Buffer[] = [];
  try {
    await readPfx(bytes, passwords, { most: iterations, left: iterations }, bags, copies);
    return { ...bags, problem: undefined };
  } catch (error) {
    if (error instanceof KeystoreError) return { ...bags, problem: error };
    if (!(error instanceof DerError)) throw error;
    return { ...bags, problem: new KeystoreError('damaged', `a PKCS#12 file that is damaged: ${error.message}`) };
  } finally {
    // Keys may lie in them, in the clear or not.
    for (const copy of copies) copy.fill(0);
  }
}

async function readPfx(bytes: Buffer, passwords: readonly string[], budget: Budget, bags: Bags, copies: Buffer[]): Promise<void> {
  const pfx = cursor(layer(bytes, copies), Tag.sequence);
  if (smallInteger(pfx.next(Tag.integer)) !== 3) throw new DerError('a version that is not 3');
  const [type, value] = contentInfo(pfx.next(Tag.sequence));
  if (type !== Content.data) throw new KeystoreError('unknown', 'it is signed instead of protected by a password, which is not read');
  const macData = pfx.maybe(Tag.sequence);
  const authenticated = octetsOf(value, Tag.octetString, copies);
  const openers = new Set<string>();
  const problems: KeystoreError[] = [];
  for (const info of children(layer(authenticated, copies), maxContents)) {
    const [kind, content] = contentInfo(info);
    try {
      if (kind === Content.data) readBags(layer(octetsOf(content, Tag.octetString, copies), copies), bags, 0);
      else if (kind !== Content.encrypted) throw new KeystoreError('unknown', 'it is encrypted to a key, which is not read');
      else openers.add(await open(lockedOf(content, copies), [...new Set([...openers, ...passwords])], budget, bags, copies));
    } catch (error) {
      // The others may be readable.
      if (!(error instanceof KeystoreError)) throw error;
      problems.push(error);
    }
  }
  if (openers.size > 0 && macData !== undefined) await checkMac(macData, authenticated, [...new Set([...openers, ...passwords])], budget);
  const [problem] = problems;
  if (problem !== undefined) throw problem;
}

/** The one element that some octets are; where they are BER, a copy of them in DER. */
function layer(bytes: Buffer, copies: Buffer[]): Element {
  try {
    return readDer(bytes);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const copy = definite(bytes);
    copies.push(copy);
    return readDer(copy);
  }
}

/** ContentInfo (RFC 2315 §7). */
function contentInfo(info: Element): readonly [type: string, content: Element] {
  const fields = cursor(info, Tag.sequence);
  const type = oidText(fields.next(Tag.oid));
  const content = cursor(fields.next(0xa0));
  return [type, content.next()];
}

/** Those of a string that may have an implicit tag, and then, in BER, pieces. */
function octetsOf(element: Element, tag: number, copies: Buffer[]): Buffer {
  if (element.tag === tag) return element.content;
  if (element.tag !== (tag | 0x20)) throw new DerError('an unexpected tag');
  const whole = Buffer.concat(children(element).map((piece) => octetsOf(piece, Tag.octetString, copies)));
  copies.push(whole);
  return whole;
}

/** EncryptedData (RFC 2315 §13). */
function lockedOf(content: Element, copies: Buffer[]): Locked {
  const fields = cursor(content, Tag.sequence);
  fields.next(Tag.integer);
  const info = cursor(fields.next(Tag.sequence));
  info.next(Tag.oid);
  const encryption = encryptionOf(info.next(Tag.sequence));
  return { encryption, content: octetsOf(info.next(), 0x80, copies) };
}

/** @returns the password that opens it @throws {KeystoreError} `locked`, `costly` */
async function open(
  { encryption, content }: Locked,
  passwords: readonly string[],
  budget: Budget,
  bags: Bags,
  copies: Buffer[],
): Promise<string> {
  for (const password of passwords)
    for (const octets of encodings(password, encryption.encoding)) {
      const plain = await encryption.decrypt(octets, content, budget);
      if (plain === undefined) continue;
      copies.push(plain);
      const found = { ...bags, certificates: [...bags.certificates] };
      try {
        readBags(layer(plain, copies), found, 0);
      } catch (error) {
        // One wrong password in 256 leaves what looks like padding.
        if (error instanceof DerError) continue;
        Object.assign(bags, found);
        throw error;
      }
      Object.assign(bags, found);
      return password;
    }
  throw new KeystoreError('locked', 'none of the passwords opens it');
}

/** With a right password there is, a MAC that does not fit says that something else was changed. */
async function checkMac(macData: Element, content: Buffer, passwords: readonly string[], budget: Budget): Promise<void> {
  try {
    const mac = macOf(macData);
    for (const password of passwords)
      for (const octets of encodings(password, mac.encoding)) if (await mac.fits(octets, content, budget)) return;
  } catch (error) {
    if (!(error instanceof KeystoreError)) throw error;
    // Too costly or not known: the certificates are here, and nobody needs the MAC to believe them.
    return;
  }
  throw new KeystoreError('damaged', 'a PKCS#12 file that was changed or damaged: its password opens it, its MAC is another');
}

/** SafeContents (RFC 7292 §4.2): certificates are copied, keys only counted. */
function readBags(safeContents: Element, bags: Bags, depth: number): void {
  if (depth > maxNesting) throw new DerError('bags in bags too deeply');
  if (safeContents.tag !== Tag.sequence) throw new DerError('an unexpected tag');
  for (const each of children(safeContents)) {
    const bag = cursor(each, Tag.sequence);
    const kind = oidText(bag.next(Tag.oid));
    const value = bag.next(0xa0);
    if (kind === Bag.key || kind === Bag.shroudedKey) bags.keyPresent = true;
    else if (kind === Bag.safeContents) readBags(cursor(value).next(), bags, depth + 1);
    else if (kind === Bag.certificate) {
      const certBag = cursor(cursor(value).next(Tag.sequence));
      if (oidText(certBag.next(Tag.oid)) !== x509Certificate) continue;
      const der = cursor(certBag.next(0xa0)).next(Tag.octetString).content;
      if (bags.certificates.length >= maxCertificates)
        throw new KeystoreError('unknown', `it holds more than ${maxCertificates} certificates`);
      bags.certificates.push(Buffer.from(der));
    }
  }
}
