import {
  bitString,
  children,
  cursor,
  der,
  DerError,
  explicit,
  integer,
  integerFromHex,
  oidText,
  readDer,
  sequence,
  smallInteger,
  Tag,
  time,
  timeOf,
  type Element,
} from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { readExtensions, writeExtension, extensionElement } from '../x509/extension.ts';
import { authorityKey, type IssuerInfo } from '../x509/leaf.ts';
import type { LintFinding } from '../x509/lint.ts';
import { Oid } from '../x509/oids.ts';
import { algorithmIdentifier, type SignatureAlgorithm, type Signer } from '../x509/signer.ts';
import { canonicalSerial } from '../x509/serial.ts';

/** One revoked certificate (RFC 5280 §5.1.2.6). */
export interface CrlEntry {
  /** Canonical hex. */
  readonly serial: string;
  readonly revokedAt: Date;
  /** CRLReason; 0 is left out (§5.3.1). */
  readonly reason: number;
}

export interface CrlTemplate {
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly entries: readonly CrlEntry[];
}

const version2 = integer(1);
const reasons = new Map<number, Buffer>();

/**
 * TBSCertList of a full CRL, version 2 (RFC 5280 §5.1), DER.
 *
 * @throws {CaError} `internal` when a serial is not canonical: a row that cannot be published must not vanish
 */
export function buildTbsCrl(issuer: IssuerInfo, algorithm: SignatureAlgorithm, template: CrlTemplate): Uint8Array {
  const entries = template.entries.map(writeEntry);
  return sequence(
    version2,
    algorithmIdentifier[algorithm],
    issuer.subject,
    time(template.thisUpdate),
    time(template.nextUpdate),
    // An empty list must be absent (§5.1.2.6).
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    explicit(0, sequence(authorityKey(issuer.keyIdentifier), writeExtension(Oid.cRLNumber, false, integer(template.number)))),
  );
}

/** CertificateList, DER. */
export async function signCrl(signer: Signer, tbs: Uint8Array): Promise<Uint8Array> {
  return sequence(tbs, algorithmIdentifier[signer.algorithm], bitString(await signer.sign(tbs)));
}

function writeEntry(entry: CrlEntry): Buffer {
  if (canonicalSerial(entry.serial) !== entry.serial) throw new CaError('internal', 'a revoked serial is malformed');
  const serial = integerFromHex(entry.serial);
  if (entry.reason === 0) return sequence(serial, time(entry.revokedAt));
  let extension = reasons.get(entry.reason);
  if (extension === undefined) {
    extension = sequence(writeExtension(Oid.cRLReason, false, der(Tag.enumerated, Buffer.of(entry.reason))));
    reasons.set(entry.reason, extension);
  }
  return sequence(serial, time(entry.revokedAt), extension);
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

function headerOf(tbs: Element): CrlHeader & { readonly parts: readonly Element[] } {
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

/** Checks a TBSCertList before it is signed (RFC 5280 §5). */
export function lintTbsCrl(tbs: Uint8Array, context: { readonly issuer: IssuerInfo }): readonly LintFinding[] {
  try {
    const findings: LintFinding[] = [];
    const check = (rule: string, holds: boolean, detail: string): void => {
      if (!holds) findings.push({ rule, detail });
    };
    const { parts, thisUpdate, nextUpdate } = headerOf(readDer(tbs));
    const [version, signature, issuer, , , list] = parts;
    check('crl_version_2', version !== undefined && smallInteger(version) === 1, 'the version must be 2 (§5.1.2.1)');
    check(
      'crl_signature_known',
      Object.values(algorithmIdentifier).some((known) => signature !== undefined && known.equals(signature.raw)),
      'the algorithm is not ours',
    );
    check('crl_issuer_matches', issuer?.raw.equals(context.issuer.subject) === true, "the issuer is not the CA's subject (§5.1.2.3)");
    check('crl_validity_order', thisUpdate < nextUpdate, 'nextUpdate is not after thisUpdate (§5.1.2.5)');
    const extensions = parts.find((part) => part.tag === 0xa0);
    const ids = extensions === undefined ? [] : readExtensions(cursor(extensions).next(Tag.sequence)).map((extension) => extension.id);
    check('crl_aki_present', ids.includes(Oid.authorityKeyIdentifier), 'the authority key identifier is missing (§5.2.1)');
    const entries = list?.tag === Tag.sequence ? children(list, Number.MAX_SAFE_INTEGER) : undefined;
    check('crl_list_not_empty', entries === undefined || entries.length > 0, 'an empty list must be absent (§5.1.2.6)');
    const serials = new Set<string>();
    for (const entry of entries ?? []) {
      const [serial, at, more] = children(entry);
      const octets = serial?.content ?? Buffer.alloc(0);
      check('crl_serial', octets.length > 0 && octets.length <= 20 && (octets[0] ?? 0x80) < 0x80, 'a serial is not positive or too long');
      check('crl_serial_unique', !serials.has(octets.toString('hex')), 'a serial occurs twice');
      serials.add(octets.toString('hex'));
      check('crl_revoked_before', at !== undefined && timeOf(at).getTime() <= nextUpdate.getTime(), 'a revocation lies after nextUpdate');
      for (const part of more === undefined ? [] : children(more))
        check('crl_entry_extension', oidText(children(part)[0] ?? part) === Oid.cRLReason, 'an entry extension is not ours');
    }
    return findings;
  } catch (error) {
    return [{ rule: 'crl_der', detail: error instanceof DerError ? error.message : 'unreadable' }];
  }
}
