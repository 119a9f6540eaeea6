import type { JsonObject } from '../json/strict.ts';
import type { PublicJwk } from './jwk.ts';
import type { AcmeUrls } from './urls.ts';

export type AccountStatus = 'valid' | 'deactivated' | 'revoked';

/** RFC 8555 §7.1.2 */
export interface Account {
  readonly id: string;
  readonly profileId: string;
  readonly jwk: PublicJwk;
  readonly thumbprint: string;
  readonly contact: readonly string[];
  readonly status: AccountStatus;
  /** The operator disabled the EAB key that this account was made with. */
  readonly blocked: boolean;
  readonly termsAgreed: boolean;
  readonly binding: JsonObject | undefined;
  /** Names that the EAB key allows; undefined: what the profile allows. */
  readonly allowedNames: readonly string[] | undefined;
}

/** The account object as clients see it; no address of theirs, no inner state. */
export function accountObject(account: Account, urls: AcmeUrls): JsonObject {
  return {
    status: account.status,
    ...(account.contact.length > 0 && { contact: account.contact }),
    ...(account.termsAgreed && { termsOfServiceAgreed: true }),
    ...(account.binding !== undefined && { externalAccountBinding: account.binding }),
    orders: urls.orders(account.id),
  };
}
