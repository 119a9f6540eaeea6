import { CaError } from '../error.ts';
import { newId } from '../id.ts';
import type { Profile } from '../issuance/profile.ts';
import type { AccountRequest } from './authenticate.ts';
import { readAutoRenewal } from './auto-renewal.ts';
import { caaFreshSeconds } from './caa-freshness.ts';
import { provenFor, readAncestorDomains, type Proven } from './ancestor-domain.ts';
import { assertNotFailing } from './failing-names.ts';
import { identifierKey, readIdentifiers, type Identifier } from './identifier.ts';
import { readPayload } from './jws.ts';
import { authorizationId, challengeId, offeredChallenges, type Authorization, type Order, type Replaced } from './order.ts';
import type { AcmePorts } from './ports.ts';
import { readReplaced } from './replaces.ts';
import type { HeldAuthorization } from './store.ts';
import { readValidity } from './validity.ts';

type Payload = Readonly<Record<string, unknown>>;

/**
 * Makes an order with its authorizations and challenges (RFC 8555 §7.4). The profile's mode is the one that PostgreSQL holds at the commit.
 *
 * @throws {CaError} `malformed`, `rejectedIdentifier`, `unsupportedIdentifier`, `invalidProfile`, `alreadyReplaced`, `userActionRequired`
 *   (terms of a chosen profile), `rateLimited`, `notFound` (the profile was disabled)
 */
export async function newOrder(ports: AcmePorts, request: AccountRequest): Promise<Order> {
  const payload = readPayload(request.payload);
  let profile = await chosenProfile(ports, request, payload['profile']);
  // Refused requests spend no token: what can be refused is read first.
  const wanted = readIdentifiers(payload['identifiers'], profile, request.account.allowedNames);
  const replaces = await readReplaced(ports, request, payload['replaces'], wanted);
  const ancestors = readAncestorDomains(payload['identifiers'] as readonly unknown[], profile);
  readAutoRenewal(payload, profile, ports.chance.now());
  const names = wanted.map((identifier) => provenFor(identifier, ancestors).identifier);
  if (profile.authMode === 'challenge') await assertNotFailing(ports, request, names);
  // Renewals that the server itself suggested are welcome at any rate (RFC 9773 §5).
  if (replaces === undefined) await ports.limiter.take('acme-new-order', request.account.id);
  let mayReuse = true;
  for (let attempt = 0; attempt < 4; attempt++) {
    if (!profile.enabled) throw new CaError('notFound', 'no such profile');
    assertNoApprovalNeeded(profile);
    const identifiers = readIdentifiers(payload['identifiers'], profile, request.account.allowedNames);
    // The profile may have another mode by now.
    const ancestors = readAncestorDomains(payload['identifiers'] as readonly unknown[], profile);
    const proven = identifiers.map((identifier) => provenFor(identifier, ancestors));
    const held = mayReuse ? await heldAuthorizations(ports, request, profile, proven) : [];
    const { order, authorizations } = draftOrder(ports, request, { profile, identifiers, proven, payload, replaces, held });
    const limits = { profileVersion: profile.version, openOrders: ports.settings.openOrders };
    switch (await ports.orders.createOrder(request.who, order, authorizations, limits)) {
      case 'created':
        return order;
      case 'tooManyOpenOrders':
        throw new CaError('rateLimited', `the account has ${ports.settings.openOrders} orders open; finish or let expire some first`, {
          retryAfter: 60,
        });
      case 'alreadyReplaced':
        throw new CaError('alreadyReplaced', 'another order replaces this certificate already');
      case 'authorizationsChanged':
        mayReuse = false;
        break;
      case 'profileChanged': {
        const changed = await ports.profiles.refreshed(profile.id);
        if (changed === undefined || (changed.id !== request.profile.id && !changed.selectable)) throw noSuchProfile();
        profile = changed;
      }
    }
  }
  throw new CaError('unavailable', 'the profile is being changed; try again', { retryAfter: 1 });
}

/**
 * An order waits for no person (RFC 8555 §7.4 knows no such state that ends well), so a profile that wants approvals issues nothing here.
 *
 * @throws {CaError} `unauthorized`
 */
export function assertNoApprovalNeeded(profile: Profile): void {
  // Copies of profiles that were written before the member was known do not have it.
  if ((profile as Partial<Profile>).requiresApproval === true)
    throw new CaError('unauthorized', 'certificates of this profile need an approval, which ACME cannot ask for');
}

function noSuchProfile(): CaError {
  return new CaError('invalidProfile', 'the directory offers no such profile');
}

/** The account's own profile, or one that the shared directory offers (draft-ietf-acme-profiles §4). */
async function chosenProfile(ports: AcmePorts, request: AccountRequest, name: unknown): Promise<Profile> {
  if (name === undefined || name === request.profile.id) return request.profile;
  if (typeof name !== 'string') throw new CaError('malformed', 'profile is not a string');
  const profile = request.profile.id === ports.sharedProfile ? await ports.profiles.known(name) : undefined;
  if (profile?.enabled !== true || !profile.selectable) throw noSuchProfile();
  if (profile.termsOfService !== undefined && (!request.account.termsAgreed || profile.termsOfService !== request.profile.termsOfService)) {
    throw new CaError('userActionRequired', 'the profile has terms of its own; register in its own directory', {
      url: profile.termsOfService,
    });
  }
  return profile;
}

async function heldAuthorizations(
  ports: AcmePorts,
  request: AccountRequest,
  profile: Profile,
  proven: readonly Proven[],
): Promise<readonly HeldAuthorization[]> {
  if (profile.authMode !== 'challenge' || !(profile.authorizationReuseSeconds > 0)) return [];
  const seconds = Math.min(profile.authorizationReuseSeconds, profile.caaIdentities.length > 0 ? caaFreshSeconds : Number.MAX_SAFE_INTEGER);
  // CAA records were asked for the name that was ordered then, not for this one.
  const wanted = proven.filter(({ subdomains }) => !subdomains || profile.caaIdentities.length === 0);
  return wanted.length === 0 ? [] : ports.orders.heldAuthorizations(request.who, profile.id, wanted, seconds);
}

interface Draft {
  readonly profile: Profile;
  readonly identifiers: readonly Identifier[];
  /** In the same order. */
  readonly proven: readonly Proven[];
  readonly payload: Payload;
  readonly replaces: Replaced | undefined;
  readonly held: readonly HeldAuthorization[];
}

function draftOrder(
  ports: AcmePorts,
  request: AccountRequest,
  draft: Draft,
): { readonly order: Order; readonly authorizations: readonly Authorization[] } {
  const { profile, identifiers, proven } = draft;
  const now = ports.chance.now();
  const id = newId('ord', now, ports.chance.random(10));
  const lifetime = new Date(now + ports.settings.orderLifetime * 1000);
  const authorizations = proven.map((one, position) =>
    draftAuthorization(ports, draft, one, { id: authorizationId(id, position), orderId: id, now, expires: lifetime }),
  );
  const autoRenewal = readAutoRenewal(draft.payload, profile, now);
  const ends = authorizations.map((authorization) => authorization.expires.getTime());
  const order: Order = {
    id,
    accountId: request.account.id,
    profileId: profile.id,
    authMode: profile.authMode,
    status: authorizations.every((authorization) => authorization.status === 'valid') ? 'ready' : 'pending',
    identifiers,
    ...readValidity(draft.payload, profile, now),
    // An order cannot outlive what it rests on.
    expires: new Date(Math.min(...ends, autoRenewal?.endDate.getTime() ?? Number.POSITIVE_INFINITY)),
    error: undefined,
    certificateId: undefined,
    attempts: 0,
    replaces: draft.replaces,
    autoRenewal,
    starId: autoRenewal && Buffer.from(ports.chance.random(16)).toString('base64url'),
  };
  return { order, authorizations };
}

function draftAuthorization(
  ports: AcmePorts,
  { profile, held }: Draft,
  proven: Proven,
  frame: { readonly id: string; readonly orderId: string; readonly now: number; readonly expires: Date },
): Authorization {
  const { identifier, wildcard, subdomains } = proven;
  const offered = offeredChallenges(wildcard ? { ...identifier, value: `*.${identifier.value}` } : identifier, profile, subdomains);
  const trusted = profile.authMode === 'trust_authenticated';
  if (offered.length === 0 && !trusted)
    throw new CaError('rejectedIdentifier', 'the profile allows no challenge that could prove this identifier');
  const reused = held.find(
    (other) =>
      identifierKey(other.identifier) === identifierKey(identifier) &&
      other.wildcard === wildcard &&
      other.subdomains === subdomains &&
      offered.includes(other.type),
  );
  const valid = trusted || reused !== undefined;
  // A valid authorization shows the one challenge that was met; a trusted one meets one that nobody asked, for §7.1.4 wants a list.
  const types = reused !== undefined ? [reused.type] : trusted ? (['http-01'] as const) : offered;
  return {
    id: frame.id,
    orderId: frame.orderId,
    profileId: profile.id,
    ...proven,
    status: valid ? 'valid' : 'pending',
    expires: reused !== undefined && reused.expires < frame.expires ? reused.expires : frame.expires,
    challenges: types.map((type) => ({
      id: challengeId(frame.id, type),
      type,
      token: Buffer.from(ports.chance.random(32)).toString('base64url'),
      status: valid ? 'valid' : 'pending',
      validated: reused?.validated ?? (trusted ? new Date(frame.now) : undefined),
      error: undefined,
    })),
    reusedFrom: reused?.id,
  };
}
