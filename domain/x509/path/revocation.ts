import { spend, type Budget } from './budget.ts';
import type { PathCertificate } from './certificate.ts';
import { listedReason, type PathCrl } from './crl.ts';
import { sameName, type CanonicalName } from './distinguished-name.ts';
import { allReasons, directoryText, pointNames, type DistributionPoint } from './distribution-point.ts';
import { PathFault } from './fault.ts';
import { assertSigned } from './signature.ts';

/** What {@link assertNotRevoked} works with. */
export interface RevocationContext {
  readonly at: Date;
  readonly crls: readonly PathCrl[];
  /** Certificates that may have signed CRLs; those of the path, its anchor included, are valid already. */
  readonly path: readonly PathCertificate[];
  readonly pool: readonly PathCertificate[];
  readonly budget: Budget;
  /** Whether a certificate outside of the path is valid under the same anchor (RFC 5280 §6.3.3 (f)). */
  readonly isTrusted: (signer: PathCertificate) => boolean;
}

const crlSign = 6;
const removeFromCrl = 8;

/**
 * Looks a certificate up in the CRLs of its distribution points (RFC 5280 §6.3.3).
 *
 * @throws {PathFault} `revoked`, `revocation_unknown` when the CRLs do not cover all reasons
 */
export function assertNotRevoked(certificate: PathCertificate, context: RevocationContext): void {
  let covered = 0;
  // A CRL of the issuer counts even where no distribution point leads to it.
  const assumed: DistributionPoint = { name: { full: [directoryText(certificate.issuer)] }, reasons: undefined, crlIssuer: [] };
  for (const point of [...certificate.distributionPoints, assumed]) {
    for (const crl of context.crls) {
      const reasons = reasonsOf(crl, point, certificate);
      if ((reasons & ~covered) === 0) continue;
      const signer = signerOf(crl, context);
      if (signer === undefined) continue;
      const delta = deltaOf(crl, signer, context);
      if (delta === undefined && !isCurrent(crl, context.at)) continue;
      assertUnlisted(certificate, crl, delta);
      covered |= reasons;
    }
    if (covered === allReasons) return;
  }
  throw new PathFault('revocation_unknown', 'no current CRL says whether a certificate is revoked');
}

function assertUnlisted(certificate: PathCertificate, crl: PathCrl, delta: PathCrl | undefined): void {
  const { serialOctets } = certificate.facts;
  const changed = delta && listedReason(delta, certificate.issuer, serialOctets);
  const reason = changed ?? listedReason(crl, certificate.issuer, serialOctets);
  if (reason !== undefined && reason !== removeFromCrl) throw new PathFault('revoked', `a certificate is revoked for reason ${reason}`);
}

/** The reasons that a complete CRL covers for a certificate at a point; 0 when it is not one for it (§6.3.3 (b), (d)). */
function reasonsOf(crl: PathCrl, point: DistributionPoint, certificate: PathCertificate): number {
  if (crl.unusable || crl.baseNumber !== undefined) return 0;
  const scope = crl.point;
  const named = point.crlIssuer.length > 0 ? point.crlIssuer : [certificate.issuer];
  if (!named.some((name) => sameName(name, crl.issuer))) return 0;
  if (point.crlIssuer.length > 0 && scope?.indirect !== true) return 0;
  if (scope === undefined) return (point.reasons ?? allReasons) & allReasons;
  if (scope.onlyAttributeCerts || (certificate.isCa ? scope.onlyUserCerts : scope.onlyCaCerts)) return 0;
  if (scope.name !== undefined) {
    const wanted = new Set(namesOf(point, crl.issuer, named));
    if (!pointNames(scope.name, crl.issuer).some((name) => wanted.has(name))) return 0;
  }
  return (point.reasons ?? allReasons) & (scope.onlySomeReasons ?? allReasons) & allReasons;
}

function namesOf(point: DistributionPoint, crlIssuer: CanonicalName, named: readonly CanonicalName[]): readonly string[] {
  return point.name === undefined ? named.map(directoryText) : pointNames(point.name, crlIssuer);
}

/** A delta CRL that brings a complete one up to date (§5.2.4, §6.3.3 (c)). */
function deltaOf(crl: PathCrl, signer: PathCertificate, context: RevocationContext): PathCrl | undefined {
  const { number } = crl;
  if (number === undefined) return undefined;
  return context.crls.find(
    (delta) =>
      delta.baseNumber !== undefined &&
      delta.number !== undefined &&
      !delta.unusable &&
      delta.baseNumber <= number &&
      number < delta.number &&
      sameName(delta.issuer, crl.issuer) &&
      sameOctets(delta.point?.raw, crl.point?.raw) &&
      sameOctets(delta.authorityKeyIdentifier, crl.authorityKeyIdentifier) &&
      isCurrent(delta, context.at) &&
      isSignedBy(delta, signer, context.budget),
  );
}

/** Who signed a CRL, if that is somebody who may and whom the path's anchor vouches for (§6.3.3 (f), (g)). */
function signerOf(crl: PathCrl, context: RevocationContext): PathCertificate | undefined {
  const mayHaveSigned = (candidate: PathCertificate): boolean =>
    sameName(candidate.subject, crl.issuer) && candidate.keyUsage?.has(crlSign) !== false && isSignedBy(crl, candidate, context.budget);
  return (
    context.path.find(mayHaveSigned) ??
    context.pool.find((candidate) => !context.path.includes(candidate) && mayHaveSigned(candidate) && context.isTrusted(candidate))
  );
}

function isSignedBy(crl: PathCrl, signer: PathCertificate, budget: Budget): boolean {
  spend(budget, 'signatures');
  try {
    assertSigned(signer.facts.spki, crl.algorithm, crl.tbs, crl.signatureValue);
    return true;
  } catch (error) {
    if (error instanceof PathFault) return false;
    throw error;
  }
}

function isCurrent(crl: PathCrl, at: Date): boolean {
  return crl.thisUpdate <= at && crl.nextUpdate !== undefined && at <= crl.nextUpdate;
}

function sameOctets(one: Buffer | undefined, other: Buffer | undefined): boolean {
  return one === undefined || other === undefined ? one === other : one.equals(other);
}
