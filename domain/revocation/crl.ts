import {
  bitString,
  children,
  cursor,
  DerError,
  explicit,
  implicit,
  integer,
  sequence,
  Tag,
  time,
  timeOf,
  type Element,
} from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { readExtensions, writeExtension, extensionElement } from '../x509/extension.ts';
import { writeGeneralName } from '../x509/general-name.ts';
import { authorityKey, type IssuerInfo } from '../x509/leaf.ts';
import { Oid } from '../x509/oids.ts';
import { readPointName } from '../x509/path/distribution-point.ts';
import { algorithmIdentifier, type SignatureAlgorithm, type Signer } from '../x509/signer.ts';
import type { CrlEntries } from './crl-entries.ts';

export interface CrlTemplate {
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly entries: CrlEntries;
  /** The URL of the shard that this is the CRL of, as its certificates name it; undefined: the CRL is complete. */
  readonly point: string | undefined;
}

const version2 = integer(1);
const trueOctet = Buffer.of(0xff);

/**
 * TBSCertList, version 2 (RFC 5280 §5.1), DER.
 */
export function buildTbsCrl(issuer: IssuerInfo, algorithm: SignatureAlgorithm, template: CrlTemplate): Uint8Array {
  return sequence(
    version2,
    algorithmIdentifier[algorithm],
    issuer.subject,
    time(template.thisUpdate),
    time(template.nextUpdate),
    // An empty list must be absent (§5.1.2.6).
    ...(template.entries.count === 0 ? [] : [sequence(...template.entries.parts)]),
    explicit(
      0,
      sequence(
        authorityKey(issuer.keyIdentifier),
        writeExtension(Oid.cRLNumber, false, integer(template.number)),
        ...(template.point === undefined ? [] : [issuingDistributionPoint(template.point)]),
      ),
    ),
  );
}

/** What keeps one shard's CRL from being taken for another's, and for one that could name CAs (RFC 5280 §5.2.5). @internal for the lint of this folder */
export function issuingDistributionPoint(url: string): Buffer {
  const name = explicit(0, explicit(0, writeGeneralName({ type: 'uri', value: url })));
  return writeExtension(Oid.issuingDistributionPoint, true, sequence(name, implicit(1, trueOctet)));
}

/** CertificateList, DER. */
export async function signCrl(signer: Signer, tbs: Uint8Array): Promise<Uint8Array> {
  return sequence(tbs, algorithmIdentifier[signer.algorithm], bitString(await signer.sign(tbs)));
}

/** What a CRL says of itself, without reading its entries. */
export interface CrlHeader {
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** The first URL of its issuing distribution point. */
  readonly point: string | undefined;
}

/** Reads the head of a CRL of ours. @param crl CertificateList, DER @throws {CaError} `internal` */
export function crlHeader(crl: Uint8Array): CrlHeader {
  try {
    const tbs = children(readShallow(crl))[0];
    if (tbs === undefined) throw new DerError('empty');
    return headerOf(tbs);
  } catch (cause) {
    throw new CaError('internal', 'a stored CRL is malformed', { cause });
  }
}

/** The parts of a TBSCertList and what its head says. @throws {DerError} @internal for the lint of this folder */
export function headerOf(tbs: Element): CrlHeader & { readonly parts: readonly Element[] } {
  const parts = children(tbs);
  const [, , , thisUpdate, nextUpdate] = parts;
  const extensions = parts.find((part) => part.tag === 0xa0);
  if (thisUpdate === undefined || nextUpdate === undefined || extensions === undefined) throw new DerError('a CRL without its usual parts');
  const all = readExtensions(cursor(extensions).next(Tag.sequence));
  const number = all.find((extension) => extension.id === Oid.cRLNumber);
  const point = all.find((extension) => extension.id === Oid.issuingDistributionPoint);
  if (number === undefined) throw new DerError('a CRL without a number');
  return {
    number: BigInt(`0x${extensionElement(number).content.toString('hex')}`),
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(nextUpdate),
    point: point && urlOf(extensionElement(point)),
    parts,
  };
}

function urlOf(issuingPoint: Element): string | undefined {
  const name = cursor(issuingPoint, Tag.sequence).maybe(0xa0);
  const full = name && readPointName(name);
  return full !== undefined && 'full' in full ? full.full[0]?.replace(/^uri:/, '') : undefined;
}

// A CRL of a million entries is not walked to read its date: the outermost element alone.
function readShallow(bytes: Uint8Array): Element {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const octets = (buffer[1] ?? 0) >= 0x80 ? (buffer[1] ?? 0) & 0x7f : 0;
  if (buffer[0] !== Tag.sequence || octets > 4) throw new DerError('not a SEQUENCE');
  return { tag: Tag.sequence, content: buffer.subarray(2 + octets), raw: buffer };
}
