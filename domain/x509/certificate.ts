import { bitStringOctets, children, cursor, DerError, oidText, readDer, Tag, timeOf, type Element } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { extensionElement, readExtensions, type Extension } from './extension.ts';
import { readGeneralName, type GeneralName } from './general-name.ts';
import { commonNamesOf } from './name.ts';
import { Oid } from './oids.ts';

/** A TBSCertificate's facts (RFC 5280 §4.1.2). */
export interface TbsCertificate {
  /** 0-based, so 2 is v3. */
  readonly version: number;
  /** Contents octets of the INTEGER. */
  readonly serialOctets: Buffer;
  /** Canonical hex. */
  readonly serial: string;
  /** AlgorithmIdentifier, DER. */
  readonly signature: Buffer;
  /** Name, DER. */
  readonly issuer: Buffer;
  /** Name, DER. */
  readonly subject: Buffer;
  readonly commonNames: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly validity: readonly [Element, Element];
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  /** Whether one of the two unique identifiers is there, which nobody writes any more (§4.1.2.8). */
  readonly uniqueIdentifiers: boolean;
  readonly extensions: readonly Extension[];
}

export interface Certificate extends TbsCertificate {
  /** DER of the part that is signed. */
  readonly tbs: Buffer;
  /** The signature's octets, as they stand in the BIT STRING. */
  readonly signatureValue: Buffer;
  readonly subjectAltNames: readonly GeneralName[];
  readonly isCa: boolean;
  readonly keyIdentifier: Buffer | undefined;
  readonly authorityKeyIdentifier: Buffer | undefined;
}

const maxBytes = 65_536;

/**
 * Reads an X.509 certificate strictly; its signature is not verified.
 *
 * @param der at most 64 KiB
 * @throws {CaError} `malformed`
 */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    if (der.length > maxBytes) throw new DerError('too long');
    const outer = cursor(readDer(der), Tag.sequence);
    const tbs = outer.next(Tag.sequence);
    const algorithm = outer.next(Tag.sequence);
    const signatureValue = bitStringOctets(outer.next(Tag.bitString));
    outer.end();
    const parsed = readTbs(tbs);
    if (!parsed.signature.equals(algorithm.raw)) throw new DerError('the two signature algorithms differ');
    return { ...parsed, tbs: tbs.raw, signatureValue, subjectAltNames: subjectAltNamesOf(parsed), ...readUsual(parsed.extensions) };
  } catch (cause) {
    throw new CaError('malformed', 'the certificate is not strict DER of an X.509 certificate', { cause });
  }
}

/** Reads a TBSCertificate. @throws {DerError} */
export function parseTbs(der: Uint8Array): TbsCertificate {
  return readTbs(readDer(der));
}

function readTbs(element: Element): TbsCertificate {
  const parts = cursor(element, Tag.sequence);
  const version = parts.maybe(0xa0);
  const serialOctets = parts.next(Tag.integer).content;
  const signature = parts.next(Tag.sequence).raw;
  const issuer = parts.next(Tag.sequence).raw;
  const validity = cursor(parts.next(Tag.sequence));
  const begin = validity.next();
  const end = validity.next();
  validity.end();
  const subject = parts.next(Tag.sequence);
  const spki = parts.next(Tag.sequence).raw;
  const uniqueIds = [parts.maybe(0x81), parts.maybe(0x82)];
  const extensions = parts.maybe(0xa3);
  parts.end();
  const hex = serialOctets.toString('hex').replace(/^0+(?=.)/, '');
  return {
    version: version === undefined ? 0 : (children(version)[0]?.content[0] ?? 0),
    serialOctets,
    serial: hex,
    signature,
    issuer,
    subject: subject.raw,
    commonNames: commonNamesOf(subject),
    notBefore: timeOf(begin),
    notAfter: timeOf(end),
    validity: [begin, end],
    spki,
    uniqueIdentifiers: uniqueIds.some((id) => id !== undefined),
    extensions: extensions === undefined ? [] : readExtensions(cursor(extensions).next(Tag.sequence)),
  };
}

function readUsual(extensions: readonly Extension[]): Pick<Certificate, 'isCa' | 'keyIdentifier' | 'authorityKeyIdentifier'> {
  const one = (id: string): Element | undefined => {
    const extension = extensions.find((candidate) => candidate.id === id);
    return extension && extensionElement(extension);
  };
  const constraints = one(Oid.basicConstraints);
  const authority = one(Oid.authorityKeyIdentifier);
  return {
    isCa: constraints !== undefined && children(constraints)[0]?.tag === Tag.boolean,
    keyIdentifier: one(Oid.subjectKeyIdentifier)?.content,
    authorityKeyIdentifier: authority === undefined ? undefined : children(authority).find((part) => part.tag === 0x80)?.content,
  };
}

/** The extension of an OID, if the certificate has it. */
export function extensionOf(certificate: TbsCertificate, id: string): Extension | undefined {
  for (const extension of certificate.extensions) if (extension.id === id) return extension;
  return undefined;
}

/** The subject alternative names. @throws {DerError} */
export function subjectAltNamesOf(certificate: TbsCertificate): readonly GeneralName[] {
  const extension = extensionOf(certificate, Oid.subjectAltName);
  return extension === undefined ? [] : children(extensionElement(extension)).map(readGeneralName);
}

/** The OIDs of an extended key usage extension. */
export function usagesOf(extension: Extension): readonly string[] {
  return children(extensionElement(extension), 100).map(oidText);
}
