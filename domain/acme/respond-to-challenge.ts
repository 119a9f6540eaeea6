import { CaError } from '../error.ts';
import { newId } from '../id.ts';
import type { AccountRequest } from './authenticate.ts';
import { readPayload } from './jws.ts';
import { authorizationIdentifier } from './identifier.ts';
import { currentAuthorization, positionOf, type Authorization, type Challenge } from './order.ts';
import type { AcmePorts } from './ports.ts';
import type { Profile } from '../issuance/profile.ts';
import type { PersistentQuestion } from '../probe/persistent-record.ts';
import { issuerDomainNames } from './issuer-domain-names.ts';

/**
 * Answers a POST to a challenge: an empty payload reads it, an object starts the validation (RFC 8555 §7.5.1). A challenge that
 * is not pending any more is returned as it is, so a repeated POST validates once.
 *
 * @throws {CaError} `notFound`, `malformed`, `rateLimited`
 */
export async function respondToChallenge(
  ports: AcmePorts,
  request: AccountRequest,
  challengeId: string,
): Promise<{ readonly challenge: Challenge; readonly authorization: Authorization }> {
  const found = await read(ports, request, challengeId);
  if (request.payload.length === 0) return found;
  readPayload(request.payload);
  const { authorization, challenge } = found;
  if (challenge.status !== 'pending' || authorization.status !== 'pending') return found;
  await ports.limiter.take('acme-challenge-response', request.account.id);
  const profile = (await ports.profiles.known(authorization.profileId)) ?? request.profile;
  const jobId = newId('job', ports.chance.now(), ports.chance.random(10));
  const payload = {
    orderId: authorization.orderId,
    authorizationId: authorization.id,
    type: challenge.type,
    token: challenge.token,
    keyAuthorization: `${challenge.token}.${request.who.thumbprint}`,
    identifier: authorization.identifier,
    allowedCidrs: profile.allowedCidrs,
    failures: ports.settings.failures,
    ...(challenge.type === 'dns-account-01' && { accountUri: request.urls.account(request.account.id) }),
    ...(challenge.type === 'dns-persist-01' && { persistent: await persistent(ports, request, profile, authorization) }),
    ...(profile.caaIdentities.length > 0 && {
      caa: {
        identities: profile.caaIdentities,
        accountUri: request.urls.account(request.account.id),
        ...(await governed(ports, request, authorization)),
      },
    }),
  };
  const begun = await ports.orders.beginValidation(request.who, challengeId, { id: jobId, payload });
  if (!begun) return read(ports, request, challengeId);
  await ports.hint(jobId);
  return { authorization, challenge: { ...challenge, status: 'processing' } };
}

/** Whose CAA records govern: those of the name that is certified, also where a domain above is proven. */
async function governed(
  ports: AcmePorts,
  request: AccountRequest,
  authorization: Authorization,
): Promise<{ readonly wildcard: boolean; readonly name?: string }> {
  if (!authorization.subdomains) return { wildcard: authorization.wildcard };
  const ordered = (await ports.orders.order(request.who, authorization.orderId))?.identifiers[positionOf(authorization)];
  if (ordered === undefined) throw new CaError('notFound', 'no such challenge');
  const { identifier, wildcard } = authorizationIdentifier(ordered);
  return { wildcard, name: identifier.value };
}

async function persistent(
  ports: AcmePorts,
  request: AccountRequest,
  profile: Profile,
  { wildcard, subdomains }: Authorization,
): Promise<Omit<PersistentQuestion, 'name'>> {
  return {
    issuers: issuerDomainNames(profile),
    wildcard: wildcard || subdomains,
    accountUri: request.urls.account(request.account.id),
    accountHashPrefix: request.urls.accountHashPrefix,
    thumbprints: [request.who.thumbprint, ...(await ports.accounts.earlierKeys(request.account.id))],
  };
}

async function read(
  ports: AcmePorts,
  request: AccountRequest,
  challengeId: string,
): Promise<{ challenge: Challenge; authorization: Authorization }> {
  const stored = await ports.orders.authorizationOfChallenge(request.who, challengeId);
  const challenge = stored?.challenges.find((candidate) => candidate.id === challengeId);
  if (stored === undefined || challenge === undefined) throw new CaError('notFound', 'no such challenge');
  return { challenge, authorization: currentAuthorization(stored, ports.chance.now()) };
}
