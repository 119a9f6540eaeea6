import { children, cursor, DerError, namedBitsOf, oidText, smallInteger, Tag, readDer, type Cursor, type Element } from '../../asn1/der.ts';
import { CaError } from '../../error.ts';
import { extensionOf, parseCertificate, parseTbs, usagesOf, type TbsCertificate } from '../certificate.ts';
import { isDnsName } from '../dns-name.ts';
import { extensionElement } from '../extension.ts';
import { attributeText, rdnsOf } from '../name.ts';
import { Oid } from '../oids.ts';
import { canonicalIssuer, canonicalName, sameName, type CanonicalName } from './distinguished-name.ts';
import { readDistributionPoints, type DistributionPoint } from './distribution-point.ts';
import { PathFault } from './fault.ts';
import { readNameConstraints, type NameConstraints } from './name-constraints.ts';
import { readFormedName, type FormedName } from './name-form.ts';
import type { PolicyMapping } from './policy-graph.ts';

/** A certificate as path validation sees it: every extension that it processes, decoded (RFC 5280 §6.1). */
export interface PathCertificate {
  /** DER of the whole, or of the part to be signed when nobody has yet. */
  readonly der: Buffer;
  readonly facts: TbsCertificate;
  /** Undefined for what is to be signed. */
  readonly signature: { readonly tbs: Buffer; readonly value: Buffer } | undefined;
  readonly subject: CanonicalName;
  readonly issuer: CanonicalName;
  /** Subject and issuer are the same (§6.1). */
  readonly selfIssued: boolean;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
  /** Bits of keyUsage; undefined: no restriction. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyIdentifier: Buffer | undefined;
  readonly authorityKeyIdentifier: Buffer | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  /** All names to which name constraints apply. */
  readonly names: readonly FormedName[];
  readonly policies: readonly string[] | undefined;
  readonly policyMappings: readonly PolicyMapping[];
  readonly requireExplicitPolicy: number | undefined;
  readonly inhibitPolicyMapping: number | undefined;
  readonly inhibitAnyPolicy: number | undefined;
  readonly distributionPoints: readonly DistributionPoint[];
  /** Critical extensions that nobody here understands. */
  readonly unknownCritical: readonly string[];
}

const processed = new Set<string>([
  Oid.subjectKeyIdentifier, Oid.keyUsage, Oid.subjectAltName, Oid.basicConstraints, Oid.nameConstraints, Oid.cRLDistributionPoints, Oid.certificatePolicies,
  Oid.policyMappings, Oid.authorityKeyIdentifier, Oid.policyConstraints, Oid.extKeyUsage, Oid.inhibitAnyPolicy,
]); // prettier-ignore
const maxPolicies = 1000;

/** Reads a certificate whole. @param der at most 64 KiB @throws {PathFault} `malformed` */
export function readPathCertificate(der: Uint8Array): PathCertificate {
  return faulting(() => {
    const parsed = parseCertificate(der);
    return { ...decode(parsed), der: Buffer.from(der), signature: { tbs: parsed.tbs, value: parsed.signatureValue } };
  });
}

/** Reads a TBSCertificate that is about to be signed. @param facts what was read of it already @throws {PathFault} `malformed` */
export function readUnsigned(tbs: Uint8Array, facts?: TbsCertificate): PathCertificate {
  return faulting(() => ({ ...decode(facts ?? parseTbs(tbs)), der: Buffer.from(tbs), signature: undefined }));
}

function faulting<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof DerError) && !(cause instanceof CaError)) throw cause;
    throw new PathFault('malformed', cause instanceof DerError ? `a malformed certificate: ${cause.message}` : cause.message, { cause });
  }
}

function decode(facts: TbsCertificate): Omit<PathCertificate, 'der' | 'signature'> {
  const element = (id: string): Element | undefined => {
    const extension = extensionOf(facts, id);
    return extension && extensionElement(extension);
  };
  const subjectElement = readDer(facts.subject);
  const subject = canonicalName(subjectElement);
  const issuer = canonicalIssuer(readDer(facts.issuer));
  const usage = element(Oid.keyUsage);
  const usages = extensionOf(facts, Oid.extKeyUsage);
  const constraints = element(Oid.nameConstraints);
  const policies = element(Oid.certificatePolicies);
  const mappings = element(Oid.policyMappings);
  const inhibitAny = element(Oid.inhibitAnyPolicy);
  const points = element(Oid.cRLDistributionPoints);
  const authorityKey = element(Oid.authorityKeyIdentifier);
  // Extensions exist from v3 on only (§4.1.2.9).
  if (facts.extensions.length > 0 && facts.version !== 2) throw new DerError('extensions in a certificate that is not v3');
  const policyConstraints = readPolicyConstraints(element(Oid.policyConstraints));
  return {
    facts,
    subject,
    issuer,
    selfIssued: sameName(subject, issuer),
    ...readBasicConstraints(element(Oid.basicConstraints)),
    keyUsage: usage && namedBitsOf(usage),
    extendedKeyUsage: usages && usagesOf(usages),
    subjectKeyIdentifier: element(Oid.subjectKeyIdentifier)?.content,
    authorityKeyIdentifier: authorityKey && children(authorityKey).find((part) => part.tag === 0x80)?.content,
    nameConstraints: constraints && readNameConstraints(constraints),
    names: readNames(subjectElement, subject, element(Oid.subjectAltName)),
    policies: policies && readPolicies(policies),
    policyMappings: mappings === undefined ? [] : readMappings(mappings),
    ...policyConstraints,
    inhibitAnyPolicy: inhibitAny && count(inhibitAny, Tag.integer),
    distributionPoints: points === undefined ? [] : readDistributionPoints(points),
    unknownCritical: facts.extensions.filter(({ critical, id }) => critical && !processed.has(id)).map(({ id }) => id),
  };
}

function readBasicConstraints(element: Element | undefined): { isCa: boolean; pathLength: number | undefined } {
  if (element === undefined) return { isCa: false, pathLength: undefined };
  const parts = cursor(element, Tag.sequence);
  const flag = parts.maybe(Tag.boolean);
  const length = parts.maybe(Tag.integer);
  parts.end();
  const isCa = flag?.content[0] === 0xff;
  return { isCa, pathLength: length && smallInteger(length) };
}

/** Alternative names, the subject, and what older certificates put into the subject instead (§4.2.1.10). */
function readNames(subjectElement: Element, subject: CanonicalName, alternative: Element | undefined): readonly FormedName[] {
  const names = alternative === undefined ? [] : cursor(alternative, Tag.sequence).rest().map(readFormedName);
  if (alternative !== undefined && names.length === 0) throw new DerError('no alternative name');
  const attributes = rdnsOf(subjectElement).flat();
  const textsOf = (type: string): string[] =>
    attributes.filter((attribute) => attribute.type === type).map(({ value }) => attributeText(value));
  const emails = textsOf(Oid.emailAddress).map((value) => ({ form: 'email', value }) as const);
  const hosts = names.some(({ form }) => form === 'dns')
    ? []
    : textsOf(Oid.commonName)
        .filter((value) => value.includes('.') && isDnsName(value.replace(/^\*\./, '')))
        .map((value) => ({ form: 'dns', value }) as const);
  return [...(subject.length > 0 ? [{ form: 'directory', name: subject } as const] : []), ...names, ...emails, ...hosts];
}

function readPolicies(element: Element): readonly string[] {
  if (element.tag !== Tag.sequence) throw new DerError('certificate policies are a SEQUENCE');
  const policies = children(element, maxPolicies).map((information) => {
    const parts = cursor(information, Tag.sequence);
    const policy = oidText(parts.next(Tag.oid));
    parts.maybe(Tag.sequence);
    parts.end();
    return policy;
  });
  if (new Set(policies).size !== policies.length) throw new DerError('a certificate policy occurs twice');
  return policies;
}

function readMappings(element: Element): readonly PolicyMapping[] {
  if (element.tag !== Tag.sequence) throw new DerError('policy mappings are a SEQUENCE');
  return children(element, maxPolicies).map((mapping) => {
    const parts: Cursor = cursor(mapping, Tag.sequence);
    const issuerDomainPolicy = oidText(parts.next(Tag.oid));
    const subjectDomainPolicy = oidText(parts.next(Tag.oid));
    parts.end();
    return { issuerDomainPolicy, subjectDomainPolicy };
  });
}

function readPolicyConstraints(element: Element | undefined): Pick<PathCertificate, 'requireExplicitPolicy' | 'inhibitPolicyMapping'> {
  if (element === undefined) return { requireExplicitPolicy: undefined, inhibitPolicyMapping: undefined };
  const parts = cursor(element, Tag.sequence);
  const explicitPolicy = parts.maybe(0x80);
  const mapping = parts.maybe(0x81);
  parts.end();
  return { requireExplicitPolicy: explicitPolicy && count(explicitPolicy, 0x80), inhibitPolicyMapping: mapping && count(mapping, 0x81) };
}

function count(element: Element, tag: number): number {
  if (element.tag !== tag || element.content.length === 0) throw new DerError('a number was expected');
  return smallInteger(element);
}
