import type { IssuedCertificate, SigningIntent } from '../issuance/store.ts';
import type { AutoRenewal } from './auto-renewal.ts';
import type { Identifier } from './identifier.ts';
import type { Principal } from './store.ts';

/** An order whose certificate renews itself, with what its next certificate depends on. */
export interface StarOrder {
  readonly id: string;
  readonly profileId: string;
  readonly canceled: boolean;
  readonly identifiers: readonly Identifier[];
  readonly renewal: AutoRenewal;
  /** The notBefore of the first certificate. */
  readonly first: Date;
  /** DER */
  readonly csr: Uint8Array;
  readonly latest: StarCertificate;
  /** One of the latest certificates is revoked or held, and not for its CA's sake. */
  readonly revoked: boolean;
  readonly keyBlocked: boolean;
  /** The names were proven within the last eight hours, if proof was asked for. */
  readonly proofsAreFresh: boolean;
  /** Of the order's profile, now. */
  readonly profileVersion: number;
  readonly account: {
    readonly id: string;
    readonly profileId: string;
    readonly thumbprint: string;
    readonly usable: boolean;
    readonly allowedNames: readonly string[] | undefined;
  };
}

export interface StarCertificate {
  readonly number: number;
  /** DER */
  readonly certificate: Uint8Array;
  readonly caId: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface StarStore {
  /** An order that has its first certificate. */
  find(starId: string): Promise<StarOrder | undefined>;
  /**
   * Takes a lease for one certificate of a valid order and writes the signing log, in one commit.
   *
   * @returns what is to be signed: the intent, or that of somebody who died before he had signed it; undefined when somebody else is at it or was,
   *   or something changed that the intent relied on
   * @throws {CaError} `unavailable` when the CA signs no leaves any more
   */
  begin(
    orderId: string,
    number: number,
    intent: SigningIntent,
    limits: { readonly profileVersion: number; readonly leaseSeconds: number },
  ): Promise<SigningIntent | undefined>;
  /** Certificate, order, signing log and audit row in one commit. What was begun before the order was canceled is kept, too, and shown to nobody. */
  complete(orderId: string, number: number, certificate: IssuedCertificate): Promise<void>;
  /** valid → canceled with an audit row; false when it was something else. */
  cancel(who: Principal, orderId: string): Promise<boolean>;
}
