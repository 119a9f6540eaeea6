import { X509Certificate } from 'node:crypto';
import { CaError } from '../error.ts';
import { parseCertificate } from '../x509/certificate.ts';

const maxCertificates = 5;

/**
 * Checks that a chain can stand in for a CA's own certificate: the first has the CA's name and key, each is signed by the next, and none has
 * expired (RFC 5280 §6.1).
 *
 * @param chain DER, the cross-certificate first
 * @param authority the CA's own certificate, DER
 * @param now milliseconds since the epoch
 * @returns when the first of them ends
 * @throws {CaError} `malformed`, `policyViolation`
 */
export function checkCrossCertificate(chain: readonly Uint8Array[], authority: Uint8Array, now: number): Date {
  if (chain.length === 0 || chain.length > maxCertificates)
    throw new CaError('malformed', `the chain must have between 1 and ${maxCertificates} certificates`);
  const parsed = chain.map((der) => parseCertificate(der));
  const own = parseCertificate(authority);
  const [cross] = parsed;
  if (cross === undefined || !cross.subject.equals(own.subject) || !cross.spki.equals(own.spki))
    throw new CaError('policyViolation', 'the first certificate has not the name and key of the CA');
  if (Buffer.from(authority).equals(Buffer.from(chain[0] ?? []))) throw new CaError('policyViolation', 'that is the CA’s own certificate');
  for (const [index, certificate] of parsed.entries()) {
    if (!certificate.isCa) throw new CaError('policyViolation', `certificate ${index + 1} is not of a CA`);
    if (certificate.notAfter.getTime() <= now) throw new CaError('policyViolation', `certificate ${index + 1} has expired`);
    const issuer = parsed[index + 1];
    if (issuer !== undefined && !(certificate.issuer.equals(issuer.subject) && isSignedBy(chain[index], chain[index + 1])))
      throw new CaError('policyViolation', `certificate ${index + 1} is not signed by the next`);
  }
  return new Date(Math.min(...parsed.map((certificate) => certificate.notAfter.getTime())));
}

function isSignedBy(subject: Uint8Array | undefined, issuer: Uint8Array | undefined): boolean {
  try {
    return new X509Certificate(subject ?? '').verify(new X509Certificate(issuer ?? '').publicKey);
  } catch {
    return false;
  }
}
