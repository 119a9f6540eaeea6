import type { Profile } from '../issuance/profile.ts';
import type { JsonObject } from '../json/strict.ts';
import type { Account } from './account.ts';
import type { ChallengeType } from '../issuance/profile.ts';
import type { Proven } from './ancestor-domain.ts';
import type { Identifier } from './identifier.ts';
import type { Authorization, Order } from './order.ts';
import type { PublicJwk } from './jwk.ts';

/**
 * Who a verified request speaks for. Every statement repeats it in SQL, so that a key or status read a moment ago
 * (or cached in this instance) can never authorise a write.
 */
export interface Principal {
  readonly accountId: string;
  readonly profileId: string;
  readonly thumbprint: string;
}

/** A statement found the account changed since its key was read: authenticate again from the start. */
export class AccountChanged extends Error {
  override readonly name = 'AccountChanged';
}

export interface EabKey {
  readonly id: string;
  readonly profileId: string;
  readonly sealedHmac: Uint8Array;
  readonly allowedNames: readonly string[] | undefined;
}

export interface AccountStore {
  account(id: string): Promise<Account | undefined>;
  accountByKey(profileId: string, thumbprint: string): Promise<Account | undefined>;
  /** A key that is enabled, unexpired and has a use left. */
  usableEabKey(id: string, profileId: string): Promise<EabKey | undefined>;
  /**
   * Creates the account and consumes a use of its EAB key in one commit. A concurrent winner with the same key is returned
   * with `created: false`; undefined when the EAB key has no use left.
   */
  createAccount(account: {
    readonly id: string;
    readonly profileId: string;
    readonly jwk: PublicJwk;
    readonly thumbprint: string;
    readonly contact: readonly string[];
    readonly termsAgreed: boolean;
    readonly binding: { readonly keyId: string; readonly jws: JsonObject } | undefined;
  }): Promise<{ readonly account: Account; readonly created: boolean } | undefined>;
  updateContact(who: Principal, contact: readonly string[]): Promise<Account>;
  /** Swaps the key and leaves an audit row in one commit; `takenBy`: the account that has the new key. */
  changeKey(who: Principal, jwk: PublicJwk, thumbprint: string): Promise<{ readonly account: Account } | { readonly takenBy: string }>;
  /** Thumbprints of the keys that the account had before, the last first, at most 999. */
  earlierKeys(id: string): Promise<readonly string[]>;
  /** Also ends the account's open orders and authorizations. */
  deactivateAccount(who: Principal): Promise<Account>;
}

export type CreateOrderOutcome = 'created' | 'profileChanged' | 'tooManyOpenOrders' | 'alreadyReplaced' | 'authorizationsChanged';

/** A proof that the account gave for an earlier order. */
export interface HeldAuthorization {
  readonly id: string;
  readonly identifier: Identifier;
  readonly wildcard: boolean;
  readonly subdomains: boolean;
  readonly type: ChallengeType;
  readonly validated: Date;
  readonly expires: Date;
}

/** An order with what finalize must know at the same instant. */
export interface OrderToFinalize {
  readonly order: Order;
  readonly authorizationsValid: boolean;
  readonly keyBlocked: boolean;
  readonly keyIsAccountKey: boolean;
  readonly profileVersion: number;
}

export interface OrderStore {
  createOrder(
    who: Principal,
    order: Order,
    authorizations: readonly Authorization[],
    limits: { readonly profileVersion: number; readonly openOrders: number },
  ): Promise<CreateOrderOutcome>;
  /** Valid authorizations of the account under a profile, proven by a challenge at most `maxAgeSeconds` ago. */
  heldAuthorizations(
    who: Principal,
    profileId: string,
    wanted: readonly Proven[],
    maxAgeSeconds: number,
  ): Promise<readonly HeldAuthorization[]>;
  order(who: Principal, id: string): Promise<Order | undefined>;
  /** Newest first, at most `limit`, older than `before`. */
  orderIds(who: Principal, before: string | undefined, limit: number): Promise<readonly string[]>;
  authorization(who: Principal, id: string): Promise<Authorization | undefined>;
  deactivateAuthorization(who: Principal, id: string): Promise<Authorization | undefined>;
  /** The authorization that a challenge belongs to. */
  authorizationOfChallenge(who: Principal, challengeId: string): Promise<Authorization | undefined>;
  /** pending → processing with its job and outbox row in one commit; false when another request was first. */
  beginValidation(who: Principal, challengeId: string, job: { readonly id: string; readonly payload: JsonObject }): Promise<boolean>;
  orderToFinalize(who: Principal, id: string, spkiSha256: Uint8Array, spkiThumbprint: string): Promise<OrderToFinalize | undefined>;
  certificate(who: Principal, id: string): Promise<{ readonly certificate: Uint8Array; readonly caId: string } | undefined>;
}

/** How often a name of an account may fail. */
export interface FailureLimits {
  /** Failed validations within an hour; more orders are refused until one of them is an hour old. */
  readonly perHour: number;
  /** Failed validations in a row after which the name is paused; 0: never. */
  readonly beforePause: number;
}

/** A name that its account may not order now. */
export interface RefusedName {
  readonly identifier: Identifier;
  /** Failed validations since the last good one. */
  readonly failures: number;
  /** Opens the page that lets the account's names go on; undefined: the name waits for an hour to pass, not for a person. */
  readonly unpauseToken: string | undefined;
  /** Whole seconds until the hour's limit admits it again; 0 for a paused one. */
  readonly retryAfter: number;
}

export interface FailingNameStore {
  /** Those of the identifiers that the account may not order now. @param identifiers as authorizations have them */
  refused(who: Principal, identifiers: readonly Identifier[], limits: FailureLimits): Promise<readonly RefusedName[]>;
  /** The paused names of the account whose page the token opens; none: the token is unknown or was used. */
  paused(token: string): Promise<readonly Identifier[]>;
  /** Lets all paused names of the token's account go on, with an audit row in the same commit; which they were. */
  unpause(token: string): Promise<readonly Identifier[]>;
}

export interface ProfileStore {
  /** From PostgreSQL; undefined when it does not exist. */
  profile(id: string): Promise<Profile | undefined>;
}
