import { bitStringOctets, children, cursor, DerError, readDer, Tag, timeOf, type Element } from '../../asn1/der.ts';
import { readExtensions, extensionElement, type Extension } from '../extension.ts';
import { Oid } from '../oids.ts';
import { canonicalName, type CanonicalName } from './distinguished-name.ts';
import { readPointName, readReasons, type PointName } from './distribution-point.ts';
import { PathFault } from './fault.ts';
import { readFormedName } from './name-form.ts';

/** issuingDistributionPoint (RFC 5280 §5.2.5). */
export interface IssuingDistributionPoint {
  readonly name: PointName | undefined;
  readonly onlyUserCerts: boolean;
  readonly onlyCaCerts: boolean;
  readonly onlyAttributeCerts: boolean;
  readonly onlySomeReasons: number | undefined;
  readonly indirect: boolean;
  /** To compare two CRLs of one scope. */
  readonly raw: Buffer;
}

/** A CRL, read and not yet verified. */
export interface PathCrl {
  readonly tbs: Buffer;
  /** AlgorithmIdentifier, DER. */
  readonly algorithm: Buffer;
  readonly signatureValue: Buffer;
  readonly issuer: CanonicalName;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  readonly authorityKeyIdentifier: Buffer | undefined;
  readonly number: bigint | undefined;
  /** BaseCRLNumber when this is a delta CRL (§5.2.4). */
  readonly baseNumber: bigint | undefined;
  readonly point: IssuingDistributionPoint | undefined;
  /** Reason by the issuer's name as JSON, then by the serial's octets in hex. */
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** It says something critical that nobody here understands, so nothing may rest on it (§5.2, §5.3). */
  readonly unusable: boolean;
}

const maxBytes = 64 * 1024 * 1024;
const maxEntries = 1_500_000;
const processed = new Set<string>([Oid.authorityKeyIdentifier, Oid.cRLNumber, Oid.deltaCRLIndicator, Oid.issuingDistributionPoint]);
const entryProcessed = new Set<string>([Oid.cRLReason, Oid.certificateIssuer, Oid.invalidityDate]);

/** Reads a CRL. @param der at most 64 MiB @throws {PathFault} `malformed` */
export function readPathCrl(der: Uint8Array): PathCrl {
  try {
    if (der.length > maxBytes) throw new DerError('too long');
    const outer = cursor(readDer(der, maxEntries), Tag.sequence);
    const tbs = outer.next(Tag.sequence);
    const algorithm = outer.next(Tag.sequence).raw;
    const signatureValue = bitStringOctets(outer.next(Tag.bitString));
    outer.end();
    return { tbs: tbs.raw, algorithm, signatureValue, ...readTbs(tbs, algorithm) };
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new PathFault('malformed', `a malformed CRL: ${cause.message}`, { cause });
  }
}

/** Why a CRL says that a certificate is revoked; undefined when it does not list it. */
export function listedReason(crl: PathCrl, issuer: CanonicalName, serialOctets: Buffer): number | undefined {
  return crl.entries.get(JSON.stringify(issuer))?.get(serialOctets.toString('hex'));
}

function readTbs(tbs: Element, algorithm: Buffer): Omit<PathCrl, 'tbs' | 'algorithm' | 'signatureValue'> {
  const parts = cursor(tbs);
  const version = parts.maybe(Tag.integer);
  if (!parts.next(Tag.sequence).raw.equals(algorithm)) throw new DerError('the two signature algorithms differ');
  const issuer = canonicalName(parts.next(Tag.sequence));
  const thisUpdate = timeOf(parts.next());
  const next = parts.maybe(Tag.utcTime) ?? parts.maybe(Tag.generalizedTime);
  const list = parts.maybe(Tag.sequence);
  const tagged = parts.maybe(0xa0);
  parts.end();
  const extensions = tagged === undefined ? [] : readExtensions(cursor(tagged).next(Tag.sequence));
  if (extensions.length > 0 && version?.content[0] !== 1) throw new DerError('extensions in a CRL that is not v2');
  const point = elementOf(extensions, Oid.issuingDistributionPoint);
  const indirect = point === undefined ? undefined : readIssuingPoint(point);
  const { entries, unknown } = readEntries(list, issuer);
  const authorityKey = elementOf(extensions, Oid.authorityKeyIdentifier);
  return {
    issuer,
    thisUpdate,
    nextUpdate: next && timeOf(next),
    authorityKeyIdentifier: authorityKey && children(authorityKey).find((part) => part.tag === 0x80)?.content,
    number: numberOf(elementOf(extensions, Oid.cRLNumber)),
    baseNumber: numberOf(elementOf(extensions, Oid.deltaCRLIndicator)),
    point: indirect,
    entries,
    unusable: unknown || extensions.some(({ critical, id }) => critical && !processed.has(id)),
  };
}

function readEntries(list: Element | undefined, issuer: CanonicalName): Pick<PathCrl, 'entries'> & { unknown: boolean } {
  const entries = new Map<string, Map<string, number>>();
  let unknown = false;
  // The issuer of an entry is that of the entry before it unless it says otherwise (§5.3.3).
  let current = bucketOf(entries, issuer);
  for (const entry of list === undefined ? [] : children(list, maxEntries)) {
    const parts = cursor(entry, Tag.sequence);
    const serial = parts.next(Tag.integer).content;
    timeOf(parts.next());
    const more = parts.maybe(Tag.sequence);
    parts.end();
    let reason = 0;
    for (const extension of more === undefined ? [] : readExtensions(more)) {
      if (extension.id === Oid.cRLReason) reason = reasonOf(extensionElement(extension));
      else if (extension.id === Oid.certificateIssuer) current = bucketOf(entries, issuerOf(extensionElement(extension)));
      else if (extension.critical && !entryProcessed.has(extension.id)) unknown = true;
    }
    current.set(serial.toString('hex'), reason);
  }
  return { entries, unknown };
}

function bucketOf(entries: Map<string, Map<string, number>>, issuer: CanonicalName): Map<string, number> {
  const key = JSON.stringify(issuer);
  const known = entries.get(key) ?? new Map<string, number>();
  entries.set(key, known);
  return known;
}

function issuerOf(element: Element): CanonicalName {
  const name = children(element)
    .map(readFormedName)
    .find(({ form }) => form === 'directory');
  if (name?.form !== 'directory') throw new DerError('a certificate issuer without a directory name');
  return name.name;
}

function reasonOf(element: Element): number {
  const [reason] = element.content;
  if (element.tag !== Tag.enumerated || element.content.length !== 1 || reason === undefined) throw new DerError('a malformed reason');
  return reason;
}

function readIssuingPoint(element: Element): IssuingDistributionPoint {
  const parts = cursor(element, Tag.sequence);
  const name = parts.maybe(0xa0);
  const flag = (tag: number): boolean => parts.maybe(tag)?.content[0] === 0xff;
  const onlyUserCerts = flag(0x81);
  const onlyCaCerts = flag(0x82);
  const reasons = parts.maybe(0x83);
  const indirect = flag(0x84);
  const onlyAttributeCerts = flag(0x85);
  parts.end();
  return {
    name: name && readPointName(name),
    onlyUserCerts,
    onlyCaCerts,
    onlyAttributeCerts,
    onlySomeReasons: reasons && readReasons(reasons),
    indirect,
    raw: element.raw,
  };
}

function elementOf(extensions: readonly Extension[], id: string): Element | undefined {
  const extension = extensions.find((candidate) => candidate.id === id);
  return extension && extensionElement(extension);
}

function numberOf(element: Element | undefined): bigint | undefined {
  if (element === undefined) return undefined;
  if (element.tag !== Tag.integer || element.content.length > 21 || (element.content[0] ?? 0x80) >= 0x80)
    throw new DerError('a malformed CRL number');
  return BigInt(`0x${element.content.toString('hex')}`);
}
