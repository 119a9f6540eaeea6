import { bitString, explicit, implicit, integer, integerFromHex, namedBits, octetString, oid, sequence, time } from '../asn1/der.ts';
import { parseCertificate } from './certificate.ts';
import { writeExtension } from './extension.ts';
import { writeGeneralName, type GeneralName } from './general-name.ts';
import { writeName } from './name.ts';
import { Oid } from './oids.ts';
import { keyIdentifier } from './public-key.ts';
import { algorithmIdentifier, type SignatureAlgorithm, type Signer } from './signer.ts';

/** What a CA's certificate says that everything which it signs must repeat. */
export interface IssuerInfo {
  /** Name, DER. */
  readonly subject: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

/** @param certificate DER @throws {CaError} `malformed` */
export function issuerInfo(certificate: Uint8Array): IssuerInfo {
  const parsed = parseCertificate(certificate);
  return {
    subject: parsed.subject,
    keyIdentifier: parsed.keyIdentifier ?? keyIdentifier(parsed.spki),
    notBefore: parsed.notBefore,
    notAfter: parsed.notAfter,
    spki: parsed.spki,
  };
}

export type ExtendedKeyUsage = 'serverAuth' | 'clientAuth' | 'codeSigning' | 'emailProtection' | 'timeStamping';

export interface LeafTemplate {
  /** Canonical hex. */
  readonly serial: string;
  readonly commonName?: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly subjectAltNames: readonly GeneralName[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extendedKeyUsages: readonly ExtendedKeyUsage[];
  readonly mustStaple: boolean;
  /** Dotted (RFC 5280 §4.2.1.4). */
  readonly policies?: readonly string[];
  readonly crlDistributionPoints: readonly string[];
  readonly ocspUrls: readonly string[];
  readonly caIssuerUrls: readonly string[];
}

const version3 = explicit(0, integer(2));
const digitalSignature = writeExtension(Oid.keyUsage, true, namedBits([0]));
// An RSA key may also transport a key in TLS 1.2 without forward secrecy (RFC 5246 §7.4.2).
const digitalSignatureAndKeyEncipherment = writeExtension(Oid.keyUsage, true, namedBits([0, 2]));
// cA FALSE is the default and so not encoded; the extension itself keeps old verifiers from guessing.
const notCa = writeExtension(Oid.basicConstraints, true, sequence());
const mustStaple = writeExtension(Oid.tlsFeature, false, sequence(integer(5)));
const rsa = oid(Oid.rsaEncryption);

/** TBSCertificate of a subscriber (RFC 5280 §4), DER. */
export function buildTbsLeaf(issuer: IssuerInfo, algorithm: SignatureAlgorithm, template: LeafTemplate): Uint8Array {
  const subject = writeName(template.commonName === undefined ? {} : { commonName: template.commonName });
  const names = sequence(...template.subjectAltNames.map(writeGeneralName));
  const isRsa = Buffer.from(template.spki.buffer, template.spki.byteOffset, Math.min(template.spki.length, 40)).includes(rsa);
  return assemble(issuer.subject, algorithm, { ...template, subject }, [
    isRsa ? digitalSignatureAndKeyEncipherment : digitalSignature,
    extendedKeyUsages(template.extendedKeyUsages),
    ...certificatePolicies(template.policies ?? []),
    notCa,
    subjectKey(template.spki),
    authorityKey(issuer.keyIdentifier),
    writeExtension(Oid.subjectAltName, template.commonName === undefined, names),
    ...distributionPoints(template.crlDistributionPoints),
    ...informationAccess(template.ocspUrls, template.caIssuerUrls),
    ...(template.mustStaple ? [mustStaple] : []),
  ]);
}

/** The certificate, DER: what was built, and the CA's signature over it. */
export async function signCertificate(signer: Signer, tbs: Uint8Array): Promise<Uint8Array> {
  return sequence(tbs, algorithmIdentifier[signer.algorithm], bitString(await signer.sign(tbs)));
}

/** Puts the parts of a TBSCertificate together. @internal for the builders of this folder */
export function assemble(
  issuer: Uint8Array,
  algorithm: SignatureAlgorithm,
  template: {
    readonly serial: string;
    readonly notBefore: Date;
    readonly notAfter: Date;
    readonly subject: Uint8Array;
    readonly spki: Uint8Array;
  },
  extensions: readonly Uint8Array[],
): Buffer {
  return sequence(
    version3,
    integerFromHex(template.serial),
    algorithmIdentifier[algorithm],
    issuer,
    sequence(time(template.notBefore), time(template.notAfter)),
    template.subject,
    template.spki,
    explicit(3, sequence(...extensions)),
  );
}

export function subjectKey(spki: Uint8Array): Buffer {
  return writeExtension(Oid.subjectKeyIdentifier, false, octetString(keyIdentifier(spki)));
}

export function authorityKey(identifier: Uint8Array): Buffer {
  return kept(`aki ${Buffer.from(identifier).toString('latin1')}`, () =>
    writeExtension(Oid.authorityKeyIdentifier, false, sequence(implicit(0, identifier))),
  );
}

export function distributionPoints(urls: readonly string[]): Buffer[] {
  if (urls.length === 0) return [];
  // DistributionPoint { distributionPoint [0] { fullName [0] GeneralNames } } (RFC 5280 §4.2.1.13)
  const point = (value: string): Buffer => sequence(explicit(0, explicit(0, writeGeneralName({ type: 'uri', value }))));
  return [kept(`crl ${urls.join(' ')}`, () => writeExtension(Oid.cRLDistributionPoints, false, sequence(...urls.map(point))))];
}

export function informationAccess(ocspUrls: readonly string[], caIssuerUrls: readonly string[]): Buffer[] {
  if (ocspUrls.length + caIssuerUrls.length === 0) return [];
  const access = (method: string, value: string): Buffer => sequence(oid(method), writeGeneralName({ type: 'uri', value }));
  const write = (): Buffer =>
    writeExtension(
      Oid.authorityInfoAccess,
      false,
      sequence(...ocspUrls.map((url) => access(Oid.adOcsp, url)), ...caIssuerUrls.map((url) => access(Oid.adCaIssuers, url))),
    );
  return [kept(`aia ${ocspUrls.join(' ')}|${caIssuerUrls.join(' ')}`, write)];
}

export function certificatePolicies(policies: readonly string[]): Buffer[] {
  if (policies.length === 0) return [];
  const write = (): Buffer => writeExtension(Oid.certificatePolicies, false, sequence(...policies.map((policy) => sequence(oid(policy)))));
  return [kept(`policies ${policies.join(' ')}`, write)];
}

function extendedKeyUsages(usages: readonly ExtendedKeyUsage[]): Buffer {
  return kept(`eku ${usages.join(' ')}`, () => writeExtension(Oid.extKeyUsage, false, sequence(...usages.map((usage) => oid(Oid[usage])))));
}

// Extensions that all certificates of a CA or a profile have in common.
const parts = new Map<string, Buffer>();
const maxParts = 1024;

function kept(key: string, write: () => Buffer): Buffer {
  let part = parts.get(key);
  if (part === undefined) {
    part = write();
    if (parts.size >= maxParts) parts.clear();
    parts.set(key, part);
  }
  return part;
}
