import type { Endpoint, Verify } from './endpoint.ts';
import { TargetFailure } from './failure.ts';
import type { Material } from './material.ts';
import { servedCertificate, type Served } from './served-certificate.ts';
import type { Verification } from './target.ts';

/** The part of the material that is needed to know it again; no secret, so that a journal may hold it. */
export type ExpectedCertificate = Pick<Material, 'fingerprint' | 'chainFingerprints' | 'keyType'>;

const firstPauseMs = 50;
const longestPauseMs = 2000;

/**
 * Looks until the deployed certificate is served with its chain, twice in a row because a process that is leaving may still answer, or the
 * endpoint's time is over; the pauses grow from 50 ms to 2 s.
 */
export async function verifyServed(
  endpoint: Endpoint,
  expected: ExpectedCertificate,
): Promise<Verification & { readonly reason?: string }> {
  const deadline = performance.now() + endpoint.within * 1000;
  let actual: string | undefined;
  let seen = 0;
  for (let pause = firstPauseMs; ; pause = seen > 0 ? firstPauseMs : Math.min(pause * 2, longestPauseMs)) {
    let reason: string | undefined;
    try {
      const served = await servedCertificate(endpoint, expected.keyType);
      actual = served.fingerprint;
      reason = objection(endpoint, expected, served);
    } catch (error) {
      reason = error instanceof TargetFailure ? error.message : 'no TLS handshake';
    }
    seen = reason === undefined ? seen + 1 : 0;
    if (seen === 2) return verificationOf(expected, actual, true);
    if (performance.now() + pause > deadline)
      return { ...verificationOf(expected, actual, false), reason: reason ?? 'the server shows the new certificate only now and then' };
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Whether a server shows the expected certificate at the first look; `off` when nobody looks. */
export async function alreadyServed(verify: Verify, expected: ExpectedCertificate): Promise<Verification | 'off' | undefined> {
  if (verify === 'off') return 'off';
  const served = await servedCertificate(verify, expected.keyType).catch(() => undefined);
  if (served === undefined || objection(verify, expected, served) !== undefined) return undefined;
  return verificationOf(expected, served.fingerprint, true);
}

function objection(endpoint: Endpoint, expected: ExpectedCertificate, served: Served): string | undefined {
  if (served.fingerprint !== expected.fingerprint) return 'the server serves another certificate';
  const whole = expected.chainFingerprints.every((issuer) => served.chain.includes(issuer));
  return endpoint.check_chain && !whole ? 'the server does not send the chain' : undefined;
}

function verificationOf({ fingerprint }: ExpectedCertificate, actual: string | undefined, verified: boolean): Verification {
  return { expectedFingerprint: fingerprint, ...(actual !== undefined && { actualFingerprint: actual }), verified };
}
