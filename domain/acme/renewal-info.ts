import { createHash } from 'node:crypto';
import { CaError } from '../error.ts';
import { rfc3339 } from './timestamp.ts';

/** A certificate as RFC 9773 §4.1 names it. */
export interface CertId {
  /** Octets of the authority key identifier. */
  readonly keyIdentifier: Buffer;
  /** Canonical hex. */
  readonly serial: string;
}

/** What renewal needs to know of a certificate, whoever asked for it. */
export interface RenewableCertificate {
  readonly id: string;
  readonly accountId: string | undefined;
  readonly names: readonly { readonly type: string; readonly value: string }[];
  readonly fingerprint: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Revoked, of a compromised key, or of a CA that retires: it should be replaced now. */
  readonly urgent: boolean;
  readonly website: string | undefined;
}

export interface RenewalInfoStore {
  /** A certificate of the inventory, of any origin; undefined when there is none. */
  renewable(id: CertId): Promise<RenewableCertificate | undefined>;
}

export interface RenewalInfo {
  readonly start: Date;
  readonly end: Date;
  readonly explanationUrl: string | undefined;
  /** Seconds until it is worth asking again. */
  readonly retryAfter: number;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const shortLivedMs = 10 * dayMs;
const pollSeconds = 21_600;
const explanation = 'https://www.rfc-editor.org/rfc/rfc9773#section-4.2';

/**
 * Reads `base64url(AKI) "." base64url(serial)`; the serial is the contents of its DER INTEGER, with the leading zero octet where there
 * is one (RFC 9773 §4.1).
 *
 * @throws {CaError} `malformed`
 */
export function readCertId(text: string): CertId {
  const parts = text.length > 200 ? [] : text.split('.');
  const [keyIdentifier, serial] = parts.map(octetsOf);
  if (parts.length !== 2 || keyIdentifier === undefined || serial === undefined) {
    throw new CaError('malformed', 'a certificate identifier is two base64url texts without padding, joined by one dot');
  }
  const [first = 0, second = 0] = serial;
  const minimal = serial.length === 1 || first !== 0 || second >= 0x80;
  if (serial.length > 21 || first >= 0x80 || !minimal)
    throw new CaError('malformed', 'the serial is not the contents of a positive DER INTEGER');
  return { keyIdentifier, serial: serial.toString('hex').replace(/^0+(?=.)/, '') };
}

function octetsOf(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64url');
  return octets.length > 0 && octets.toString('base64url') === text ? octets : undefined;
}

/**
 * When a certificate should be renewed: a third of its life before its end (half of it when short-lived), spread by certificate so that a fleet
 * does not come at once. It depends on the certificate alone and not on the time of asking, so that a client's random pick in it stands
 * (RFC 9773 §4.2). What is urgent has its window in the past.
 */
export function renewalInfo(certificate: RenewableCertificate): RenewalInfo {
  const begin = certificate.notBefore.getTime();
  const life = certificate.notAfter.getTime() - begin;
  const retryAfter = Math.min(pollSeconds, Math.max(60, Math.floor(life / 20_000)));
  if (certificate.urgent) {
    const explanationUrl = certificate.website ?? explanation;
    return { start: new Date(begin - hourMs), end: new Date(begin), explanationUrl, retryAfter };
  }
  const ideal = certificate.notAfter.getTime() - (life < shortLivedMs ? life / 2 : life / 3);
  // Between -1 and 1, the same for every asking.
  const spread = createHash('sha256').update('renewal').update(certificate.fingerprint).digest().readUInt32BE(0) / 0x7fff_ffff - 1;
  const middle = ideal + (spread * life) / 100;
  const start = Math.floor((middle - life / 100) / 1000) * 1000;
  const end = Math.max(Math.floor((middle + life / 100) / 1000) * 1000, start + 1000);
  return { start: new Date(start), end: new Date(end), explanationUrl: undefined, retryAfter };
}

/** RFC 9773 §4.2 */
export function renewalInfoObject(info: RenewalInfo): Readonly<Record<string, unknown>> {
  return {
    suggestedWindow: { start: rfc3339(info.start), end: rfc3339(info.end) },
    ...(info.explanationUrl !== undefined && { explanationURL: info.explanationUrl }),
  };
}
