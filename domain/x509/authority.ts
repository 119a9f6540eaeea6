import { boolean, integer, namedBits, nothing, oid, sequence } from '../asn1/der.ts';
import { writeExtension } from './extension.ts';
import { assemble, authorityKey, distributionPoints, informationAccess, subjectKey, type IssuerInfo } from './leaf.ts';
import { writeName } from './name.ts';
import { Oid } from './oids.ts';
import type { SignatureAlgorithm } from './signer.ts';

export interface AuthorityTemplate {
  /** Canonical hex. */
  readonly serial: string;
  readonly commonName: string;
  readonly organization?: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** How many CAs may follow; undefined: any number (RFC 5280 §4.2.1.9). */
  readonly pathLength?: number;
  readonly crlDistributionPoints?: readonly string[];
  readonly caIssuerUrls?: readonly string[];
  readonly ocspUrls?: readonly string[];
}

const certSignAndCrlSign = writeExtension(Oid.keyUsage, true, namedBits([5, 6]));

/** TBSCertificate of a self-signed root, DER. */
export function buildTbsRoot(algorithm: SignatureAlgorithm, template: AuthorityTemplate): Uint8Array {
  const subject = nameOf(template);
  return assemble(subject, algorithm, { ...template, subject }, [
    constraints(template.pathLength),
    certSignAndCrlSign,
    subjectKey(template.spki),
  ]);
}

/** TBSCertificate of a CA under another, DER. */
export function buildTbsIntermediate(issuer: IssuerInfo, algorithm: SignatureAlgorithm, template: AuthorityTemplate): Uint8Array {
  return assemble(issuer.subject, algorithm, { ...template, subject: nameOf(template) }, [
    constraints(template.pathLength),
    certSignAndCrlSign,
    subjectKey(template.spki),
    authorityKey(issuer.keyIdentifier),
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
  return assemble(issuer.subject, algorithm, { ...template, subject: writeName({ commonName: template.commonName }) }, [
    writeExtension(Oid.keyUsage, true, namedBits([0])),
    writeExtension(Oid.extKeyUsage, false, sequence(oid(Oid.ocspSigning))),
    writeExtension(Oid.ocspNoCheck, false, nothing),
    subjectKey(template.spki),
    authorityKey(issuer.keyIdentifier),
  ]);
}

function constraints(pathLength: number | undefined): Buffer {
  return writeExtension(Oid.basicConstraints, true, sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])));
}

function nameOf(template: AuthorityTemplate): Buffer {
  return writeName({
    commonName: template.commonName,
    ...(template.organization !== undefined && { organization: template.organization }),
  });
}
