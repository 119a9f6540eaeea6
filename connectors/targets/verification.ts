import type { Endpoint, Verify } from './endpoint.ts';
import { isServed, look, prevailing, type Seen } from './look.ts';
import type { Material } from './material.ts';
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
    const looked = await look(endpoint, expected.keyType);
    actual = prevailing(endpoint, looked, [expected.fingerprint])?.fingerprint ?? actual;
    const reason = objection(endpoint, expected, looked);
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
  const looked = await look(verify, expected.keyType);
  return objection(verify, expected, looked) === undefined ? verificationOf(expected, expected.fingerprint, true) : undefined;
}

/** For people: what a look shows against the certificate being in place; undefined: nothing. */
function objection(endpoint: Endpoint, expected: ExpectedCertificate, looked: readonly Seen[]): string | undefined {
  const { matching = 1 } = endpoint.quorum ?? {};
  const objections = looked.flatMap((seen) => objectionTo(endpoint, expected, seen) ?? []);
  const right = looked.length - objections.length;
  if (right >= matching) return undefined;
  const [first] = objections;
  return endpoint.quorum === undefined
    ? first
    : `${right} of ${looked.length} connections show the new certificate, ${matching} must; ${first}`;
}

function objectionTo(endpoint: Endpoint, expected: ExpectedCertificate, seen: Seen): string | undefined {
  if (!isServed(seen)) return seen.message;
  if (seen.fingerprint !== expected.fingerprint) return 'the server serves another certificate';
  const whole = expected.chainFingerprints.every((issuer) => seen.chain.includes(issuer));
  return endpoint.check_chain && !whole ? 'the server does not send the chain' : undefined;
}

function verificationOf({ fingerprint }: ExpectedCertificate, actual: string | undefined, verified: boolean): Verification {
  return { expectedFingerprint: fingerprint, ...(actual !== undefined && { actualFingerprint: actual }), verified };
}
