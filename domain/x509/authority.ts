import { boolean, children, explicit, integer, namedBits, nothing, oid, readDer, sequence } from '../asn1/der.ts';
import { writeExtension } from './extension.ts';
import { assemble, authorityKey, certificatePolicies, distributionPoints, informationAccess, subjectKey, type IssuerInfo } from './leaf.ts';
import { attributesOf, writeAuthorityName, writeName, type AuthorityName } from './name.ts';
import { Oid } from './oids.ts';
import type { SignatureAlgorithm } from './signer.ts';

export interface AuthorityTemplate extends AuthorityName {
  /** Canonical hex. */
  readonly serial: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** How many CAs may follow; undefined: any number (RFC 5280 §4.2.1.9). */
  readonly pathLength?: number;
  readonly crlDistributionPoints?: readonly string[];
  readonly caIssuerUrls?: readonly string[];
  readonly ocspUrls?: readonly string[];
  /** GeneralNames, DER (§4.2.1.10). */
  readonly nameConstraints?: { readonly permitted: readonly Uint8Array[]; readonly excluded: readonly Uint8Array[] };
  /** Dotted; undefined: any (§4.2.1.12). */
  readonly extendedKeyUsages?: readonly string[];
  /** Dotted (§4.2.1.4). */
  readonly policies?: readonly string[];
}

const certSignAndCrlSign = writeExtension(Oid.keyUsage, true, namedBits([5, 6]));

/** TBSCertificate of a self-signed root, DER. */
export function buildTbsRoot(algorithm: SignatureAlgorithm, template: AuthorityTemplate): Uint8Array {
  const subject = writeAuthorityName(template);
  return assemble(subject, algorithm, { ...template, subject }, [
    constraints(template.pathLength),
    certSignAndCrlSign,
    subjectKey(template.spki),
    ...limits(template),
  ]);
}

/** TBSCertificate of a CA under another, DER. */
export function buildTbsIntermediate(issuer: IssuerInfo, algorithm: SignatureAlgorithm, template: AuthorityTemplate): Uint8Array {
  return assemble(issuer.subject, algorithm, { ...template, subject: writeAuthorityName(template) }, [
    constraints(template.pathLength),
    certSignAndCrlSign,
    subjectKey(template.spki),
    authorityKey(issuer.keyIdentifier),
    ...limits(template),
    ...distributionPoints(template.crlDistributionPoints ?? []),
    ...informationAccess(template.ocspUrls ?? [], template.caIssuerUrls ?? []),
  ]);
}

/** TBSCertificate of a delegated OCSP responder, which nobody asks about in turn (RFC 6960 §4.2.2.2), DER. */
export function buildTbsOcspResponder(
  issuer: IssuerInfo,
  algorithm: SignatureAlgorithm,
  template: {
    readonly serial: string;
    readonly commonName: string;
    readonly spki: Uint8Array;
    readonly notBefore: Date;
    readonly notAfter: Date;
  },
): Uint8Array {
  return assemble(issuer.subject, algorithm, { ...template, subject: responderName(issuer.subject, template.commonName) }, [
    writeExtension(Oid.keyUsage, true, namedBits([0])),
    writeExtension(Oid.extKeyUsage, false, sequence(oid(Oid.ocspSigning))),
    writeExtension(Oid.ocspNoCheck, false, nothing),
    subjectKey(template.spki),
    authorityKey(issuer.keyIdentifier),
  ]);
}

/** A responder is of its CA's country and organization (CA/Browser Forum BR §7.1.2.8). */
function responderName(ca: Uint8Array, commonName: string): Buffer {
  const shared: readonly string[] = [Oid.country, Oid.organization];
  const rdns = children(readDer(ca)).filter((rdn) => attributesOf(rdn).every(({ type }) => shared.includes(type)));
  return sequence(...rdns.map(({ raw }) => raw), ...children(readDer(writeName({ commonName }))).map(({ raw }) => raw));
}

function constraints(pathLength: number | undefined): Buffer {
  return writeExtension(Oid.basicConstraints, true, sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])));
}

/** Extensions by which a CA is held to names, usages and policies. */
function limits({ nameConstraints, extendedKeyUsages, policies }: AuthorityTemplate): Buffer[] {
  const subtrees = (n: number, bases: readonly Uint8Array[]): Buffer[] =>
    bases.length === 0 ? [] : [explicit(n, ...bases.map((base) => sequence(base)))];
  const written =
    nameConstraints === undefined ? [] : [...subtrees(0, nameConstraints.permitted), ...subtrees(1, nameConstraints.excluded)];
  return [
    ...(written.length === 0 ? [] : [writeExtension(Oid.nameConstraints, true, sequence(...written))]),
    ...certificatePolicies(policies ?? []),
    ...(extendedKeyUsages === undefined || extendedKeyUsages.length === 0
      ? []
      : [writeExtension(Oid.extKeyUsage, false, sequence(...extendedKeyUsages.map(oid)))]),
  ];
}
