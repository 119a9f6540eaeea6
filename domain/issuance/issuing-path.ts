import { newBudget } from '../x509/path/budget.ts';
import { readPathCertificate, readUnsigned } from '../x509/path/certificate.ts';
import { afterAuthority, endEntity, initialState, type PathState } from '../x509/path/state.ts';
import { CaError } from '../error.ts';
import type { TbsCertificate } from '../x509/certificate.ts';
import { refusing } from './path-refusal.ts';

/** DER from the root down to the CA that signs. */
export type IssuingPath = readonly Uint8Array[];

const states = new WeakMap<IssuingPath, PathState>();

/**
 * Where path validation stands below a CA: its chain is verified once, the result serves every certificate that the CA signs (RFC 5280 §6).
 *
 * @param now milliseconds since the epoch
 * @throws {CaError} `unavailable` when a CA on the way has expired, `policyViolation` when the chain itself does not hold
 */
export function issuingState(path: IssuingPath, now: number): PathState {
  let state = states.get(path);
  if (state === undefined) {
    state = refusing(() => validated(path, now));
    states.set(path, state);
  }
  if (now < state.notBefore.getTime() || now > state.notAfter.getTime())
    throw new CaError('unavailable', 'expired: a CA above the certificate is not valid now');
  return state;
}

function validated(path: IssuingPath, now: number): PathState {
  const [root, ...authorities] = path.map(readPathCertificate);
  if (root === undefined) throw new CaError('internal', 'a CA has no certificate');
  const options = { at: new Date(now) };
  const budget = newBudget();
  return authorities.reduce((state, authority) => afterAuthority(state, authority, options, budget), initialState(root, options));
}

/**
 * Refuses a certificate that relying parties would refuse, before the CA's key signs it.
 *
 * @param tbs TBSCertificate, DER; facts: what was read of it
 * @param purposes extended key usages, dotted
 * @throws {CaError} `nameConstraintViolation`, `policyViolation`, `unavailable`
 */
export function assertIssuableBelow(
  path: IssuingPath,
  { tbs, facts }: { readonly tbs: Uint8Array; readonly facts: TbsCertificate },
  purposes: readonly string[],
  now: number,
): void {
  const state = issuingState(path, now);
  refusing(() => {
    const certificate = readUnsigned(tbs, facts);
    // A certificate that becomes valid later is checked as of then.
    const at = new Date(Math.max(now, certificate.facts.notBefore.getTime()));
    endEntity(state, certificate, { at, purposes }, newBudget());
  });
}

/**
 * Refuses a CA certificate that could not stand on its path, before the key above signs it.
 *
 * @param tbs TBSCertificate, DER
 * @throws {CaError} `hierarchyViolation`, `unavailable`
 */
export function assertAuthorityBelow(path: IssuingPath, tbs: Uint8Array, now: number): PathState {
  const state = issuingState(path, now);
  return refusing(() => afterAuthority(state, readUnsigned(tbs), { at: new Date(now) }, newBudget()), 'hierarchyViolation');
}
