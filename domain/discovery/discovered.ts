import { createHash, X509Certificate } from 'node:crypto';
import { CaError } from '../error.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { parsePublicKey } from '../x509/public-key.ts';

export const discoveryStatuses = ['unmanaged', 'managed', 'dismissed'] as const;
export type DiscoveryStatus = (typeof discoveryStatuses)[number];

/** Of the file that a certificate lies in; `jks` is also a keystore of the type JCEKS. */
export const placeFormats = ['pem', 'der', 'pkcs12', 'jks'] as const;
export type PlaceFormat = (typeof placeFormats)[number];

/** What a certificate says that somebody found. */
export interface DiscoveredFacts {
  /** SHA-256, lower-case hex. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly commonName: string | undefined;
  readonly sans: readonly { readonly type: string; readonly value: string }[];
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** `RSA`, `ECDSA`, `Ed25519`, or `other`. */
  readonly keyAlgorithm: string;
  /** Bits; undefined for kinds of keys that we do not know. */
  readonly keySize: number | undefined;
  readonly isCa: boolean;
  /** Subject and issuer are the same name. */
  readonly selfIssued: boolean;
}

const maxText = 1000;

/**
 * Reads a certificate that comes from nobody in particular: every fact is derived here, and none is believed.
 *
 * @param der at most 64 KiB
 * @throws {CaError} `malformed`
 */
export function readDiscovered(der: Uint8Array): DiscoveredFacts {
  const certificate = parseCertificate(der);
  // A calendar that no database has.
  if ([certificate.notBefore, certificate.notAfter].some((date) => date.getUTCFullYear() < 1))
    throw new CaError('malformed', 'the certificate is of the year 0');
  const { subject, issuer } = namesOf(der);
  const [commonName] = certificate.commonNames;
  return {
    fingerprint: createHash('sha256').update(der).digest('hex'),
    subject,
    issuer,
    commonName: commonName === undefined ? undefined : printable(commonName),
    sans: certificate.subjectAltNames.flatMap((name) => (name.type === 'other' ? [] : [{ type: name.type, value: name.value }])),
    serial: certificate.serial,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    ...keyOf(certificate.spki),
    isCa: certificate.isCa,
    selfIssued: certificate.subject.equals(certificate.issuer),
  };
}

function namesOf(der: Uint8Array): { readonly subject: string; readonly issuer: string } {
  try {
    const { subject, issuer } = new X509Certificate(der);
    // Node gives nothing at all for an empty Name.
    return { subject: oneLine(subject), issuer: oneLine(issuer) };
  } catch (cause) {
    throw new CaError('malformed', 'the certificate is none that OpenSSL reads', { cause });
  }
}

const oneLine = (name: string | undefined): string => printable((name ?? '').split('\n').join(', '));

function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]/g, ' ').slice(0, maxText);
}

function keyOf(spki: Uint8Array): Pick<DiscoveredFacts, 'keyAlgorithm' | 'keySize'> {
  try {
    const key = parsePublicKey(spki);
    if (key.kind === 'RSA') return { keyAlgorithm: 'RSA', keySize: key.bits };
    if (key.kind === 'ECDSA') return { keyAlgorithm: 'ECDSA', keySize: Number(key.curve.slice(2)) };
    return { keyAlgorithm: 'Ed25519', keySize: 256 };
  } catch {
    return { keyAlgorithm: 'other', keySize: undefined };
  }
}

/** Whether two sets of names have one in common, so that the one certificate may well stand for the other. */
export function sharesName(
  found: Pick<DiscoveredFacts, 'commonName' | 'sans'>,
  managed: { readonly commonName: string | undefined; readonly sans: readonly { readonly type: string; readonly value: string }[] },
): boolean {
  const namesIn = (of: typeof managed): Set<string> =>
    new Set(
      [...(of.commonName === undefined ? [] : [of.commonName]), ...of.sans.map(({ value }) => value)].map((name) => name.toLowerCase()),
    );
  const names = namesIn(managed);
  return [...namesIn(found)].some((name) => names.has(name));
}
