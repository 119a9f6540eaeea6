import { createHash } from 'node:crypto';
import { CaError } from '../error.ts';
import { suggestedWindow } from '../lifecycle/renewal-time.ts';
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
  /** Of the policy that it is renewed by; undefined: whoever asked for it renews it. */
  readonly windowDays: number | undefined;
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

const hourMs = 3_600_000;
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
 * When a certificate should be renewed. Where a policy of ours renews it, the window in which that is done; otherwise spread by certificate, so that a
 * fleet does not come at once. It does not depend on the time of asking, so that a client's random pick in it stands (RFC 9773 §4.2). What is urgent
 * has its window in the past.
 */
export function renewalInfo(certificate: RenewableCertificate): RenewalInfo {
  const begin = certificate.notBefore.getTime();
  const retryAfter = Math.min(pollSeconds, Math.max(60, Math.floor((certificate.notAfter.getTime() - begin) / 20_000)));
  if (certificate.urgent) {
    const explanationUrl = certificate.website ?? explanation;
    return { start: new Date(begin - hourMs), end: new Date(begin), explanationUrl, retryAfter };
  }
  return { ...suggestedWindow(certificate, certificate.windowDays, shiftOf(certificate)), explanationUrl: undefined, retryAfter };
}

/** Between -1 and 1, the same for every asking. */
function shiftOf({ windowDays, fingerprint }: RenewableCertificate): number {
  if (windowDays !== undefined) return 0;
  return createHash('sha256').update('renewal').update(fingerprint).digest().readUInt32BE(0) / 0x7fff_ffff - 1;
}

/** RFC 9773 §4.2 */
export function renewalInfoObject(info: RenewalInfo): Readonly<Record<string, unknown>> {
  return {
    suggestedWindow: { start: rfc3339(info.start), end: rfc3339(info.end) },
    ...(info.explanationUrl !== undefined && { explanationURL: info.explanationUrl }),
  };
}
