import { CaError } from '../error.ts';
import { newId } from '../id.ts';
import { assertKeyAllowed } from '../issuance/key-policy.ts';
import { signIntent } from '../issuance/issue.ts';
import type { Profile } from '../issuance/profile.ts';
import { parseCsr } from '../x509/csr.ts';
import { assertRenewable, dueNumber, nextPublication, validityOf } from './auto-renewal.ts';
import type { AccountRequest } from './authenticate.ts';
import { assertNamesAllowed, prepareForOrder } from './finalize-order.ts';
import { assertNoApprovalNeeded } from './new-order.ts';
import type { AcmePorts } from './ports.ts';
import type { StarCertificate, StarOrder } from './star-store.ts';
import { AccountChanged } from './store.ts';

/** What a fetch gets. */
export interface Fetched extends StarCertificate {
  /** When there is a newer one; undefined: it is the last. */
  readonly next: Date | undefined;
}

/**
 * The certificate that an order which renews itself has at present (RFC 8739 §3.3), issued now if nobody has asked for it since it is due. While the next one
 * cannot be had, the last one is given as long as it is valid.
 *
 * @param request undefined: a GET without signature (§3.4)
 * @throws {CaError} `notFound`, `methodNotAllowed` (no GET was negotiated), `autoRenewalCanceled`, `autoRenewalExpired`, `unauthorized`, `unavailable`, and
 *   what the profile has against the next certificate once the last one has ended
 */
export async function starCertificate(
  ports: AcmePorts,
  profile: Profile,
  starId: string,
  request: AccountRequest | undefined,
): Promise<Fetched> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const found = await ports.stars.find(starId);
    if (found?.account.profileId !== profile.id) throw new CaError('notFound', 'no such certificate');
    assertReadable(found, request);
    const now = ports.chance.now();
    if (found.canceled) throw new CaError('autoRenewalCanceled', 'the order was canceled');
    if (!found.account.usable) throw new CaError('unauthorized', 'the account of the order is not valid');
    if (found.renewal.endDate.getTime() <= now) throw new CaError('autoRenewalExpired', 'the order has come to its end-date');
    if (found.revoked) throw new CaError('unauthorized', 'a certificate of the order was revoked; it is not renewed');
    const number = dueNumber(found.renewal, found.first, now);
    const last = { ...found.latest, next: nextPublication(found.renewal, found.first, found.latest.number) };
    if (found.latest.number >= number) return last;
    const isLastValid = found.latest.notAfter.getTime() > now;
    try {
      if (await renew(ports, found, number, profile)) continue;
    } catch (error) {
      if (isLastValid && error instanceof CaError && error.code !== 'internal') return last;
      throw error;
    }
    // Somebody else is at it.
    if (isLastValid) return last;
  }
  throw new CaError('unavailable', 'the certificate is being renewed; try again', { retryAfter: 1 });
}

function assertReadable({ account, renewal }: StarOrder, request: AccountRequest | undefined): void {
  if (request === undefined) {
    if (!renewal.allowCertificateGet)
      throw new CaError('methodNotAllowed', 'the order does not let everybody read its certificate', { allow: ['POST'] });
    return;
  }
  if (account.id !== request.account.id) throw new CaError('notFound', 'no such certificate');
  if (!account.usable || account.thumbprint !== request.who.thumbprint) throw new AccountChanged();
}

/** False when somebody else is at it, or something changed: look again. */
async function renew(ports: AcmePorts, order: StarOrder, number: number, near: Profile): Promise<boolean> {
  const profile = await presentProfile(ports, order, near);
  if (!profile.enabled) throw new CaError('unauthorized', 'the profile has been disabled');
  assertNoApprovalNeeded(profile);
  assertRenewable(order.renewal, profile, order.proofsAreFresh);
  assertNamesAllowed(order.identifiers, profile, order.account.allowedNames);
  if (order.keyBlocked) throw new CaError('unauthorized', 'the key was reported as compromised');
  const csr = parseCsr(order.csr);
  assertKeyAllowed(csr.publicKey, profile.keyRules);
  const validity = validityOf(order.renewal, order.first, number);
  const intent = await prepareForOrder(ports, {
    idempotencyKey: `${order.id}/${number}`,
    names: order.identifiers,
    profile,
    csr,
    ...validity,
  });
  const limits = { profileVersion: profile.version, leaseSeconds: ports.settings.finalizeLease };
  const begun = await ports.stars.begin(order.id, number, intent, limits);
  if (begun === undefined) return false;
  const { signer } = await ports.authority(begun.caId);
  await ports.stars.complete(order.id, number, await signIntent(begun, signer, newId('cert', ports.chance.now(), ports.chance.random(10))));
  return true;
}

async function presentProfile(ports: AcmePorts, { profileId, profileVersion }: StarOrder, near: Profile): Promise<Profile> {
  const known = near.id === profileId ? near : await ports.profiles.known(profileId);
  const profile = known?.version === profileVersion ? known : await ports.profiles.refreshed(profileId);
  if (profile === undefined) throw new CaError('internal', 'the profile of an order is gone');
  return profile;
}
