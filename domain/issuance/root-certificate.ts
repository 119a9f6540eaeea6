import { children, Tag } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { extensionOf, parseCertificate, type Certificate } from '../x509/certificate.ts';
import { extensionElement } from '../x509/extension.ts';
import { Oid } from '../x509/oids.ts';
import { PathFault } from '../x509/path/fault.ts';
import { readPathCertificate, type PathCertificate } from '../x509/path/certificate.ts';
import { assertSigned } from '../x509/path/signature.ts';
import { assertStrongKey, parsePublicKey } from '../x509/public-key.ts';
import { refusing } from './path-refusal.ts';

const leastLeftMs = 24 * 3_600_000;

/**
 * Checks that a certificate can head a hierarchy of ours (RFC 5280 §3.2): self-signed in name and key, a CA by critical basic constraints, with a strong
 * key, and a day of life left.
 *
 * @param der the certificate
 * @param spki the key that is to sign for it, DER
 * @param now milliseconds since the epoch
 * @throws {CaError} `hierarchyViolation`, `malformed`
 */
export function checkRoot(der: Uint8Array, spki: Uint8Array, now: number): PathCertificate {
  const parsed = parseCertificate(der);
  const root = refusing(() => readPathCertificate(der), 'malformed');
  if (!parsed.issuer.equals(parsed.subject) || !isSignedBy(parsed, parsed.spki)) throw refused('not self-signed');
  if (!isCriticalCa(parsed)) throw refused('not a CA: basic constraints must be critical and say so');
  if (root.facts.version !== 2 || root.keyUsage?.has(5) !== true) throw refused('its key usage does not name keyCertSign');
  if (root.subjectKeyIdentifier === undefined) throw refused('it has no subject key identifier');
  if (root.unknownCritical.length > 0) throw refused('it has a critical extension that is not known');
  try {
    assertStrongKey(parsePublicKey(parsed.spki));
  } catch (cause) {
    throw refused(cause instanceof CaError ? cause.message : 'its key is weak', cause);
  }
  if (parsed.notBefore.getTime() > now || parsed.notAfter.getTime() - now < leastLeftMs)
    throw refused('it is not valid now and for another day');
  if (!parsed.spki.equals(spki)) throw refused('key mismatch: the certificate is of another key');
  return root;
}

function isSignedBy(certificate: Certificate, spki: Uint8Array): boolean {
  try {
    assertSigned(spki, certificate.signature, certificate.tbs, certificate.signatureValue);
    return true;
  } catch (error) {
    if (error instanceof PathFault) return false;
    throw error;
  }
}

function isCriticalCa(certificate: Certificate): boolean {
  const extension = extensionOf(certificate, Oid.basicConstraints);
  return extension?.critical === true && children(extensionElement(extension))[0]?.tag === Tag.boolean;
}

function refused(detail: string, cause?: unknown): CaError {
  return new CaError('hierarchyViolation', `the root certificate is refused: ${detail}`, { cause });
}
