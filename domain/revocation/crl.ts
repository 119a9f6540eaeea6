import { bitString, children, cursor, DerError, explicit, integer, sequence, Tag, time, timeOf, type Element } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { readExtensions, writeExtension, extensionElement } from '../x509/extension.ts';
import { authorityKey, type IssuerInfo } from '../x509/leaf.ts';
import { Oid } from '../x509/oids.ts';
import { algorithmIdentifier, type SignatureAlgorithm, type Signer } from '../x509/signer.ts';
import type { CrlEntries } from './crl-entries.ts';

export interface CrlTemplate {
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly entries: CrlEntries;
}

const version2 = integer(1);

/**
 * TBSCertList of a full CRL, version 2 (RFC 5280 §5.1), DER.
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
    explicit(0, sequence(authorityKey(issuer.keyIdentifier), writeExtension(Oid.cRLNumber, false, integer(template.number)))),
  );
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
  const number = readExtensions(cursor(extensions).next(Tag.sequence)).find((extension) => extension.id === Oid.cRLNumber);
  if (number === undefined) throw new DerError('a CRL without a number');
  return {
    number: BigInt(`0x${extensionElement(number).content.toString('hex')}`),
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(nextUpdate),
    parts,
  };
}

// A CRL of a million entries is not walked to read its date: the outermost element alone.
function readShallow(bytes: Uint8Array): Element {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const octets = (buffer[1] ?? 0) >= 0x80 ? (buffer[1] ?? 0) & 0x7f : 0;
  if (buffer[0] !== Tag.sequence || octets > 4) throw new DerError('not a SEQUENCE');
  return { tag: Tag.sequence, content: buffer.subarray(2 + octets), raw: buffer };
}
