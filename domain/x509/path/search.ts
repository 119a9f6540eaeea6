import { spend, type Budget } from './budget.ts';
import type { PathCertificate } from './certificate.ts';
import { sameName } from './distinguished-name.ts';

/** More CAs than this between an anchor and an end entity are not looked for. */
export const maxAuthorities = 16;

/**
 * The ways from a certificate up to anchors by names and key identifiers, likeliest first (RFC 4158 §3); nothing is verified.
 *
 * @param pool CAs in any order
 * @yields an anchor and the certificates below it, the end entity last
 * @throws {PathFault} `too_complex` when too many ways have been tried
 */
export function* pathsTo(
  certificate: PathCertificate,
  pool: readonly PathCertificate[],
  anchors: readonly PathCertificate[],
  budget: Budget,
  below: readonly PathCertificate[] = [],
): Generator<{ readonly anchor: PathCertificate; readonly certificates: readonly PathCertificate[] }> {
  spend(budget, 'paths');
  const certificates = [certificate, ...below];
  for (const anchor of byKey(certificate, anchors)) yield { anchor, certificates };
  if (below.length >= maxAuthorities) return;
  for (const authority of byKey(certificate, pool)) {
    if (certificates.some((known) => known.der.equals(authority.der))) continue;
    yield* pathsTo(authority, pool, anchors, budget, certificates);
  }
}

/** Candidates whose subject is the issuer; those that have the key it names come first. */
function byKey(certificate: PathCertificate, candidates: readonly PathCertificate[]): readonly PathCertificate[] {
  const wanted = certificate.authorityKeyIdentifier;
  const named = candidates.filter((candidate) => sameName(candidate.subject, certificate.issuer));
  if (wanted === undefined) return named;
  const fits = (candidate: PathCertificate): boolean => candidate.subjectKeyIdentifier?.equals(wanted) === true;
  return [...named.filter(fits), ...named.filter((candidate) => !fits(candidate))];
}
