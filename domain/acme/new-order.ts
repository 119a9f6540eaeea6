import { CaError } from '../error.ts';
import { newId } from '../id.ts';
import type { Profile } from '../issuance/profile.ts';
import type { AccountRequest } from './authenticate.ts';
import { authorizationIdentifier, readIdentifiers, type Identifier } from './identifier.ts';
import { readPayload } from './jws.ts';
import { authorizationId, challengeId, offeredChallenges, type Authorization, type Order } from './order.ts';
import type { AcmePorts } from './ports.ts';

/**
 * Makes an order with its authorizations and challenges (RFC 8555 §7.4). The profile's mode is the one that PostgreSQL holds at the commit.
 *
 * @throws {CaError} `malformed`, `rejectedIdentifier`, `unsupportedIdentifier`, `rateLimited`, `notFound` (the profile was disabled)
 */
export async function newOrder(ports: AcmePorts, request: AccountRequest): Promise<Order> {
  const payload = readPayload(request.payload);
  let profile: Profile | undefined = request.profile;
  // Refused requests spend no token: the names are read first.
  readIdentifiers(payload['identifiers'], profile, request.account.allowedNames);
  await ports.limiter.take('acme-new-order', request.account.id);
  for (let attempt = 0; attempt < 3; attempt++) {
    if (!profile?.enabled) throw new CaError('notFound', 'no such profile');
    const identifiers = readIdentifiers(payload['identifiers'], profile, request.account.allowedNames);
    const { order, authorizations } = draftOrder(ports, request, profile, identifiers, payload);
    const limits = { profileVersion: profile.version, openOrders: ports.settings.openOrders };
    const outcome = await ports.orders.createOrder(request.who, order, authorizations, limits);
    if (outcome === 'created') return order;
    if (outcome === 'tooManyOpenOrders') {
      throw new CaError('rateLimited', `the account has ${ports.settings.openOrders} orders open; finish or let expire some first`, {
        retryAfter: 60,
      });
    }
    profile = await ports.profiles.refreshed(profile.id);
  }
  throw new CaError('unavailable', 'the profile is being changed; try again', { retryAfter: 1 });
}

function draftOrder(
  ports: AcmePorts,
  request: AccountRequest,
  profile: Profile,
  identifiers: readonly Identifier[],
  payload: Readonly<Record<string, unknown>>,
): { order: Order; authorizations: readonly Authorization[] } {
  const now = ports.chance.now();
  const id = newId('ord', now, ports.chance.random(10));
  const trusted = profile.authMode === 'trust_authenticated';
  const expires = new Date(now + ports.settings.orderLifetime * 1000);
  const { notBefore, notAfter } = readValidity(payload, profile, now);
  const authorizations = identifiers.map((identifier, position): Authorization => {
    const authorization = authorizationId(id, position);
    // A trusted order shows one challenge that is already met, for §7.1.4 wants a list.
    const offered = trusted ? (['http-01'] as const) : offeredChallenges(identifier, profile.allowedChallenges);
    if (offered.length === 0) throw new CaError('rejectedIdentifier', 'the profile allows no challenge that could prove this name');
    return {
      id: authorization,
      orderId: id,
      ...authorizationIdentifier(identifier),
      status: trusted ? 'valid' : 'pending',
      expires,
      challenges: offered.map((type) => ({
        id: challengeId(authorization, type),
        type,
        token: Buffer.from(ports.chance.random(32)).toString('base64url'),
        status: trusted ? 'valid' : 'pending',
        validated: trusted ? new Date(now) : undefined,
        error: undefined,
      })),
    };
  });
  const order: Order = {
    id,
    accountId: request.account.id,
    profileId: profile.id,
    authMode: profile.authMode,
    status: trusted ? 'ready' : 'pending',
    identifiers,
    notBefore,
    notAfter,
    expires,
    error: undefined,
    certificateId: undefined,
    attempts: 0,
  };
  return { order, authorizations };
}

// RFC 3339 §5.6, with a zone, as RFC 8555 §7.1.3 wants it.
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;

function readValidity(
  payload: Readonly<Record<string, unknown>>,
  profile: Profile,
  now: number,
): { notBefore: Date | undefined; notAfter: Date | undefined } {
  const read = (name: string): Date | undefined => {
    const value = payload[name];
    if (value === undefined) return undefined;
    const time = typeof value === 'string' && timestamp.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isFinite(time)) throw new CaError('malformed', `${name} is not an RFC 3339 time`);
    return new Date(Math.floor(time / 1000) * 1000);
  };
  const notBefore = read('notBefore');
  const notAfter = read('notAfter');
  const dayMs = 86_400_000;
  if (notBefore && Math.abs(notBefore.getTime() - now) > dayMs) throw new CaError('malformed', 'notBefore must be within a day of now');
  if (notAfter && notAfter.getTime() <= Math.max(now, notBefore?.getTime() ?? 0))
    throw new CaError('malformed', 'notAfter is not in the future');
  const begin = notBefore?.getTime() ?? now - 60_000;
  if (notAfter && notAfter.getTime() - begin > profile.validitySeconds * 1000) {
    throw new CaError('malformed', `notAfter is later than the profile allows (${profile.validitySeconds} seconds)`);
  }
  return { notBefore, notAfter };
}
