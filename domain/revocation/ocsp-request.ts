import { createHash } from 'node:crypto';
import {
  children,
  cursor,
  DerError,
  integerFromHex,
  nothing,
  octetString,
  oid,
  oidText,
  readDer,
  sequence,
  smallInteger,
  Tag,
  type Element,
} from '../asn1/der.ts';
import { readExtensions, extensionElement } from '../x509/extension.ts';
import type { IssuerInfo } from '../x509/leaf.ts';
import { Oid } from '../x509/oids.ts';
import { publicKeyBits } from '../x509/public-key.ts';

export type OcspFailure = 'malformedRequest' | 'internalError' | 'tryLater' | 'sigRequired' | 'unauthorized';

/** A request that gets an OCSPResponse without an answer (RFC 6960 §2.3). */
export class OcspError extends Error {
  override readonly name = 'OcspError';
  readonly status: OcspFailure;
  constructor(status: OcspFailure, cause?: unknown) {
    super(status, { cause });
    this.status = status;
  }
}

/** Which certificate is asked about (RFC 6960 §4.1.1). */
export interface CertId {
  readonly hashAlgorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  /** Canonical hex. */
  readonly serial: string;
  /** As it was sent; the answer repeats it byte for byte. */
  readonly der: Uint8Array;
}

export interface OcspRequest {
  readonly certIds: readonly CertId[];
  readonly nonce?: Uint8Array;
}

const maxBytes = 20 * 1024;
const maxCertIds = 10;
const maxNonce = 128;
const hashes: Readonly<Record<string, CertId['hashAlgorithm']>> = {
  [Oid.sha1]: 'sha1',
  [Oid.sha256]: 'sha256',
  [Oid.sha384]: 'sha384',
  [Oid.sha512]: 'sha512',
};
const tolerated = new Set<string>([Oid.ocspResponses, Oid.ocspServiceLocator, Oid.ocspPreferredAlgorithms]);

/**
 * Reads an OCSPRequest; a signature on it is ignored (RFC 6960 §4.1).
 *
 * @throws {OcspError} `malformedRequest`
 */
export function parseOcspRequest(bytes: Uint8Array): OcspRequest {
  if (bytes.length > maxBytes) throw new OcspError('malformedRequest');
  try {
    const outer = cursor(readDer(bytes), Tag.sequence);
    const tbs = cursor(outer.next(Tag.sequence));
    outer.maybe(0xa0);
    outer.end();
    const version = tbs.maybe(0xa0);
    if (version !== undefined && smallInteger(cursor(version).next(Tag.integer)) !== 0) throw new DerError('another version');
    tbs.maybe(0xa1);
    const requests = children(tbs.next(Tag.sequence), maxCertIds);
    const extensions = tbs.maybe(0xa2);
    tbs.end();
    if (requests.length === 0) throw new DerError('no request');
    const nonce = extensions === undefined ? undefined : readNonce(cursor(extensions).next(Tag.sequence));
    return { certIds: requests.map(readRequest), ...(nonce && { nonce }) };
  } catch (cause) {
    throw new OcspError('malformedRequest', cause);
  }
}

function readRequest(element: Element): CertId {
  const parts = cursor(element, Tag.sequence);
  const certId = parts.next(Tag.sequence);
  const single = parts.maybe(0xa0);
  parts.end();
  if (single !== undefined) refuseUnknownCritical(cursor(single).next(Tag.sequence));
  return readCertId(certId);
}

function readCertId(element: Element): CertId {
  const parts = cursor(element, Tag.sequence);
  const algorithm = cursor(parts.next(Tag.sequence));
  const hashAlgorithm = hashes[oidText(algorithm.next(Tag.oid))];
  algorithm.maybe(Tag.null);
  algorithm.end();
  const issuerNameHash = parts.next(Tag.octetString).content;
  const issuerKeyHash = parts.next(Tag.octetString).content;
  const serial = parts.next(Tag.integer).content;
  parts.end();
  if (hashAlgorithm === undefined) throw new DerError('an unknown hash');
  if (serial.length > 21 || (serial[0] ?? 0x80) >= 0x80) throw new DerError('a serial that no certificate has');
  return { hashAlgorithm, issuerNameHash, issuerKeyHash, serial: serial.toString('hex').replace(/^0+(?=.)/, ''), der: element.raw };
}

/** RFC 9654: 1 to 128 octets, in an OCTET STRING of their own. */
function readNonce(extensions: Element): Buffer | undefined {
  refuseUnknownCritical(extensions);
  const extension = readExtensions(extensions).find((candidate) => candidate.id === Oid.ocspNonce);
  if (extension === undefined) return undefined;
  const nonce = extensionElement(extension);
  if (nonce.tag !== Tag.octetString || nonce.content.length === 0 || nonce.content.length > maxNonce)
    throw new DerError('a malformed nonce');
  return nonce.content;
}

function refuseUnknownCritical(extensions: Element): void {
  const unknown = readExtensions(extensions).some(({ id, critical }) => critical && id !== Oid.ocspNonce && !tolerated.has(id));
  if (unknown) throw new DerError('an unknown critical extension');
}

/**
 * Decodes the tail of a GET path: base64 or base64url, percent-encoded or not, with slashes of its own, and `+` that a gateway turned into
 * a space (RFC 6960 §A.1; RFC 5019 §5).
 *
 * @throws {OcspError} `malformedRequest`
 */
export function decodeOcspGetPath(tail: string): Uint8Array {
  let text = tail;
  try {
    if (text.includes('%')) text = decodeURIComponent(text);
  } catch (cause) {
    throw new OcspError('malformedRequest', cause);
  }
  // Scripts leave base64's line ends in, and put a slash between the URL of the certificate and the request that has one already.
  text = text.replace(/[\r\n]/g, '').replace(/^\/+/, '');
  text = text.replace(/ /g, '+').replace(/-/g, '+').replace(/_/g, '/');
  if (text.length === 0 || text.length > 2048 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new OcspError('malformedRequest');
  return Buffer.from(text, 'base64');
}

/** Whether a CertID means a certificate of this CA: name and key by the request's own hash. */
export function certIdMatches(id: CertId, issuer: IssuerInfo): boolean {
  const hash = (bytes: Uint8Array): Buffer => createHash(id.hashAlgorithm).update(bytes).digest();
  return hash(issuer.subject).equals(id.issuerNameHash) && hash(publicKeyBits(issuer.spki)).equals(id.issuerKeyHash);
}

/** The CertID by SHA-1, which is what most clients send (RFC 5019 §2.1.1). @param serial canonical hex */
export function certIdOf(issuer: IssuerInfo, serial: string): CertId {
  const hash = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest();
  const issuerNameHash = hash(issuer.subject);
  const issuerKeyHash = hash(publicKeyBits(issuer.spki));
  const der = sequence(sequence(oid(Oid.sha1), nothing), octetString(issuerNameHash), octetString(issuerKeyHash), integerFromHex(serial));
  return { hashAlgorithm: 'sha1', issuerNameHash, issuerKeyHash, serial, der };
}
