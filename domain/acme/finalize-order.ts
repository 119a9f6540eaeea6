import { createHash } from 'node:crypto';
import { CaError } from '../error.ts';
import { newId } from '../id.ts';
import { assertKeyAllowed } from '../issuance/key-policy.ts';
import { prepareLeaf, signIntent } from '../issuance/issue.ts';
import type { Profile } from '../issuance/profile.ts';
import { nameIsAllowed } from '../issuance/name-policy.ts';
import type { PreparedLeaf } from '../issuance/store.ts';
import { decodeBase64url } from '../json/base64url.ts';
import { parseCsr, type CertificationRequest } from '../x509/csr.ts';
import { newSerial } from '../x509/serial.ts';
import { assertRenewable, firstValidity } from './auto-renewal.ts';
import type { AccountRequest } from './authenticate.ts';
import { assertCsrMatches } from './finalize.ts';
import type { Identifier } from './identifier.ts';
import { keyThumbprint } from './jwk.ts';
import { readPayload } from './jws.ts';
import { currentOrder, type Order } from './order.ts';
import { assertNoApprovalNeeded } from './new-order.ts';
import type { AcmePorts } from './ports.ts';

const maxCsrBytes = 16_384;

/**
 * Issues the certificate of a ready order (RFC 8555 §7.4). The signing log's row is committed before the key signs, the
 * certificate and the order after; whoever dies between leaves a lease that the dispatcher takes over.
 *
 * @throws {CaError} `notFound`, `orderNotReady`, `badCsr` (the order stays ready), `rejectedIdentifier` (the policy changed), `unavailable`
 */
export async function finalizeOrder(ports: AcmePorts, request: AccountRequest, orderId: string): Promise<Order> {
  const csr = readCsr(readPayload(request.payload)['csr']);
  const spkiSha256 = createHash('sha256').update(csr.publicKey.spki).digest();
  let profile: Profile | undefined = request.profile;
  for (let attempt = 0; attempt < 3; attempt++) {
    const found = await ports.orders.orderToFinalize(request.who, orderId, spkiSha256, keyThumbprint(csr.publicKey.key));
    if (found === undefined) throw new CaError('notFound', 'no such order');
    const order = currentOrder(found.order, ports.chance.now());
    if (order.status === 'processing') return order;
    if (order.status !== 'ready') throw new CaError('orderNotReady', `the order is ${order.status}`);
    if (!found.authorizationsValid)
      throw new CaError('orderNotReady', 'an authorization of the order is not valid any more; make a new order');
    if (profile.id !== order.profileId) profile = await ports.profiles.known(order.profileId);
    if (profile?.version !== found.profileVersion) profile = await ports.profiles.refreshed(order.profileId);
    if (!profile?.enabled) throw new CaError('orderNotReady', 'the profile has been disabled');
    assertNoApprovalNeeded(profile);
    if (order.autoRenewal !== undefined) assertRenewable(order.autoRenewal, profile, true);
    assertCsrMatches(csr, order.identifiers);
    assertKeyAllowed(csr.publicKey, profile.keyRules);
    if (found.keyBlocked) throw new CaError('badCsr', 'the key was reported as compromised');
    if (found.keyIsAccountKey) throw new CaError('badCsr', 'the key of an ACME account must not be certified');
    assertNamesAllowed(order.identifiers, profile, request.account.allowedNames);
    const issued = await issue(ports, request, order, profile, csr);
    if (issued !== undefined) return issued;
  }
  throw new CaError('unavailable', 'the order is being changed; try again', { retryAfter: 1 });
}

/** Undefined when another request was first, or the profile changed: look again. */
async function issue(
  ports: AcmePorts,
  request: AccountRequest,
  order: Order,
  profile: Profile,
  csr: CertificationRequest,
): Promise<Order | undefined> {
  const { notBefore, notAfter } = order.autoRenewal === undefined ? order : firstValidity(order.autoRenewal, ports.chance.now());
  const intent = await prepareForOrder(ports, { idempotencyKey: order.id, names: order.identifiers, profile, csr, notBefore, notAfter });
  const limits = { profileVersion: profile.version, leaseSeconds: ports.settings.finalizeLease };
  if (!(await ports.issuance.beginFinalize(request.who, order.id, csr.der, intent, limits))) return undefined;
  const id = newId('cert', ports.chance.now(), ports.chance.random(10));
  const { signer } = await ports.authority(intent.caId);
  const certificate = await signIntent(intent, signer, id).catch(unlessAway);
  // The order is processing, and a worker signs what is reserved when the lease ends: the client may wait for that, where most give up at a 503.
  if (certificate === undefined) return ports.orders.order(request.who, order.id);
  const completed = await ports.issuance.completeFinalize(order.id, certificate);
  if (completed) return { ...order, status: 'valid', certificateId: certificate.id };
  // A worker thought that we were dead and was quicker: its certificate is the order's.
  return ports.orders.order(request.who, order.id);
}

/**
 * Builds and lints the certificate of an order's CSR under a profile, with a serial of its own.
 *
 * @throws {CaError} as `prepareLeaf` does
 */
export async function prepareForOrder(
  ports: AcmePorts,
  wanted: {
    readonly idempotencyKey: string;
    readonly names: readonly Identifier[];
    readonly profile: Profile;
    readonly csr: CertificationRequest;
    readonly notBefore: Date | undefined;
    readonly notAfter: Date | undefined;
  },
): Promise<PreparedLeaf> {
  const { profile, csr, ...rest } = wanted;
  return prepareLeaf({
    ...rest,
    authority: await ports.authority(profile.caId),
    profile: csr.mustStaple ? { ...profile, mustStaple: true } : profile,
    serial: newSerial(ports.chance.random(16)),
    publicKey: csr.publicKey,
    now: ports.chance.now(),
    pkiBaseUrl: ports.pkiBaseUrl,
    crlShards: await ports.crlShards(profile.caId),
  });
}

/** Undefined while the key cannot be reached, which may heal. @throws what is for good */
function unlessAway(error: unknown): undefined {
  if (!(error instanceof CaError) || error.code !== 'unavailable') throw error;
}

function readCsr(value: unknown): CertificationRequest {
  let der: Buffer;
  try {
    der = decodeBase64url(value, 'csr');
  } catch (cause) {
    throw new CaError('badCsr', 'csr is not base64url without padding', { cause });
  }
  if (der.length > maxCsrBytes) throw new CaError('badCsr', `a CSR may have at most ${maxCsrBytes} bytes`);
  return parseCsr(der);
}

/** Whether the names of an order are still those that its profile and account may have. @throws {CaError} `rejectedIdentifier` */
export function assertNamesAllowed(
  identifiers: readonly Identifier[],
  profile: Profile,
  accountNames: readonly string[] | undefined,
): void {
  for (const identifier of identifiers) {
    if (!nameIsAllowed(identifier, profile.allowedNames) || !nameIsAllowed(identifier, accountNames)) {
      throw new CaError('rejectedIdentifier', `the policy does not allow ${identifier.value} any more`);
    }
  }
}
