import type { JsonObject } from '../json/strict.ts';
import type { AuthMode, ChallengeType, Profile } from '../issuance/profile.ts';
import { authorizationIdentifier, type Identifier } from './identifier.ts';
import { autoRenewalObject, type AutoRenewal } from './auto-renewal.ts';
import { issuerDomainNames } from './issuer-domain-names.ts';
import { errorUrn, type ProblemDocument } from './problem-document.ts';
import { rfc3339 } from './timestamp.ts';
import type { AcmeUrls } from './urls.ts';

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid' | 'canceled';
export type AuthorizationStatus = 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked';
export type ChallengeStatus = 'pending' | 'processing' | 'valid' | 'invalid';

/** RFC 8555 §7.1.3 */
export interface Order {
  readonly id: string;
  readonly accountId: string;
  readonly profileId: string;
  readonly authMode: AuthMode;
  readonly status: OrderStatus;
  readonly identifiers: readonly Identifier[];
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  readonly expires: Date;
  readonly error: ProblemDocument | undefined;
  readonly certificateId: string | undefined;
  readonly attempts: number;
  /** The certificate that this order renews (RFC 9773 §5). */
  readonly replaces: Replaced | undefined;
  readonly autoRenewal: AutoRenewal | undefined;
  /** Names the certificate of an order that renews itself; whoever knows it may be allowed to read that. */
  readonly starId: string | undefined;
}

export interface Replaced {
  /** As the client named it. */
  readonly certId: string;
  /** In the inventory. */
  readonly certificateId: string;
}

/** RFC 8555 §7.1.4 */
export interface Authorization {
  readonly id: string;
  readonly orderId: string;
  /** Of the order. */
  readonly profileId: string;
  readonly identifier: Identifier;
  readonly wildcard: boolean;
  /** It serves names below, too (RFC 9444 §4.1). */
  readonly subdomains: boolean;
  readonly status: AuthorizationStatus;
  readonly expires: Date;
  readonly challenges: readonly Challenge[];
  /** The authorization of an earlier order that vouches for this one. */
  readonly reusedFrom: string | undefined;
}

/** RFC 8555 §7.1.5 */
export interface Challenge {
  readonly id: string;
  readonly type: ChallengeType;
  readonly token: string;
  readonly status: ChallengeStatus;
  readonly validated: Date | undefined;
  readonly error: ProblemDocument | undefined;
}

/** Which identifier of its order an authorization is for. */
export function positionOf({ id }: Pick<Authorization, 'id'>): number {
  return Number(id.slice(id.lastIndexOf('.') + 1));
}

/** The n-th authorization of an order is named after it, so that an order's list needs no look-up. */
export function authorizationId(orderId: string, position: number): string {
  return `${orderId}.${position}`;
}

export function challengeId(authorization: string, type: ChallengeType): string {
  return `${authorization}.${type}`;
}

/**
 * What an identifier may prove itself with: for a wildcard, and for all names below a domain, only the zone's owner can answer (RFC 8555 §7.1.3), and for
 * an address DNS cannot answer at all (RFC 8738 §3). A record that stands for long must name the CA.
 */
export function offeredChallenges(
  identifier: Identifier,
  profile: Pick<Profile, 'allowedChallenges' | 'caaIdentities'>,
  subdomains = false,
): readonly ChallengeType[] {
  const { wildcard } = authorizationIdentifier(identifier);
  return profile.allowedChallenges.filter((type) => {
    if (type === 'dns-persist-01' && issuerDomainNames(profile).length === 0) return false;
    return type.startsWith('dns-') ? identifier.type === 'dns' : !wildcard && !subdomains;
  });
}

/** Expiry counts when it is read, so that no answer depends on a sweep. */
export function currentOrder(order: Order, now: number): Order {
  if ((order.status !== 'pending' && order.status !== 'ready') || order.expires.getTime() > now) return order;
  return { ...order, status: 'invalid', error: { type: errorUrn('malformed'), detail: 'the order has expired', status: 403 } };
}

export function currentAuthorization(authorization: Authorization, now: number): Authorization {
  const open = authorization.status === 'pending' || authorization.status === 'valid';
  return open && authorization.expires.getTime() <= now ? { ...authorization, status: 'expired' } : authorization;
}

export function orderObject(order: Order, urls: AcmeUrls): JsonObject {
  return {
    status: order.status,
    expires: rfc3339(order.expires),
    identifiers: order.identifiers,
    profile: order.profileId,
    ...(order.replaces && { replaces: order.replaces.certId }),
    ...(order.notBefore && { notBefore: rfc3339(order.notBefore) }),
    ...(order.notAfter && { notAfter: rfc3339(order.notAfter) }),
    authorizations: order.identifiers.map((_, position) => urls.authorization(authorizationId(order.id, position))),
    finalize: urls.finalize(order.id),
    ...(order.autoRenewal && { 'auto-renewal': autoRenewalObject(order.autoRenewal) }),
    ...(order.status === 'valid' && certificateUrl(order, urls)),
    ...(order.error && { error: order.error }),
  };
}

/** One that renews itself has a URL of another name, for what it gives changes (RFC 8739 §3.1.1). */
function certificateUrl(order: Order, urls: AcmeUrls): JsonObject {
  if (order.autoRenewal !== undefined) return order.starId === undefined ? {} : { 'star-certificate': urls.starCertificate(order.starId) };
  return order.certificateId === undefined ? {} : { certificate: urls.certificate(order.certificateId) };
}

/** @param issuers by whose names records of dns-persist-01 may know the CA */
export function authorizationObject(authorization: Authorization, urls: AcmeUrls, issuers: readonly string[]): JsonObject {
  return {
    identifier: authorization.identifier,
    status: authorization.status,
    expires: rfc3339(authorization.expires),
    ...(authorization.wildcard && { wildcard: true }),
    ...(authorization.subdomains && { subdomainAuthAllowed: true }),
    challenges: authorization.challenges.map((challenge) => challengeObject(challenge, urls, issuers)),
  };
}

// acme.sh reads challenges with regular expressions: flat up to token and url, error last.
export function challengeObject(challenge: Challenge, urls: AcmeUrls, issuers: readonly string[]): JsonObject {
  return {
    type: challenge.type,
    url: urls.challenge(challenge.id),
    status: challenge.status,
    // Clients of the first drafts look for the other spelling.
    ...(challenge.type === 'dns-persist-01' ? { issuerDomainNames: issuers, 'issuer-domain-names': issuers } : { token: challenge.token }),
    ...(challenge.validated && { validated: rfc3339(challenge.validated) }),
    ...(challenge.error && { error: challenge.error }),
  };
}
