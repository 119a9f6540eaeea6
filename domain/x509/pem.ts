import { CaError } from '../error.ts';

/** PEM with lines of 64 and LF endings (RFC 7468). @param label e.g. `CERTIFICATE` or `X509 CRL` */
export function toPem(label: string, der: Uint8Array): string {
  const body = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let lines = '';
  for (let at = 0; at < body.length; at += 64) lines += `${body.slice(at, at + 64)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}

/** Certificates one after the other, leaf first (RFC 8555 §9.1). */
export function pemChain(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => toPem('CERTIFICATE', der)).join('');
}

/**
 * The DER inside a PEM text that holds exactly one block of a kind (RFC 7468 §3, strict but for surrounding white space).
 *
 * @throws {CaError} `malformed`
 */
export function fromPem(label: string, text: string): Uint8Array {
  const [, body] = new RegExp(`^\\s*-----BEGIN ${label}-----\\r?\\n([A-Za-z0-9+/=\\r\\n]+)-----END ${label}-----\\s*$`).exec(text) ?? [];
  const der = Buffer.from((body ?? '').replace(/[\r\n]/g, ''), 'base64');
  if (der.length === 0 || der.toString('base64') !== (body ?? '').replace(/[\r\n]/g, ''))
    throw new CaError('malformed', `not one PEM block of ${label}`);
  return der;
}

/** DER of every CERTIFICATE block of a text, in its order; whatever stands between them is comment (RFC 7468 §2). */
export function certificatesOfPem(text: string): readonly Uint8Array[] {
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g);
  return Array.from(blocks, ([, body = '']) => Buffer.from(body, 'base64'));
}
