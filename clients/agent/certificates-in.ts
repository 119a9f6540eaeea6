import { X509Certificate } from 'node:crypto';
import type { PlaceFormat } from '#domain/discovery/discovered.ts';

/** What of a file may leave the host. */
export interface CertificatesIn {
  /** DER. */
  readonly certificates: readonly Buffer[];
  readonly format: PlaceFormat;
  readonly keyPresent: boolean;
}

const begin = Buffer.from('-----BEGIN CERTIFICATE-----');
const end = Buffer.from('-----END CERTIFICATE-----');
const key = Buffer.from('PRIVATE KEY-----');
/** Of one certificate; the platform reads no longer one. */
const maxDerBytes = 65_536;
const maxInFile = 500;

/**
 * The certificates of a file, and nothing else of it: only the octets between their own marks become text. What is no certificate is passed over.
 *
 * @param bytes of the whole file
 */
export function certificatesIn(bytes: Buffer): CertificatesIn {
  const keyPresent = bytes.includes(key);
  if (!bytes.includes(begin))
    return { certificates: bytes[0] === 0x30 && isCertificate(bytes) ? [Buffer.from(bytes)] : [], format: 'der', keyPresent };
  const certificates: Buffer[] = [];
  for (let from = bytes.indexOf(begin); from !== -1 && certificates.length < maxInFile; from = bytes.indexOf(begin, from + begin.length)) {
    const to = bytes.indexOf(end, from);
    if (to === -1) break;
    const inner = bytes.subarray(from + begin.length, to);
    // The one before has no end: this is the end of a later one.
    if (inner.includes(begin) || inner.length > maxDerBytes * 2) continue;
    const der = Buffer.from(inner.toString('latin1'), 'base64');
    if (isCertificate(der)) certificates.push(der);
  }
  return { certificates, format: 'pem', keyPresent };
}

/** Whether some octets are a certificate and nothing else. */
export function isCertificate(der: Buffer): boolean {
  if (der.length > maxDerBytes) return false;
  try {
    // What follows the certificate would leave the host with it.
    return new X509Certificate(der).raw.length === der.length;
  } catch {
    return false;
  }
}
